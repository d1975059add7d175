// SPDX-License-Identifier: MIT
// What NCCL's collectives compute, in the order of the ranks, and how long rings take for them.
#include <stdlib.h>
#include <string.h>

#include "element.h"
#include "nccl_call.h"

size_t sim_nccl_bytes(ncclDataType_t type) {
  static const unsigned char bytes[ncclNumTypes] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  return (unsigned)type < ncclNumTypes ? bytes[type] : 0;
}

size_t sim_nccl_sent(const nccl_call *c, int ranks) {
  const size_t bytes = c->count * sim_nccl_bytes(c->type);
  switch (c->kind) {
    case NCCL_REDUCE_SCATTER:
    case NCCL_ALL_TO_ALL:
      return bytes * (size_t)ranks;
    case NCCL_BROADCAST:
      return c->comm->rank == c->peer ? bytes : 0;
    case NCCL_RECEIVE:
      return 0;
    default:
      return bytes;
  }
}

size_t sim_nccl_received(const nccl_call *c, int ranks) {
  const size_t bytes = c->count * sim_nccl_bytes(c->type);
  switch (c->kind) {
    case NCCL_ALL_GATHER:
    case NCCL_ALL_TO_ALL:
      return bytes * (size_t)ranks;
    case NCCL_REDUCE:
      return c->comm->rank == c->peer ? bytes : 0;
    case NCCL_SEND:
      return 0;
    default:
      return bytes;
  }
}

double sim_nccl_seconds(const nccl_call *c, int ranks, const sim_link *link) {
  const sim_machine *machine = sim_machine_get();
  const double bytes = (double)c->count * (double)sim_nccl_bytes(c->type), steps = ranks - 1;
  const double alpha = link->alpha_s, rate = link->bytes_per_s;
  const double start = machine->card->kernel_overhead_s;
  if (ranks == 1)
    return start + 2 * bytes / (machine->card->dram_bytes_per_s * machine->card->dram_efficiency);
  switch (c->kind) {
    case NCCL_ALL_REDUCE:
      return start + 2 * steps * (alpha + bytes / ranks / rate);
    case NCCL_REDUCE_SCATTER:
    case NCCL_ALL_GATHER:
    case NCCL_ALL_TO_ALL:  // count is that of one part
      return start + steps * (alpha + bytes / rate);
    case NCCL_SEND:
    case NCCL_RECEIVE:
      return start + alpha + bytes / rate;
    default:  // in pieces through all ranks
      return start + steps * alpha + bytes / rate;
  }
}

// ---------------------------------------------------------------- sums

#define COMBINE(T, wide, get, put)                                             \
  static void combine_##T(wide *to, const T *from, size_t n, ncclRedOp_t op) { \
    for (size_t i = 0; i < n; i++) {                                           \
      const wide x = get(from[i]), old = to[i];                                \
      switch (op) {                                                            \
        case ncclProd:                                                         \
          to[i] = old * x;                                                     \
          break;                                                               \
        case ncclMax:                                                          \
          to[i] = old > x ? old : x;                                           \
          break;                                                               \
        case ncclMin:                                                          \
          to[i] = old < x ? old : x;                                           \
          break;                                                               \
        default:                                                               \
          to[i] = old + x;                                                     \
      }                                                                        \
    }                                                                          \
  }                                                                            \
  static void first_##T(wide *to, const T *from, size_t n) {                   \
    for (size_t i = 0; i < n; i++) to[i] = get(from[i]);                       \
  }                                                                            \
  static void finish_##T(T *to, const wide *from, size_t n, int share) {       \
    for (size_t i = 0; i < n; i++) to[i] = (T)put(from[i] / (wide)share);      \
  }
#define SAME(x) (x)
// NOLINTNEXTLINE(bugprone-signed-char-misuse): numbers, not characters
COMBINE(int8_t, int64_t, SAME, SAME)
COMBINE(uint8_t, uint64_t, SAME, SAME)
COMBINE(int32_t, int64_t, SAME, SAME)
COMBINE(uint32_t, uint64_t, SAME, SAME)
COMBINE(int64_t, int64_t, SAME, SAME)
COMBINE(uint64_t, uint64_t, SAME, SAME)
COMBINE(float, float, SAME, SAME)
COMBINE(double, double, SAME, SAME)
typedef uint16_t float16;
typedef uint16_t bfloat16;
COMBINE(float16, float, sim_half_get, sim_half_put)
COMBINE(bfloat16, float, sim_bfloat_get, sim_bfloat_put)

