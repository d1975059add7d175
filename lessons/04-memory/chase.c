// SPDX-License-Identifier: MIT
// How long one access takes: a walk along a list, where the address of the next access is what the last one
// brought. Nothing can overlap, so the time of a step is the latency of the level that holds the list.
#include "heddle/clock.h"
#include "memory.h"

static size_t bytes_of(const memory_case *m) {
  return (size_t)m->n * sizeof(node);
}

// Links the nodes to a ring: in the order of addresses, or in a random one.
static void link_nodes(hd_case *c, enum pages kind, bool random) {
  memory_case *m = c->state;
  m->nodes = pages_map(bytes_of(m), kind);
  const uint32_t *order = m->order;
#pragma omp parallel for schedule(static)
  for (long i = 0; i < m->n; i++) {
    const long next = (i + 1) % m->n, ahead = (i + AHEAD) % m->n;
    m->nodes[random ? order[i] : i] = (node){.next = &m->nodes[random ? order[next] : next],
                                             .ahead = &m->nodes[random ? order[ahead] : ahead],
                                             .rank = i};
  }
  m->start = m->nodes;
}

static void place_shuffled(hd_case *c) {
  link_nodes(c, HUGE_PAGES, true);
}
static void place_shuffled_small(hd_case *c) {
  link_nodes(c, SMALL_PAGES, true);
}
static void place_in_order(hd_case *c) {
  link_nodes(c, HUGE_PAGES, false);
}
static void release(hd_case *c) {
  memory_case *m = c->state;
  pages_unmap(m->nodes, bytes_of(m));
  m->nodes = m->start = NULL;
}
const hd_place shuffled = {place_shuffled, NULL, release};
const hd_place shuffled_small = {place_shuffled_small, NULL, release};
const hd_place in_order = {place_in_order, NULL, release};

static long distance(const memory_case *m, const node *from, const node *to) {
  return (to->rank - from->rank + m->n) % m->n;
}

// The walk goes on where the last one ended: one that began anew would find its way in the cache.
//
// Prediction: at a random order the latency of the level that the list fits into: 1, 4, 12 ns for the three
// caches, 100 ns and more for memory. In small pages also the walk through page tables, from the size on that
// the TLB covers. In the order of addresses hardly more than the nearest cache: the prefetcher was here.
void run_chase(hd_case *c) {
  memory_case *m = c->state;
  if (m->n == 0) return;
  const node *p = m->start;
  const double begin = hd_wall();
  for (long i = 0; i < STEPS; i++) p = p->next;
  m->walked = (double)distance(m, m->start, p);
  hd_report_time(c, (hd_wall() - begin) / STEPS);
  m->start = &m->nodes[p - m->nodes];
}

// Idea: four walks at once, a quarter of the way each, which don't wait for each other.
//
// Prediction: a core can wait for several lines at once: a quarter of the time, at every level but the
// nearest.
void run_chase_four(hd_case *c) {
  memory_case *m = c->state;
  if (m->n == 0) return;
  enum { WALKS = 4 };
  const node *p[WALKS], *first[WALKS];
  // As far from each other as can be: none shall find what another one has just brought.
  for (int w = 0; w < WALKS; w++)
    first[w] = p[w] = &m->nodes[m->order[(m->start->rank + w * (m->n / WALKS)) % m->n]];
  const double begin = hd_wall();
  for (long i = 0; i < STEPS / WALKS; i++)
    for (int w = 0; w < WALKS; w++) p[w] = p[w]->next;
  long walked = 0;
  for (int w = 0; w < WALKS; w++) walked += distance(m, first[w], p[w]);
  m->walked = (double)(walked % m->n);
  hd_report_time(c, (hd_wall() - begin) / STEPS);
  m->start = &m->nodes[p[0] - m->nodes];
}

// Idea: one walk, but each node also knows the one 16 steps on, and asks for it: software prefetch where the
// hardware cannot guess.
//
// Prediction: sixteen lines are under way at once: a sixteenth of the time, or what the core's buffers for
// missing lines allow.
void run_chase_ahead(hd_case *c) {
  memory_case *m = c->state;
  if (m->n == 0) return;
  const node *p = m->start;
  const double begin = hd_wall();
  for (long i = 0; i < STEPS; i++) {
    __builtin_prefetch(p->ahead);
    p = p->next;
  }
  m->walked = (double)distance(m, m->start, p);
  hd_report_time(c, (hd_wall() - begin) / STEPS);
  m->start = &m->nodes[p - m->nodes];
}
