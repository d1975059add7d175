// SPDX-License-Identifier: MIT
// The public calls: arguments are checked here, a backend moves the data. A bad argument fails the
// communicator, since the other ranks would wait in vain.
#include "heddle/comm.h"

#include <unistd.h>

#include "comm_internal.h"

int hd_comm_rank(const hd_comm *c) {
  return c->rank;
}

int hd_comm_world(const hd_comm *c) {
  return c->world;
}

hd_traffic hd_comm_traffic(const hd_comm *c) {
  return (hd_traffic){.messages = __atomic_load_n(&c->traffic.messages, __ATOMIC_RELAXED),
                      .bytes = __atomic_load_n(&c->traffic.bytes, __ATOMIC_RELAXED)};
}

// Atomic because the helper thread counts too.
void hd_comm_count(hd_comm *c, uint64_t messages, uint64_t bytes) {
  __atomic_fetch_add(&c->traffic.messages, messages, __ATOMIC_RELAXED);
  __atomic_fetch_add(&c->traffic.bytes, bytes, __ATOMIC_RELAXED);
}

void *hd_comm_stream(const hd_comm *c) {
  return c->group->backend->stream(c, HD_LANE_CALLS);
}

void *hd_comm_started_stream(const hd_comm *c) {
  return c->group->backend->stream(c, HD_LANE_HELPER);
}

static void close_receives(hd_comm *c) {
  hd_meet_end_posts(c);
  for (hd_comm *part = c->parts; part; part = part->next) close_receives(part);
}

// Who learns of a failure frees its memory next: no peer may write there any more, whichever communicator of
// this rank the receive was opened on.
static int settled(hd_comm *c, int result) {
  if (result >= 0) return result;
  while (c->parent) c = c->parent;
  close_receives(c);
  return -1;
}

void hd_comm_abort(hd_comm *c, const char *why) {
  char last[80];
  hd_comm_fail(c, "rank %d: aborted %s: %s", c->rank, hd_meet_last(c, last, sizeof last), why);
  settled(c, -1);
}

bool hd_comm_stall(hd_comm *c, double most_s) {
  for (const double end = hd_meet_now() + most_s; !hd_comm_failed(c) && hd_meet_now() < end;) usleep(500);
  return hd_comm_failed(c);
}

void hd_shard(size_t count, int rank, int world, size_t *offset, size_t *length) {
  const size_t share = count / (size_t)world, rest = count % (size_t)world, r = (size_t)rank;
  *offset = r * share + (r < rest ? r : rest);
  *length = share + (r < rest);
}

// Are count × ranks elements at both pointers thinkable, and root, type and reduction possible?
static int check(hd_comm *c, const hd_call *call, size_t ranks) {
  char text[160];
  const size_t most = SIZE_MAX / HD_MOST_TYPE_BYTES / 4 / ranks;
  const bool pointers = call->count == 0 || (call->in && call->out);
  const bool type = call->type == HD_F32 || call->type == HD_BF16 || call->type == HD_I32;
  if (pointers && call->count <= most && call->root >= 0 && call->root < c->world && type &&
      call->reduce_op >= HD_SUM && call->reduce_op <= HD_MIN)
    return 0;
  if (!type)
    return hd_comm_fail(c, "rank %d: type %d; HD_F32, HD_BF16 and HD_I32 are possible", c->rank,
                        (int)call->type);
  if (call->root < 0 || call->root >= c->world)
    return hd_comm_fail(c, "rank %d: root or peer %d is not a rank of 0 to %d", c->rank, call->root,
                        c->world - 1);
  if (call->reduce_op < HD_SUM || call->reduce_op > HD_MIN)
    return hd_comm_fail(c, "rank %d: %d is not a reduction", c->rank, (int)call->reduce_op);
  hd_meet_describe(call, text, sizeof text);
  return hd_comm_fail(c, "rank %d: %s: %s", c->rank, text,
                      pointers ? "too many" : "no data (a null pointer)");
}

int hd_barrier(hd_comm *c) {
  if (hd_comm_own(c)) return -1;
  hd_call call = {.operation = HD_OP_BARRIER};
  return settled(c, c->group->backend->barrier(c, &call));
}

int hd_all_reduce(hd_comm *c, void *data, size_t count, enum hd_type type, enum hd_reduce_op op) {
  if (hd_comm_own(c)) return -1;
  hd_call call = {
      .operation = HD_OP_ALL_REDUCE, .reduce_op = op, .count = count, .type = type, .in = data, .out = data};
  return settled(c, check(c, &call, 1) ? -1 : c->group->backend->all_reduce(c, HD_LANE_CALLS, &call));
}

int hd_reduce(hd_comm *c, const void *in, void *out, size_t count, enum hd_type type, enum hd_reduce_op op,
              int root) {
  if (hd_comm_own(c)) return -1;
  hd_call call = {.operation = HD_OP_REDUCE,
                  .reduce_op = op,
                  .count = count,
                  .type = type,
                  .root = root,
                  .in = in,
                  .out = out};
  if (c->rank != root) call.out = (void *)in;  // not used; any pointer passes the check
  return settled(c, check(c, &call, 1) ? -1 : c->group->backend->reduce(c, &call));
}

