// SPDX-License-Identifier: MIT
// Collectives between GPUs.
//
// Direct (HD_ORDER_RANK): each rank pushes shard p of its data to rank p, which adds all shards in rank order
// with one kernel and pushes the sum back to everybody: 2(N-1)(α + S/(N·B)), B a link's bandwidth, and one
// kernel. Ring (HD_ORDER_RING): see comm_cuda_ring.cu.
#include "comm_cuda.h"

enum { SHARD_GRAIN = 32 };  // elements of a cache line and more: shards start aligned

typedef struct part {
  size_t offset, length;
} part;

static part shard_of(size_t count, int rank, int world) {
  size_t offset, length;
  hd_shard((count + SHARD_GRAIN - 1) / SHARD_GRAIN, rank, world, &offset, &length);
  offset *= SHARD_GRAIN;
  length *= SHARD_GRAIN;
  if (offset > count) offset = count;
  if (length > count - offset) length = count - offset;
  part p = {offset, length};
  return p;
}

// Which elements of the vector a rank sums: shards of an all-reduce, or equal blocks. Rank 0's is the
// longest.
static part part_of(const hd_comm *c, const hd_call *call, int rank) {
  if (call->operation == HD_OP_REDUCE_SCATTER) {
    part block = {(size_t)rank * call->count, call->count};
    return block;
  }
  return shard_of(call->count, rank, c->world);
}

// Waits until a rank has pushed what this collective's `goal`-th piece is.
static int await_piece(hd_comm *c, int lane, int rank, uint64_t goal) {
  if (hd_meet_progress(c, lane, rank, goal)) return -1;
  if (rank != c->rank)
    hd_gpu_await(hd_gpu_of(c)->lanes[lane].stream, hd_gpu_of_peer(c, rank)->lanes[lane].staged);
  return 0;
}

// Everybody's part `rank` of call->in, reduced in rank order into `out`, by rank `rank`. Slot r of its
// staging memory holds what rank r pushed.
static int scatter_sums(hd_comm *c, int lane, hd_call *call, void *out) {
  const size_t width = hd_type_bytes(call->type);
  hd_gpu *g = hd_gpu_of(c);
  hd_gpu_lane *l = &g->lanes[lane];
  const size_t slot = part_of(c, call, 0).length;
  const part own = part_of(c, call, c->rank);
  // Each rank begins with another peer, so that no link is crowded.
  for (int step = 1; step < c->world; step++) {
    const int peer = (c->rank + step) % c->world;
    const part theirs = part_of(c, call, peer);
    hd_gpu *p = hd_gpu_of_peer(c, peer);
    hd_gpu_push(g, l->stream, p, p->lanes[lane].staging + (size_t)c->rank * slot * width,
                hd_gpu_at(call->in, call->type, theirs.offset), theirs.length * width);
    hd_comm_count(c, 1, theirs.length * width);
  }
  hd_gpu_record(l->staged, l->stream);
  hd_meet_advance(c, lane, -1);
  const uint64_t goal = hd_meet_pieces(c, lane);
  for (int r = 0; r < c->world; r++)
    if (await_piece(c, lane, r, goal)) return -1;
  hd_gpu_terms t = {l->staging, hd_gpu_at(call->in, call->type, own.offset), slot, c->rank, c->world,
                    call->type};
  hd_gpu_add(t, out, own.length, call->reduce_op, l->stream);
  return 0;
}

static int all_reduce_direct(hd_comm *c, int lane, hd_call *call) {
  hd_gpu *g = hd_gpu_of(c);
  const size_t width = hd_type_bytes(call->type);
  hd_gpu_reserve(&g->lanes[lane], part_of(c, call, 0).length * (size_t)c->world * width);
  if (hd_gpu_enter(c, lane, call)) return -1;
  const part own = part_of(c, call, c->rank);
  char *sum = hd_gpu_at(call->out, call->type, own.offset);
  if (call->count > 0 && scatter_sums(c, lane, call, sum)) return -1;
  for (int step = 1; step < c->world; step++) {
    const int peer = (c->rank + step) % c->world;
    hd_gpu_push(g, g->lanes[lane].stream, hd_gpu_of_peer(c, peer),
                hd_gpu_at(hd_meet_call(c, lane, peer)->out, call->type, own.offset), sum, own.length * width);
    hd_comm_count(c, 1, own.length * width);
  }
  return hd_gpu_leave(c, lane);
}

static int all_reduce_ring(hd_comm *c, int lane, hd_call *call) {
  size_t offset, longest;
  hd_shard(call->count, 0, c->world, &offset, &longest);
  hd_gpu_reserve(&hd_gpu_of(c)->lanes[lane], longest * (size_t)c->world * hd_type_bytes(call->type));
  if (hd_gpu_enter(c, lane, call)) return -1;
  hd_gpu_ring r = hd_gpu_ring_open(c, lane, call, call->out,
                                   hd_meet_call(c, lane, (c->rank + 1) % c->world)->out, call->count);
  if (call->count > 0) {
    if (hd_gpu_ring_reduce_scatter(&r) || hd_gpu_ring_all_gather(&r)) return -1;
    hd_gpu_ring_close(&r);
  }
  return hd_gpu_leave(c, lane);
}

int hd_gpu_all_reduce(hd_comm *c, int lane, hd_call *call) {
  return c->group->order == HD_ORDER_RING ? all_reduce_ring(c, lane, call) : all_reduce_direct(c, lane, call);
}

