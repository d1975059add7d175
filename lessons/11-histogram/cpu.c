// SPDX-License-Identifier: MIT
// Counting on a CPU. Lesson 03 shows what unprotected increments by several threads come to; here they are
// protected, and then not shared any more.
#include <string.h>

#include "histogram.h"

// One thread, one counter per bin. `count[key]++` is a load, an addition and a store. If the next key is the
// same, its load needs what that store has just written, and has to wait for it: 4 to 5 cycles instead of 1.
void run_serial(hd_case *c) {
  const histogram_case *h = c->state;
  memset(h->counts, 0, (size_t)h->bins * sizeof h->counts[0]);
  for (long i = 0; i < c->size; i++) h->counts[h->keys[i]]++;
}

// Four counters per bin for four neighbouring keys: equal neighbours no longer meet. ROOM keeps counters of
// the same bin out of lines whose addresses agree in their low 12 bits, which a core takes for the same.
enum { COPIES = 4, ROOM = 16, STRIDE = MOST_BINS + ROOM };

typedef uint32_t counters[COPIES][STRIDE];

static void zero(int bins, counters count) {
  for (int k = 0; k < COPIES; k++) memset(count[k], 0, (size_t)bins * sizeof count[k][0]);
}

// Two keys per load: of the load and store slots of a core, half are the increments' already.
static void count_keys(long from, long to, const uint32_t *keys, counters count) {
  long i = from;
  for (; i + COPIES <= to; i += COPIES) {
    uint64_t pair[COPIES / 2];
    memcpy(pair, keys + i, sizeof pair);
#pragma GCC unroll 2
    for (int p = 0; p < COPIES / 2; p++) {
      count[2 * p][(uint32_t)pair[p]]++;
      count[2 * p + 1][pair[p] >> 32]++;
    }
  }
  for (; i < to; i++) count[0][keys[i]]++;
}

static uint32_t sum_of(int bin, counters count) {
  uint32_t sum = 0;
  for (int k = 0; k < COPIES; k++) sum += count[k][bin];
  return sum;
}

void run_copies(hd_case *c) {
  const histogram_case *h = c->state;
  counters count;
  zero(h->bins, count);
  count_keys(0, c->size, h->keys, count);
  for (int b = 0; b < h->bins; b++) h->counts[b] = (int32_t)sum_of(b, count);
}

// All threads, one histogram, each increment indivisible. A locked instruction takes 5 ns where nobody else
// wants the line, and a bin's line travels from core to core where somebody does: slower than one thread.
void run_omp_atomic(hd_case *c) {
  const histogram_case *h = c->state;
  memset(h->counts, 0, (size_t)h->bins * sizeof h->counts[0]);
#pragma omp parallel for
  for (long i = 0; i < c->size; i++) {
#pragma omp atomic
    h->counts[h->keys[i]]++;
  }
}

// A histogram per thread (with its four copies), added up at the end: n increments that nobody shares and
// threads × bins that they do.
void run_omp_private(hd_case *c) {
  const histogram_case *h = c->state;
  memset(h->counts, 0, (size_t)h->bins * sizeof h->counts[0]);
  enum { PIECE = 1 << 16 };  // keys
  const long pieces = (c->size + PIECE - 1) / PIECE;
#pragma omp parallel
  {
    counters count;
    zero(h->bins, count);
#pragma omp for schedule(static) nowait
    for (long p = 0; p < pieces; p++)
      count_keys(p * PIECE, p + 1 < pieces ? (p + 1) * PIECE : c->size, h->keys, count);
#pragma omp critical
    for (int b = 0; b < h->bins; b++) h->counts[b] += (int32_t)sum_of(b, count);
  }
}
