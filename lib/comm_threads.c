// SPDX-License-Identifier: MIT
// Collectives in host memory: ranks read each other's buffers directly, so nothing is copied into messages
// first.
//
// Direct (HD_ORDER_RANK): rank r owns shard r. It reads that shard of every rank in rank order, and writes
// the sum straight into every rank's buffer. One pass: no rank reads what another one writes. Up to 4 KiB
// every rank instead publishes a copy with its call and all ranks add all copies, which saves the second
// meeting.
//
// Ring (HD_ORDER_RING): chunk k starts at rank k+1 and is added to from rank to rank until rank k has the
// sum, which then travels on around the ring. A rank reads its left neighbour's buffer, in pieces, as soon as
// the neighbour has finished the piece. Nobody overwrites a piece that is still to be read: the sum that
// overwrites it contains it.
#include <assert.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "comm_internal.h"
#include "heddle/error.h"

enum {
  BLOCK_BYTES = 8192,  // a block's accumulators stay in L1
  PIECE = 16384        // elements: the ring's grain
};

// ---------------------------------------------------------------- pieces of arrays

static void copy(void *to, const void *from, size_t bytes) {
  if (bytes > 0 && to != from) memmove(to, from, bytes);
}

// Element i of an array.
static void *at(void *array, enum hd_type type, size_t i) {
  return (char *)array + i * hd_type_bytes(type);
}
static const void *at_const(const void *array, enum hd_type type, size_t i) {
  return (const char *)array + i * hd_type_bytes(type);
}

// The common case by itself: two inputs, both overwritten, one pass over memory.
static void add_both(float *restrict a, float *restrict b, size_t n) {
#pragma omp simd
  for (size_t i = 0; i < n; i++) a[i] = b[i] = a[i] + b[i];
}

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

// Every rank's published pointers; a zero count may come with null.
static void collect(const hd_comm *c, int lane, const void **in, void **out) {
  for (int r = 0; r < c->world; r++) {
    const hd_call *call = hd_meet_call(c, lane, r);
    in[r] = call->in;
    out[r] = call->out;
  }
}

// ---------------------------------------------------------------- direct

// Shards in whole cache lines, so that no two ranks write to one.
static void line_shard(size_t count, enum hd_type type, int rank, int world, size_t *offset, size_t *length) {
  const size_t line = 64 / hd_type_bytes(type), lines = (count + line - 1) / line;
  hd_shard(lines, rank, world, offset, length);
  *offset = smaller(*offset * line, count);
  *length = smaller(*length * line, count - *offset);
}

int hd_small_all_reduce(hd_comm *c, int lane, hd_call *call) {
  const uint64_t next = c->sequence[lane] + 1;
  hd_slot *slots = c->group->slots[lane];
  const size_t bytes = call->count * hd_type_bytes(call->type);
  copy(slots[c->rank].small[next & 1], call->in, bytes);
  if (hd_meet_enter(c, lane, call)) return -1;
  const void *in[HD_MOST_RANKS] = {NULL};
  for (int r = 0; r < c->world; r++) in[r] = slots[r].small[next & 1];
  if (call->count > 0) hd_combine_ranks(call->type, call->out, in, c->world, 0, call->count, call->reduce_op);
  hd_comm_count(c, (uint64_t)c->world - 1, ((uint64_t)c->world - 1) * bytes);
  return hd_meet_pass(c, lane);
}

