// SPDX-License-Identifier: MIT
// NCCL's collectives among four ranks: one thread with groups, a thread per rank, parts, and calls that can
// never complete.
#include <nccl.h>
#include <string.h>

#include <thread>

#include "exec_check.h"

enum { RANKS = 4, COUNT = 1000, PART = COUNT / RANKS };
#define CHECK_NCCL(call) EXPECT((call) == ncclSuccess, "%s", ncclGetLastError(NULL))

static float *in[RANKS], *out[RANKS], host[COUNT];
static ncclComm_t comm[RANKS];

static float value(int rank, int i) {
  return (float)(rank * 3 + i % 17);
}

static float sum_at(int i) {
  float sum = 0;
  for (int r = 0; r < RANKS; r++) sum += value(r, i);
  return sum;
}

static void fill(void) {
  for (int r = 0; r < RANKS; r++) {
    CHECK(cudaSetDevice(r));
    for (int i = 0; i < COUNT; i++) host[i] = value(r, i);
    CHECK(cudaMemcpy(in[r], host, sizeof host, cudaMemcpyHostToDevice));
    CHECK(cudaMemset(out[r], 0, sizeof host));
  }
}

static void fetch(int rank) {
  CHECK(cudaSetDevice(rank));
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaMemcpy(host, out[rank], sizeof host, cudaMemcpyDeviceToHost));
}

template <class Call, class Wanted>
static void each(const char *name, Call call, Wanted wanted) {
  fill();
  CHECK_NCCL(ncclGroupStart());
  for (int r = 0; r < RANKS; r++) {
    CHECK(cudaSetDevice(r));
    CHECK_NCCL(call(r));
  }
  CHECK_NCCL(ncclGroupEnd());
  for (int r = 0; r < RANKS; r++) {
    fetch(r);
    int wrong = 0;
    for (int i = 0; i < COUNT; i++) wrong += host[i] != wanted(r, i);
    EXPECT(wrong == 0, "%s, rank %d: %d of %d", name, r, wrong, COUNT);
  }
}

static void collectives(void) {
  each(
      "AllReduce", [](int r) { return ncclAllReduce(in[r], out[r], COUNT, ncclFloat, ncclSum, comm[r], 0); },
      [](int, int i) { return sum_at(i); });
  each(
      "average", [](int r) { return ncclAllReduce(in[r], out[r], COUNT, ncclFloat, ncclAvg, comm[r], 0); },
      [](int, int i) { return sum_at(i) / RANKS; });
  each(
      "maximum", [](int r) { return ncclAllReduce(in[r], out[r], COUNT, ncclFloat, ncclMax, comm[r], 0); },
      [](int, int i) { return value(RANKS - 1, i); });
  each(
      "Broadcast", [](int r) { return ncclBroadcast(in[r], out[r], COUNT, ncclFloat, 2, comm[r], 0); },
      [](int, int i) { return value(2, i); });
  each(
      "Reduce", [](int r) { return ncclReduce(in[r], out[r], COUNT, ncclFloat, ncclSum, 1, comm[r], 0); },
      [](int r, int i) { return r == 1 ? sum_at(i) : 0; });
  each(
      "AllGather", [](int r) { return ncclAllGather(in[r], out[r], PART, ncclFloat, comm[r], 0); },
      [](int, int i) { return value(i / PART, i % PART); });
  each(
      "ReduceScatter",
      [](int r) { return ncclReduceScatter(in[r], out[r], PART, ncclFloat, ncclSum, comm[r], 0); },
      [](int r, int i) { return i < PART ? sum_at(r * PART + i) : 0; });
  each(
      "ring",
      [](int r) {
        const ncclResult_t sent = ncclSend(in[r], COUNT, ncclFloat, (r + 1) % RANKS, comm[r], 0);
        return sent ? sent : ncclRecv(out[r], COUNT, ncclFloat, (r + RANKS - 1) % RANKS, comm[r], 0);
      },
      [](int r, int i) { return value((r + RANKS - 1) % RANKS, i); });
}

