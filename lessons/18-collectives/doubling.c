// SPDX-License-Identifier: MIT
// Idea: nobody waits for a root. In every round each rank swaps sums with a partner twice as far away, and
// both add: after round k every rank has the sum of 2^k ranks.
//
//   0 <-> 1   2 <-> 3   4 <-> 5   6 <-> 7
//   0 <----> 2, 1 <----> 3, 4 <----> 6, 5 <----> 7
//   0 <------------> 4, 1 <------------> 5, …
//
// a + b and b + a are the same number, so all ranks end with the same bits.
//
// Prediction: log₂N (α + S/B), half of the tree, since links carry data both ways at once. Nothing is faster
// for short vectors; for long ones each rank still sends log₂N times the whole vector. Where N is no power of
// two, the ranks beyond one first hand their vector to a partner and get the sum at the end: two messages
// more.
#include "all_reduce.h"

static int swap_and_add(const member *m, float *x, size_t count, int partner) {
  const hd_transfer both[2] = {{true, partner, x, count, HD_F32}, {false, partner, m->inbox, count, HD_F32}};
  if (hd_exchange(m->comm, both, 2)) return -1;
  add_inbox(m, x, count);
  return 0;
}

int with_power_of_two(const member *m, float *x, size_t count, among *inner) {
  const int rank = hd_comm_rank(m->comm), world = hd_comm_world(m->comm);
  int power = 1;
  while (2 * power <= world) power *= 2;
  if (rank >= power)
    return hd_send(m->comm, x, count, HD_F32, rank - power) ||
                   hd_recv(m->comm, x, count, HD_F32, rank - power)
               ? -1
               : 0;
  const bool partner_beyond = rank + power < world;
  if (partner_beyond) {
    if (hd_recv(m->comm, m->inbox, count, HD_F32, rank + power)) return -1;
    add_inbox(m, x, count);
  }
  if (inner(m, x, count, power)) return -1;
  return partner_beyond ? hd_send(m->comm, x, count, HD_F32, rank + power) : 0;
}

static int doubling(const member *m, float *x, size_t count, int power) {
  for (int distance = 1; distance < power; distance *= 2)
    if (swap_and_add(m, x, count, hd_comm_rank(m->comm) ^ distance)) return -1;
  return 0;
}

int all_reduce_doubling(const member *m, float *x, size_t count) {
  return with_power_of_two(m, x, count, doubling);
}

// What goes wrong: written and tested with 2, 4 and 8 ranks. With 3 nothing crashes; rank 1 never learns of
// rank 2.
int all_reduce_power_of_two(const member *m, float *x, size_t count) {
  const int rank = hd_comm_rank(m->comm), world = hd_comm_world(m->comm);
  for (int distance = 1; distance < world; distance *= 2)
    if ((rank ^ distance) < world && swap_and_add(m, x, count, rank ^ distance)) return -1;
  return 0;
}
