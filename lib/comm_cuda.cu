// SPDX-License-Identifier: MIT
// Collectives between GPUs, one rank and one host thread each. Ranks meet on the host to exchange pointers
// and events; data are then moved by copies that every rank issues from its own memory, on its own stream,
// and ordered by events. An event is always recorded before the meeting after which another rank waits for
// it, so the order of device work is a function of the program alone. The host never waits for a device.
//
// Direct (HD_ORDER_RANK): each rank pushes shard p of its data to rank p, which adds all shards in rank order
// with one kernel and pushes the sum back to everybody: 2(N-1)(α + S/(N·B)), B a link's bandwidth, and one
// kernel. Ring (HD_ORDER_RING): 2(N-1) steps to the right-hand neighbour. Long chunks travel in two pieces,
// so that one is added (on a stream of its own) while the other one is on the link.
#include <cuda_bf16.h>
#include <stdlib.h>
#include <string.h>

#include "comm_internal.h"
#include "heddle/device.h"
#include "heddle/error.h"

enum {
  BLOCK = 256,
  MOST_BLOCKS = 1056,    // eight for each multiprocessor of the largest card: all the threads it holds
  MOST_PIECES = 2,       // of a chunk on its way round the ring
  LONG_CHUNK = 1 << 21,  // bytes from which the second piece's α costs less than the hidden addition
  HANDLES = 64,          // started operations with an event of their own
  SHARD_GRAIN = 32,      // elements of a cache line and more: shards start aligned
};

// One lane of one rank: blocking calls run on the compute stream, started ones on a second.
typedef struct gpu_lane {
  cudaStream_t stream, adding;
  cudaEvent_t ready, staged, done;  // input may be read; shards were pushed; nothing more to come
  cudaEvent_t *pushed, *added;      // per ring step and piece
  char *staging;                    // what others push here before it is added
  size_t staging_bytes;
} gpu_lane;

// Messages with one peer: events of its open receives from it, of those pushed to it. Made with the first
// one.
typedef struct letters {
  cudaEvent_t open[HD_OPEN_RECEIVES], pushed[HD_OPEN_RECEIVES];
  uint64_t sent, send_waits;
} letters;

typedef struct gpu {
  int device;
  gpu_lane lanes[HD_LANES];
  cudaStream_t messages;
  letters mail[HD_MOST_RANKS];             // per peer
  cudaEvent_t handoff, finished[HANDLES];  // of started operations: handed over, done
  uint64_t started, waited;
} gpu;

// What one kernel adds: rank r's vector is others + r·slot elements, except for the caller's own one.
typedef struct terms {
  const void *others, *own;
  size_t slot;
  int rank, world;
  enum hd_type type;
} terms;

// How an element is summed: bf16 in fp32, whole numbers without sign, so that they wrap.
__device__ static inline float to_sum(float x) {
  return x;
}
__device__ static inline unsigned to_sum(int x) {
  return (unsigned)x;
}
__device__ static inline float to_sum(__nv_bfloat16 x) {
  return __bfloat162float(x);
}
__device__ static inline void from_sum(float *to, float sum) {
  *to = sum;
}
__device__ static inline void from_sum(int *to, unsigned sum) {
  *to = (int)sum;
}
__device__ static inline void from_sum(__nv_bfloat16 *to, float sum) {
  *to = __float2bfloat16(sum);
}
__device__ static inline bool greater(float a, float b) {
  return a > b;
}
__device__ static inline bool greater(unsigned a, unsigned b) {
  return (int)a > (int)b;
}

// out[i] = rank 0's [i] op rank 1's [i] op …: bitwise what one processor would compute. A NaN is kept.
template <class T>
__global__ static void __launch_bounds__(BLOCK, 4)
    add_ranks(terms t, T *out, size_t count, enum hd_reduce_op op) {
  const T *own = (const T *)t.own, *others = (const T *)t.others;
  const size_t stride = (size_t)gridDim.x * blockDim.x;
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride) {
    auto sum = to_sum(t.rank == 0 ? own[i] : others[i]);
    for (int r = 1; r < t.world; r++) {
      const auto x = to_sum(r == t.rank ? own[i] : others[(size_t)r * t.slot + i]);
      if (op == HD_SUM)
        sum += x;
      else if (op == HD_MAX)
        sum = greater(x, sum) || x != x ? x : sum;
      else
        sum = greater(sum, x) || x != x ? x : sum;
    }
    from_sum(&out[i], sum);
  }
}

