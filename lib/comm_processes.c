// SPDX-License-Identifier: MIT
// Collectives between processes of one machine. No process sees another's buffers, so all data go through
// memory that they share: every rank has a tray, cut in two halves. It puts a piece of its input into the
// first half; when all have done so, it takes from all the trays what it needs. Piece by piece, so that a
// tray stays in a cache however long the vector is. That is one copy in and one copy out more than between
// threads, and two meetings for each piece.
//
// Sums are always in rank order. An all-reduce adds its shard of the piece from all first halves into its
// second half, and collects the shards of all second halves: the same 2(N-1)/N of the data per rank as any
// other. A message would need the receiver's help as long as it lasts, or a tray for each pair: there are
// none.
#include "comm_processes.h"

#include <string.h>

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

static char *tray(const hd_comm *c, int lane, int rank) {
  return c->group->memory + HD_GROUP_BYTES +
         ((size_t)lane * (size_t)c->world + (size_t)rank) * 2 * HD_TRAY_BYTES;
}

static char *at(void *array, size_t i, enum hd_type type) {
  return (char *)array + i * hd_type_bytes(type);
}

static void put(const hd_comm *c, int lane, size_t place, const void *from, size_t bytes) {
  if (bytes > 0) memcpy(tray(c, lane, c->rank) + place, from, bytes);
}

static void take(const hd_comm *c, int lane, int rank, size_t place, void *to, size_t bytes) {
  if (bytes > 0) memcpy(to, tray(c, lane, rank) + place, bytes);
}

// Within a collective: goes on when all ranks have come as far.
typedef struct course {
  hd_comm *c;
  int lane;
  uint64_t steps;
} course;

static int set_out(course *t, hd_comm *c, int lane, hd_call *call) {
  *t = (course){.c = c, .lane = lane, .steps = hd_meet_pieces(c, lane)};
  return hd_meet_enter(c, lane, call);
}

static int together(course *t) {
  hd_meet_advance(t->c, t->lane, -1);
  t->steps++;
  for (int r = 0; r < t->c->world; r++)
    if (r != t->c->rank && hd_meet_progress(t->c, t->lane, r, t->steps)) return -1;
  return 0;
}

// to = the sum over all ranks' trays of `count` elements from element `from` on.
static void add_trays(const hd_comm *c, int lane, const hd_call *call, size_t from, void *to, size_t count) {
  const void *in[HD_MOST_RANKS] = {NULL};
  for (int r = 0; r < c->world; r++) in[r] = tray(c, lane, r);
  if (count > 0) hd_combine_ranks(call->type, to, in, c->world, from, count, call->reduce_op);
}

// Shards in whole cache lines, so that no two ranks write to one.
static void line_shard(size_t count, size_t width, int rank, int world, size_t *offset, size_t *length) {
  const size_t line = 64 / width;
  hd_shard((count + line - 1) / line, rank, world, offset, length);
  *offset = smaller(*offset * line, count);
  *length = smaller(*length * line, count - *offset);
}

static int all_reduce_piece(course *t, const hd_call *call, size_t from, size_t count) {
  hd_comm *c = t->c;
  const size_t width = hd_type_bytes(call->type);
  size_t offset, length;
  put(c, t->lane, 0, at(call->out, from, call->type), count * width);
  if (together(t)) return -1;
  line_shard(count, width, c->rank, c->world, &offset, &length);
  add_trays(c, t->lane, call, offset, tray(c, t->lane, c->rank) + HD_TRAY_BYTES, length);
  hd_comm_count(c, 2 * ((uint64_t)c->world - 1),
                (count - length + ((uint64_t)c->world - 1) * length) * width);
  if (together(t)) return -1;
  for (int r = 0; r < c->world; r++) {
    line_shard(count, width, r, c->world, &offset, &length);
    take(c, t->lane, r, HD_TRAY_BYTES, at(call->out, from + offset, call->type), length * width);
  }
  return 0;
}

static int all_reduce(hd_comm *c, int lane, hd_call *call) {
  const size_t width = hd_type_bytes(call->type), each = HD_TRAY_BYTES / width;
  if (call->count * width <= HD_SMALL_BYTES) return hd_small_all_reduce(c, lane, call);
  course t;
  if (set_out(&t, c, lane, call)) return -1;
  for (size_t from = 0; from < call->count; from += each)
    if (all_reduce_piece(&t, call, from, smaller(each, call->count - from))) return -1;
  return hd_meet_pass(c, lane);
}

