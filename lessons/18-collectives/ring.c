// SPDX-License-Identifier: MIT
// Idea: cut the vector into N chunks, so that all links carry something in every step. Chunk k starts at rank
// k and is passed to the right, every rank adding its own part (reduce-scatter): after N-1 steps rank k-1 has
// the sum of chunk k. Then the sums go round once more (all-gather).
//
// Prediction: 2(N-1)α + 2(N-1)/N·S/B. A rank sends less than twice its vector however many ranks there are:
// no algorithm can do with less. The price is 2(N-1) messages one after the other. And the order of addition
// depends on the chunk: the sum of real numbers differs in its last bits from one computed in rank order.
#include "all_reduce.h"

typedef struct chunk {
  float *data;
  size_t count;
} chunk;

static chunk chunk_of(float *x, size_t count, int index, int world) {
  size_t offset, length;
  hd_shard(count, (index % world + world) % world, world, &offset, &length);
  return (chunk){x + offset, length};
}

// One chunk goes to the right while another one comes from the left.
static int step(hd_comm *c, chunk out, float *in, size_t in_count) {
  const int rank = hd_comm_rank(c), world = hd_comm_world(c);
  const hd_transfer both[2] = {{false, (rank + world - 1) % world, in, in_count, HD_F32},
                               {true, (rank + 1) % world, out.data, out.count, HD_F32}};
  return hd_exchange(c, both, 2);
}

int ring_reduce_scatter(hd_comm *c, const member *m, float *x, size_t count) {
  const int rank = hd_comm_rank(c), world = hd_comm_world(c);
  for (int i = 0; i < world - 1; i++) {
    const chunk out = chunk_of(x, count, rank - i, world), in = chunk_of(x, count, rank - i - 1, world);
    if (step(c, out, m->inbox, in.count)) return -1;
    add_inbox(m, in.data, in.count);
  }
  return 0;
}

int ring_all_gather(hd_comm *c, float *x, size_t count) {
  const int rank = hd_comm_rank(c), world = hd_comm_world(c);
  for (int i = 0; i < world - 1; i++) {
    const chunk out = chunk_of(x, count, rank - i + 1, world), in = chunk_of(x, count, rank - i, world);
    if (step(c, out, in.data, in.count)) return -1;
  }
  return 0;
}

int all_reduce_ring(const member *m, float *x, size_t count) {
  return ring_reduce_scatter(m->comm, m, x, count) || ring_all_gather(m->comm, x, count) ? -1 : 0;
}
