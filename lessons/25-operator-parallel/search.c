// SPDX-License-Identifier: MIT
// Every placement of the groups on equal devices, by branch and bound: the first group goes to device 0, each
// next one to a device in use or to the first new one. A branch is left when what is decided already takes
// longer than the best plan known.
//
// A placement is run in the order of ranks, which is nearly always good enough. Where there are few
// operations every order of them is tried, too.
#include <heddle/error.h>
#include <math.h>

#include "plan.h"

enum { MOST_GROUPS = 14, MOST_ORDERED = 8 };

typedef struct search {
  const graph *g;
  int devices, home[MOST_OPS];
  double rank[MOST_OPS], chain[MOST_OPS], work[MOST_OPS];  // chain: ranks without copies; work: per group
  double load[MOST_DEVICES], bound;
  plan best;
} search;

// The longest chain, with the copies between groups that have been placed apart.
static double longest_chain(const search *s, int placed) {
  double end[MOST_OPS], longest = 0;
  for (int n = 0; n < s->g->count; n++) {
    const operation *o = &s->g->ops[n];
    double start = 0;
    for (int k = 0; k < o->inputs; k++) {
      const int from = o->input[k], a = s->g->ops[from].group, b = o->group;
      const bool apart = a < placed && b < placed && s->home[a] != s->home[b];
      start = fmax(start, end[from] + (apart ? graph_copy(s->g, from) : 0));
    }
    end[n] = start + o->seconds;
    longest = fmax(longest, end[n]);
  }
  return longest;
}

static void keep(search *s, const plan *p) {
  if (p->makespan < s->best.makespan) s->best = *p;
}

static void place_group(search *s, int group, int used) {
  if (s->best.makespan <= s->bound) return;
  if (group == s->g->groups) {
    plan p = {.devices = s->devices};
    if (plan_order_below(s->g, s->home, s->rank, s->chain, s->best.makespan, &p)) keep(s, &p);
    return;
  }
  for (int d = 0; d < s->devices && d <= used; d++) {
    s->home[group] = d;
    s->load[d] += s->work[group];
    if (s->load[d] < s->best.makespan && longest_chain(s, group + 1) < s->best.makespan)
      place_group(s, group + 1, d == used ? used + 1 : used);
    s->load[d] -= s->work[group];
  }
}

// ---------------------------------------------------------------- every order

// A plan that grows by one operation at a time.
typedef struct orders {
  const graph *g;
  const double *chain;
  double bound, device_free[MOST_DEVICES], end[MOST_OPS];
  int home[MOST_OPS];  // of a group; -1: not yet
  bool placed[MOST_OPS];
  plan p, *best;
} orders;

static void add_one(orders *o, int count, int used);

static void place_next(orders *o, int n, int device, int count, int used) {
  const operation *op = &o->g->ops[n];
  const double free_before = o->device_free[device];
  const int home = o->home[op->group];
  double start = free_before;
  for (int k = 0; k < op->inputs; k++) {  // as if no copy ever waited for another
    const int from = op->input[k];
    start = fmax(start, o->end[from] + (o->p.device[from] == device ? 0 : graph_copy(o->g, from)));
  }
  if (start + o->chain[n] >= o->best->makespan) return;
  o->placed[n] = true;
  o->home[op->group] = o->p.device[n] = device;
  o->p.order[count] = n;
  o->end[n] = o->device_free[device] = start + op->seconds;
  add_one(o, count + 1, device == used ? used + 1 : used);
  o->device_free[device] = free_before;
  o->home[op->group] = home;
  o->placed[n] = false;
}

static void add_one(orders *o, int count, int used) {
  if (o->best->makespan <= o->bound) return;
  if (count == o->g->count) {
    plan_time(o->g, &o->p);
    if (o->p.makespan < o->best->makespan) *o->best = o->p;
    return;
  }
  for (int n = 0; n < o->g->count; n++) {
    const operation *op = &o->g->ops[n];
    bool ready = !o->placed[n];
    for (int k = 0; k < op->inputs; k++) ready &= o->placed[op->input[k]];
    const int home = o->home[op->group];
    for (int d = 0; ready && d < o->p.devices && d <= used; d++)
      if (home < 0 || home == d) place_next(o, n, d, count, used);
  }
}

static void try_orders(search *s) {
  orders o = {
      .g = s->g, .chain = s->chain, .bound = s->bound, .p = {.devices = s->devices}, .best = &s->best};
  for (int i = 0; i < s->g->groups; i++) o.home[i] = -1;
  add_one(&o, 0, 0);
}

plan plan_exhaustive(const graph *g, int devices) {
  if (g->groups > MOST_GROUPS)
    hd_fail(HD_EXIT_USAGE, "exhaustive: %d groups have too many placements, at most %d are searched",
            g->groups, MOST_GROUPS);
  search s = {.g = g, .devices = devices, .bound = plan_lower_bound(g, devices)};
  for (int n = 0; n < g->count; n++) s.work[g->ops[n].group] += g->ops[n].seconds;
  graph_ranks(g, devices > 1, s.rank);
  graph_ranks(g, 0, s.chain);
  s.best = plan_greedy(g, devices);
  const plan other = plan_critical_path(g, devices);
  keep(&s, &other);
  place_group(&s, 0, 0);
  const bool all_orders = g->count <= MOST_ORDERED;
  if (all_orders) try_orders(&s);
  s.best.optimal = all_orders || s.best.makespan <= s.bound * (1 + 1e-12);
  return s.best;
}
