// SPDX-License-Identifier: MIT
// The case that all variants share, and the variants of each part in reading order.
#ifndef MEMORY_H
#define MEMORY_H
#include <stdint.h>

#include "heddle/bench.h"

enum { LINE = 64 };  // bytes of a cache line: what memory moves, however little of it is asked for

// An element of a linked list, alone in its line.
typedef struct node {
  _Alignas(LINE) struct node *next;
  struct node *ahead;  // AHEAD elements further on in the list
  long rank;           // its place in the list
} node;

typedef struct memory_case {
  long n;               // elements of each array, of `x`, or nodes
  float *output;        // (n) where the harness looks for the triad's result
  float *a, *b, *c;     // (n) between the steps of a place; a = b + 3 c
  uint32_t *x;          // (n) what is read at a stride
  double sum;           // its output
  node *nodes, *start;  // (n) and where the next walk begins
  uint32_t *order;      // (n) a random order of nodes
  double walked;        // the walk's output: how far it came, modulo n
} memory_case;

// ---- pages.c: how an array gets its pages. SMALL are of 4 KiB, HUGE of 2 MiB where the system has them.
enum pages { SMALL_PAGES, HUGE_PAGES };
enum { SMALL_PAGE = 4096, HUGE_PAGE = 2 << 20 };

// Fresh memory, starting at a huge page: addresses only. A page comes when something is first written to it.
void *pages_map(size_t bytes, enum pages kind);
void pages_unmap(void *p, size_t bytes);  // as given to pages_map; NULL is fine

// Page faults of this process so far that needed no disk.
long page_faults(void);

// NUMA nodes of this machine.
int numa_nodes(void);

// What the arrays hold: multiples of 2^-10 below 1, so that b + 3 c needs no rounding.
static inline float b_of(uint64_t seed, long i) {
  return (float)((seed + (uint64_t)i) % 1021) * 0x1p-10f;
}
static inline float c_of(uint64_t seed, long i) {
  return (float)((seed + 7 * (uint64_t)i) % 1019) * 0x1p-10f;
}

// ---- triad.c: a = b + 3 c. Where its arrays' pages are is up to the place, in places.c.
extern const hd_place huge_by_users, small_by_users, huge_by_one;
hd_run run_triad_serial, run_triad_threads, run_triad_streaming, run_triad_in_place, run_triad_prefetch;
hd_run run_triad_bound, run_triad_one_core;
hd_run copy_b_to_a;  // before each in-place run

// For bind.c: the streaming triad as a worksharing construct, to be called by all threads of a team.
void triad_share(float *a, const float *b, const float *c, long n);

// ---- fresh.c: the same triad into an array that was allocated a moment ago.
extern const hd_place inputs_only;
hd_run unmap_a, map_a;  // before each run
hd_run run_fresh_by_one, run_fresh_by_users, run_fresh_huge, run_fresh_kept, run_fresh_untouched;

// ---- stride.c: the sum of x, every s-th element at a time.
hd_run run_stride_1, run_stride_2, run_stride_4, run_stride_8, run_stride_16, run_stride_32;

// ---- chase.c: a walk along a list of nodes, one after another.
enum { STEPS = 1 << 16, AHEAD = 16 };
extern const hd_place shuffled, shuffled_small, in_order;
hd_run run_chase, run_chase_four, run_chase_ahead;

#endif
