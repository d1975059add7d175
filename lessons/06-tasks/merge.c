// SPDX-License-Identifier: MIT
// Merge sort by one thread, and the two steps of it that the others divide among tasks.
#include <omp.h>

#include "heddle/clock.h"
#include "sort.h"

enum { SHOWN = 1 << 13 };  // shorter work is no box in the timeline

void merge(const record *left, long left_count, const record *right, long right_count, record *to) {
  const record *const left_end = left + left_count, *const right_end = right + right_count;
  while (left < left_end && right < right_end) *to++ = right->key < left->key ? *right++ : *left++;
  while (left < left_end) *to++ = *left++;
  while (right < right_end) *to++ = *right++;
}

static void insert_all(const record *in, record *to, long n) {
  for (long i = 0; i < n; i++) {
    const record r = in[i];
    long at = i;
    for (; at > 0 && to[at - 1].key > r.key; at--) to[at] = to[at - 1];
    to[at] = r;
  }
}

// The halves are sorted into `other`, so that merging them brings them into `to`; their halves into `to` …
static void sort_run(const record *in, record *to, record *other, long n) {
  if (n <= LEAF) {
    insert_all(in, to, n);
    return;
  }
  const long half = n / 2;
  sort_run(in, other, to, half);
  sort_run(in + half, other + half, to + half, n - half);
  merge(other, half, other + half, n - half, to);
}

void show(const sorting *s, const char *label, long n, double start_s) {
  if (s->watch && n >= SHOWN)
    hd_add_span(s->watch, omp_get_thread_num(), label, start_s - s->began_s, hd_wall() - s->began_s);
}

void sort_part(const sorting *s, long from, long n, bool into_to) {
  const double start = hd_wall();
  record *to = into_to ? s->to : s->other, *other = into_to ? s->other : s->to;
  sort_run(s->in + from, to + from, other + from, n);
  show(s, "S", n, start);
}

void merge_halves(const sorting *s, long from, long n, bool into_to) {
  const double start = hd_wall();
  const record *halves = (into_to ? s->other : s->to) + from;
  const long half = n / 2;
  merge(halves, half, halves + half, n - half, (into_to ? s->to : s->other) + from);
  show(s, "M", n, start);
}

// The baseline: log₂(n / LEAF) times all records are moved by a merge, and at every other one the processor
// guesses wrongly from which side it comes.
long sort_serial(const sorting *s) {
  sort_part(s, 0, s->n, true);
  return 0;
}
