// SPDX-License-Identifier: MIT
// Merge sort of n records by their keys; records of equal keys keep their order. Read merge.c first, then
// tasks.c, depend.c, pieces.c; bound.c says what they take at least.
#ifndef SORT_H
#define SORT_H
#include "heddle/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct record {
  int32_t key;
  int32_t index;  // where it stood: tells whether equal keys kept their order
} record;

// A leaf is sorted by insertion. What is not longer than the cut-off is sorted by one task. A piece is what
// one task merges where a merge is divided.
enum { LEAF = 32, CUT_OFF = 1 << 14, PIECE = 1 << 14 };

// n records `in`, to be sorted into `to`, with `other` (n) as scratch: merging needs a second array in any
// case, and the levels of the recursion take turns.
typedef struct sorting {
  const record *in;
  record *to, *other;
  long n;
  hd_case *watch;  // gets the timeline, which began at began_s; NULL: nobody does
  double began_s;
} sorting;

// Each of them sorts and returns how many tasks it made. In reading order.
typedef long sorter(const sorting *s);
sorter sort_serial;                                            // merge.c
sorter sort_sections, sort_tasks, sort_cut_off, sort_no_wait;  // tasks.c
sorter sort_depend;                                            // depend.c
sorter sort_pieces;                                            // pieces.c
sorter sort_qsort;                                             // library.c

// Two sorted runs into one. Of equal keys those of `left` come first. (merge.c)
void merge(const record *left, long left_count, const record *right, long right_count, record *to);

// The two steps that are divided among tasks: records [from, from + n) sorted, and their sorted halves
// merged. The result goes into s->to if `into_to`, else into s->other; the halves stand in the other one.
// (merge.c)
void sort_part(const sorting *s, long from, long n, bool into_to);
void merge_halves(const sorting *s, long from, long n, bool into_to);

// A box in the timeline: S sorting or M merging n records by this thread, since start_s. Short ones are left
// out. (merge.c)
void show(const sorting *s, const char *label, long n, double start_s);

// How many of the first `count` records of the merged run come from `left`. (pieces.c)
long taken_from_left(const record *left, long left_count, const record *right, long right_count, long count);

// What one thread takes to sort n records and to merge their halves; sort_s is 0 until it was measured.
typedef struct speed {
  double sort_s, merge_s;
  long n;
} speed;

// Measures v, unless it is known. (bound.c)
void measure_speed(speed *v, const record *in, long n);

// How often a part longer than `cut` is halved. (bound.c)
int levels(long n, long cut);

// The longest chain of work in which each step must wait for the one before it: nothing up to `cut` records
// is divided, merges are by one thread, or in pieces. (bound.c)
double critical_path_s(const speed *v, long cut, bool in_pieces);

// The records on a GPU, and the library's sort of them. (cub.cu)
typedef struct gpu_records {
  int32_t *keys, *indices, *sorted_keys, *sorted_indices;  // (n) each
  void *storage;
  size_t storage_bytes;
} gpu_records;
void gpu_place(gpu_records *g, const record *in, const record *to, long n);
void gpu_sort(gpu_records *g, long n);
void gpu_collect(const gpu_records *g, record *to, long n);
void gpu_release(gpu_records *g);

#ifdef __cplusplus
}
#endif
#endif