static int all_reduce_direct(hd_comm *c, int lane, hd_call *call) {
  if (hd_meet_enter(c, lane, call)) return -1;
  const void *in[HD_MOST_RANKS];
  void *out[HD_MOST_RANKS];
  _Alignas(64) char sum[BLOCK_BYTES];
  collect(c, lane, in, out);
  const enum hd_type type = call->type;
  const size_t width = hd_type_bytes(type);
  size_t offset, length;
  line_shard(call->count, type, c->rank, c->world, &offset, &length);
  if (c->world == 2 && call->reduce_op == HD_SUM && type == HD_F32) {
    add_both(at(out[0], type, offset), at(out[1], type, offset), length);
  } else {
    for (size_t i = offset; i < offset + length; i += BLOCK_BYTES / width) {
      const size_t n = smaller(BLOCK_BYTES / width, offset + length - i);
      hd_combine_ranks(type, sum, in, c->world, i, n, call->reduce_op);
      for (int r = 0; r < c->world; r++) copy(at(out[r], type, i), sum, n * width);
    }
  }
  const uint64_t peers = (uint64_t)c->world - 1;
  hd_comm_count(c, 2 * peers, (call->count - length + peers * length) * width);
  return hd_meet_leave(c, lane);
}

// ---------------------------------------------------------------- ring

typedef struct ring {
  hd_comm *c;
  int lane;
  void *own;
  const void *left;
  size_t count;  // of the whole vector, cut into `world` chunks
  enum hd_type type;
  enum hd_reduce_op op;
  uint64_t base;  // pieces finished before this collective; equal on all ranks
  uint64_t pieces, steps;
} ring;

static int left_of(const hd_comm *c) {
  return (c->rank + c->world - 1) % c->world;
}

static ring ring_open(hd_comm *c, int lane, const hd_call *call, void *own, const void *left, size_t count) {
  size_t offset, longest;
  hd_shard(count, 0, c->world, &offset, &longest);
  return (ring){.c = c,
                .lane = lane,
                .own = own,
                .left = left,
                .count = count,
                .type = call->type,
                .op = call->reduce_op,
                .base = hd_meet_pieces(c, lane),
                .pieces = (longest + PIECE - 1) / PIECE};
}

// One turn of the ring: this rank takes the given chunk from its left neighbour, adding or copying, and
// counts what its right neighbour takes from it: the chunk before.
static int ring_step(ring *r, int chunk, bool add) {
  const int world = r->c->world;
  size_t offset, length;
  hd_shard(r->count, (chunk % world + world) % world, world, &offset, &length);
  for (uint64_t p = 0; p < r->pieces; p++) {
    if (r->steps > 0 &&
        hd_meet_progress(r->c, r->lane, left_of(r->c), r->base + (r->steps - 1) * r->pieces + p + 1))
      return -1;
    const size_t from = smaller(p * PIECE, length), n = smaller(PIECE, length - from);
    void *own = at(r->own, r->type, offset + from);
    const void *left = at_const(r->left, r->type, offset + from);
    if (add)
      hd_combine(r->type, own, left, own, n, r->op);
    else
      copy(own, left, n * hd_type_bytes(r->type));
    hd_meet_advance(r->c, r->lane, (r->c->rank + 1) % world);
  }
  r->steps++;
  hd_shard(r->count, ((chunk + 1) % world + world) % world, world, &offset, &length);
  hd_comm_count(r->c, 1, length * hd_type_bytes(r->type));
  return 0;
}

static int ring_reduce_scatter(ring *r) {
  for (int step = 0; step < r->c->world - 1; step++)
    if (ring_step(r, r->c->rank - 2 - step, true)) return -1;
  return 0;
}

static int ring_all_gather(ring *r) {
  for (int step = 0; step < r->c->world - 1; step++)
    if (ring_step(r, r->c->rank - 1 - step, false)) return -1;
  return 0;
}

static const hd_call *left_call(const hd_comm *c, int lane) {
  return hd_meet_call(c, lane, left_of(c));
}

static int all_reduce_ring(hd_comm *c, int lane, hd_call *call) {
  if (hd_meet_enter(c, lane, call)) return -1;
  ring r = ring_open(c, lane, call, call->out, left_call(c, lane)->in, call->count);
  if (call->count > 0 && (ring_reduce_scatter(&r) || ring_all_gather(&r))) return -1;
  return hd_meet_leave(c, lane);
}

