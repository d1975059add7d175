// SPDX-License-Identifier: MIT
// Collectives of NCCL that do not fit together, or that somebody waits in for ever. Needs two devices.
#include <nccl.h>

#include <thread>

#include "planted.h"

enum { RANKS = 2, N = 256 };

static ncclComm_t comm[RANKS];
static float *data[RANKS], *sum[RANKS];

// Rank r's data is r + 1 everywhere.
static void begin(void) {
  float host[2 * N];
  for (int r = 0; r < RANKS; r++) {
    CHECK(cudaSetDevice(r));
    for (int i = 0; i < 2 * N; i++) host[i] = (float)(r + 1);
    data[r] = (float *)device_bytes(sizeof host);
    sum[r] = (float *)device_bytes(sizeof host);
    CHECK(cudaMemcpy(data[r], host, sizeof host, cudaMemcpyHostToDevice));
    CHECK(cudaMemset(sum[r], 0, sizeof host));
    CHECK(cudaDeviceSynchronize());
  }
  if (ncclCommInitAll(comm, RANKS, NULL) != ncclSuccess) exit(3);
}

// How many of the first n sums of each rank are not `expected`.
static int end(int n, float expected) {
  int wrong = 0;
  for (int r = 0; r < RANKS; r++) {
    float host[2 * N];
    CHECK(cudaSetDevice(r));
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaMemcpy(host, sum[r], sizeof host, cudaMemcpyDeviceToHost));
    for (int i = 0; i < n; i++) wrong += !(host[i] == expected);
    CHECK(cudaFree(data[r]));
    CHECK(cudaFree(sum[r]));
    ncclCommDestroy(comm[r]);
  }
  return wrong;
}

// What each rank does, in a host thread of its own, as programs with a process per rank are written.
static void in_threads(void (*work)(int rank, int bug), int bug) {
  std::thread other([=] {
    CHECK(cudaSetDevice(1));
    work(1, bug);
  });
  CHECK(cudaSetDevice(0));
  work(0, bug);
  other.join();
}

// CASE different_counts: The last rank has a remainder of the data and passes its own number of elements.
static void different_counts_work(int rank, int bug) {
  const size_t count = rank == 1 && bug ? N / 2 : N;
  ncclAllReduce(data[rank], sum[rank], count, ncclFloat, ncclSum, comm[rank], 0);  // BUG: collective
}
static int different_counts(int bug) {
  begin();
  in_threads(different_counts_work, bug);
  return end(N, 3);
}

// CASE different_types: One rank counts in doubles, the other in floats: as many bytes, but not the same sum.
static int different_types(int bug) {
  begin();
  ncclGroupStart();
  ncclAllReduce(data[0], sum[0], N, ncclFloat, ncclSum, comm[0], 0);
  ncclAllReduce(data[1], sum[1], N, bug ? ncclDouble : ncclFloat, ncclSum, comm[1], 0);  // BUG: collective
  ncclGroupEnd();
  return end(N, 3);
}

// CASE different_operations: One rank adds, the other one wants the maximum.
static void different_operations_work(int rank, int bug) {
  const ncclRedOp_t operation = rank == 1 && bug ? ncclMax : ncclSum;
  ncclAllReduce(data[rank], sum[rank], N, ncclFloat, operation, comm[rank], 0);  // BUG: collective
}
static int different_operations(int bug) {
  begin();
  in_threads(different_operations_work, bug);
  return end(N, 3);
}

// CASE different_roots: Each rank names itself as the root of a broadcast: everybody sends, nobody receives.
static void different_roots_work(int rank, int bug) {
  ncclBroadcast(data[rank], sum[rank], N, ncclFloat, bug ? rank : 1, comm[rank], 0);  // BUG: collective
}
static int different_roots(int bug) {
  begin();
  in_threads(different_roots_work, bug);
  return end(N, 2);
}

