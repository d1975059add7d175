// SPDX-License-Identifier: MIT
// Merge sort's recursion, divided: first as the source has it, then as the data have it.
#include "sort.h"

// Idea: two halves that need nothing of each other, one thread for each.
//
// Prediction: with two threads 1.9: the last merge is left to one of them. With more threads the same: the
// source says how many pieces there are.
long sort_sections(const sorting *s) {
  const long half = s->n / 2;
#pragma omp parallel sections
  {
#pragma omp section
    sort_part(s, 0, half, false);
#pragma omp section
    sort_part(s, half, s->n - half, false);
  }
  merge_halves(s, 0, s->n, true);
  return 0;
}

// Both halves are tasks: work that any thread may do, now or later. taskwait waits for these two. The thread
// that waits does other tasks meanwhile.
static long divide(const sorting *s, long from, long n, bool into_to, long cut) {
  if (n <= cut) {
    sort_part(s, from, n, into_to);
    return 0;
  }
  const long half = n / 2;
  long left = 0, right = 0;
#pragma omp task shared(left)
  left = divide(s, from, half, !into_to, cut);
#pragma omp task shared(right)
  right = divide(s, from + half, n - half, !into_to, cut);
#pragma omp taskwait
  merge_halves(s, from, n, into_to);
  return 2 + left + right;
}

// One thread begins; the others find the tasks that it makes.
static long divide_all(const sorting *s, long cut) {
  long tasks = 0;
#pragma omp parallel
#pragma omp single
  tasks = divide(s, 0, s->n, true, cut);
  return tasks;
}

// Idea: a task for each half of each half, down to the leaves, as many as the data make.
//
// Prediction: slower than `sections`. A leaf takes some 300 ns, and so does making a task, handing it to
// another core and waiting for it: n / LEAF · 2 of them.
long sort_tasks(const sorting *s) {
  return divide_all(s, LEAF);
}

// Idea: no tasks below 16 Ki records, which take half a millisecond.
//
// Prediction: tasks cost nothing any more. Two threads: 1.9, as with sections; with many threads the merges
// at the top decide: half of the last one's way down all others are done, so the chain is two merges of n.
long sort_cut_off(const sorting *s) {
  return divide_all(s, CUT_OFF);
}

// ---------------------------------------------------------------- what goes wrong

// WRONG: no taskwait. The two tasks are made, not done; the merge reads halves that nobody has sorted yet.
static void divide_and_go_on(const sorting *s, long from, long n, bool into_to) {
  if (n <= LEAF) {
    sort_part(s, from, n, into_to);
    return;
  }
  const long half = n / 2;
#pragma omp task
  divide_and_go_on(s, from, half, !into_to);
#pragma omp task
  divide_and_go_on(s, from + half, n - half, !into_to);
  merge_halves(s, from, n, into_to);
}

// One thread gets it wrong, too, where the runtime keeps a task for later: gcc's does, up to 64 of them.
// Where it does each task at once, only several threads do.
long sort_no_wait(const sorting *s) {
#pragma omp parallel
#pragma omp single
  divide_and_go_on(s, 0, s->n, true);
  return 0;
}
