// SPDX-License-Identifier: MIT
// The sum on a CPU: first right, then fast. Read from top to bottom.
#include "heddle/simd.h"
#include "sum.h"

// WRONG from some millions of elements on. One accumulator of 24 bits: at 2^24 = 16 777 216 its neighbour is
// 2 away, and an addition of anything below 1 is rounded off. The sum stands still there, for ever.
void run_sum_wrong_float(hd_case *c) {
  sum_case *s = c->state;
  float sum = 0;
  for (long i = 0; i < c->size; i++) sum += s->x[i];
  s->sum = sum;
}

// The accumulator in double: 53 bits hold 2^29 times more. It costs nothing here, since each addition waits
// for the one before it, and both kinds wait equally long (2 to 4 cycles).
void run_sum_serial(hd_case *c) {
  sum_case *s = c->state;
  double sum = 0;
  for (long i = 0; i < c->size; i++) sum += s->x[i];
  s->sum = (float)sum;
}

enum { MOST_THREADS = 1024 };  // that the harness allows
enum { CHAINS = 4, STEP = CHAINS * HD_WIDTH, BLOCK = 4096 };

// Idea: 2 × CHAINS × HD_WIDTH sums side by side, none of which waits for another. They may be of floats,
// because each is short: an element goes through at most BLOCK / STEP + 5 additions in fp32, what comes out
// of a block is added in double. The two halves of the array are read at the same time: a core's prefetchers
// follow several streams, and get a fifth more out of two than out of one.
//
// Prediction: bound by memory, at any speed of the additions.
static double sum_of(const float *x, long n) {
  const long half = n / 2 / STEP * STEP;
  const float *y = x + half;
  double sum = 0;
  for (long i = 0; i < half;) {
    const long end = half - i < BLOCK ? half : i + BLOCK;
    hd_floats part[2 * CHAINS] = {0};
    for (; i < end; i += STEP) {
#pragma GCC unroll 4
      for (int k = 0; k < CHAINS; k++) {
        part[k] += *(const hd_floats *)(x + i + k * HD_WIDTH);
        part[CHAINS + k] += *(const hd_floats *)(y + i + k * HD_WIDTH);
      }
    }
#pragma GCC unroll 8
    for (int left = CHAINS; left; left /= 2)
      for (int k = 0; k < left; k++) part[k] += part[k + left];
    for (int lane = 0; lane < HD_WIDTH; lane++) sum += part[0][lane];
  }
  for (long i = 2 * half; i < n; i++) sum += x[i];
  return sum;
}

void run_sum_simd(hd_case *c) {
  sum_case *s = c->state;
  s->sum = (float)sum_of(s->x, c->size);
}

// Idea: a piece for each thread, whole blocks as long as there are any, so that every load is aligned.
//
// Prediction: as fast as that many cores can read. The order of the additions depends on the number of
// threads, not on their speed: the last bits are the same on every run.
void run_sum_omp(hd_case *c) {
  sum_case *s = c->state;
  const long n = c->size, pieces = c->threads, blocks = (n + BLOCK - 1) / BLOCK;
  double part[MOST_THREADS];
#pragma omp parallel for schedule(static, 1)
  for (long p = 0; p < pieces; p++) {
    const long begin = blocks * p / pieces * BLOCK, end = blocks * (p + 1) / pieces * BLOCK;
    part[p] = sum_of(s->x + begin, (end < n ? end : n) - begin);
  }
  double sum = 0;
  for (long p = 0; p < pieces; p++) sum += part[p];
  s->sum = (float)sum;
}