// result = the ranks' elements, combined in the order of the ranks.
#define REDUCE(T)                                                                       \
  do {                                                                                  \
    first_##T(room, (const T *)call[0]->send, n);                                       \
    for (int r = 1; r < ranks; r++) combine_##T(room, (const T *)call[r]->send, n, op); \
    finish_##T(result, room, n, op == ncclAvg ? ranks : 1);                             \
  } while (0)
static void reduce(nccl_call **call, int ranks, size_t n, void *room, void *result) {
  const ncclRedOp_t op = call[0]->operation;
  switch (call[0]->type) {
    case ncclInt8:
      REDUCE(int8_t);
      break;
    case ncclUint8:
      REDUCE(uint8_t);
      break;
    case ncclInt32:
      REDUCE(int32_t);
      break;
    case ncclUint32:
      REDUCE(uint32_t);
      break;
    case ncclInt64:
      REDUCE(int64_t);
      break;
    case ncclUint64:
      REDUCE(uint64_t);
      break;
    case ncclFloat16:
      REDUCE(float16);
      break;
    case ncclBfloat16:
      REDUCE(bfloat16);
      break;
    case ncclFloat32:
      REDUCE(float);
      break;
    default:
      REDUCE(double);
  }
}

// Results are made aside first: a rank may receive where it sends from.
ncclResult_t sim_nccl_work(nccl_call **call, int ranks) {
  const nccl_call *c = call[0];
  const size_t element = sim_nccl_bytes(c->type), bytes = c->count * element;
  const bool sums = c->kind == NCCL_ALL_REDUCE || c->kind == NCCL_REDUCE || c->kind == NCCL_REDUCE_SCATTER;
  const bool parts =
      c->kind == NCCL_REDUCE_SCATTER || c->kind == NCCL_ALL_GATHER || c->kind == NCCL_ALL_TO_ALL;
  const size_t n = c->count * (c->kind == NCCL_REDUCE_SCATTER ? (size_t)ranks : 1);
  const size_t whole = bytes * (parts ? (size_t)ranks : 1) * (c->kind == NCCL_ALL_TO_ALL ? (size_t)ranks : 1);
  if (whole == 0) return ncclSuccess;
  char *result = malloc(whole);
  void *room = sums ? malloc(n * sizeof(int64_t)) : NULL;
  const bool memory = result && (room || !sums);
  if (memory && sums) {
    reduce(call, ranks, n, room, result);
  } else if (memory) {
    for (int r = 0; r < ranks; r++) {
      if (c->kind == NCCL_ALL_GATHER) memcpy(result + (size_t)r * bytes, call[r]->send, bytes);
      if (c->kind == NCCL_BROADCAST && r == c->peer) memcpy(result, call[r]->send, bytes);
      for (int to = 0; c->kind == NCCL_ALL_TO_ALL && to < ranks; to++)
        memcpy(result + ((size_t)to * (size_t)ranks + (size_t)r) * bytes,
               (const char *)call[r]->send + (size_t)to * bytes, bytes);
    }
  }
  for (int r = 0; memory && r < ranks; r++) {
    const size_t received = sim_nccl_received(call[r], ranks);
    size_t from = 0;
    if (c->kind == NCCL_REDUCE_SCATTER) from = bytes * (size_t)r;
    if (c->kind == NCCL_ALL_TO_ALL) from = bytes * (size_t)ranks * (size_t)r;
    if (received) memcpy(call[r]->receive, result + from, received);
  }
  free(result);
  free(room);
  return memory ? ncclSuccess : ncclSystemError;
}

void sim_nccl_message(const nccl_call *send, const nccl_call *receive) {
  memmove(receive->receive, send->send, send->count * sim_nccl_bytes(send->type));
}
