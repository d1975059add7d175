// SPDX-License-Identifier: MIT
// The lab of lesson 24: interleaved and zero-bubble in one schedule.
#include <heddle/error.h>

#include "schedule.h"

enum { CHUNKS = 2 };

static void add(schedule *s, int rank, instruction i) {
  s->list[rank][s->count[rank]++] = i;
}

// The n-th piece of work of an interleaved rank: micro-batches in groups of `ranks`, each through all chunks.
static instruction nth(const schedule *s, enum kind kind, int n) {
  const int round = s->ranks * s->chunks, chunk = n % round / s->ranks;
  return (instruction){kind, kind == FORWARD ? chunk : s->chunks - 1 - chunk,
                       n / round * s->ranks + n % s->ranks};
}

//> solution
// Interleaved, but the gradient of the input goes first, since the rank before waits for it. That of the
// weights is put off by `late` of them: so many are left in the end for what would be bubble.
static void fill(schedule *s, int rank) {
  const int total = s->micro_batches * s->chunks, late = 2 * rank;
  const int most = (s->ranks - 1 - rank) * 2 + (s->chunks - 1) * s->ranks,
            ahead = most < total ? most : total;
  int done = 0;
  for (int n = 0; n < ahead; n++) add(s, rank, nth(s, FORWARD, n));
  for (int n = 0; n < total; n++) {
    if (ahead + n < total) add(s, rank, nth(s, FORWARD, ahead + n));
    add(s, rank, nth(s, BACKWARD_INPUT, n));
    if (n >= late) add(s, rank, nth(s, BACKWARD_WEIGHTS, done++));
  }
  while (done < total) add(s, rank, nth(s, BACKWARD_WEIGHTS, done++));
}
//> instead
// // Interleaved.
// static void fill(schedule *s, int rank) {
//   const int total = s->micro_batches * s->chunks;
//   const int most = (s->ranks - 1 - rank) * 2 + (s->chunks - 1) * s->ranks, ahead = most < total ? most :
//   total; for (int n = 0; n < ahead; n++) add(s, rank, nth(s, FORWARD, n)); for (int n = 0; n < total; n++)
//   {
//     if (ahead + n < total) add(s, rank, nth(s, FORWARD, ahead + n));
//     add(s, rank, nth(s, BACKWARD, n));
//   }
// }
//> end

schedule schedule_yours(int ranks, int micro_batches) {
  schedule s = {.ranks = ranks, .chunks = ranks > 1 ? CHUNKS : 1, .micro_batches = micro_batches};
  for (int r = 0; r < ranks; r++) {
    s.list[r] = hd_alloc((size_t)3 * (size_t)micro_batches * CHUNKS, sizeof(instruction));  // at most
    fill(&s, r);
  }
  return s;
}
