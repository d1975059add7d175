// SPDX-License-Identifier: MIT
// Top-k messages on a GPU; the idea is told in top_k.h.
// Selecting (radix select): the 31 bits of a magnitude are counted 11, 10 and 10 at a time, each time of
// those elements only whose upper bits are the border's. What one block would find in a histogram every block
// of the next kernel finds again for itself: less than what it takes to launch a kernel for it.
// Writing in ascending order: an element's place is the number of taken ones before it, which is known from
// counts per tile, per warp, and per lane. Nothing depends on which block comes first.
#include <heddle/device.h>

#include "top_k.h"

enum {
  WARP = 32,
  WARPS = 8,
  THREADS = WARP * WARPS,
  WARP_TILE = 512,  // neighbours that a warp looks at
  TILE = WARP_TILE * WARPS,
  PASSES = 3,
  MOST_BINS = 2048,
  RANGE = 2048,  // elements of the sum that a block makes
  MOST_RANKS = THREADS / 2
};

// The k-th largest magnitude: its upper bits, and which largest it is among those with the same ones.
typedef struct border {
  uint32_t bits, rank;
} border;

// Two counts in one, so that they are added up together: elements above the border, and (lower half) on it.
typedef unsigned long long counts;

// Of encode, zero at its start; behind it stand the tiles' counts.
typedef struct selection {
  uint32_t bins[PASSES][MOST_BINS];
  border after[PASSES + 1];  // so many passes
} selection;

__device__ static int width_of(int pass) {
  return pass == 0 ? 11 : 10;
}
__device__ static int shift_of(int pass) {
  return 20 - 10 * pass;
}

__device__ static counts count_of(float x, uint32_t border) {
  const uint32_t m = magnitude(x);
  return m > border ? 1ull << 32 : m == border;
}

// Sum of the values of this block's threads up to the own one; *total: of all.
__device__ static counts scan(counts value, counts *total) {
  __shared__ counts sums[WARPS];
  const unsigned lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  for (unsigned offset = 1; offset < WARP; offset *= 2) {
    const counts left = __shfl_up_sync(0xffffffffu, value, offset);
    if (lane >= offset) value += left;
  }
  __syncthreads();
  if (lane == WARP - 1) sums[warp] = value;
  __syncthreads();
  counts before = 0;
  *total = 0;
  for (unsigned w = 0; w < WARPS; w++) {
    if (w < warp) before += sums[w];
    *total += sums[w];
  }
  return before + value;
}

// The next bits of the border: from the top, the bin in which the rank-th largest lies.
__device__ static border narrow(const uint32_t *bins, int width, border b) {
  __shared__ border found;
  const int each = (1 << width) / THREADS, top = (1 << width) - 1 - (int)threadIdx.x * each;
  uint32_t own = 0;
  counts total;
  for (int i = 0; i < each; i++) own += bins[top - i];
  const uint32_t upto = (uint32_t)scan(own, &total);
  uint32_t above = upto - own;
  if (above < b.rank && b.rank <= upto) {
    int i = 0;
    for (; above + bins[top - i] < b.rank; i++) above += bins[top - i];
    found.bits = b.bits << width | (uint32_t)(top - i);
    found.rank = b.rank - above;
  }
  __syncthreads();
  return found;
}

// What is known of the border after `passes` passes.
__device__ static border border_after(selection *s, int passes, uint32_t k) {
  border b = {0, k};
  if (passes == 0) return b;
  if (passes > 1) b = s->after[passes - 1];
  b = narrow(s->bins[passes - 1], width_of(passes - 1), b);
  if (blockIdx.x == 0 && threadIdx.x == 0) s->after[passes] = b;
  return b;
}

__global__ static void histogram_kernel(const float *x, size_t n, uint32_t k, int pass, selection *s) {
  __shared__ uint32_t bins[MOST_BINS];
  const int width = width_of(pass), shift = shift_of(pass);
  for (int i = (int)threadIdx.x; i < 1 << width; i += THREADS) bins[i] = 0;
  __syncthreads();
  const border b = border_after(s, pass, k);
  for (unsigned j = threadIdx.x; j < TILE; j += THREADS) {
    const size_t i = blockIdx.x * (size_t)TILE + j;
    const uint32_t m = i < n ? magnitude(x[i]) : 0;
    if (i < n && m >> shift >> width == b.bits) atomicAdd(&bins[m >> shift & ((1u << width) - 1)], 1u);
  }
  __syncthreads();
  for (int i = (int)threadIdx.x; i < 1 << width; i += THREADS)
    if (bins[i]) atomicAdd(&s->bins[pass][i], bins[i]);
}

__global__ static void count_kernel(const float *x, size_t n, uint32_t k, selection *s, counts *tiles) {
  const border b = border_after(s, PASSES, k);
  const size_t from = blockIdx.x * (size_t)TILE;
  counts own = 0, total;
  for (size_t i = from + threadIdx.x; i < from + TILE && i < n; i += THREADS) own += count_of(x[i], b.bits);
  scan(own, &total);
  if (threadIdx.x == 0) tiles[blockIdx.x] = total;
}

