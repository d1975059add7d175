// SPDX-License-Identifier: MIT
// The same work from the leaves upwards, as a graph: who needs what is said, not waited for.
#include <stdlib.h>

#include "heddle/error.h"
#include "sort.h"

// A part of the array as a node of a binary tree: 1 is all of it, 2·i and 2·i + 1 are the halves of i.
typedef struct part {
  long from, n;
  bool into_to;
} part;

static part halve(part p, bool second) {
  const long half = p.n / 2;
  return second ? (part){p.from + half, p.n - half, !p.into_to} : (part){p.from, half, !p.into_to};
}

// Idea: one thread makes all tasks of the tree, and each says which part of the array it needs and which it
// makes. A merge begins when its two halves are there; nobody waits in the middle of a task.
//
// Prediction: as cut-off: the same merges, the same chain. What is gained is freedom: the graph need not be a
// recursion, and a thread never holds a half-done task on its stack.
long sort_depend(const sorting *s) {
  const long leaves = 1L << levels(s->n, CUT_OFF);
  part *parts = hd_alloc((size_t)(2 * leaves), sizeof *parts);
  parts[1] = (part){0, s->n, true};
  for (long node = 2; node < 2 * leaves; node++) parts[node] = halve(parts[node / 2], node % 2 == 1);
#pragma omp parallel
#pragma omp single
  {
    for (long node = leaves; node < 2 * leaves; node++) {
      const part *p = &parts[node];
#pragma omp task depend(out : parts[node])
      sort_part(s, p->from, p->n, p->into_to);
    }
    for (long node = leaves - 1; node > 0; node--) {
      const part *p = &parts[node];
#pragma omp task depend(in : parts[2 * node], parts[2 * node + 1]) depend(out : parts[node])
      merge_halves(s, p->from, p->n, p->into_to);
    }
  }
  free(parts);
  return 2 * leaves - 1;
}
