// SPDX-License-Identifier: MIT
// Data movement between GPUs. The ranks' host threads meet as CPU ranks do and exchange pointers and events;
// each then issues copies and kernels on its own stream only, behind events that its peers recorded before
// the meeting. So the device order does not depend on which host thread was faster, and no host waits for a
// device.
#include <cuda_runtime.h>
#include <pthread.h>
#include <stdlib.h>

#include "comm_internal.h"
#include "heddle/device.h"
#include "heddle/error.h"

namespace {

enum { STEPS = 2 * (HD_MOST_RANKS - 1), FINISHED = 64, THREADS = 256 };
enum { LANDING, SUM, RING };  // kinds of scratch memory
const size_t MOST_BLOCKS = 1024;
const size_t PIECE = (size_t)1 << 22;  // floats reduced at a time: bounds the scratch memory

// What a rank has in one lane. Kept for later runs when the rank ends: a slower peer may still ask for its
// events.
struct lane_state {
  int device;
  cudaStream_t stream;
  cudaEvent_t ready, done, handoff;
  cudaEvent_t step[STEPS], finished[FINISHED], taken[HD_MOST_RANKS];  // made when first needed
  float *scratch[3];
  size_t scratch_count[3];
  lane_state *next;  // in the pool
};

struct rank_state {
  lane_state *lane[HD_LANES];
  int started;
};

pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
lane_state *pool;

cudaEvent_t made(cudaEvent_t *event) {
  if (!*event) HD_CUDA(cudaEventCreateWithFlags(event, cudaEventDisableTiming));
  return *event;
}

lane_state *take_lane(int device) {
  pthread_mutex_lock(&pool_lock);
  lane_state **at = &pool;
  while (*at && (*at)->device != device) at = &(*at)->next;
  lane_state *l = *at;
  if (l) *at = l->next;
  pthread_mutex_unlock(&pool_lock);
  if (l) return l;
  l = (lane_state *)calloc(1, sizeof *l);
  if (!l) hd_fail(HD_EXIT_FAILURE, "out of memory for a rank's events");
  l->device = device;
  HD_CUDA(cudaStreamCreate(&l->stream));
  made(&l->ready), made(&l->done), made(&l->handoff);
  return l;
}

void give_lane(lane_state *l) {
  HD_CUDA(cudaStreamSynchronize(l->stream));
  for (int i = 0; i < 3; i++) {
    HD_CUDA(cudaFree(l->scratch[i]));
    l->scratch[i] = NULL;
    l->scratch_count[i] = 0;
  }
  pthread_mutex_lock(&pool_lock);
  l->next = pool;
  pool = l;
  pthread_mutex_unlock(&pool_lock);
}

lane_state *lane_of(const hd_comm *c, int lane) {
  return ((rank_state *)c->state)->lane[lane];
}

// A peer's lane, from what it published.
lane_state *peer_lane(const hd_call *call) {
  return (lane_state *)call->events[0];
}

float *scratch(lane_state *l, int i, size_t count) {
  if (l->scratch_count[i] < count) {
    HD_CUDA(cudaFree(l->scratch[i]));
    HD_CUDA(cudaMalloc((void **)&l->scratch[i], count * sizeof(float)));
    l->scratch_count[i] = count;
  }
  return l->scratch[i];
}

// On the stream of `own`, whichever side is the peer's.
void copy(lane_state *own, float *to, int to_device, const float *from, int from_device, size_t count) {
  const size_t bytes = count * sizeof(float);
  if (bytes == 0 || to == from) return;
  if (to_device == from_device)
    HD_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, own->stream));
  else
    HD_CUDA(cudaMemcpyPeerAsync(to, to_device, from, from_device, bytes, own->stream));
}

void await(lane_state *l, cudaEvent_t event) {
  HD_CUDA(cudaStreamWaitEvent(l->stream, event, 0));
}

// A NaN on either side stays, as on the CPU.
__global__ void combine_kernel(float *out, const float *a, const float *b, size_t n, int op) {
  const size_t stride = (size_t)gridDim.x * blockDim.x;
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride) {
    const float x = a[i], y = b[i];
    if (op == HD_SUM)
      out[i] = x + y;
    else if (op == HD_MAX)
      out[i] = (y > x || y != y) ? y : x;
    else
      out[i] = (y < x || y != y) ? y : x;
  }
}

void combine(lane_state *l, float *out, const float *a, const float *b, size_t n, enum hd_reduce_op op) {
  if (n == 0) return;
  const size_t blocks = (n + THREADS - 1) / THREADS;
  combine_kernel<<<(unsigned)(blocks < MOST_BLOCKS ? blocks : MOST_BLOCKS), THREADS, 0, l->stream>>>(
      out, a, b, n, (int)op);
  HD_LAUNCHED();
}

