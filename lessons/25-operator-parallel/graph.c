// SPDX-License-Identifier: MIT
#include "graph.h"

#include <heddle/error.h>

int graph_add(graph *g, int group, double seconds, double bytes) {
  if (g->count == MOST_OPS) hd_fail(HD_EXIT_USAGE, "a graph holds at most %d operations", MOST_OPS);
  g->ops[g->count] = (operation){.group = group, .seconds = seconds, .bytes = bytes};
  if (group >= g->groups) g->groups = group + 1;
  return g->count++;
}

void graph_input(graph *g, int to, int input) {
  operation *o = &g->ops[to];
  if (o->inputs == MOST_INPUTS || input >= to)
    hd_fail(HD_EXIT_USAGE, "operation %d: at most %d inputs, all of them earlier operations", to,
            MOST_INPUTS);
  o->input[o->inputs++] = input;
}

double graph_work(const graph *g) {
  double sum = 0;
  for (int i = 0; i < g->count; i++) sum += g->ops[i].seconds;
  return sum;
}

double graph_copy(const graph *g, int from) {
  return g->latency + (g->bandwidth > 0 ? g->ops[from].bytes / g->bandwidth : 0);
}

void graph_ranks(const graph *g, int copies, double *rank) {
  for (int i = 0; i < g->count; i++) rank[i] = 0;
  for (int i = g->count - 1; i >= 0; i--) {
    const operation *o = &g->ops[i];
    rank[i] += o->seconds;  // so far the longest chain behind it
    for (int k = 0; k < o->inputs; k++) {
      const int from = o->input[k];
      const double copy = copies && g->ops[from].group != o->group ? graph_copy(g, from) : 0;
      if (rank[i] + copy > rank[from]) rank[from] = rank[i] + copy;
    }
  }
}

double graph_critical_path(const graph *g) {
  double rank[MOST_OPS], longest = 0;
  graph_ranks(g, 0, rank);
  for (int i = 0; i < g->count; i++)
    if (rank[i] > longest) longest = rank[i];
  return longest;
}
