// SPDX-License-Identifier: MIT
// A merge by many threads: any piece of the result can be made without the pieces before it.
#include "heddle/clock.h"
#include "sort.h"

// A binary search: left[i] is among the first `count` if it comes before right[count - i - 1], the last of
// right that would be there without it. Equal keys: left's come first.
long taken_from_left(const record *left, long left_count, const record *right, long right_count, long count) {
  long low = count > right_count ? count - right_count : 0, high = count < left_count ? count : left_count;
  while (low < high) {
    const long i = (low + high) / 2;
    if (left[i].key <= right[count - i - 1].key)
      low = i + 1;
    else
      high = i;
  }
  return low;
}

// Records [begin, end) of the two halves merged.
static void merge_piece(const record *halves, long n, record *to, long begin, long end) {
  const record *left = halves, *right = halves + n / 2;
  const long first = taken_from_left(left, n / 2, right, n - n / 2, begin);
  const long last = taken_from_left(left, n / 2, right, n - n / 2, end);
  merge(left + first, last - first, right + begin - first, (end - last) - (begin - first), to + begin);
}

static long merge_in_pieces(const sorting *s, long from, long n, bool into_to) {
  const record *halves = (into_to ? s->other : s->to) + from;
  record *to = (into_to ? s->to : s->other) + from;
  const long pieces = (n + PIECE - 1) / PIECE;
#pragma omp taskloop grainsize(1)
  for (long piece = 0; piece < pieces; piece++) {
    const double start = hd_wall();
    const long begin = piece * PIECE, end = begin + PIECE < n ? begin + PIECE : n;
    merge_piece(halves, n, to, begin, end);
    show(s, "M", end - begin, start);
  }
  return pieces;  // a task each; taskloop has waited for them
}

static long divide(const sorting *s, long from, long n, bool into_to) {
  if (n <= CUT_OFF) {
    sort_part(s, from, n, into_to);
    return 0;
  }
  const long half = n / 2;
  long left = 0, right = 0;
#pragma omp task shared(left)
  left = divide(s, from, half, !into_to);
#pragma omp task shared(right)
  right = divide(s, from + half, n - half, !into_to);
#pragma omp taskwait
  return 2 + left + right + merge_in_pieces(s, from, n, into_to);
}

// Idea: merges are divided, too. For a piece of 16 Ki records two binary searches say where in both halves it
// begins and ends.
//
// Prediction: two threads: 2.0 instead of 1.9. The chain is now a leaf and a piece for each level, so that 30
// threads would find work where two merges of n stopped cut-off at 8.
long sort_pieces(const sorting *s) {
  long tasks = 0;
#pragma omp parallel
#pragma omp single
  tasks = divide(s, 0, s->n, true);
  return tasks;
}