static void add(terms t, void *out, size_t count, enum hd_reduce_op op, cudaStream_t stream) {
  if (count == 0 || (t.world == 1 && t.own == out)) return;
  const size_t needed = (count + BLOCK - 1) / BLOCK, most = MOST_BLOCKS;
  const unsigned blocks = (unsigned)(needed < most ? needed : most);
  if (t.type == HD_F32)
    add_ranks<<<blocks, BLOCK, 0, stream>>>(t, (float *)out, count, op);
  else if (t.type == HD_I32)
    add_ranks<<<blocks, BLOCK, 0, stream>>>(t, (int *)out, count, op);
  else
    add_ranks<<<blocks, BLOCK, 0, stream>>>(t, (__nv_bfloat16 *)out, count, op);
  HD_LAUNCHED();
}

// out = first op second.
static void add_pair(const void *first, const void *second, void *out, size_t count, enum hd_type type,
                     enum hd_reduce_op op, cudaStream_t stream) {
  terms t = {first, second, 0, 1, 2, type};
  add(t, out, count, op, stream);
}

// Element i of an array.
static char *at(const void *array, enum hd_type type, size_t i) {
  return (char *)array + i * hd_type_bytes(type);
}

// ---------------------------------------------------------------- opening and closing

static cudaEvent_t new_event(void) {
  cudaEvent_t event;
  HD_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return event;
}

// A part computes on the stream of the whole.
static void open_lane(gpu_lane *l, int world, cudaStream_t shared) {
  const int steps = 2 * world * MOST_PIECES;
  l->stream = shared;
  if (!shared) HD_CUDA(cudaStreamCreate(&l->stream));
  HD_CUDA(cudaStreamCreate(&l->adding));
  l->ready = new_event();
  l->staged = new_event();
  l->done = new_event();
  l->pushed = (cudaEvent_t *)hd_alloc((size_t)steps, sizeof(cudaEvent_t));
  l->added = (cudaEvent_t *)hd_alloc((size_t)steps, sizeof(cudaEvent_t));
  for (int i = 0; i < steps; i++) {
    l->pushed[i] = new_event();
    l->added[i] = new_event();
  }
  l->staging = NULL;
  l->staging_bytes = 0;
}

// Direct copies between this GPU and the others where the hardware can; elsewhere the driver stages them.
static void enable_peers(int device) {
  for (int other = 0; other < hd_device_count(); other++) {
    int possible = 0;
    if (other != device) HD_CUDA(cudaDeviceCanAccessPeer(&possible, device, other));
    if (!possible) continue;
    const cudaError_t status = cudaDeviceEnablePeerAccess(other, 0);
    if (status == cudaErrorPeerAccessAlreadyEnabled)
      cudaGetLastError();
    else
      HD_CUDA(status);
  }
}

static gpu *gpu_of(const hd_comm *c) {
  return (gpu *)c->state;
}

static int open_gpu(hd_comm *c) {
  if (hd_device_count() == 0) return hd_comm_fail(c, "rank %d: no GPU was found", c->rank);
  gpu *g = (gpu *)hd_alloc(1, sizeof(gpu));
  hd_device_select(c->number);
  HD_CUDA(cudaGetDevice(&g->device));
  enable_peers(g->device);
  for (int lane = 0; lane < HD_LANES; lane++) {
    const bool computes = lane == HD_LANE_CALLS && c->parent;
    open_lane(&g->lanes[lane], c->world, computes ? gpu_of(c->parent)->lanes[lane].stream : NULL);
  }
  HD_CUDA(cudaStreamCreate(&g->messages));
  memset(g->mail, 0, sizeof g->mail);
  for (int h = 0; h < HANDLES; h++) g->finished[h] = new_event();
  g->handoff = new_event();
  g->started = g->waited = 0;
  c->state = c->group->states[c->rank] = g;
  return 0;
}