// A thread per rank: its own communicator, split into even and odd ranks in reverse order.
static void rank_thread(int rank, ncclUniqueId id, ncclResult_t *results) {
  ncclComm_t own, part;
  int count = 0, place = -1;
  cudaSetDevice(rank);
  results[0] = ncclCommInitRank(&own, RANKS, id, rank);
  results[1] = ncclAllReduce(in[rank], out[rank], COUNT, ncclFloat, ncclSum, own, 0);
  results[2] = ncclCommSplit(own, rank % 2, -rank, &part, NULL);
  ncclCommCount(part, &count);
  ncclCommUserRank(part, &place);
  results[3] = count == 2 && place == (rank < 2) ? ncclSuccess : ncclInternalError;
  results[4] = ncclAllReduce(in[rank], in[rank], COUNT, ncclFloat, ncclSum, part, 0);
  ncclCommDestroy(part);
  ncclCommDestroy(own);
}

static void threads(void) {
  ncclUniqueId id;
  ncclResult_t results[RANKS][5];
  std::thread running[RANKS];
  fill();
  CHECK_NCCL(ncclGetUniqueId(&id));
  for (int r = 0; r < RANKS; r++) running[r] = std::thread(rank_thread, r, id, results[r]);
  for (int r = 0; r < RANKS; r++) running[r].join();
  for (int r = 0; r < RANKS; r++) {
    for (int i = 0; i < 5; i++) EXPECT(results[r][i] == ncclSuccess, "rank %d, call %d", r, i);
    fetch(r);
    EXPECT(host[5] == sum_at(5), "rank %d: %g", r, host[5]);
    CHECK(cudaMemcpy(host, in[r], sizeof host, cudaMemcpyDeviceToHost));
    EXPECT(host[5] == value(r % 2, 5) + value(r % 2 + 2, 5), "rank %d, part: %g", r, host[5]);
  }
}

static void mistakes(void) {
  ncclComm_t twin[2];
  const int same[2] = {1, 1};
  EXPECT(ncclCommInitAll(twin, 2, same) == ncclInvalidUsage, "one device for two ranks");
  ncclGroupStart();
  for (int r = 0; r < RANKS; r++) {
    CHECK(cudaSetDevice(r));
    ncclAllReduce(in[r], out[r], (size_t)(r == 3 ? COUNT - 1 : COUNT), ncclFloat, ncclSum, comm[r], 0);
  }
  EXPECT(ncclGroupEnd() == ncclInvalidUsage, "counts that differ");
}

// Rank 1 never calls: the others are told so.
static void deadlock(void) {
  ncclComm_t own[2];
  CHECK_NCCL(ncclCommInitAll(own, 2, NULL));
  CHECK(cudaSetDevice(0));
  ncclResult_t error;
  EXPECT(ncclAllReduce(in[0], out[0], COUNT, ncclFloat, ncclSum, own[0], 0) == ncclInternalError, "deadlock");
  CHECK_NCCL(ncclCommGetAsyncError(own[0], &error));
  EXPECT(error == ncclInternalError, "%s", ncclGetErrorString(error));
  CHECK_NCCL(ncclCommAbort(own[0]));
  CHECK_NCCL(ncclCommAbort(own[1]));
}

int main(void) {
  for (int r = 0; r < RANKS; r++) {
    CHECK(cudaSetDevice(r));
    CHECK(cudaMalloc(&in[r], sizeof host));
    CHECK(cudaMalloc(&out[r], sizeof host));
  }
  CHECK_NCCL(ncclCommInitAll(comm, RANKS, NULL));
  collectives();
  threads();
  mistakes();
  deadlock();
  for (int r = 0; r < RANKS; r++) CHECK_NCCL(ncclCommDestroy(comm[r]));
  FINISH();
}