// ---------------------------------------------------------------- the calls

static int barrier(hd_comm *c, hd_call *call) {
  return hd_meet_enter(c, HD_LANE_CALLS, call) ? -1 : hd_meet_pass(c, HD_LANE_CALLS);
}

static int all_reduce(hd_comm *c, int lane, hd_call *call) {
  if (c->group->order == HD_ORDER_RING) return all_reduce_ring(c, lane, call);
  return call->count * hd_type_bytes(call->type) <= HD_SMALL_BYTES ? hd_small_all_reduce(c, lane, call)
                                                                   : all_reduce_direct(c, lane, call);
}

// call->count elements of everybody's input from element `from` on, added into call->out.
static void add_part(hd_comm *c, const hd_call *call, size_t from) {
  const void *in[HD_MOST_RANKS];
  void *out[HD_MOST_RANKS];
  _Alignas(64) char sum[BLOCK_BYTES];
  collect(c, HD_LANE_CALLS, in, out);
  const size_t width = hd_type_bytes(call->type);
  for (size_t i = 0; i < call->count; i += BLOCK_BYTES / width) {
    const size_t n = smaller(BLOCK_BYTES / width, call->count - i);
    hd_combine_ranks(call->type, sum, in, c->world, from + i, n, call->reduce_op);
    copy(at(call->out, call->type, i), sum, n * width);
  }
}

// The root does all the work: a central aggregator, incast and all.
static int reduce(hd_comm *c, hd_call *call) {
  if (hd_meet_enter(c, HD_LANE_CALLS, call)) return -1;
  if (c->rank == call->root) {
    add_part(c, call, 0);
  } else {
    hd_comm_count(c, 1, call->count * hd_type_bytes(call->type));
  }
  return hd_meet_leave(c, HD_LANE_CALLS);
}

static int broadcast(hd_comm *c, hd_call *call) {
  const size_t bytes = call->count * hd_type_bytes(call->type);
  if (hd_meet_enter(c, HD_LANE_CALLS, call)) return -1;
  if (c->rank == call->root)
    hd_comm_count(c, (uint64_t)c->world - 1, ((uint64_t)c->world - 1) * bytes);
  else
    copy(call->out, hd_meet_call(c, HD_LANE_CALLS, call->root)->in, bytes);
  return hd_meet_leave(c, HD_LANE_CALLS);
}

static void *scratch(hd_comm *c, size_t bytes) {
  if (c->scratch_bytes < bytes) {
    free(c->scratch);
    c->scratch = hd_alloc(bytes, 1);
    c->scratch_bytes = bytes;
  }
  return c->scratch;
}

static int reduce_scatter_ring(hd_comm *c, hd_call *call) {
  const void *in = call->in;
  const size_t count = call->count * (size_t)c->world, width = hd_type_bytes(call->type);
  void *own = scratch(c, count * width);
  copy(own, in, count * width);  // partial sums must not change the input
  call->in = own;
  if (hd_meet_enter(c, HD_LANE_CALLS, call)) return -1;
  ring r = ring_open(c, HD_LANE_CALLS, call, own, left_call(c, HD_LANE_CALLS)->in, count);
  if (count > 0 && ring_reduce_scatter(&r)) return -1;
  copy(call->out, at(own, call->type, (size_t)c->rank * call->count), call->count * width);
  return hd_meet_leave(c, HD_LANE_CALLS);
}

static int reduce_scatter(hd_comm *c, hd_call *call) {
  if (c->group->order == HD_ORDER_RING) return reduce_scatter_ring(c, call);
  if (hd_meet_enter(c, HD_LANE_CALLS, call)) return -1;
  add_part(c, call, (size_t)c->rank * call->count);
  hd_comm_count(c, (uint64_t)c->world - 1,
                ((uint64_t)c->world - 1) * call->count * hd_type_bytes(call->type));
  return hd_meet_leave(c, HD_LANE_CALLS);
}

