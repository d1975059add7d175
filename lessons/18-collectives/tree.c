// SPDX-License-Identifier: MIT
// Idea: half of the ranks hand their vector to the other half and are done; then half of those; until rank 0
// has the sum, which goes back the same way.
//
//   0 <- 1   2 <- 3   4 <- 5   6 <- 7
//   0 <----- 2        4 <----- 6
//   0 <-------------- 4
//
// Prediction: 2⌈log₂N⌉(α + S/B): eight ranks take three times as long as two, not seven times. But every
// message is still the whole vector, and in the last round all links but one are idle.
#include "all_reduce.h"

static int towards_root(const member *m, float *x, size_t count) {
  const int rank = hd_comm_rank(m->comm), world = hd_comm_world(m->comm);
  for (int distance = 1; distance < world; distance *= 2) {
    if (rank & distance) return hd_send(m->comm, x, count, HD_F32, rank - distance);
    if (rank + distance >= world) continue;
    if (hd_recv(m->comm, m->inbox, count, HD_F32, rank + distance)) return -1;
    add_inbox(m, x, count);
  }
  return 0;
}

static int from_root(const member *m, float *x, size_t count) {
  const int rank = hd_comm_rank(m->comm), world = hd_comm_world(m->comm);
  int distance = 1;
  while (distance < world && !(rank & distance)) distance *= 2;  // who it handed its vector to
  if (rank > 0 && hd_recv(m->comm, x, count, HD_F32, rank - distance)) return -1;
  for (distance /= 2; distance > 0; distance /= 2)
    if (rank + distance < world && hd_send(m->comm, x, count, HD_F32, rank + distance)) return -1;
  return 0;
}

int all_reduce_tree(const member *m, float *x, size_t count) {
  return towards_root(m, x, count) || from_root(m, x, count) ? -1 : 0;
}
