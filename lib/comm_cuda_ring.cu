// SPDX-License-Identifier: MIT
// Collectives round a ring of GPUs: N-1 steps to the right-hand neighbour for each half of an all-reduce.
// Long chunks travel in two pieces, so that one is added (on a stream of its own) while the other one is on
// the link.
#include "comm_cuda.h"

enum { LONG_CHUNK = 1 << 21 };  // bytes from which the second piece's α costs less than the hidden addition

hd_gpu_ring hd_gpu_ring_open(hd_comm *c, int lane, const hd_call *call, void *own, void *next, size_t count) {
  size_t offset, longest;
  hd_shard(count, 0, c->world, &offset, &longest);
  hd_gpu_ring r;
  r.c = c;
  r.lane = lane;
  r.left = (c->rank + c->world - 1) % c->world;
  r.right = (c->rank + 1) % c->world;
  r.own = own;
  r.next = next;
  r.count = count;
  r.chunk = longest;
  r.type = call->type;
  r.op = call->reduce_op;
  r.pieces = longest * hd_type_bytes(call->type) >= LONG_CHUNK ? HD_GPU_MOST_PIECES : 1;
  r.steps = 0;
  r.base = hd_meet_pieces(c, lane);
  return r;
}

typedef struct part {
  size_t offset, length;
} part;

static part piece_of(const hd_gpu_ring *r, int chunk, int piece) {
  const int world = r->c->world;
  size_t offset, length, from, n;
  hd_shard(r->count, (chunk % world + world) % world, world, &offset, &length);
  hd_shard(length, piece, r->pieces, &from, &n);
  part p = {offset + from, n};
  return p;
}

// own = arrived op own.
static void add_pair(const void *arrived, void *own, const hd_gpu_ring *r, size_t count) {
  const hd_gpu_terms t = {arrived, own, 0, 1, 2, r->type};
  hd_gpu_add(t, own, count, r->op, hd_gpu_of(r->c)->lanes[r->lane].adding);
}

// One step: pushes a chunk to the right, and takes the chunk before it from the left: into staging memory to
// be added (a new slot for every step), or, when it is final, into place.
static int ring_step(hd_gpu_ring *r, int chunk, bool adds) {
  hd_gpu *g = hd_gpu_of(r->c), *right = hd_gpu_of_peer(r->c, r->right), *left = hd_gpu_of_peer(r->c, r->left);
  hd_gpu_lane *l = &g->lanes[r->lane];
  const enum hd_type type = r->type;
  const size_t slot = (size_t)r->steps * r->chunk, width = hd_type_bytes(type);
  for (int p = 0; p < r->pieces; p++) {
    const part out = piece_of(r, chunk, p);
    const int now = r->steps * r->pieces + p, before = now - r->pieces;
    if (r->steps > 0) hd_gpu_await(l->stream, l->added[before]);
    char *to = adds ? hd_gpu_at(right->lanes[r->lane].staging, type,
                                slot + (out.offset - piece_of(r, chunk, 0).offset))
                    : hd_gpu_at(r->next, type, out.offset);
    hd_gpu_push(g, l->stream, right, to, hd_gpu_at(r->own, type, out.offset), out.length * width);
    hd_gpu_record(l->pushed[now], l->stream);
    hd_meet_advance(r->c, r->lane, r->right);
  }
  size_t sent = 0;
  for (int p = 0; p < r->pieces; p++) {
    const part in = piece_of(r, chunk - 1, p);
    const int now = r->steps * r->pieces + p;
    if (hd_meet_progress(r->c, r->lane, r->left, r->base + (uint64_t)now + 1)) return -1;
    hd_gpu_await(l->adding, left->lanes[r->lane].pushed[now]);
    char *own = hd_gpu_at(r->own, type, in.offset);
    if (adds)
      add_pair(hd_gpu_at(l->staging, type, slot + (in.offset - piece_of(r, chunk - 1, 0).offset)), own, r,
               in.length);
    hd_gpu_record(l->added[now], l->adding);
    sent += piece_of(r, chunk, p).length;
  }
  hd_comm_count(r->c, 1, sent * width);
  r->steps++;
  return 0;
}

// Chunk k travels from rank k+1 to rank k, growing; then, final, from rank k onwards.
int hd_gpu_ring_reduce_scatter(hd_gpu_ring *r) {
  hd_gpu_lane *l = &hd_gpu_of(r->c)->lanes[r->lane];
  hd_gpu_await(l->adding, l->ready);
  for (int step = 0; step < r->c->world - 1; step++)
    if (ring_step(r, r->c->rank - 1 - step, true)) return -1;
  return 0;
}

int hd_gpu_ring_all_gather(hd_gpu_ring *r) {
  for (int step = 0; step < r->c->world - 1; step++)
    if (ring_step(r, r->c->rank - step, false)) return -1;
  return 0;
}

void hd_gpu_ring_close(const hd_gpu_ring *r) {
  hd_gpu_lane *l = &hd_gpu_of(r->c)->lanes[r->lane];
  for (int p = 0; p < r->pieces && r->steps > 0; p++)
    hd_gpu_await(l->stream, l->added[(r->steps - 1) * r->pieces + p]);
}