int hd_broadcast(hd_comm *c, void *data, size_t count, enum hd_type type, int root) {
  if (hd_comm_own(c)) return -1;
  hd_call call = {
      .operation = HD_OP_BROADCAST, .count = count, .type = type, .root = root, .in = data, .out = data};
  return settled(c, check(c, &call, 1) ? -1 : c->group->backend->broadcast(c, &call));
}

int hd_reduce_scatter(hd_comm *c, const void *in, void *out, size_t count_each, enum hd_type type,
                      enum hd_reduce_op op) {
  if (hd_comm_own(c)) return -1;
  hd_call call = {.operation = HD_OP_REDUCE_SCATTER,
                  .reduce_op = op,
                  .count = count_each,
                  .type = type,
                  .in = in,
                  .out = out};
  return settled(c, check(c, &call, (size_t)c->world) ? -1 : c->group->backend->reduce_scatter(c, &call));
}

int hd_all_gather(hd_comm *c, const void *in, void *out, size_t count_each, enum hd_type type) {
  if (hd_comm_own(c)) return -1;
  hd_call call = {.operation = HD_OP_ALL_GATHER, .count = count_each, .type = type, .in = in, .out = out};
  return settled(c, check(c, &call, (size_t)c->world) ? -1 : c->group->backend->all_gather(c, &call));
}

static int check_messages(hd_comm *c, int peer) {
  if (!c->group->backend->collectives_only) return 0;
  return hd_comm_fail(c, "rank %d: message with rank %d: ranks that are processes have collectives only",
                      c->rank, peer);
}

// A rank cannot meet itself: it would wait for its own receive.
static int check_pair(hd_comm *c, const hd_call *call) {
  if (check_messages(c, call->root)) return -1;
  if (call->root == c->rank) return hd_comm_fail(c, "rank %d: send or receive with itself", c->rank);
  return check(c, call, 1);
}

static hd_call pair_call(bool sends, void *data, size_t count, enum hd_type type, int peer) {
  return (hd_call){.operation = sends ? HD_OP_SEND : HD_OP_RECV,
                   .count = count,
                   .type = type,
                   .root = peer,
                   .in = data,
                   .out = data};
}

int hd_send_start(hd_comm *c, const void *data, size_t count, enum hd_type type, int to) {
  if (hd_comm_own(c)) return -1;
  hd_call call = pair_call(true, (void *)data, count, type, to);
  return settled(c, check_pair(c, &call) ? -1 : c->group->backend->send_start(c, &call, to));
}

int hd_recv_start(hd_comm *c, void *data, size_t count, enum hd_type type, int from) {
  if (hd_comm_own(c)) return -1;
  hd_call call = pair_call(false, data, count, type, from);
  return settled(c, check_pair(c, &call) ? -1 : c->group->backend->recv_start(c, &call, from));
}

static int check_peer(hd_comm *c, int peer) {
  if (check_messages(c, peer)) return -1;
  if (peer >= 0 && peer < c->world && peer != c->rank) return 0;
  return hd_comm_fail(c, "rank %d: waits for rank %d; another rank of 0 to %d is possible", c->rank, peer,
                      c->world - 1);
}

int hd_send_wait(hd_comm *c, int to) {
  if (hd_comm_own(c)) return -1;
  return settled(c, check_peer(c, to) ? -1 : c->group->backend->send_wait(c, to));
}

int hd_recv_wait(hd_comm *c, int from) {
  if (hd_comm_own(c)) return -1;
  return settled(c, check_peer(c, from) ? -1 : c->group->backend->recv_wait(c, from));
}

int hd_send(hd_comm *c, const void *data, size_t count, enum hd_type type, int to) {
  return hd_send_start(c, data, count, type, to) ? -1 : hd_send_wait(c, to);
}

int hd_recv(hd_comm *c, void *data, size_t count, enum hd_type type, int from) {
  return hd_recv_start(c, data, count, type, from) ? -1 : hd_recv_wait(c, from);
}

// All receives are open before the first send waits for its receiver. Those that were opened are ended also
// after a failure: until then a peer may write into their data.
int hd_exchange(hd_comm *c, const hd_transfer *transfers, int count) {
  int bad = 0, opened = 0;
  for (; opened < count && !bad; opened++) {
    const hd_transfer *t = &transfers[opened];
    if (!t->sends) bad = hd_recv_start(c, t->data, t->count, t->type, t->peer);
  }
  if (bad) opened--;
  for (int i = 0; i < count && !bad; i++) {
    const hd_transfer *t = &transfers[i];
    if (t->sends) bad = hd_send_start(c, t->data, t->count, t->type, t->peer);
  }
  for (int i = 0; i < opened; i++) {
    const hd_transfer *t = &transfers[i];
    if (!t->sends)
      bad |= hd_recv_wait(c, t->peer);
    else if (!bad)
      bad = hd_send_wait(c, t->peer);
  }
  return bad ? -1 : 0;
}

int hd_all_reduce_start(hd_comm *c, void *data, size_t count, enum hd_type type, enum hd_reduce_op op) {
  if (hd_comm_own(c)) return -1;
  hd_call call = {.operation = HD_OP_ALL_REDUCE_START,
                  .reduce_op = op,
                  .count = count,
                  .type = type,
                  .in = data,
                  .out = data};
  return settled(c, check(c, &call, 1) ? -1 : c->group->backend->start(c, &call));
}

int hd_wait(hd_comm *c, int handle) {
  if (hd_comm_own(c)) return -1;
  return settled(c, c->group->backend->wait(c, handle));
}
