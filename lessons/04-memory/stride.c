// SPDX-License-Identifier: MIT
// The same numbers in another order. Memory moves lines of 64 bytes; who uses 4 of them pays for 64.
#include "memory.h"

// The sum of all n elements, every `stride`-th of them first, then those behind these, and so on: what a loop
// over one member of an array of structures does, or over a column of a matrix. For any stride every element
// is added once, and sums modulo 2^32 are the same in any order.
//
// Prediction: at a stride of s floats a pass uses 4 s of each 4 s bytes it walks over, and moves all lines
// that it meets: s passes move s times the array, so the rate is 1 / s of the roof, down to 1 / 16. From one
// line on (16) every element costs a line of its own; beyond it the prefetchers, which take lines in pairs
// and stay within a page, begin to bring what nobody wants.
static inline void add(hd_case *c, long stride) {
  memory_case *m = c->state;
  const uint32_t *x = m->x;
  uint32_t sum = 0;
#pragma omp parallel reduction(+ : sum)
  for (long first = 0; first < stride; first++) {
#pragma omp for schedule(static) nowait
    for (long i = first; i < m->n; i += stride) sum += x[i];
  }
  m->sum = sum;
  hd_figure(c, "moved", 4.0 * (double)m->n * (double)(stride < 16 ? stride : 16), "B");
}

#define STRIDE(s)                   \
  void run_stride_##s(hd_case *c) { \
    add(c, s);                      \
  }
STRIDE(1)
STRIDE(2)
STRIDE(4)
STRIDE(8)
STRIDE(16)
STRIDE(32)