// What stands before this warp's elements: in the tiles before this one, and in the warps before it.
__device__ static counts before_warp(const float *x, size_t n, size_t from, uint32_t border,
                                     const counts *tiles) {
  counts earlier = 0, own = 0, before, total;
  for (unsigned t = threadIdx.x; t < blockIdx.x; t += THREADS) earlier += tiles[t];
  scan(earlier, &before);
  for (size_t i = from + threadIdx.x % WARP; i < from + WARP_TILE && i < n; i += WARP)
    own += count_of(x[i], border);
  // Up to the first lane, without what that has itself.
  return before + __shfl_sync(0xffffffffu, scan(own, &total) - own, 0);
}

__global__ static void write_kernel(float *x, size_t n, uint32_t k, const selection *s, const counts *tiles,
                                    uint32_t *message) {
  const unsigned lane = threadIdx.x % WARP, below = (1u << lane) - 1;
  const size_t from = blockIdx.x * (size_t)TILE + threadIdx.x / WARP * WARP_TILE;
  const border b = s->after[PASSES];
  const counts before = before_warp(x, n, from, b.bits, tiles);
  uint32_t above = (uint32_t)(before >> 32), equal = (uint32_t)before;
  for (size_t i = from + lane; i < from + WARP_TILE; i += WARP) {
    const counts own = i < n ? count_of(x[i], b.bits) : 0;
    const unsigned some = __ballot_sync(0xffffffffu, own != 0);
    if (some == 0) continue;  // as nearly always
    const unsigned equals = __ballot_sync(0xffffffffu, own == 1), aboves = some & ~equals;
    const uint32_t equal_before = equal + __popc(equals & below);
    if (own > 1 || (own == 1 && equal_before < b.rank)) {
      const uint32_t taken = equal_before < b.rank ? equal_before : b.rank;
      const uint32_t at = above + __popc(aboves & below) + taken;
      message[at] = (uint32_t)i;
      message[k + at] = __float_as_uint(x[i]);
      x[i] = 0;
    }
    above += __popc(aboves);
    equal += __popc(equals);
  }
}

// The first of k ascending places that is not before `place`.
__device__ static uint32_t first_from(const uint32_t *places, uint32_t k, size_t place) {
  uint32_t low = 0, high = k;
  while (low < high) {
    const uint32_t middle = (low + high) / 2;
    if (places[middle] < place)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// A block makes RANGE elements of the sum: it finds its part of every message, all at once, and adds them in
// the order of the ranks. Within a message no place comes twice.
__global__ static void sum_kernel(const uint32_t *messages, int count, uint32_t k, float *sum, size_t n) {
  __shared__ float total[RANGE];
  __shared__ uint32_t ends[2 * MOST_RANKS];
  const size_t from = blockIdx.x * (size_t)RANGE;
  if (threadIdx.x < 2 * (unsigned)count)
    ends[threadIdx.x] =
        first_from(messages + threadIdx.x / 2 * 2 * (size_t)k, k, from + threadIdx.x % 2 * RANGE);
  for (unsigned i = threadIdx.x; i < RANGE; i += THREADS) total[i] = 0;
  __syncthreads();
  for (int r = 0; r < count; r++, messages += 2 * (size_t)k) {
    for (uint32_t i = ends[2 * r] + threadIdx.x; i < ends[2 * r + 1]; i += THREADS)
      total[messages[i] - from] += __uint_as_float(messages[k + i]);
    __syncthreads();
  }
  for (unsigned i = threadIdx.x; i < RANGE && from + i < n; i += THREADS) sum[from + i] = total[i];
}

static unsigned tiles_of(size_t n) {
  return (unsigned)((n + TILE - 1) / TILE);
}

size_t top_k_work(size_t n) {
  return sizeof(selection) + tiles_of(n) * sizeof(counts);
}

static void encode(hd_ops *o, float *x, size_t n, uint32_t *message, void *work, uint64_t seed,
                   uint64_t stream) {
  (void)seed, (void)stream;
  if (n == 0) return;
  const cudaStream_t to = (cudaStream_t)o->stream;
  const uint32_t k = (uint32_t)top_k_kept(n);
  selection *s = (selection *)work;
  counts *tiles = (counts *)(s + 1);
  o->zero(o, s, sizeof *s);
  for (int pass = 0; pass < PASSES; pass++)
    histogram_kernel<<<tiles_of(n), THREADS, 0, to>>>(x, n, k, pass, s);
  count_kernel<<<tiles_of(n), THREADS, 0, to>>>(x, n, k, s, tiles);
  write_kernel<<<tiles_of(n), THREADS, 0, to>>>(x, n, k, s, tiles, message);
  HD_LAUNCHED();
}

void top_k_sum(hd_ops *o, const uint32_t *messages, int count, size_t n, float *sum) {
  if (n == 0) return;
  sum_kernel<<<(unsigned)((n + RANGE - 1) / RANGE), THREADS, 0, (cudaStream_t)o->stream>>>(
      messages, count, (uint32_t)top_k_kept(n), sum, n);
  HD_LAUNCHED();
}

const codec top_k_gpu = {encode, top_k_sum};