// The pieces of the collectives below: all ranks put, then some take, and none puts anew before they have
// (before the first piece entering says so).
typedef void piece(hd_comm *c, const hd_call *call, size_t from, size_t count);

static int by_pieces(hd_comm *c, hd_call *call, size_t each, piece *puts, piece *takes) {
  course t;
  if (set_out(&t, c, HD_LANE_CALLS, call)) return -1;
  for (size_t from = 0; from < call->count; from += each) {
    const size_t count = smaller(each, call->count - from);
    if (from > 0 && together(&t)) return -1;
    puts(c, call, from, count);
    if (together(&t)) return -1;
    takes(c, call, from, count);
  }
  return hd_meet_pass(c, HD_LANE_CALLS);
}

static void put_input(hd_comm *c, const hd_call *call, size_t from, size_t count) {
  put(c, HD_LANE_CALLS, 0, at((void *)call->in, from, call->type), count * hd_type_bytes(call->type));
}

static void take_sum(hd_comm *c, const hd_call *call, size_t from, size_t count) {
  if (c->rank == call->root) add_trays(c, HD_LANE_CALLS, call, 0, at(call->out, from, call->type), count);
}

static int reduce(hd_comm *c, hd_call *call) {
  if (c->rank != call->root) hd_comm_count(c, 1, call->count * hd_type_bytes(call->type));
  return by_pieces(c, call, HD_TRAY_BYTES / hd_type_bytes(call->type), put_input, take_sum);
}

static void put_if_root(hd_comm *c, const hd_call *call, size_t from, size_t count) {
  if (c->rank == call->root) put_input(c, call, from, count);
}

static void take_root(hd_comm *c, const hd_call *call, size_t from, size_t count) {
  if (c->rank != call->root)
    take(c, HD_LANE_CALLS, call->root, 0, at(call->out, from, call->type), count * hd_type_bytes(call->type));
}

static int broadcast(hd_comm *c, hd_call *call) {
  const uint64_t others = (uint64_t)c->world - 1;
  if (c->rank == call->root) hd_comm_count(c, others, others * call->count * hd_type_bytes(call->type));
  return by_pieces(c, call, HD_TRAY_BYTES / hd_type_bytes(call->type), put_if_root, take_root);
}

// A tray then holds a part for each rank.
static size_t part_elements(const hd_comm *c, const hd_call *call) {
  return HD_TRAY_BYTES / hd_type_bytes(call->type) / (size_t)c->world;
}

static void put_parts(hd_comm *c, const hd_call *call, size_t from, size_t count) {
  const size_t width = hd_type_bytes(call->type);
  for (int r = 0; r < c->world; r++)
    put(c, HD_LANE_CALLS, (size_t)r * count * width,
        at((void *)call->in, (size_t)r * call->count + from, call->type), count * width);
}

static void take_part_sum(hd_comm *c, const hd_call *call, size_t from, size_t count) {
  add_trays(c, HD_LANE_CALLS, call, (size_t)c->rank * count, at(call->out, from, call->type), count);
}

static int reduce_scatter(hd_comm *c, hd_call *call) {
  const uint64_t others = (uint64_t)c->world - 1;
  hd_comm_count(c, others, others * call->count * hd_type_bytes(call->type));
  return by_pieces(c, call, part_elements(c, call), put_parts, take_part_sum);
}

static void take_all(hd_comm *c, const hd_call *call, size_t from, size_t count) {
  for (int r = 0; r < c->world; r++)
    take(c, HD_LANE_CALLS, r, 0, at(call->out, (size_t)r * call->count + from, call->type),
         count * hd_type_bytes(call->type));
}

static int all_gather(hd_comm *c, hd_call *call) {
  const uint64_t others = (uint64_t)c->world - 1;
  hd_comm_count(c, others, others * call->count * hd_type_bytes(call->type));
  return by_pieces(c, call, HD_TRAY_BYTES / hd_type_bytes(call->type), put_input, take_all);
}

static int barrier(hd_comm *c, hd_call *call) {
  return hd_meet_enter(c, HD_LANE_CALLS, call) ? -1 : hd_meet_pass(c, HD_LANE_CALLS);
}

const hd_backend_table hd_comm_processes_backend = {
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
    .start = hd_helper_start,
    .wait = hd_helper_wait,
    .has_helpers = true,
    .collectives_only = true,
};
