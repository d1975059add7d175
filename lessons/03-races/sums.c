// SPDX-License-Identifier: MIT
// Read from top to bottom: each version mends what was wrong or slow in the one above it.
#include "sums.h"

#include <omp.h>

// Most threads a version with one slot per thread has room for: the harness allows no more.
enum { MOST_THREADS = 1024 };

// The reference: one thread, one accumulator. Each addition waits for the one before it (2 to 4 cycles),
// because the compiler may not reorder floating-point sums.
double sum_serial(const float *x, long n) {
  double sum = 0;
  for (long i = 0; i < n; i++) sum += x[i];
  return sum;
}

// WRONG. `sum += x[i]` is a load, an addition and a store; two threads that load the same value lose one of
// the additions. volatile keeps the compiler from hiding the race in a register (it would still be there,
// once per thread).
double sum_racy(const float *x, long n) {
  volatile double sum = 0;
#pragma omp parallel for
  for (long i = 0; i < n; i++) sum += x[i];
  return sum;
}

// Right: one thread at a time in the marked block. But now there is no parallel work left, and handing a lock
// from core to core costs far more than an addition.
double sum_critical(const float *x, long n) {
  double sum = 0;
#pragma omp parallel for
  for (long i = 0; i < n; i++) {
#pragma omp critical
    sum += x[i];
  }
  return sum;
}

// The same protection for one addition, without a lock: a compare-and-swap loop on the variable itself. The
// cache line that holds it still travels between the cores for every element.
double sum_atomic(const float *x, long n) {
  double sum = 0;
#pragma omp parallel for
  for (long i = 0; i < n; i++) {
#pragma omp atomic
    sum += x[i];
  }
  return sum;
}

// One slot per thread: nothing is shared any more, and no protection is needed. Yet eight slots of 8 bytes
// lie in one cache line of 64, and a core must own the whole line to write its slot: false sharing.
double sum_shared_line(const float *x, long n) {
  static volatile double slot[MOST_THREADS];
  int threads = 1;
#pragma omp parallel
  {
    const int me = omp_get_thread_num();
    slot[me] = 0;
#pragma omp single nowait
    threads = omp_get_num_threads();
#pragma omp for
    for (long i = 0; i < n; i++) slot[me] += x[i];
  }
  double sum = 0;
  for (int t = 0; t < threads; t++) sum += slot[t];
  return sum;
}

// The slots moved apart: 128 bytes each, because many cores fetch lines in pairs. Same instructions, no
// travelling.
double sum_padded(const float *x, long n) {
  static struct { _Alignas(128) volatile double value; } slot[MOST_THREADS];
  int threads = 1;
#pragma omp parallel
  {
    const int me = omp_get_thread_num();
    slot[me].value = 0;
#pragma omp single nowait
    threads = omp_get_num_threads();
#pragma omp for
    for (long i = 0; i < n; i++) slot[me].value += x[i];
  }
  double sum = 0;
  for (int t = 0; t < threads; t++) sum += slot[t].value;
  return sum;
}

// What one writes: a private accumulator per thread in a register, added once at the end. `simd` allows
// several partial sums in one vector register, so additions no longer wait for each other.
double sum_reduction(const float *x, long n) {
  double sum = 0;
#pragma omp parallel for simd reduction(+ : sum)
  for (long i = 0; i < n; i++) sum += x[i];
  return sum;
}