static void close_gpu(hd_comm *c) {
  gpu *g = gpu_of(c);
  if (g->waited < g->started && !hd_comm_failed(c))
    hd_comm_fail(c, "rank %d ended without waiting for %llu all-reduce operations it started", c->rank,
                 (unsigned long long)(g->started - g->waited));
  HD_CUDA(cudaStreamSynchronize(g->messages));
  for (int lane = 0; lane < HD_LANES; lane++) {
    HD_CUDA(cudaStreamSynchronize(g->lanes[lane].stream));
    HD_CUDA(cudaStreamSynchronize(g->lanes[lane].adding));
  }
}

static void release_lane(gpu_lane *l, int world, bool shared) {
  if (!shared) HD_CUDA(cudaStreamDestroy(l->stream));
  HD_CUDA(cudaStreamDestroy(l->adding));
  HD_CUDA(cudaEventDestroy(l->ready));
  HD_CUDA(cudaEventDestroy(l->staged));
  HD_CUDA(cudaEventDestroy(l->done));
  for (int i = 0; i < 2 * world * MOST_PIECES; i++) {
    HD_CUDA(cudaEventDestroy(l->pushed[i]));
    HD_CUDA(cudaEventDestroy(l->added[i]));
  }
  free(l->pushed);
  free(l->added);
  HD_CUDA(cudaFree(l->staging));
}

// Only now: until all ranks had ended, others could still wait for these events.
static void release_gpu(hd_comm *c) {
  gpu *g = gpu_of(c);
  HD_CUDA(cudaSetDevice(g->device));
  for (int lane = 0; lane < HD_LANES; lane++)
    release_lane(&g->lanes[lane], c->world, lane == HD_LANE_CALLS && c->parent);
  HD_CUDA(cudaStreamDestroy(g->messages));
  for (int r = 0; r < c->world; r++)
    for (int i = 0; g->mail[r].open[0] && i < HD_OPEN_RECEIVES; i++) {
      HD_CUDA(cudaEventDestroy(g->mail[r].open[i]));
      HD_CUDA(cudaEventDestroy(g->mail[r].pushed[i]));
    }
  for (int h = 0; h < HANDLES; h++) HD_CUDA(cudaEventDestroy(g->finished[h]));
  HD_CUDA(cudaEventDestroy(g->handoff));
  free(g);
}

void *hd_comm_lane_stream(const hd_comm *c, int lane) {
  return gpu_of(c)->lanes[lane].stream;
}

static void *stream_of(const hd_comm *c) {
  return hd_comm_lane_stream(c, HD_LANE_CALLS);
}

// ---------------------------------------------------------------- building blocks

// Room for what the others push here; may wait for the device, but only when a larger vector than before
// comes.
static void reserve(gpu_lane *l, size_t bytes) {
  if (bytes <= l->staging_bytes) return;
  HD_CUDA(cudaStreamSynchronize(l->stream));
  HD_CUDA(cudaFree(l->staging));
  HD_CUDA(cudaMalloc((void **)&l->staging, bytes));
  l->staging_bytes = bytes;
}

static void record(cudaEvent_t event, cudaStream_t stream) {
  HD_CUDA(cudaEventRecord(event, stream));
}

static void await(cudaStream_t stream, cudaEvent_t event) {
  HD_CUDA(cudaStreamWaitEvent(stream, event, 0));
}

static gpu *peer_gpu(const hd_comm *c, int rank) {
  return (gpu *)c->group->states[rank];
}

// Copies from this rank's memory to a peer's. Two logical devices may be one.
static void push(const gpu *g, cudaStream_t stream, const gpu *peer, void *to, const void *from,
                 size_t bytes) {
  if (bytes == 0 || to == from) return;
  if (peer->device == g->device)
    HD_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream));
  else
    HD_CUDA(cudaMemcpyPeerAsync(to, peer->device, from, g->device, bytes, stream));
}

// Meets the others; then this rank's stream has waited until every rank is ready.
static int enter(hd_comm *c, int lane, hd_call *call) {
  gpu_lane *l = &gpu_of(c)->lanes[lane];
  record(l->ready, l->stream);
  if (hd_meet_enter(c, lane, call)) return -1;
  for (int step = 1; step < c->world; step++)
    await(l->stream, peer_gpu(c, (c->rank + step) % c->world)->lanes[lane].ready);
  return 0;
}

// Meets again; then this rank's stream has waited for everything the others do in this collective.
static int leave(hd_comm *c, int lane) {
  gpu_lane *l = &gpu_of(c)->lanes[lane];
  record(l->done, l->stream);
  if (hd_meet_leave(c, lane)) return -1;
  for (int step = 1; step < c->world; step++)
    await(l->stream, peer_gpu(c, (c->rank + step) % c->world)->lanes[lane].done);
  return 0;
}