// CASE order_of_calls: The ranks make the same two calls, but not in the same order: calls meet by their
// order alone.
static void order_of_calls_reduce(int rank) {
  ncclAllReduce(data[rank], sum[rank], N, ncclFloat, ncclSum, comm[rank], 0);  // BUG: collective
}
static void order_of_calls_gather(int rank) {
  ncclAllGather(data[rank], data[rank], N, ncclFloat, comm[rank], 0);  // BUG: collective
}
static void order_of_calls_work(int rank, int bug) {
  if (rank == 1 && bug) {
    order_of_calls_gather(rank);
    order_of_calls_reduce(rank);
  } else {
    order_of_calls_reduce(rank);
    order_of_calls_gather(rank);
  }
}
static int order_of_calls(int bug) {
  begin();
  in_threads(order_of_calls_work, bug);
  return end(N, 3);
}

// CASE missing_rank: "Only rank 0 needs the result": but an all-reduce needs the call of every rank.
static void missing_rank_work(int rank, int bug) {
  if (rank != 0 && bug) return;
  ncclAllReduce(data[rank], sum[rank], N, ncclFloat, ncclSum, comm[rank], 0);  // BUG: collective
}
static int missing_rank(int bug) {
  begin();
  in_threads(missing_rank_work, bug);
  return end(N, 3);
}

// CASE no_group: One thread calls for all ranks in a loop. The first call may wait for the others, which this
// thread has yet to make: the loop must stand in a group.
static int no_group(int bug) {
  begin();
  if (!bug) ncclGroupStart();
  for (int r = 0; r < RANKS; r++)
    ncclAllReduce(data[r], sum[r], N, ncclFloat, ncclSum, comm[r], 0);  // BUG: collective
  if (!bug) ncclGroupEnd();
  return end(N, 3);
}

// CASE both_send_first: Two ranks exchange halves, and each sends before it receives: a send may wait for its
// receive. In a group, or with one rank receiving first, both move.
static void both_send_first_work(int rank, int bug) {
  if (!bug) ncclGroupStart();
  ncclSend(data[rank], N, ncclFloat, 1 - rank, comm[rank], 0);  // BUG: collective
  ncclRecv(sum[rank], N, ncclFloat, 1 - rank, comm[rank], 0);
  if (!bug) ncclGroupEnd();
}
static int both_send_first(int bug) {
  begin();
  in_threads(both_send_first_work, bug);
  float first[RANKS];
  for (int r = 0; r < RANKS; r++) {
    CHECK(cudaSetDevice(r));
    CHECK(cudaMemcpy(&first[r], sum[r], sizeof *first, cudaMemcpyDeviceToHost));
  }
  end(0, 0);
  return first[0] != 2 || first[1] != 1;
}

// CASE two_communicators: Each rank reduces over both communicators, but in another order: each waits in the
// one that the other has yet to come to.
static ncclComm_t pair[RANKS];
static void two_communicators_first(int rank) {
  ncclAllReduce(data[rank], sum[rank], N, ncclFloat, ncclSum, comm[rank], 0);  // BUG: collective
}
static void two_communicators_second(int rank) {
  float *from = data[rank] + N, *to = sum[rank] + N;
  ncclAllReduce(from, to, N, ncclFloat, ncclSum, pair[rank], 0);  // BUG: collective
}
static void two_communicators_work(int rank, int bug) {
  if (rank == 1 && bug) {
    two_communicators_second(rank);
    two_communicators_first(rank);
  } else {
    two_communicators_first(rank);
    two_communicators_second(rank);
  }
}
static int two_communicators(int bug) {
  begin();
  if (ncclCommInitAll(pair, RANKS, NULL) != ncclSuccess) exit(3);
  in_threads(two_communicators_work, bug);
  for (int r = 0; r < RANKS; r++) ncclCommDestroy(pair[r]);
  return end(2 * N, 3);
}