static int all_gather(hd_comm *c, hd_call *call) {
  const size_t n = call->count, bytes = n * hd_type_bytes(call->type);
  copy(at(call->out, call->type, (size_t)c->rank * n), call->in, bytes);
  if (hd_meet_enter(c, HD_LANE_CALLS, call)) return -1;
  if (c->group->order == HD_ORDER_RING) {
    ring r =
        ring_open(c, HD_LANE_CALLS, call, call->out, left_call(c, HD_LANE_CALLS)->out, n * (size_t)c->world);
    if (n > 0 && ring_all_gather(&r)) return -1;
  } else {
    for (int step = 1; step < c->world; step++) {  // each rank starts at another peer
      const int peer = (c->rank + step) % c->world;
      const void *theirs = hd_meet_call(c, HD_LANE_CALLS, peer)->out;
      copy(at(call->out, call->type, (size_t)peer * n), at_const(theirs, call->type, (size_t)peer * n),
           bytes);
    }
    hd_comm_count(c, (uint64_t)c->world - 1, ((uint64_t)c->world - 1) * bytes);
  }
  return hd_meet_leave(c, HD_LANE_CALLS);
}

// The sender writes straight into the receiver's buffer.
static int send_start(hd_comm *c, hd_call *call, int to) {
  hd_call theirs;
  const size_t bytes = call->count * hd_type_bytes(call->type);
  if (hd_meet_claim(c, call, to, &theirs)) return -1;
  copy(theirs.out, call->in, bytes);
  hd_meet_taken(c, to);
  hd_comm_count(c, 1, bytes);
  return 0;
}

static int send_wait(hd_comm *c, int to) {
  (void)to;
  return hd_comm_failed(c) ? -1 : 0;
}

// ---------------------------------------------------------------- asynchronous all-reduce

// The helper thread of a rank and its queue: operation number n is queue[n % capacity], done when
// shown->finished > n.
typedef struct helper {
  hd_comm *c;
  hd_slot *shown;  // how many were started and are finished: for the other ranks, too
  pthread_t thread;
  bool running, closing;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  hd_call *queue;
  uint64_t capacity, waited;
} helper;

enum { HANDLES = 1 << 30, FIRST_CAPACITY = 16, WAIT_TURNS = 50 };

int hd_helper_open(hd_comm *c) {
  helper *h = hd_alloc(1, sizeof *h);
  *h = (helper){.c = c,
                .shown = &c->group->slots[HD_LANE_HELPER][c->rank],
                .lock = PTHREAD_MUTEX_INITIALIZER,
                .changed = PTHREAD_COND_INITIALIZER};
  c->state = h;
  return 0;
}

static void *help(void *arg) {
  helper *h = arg;
  pthread_mutex_lock(&h->lock);
  while (true) {
    while (h->shown->finished == h->shown->started && !h->closing) pthread_cond_wait(&h->changed, &h->lock);
    if (h->shown->finished == h->shown->started) break;
    hd_call call = h->queue[h->shown->finished % h->capacity];
    pthread_mutex_unlock(&h->lock);
    h->c->group->backend->all_reduce(h->c, HD_LANE_HELPER,
                                     &call);  // a failure poisons the communicator, which wait reports
    pthread_mutex_lock(&h->lock);
    __atomic_store_n(&h->shown->finished, h->shown->finished + 1, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&h->changed);
  }
  pthread_mutex_unlock(&h->lock);
  return NULL;
}

// Doubles the queue when all its places hold operations not completed. Called under the lock.
static void make_room(helper *h) {
  if (h->shown->started - h->shown->finished < h->capacity) return;
  const uint64_t capacity = h->capacity ? 2 * h->capacity : FIRST_CAPACITY;
  hd_call *queue = hd_alloc(capacity, sizeof *queue);
  for (uint64_t n = h->shown->finished; h->capacity && n < h->shown->started; n++)
    queue[n % capacity] = h->queue[n % h->capacity];
  free(h->queue);
  h->queue = queue;
  h->capacity = capacity;
}

