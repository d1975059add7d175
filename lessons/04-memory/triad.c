// SPDX-License-Identifier: MIT
// a = b + 3 c, STREAM's triad. Two loads, a store and 2 FLOPs an element: nothing to compute, everything to
// move. Read from top to bottom, then bind.c.
#include "heddle/simd.h"  // vectors as wide as the machine's registers
#include "memory.h"

// Bytes that really go between memory and caches for each element, as a further figure of the row. STREAM
// counts 12 for all: what the program asked for.
static void report_moved(hd_case *c, int bytes) {
  hd_figure(c, "moved", (double)bytes * (double)((const memory_case *)c->state)->n, "B");
}

// The loop as one writes it, by one core, vectorized.
//
// Prediction: a store to a line that is in no cache first reads it (write-allocate), although every byte of
// it is about to be overwritten: 16 bytes an element, not 12.
void run_triad_serial(hd_case *c) {
  memory_case *m = c->state;
  float *a = m->a;
  const float *b = m->b, *x = m->c;
#pragma omp simd
  for (long i = 0; i < m->n; i++) a[i] = b[i] + 3.0f * x[i];
  report_moved(c, 16);
}

// Idea: all cores. Each works on the pages that it touched first.
//
// Prediction: as fast as memory, not as many times faster as there are cores: a core can have only so many
// lines under way, but a few cores together have as many as memory can serve.
void run_triad_threads(hd_case *c) {
  memory_case *m = c->state;
  float *a = m->a;
  const float *b = m->b, *x = m->c;
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < m->n; i++) a[i] = b[i] + 3.0f * x[i];
  report_moved(c, 16);
}

// Whole vectors by all threads; what fills none by the one that comes first.
void triad_share(float *a, const float *b, const float *c, long n) {
  const long whole = n / HD_WIDTH * HD_WIDTH;
#pragma omp for schedule(static)
  for (long i = 0; i < whole; i += HD_WIDTH)
    hd_store_around_cache(a + i, *(const hd_floats *)(b + i) + 3.0f * *(const hd_floats *)(c + i));
#pragma omp single
  for (long i = whole; i < n; i++) a[i] = b[i] + 3.0f * c[i];
}

// Idea: streaming stores. They go around the caches in whole lines, and what is overwritten is not read.
//
// Prediction: 12 bytes an element: 4/3 of `threads`. In a cache it's the other way round: what is stored
// around it must go to memory, though it would have been welcome to stay.
void run_triad_streaming(hd_case *c) {
  memory_case *m = c->state;
#pragma omp parallel
  triad_share(m->a, m->b, m->c, m->n);
  report_moved(c, 12);
}

void copy_b_to_a(hd_case *c) {
  memory_case *m = c->state;
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < m->n; i++) m->a[i] = m->b[i];
}

// Idea: overwrite an input, a += 3 c, where a held b.
//
// Prediction: the line is read anyway, and this read is one of the two that the triad needs: 12 bytes with
// ordinary stores, and two streams instead of three. As fast as `streaming` or a little faster.
void run_triad_in_place(hd_case *c) {
  memory_case *m = c->state;
  float *a = m->a;
  const float *x = m->c;
#pragma omp parallel for simd schedule(static)
  for (long i = 0; i < m->n; i++) a[i] += 3.0f * x[i];
  report_moved(c, 12);
}

// Idea: `streaming`, and ask for the inputs half a page before they are needed.
//
// Prediction: nothing. Reading on in the order of addresses is what the hardware's prefetchers were made for;
// they are there already. (Where they can't know what comes next, it's another matter: chase.c.)
void run_triad_prefetch(hd_case *c) {
  memory_case *m = c->state;
  enum { FLOATS_AHEAD = 512 };
  const long whole = m->n / HD_WIDTH * HD_WIDTH;
#pragma omp parallel for schedule(static)
  for (long i = 0; i < whole; i += HD_WIDTH) {
    __builtin_prefetch(m->b + i + FLOATS_AHEAD);  // behind the end it does nothing
    __builtin_prefetch(m->c + i + FLOATS_AHEAD);
    hd_store_around_cache(m->a + i, *(hd_floats *)(m->b + i) + 3.0f * *(hd_floats *)(m->c + i));
  }
  for (long i = whole; i < m->n; i++) m->a[i] = m->b[i] + 3.0f * m->c[i];
  report_moved(c, 12);
}
