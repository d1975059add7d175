// SPDX-License-Identifier: MIT
// All-reduces where links are not equal, on paper: latency plus bytes over bandwidth, step by step.
#include "paper.h"

static double larger(double a, double b) {
  return a > b ? a : b;
}

// A ring of `ranks`: 2(n - 1) steps of an n-th of the vector. In each step every link works, and all wait for
// the slowest.
static double ring(int ranks, double bytes, double alpha_s, double s_per_byte) {
  return ranks < 2 ? 0 : 2 * (ranks - 1) * (alpha_s + bytes / ranks * s_per_byte);
}

double flat_on_paper(int nodes, int each, double bytes, link_cost inside, link_cost between) {
  if (nodes < 2) return ring(each, bytes, inside.alpha_s, 1 / inside.bytes_per_s);
  return ring(nodes * each, bytes, larger(inside.alpha_s, between.alpha_s),
              larger(1 / inside.bytes_per_s, 1 / between.bytes_per_s));
}

// Every rank of a node takes its part across: with a network adapter for each, all at once.
double hierarchical_on_paper(int nodes, int each, double bytes, link_cost inside, link_cost between) {
  return ring(each, bytes, inside.alpha_s, 1 / inside.bytes_per_s) +
         ring(nodes, bytes / each, between.alpha_s, 1 / between.bytes_per_s);
}