// ---------------------------------------------------------------- direct

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

// Which elements of the vector belong to a rank: shards of an all-reduce, or equal blocks.
static part part_of(const hd_comm *c, const hd_call *call, int rank) {
  if (call->operation == HD_OP_REDUCE_SCATTER) {
    part block = {(size_t)rank * call->count, call->count};
    return block;
  }
  return shard_of(call->count, rank, c->world);
}

// Everybody's part `rank` of call->in, added in rank order into `out`, by rank `rank`. Slot r of its staging
// memory holds what rank r pushed.
static int scatter_sums(hd_comm *c, int lane, hd_call *call, void *out) {
  const size_t width = hd_type_bytes(call->type);
  gpu *g = gpu_of(c);
  gpu_lane *l = &g->lanes[lane];
  const size_t slot = part_of(c, call, 0).length;  // the longest
  const part own = part_of(c, call, c->rank);
  for (int step = 1; step < c->world;
       step++) {  // each rank begins with another peer, so that no link is crowded
    const int peer = (c->rank + step) % c->world;
    const part theirs = part_of(c, call, peer);
    gpu *p = peer_gpu(c, peer);
    push(g, l->stream, p, p->lanes[lane].staging + (size_t)c->rank * slot * width,
         at(call->in, call->type, theirs.offset), theirs.length * width);
    hd_comm_count(c, 1, theirs.length * width);
  }
  record(l->staged, l->stream);
  hd_meet_advance(c, lane, -1);
  const uint64_t goal = hd_meet_pieces(c, lane);
  for (int r = 0; r < c->world; r++) {
    if (hd_meet_progress(c, lane, r, goal)) return -1;
    if (r != c->rank) await(l->stream, peer_gpu(c, r)->lanes[lane].staged);
  }
  terms t = {l->staging, at(call->in, call->type, own.offset), slot, c->rank, c->world, call->type};
  add(t, out, own.length, call->reduce_op, l->stream);
  return 0;
}

static int all_reduce_direct(hd_comm *c, int lane, hd_call *call) {
  gpu *g = gpu_of(c);
  const size_t width = hd_type_bytes(call->type);
  reserve(&g->lanes[lane], part_of(c, call, 0).length * (size_t)c->world * width);
  if (enter(c, lane, call)) return -1;
  const part own = part_of(c, call, c->rank);
  char *sum = at(call->out, call->type, own.offset);
  if (call->count > 0 && scatter_sums(c, lane, call, sum)) return -1;
  for (int step = 1; step < c->world; step++) {
    const int peer = (c->rank + step) % c->world;
    push(g, g->lanes[lane].stream, peer_gpu(c, peer),
         at(hd_meet_call(c, lane, peer)->out, call->type, own.offset), sum, own.length * width);
    hd_comm_count(c, 1, own.length * width);
  }
  return leave(c, lane);
}

// ---------------------------------------------------------------- ring

typedef struct ring {
  hd_comm *c;
  int lane, left, right;
  void *own, *next;     // the vector here and at the right-hand neighbour
  size_t count, chunk;  // the longest chunk
  enum hd_type type;
  enum hd_reduce_op op;
  int pieces, steps;  // pieces of a chunk; steps taken
  uint64_t base;
} ring;

static ring open_ring(hd_comm *c, int lane, const hd_call *call, void *own, void *next, size_t count) {
  size_t offset, longest;
  hd_shard(count, 0, c->world, &offset, &longest);
  ring r;
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
  r.pieces = longest * hd_type_bytes(call->type) >= LONG_CHUNK ? MOST_PIECES : 1;
  r.steps = 0;
  r.base = hd_meet_pieces(c, lane);
  return r;
}

static part piece_of(const ring *r, int chunk, int piece) {
  const int world = r->c->world;
  size_t offset, length, from, n;
  hd_shard(r->count, (chunk % world + world) % world, world, &offset, &length);
  hd_shard(length, piece, r->pieces, &from, &n);
  part p = {offset + from, n};
  return p;
}