// A central aggregator: one vector after the other crosses the root's link, in the order of ranks, and one
// kernel adds them all.
int hd_gpu_reduce(hd_comm *c, hd_call *call) {
  const int lane = HD_LANE_CALLS, last = c->world - 1;
  const size_t bytes = call->count * hd_type_bytes(call->type);
  const bool root = c->rank == call->root;
  const hd_gpu *g = hd_gpu_of(c);
  hd_gpu_lane *l = &hd_gpu_of(c)->lanes[lane];
  if (root) hd_gpu_reserve(l, (size_t)c->world * bytes);
  if (hd_gpu_enter(c, lane, call)) return -1;
  const uint64_t goal = hd_meet_pieces(c, lane) + 1;
  if (c->rank > 0 && await_piece(c, lane, c->rank - 1, goal)) return -1;
  if (!root) {
    const hd_gpu *to = hd_gpu_of_peer(c, call->root);
    hd_gpu_push(g, l->stream, to, to->lanes[lane].staging + (size_t)c->rank * bytes, call->in, bytes);
    hd_comm_count(c, 1, bytes);
  }
  hd_gpu_record(l->staged, l->stream);
  hd_meet_advance(c, lane, -1);
  if (root && await_piece(c, lane, last, goal)) return -1;
  hd_gpu_terms t = {l->staging, call->in, call->count, c->rank, c->world, call->type};
  if (root) hd_gpu_add(t, call->out, call->count, call->reduce_op, l->stream);
  return hd_gpu_leave(c, lane);
}

int hd_gpu_broadcast(hd_comm *c, hd_call *call) {
  hd_gpu *g = hd_gpu_of(c);
  const size_t bytes = call->count * hd_type_bytes(call->type);
  if (hd_gpu_enter(c, HD_LANE_CALLS, call)) return -1;
  for (int step = 1; step < c->world && c->rank == call->root; step++) {
    const int peer = (c->rank + step) % c->world;
    hd_gpu_push(g, g->lanes[HD_LANE_CALLS].stream, hd_gpu_of_peer(c, peer),
                hd_meet_call(c, HD_LANE_CALLS, peer)->out, call->in, bytes);
    hd_comm_count(c, 1, bytes);
  }
  return hd_gpu_leave(c, HD_LANE_CALLS);
}

int hd_gpu_reduce_scatter(hd_comm *c, hd_call *call) {
  hd_gpu_lane *l = &hd_gpu_of(c)->lanes[HD_LANE_CALLS];
  const size_t whole = call->count * (size_t)c->world, width = hd_type_bytes(call->type);
  if (c->group->order == HD_ORDER_RANK) {
    hd_gpu_reserve(l, whole * width);
    if (hd_gpu_enter(c, HD_LANE_CALLS, call)) return -1;
    if (call->count > 0 && scatter_sums(c, HD_LANE_CALLS, call, call->out)) return -1;
    return hd_gpu_leave(c, HD_LANE_CALLS);
  }
  hd_gpu_reserve(l, 2 * whole * width);
  char *partial = l->staging + whole * width;  // the input must not change
  hd_gpu_push(hd_gpu_of(c), l->stream, hd_gpu_of(c), partial, call->in, whole * width);
  if (hd_gpu_enter(c, HD_LANE_CALLS, call)) return -1;
  hd_gpu_ring r = hd_gpu_ring_open(c, HD_LANE_CALLS, call, partial, NULL, whole);
  if (call->count > 0 && hd_gpu_ring_reduce_scatter(&r)) return -1;
  hd_gpu_ring_close(&r);
  hd_gpu_push(hd_gpu_of(c), l->stream, hd_gpu_of(c), call->out,
              hd_gpu_at(partial, call->type, (size_t)c->rank * call->count), call->count * width);
  return hd_gpu_leave(c, HD_LANE_CALLS);
}

int hd_gpu_all_gather(hd_comm *c, hd_call *call) {
  hd_gpu *g = hd_gpu_of(c);
  hd_gpu_lane *l = &g->lanes[HD_LANE_CALLS];
  const size_t n = call->count, bytes = n * hd_type_bytes(call->type), start = (size_t)c->rank * bytes;
  char *out = (char *)call->out;
  hd_gpu_push(g, l->stream, g, out + start, call->in, bytes);
  if (hd_gpu_enter(c, HD_LANE_CALLS, call)) return -1;
  if (c->group->order == HD_ORDER_RING) {
    void *next = hd_meet_call(c, HD_LANE_CALLS, (c->rank + 1) % c->world)->out;
    hd_gpu_ring r = hd_gpu_ring_open(c, HD_LANE_CALLS, call, call->out, next, n * (size_t)c->world);
    if (n > 0 && hd_gpu_ring_all_gather(&r)) return -1;
    hd_gpu_ring_close(&r);
    return hd_gpu_leave(c, HD_LANE_CALLS);
  }
  for (int step = 1; step < c->world; step++) {
    const int peer = (c->rank + step) % c->world;
    hd_gpu_push(g, l->stream, hd_gpu_of_peer(c, peer),
                (char *)hd_meet_call(c, HD_LANE_CALLS, peer)->out + start, out + start, bytes);
    hd_comm_count(c, 1, bytes);
  }
  return hd_gpu_leave(c, HD_LANE_CALLS);
}
