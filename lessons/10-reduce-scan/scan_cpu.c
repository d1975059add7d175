// SPDX-License-Identifier: MIT
// The scan on a CPU. Each sum needs the one before it, and yet it can be computed by many lanes and cores.
#include <omp.h>
#include <sched.h>
#include <stdatomic.h>

#include "heddle/simd.h"
#include "scan.h"

void run_scan_serial(hd_case *c) {
  const scan_case *s = c->state;
  int sum = 0;
  for (long i = 0; i < c->size; i++) s->y[i] = sum += s->k[i];
}

// For the steps of the scan of a vector: which lanes come from a vector of zeros (0 …), which from the vector
// itself (HD_WIDTH …), so that it moves up by 1, 2, 4, 8 lanes.
enum { MOST_STEPS = 4 };
static inline int shifts(hd_ints shift[MOST_STEPS]) {
  int steps = 0;
  for (int by = 1; by < HD_WIDTH; by *= 2, steps++)
    for (int lane = 0; lane < HD_WIDTH; lane++) shift[steps][lane] = lane < by ? 0 : HD_WIDTH + lane - by;
  return steps;
}

// What a thread scans, and what it adds up on the way for later: NULL, or as many integers, the sum of which
// will stand in `total`.
typedef struct piece {
  const int *k;
  int *y;
  long n;
  const int *later;
  const int *after;  // what it will add up after that
  int total;
} piece;

enum { AHEAD = 4096 };  // integers, 16 KiB: what a core reads while the first of them come from memory

// Idea: a vector is scanned in log2(lanes) steps; in each, all lanes add what stands 1, 2, 4, 8 lanes below.
// What the next vector waits for is one addition. The results go around the cache: a line that will be
// overwritten as a whole need not be fetched first, which would be a third of all traffic. What is read is
// asked for AHEAD.
//
// y must be aligned to a vector where k is. `before` is the sum of all that comes before k. `adds` is
// constant in both calls: each is a loop of its own.
static inline __attribute__((always_inline)) void scan_or_both(piece *p, int before, bool adds) {
  const int *const k = p->k, *const later = p->later, *const after = p->after;
  int *const y = p->y;
  const long n = p->n;
  hd_ints shift[MOST_STEPS], last, carry = {0}, ahead = {0};
  const hd_ints zero = {0};
  const int steps = shifts(shift);
  for (int lane = 0; lane < HD_WIDTH; lane++) last[lane] = HD_WIDTH - 1;
  carry += before;
  long i = 0;
  for (; i + HD_WIDTH <= n; i += HD_WIDTH) {
    hd_ints sum = *(const hd_ints *)(k + i);
    if (adds) {
      ahead += *(const hd_ints *)(later + i);
      __builtin_prefetch(i + AHEAD < n ? later + i + AHEAD : after + i + AHEAD - n);
    } else {
      __builtin_prefetch(k + i + AHEAD);
    }
#pragma GCC unroll 4
    for (int step = 0; step < steps; step++) sum += hd_shuffle(zero, sum, shift[step]);
    hd_store_around_cache(y + i, (hd_floats)(sum + carry));
    carry += hd_shuffle(sum, sum, last);
  }
  int sum = carry[0];
  for (; i < n; i++) y[i] = sum += k[i];
  p->total = 0;
  for (int lane = 0; lane < HD_WIDTH; lane++) p->total += ahead[lane];
}

static void scan_piece(piece *p, int before) {
  if (p->later)
    scan_or_both(p, before, true);
  else
    scan_or_both(p, before, false);
}

void run_scan_simd(hd_case *c) {
  const scan_case *s = c->state;
  scan_piece(&(piece){.k = s->k, .y = s->y, .n = c->size}, 0);
}

static int sum_of(const int *k, long n) {
  hd_ints part[4] = {0};
  long i = 0;
  for (; i + 4 * HD_WIDTH <= n; i += 4 * HD_WIDTH)
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) part[j] += *(const hd_ints *)(k + i + j * HD_WIDTH);
  part[0] += part[1] + (part[2] + part[3]);
  int sum = 0;
  for (int lane = 0; lane < HD_WIDTH; lane++) sum += part[0][lane];
  for (; i < n; i++) sum += k[i];
  return sum;
}

enum { MOST_THREADS = 1024 };  // that the harness allows
enum { CHUNK = 16 << 10 };     // integers: 64 KiB, several of which stay in any L2 cache

// Idea: a piece for each thread. First every thread adds up its piece; then it knows what comes before each
// piece, and every thread scans its own.
//
// Prediction: the input is read twice, 12 bytes move instead of 8: two thirds of what memory allows.
void run_scan_two_pass(hd_case *c) {
  const scan_case *s = c->state;
  const long n = c->size, pieces = c->threads, chunks = (n + CHUNK - 1) / CHUNK;
  int total[MOST_THREADS];
#pragma omp parallel
  {
#pragma omp for schedule(static, 1)
    for (long p = 0; p < pieces; p++) {
      const long begin = chunks * p / pieces * CHUNK, end = chunks * (p + 1) / pieces * CHUNK;
      total[p] = sum_of(s->k + begin, (end < n ? end : n) - begin);
    }
#pragma omp for schedule(static, 1)
    for (long p = 0; p < pieces; p++) {
      const long begin = chunks * p / pieces * CHUNK, end = chunks * (p + 1) / pieces * CHUNK;
      int before = 0;
      for (long q = 0; q < p; q++) before += total[q];
      scan_piece(&(piece){.k = s->k + begin, .y = s->y + begin, .n = (end < n ? end : n) - begin}, before);
    }
  }
}

// Who comes to chunk i waits until the sum of all chunks before it is known: by another core, a moment ago.
typedef struct chain {
  _Alignas(128) atomic_long next;  // the chunk whose turn it is
  int sum;                         // of all before it
} chain;

static int add_to(chain *link, long chunk, int total) {
  for (int spins = 0; atomic_load_explicit(&link->next, memory_order_acquire) != chunk;)
    if (++spins % 1024 == 0) sched_yield();  // more threads than cores: let the one we wait for run
  const int before = link->sum;
  link->sum = before + total;
  atomic_store_explicit(&link->next, chunk + 1, memory_order_release);
  return before;
}

// Idea: chunks so small that they are still in the core's cache when they are read for the second time. The
// threads take them in turns. While a thread scans a chunk, it adds up its next one, which so comes into the
// cache: memory reads and writes all the time, as in a copy, and never only one of them.
//
// Prediction: 8 bytes move, as fast as in a copy. The GPU's last rung is the same idea.
void run_scan_chained(hd_case *c) {
  const scan_case *s = c->state;
  const long n = c->size, chunks = (n + CHUNK - 1) / CHUNK, whole = n / CHUNK;
  chain link = {0};
#pragma omp parallel
  {
    const long threads = omp_get_num_threads();
    int total = 0;
    bool known = false;  // the sum of this thread's next chunk
    for (long i = omp_get_thread_num(); i < chunks; i += threads) {
      const int *k = s->k + i * CHUNK;
      piece p = {.k = k, .y = s->y + i * CHUNK, .n = i < whole ? CHUNK : n - i * CHUNK};
      if (!known) total = sum_of(p.k, p.n);
      known = i + threads < whole;
      if (known) p.later = k + threads * CHUNK;
      p.after = i + 2 * threads < whole ? k + 2 * threads * CHUNK : k;
      scan_piece(&p, add_to(&link, i, total));
      total = p.total;
    }
  }
}
