// SPDX-License-Identifier: MIT
// Where the triad's arrays are: untimed steps around the runs. A page is taken from the NUMA node of the
// thread that first writes to it, so filling an array decides where it lies.
#include <string.h>

#include "memory.h"

static size_t bytes_of(const memory_case *m) {
  return (size_t)m->n * sizeof(float);
}

// By the threads that will compute, each the part it will work on; or by one.
static void fill(hd_case *c, bool by_one) {
  memory_case *m = c->state;
#pragma omp parallel for schedule(static) num_threads(by_one ? 1 : c->threads)
  for (long i = 0; i < m->n; i++) {
    m->a[i] = m->output[i];  // the poison
    m->b[i] = b_of(c->seed, i);
    m->c[i] = c_of(c->seed, i);
  }
}

static void map(hd_case *c, enum pages kind) {
  memory_case *m = c->state;
  m->a = pages_map(bytes_of(m), kind);
  m->b = pages_map(bytes_of(m), kind);
  m->c = pages_map(bytes_of(m), kind);
}

static void place_huge_by_users(hd_case *c) {
  map(c, HUGE_PAGES);
  fill(c, false);
}
static void place_small_by_users(hd_case *c) {
  map(c, SMALL_PAGES);
  fill(c, false);
}
static void place_huge_by_one(hd_case *c) {
  map(c, HUGE_PAGES);
  fill(c, true);
}

static void collect(hd_case *c) {
  const memory_case *m = c->state;
  memcpy(m->output, m->a, bytes_of(m));
}

static void release(hd_case *c) {
  memory_case *m = c->state;
  pages_unmap(m->a, bytes_of(m));
  pages_unmap(m->b, bytes_of(m));
  pages_unmap(m->c, bytes_of(m));
  m->a = m->b = m->c = NULL;
}

// For fresh.c, whose runs map `a` themselves.
static void place_inputs(hd_case *c) {
  memory_case *m = c->state;
  place_huge_by_users(c);
  pages_unmap(m->a, bytes_of(m));
  m->a = NULL;
}

const hd_place huge_by_users = {place_huge_by_users, collect, release};
const hd_place small_by_users = {place_small_by_users, collect, release};
const hd_place huge_by_one = {place_huge_by_one, collect, release};
const hd_place inputs_only = {place_inputs, collect, release};