// Meets the others; then the lane's stream waits for the work all of them issued before the call.
int enter(hd_comm *c, int lane, hd_call *call) {
  lane_state *l = lane_of(c, lane);
  HD_CUDA(cudaEventRecord(l->ready, l->stream));
  call->events[0] = l;
  if (hd_meet_enter(c, lane, call)) return -1;
  for (int r = 0; r < c->world; r++)
    if (r != c->rank) await(l, peer_lane(hd_meet_call(c, lane, r))->ready);
  return 0;
}

// Later work of this rank waits until no peer's stream touches its buffers.
int leave(hd_comm *c, int lane) {
  lane_state *l = lane_of(c, lane), *peers[HD_MOST_RANKS];
  for (int r = 0; r < c->world; r++) peers[r] = peer_lane(hd_meet_call(c, lane, r));
  HD_CUDA(cudaEventRecord(l->done, l->stream));
  if (hd_meet_leave(c, lane)) return -1;
  for (int r = 0; r < c->world; r++)
    if (r != c->rank) await(l, peers[r]->done);
  return 0;
}

// scratch SUM = in[0] op in[1] op … of n ≤ PIECE elements from `offset`, in rank order.
float *reduce_piece(hd_comm *c, int lane, size_t offset, size_t n, enum hd_reduce_op op) {
  lane_state *l = lane_of(c, lane);
  float *sum = scratch(l, SUM, n), *landing = scratch(l, LANDING, n);
  for (int r = 0; r < c->world; r++) {
    const hd_call *theirs = hd_meet_call(c, lane, r);
    const float *from = theirs->in + offset;
    if (r == 0) {
      copy(l, sum, l->device, from, peer_lane(theirs)->device, n);
      continue;
    }
    if (r != c->rank) {
      copy(l, landing, l->device, from, peer_lane(theirs)->device, n);
      from = landing;
    }
    combine(l, sum, sum, from, n, op);
  }
  return sum;
}

size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

int all_reduce_direct(hd_comm *c, int lane, hd_call *call) {
  if (enter(c, lane, call)) return -1;
  lane_state *l = lane_of(c, lane);
  size_t offset, length;
  hd_shard(call->count, c->rank, c->world, &offset, &length);
  for (size_t at = 0; at < length && c->world > 1; at += PIECE) {
    const size_t n = smaller(PIECE, length - at);
    const float *sum = reduce_piece(c, lane, offset + at, n, call->reduce_op);
    for (int r = 0; r < c->world; r++) {
      const hd_call *theirs = hd_meet_call(c, lane, r);
      copy(l, theirs->out + offset + at, peer_lane(theirs)->device, sum, l->device, n);
    }
  }
  const uint64_t peers = (uint64_t)c->world - 1;
  hd_comm_count(c, 2 * peers, (call->count - length + peers * length) * sizeof(float));
  return leave(c, lane);
}

struct ring {
  hd_comm *c;
  int lane;
  float *own;
  const float *left;
  size_t count;
  enum hd_reduce_op op;
  uint64_t base;  // pieces the rank had finished before
  int steps;
};

// Takes one chunk from the left neighbour, adding or copying, once the neighbour has issued it, and behind
// it.
int ring_step(ring *r, int chunk, bool add) {
  hd_comm *c = r->c;
  const int world = c->world;
  lane_state *l = lane_of(c, r->lane);
  lane_state *neighbour = peer_lane(hd_meet_call(c, r->lane, (c->rank + world - 1) % world));
  if (r->steps > 0) {
    if (hd_meet_left(c, r->lane, r->base + (uint64_t)r->steps)) return -1;
    await(l, neighbour->step[r->steps - 1]);
  }
  size_t offset, length;
  hd_shard(r->count, (chunk % world + world) % world, world, &offset, &length);
  float *to = add ? scratch(l, LANDING, length + 1) : r->own + offset;
  copy(l, to, l->device, r->left + offset, neighbour->device, length);
  if (add) combine(l, r->own + offset, to, r->own + offset, length, r->op);
  HD_CUDA(cudaEventRecord(made(&l->step[r->steps]), l->stream));
  r->steps++;
  hd_meet_advance(c, r->lane);
  hd_shard(r->count, ((chunk + 1) % world + world) % world, world, &offset, &length);
  hd_comm_count(c, 1, length * sizeof(float));
  return 0;
}