int hd_helper_start(hd_comm *c, hd_call *call) {
  helper *h = c->state;
  if (hd_comm_failed(c)) return -1;
  if (!h->running && pthread_create(&h->thread, NULL, help, h) != 0)
    return hd_comm_fail(c, "rank %d: cannot start a helper thread: too many threads", c->rank);
  h->running = true;
  pthread_mutex_lock(&h->lock);
  make_room(h);
  const uint64_t number = h->shown->started;
  h->queue[number % h->capacity] = *call;
  __atomic_store_n(&h->shown->started, number + 1, __ATOMIC_SEQ_CST);
  pthread_cond_broadcast(&h->changed);
  pthread_mutex_unlock(&h->lock);
  return (int)(number % HANDLES);
}

int hd_helper_wait(hd_comm *c, int handle) {
  helper *h = c->state;
  const uint64_t age =
      (h->shown->started + HANDLES - 1 - (uint64_t)handle) % HANDLES;  // 0: the last one started
  if (handle < 0 || handle >= HANDLES || age >= h->shown->started)
    return hd_comm_fail(c, "rank %d: wait for handle %d, but %llu operations were started", c->rank, handle,
                        (unsigned long long)h->shown->started);
  const uint64_t number = h->shown->started - 1 - age;
  for (int turn = 0; turn < WAIT_TURNS && __atomic_load_n(&h->shown->finished, __ATOMIC_ACQUIRE) <= number;
       turn++)
    sched_yield();
  pthread_mutex_lock(&h->lock);
  if (h->shown->finished <= number) {
    const hd_waiting own = {.lane = HD_LANE_HELPER,
                            .peer = c->rank,
                            .word = hd_meet_place(c->group, &h->shown->finished),
                            .value = number + 1};
    hd_meet_busy(c, true);
    hd_deadlock_wait(c, HD_LANE_CALLS, own);
    hd_meet_wake(c, HD_LANE_HELPER);  // it may wait for somebody who waits for this rank
    while (h->shown->finished <= number) pthread_cond_wait(&h->changed, &h->lock);  // it has its deadline
    hd_deadlock_go_on(c, HD_LANE_CALLS);
    hd_meet_busy(c, false);
  }
  if (h->waited <= number) h->waited = number + 1;
  pthread_mutex_unlock(&h->lock);
  return hd_comm_failed(c) ? -1 : 0;
}

void hd_helper_close(hd_comm *c) {
  helper *h = c->state;
  if (h->waited < h->shown->started && !hd_comm_failed(c))
    hd_comm_fail(c, "rank %d ended without waiting for %llu all-reduce operations it started", c->rank,
                 (unsigned long long)(h->shown->started - h->waited));
  if (h->running) {
    pthread_mutex_lock(&h->lock);
    h->closing = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
  }
  pthread_cond_destroy(&h->changed);
  pthread_mutex_destroy(&h->lock);
  free(h->queue);
  free(h);
}

void hd_helper_release(hd_comm *c) {
  (void)c;
}

void *hd_no_stream(const hd_comm *c, int lane) {
  (void)c, (void)lane;
  return NULL;
}

const hd_backend_table hd_comm_threads_backend = {
    .open = hd_helper_open,
    .close = hd_helper_close,
    .release = hd_helper_release,
    .stream = hd_no_stream,
    .barrier = barrier,
    .all_reduce = all_reduce,
    .reduce = reduce,
    .broadcast = broadcast,
    .reduce_scatter = reduce_scatter,
    .all_gather = all_gather,
    .send_start = send_start,
    .send_wait = send_wait,
    .recv_start = hd_meet_post,
    .recv_wait = hd_meet_post_end,
    .start = hd_helper_start,
    .wait = hd_helper_wait,
    .has_helpers = true,
};
