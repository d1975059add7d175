// SPDX-License-Identifier: MIT
// Idea: ranks that share a node have faster links than nodes have among themselves. So first each node
// scatters its sum among its g ranks; then the ranks with the same place in all N/g nodes reduce their g-th
// part; then each node gathers.
//
// Prediction: as many bytes per rank as the ring, 2(N-1)/N·S, but only 2(g-1)/g·S of them … and between nodes
// no more than 2·S/g per rank. Messages: 2(g-1) + 2(N/g-1) instead of 2(N-1): 8 ranks in two nodes take 8
// steps instead of 14. Where all links are equal, as within the simulated machine, only the steps count;
// CUSIM_NODE=4 makes nodes of it.
#include "all_reduce.h"

int ranks_per_node(int world) {
  int nodes = 1;
  for (int d = 2; d * d <= world; d++)
    if (world % d == 0) nodes = d;
  return world / nodes;
}

int all_reduce_hierarchical(const member *m, float *x, size_t count) {
  if (ring_reduce_scatter(m->node, m, x, count)) return -1;
  size_t offset, length;
  const int ranks = hd_comm_world(m->node), mine = (hd_comm_rank(m->node) + 1) % ranks;
  hd_shard(count, mine, ranks, &offset, &length);
  if (ring_reduce_scatter(m->across, m, x + offset, length)) return -1;
  if (ring_all_gather(m->across, x + offset, length)) return -1;
  return ring_all_gather(m->node, x, count);
}
