// SPDX-License-Identifier: MIT
// Clipping and noise on a GPU; the idea is told in private.h.
// A block per image: its threads add up the squares of all inputs and deltas of the image, agree on its
// length, and scale its deltas if that is too long: one launch for what would be a gradient per image.
// Noise: a thread per pair of numbers, each of which knows its own place in the stream.
#include <heddle/device.h>

#include "block_sum.h"
#include "private.h"

enum { SUMS = 2 * CLIPPED_LAYERS };

__device__ static float own_squares(const float *v, long n) {
  float sum = 0;
  for (long i = threadIdx.x; i < n; i += THREADS) sum += v[i] * v[i];
  return sum;
}

__global__ static void clip_kernel(layer_rows l, float clip, float *lengths) {
  const long row = blockIdx.x;
  float sums[SUMS], square = 0;
  for (int k = 0; k < CLIPPED_LAYERS; k++) {
    sums[2 * k] = own_squares(l.input[k] + row * l.in[k], l.in[k]);
    sums[2 * k + 1] = own_squares(l.delta[k] + row * l.out[k], l.out[k]);
  }
  add_block(sums);
  // + 1: the bias is the weight of an input that is always one.
  for (int k = 0; k < CLIPPED_LAYERS; k++) square += (sums[2 * k] + 1) * sums[2 * k + 1];
  const float length = sqrtf(square), factor = clip / length;
  for (int k = 0; k < CLIPPED_LAYERS && factor < 1; k++)
    for (long i = threadIdx.x; i < l.out[k]; i += THREADS) l.delta[k][row * l.out[k] + i] *= factor;
  if (threadIdx.x == 0) lengths[row] = length;
}

__global__ static void noise_kernel(float *x, size_t from, size_t end, noise how) {
  const size_t pair = from / 2 + blockIdx.x * (size_t)THREADS + threadIdx.x;
  if (2 * pair < end) add_noise_pair(x, pair, from, end, how);
}

static void clip(hd_ops *o, layer_rows l, long rows, float clip, float *lengths) {
  if (rows == 0) return;
  clip_kernel<<<(unsigned)rows, THREADS, 0, (cudaStream_t)o->stream>>>(l, clip, lengths);
  HD_LAUNCHED();
}

static void add_noise(hd_ops *o, float *x, size_t from, size_t length, noise how) {
  if (length == 0) return;
  const size_t end = from + length, pairs = (end + 1) / 2 - from / 2;
  noise_kernel<<<(unsigned)((pairs + THREADS - 1) / THREADS), THREADS, 0, (cudaStream_t)o->stream>>>(
      x, from, end, how);
  HD_LAUNCHED();
}

const privacy privacy_gpu = {clip, add_noise};
