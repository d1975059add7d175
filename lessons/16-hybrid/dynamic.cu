// SPDX-License-Identifier: MIT
// Nobody decides: who is free takes the next piece, the GPU from the dense end, the CPU from the thin one,
// until they meet. One thread does both: between two of its own pieces it looks whether the GPU wants
// another.
#include "gpu.cuh"

// One that the GPU works on, and two that are on their way: while the host computes it cannot hand out more.
enum { ON_THE_WAY = 3 };

static bool idle(cudaStream_t stream) {
  const cudaError_t status = cudaStreamQuery(stream);
  if (status == cudaErrorNotReady) {
    cudaGetLastError();  // an answer, not an error to be found later
    return false;
  }
  HD_CUDA(status);
  return true;
}

// How many tiles to take of those that are left.
typedef struct piece_sizes {
  long gpu, cpu;
} piece_sizes;
typedef piece_sizes sizes_of(const pair_of_workers *w, long left);

static long at_most(long wanted, long left) {
  return wanted < left ? wanted : left;
}

static void from_both_ends(pair_of_workers *w, sizes_of *sizes) {
  long front = 0, back = w->shared.tiles;
  while (front < back) {
    for (int s = 0; s < ON_THE_WAY && front < back; s++) {
      if (!idle(w->stream[s])) continue;
      const long taken = at_most(sizes(w, back - front).gpu, back - front);
      issue_chunk(w, front, front + taken, s);
      front += taken;
    }
    const long taken = at_most(sizes(w, back - front).cpu, back - front);
    compute_here(w, back - taken, back);
    back -= taken;
  }
}

// A tile for each core; two blocks for each SM.
static piece_sizes fixed(const pair_of_workers *w, long left) {
  (void)left;
  return (piece_sizes){.gpu = 2L * w->sms, .cpu = cpu_shared_workers()};
}

// Large pieces first, so that little time goes for handing them out; small ones last, so that both end
// together.
static piece_sizes shrinking(const pair_of_workers *w, long left) {
  enum { GPU_PART = 8, CPU_PART = 64 };
  const long sms = left / GPU_PART / w->sms, cores = left / CPU_PART / cpu_shared_workers();
  return (piece_sizes){.gpu = (sms > 2 ? sms : 2) * w->sms,
                       .cpu = (cores ? cores : 1) * cpu_shared_workers()};
}

static void dynamic(pair_of_workers *w, long gpu_tiles) {
  (void)gpu_tiles;
  from_both_ends(w, fixed);
}

static void guided(pair_of_workers *w, long gpu_tiles) {
  (void)gpu_tiles;
  from_both_ends(w, shrinking);
}

void run_dynamic(hd_case *c) {
  run_shared(c, dynamic, ((const cloud *)c->state)->tiles);
}

void run_guided(hd_case *c) {
  run_shared(c, guided, ((const cloud *)c->state)->tiles);
}