int ring_reduce_scatter(ring *r) {
  for (int step = 0; step < r->c->world - 1; step++)
    if (ring_step(r, r->c->rank - 2 - step, true)) return -1;
  return 0;
}

int ring_all_gather(ring *r) {
  for (int step = 0; step < r->c->world - 1; step++)
    if (ring_step(r, r->c->rank - 1 - step, false)) return -1;
  return 0;
}

ring open_ring(hd_comm *c, int lane, float *own, const float *left, size_t count, enum hd_reduce_op op) {
  return ring{c, lane, own, left, count, op, c->group->slots[lane][c->rank].progress, 0};
}

const hd_call *left_call(const hd_comm *c, int lane) {
  return hd_meet_call(c, lane, (c->rank + c->world - 1) % c->world);
}

int barrier(hd_comm *c, hd_call *call) {
  return enter(c, HD_LANE_CALLS, call) || leave(c, HD_LANE_CALLS) ? -1 : 0;
}

int all_reduce(hd_comm *c, int lane, hd_call *call) {
  if (c->group->order == HD_ORDER_RANK) return all_reduce_direct(c, lane, call);
  if (enter(c, lane, call)) return -1;
  ring r = open_ring(c, lane, call->out, left_call(c, lane)->in, call->count, call->reduce_op);
  if (call->count > 0 && (ring_reduce_scatter(&r) || ring_all_gather(&r))) return -1;
  return leave(c, lane);
}

// `count` elements from `offset` of all inputs into this rank's out.
void reduce_here(hd_comm *c, hd_call *call, size_t offset) {
  lane_state *l = lane_of(c, HD_LANE_CALLS);
  for (size_t at = 0; at < call->count; at += PIECE) {
    const size_t n = smaller(PIECE, call->count - at);
    const float *sum = reduce_piece(c, HD_LANE_CALLS, offset + at, n, HD_SUM);
    copy(l, call->out + at, l->device, sum, l->device, n);
  }
}

int reduce(hd_comm *c, hd_call *call) {
  if (enter(c, HD_LANE_CALLS, call)) return -1;
  if (c->rank == call->root)
    reduce_here(c, call, 0);
  else
    hd_comm_count(c, 1, call->count * sizeof(float));
  return leave(c, HD_LANE_CALLS);
}

int broadcast(hd_comm *c, hd_call *call) {
  if (enter(c, HD_LANE_CALLS, call)) return -1;
  const uint64_t peers = (uint64_t)c->world - 1;
  const hd_call *root = hd_meet_call(c, HD_LANE_CALLS, call->root);
  lane_state *l = lane_of(c, HD_LANE_CALLS);
  if (c->rank == call->root)
    hd_comm_count(c, peers, peers * call->count * sizeof(float));
  else
    copy(l, call->out, l->device, root->in, peer_lane(root)->device, call->count);
  return leave(c, HD_LANE_CALLS);
}

int reduce_scatter(hd_comm *c, hd_call *call) {
  lane_state *l = lane_of(c, HD_LANE_CALLS);
  const size_t count = call->count * (size_t)c->world, own = (size_t)c->rank * call->count;
  if (c->group->order == HD_ORDER_RANK) {
    if (enter(c, HD_LANE_CALLS, call)) return -1;
    reduce_here(c, call, own);
    const uint64_t peers = (uint64_t)c->world - 1;
    hd_comm_count(c, peers, peers * call->count * sizeof(float));
    return leave(c, HD_LANE_CALLS);
  }
  float *sums = scratch(l, RING, count + 1);  // partial sums must not change the input
  copy(l, sums, l->device, call->in, l->device, count);
  call->in = sums;
  if (enter(c, HD_LANE_CALLS, call)) return -1;
  ring r = open_ring(c, HD_LANE_CALLS, sums, left_call(c, HD_LANE_CALLS)->in, count, HD_SUM);
  if (count > 0 && ring_reduce_scatter(&r)) return -1;
  copy(l, call->out, l->device, sums + own, l->device, call->count);
  return leave(c, HD_LANE_CALLS);
}