// One step: pushes a chunk to the right, and takes the chunk before it from the left: into staging memory to
// be added (a new slot for every step), or, when it is final, into place.
static int ring_step(ring *r, int chunk, bool adds) {
  gpu *g = gpu_of(r->c), *right = peer_gpu(r->c, r->right), *left = peer_gpu(r->c, r->left);
  gpu_lane *l = &g->lanes[r->lane];
  const enum hd_type type = r->type;
  const size_t slot = (size_t)r->steps * r->chunk, width = hd_type_bytes(type);
  for (int p = 0; p < r->pieces; p++) {
    const part out = piece_of(r, chunk, p);
    const int now = r->steps * r->pieces + p, before = now - r->pieces;
    if (r->steps > 0) await(l->stream, l->added[before]);
    char *to =
        adds ? at(right->lanes[r->lane].staging, type, slot + (out.offset - piece_of(r, chunk, 0).offset))
             : at(r->next, type, out.offset);
    push(g, l->stream, right, to, at(r->own, type, out.offset), out.length * width);
    record(l->pushed[now], l->stream);
    hd_meet_advance(r->c, r->lane, r->right);
  }
  size_t sent = 0;
  for (int p = 0; p < r->pieces; p++) {
    const part in = piece_of(r, chunk - 1, p);
    const int now = r->steps * r->pieces + p;
    if (hd_meet_progress(r->c, r->lane, r->left, r->base + (uint64_t)now + 1)) return -1;
    await(l->adding, left->lanes[r->lane].pushed[now]);
    char *own = at(r->own, type, in.offset);
    if (adds)
      add_pair(at(l->staging, type, slot + (in.offset - piece_of(r, chunk - 1, 0).offset)), own, own,
               in.length, type, r->op, l->adding);
    record(l->added[now], l->adding);
    sent += piece_of(r, chunk, p).length;
  }
  hd_comm_count(r->c, 1, sent * width);
  r->steps++;
  return 0;
}

// Chunk k travels from rank k+1 to rank k, growing; then, final, from rank k onwards.
static int ring_reduce_scatter(ring *r) {
  gpu_lane *l = &gpu_of(r->c)->lanes[r->lane];
  await(l->adding, l->ready);
  for (int step = 0; step < r->c->world - 1; step++)
    if (ring_step(r, r->c->rank - 1 - step, true)) return -1;
  return 0;
}

static int ring_all_gather(ring *r) {
  for (int step = 0; step < r->c->world - 1; step++)
    if (ring_step(r, r->c->rank - step, false)) return -1;
  return 0;
}

// The compute stream goes on when the last pieces have been added or have arrived.
static void close_ring(const ring *r) {
  gpu_lane *l = &gpu_of(r->c)->lanes[r->lane];
  for (int p = 0; p < r->pieces && r->steps > 0; p++)
    await(l->stream, l->added[(r->steps - 1) * r->pieces + p]);
}

static int all_reduce_ring(hd_comm *c, int lane, hd_call *call) {
  size_t offset, longest;
  hd_shard(call->count, 0, c->world, &offset, &longest);
  reserve(&gpu_of(c)->lanes[lane], longest * (size_t)c->world * hd_type_bytes(call->type));
  if (enter(c, lane, call)) return -1;
  ring r =
      open_ring(c, lane, call, call->out, hd_meet_call(c, lane, (c->rank + 1) % c->world)->out, call->count);
  if (call->count > 0) {
    if (ring_reduce_scatter(&r) || ring_all_gather(&r)) return -1;
    close_ring(&r);
  }
  return leave(c, lane);
}

// ---------------------------------------------------------------- the calls

static int barrier(hd_comm *c, hd_call *call) {
  return enter(c, HD_LANE_CALLS, call) ? -1 : leave(c, HD_LANE_CALLS);
}

static int all_reduce(hd_comm *c, int lane, hd_call *call) {
  return c->group->order == HD_ORDER_RING ? all_reduce_ring(c, lane, call) : all_reduce_direct(c, lane, call);
}

// A message: the receiver says where it wants it and from when on; the sender pushes it there, on a stream
// that is for messages only, so that neither side's kernels wait for the link.
static letters *letters_with(gpu *g, int peer) {
  letters *l = &g->mail[peer];
  if (l->open[0]) return l;
  for (int i = 0; i < HD_OPEN_RECEIVES; i++) {
    l->open[i] = new_event();
    l->pushed[i] = new_event();
  }
  return l;
}

