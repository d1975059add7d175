// SPDX-License-Identifier: MIT
// Threads in and out of their usual order: blocks of many shapes in which barriers, exchanges, sleep and
// early ends follow each other as a seed has it, so that the engine changes from each way of running threads
// to each other at any thread of a block. The host knows what must come out.
// usage: engine_orders [many]
#include "exec_check.h"

enum { MOST = 1024, BLOCKS = 3, FEW = 4, MANY = 40 };
static const unsigned FULL = 32, PHASES = 6, ADDITIONS = 10;
enum step { BARRIER, SECOND_BARRIER, WARP, SOME_LANES, SLEEP, STEPS };

__host__ __device__ static unsigned mix(unsigned a, unsigned b, unsigned c) {
  unsigned h = a * 0x9e3779b9u ^ b * 0x85ebca6bu ^ c * 0xc2b2ae35u;
  h = (h ^ h >> 15) * 0x2c1b3c6du;
  h = (h ^ h >> 12) * 0x297a2d39u;
  return h ^ h >> 15;
}

// When a thread ends: one in 8 of every second seed does so early, or only the first or the last one.
__host__ __device__ static unsigned end_of(unsigned seed, unsigned t, unsigned threads) {
  const unsigned h = mix(seed, t, 1), early = h / 8 % PHASES;
  switch (seed % 4) {
    case 0:
      return PHASES;
    case 1:
      return h % 8 == 0 ? early : PHASES;
    case 2:
      return t == 0 ? early : PHASES;
    default:
      return t == threads - 1 ? early : PHASES;
  }
}

__host__ __device__ static unsigned step_of(unsigned seed, unsigned phase) {
  return mix(seed, phase, 2) % STEPS;
}

// Does the thread take part in the phase's step? In those of a part of the threads about half do.
__host__ __device__ static bool takes_part(unsigned seed, unsigned t, unsigned threads, unsigned phase) {
  if (t >= threads || end_of(seed, t, threads) <= phase) return false;
  const unsigned step = step_of(seed, phase);
  return (step != SOME_LANES && step != SLEEP) || mix(seed, t, 3 + phase) % 2;
}

// Whose value a thread reads: the next one of the block, or of its warp, that takes part.
__host__ __device__ static unsigned source_of(unsigned seed, unsigned t, unsigned threads, unsigned phase,
                                              bool in_warp) {
  const unsigned from = in_warp ? t / FULL * FULL : 0, count = in_warp ? FULL : threads;
  unsigned other = t;
  do other = from + (other - from + 1) % count;
  while (!takes_part(seed, other, threads, phase));
  return other;
}

__global__ void walk(unsigned seed, unsigned *out) {
  __shared__ unsigned box[MOST];
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  const unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  unsigned sum = t + blockIdx.x;
  for (unsigned phase = 0; phase < PHASES && phase < end_of(seed, t, threads); phase++) {
    if (!takes_part(seed, t, threads, phase)) continue;
    const unsigned step = step_of(seed, phase);
    if (step == SLEEP) {
      __nanosleep(20);
    } else if (step == WARP || step == SOME_LANES) {
      unsigned mask = 0;
      for (unsigned lane = 0; lane < FULL; lane++)
        if (takes_part(seed, t / FULL * FULL + lane, threads, phase)) mask |= 1u << lane;
      const unsigned source = source_of(seed, t, threads, phase, true);
      sum = mix(sum, __shfl_sync(mask, sum, (int)(source % FULL)), phase);
    } else {
      box[t] = sum;
      __syncthreads();
      sum = mix(sum, box[source_of(seed, t, threads, phase, false)], phase);
      __syncthreads();
    }
  }
  out[blockIdx.x * threads + t] = sum;
}

static void expect(unsigned seed, unsigned block, unsigned threads, unsigned *sum) {
  static unsigned before[MOST];
  for (unsigned t = 0; t < threads; t++) sum[t] = t + block;
  for (unsigned phase = 0; phase < PHASES; phase++) {
    const unsigned step = step_of(seed, phase);
    if (step == SLEEP) continue;
    for (unsigned t = 0; t < threads; t++) before[t] = sum[t];
    for (unsigned t = 0; t < threads; t++)
      if (takes_part(seed, t, threads, phase))
        sum[t] = mix(sum[t], before[source_of(seed, t, threads, phase, step == WARP || step == SOME_LANES)],
                     phase);
  }
}

// No thread waits: each writes once, in whatever order, and adds what is exact in any order.
__global__ void mark(unsigned *out, float *total) {
  const unsigned threads = blockDim.x * blockDim.y * blockDim.z;
  out[blockIdx.x * threads + threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)] += 1;
  for (unsigned i = 0; i < ADDITIONS; i++)
    if (mix(threadIdx.x, blockIdx.x, i) % 3) atomicAdd(total, 0.5f);
}

int main(int argc, char **) {
  const unsigned seeds = argc > 1 ? MANY : FEW;
  static const dim3 shape[] = {dim3(1),        dim3(2),        dim3(33),       dim3(256),   dim3(1024),
                               dim3(1, 64),    dim3(16, 16),   dim3(32, 32),   dim3(8, 5),  dim3(9, 7),
                               dim3(17, 3, 2), dim3(20, 1, 5), dim3(3, 11, 4), dim3(128, 2)};
  static unsigned want[MOST];
  unsigned *out;
  float *total;
  CHECK(cudaMallocManaged(&total, sizeof *total));
  CHECK(cudaMallocManaged(&out, BLOCKS * MOST * sizeof *out));
  for (unsigned s = 0; s < sizeof shape / sizeof shape[0]; s++) {
    const dim3 b = shape[s];
    const unsigned threads = b.x * b.y * b.z;
    for (unsigned i = 0; i < seeds; i++) {
      const unsigned seed = s * MANY + i;
      walk<<<BLOCKS, b>>>(seed, out);
      CHECK(cudaDeviceSynchronize());
      for (unsigned block = 0; block < BLOCKS; block++) {
        expect(seed, block, threads, want);
        for (unsigned t = 0; t < threads; t++)
          EXPECT(out[block * threads + t] == want[t],
                 "(%u,%u,%u) threads, seed %u, block %u, thread %u: %u, not %u", b.x, b.y, b.z, seed, block,
                 t, out[block * threads + t], want[t]);
      }
    }
    for (unsigned i = 0; i < BLOCKS * threads; i++) out[i] = i;
    *total = 0;
    mark<<<BLOCKS, b>>>(out, total);
    CHECK(cudaDeviceSynchronize());
    for (unsigned i = 0; i < BLOCKS * threads; i++)
      EXPECT(out[i] == i + 1, "(%u,%u,%u) threads: thread %u ran %u times", b.x, b.y, b.z, i, out[i] - i);
    float added = 0;
    for (unsigned t = 0; t < BLOCKS * threads * ADDITIONS; t++)
      if (mix(t / ADDITIONS % b.x, t / ADDITIONS / threads, t % ADDITIONS) % 3) added += 0.5f;
    EXPECT(*total == added, "(%u,%u,%u) threads: %g, not %g", b.x, b.y, b.z, *total, added);
  }
  CHECK(cudaFree(out));
  CHECK(cudaFree(total));
  FINISH();
}
