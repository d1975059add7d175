// SPDX-License-Identifier: MIT
// Collectives by NCCL. Ranks still meet on the host before each one, so that a missing rank or a mismatch is
// an error with names and not a kernel that never ends: nothing is issued before all ranks are there with the
// same call. Messages, barriers, streams and started operations are those of the peer copies.
#include <nccl.h>
#include <pthread.h>
#include <stdlib.h>

#include "comm_internal.h"
#include "heddle/device.h"
#include "heddle/error.h"

// One communicator for each lane, since the operations of one are issued in the same order on all ranks.
typedef struct library {
  ncclComm_t comm[HD_LANES];
} library;

static int check(hd_comm *c, const char *what, ncclResult_t status) {
  if (status == ncclSuccess) return 0;
  return hd_comm_fail(c, "rank %d: %s: %s", c->rank, what, ncclGetErrorString(status));
}

// The first rank shows its id to the others in a meeting of the helper's lane, where it disturbs no numbers.
static int join(hd_comm *c, library *l, int lane) {
  ncclUniqueId own;
  hd_call call = {};
  call.operation = HD_OP_SPLIT;
  call.in = &own;
  if (c->rank == 0 && check(c, "ncclGetUniqueId", ncclGetUniqueId(&own))) return -1;
  if (hd_meet_enter(c, HD_LANE_HELPER, &call)) return -1;
  const ncclUniqueId id = *(const ncclUniqueId *)hd_meet_call(c, HD_LANE_HELPER, 0)->in;
  if (hd_meet_leave(c, HD_LANE_HELPER)) return -1;
  return check(c, "ncclCommInitRank", ncclCommInitRank(&l->comm[lane], c->world, id, c->rank));
}

static int open_nccl(hd_comm *c) {
  if (c->group->whole->world > hd_device_count())
    return hd_comm_fail(c, "rank %d: NCCL wants a GPU for each of %d ranks; there are %d", c->rank,
                        c->group->whole->world, hd_device_count());
  if (hd_comm_cuda_backend.open(c)) return -1;
  library *l = (library *)hd_alloc(1, sizeof *l);
  for (int lane = 0; lane < HD_LANES; lane++) l->comm[lane] = NULL;
  c->library = l;
  for (int lane = 0; lane < HD_LANES; lane++)
    if (join(c, l, lane)) return -1;
  return 0;
}

static void close_nccl(hd_comm *c) {
  library *l = (library *)c->library;
  hd_comm_cuda_backend.close(c);
  for (int lane = 0; lane < HD_LANES; lane++)
    if (l->comm[lane]) {
      if (hd_comm_failed(c))
        ncclCommAbort(l->comm[lane]);
      else
        ncclCommDestroy(l->comm[lane]);
    }
}

static void release_nccl(hd_comm *c) {
  free(c->library);
  hd_comm_cuda_backend.release(c);
}

static ncclDataType_t type_of(const hd_call *call) {
  return call->type == HD_F32 ? ncclFloat32 : call->type == HD_I32 ? ncclInt32 : ncclBfloat16;
}

static ncclRedOp_t operation_of(const hd_call *call) {
  return call->reduce_op == HD_SUM ? ncclSum : call->reduce_op == HD_MAX ? ncclMax : ncclMin;
}

static size_t bytes_of(const hd_call *call) {
  return call->count * hd_type_bytes(call->type);
}

static ncclComm_t comm_of(const hd_comm *c, int lane) {
  return ((const library *)c->library)->comm[lane];
}

static cudaStream_t stream_of(const hd_comm *c, int lane) {
  return (cudaStream_t)hd_comm_lane_stream(c, lane);
}

// After NCCL has been asked: nobody uses anything of the other ranks but what they published.
static int issued(hd_comm *c, int lane, const char *what, ncclResult_t status) {
  return hd_meet_pass(c, lane) || check(c, what, status) ? -1 : 0;
}

static int all_reduce(hd_comm *c, int lane, hd_call *call) {
  if (hd_meet_enter(c, lane, call)) return -1;
  const uint64_t others = (uint64_t)c->world - 1;
  hd_comm_count(c, 2 * others, 2 * others * bytes_of(call) / (uint64_t)c->world);
  return issued(c, lane, "ncclAllReduce",
                ncclAllReduce(call->in, call->out, call->count, type_of(call), operation_of(call),
                              comm_of(c, lane), stream_of(c, lane)));
}

static int reduce(hd_comm *c, hd_call *call) {
  if (hd_meet_enter(c, HD_LANE_CALLS, call)) return -1;
  if (c->rank != call->root) hd_comm_count(c, 1, bytes_of(call));
  return issued(c, HD_LANE_CALLS, "ncclReduce",
                ncclReduce(call->in, call->out, call->count, type_of(call), operation_of(call), call->root,
                           comm_of(c, HD_LANE_CALLS), stream_of(c, HD_LANE_CALLS)));
}

static int broadcast(hd_comm *c, hd_call *call) {
  if (hd_meet_enter(c, HD_LANE_CALLS, call)) return -1;
  const bool last = (c->rank + 1) % c->world == call->root;
  if (!last) hd_comm_count(c, 1, bytes_of(call));
  return issued(c, HD_LANE_CALLS, "ncclBroadcast",
                ncclBroadcast(call->in, call->out, call->count, type_of(call), call->root,
                              comm_of(c, HD_LANE_CALLS), stream_of(c, HD_LANE_CALLS)));
}

static int reduce_scatter(hd_comm *c, hd_call *call) {
  if (hd_meet_enter(c, HD_LANE_CALLS, call)) return -1;
  const uint64_t others = (uint64_t)c->world - 1;
  hd_comm_count(c, others, others * bytes_of(call));
  return issued(c, HD_LANE_CALLS, "ncclReduceScatter",
                ncclReduceScatter(call->in, call->out, call->count, type_of(call), operation_of(call),
                                  comm_of(c, HD_LANE_CALLS), stream_of(c, HD_LANE_CALLS)));
}

static int all_gather(hd_comm *c, hd_call *call) {
  if (hd_meet_enter(c, HD_LANE_CALLS, call)) return -1;
  const uint64_t others = (uint64_t)c->world - 1;
  hd_comm_count(c, others, others * bytes_of(call));
  return issued(c, HD_LANE_CALLS, "ncclAllGather",
                ncclAllGather(call->in, call->out, call->count, type_of(call), comm_of(c, HD_LANE_CALLS),
                              stream_of(c, HD_LANE_CALLS)));
}

static hd_backend_table table;

static void make_table(void) {
  table = hd_comm_cuda_backend;
  table.open = open_nccl;
  table.close = close_nccl;
  table.release = release_nccl;
  table.all_reduce = all_reduce;
  table.reduce = reduce;
  table.broadcast = broadcast;
  table.reduce_scatter = reduce_scatter;
  table.all_gather = all_gather;
}

const hd_backend_table *hd_comm_nccl_backend(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_table);
  return &table;
}
