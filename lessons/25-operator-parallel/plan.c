// SPDX-License-Identifier: MIT
#include "plan.h"

#include <heddle/error.h>
#include <math.h>

// ---------------------------------------------------------------- on paper

int plan_readers(const graph *g, const plan *p, int from, int *readers) {
  bool known[MOST_DEVICES] = {[0] = false};
  int count = 0;
  known[p->device[from]] = true;
  for (int i = 0; i < g->count; i++) {
    const operation *o = &g->ops[p->order[i]];
    const int device = p->device[p->order[i]];
    for (int k = 0; k < o->inputs && !known[device]; k++) {
      if (o->input[k] != from) continue;
      known[device] = true;
      readers[count++] = device;
    }
  }
  return count;
}

void plan_time(const graph *g, plan *p) {
  static _Thread_local double arrival[MOST_OPS][MOST_DEVICES];
  double device_free[MOST_DEVICES] = {0}, link_free[MOST_DEVICES] = {0};
  p->makespan = 0;
  for (int i = 0; i < g->count; i++) {
    const int n = p->order[i], device = p->device[n];
    const operation *o = &g->ops[n];
    double start = device_free[device];
    for (int k = 0; k < o->inputs; k++) start = fmax(start, arrival[o->input[k]][device]);
    p->start[n] = start;
    p->end[n] = device_free[device] = start + o->seconds;
    p->makespan = fmax(p->makespan, p->end[n]);
    arrival[n][device] = p->end[n];
    // One copy after the other leaves a device.
    int readers[MOST_DEVICES];
    const int count = plan_readers(g, p, n, readers);
    for (int r = 0; r < count; r++) {
      link_free[device] = fmax(link_free[device], p->end[n]) + graph_copy(g, n);
      arrival[n][readers[r]] = link_free[device];
    }
  }
}

double plan_lower_bound(const graph *g, int devices) {
  return fmax(graph_critical_path(g), graph_work(g) / devices);
}

// ---------------------------------------------------------------- one operation after the other

// A plan that grows: what has been placed so far, when devices are free, and where groups have settled.
typedef struct growing {
  const graph *g;
  plan *p;
  double device_free[MOST_DEVICES], end[MOST_OPS];
  bool placed[MOST_OPS];
  int home[MOST_OPS];  // of a group; -1: not yet
  int count;
} growing;

static growing grow(const graph *g, plan *p) {
  if (p->devices < 1 || p->devices > MOST_DEVICES)
    hd_fail(HD_EXIT_USAGE, "a plan for %d devices: 1 to %d are possible", p->devices, MOST_DEVICES);
  growing w = {.g = g, .p = p};
  for (int i = 0; i < g->groups; i++) w.home[i] = -1;
  return w;
}

static bool is_ready(const growing *w, int n) {
  for (int k = 0; k < w->g->ops[n].inputs; k++)
    if (!w->placed[w->g->ops[n].input[k]]) return false;
  return !w->placed[n];
}

// The earliest start on a device, as if no copy ever waited for another.
static double earliest(const growing *w, int n, int device) {
  double start = w->device_free[device];
  for (int k = 0; k < w->g->ops[n].inputs; k++) {
    const int from = w->g->ops[n].input[k];
    start = fmax(start, w->end[from] + (w->p->device[from] == device ? 0 : graph_copy(w->g, from)));
  }
  return start;
}

// The device where an operation starts first: its group's, if that has one.
static int best_device(const growing *w, int n, double *start) {
  const int home = w->home[w->g->ops[n].group];
  int best = home < 0 ? 0 : home;
  *start = earliest(w, n, best);
  for (int d = 1; home < 0 && d < w->p->devices; d++) {
    const double t = earliest(w, n, d);
    if (t >= *start) continue;
    best = d;
    *start = t;
  }
  return best;
}

static void place(growing *w, int n, int device, double start) {
  w->p->device[n] = w->home[w->g->ops[n].group] = device;
  w->p->order[w->count++] = n;
  w->placed[n] = true;
  w->end[n] = w->device_free[device] = start + w->g->ops[n].seconds;
}

// No device waits while an operation could run on it: what can start first does. Among several that can at
// the same time a rank decides, if there is one, else the order of the graph.
static void place_first_ready(growing *w, const double *rank) {
  int best = -1, best_at = 0;
  double best_start = INFINITY;
  for (int n = 0; n < w->g->count; n++) {
    if (!is_ready(w, n)) continue;
    double start;
    const int device = best_device(w, n, &start);
    const bool ahead = rank && best >= 0 && rank[n] > rank[best];
    if (!(start < best_start || (start == best_start && ahead))) continue;
    best = n;
    best_at = device;
    best_start = start;
  }
  place(w, best, best_at, best_start);
}

// ---------------------------------------------------------------- the plans

plan plan_serial(const graph *g) {
  plan p = {.devices = 1};
  for (int i = 0; i < g->count; i++) p.order[i] = i;
  plan_time(g, &p);
  return p;
}

plan plan_round_robin(const graph *g, int devices) {
  plan p = plan_serial(g);
  p.devices = devices;
  for (int i = 0; i < g->count; i++) p.device[i] = g->ops[i].group % devices;
  plan_time(g, &p);
  return p;
}

plan plan_greedy(const graph *g, int devices) {
  plan p = {.devices = devices};
  growing w = grow(g, &p);
  while (w.count < g->count) place_first_ready(&w, NULL);
  plan_time(g, &p);
  return p;
}

bool plan_order_below(const graph *g, const int *device_of_group, const double *rank, const double *chain,
                      double limit, plan *p) {
  growing w = grow(g, p);
  for (int i = 0; i < g->groups; i++) w.home[i] = device_of_group[i];
  while (w.count < g->count) {
    place_first_ready(&w, rank);
    // Copies that wait for each other can only make it later.
    const int last = p->order[w.count - 1];
    if (w.end[last] - g->ops[last].seconds + chain[last] >= limit) return false;
  }
  plan_time(g, p);
  return p->makespan < limit;
}

void plan_order(const graph *g, const int *device_of_group, const double *rank, plan *p) {
  plan_order_below(g, device_of_group, rank, rank, INFINITY, p);
}

plan plan_critical_path(const graph *g, int devices) {
  plan p = {.devices = devices};
  double rank[MOST_OPS];
  graph_ranks(g, devices > 1, rank);
  growing w = grow(g, &p);
  while (w.count < g->count) {
    int first = -1;
    for (int n = 0; n < g->count; n++)
      if (is_ready(&w, n) && (first < 0 || rank[n] > rank[first])) first = n;
    double start;
    const int device = best_device(&w, first, &start);
    place(&w, first, device, start);
  }
  // That was for the places. In their order nothing need wait for an operation with a longer way that is not
  // ready yet.
  int home[MOST_OPS];
  for (int i = 0; i < g->groups; i++) home[i] = w.home[i];
  plan better = {.devices = devices};
  plan_time(g, &p);
  plan_order(g, home, rank, &better);
  return better.makespan < p.makespan ? better : p;
}