static int send_start(hd_comm *c, hd_call *call, int to) {
  gpu *g = gpu_of(c);
  hd_call theirs;
  if (hd_meet_claim(c, call, to, &theirs)) return -1;
  gpu *peer = peer_gpu(c, to);
  letters *l = letters_with(g, to);
  const size_t bytes = call->count * hd_type_bytes(call->type);
  const uint64_t slot = (call->sequence - 1) % HD_OPEN_RECEIVES;
  record(g->handoff, g->lanes[HD_LANE_CALLS].stream);
  await(g->messages, g->handoff);
  await(g->messages, peer->mail[c->rank].open[slot]);
  push(g, g->messages, peer, theirs.out, call->in, bytes);
  record(l->pushed[slot], g->messages);
  l->sent++;
  hd_meet_taken(c, to);
  hd_comm_count(c, 1, bytes);
  return 0;
}

static int send_wait(hd_comm *c, int to) {
  gpu *g = gpu_of(c);
  letters *l = &g->mail[to];
  if (l->send_waits == l->sent)
    return hd_comm_fail(c, "rank %d: waits for a send to rank %d that it did not start", c->rank, to);
  const uint64_t number = l->send_waits++;
  // An old message's event may be a later one's by now, which comes after it on the same stream.
  await(g->lanes[HD_LANE_CALLS].stream, l->pushed[number % HD_OPEN_RECEIVES]);
  return hd_comm_failed(c) ? -1 : 0;
}

static int recv_start(hd_comm *c, hd_call *call, int from) {
  gpu *g = gpu_of(c);
  letters *l = letters_with(g, from);
  record(l->open[c->posted[from] % HD_OPEN_RECEIVES], g->lanes[HD_LANE_CALLS].stream);
  return hd_meet_post(c, call, from);
}

static int recv_wait(hd_comm *c, int from) {
  const uint64_t message = c->ended[from];
  if (hd_meet_post_end(c, from)) return -1;
  await(gpu_of(c)->lanes[HD_LANE_CALLS].stream,
        peer_gpu(c, from)->mail[c->rank].pushed[message % HD_OPEN_RECEIVES]);
  return 0;
}

// A central aggregator: one vector after the other crosses the root's link, and is added in rank order. The
// sum grows in staging memory, since `out` may be the root's input.
static int reduce(hd_comm *c, hd_call *call) {
  gpu_lane *l = &gpu_of(c)->lanes[HD_LANE_CALLS];
  const size_t bytes = call->count * hd_type_bytes(call->type);
  if (c->rank == call->root) reserve(l, 2 * bytes);
  if (enter(c, HD_LANE_CALLS, call)) return -1;
  hd_call message = *call;
  message.operation = c->rank == call->root ? HD_OP_RECV : HD_OP_SEND;
  if (c->rank != call->root) {
    if (send_start(c, &message, call->root) || send_wait(c, call->root)) return -1;
    return leave(c, HD_LANE_CALLS);
  }
  char *sum = l->staging + bytes;
  for (int r = 0; r < c->world; r++) {
    message.out = l->staging;
    if (r != c->rank && (recv_start(c, &message, r) || recv_wait(c, r))) return -1;
    const void *next = r == c->rank ? call->in : l->staging;
    void *out = r == c->world - 1 ? call->out : sum;
    if (r == 0)
      push(gpu_of(c), l->stream, gpu_of(c), out, next, bytes);
    else
      add_pair(sum, next, out, call->count, call->type, HD_SUM, l->stream);
  }
  return leave(c, HD_LANE_CALLS);
}

static int broadcast(hd_comm *c, hd_call *call) {
  gpu *g = gpu_of(c);
  const size_t bytes = call->count * hd_type_bytes(call->type);
  if (enter(c, HD_LANE_CALLS, call)) return -1;
  for (int step = 1; step < c->world && c->rank == call->root; step++) {
    const int peer = (c->rank + step) % c->world;
    push(g, g->lanes[HD_LANE_CALLS].stream, peer_gpu(c, peer), hd_meet_call(c, HD_LANE_CALLS, peer)->out,
         call->in, bytes);
    hd_comm_count(c, 1, bytes);
  }
  return leave(c, HD_LANE_CALLS);
}

