// SPDX-License-Identifier: MIT
// A launch takes the same modelled time whatever was launched before it: its trace is another's only where
// both must be the same. Each kernel is a template, so that what is known of one instance is not known of the
// next.
#include <string.h>

#include "exec_check.h"

enum { BLOCKS = 64, BLOCK = 128, MOST = 9, CASES = 8 };

typedef struct vectors {
  const float *first;
  char kind;  // and padding, which is no part of it
  size_t apart;
  int count;
  float factor;
} vectors;

template <int INSTANCE>
__global__ void sum_of(vectors v, float *out) {
  const int i = blockIdx.x * BLOCK + threadIdx.x;
  float sum = 0;
  for (int k = 0; k < v.count; k++) sum += v.first[k * v.apart + i];
  out[i] = v.factor * sum;
}

template <int INSTANCE>
__global__ void scaled(const float *x, const float *factors, float *out, float by) {
  const int i = blockIdx.x * BLOCK + threadIdx.x;
  out[i] = by * x[i] * (factors ? factors[(size_t)32 * i] : 1);
}

static float *large, *small;
static cudaEvent_t from, to;

static float milliseconds(void) {
  float ms;
  CHECK(cudaEventRecord(to, 0));
  CHECK(cudaEventSynchronize(to));
  CHECK(cudaEventElapsedTime(&ms, from, to));
  return ms;
}

// Padding holds whatever was there.
static vectors some(unsigned char padding, const float *first, int count, float factor) {
  vectors v;
  memset(&v, padding, sizeof v);
  v.first = first;
  v.kind = 1;
  v.apart = BLOCKS * BLOCK;
  v.count = count;
  v.factor = factor;
  return v;
}

template <int INSTANCE>
static float case_of(int which, unsigned char padding) {
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaEventRecord(from, 0));
  switch (which) {
    case 0:
      sum_of<INSTANCE><<<BLOCKS, BLOCK>>>(some(padding, large, 2, 1), small);
      break;
    case 1:
      sum_of<INSTANCE><<<BLOCKS, BLOCK>>>(some(padding, large, MOST, 1), small);
      break;
    case 2:
      sum_of<INSTANCE><<<BLOCKS, BLOCK>>>(some(padding, large + 1, 2, 3), small);
      break;
    case 3:
      scaled<INSTANCE><<<BLOCKS, BLOCK>>>(small, large, small, 1);
      break;
    case 4:
      scaled<INSTANCE><<<BLOCKS, BLOCK>>>(small, NULL, small, 1);
      break;
    case 5:
      scaled<INSTANCE><<<BLOCKS, BLOCK>>>(large + 1, NULL, small, 1);
      break;
    case 6:
      scaled<INSTANCE><<<BLOCKS, BLOCK>>>(large, large, small, 1);
      break;
    default:
      scaled<INSTANCE><<<BLOCKS, BLOCK>>>(small, NULL, small, 5);
      break;
  }
  return milliseconds();
}

template <int INSTANCE>
static void each_alone(float *ms) {
  ms[INSTANCE] = case_of<INSTANCE>(INSTANCE, 0);
  if constexpr (INSTANCE + 1 < CASES) each_alone<INSTANCE + 1>(ms);
}

int main(void) {
  float alone[CASES];
  CHECK(cudaMalloc(&large, sizeof(float) * 32 * BLOCKS * BLOCK));
  CHECK(cudaMalloc(&small, sizeof(float) * BLOCKS * BLOCK));
  CHECK(cudaMemset(large, 0, sizeof(float) * 32 * BLOCKS * BLOCK));
  CHECK(cudaMemset(small, 0, sizeof(float) * BLOCKS * BLOCK));
  CHECK(cudaEventCreate(&from));
  CHECK(cudaEventCreate(&to));
  each_alone<0>(alone);
  EXPECT(alone[1] > alone[0] && alone[2] > alone[0] && alone[3] > alone[4] && alone[5] > alone[4],
         "the cases are not of different times: %g %g %g %g %g %g", alone[0], alone[1], alone[2], alone[3],
         alone[4], alone[5]);
  for (int way = 0; way < 2; way++)
    for (int i = 0; i < CASES; i++) {
      const int which = way ? i : CASES - 1 - i;
      const float ms = way ? case_of<CASES>(which, 0xff) : case_of<CASES + 1>(which, 0x55);
      EXPECT(ms == alone[which], "case %d took %.9g ms alone and %.9g ms after others", which, alone[which],
             ms);
    }
  CHECK(cudaFree(large));
  CHECK(cudaFree(small));
  FINISH();
}
