// SPDX-License-Identifier: MIT
// Idea: one rank collects everything, adds, and tells the others.
//
// Prediction: 2(N-1)(α + S/B). The link of rank 0 carries all of it, one vector after the other, while the
// links of all the others are idle: twice the ranks take twice the time.
#include "all_reduce.h"

int all_reduce_naive(const member *m, float *x, size_t count) {
  hd_comm *c = m->comm;
  const int world = hd_comm_world(c);
  if (hd_comm_rank(c) != 0)
    return hd_send(c, x, count, HD_F32, 0) || hd_recv(c, x, count, HD_F32, 0) ? -1 : 0;
  for (int r = 1; r < world; r++) {
    if (hd_recv(c, m->inbox, count, HD_F32, r)) return -1;
    add_inbox(m, x, count);
  }
  for (int r = 1; r < world; r++)
    if (hd_send(c, x, count, HD_F32, r)) return -1;
  return 0;
}