int all_gather(hd_comm *c, hd_call *call) {
  lane_state *l = lane_of(c, HD_LANE_CALLS);
  const size_t n = call->count;
  if (n > 0) copy(l, call->out + (size_t)c->rank * n, l->device, call->in, l->device, n);
  if (enter(c, HD_LANE_CALLS, call)) return -1;
  if (c->group->order == HD_ORDER_RING) {
    ring r = open_ring(c, HD_LANE_CALLS, call->out, left_call(c, HD_LANE_CALLS)->out, n * (size_t)c->world,
                       HD_SUM);
    if (n > 0 && ring_all_gather(&r)) return -1;
    return leave(c, HD_LANE_CALLS);
  }
  for (int step = 1; step < c->world && n > 0; step++) {
    const int peer = (c->rank + step) % c->world;
    const hd_call *theirs = hd_meet_call(c, HD_LANE_CALLS, peer);
    const size_t part = (size_t)peer * n;
    copy(l, call->out + part, l->device, theirs->out + part, peer_lane(theirs)->device, n);
  }
  const uint64_t peers = (uint64_t)c->world - 1;
  hd_comm_count(c, peers, peers * n * sizeof(float));
  return leave(c, HD_LANE_CALLS);
}

// The receiver answers with the event behind its copy: events[1] is where to.
int send_to(hd_comm *c, hd_call *call, int to) {
  lane_state *l = lane_of(c, HD_LANE_CALLS);
  cudaEvent_t answer = NULL;
  HD_CUDA(cudaEventRecord(l->ready, l->stream));
  call->events[0] = l;
  call->events[1] = &answer;
  if (hd_meet_post(c, call, to)) return -1;
  await(l, answer);
  hd_comm_count(c, 1, call->count * sizeof(float));
  return 0;
}

int recv_from(hd_comm *c, hd_call *call, int from) {
  lane_state *l = lane_of(c, HD_LANE_CALLS);
  hd_call theirs;
  if (hd_meet_claim(c, call, from, &theirs)) return -1;
  const lane_state *sender = peer_lane(&theirs);
  await(l, sender->ready);
  copy(l, call->out, l->device, theirs.in, sender->device, call->count);
  HD_CUDA(cudaEventRecord(made(&l->taken[from]), l->stream));
  *(cudaEvent_t *)theirs.events[1] = l->taken[from];
  hd_meet_taken(c, from);
  return 0;
}

int start(hd_comm *c, hd_call *call) {
  rank_state *s = (rank_state *)c->state;
  lane_state *calls = s->lane[HD_LANE_CALLS], *second = s->lane[HD_LANE_HELPER];
  HD_CUDA(cudaEventRecord(calls->handoff, calls->stream));
  await(second, calls->handoff);
  if (all_reduce(c, HD_LANE_HELPER, call)) return -1;
  HD_CUDA(cudaEventRecord(made(&second->finished[s->started % FINISHED]), second->stream));
  return s->started++;
}

// An event may have been recorded again since: then this waits for later work too, never for less.
int wait(hd_comm *c, int handle) {
  rank_state *s = (rank_state *)c->state;
  if (handle < 0 || handle >= s->started)
    return hd_comm_fail(c, "rank %d: wait for handle %d, but %d operations were started", c->rank, handle,
                        s->started);
  if (hd_comm_failed(c)) return -1;
  await(s->lane[HD_LANE_CALLS], s->lane[HD_LANE_HELPER]->finished[handle % FINISHED]);
  return 0;
}

// Without peer access copies go through the host: slower, but right. Already enabled is no error.
void enable_peers(int device) {
  for (int peer = 0; peer < hd_device_count(); peer++) {
    int possible = 0;
    if (peer == device || cudaDeviceCanAccessPeer(&possible, device, peer) != cudaSuccess || !possible)
      continue;
    const cudaError_t status = cudaDeviceEnablePeerAccess(peer, 0);
    if (status == cudaErrorPeerAccessAlreadyEnabled)
      cudaGetLastError();
    else
      HD_CUDA(status);
  }
}

int open_rank(hd_comm *c) {
  if (hd_device_count() == 0)
    return hd_comm_fail(c, "rank %d: no GPU found; use the threads backend", c->rank);
  hd_device_select(c->rank);
  const int device = c->rank % hd_device_count();
  enable_peers(device);
  rank_state *s = (rank_state *)hd_alloc(1, sizeof *s);
  for (int lane = 0; lane < HD_LANES; lane++) s->lane[lane] = take_lane(device);
  s->started = 0;
  c->state = s;
  return 0;
}

void close_rank(hd_comm *c) {
  rank_state *s = (rank_state *)c->state;
  for (int lane = 0; lane < HD_LANES; lane++) give_lane(s->lane[lane]);
  free(s);
}

void *stream(const hd_comm *c) {
  return lane_of(c, HD_LANE_CALLS)->stream;
}

}  // namespace

const hd_backend_table hd_comm_cuda_backend = {
    open_rank,      close_rank, stream,  barrier,   all_reduce, reduce, broadcast,
    reduce_scatter, all_gather, send_to, recv_from, start,      wait};