static int reduce_scatter(hd_comm *c, hd_call *call) {
  gpu_lane *l = &gpu_of(c)->lanes[HD_LANE_CALLS];
  const size_t whole = call->count * (size_t)c->world, width = hd_type_bytes(call->type);
  if (c->group->order == HD_ORDER_RANK) {
    reserve(l, whole * width);
    if (enter(c, HD_LANE_CALLS, call)) return -1;
    if (call->count > 0 && scatter_sums(c, HD_LANE_CALLS, call, call->out)) return -1;
    return leave(c, HD_LANE_CALLS);
  }
  reserve(l, 2 * whole * width);
  char *partial = l->staging + whole * width;  // the input must not change
  push(gpu_of(c), l->stream, gpu_of(c), partial, call->in, whole * width);
  if (enter(c, HD_LANE_CALLS, call)) return -1;
  ring r = open_ring(c, HD_LANE_CALLS, call, partial, NULL, whole);
  if (call->count > 0 && ring_reduce_scatter(&r)) return -1;
  close_ring(&r);
  push(gpu_of(c), l->stream, gpu_of(c), call->out, at(partial, call->type, (size_t)c->rank * call->count),
       call->count * width);
  return leave(c, HD_LANE_CALLS);
}

static int all_gather(hd_comm *c, hd_call *call) {
  gpu *g = gpu_of(c);
  gpu_lane *l = &g->lanes[HD_LANE_CALLS];
  const size_t n = call->count, bytes = n * hd_type_bytes(call->type), start = (size_t)c->rank * bytes;
  char *out = (char *)call->out;
  push(g, l->stream, g, out + start, call->in, bytes);
  if (enter(c, HD_LANE_CALLS, call)) return -1;
  if (c->group->order == HD_ORDER_RING) {
    void *next = hd_meet_call(c, HD_LANE_CALLS, (c->rank + 1) % c->world)->out;
    ring r = open_ring(c, HD_LANE_CALLS, call, call->out, next, n * (size_t)c->world);
    if (n > 0 && ring_all_gather(&r)) return -1;
    close_ring(&r);
    return leave(c, HD_LANE_CALLS);
  }
  for (int step = 1; step < c->world; step++) {
    const int peer = (c->rank + step) % c->world;
    push(g, l->stream, peer_gpu(c, peer), (char *)hd_meet_call(c, HD_LANE_CALLS, peer)->out + start,
         out + start, bytes);
    hd_comm_count(c, 1, bytes);
  }
  return leave(c, HD_LANE_CALLS);
}

// ---------------------------------------------------------------- started operations

enum { LARGEST_HANDLE = 1 << 30 };

static int start(hd_comm *c, hd_call *call) {
  gpu *g = gpu_of(c);
  record(g->handoff, g->lanes[HD_LANE_CALLS].stream);
  await(g->lanes[HD_LANE_HELPER].stream, g->handoff);
  if (c->group->backend->all_reduce(c, HD_LANE_HELPER, call)) return -1;
  const uint64_t number = g->started++;
  record(g->finished[number % HANDLES], g->lanes[HD_LANE_HELPER].stream);
  return (int)(number % LARGEST_HANDLE);
}

static int wait_for_handle(hd_comm *c, int handle) {
  gpu *g = gpu_of(c);
  const uint64_t age =
      (g->started + LARGEST_HANDLE - 1 - (uint64_t)handle) % LARGEST_HANDLE;  // 0: the last one
  if (handle < 0 || handle >= LARGEST_HANDLE || age >= g->started)
    return hd_comm_fail(c, "rank %d: wait for handle %d, but %llu operations were started", c->rank, handle,
                        (unsigned long long)g->started);
  const uint64_t number = g->started - 1 - age;
  if (g->waited <= number) g->waited = number + 1;
  // An old handle's event may be a later operation's by now, which is completed after it.
  await(g->lanes[HD_LANE_CALLS].stream, g->finished[number % HANDLES]);
  return hd_comm_failed(c) ? -1 : 0;
}

// In the order of the table: designated initialisers are C++20.
const hd_backend_table hd_comm_cuda_backend = {
    open_gpu,       close_gpu,  release_gpu, stream_of, barrier,    all_reduce, reduce, broadcast,
    reduce_scatter, all_gather, send_start,  send_wait, recv_start, recv_wait,  start,  wait_for_handle,
};