// CASE gather_too_short: All-gather's count is that of one rank: what is received is as large as all ranks'
// data.
static int gather_too_short(int bug) {
  begin();
  float *small[RANKS];
  for (int r = 0; r < RANKS; r++) {
    CHECK(cudaSetDevice(r));
    small[r] = (float *)device_bytes((bug ? N : RANKS * N) * sizeof(float));
  }
  ncclGroupStart();
  for (int r = 0; r < RANKS; r++)
    ncclAllGather(data[r], small[r], N, ncclFloat, comm[r], 0);  // BUG: out-of-bounds
  ncclGroupEnd();
  float last = 0;
  CHECK(cudaSetDevice(0));
  if (!bug) CHECK(cudaMemcpy(&last, small[0] + RANKS * N - 1, sizeof last, cudaMemcpyDeviceToHost));
  for (int r = 0; r < RANKS; r++) CHECK(cudaFree(small[r]));
  end(0, 0);
  return last != 2;
}

// CASE other_devices_buffer: The buffer of rank 1 was allocated without cudaSetDevice and lies on device 0.
static int other_devices_buffer(int bug) {
  begin();
  float *mine[RANKS];
  for (int r = 0; r < RANKS; r++) {
    CHECK(cudaSetDevice(bug ? 0 : r));
    mine[r] = (float *)device_bytes(N * sizeof(float));
    CHECK(cudaMemset(mine[r], 0, N * sizeof(float)));
    CHECK(cudaDeviceSynchronize());
  }
  ncclGroupStart();
  for (int r = 0; r < RANKS; r++)
    ncclAllReduce(mine[r], sum[r], N, ncclFloat, ncclSum, comm[r], 0);  // BUG: collective
  ncclGroupEnd();
  for (int r = 0; r < RANKS; r++) CHECK(cudaFree(mine[r]));
  return end(N, 0);
}

// CASE reduced_too_early: The kernel that makes the data runs in one stream, the all-reduce in another that
// does not wait for it.
static __global__ void reduced_too_early_make(float *x, float value) {
  x[blockIdx.x * blockDim.x + threadIdx.x] = value;  // BUG: race-stream
}
static int reduced_too_early(int bug) {
  begin();
  cudaStream_t make[RANKS], reduce[RANKS];
  cudaEvent_t made[RANKS];
  for (int r = 0; r < RANKS; r++) {
    CHECK(cudaSetDevice(r));
    CHECK(cudaStreamCreateWithFlags(&make[r], cudaStreamNonBlocking));
    CHECK(cudaStreamCreateWithFlags(&reduce[r], cudaStreamNonBlocking));
    CHECK(cudaEventCreateWithFlags(&made[r], cudaEventDisableTiming));
    reduced_too_early_make<<<N / 64, 64, 0, make[r]>>>(data[r], (float)(r + 4));
    CHECK(cudaEventRecord(made[r], make[r]));
    if (!bug) CHECK(cudaStreamWaitEvent(reduce[r], made[r], 0));
  }
  ncclGroupStart();
  for (int r = 0; r < RANKS; r++) ncclAllReduce(data[r], sum[r], N, ncclFloat, ncclSum, comm[r], reduce[r]);
  ncclGroupEnd();  // BUG: race-stream
  for (int r = 0; r < RANKS; r++) {
    CHECK(cudaSetDevice(r));
    CHECK(cudaDeviceSynchronize());
    CHECK(cudaEventDestroy(made[r]));
    CHECK(cudaStreamDestroy(make[r]));
    CHECK(cudaStreamDestroy(reduce[r]));
  }
  return end(N, 9);
}

PLANTED_MAIN(PLANTED(different_counts), PLANTED(different_types), PLANTED(different_operations),
             PLANTED(different_roots), PLANTED(order_of_calls), PLANTED(missing_rank), PLANTED(no_group),
             PLANTED(both_send_first), PLANTED(two_communicators), PLANTED(gather_too_short),
             PLANTED(other_devices_buffer), PLANTED(reduced_too_early))
