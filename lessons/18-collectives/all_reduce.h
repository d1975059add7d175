// SPDX-License-Identifier: MIT
// All-reduce: every rank has a vector, and every rank wants the sum of all of them. Each algorithm is written
// with messages between two ranks, and is the same on CPU ranks and on GPUs.
#ifndef HEDDLE_LESSON_18_ALL_REDUCE_H
#define HEDDLE_LESSON_18_ALL_REDUCE_H
#include <heddle/comm.h>
#include <heddle/ops.h>

// One rank.
typedef struct member {
  hd_comm *comm;
  hd_ops *ops;             // where its memory is, and how it adds
  float *inbox;            // as long as the vector: what arrives before it is added
  hd_comm *node, *across;  // hierarchical: the ranks of its node; those with its place in the other nodes
} member;

// x = the sum of all ranks' x, in place. 0, or -1 with the communicator's error.
typedef int algorithm(const member *m, float *x, size_t count);

algorithm all_reduce_naive, all_reduce_tree, all_reduce_doubling, all_reduce_ring, all_reduce_hierarchical;
algorithm all_reduce_library;       // whatever the communicator does by itself
algorithm all_reduce_power_of_two;  // a mistake: see doubling.c
algorithm all_reduce_yours;         // the lab's

// The two halves of the ring. Afterwards reduce_scatter has left chunk (rank + 1) % world of the sum in
// place; all_gather expects it there.
int ring_reduce_scatter(hd_comm *comm, const member *m, float *x, size_t count);
int ring_all_gather(hd_comm *comm, float *x, size_t count);

// An algorithm for the first `power` ranks, a power of two, made one for any number: the ranks beyond hand
// their vector to a partner first, and get the sum at the end. (doubling.c)
typedef int among(const member *m, float *x, size_t count, int power);
int with_power_of_two(const member *m, float *x, size_t count, among *inner);

// x += what has arrived.
void add_inbox(const member *m, float *x, size_t count);

// How many ranks share a node: the largest divisor of world that is not larger than the number of nodes,
// swapped so that nodes are at least as large as there are many. 8 → 4, 4 → 2, a prime → itself.
int ranks_per_node(int world);
#endif
