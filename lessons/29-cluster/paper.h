// SPDX-License-Identifier: MIT
// All-reduces where links differ, on paper.
#ifndef HEDDLE_LESSON_29_PAPER_H
#define HEDDLE_LESSON_29_PAPER_H

typedef struct link_cost {
  double alpha_s, bytes_per_s;
} link_cost;

// Seconds for `bytes` among `nodes` × `each` ranks with these links inside a node and between nodes: one ring
// through all, whose pace is that of its slowest link; or rings inside nodes and across them.
double flat_on_paper(int nodes, int each, double bytes, link_cost inside, link_cost between);
double hierarchical_on_paper(int nodes, int each, double bytes, link_cost inside, link_cost between);
#endif
