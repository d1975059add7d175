// SPDX-License-Identifier: MIT
// Which operations (launches, copies, fills) are ordered: by their stream, by the legacy default stream, by
// events, and by the host's waits. Each stream, event and the host carry a vector clock over the streams. All
// host threads count as one: how they wait for each other is not seen, so what one knows all know.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_problem.h"

enum { MOST_STREAMS = 64, MOST_BULKS = 1024 };
typedef struct clock_vector {
  uint32_t at[MOST_STREAMS];
} clock_vector;

typedef struct stream_state {
  const void *stream;  // NULL: a device's legacy default stream
  int device;
  bool legacy, blocking;
  bool destroyed;  // the next stream at this address is another one
  bool shared;     // by all streams for which there was no place: in doubt, they are ordered
  uint32_t issued, last_kernel;
  clock_vector after;  // what the stream's next operation comes after
} stream_state;

typedef struct operation {
  uint16_t stream;
  bool kernel;
  uint32_t number;  // in its stream
  const char *what;
  clock_vector *after;  // while it runs
  sim_range *beside;    // a kernel: what operations it could run beside have touched
  size_t beside_count;
} operation;

typedef struct event_state {
  const void *event;
  clock_vector after;
} event_state;

static stream_state *streams[MOST_STREAMS];
static int stream_count;
static operation *operations;
static size_t operation_count = 1, operation_room;  // number 0 is none
static event_state *events;
static size_t event_count, event_room;
static sim_range *bulks;  // bytes that copies and fills have touched
static size_t bulk_count, bulk_room;
static clock_vector host;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void join(clock_vector *to, const clock_vector *from) {
  for (int i = 0; i < stream_count; i++)
    if (from->at[i] > to->at[i]) to->at[i] = from->at[i];
}

static bool is_stream(const stream_state *state, const sim_check_stream *s) {
  return !state->destroyed && state->stream == s->stream && state->device == s->device &&
         state->legacy == s->legacy;
}

// Locked. The place of a destroyed stream whose work the host has waited for: all that comes is behind it,
// and its numbers go on.
static int free_place(void) {
  for (int i = 0; i < stream_count; i++)
    if (streams[i]->destroyed && host.at[i] >= streams[i]->issued) return i;
  return stream_count;
}

// Locked.
static int index_of(const sim_check_stream *s) {
  for (int i = 0; i < stream_count; i++)
    if (is_stream(streams[i], s)) return i;
  const int place = free_place();
  if (place == MOST_STREAMS) {
    streams[MOST_STREAMS - 1]->shared = true;
    return MOST_STREAMS - 1;
  }
  if (place == stream_count) {
    if (!(streams[place] = calloc(1, sizeof *streams[place]))) return 0;
    stream_count++;
  }
  stream_state *made = streams[place];
  *made = (stream_state){.stream = s->stream,
                         .device = s->device,
                         .legacy = s->legacy,
                         .blocking = s->blocking,
                         .issued = made->issued,
                         .last_kernel = made->last_kernel};
  made->after.at[place] = made->issued;
  return place;
}

void sim_check_stream_destroy(const sim_check_stream *s) {
  if (!sim_check_on()) return;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < stream_count; i++)
    if (is_stream(streams[i], s) && !streams[i]->shared) streams[i]->destroyed = true;
  pthread_mutex_unlock(&lock);
}

// Locked. What the next operation of a stream comes after.
static void gather(int index) {
  stream_state *s = streams[index];
  join(&s->after, &host);
  for (int i = 0; i < stream_count; i++) {
    const stream_state *o = streams[i];
    const bool waits = o->device == s->device && ((s->legacy && o->blocking) || (s->blocking && o->legacy));
    if (i != index && (waits || s->shared || o->shared)) join(&s->after, &o->after);
  }
}

static bool before(unsigned a, unsigned b) {
  if (a == b || !a || !b || a >= operation_count || b >= operation_count) return true;
  const operation *x = &operations[a], *y = &operations[b];
  if (x->stream == y->stream) return x->number < y->number;
  return !y->after || y->after->at[x->stream] >= x->number;
}

static bool host_knows(unsigned op) {
  return host.at[operations[op].stream] >= operations[op].number;
}

// Locked. Whatever comes next comes after what the host has waited for.
static void forget_known(void) {
  size_t kept = 0;
  for (size_t i = 0; i < bulk_count; i++)
    if (!host_knows(bulks[i].op)) bulks[kept++] = bulks[i];
  bulk_count = kept;
  if (bulk_count < MOST_BULKS) return;
  memmove(bulks, bulks + bulk_count / 2, (bulk_count - bulk_count / 2) * sizeof *bulks);
  bulk_count -= bulk_count / 2;
}

// Locked.
static void gather_beside(unsigned op) {
  operation *o = &operations[op];
  for (size_t i = 0; i < bulk_count; i++) {
    if (before(bulks[i].op, op)) continue;
    sim_range *grown = realloc(o->beside, (o->beside_count + 1) * sizeof *grown);
    if (!grown) return;
    o->beside = grown;
    o->beside[o->beside_count++] = bulks[i];
  }
}

size_t sim_op_beside(unsigned op, const sim_range **ranges) {
  if (!op) return 0;
  pthread_mutex_lock(&lock);
  *ranges = operations[op].beside;
  const size_t count = operations[op].beside_count;
  pthread_mutex_unlock(&lock);
  return count;
}

unsigned sim_check_op_begin(const sim_check_stream *s, const char *what, bool kernel) {
  if (!sim_check_on()) return 0;
  sim_host_suspend(true);
  pthread_mutex_lock(&lock);
  const int index = index_of(s);
  gather(index);
  if (operation_count >= operation_room) {
    const size_t room = operation_room ? 2 * operation_room : 1024;
    operation *grown = realloc(operations, room * sizeof *grown);
    if (!grown) {
      pthread_mutex_unlock(&lock);
      return 0;
    }
    operations = grown;
    operation_room = room;
  }
  const unsigned op = (unsigned)operation_count++;
  stream_state *st = streams[index];
  operation *o = &operations[op];
  *o = (operation){.stream = (uint16_t)index, .kernel = kernel, .number = ++st->issued, .what = what};
  if (stream_count > 1 && (o->after = malloc(sizeof *o->after))) *o->after = st->after;
  st->after.at[index] = st->issued;
  forget_known();
  if (kernel) {
    st->last_kernel = st->issued;
    gather_beside(op);
  }
  pthread_mutex_unlock(&lock);
  return op;
}

void sim_check_op_end(unsigned op) {
  if (!op) return;
  pthread_mutex_lock(&lock);
  free(operations[op].after);
  free(operations[op].beside);
  operations[op].after = NULL;
  operations[op].beside = NULL;
  operations[op].beside_count = 0;
  const bool kernel = operations[op].kernel, hidden = !host_knows(op);
  sim_host_suspend(false);
  for (size_t i = 0; i < bulk_count && hidden; i++)
    if (bulks[i].op == op) sim_host_protect_range(&bulks[i]);
  pthread_mutex_unlock(&lock);
  if (kernel && hidden) sim_region_each(sim_host_protect_region, op);
}

bool sim_op_before(unsigned a, unsigned b) {
  return before(a, b);
}

const char *sim_op_name(unsigned op) {
  return op && op < operation_count ? operations[op].what : "an operation";
}

bool sim_op_host_knows(unsigned op) {
  return host_knows(op);
}

unsigned sim_op_next(unsigned op) {
  if (!op) return 0;
  pthread_mutex_lock(&lock);
  const operation o = operations[op];
  const stream_state *st = streams[o.stream];
  const sim_check_stream s = {st->stream, st->device, st->legacy, st->blocking};
  pthread_mutex_unlock(&lock);
  const unsigned next = sim_check_op_begin(&s, o.what, o.kernel);
  sim_check_op_end(next);
  return next;
}

// ---------------------------------------------------------------- copies and fills

static void report(unsigned op, unsigned other, uintptr_t address, bool write, bool other_writes,
                   uintptr_t other_pc) {
  sim_check_context c = {.launch = op, .other_pc = other_pc};
  char tail[200];
  snprintf(tail, sizeof tail, ": no event or synchronization orders the two streams");
  c.tail = tail;
  sim_check_backtrace(c.pc);
  sim_check_problem("race-stream", &c, "%s %s 0x%zx, which %s in another stream %s", sim_op_name(op),
                    write ? "writes" : "reads", (size_t)address, sim_op_name(other),
                    other_writes ? "writes" : "reads");
}

// Locked. Does a kernel that the operation does not come after have touched the range?
static bool check_kernels(unsigned op, uintptr_t low, uintptr_t high, bool write) {
  const operation *o = &operations[op];
  bool unordered = false;
  for (int i = 0; i < stream_count && o->after; i++)
    unordered |= i != o->stream && streams[i]->last_kernel > o->after->at[i];
  const sim_region *r = unordered ? sim_region_at(low) : NULL;
  if (!r || !r->live || !r->cells) return false;
  if (high > r->a.base + r->a.bytes) high = r->a.base + r->a.bytes;
  for (size_t word = (low - r->a.base) / 4; word * 4 < high - r->a.base; word++) {
    const sim_cell *cell = &r->cells[word];
    for (int i = 0; i < SIM_CELL_STAMPS; i++) {
      const sim_stamp *s = &cell->at[i];
      const bool other_writes = s->flags & SIM_CHECK_WRITE;
      if (!s->op || !(write || other_writes) || before(s->op, op)) continue;
      report(op, s->op, r->a.base + word * 4, write, other_writes, sim_pc_unpack(s->pc));
      return true;
    }
  }
  return false;
}

void sim_check_range(unsigned op, const void *address, size_t bytes, bool write) {
  // Pageable memory is the host's: what it does with it is its own affair.
  if (!op || !bytes || !sim_check_wants(SIM_CHECK_RACE | SIM_CHECK_HOST) ||
      !sim_region_at((uintptr_t)address))
    return;
  const uintptr_t low = (uintptr_t)address, high = low + bytes;
  pthread_mutex_lock(&lock);
  bool found = check_kernels(op, low, high, write);
  for (size_t i = 0; i < bulk_count && !found; i++) {
    const sim_range *b = &bulks[i];
    if (b->low >= high || low >= b->high || !(write || b->write) || before(b->op, op)) continue;
    report(op, b->op, b->low > low ? b->low : low, write, b->write, 0);
    found = true;
  }
  if (bulk_count == bulk_room) {
    const size_t room = bulk_room ? 2 * bulk_room : 64;
    sim_range *grown = realloc(bulks, room * sizeof *grown);
    if (grown) {
      bulks = grown;
      bulk_room = room;
    }
  }
  if (bulk_count < bulk_room) bulks[bulk_count++] = (sim_range){low, high, op, write};
  pthread_mutex_unlock(&lock);
}

void sim_check_rows(unsigned op, const void *address, size_t width, size_t pitch, size_t rows, bool write) {
  if (!op || !rows) return;
  sim_check_argument(address, pitch * (rows - 1) + width, sim_op_name(op));
  if (pitch == width) {
    width *= rows;
    rows = 1;
  }
  for (size_t i = 0; i < rows; i++) {
    const char *row = (const char *)address + i * pitch;
    sim_check_range(op, row, width, write);
    if (write) sim_check_copied(row, NULL, width);
  }
}

// ---------------------------------------------------------------- events and waits

// Locked.
static event_state *event_of(const void *event, bool make) {
  for (size_t i = 0; i < event_count; i++)
    if (events[i].event == event) return &events[i];
  if (!make) return NULL;
  if (event_count == event_room) {
    const size_t room = event_room ? 2 * event_room : 64;
    event_state *grown = realloc(events, room * sizeof *grown);
    if (!grown) return NULL;
    events = grown;
    event_room = room;
  }
  events[event_count] = (event_state){.event = event};
  return &events[event_count++];
}

void sim_check_event_record(const void *event, const sim_check_stream *s) {
  if (!sim_check_on()) return;
  pthread_mutex_lock(&lock);
  const int index = index_of(s);
  gather(index);
  event_state *e = event_of(event, true);
  if (e) e->after = streams[index]->after;
  pthread_mutex_unlock(&lock);
}

void sim_check_event_wait(const sim_check_stream *s, const void *event) {
  if (!sim_check_on()) return;
  pthread_mutex_lock(&lock);
  const event_state *e = event_of(event, false);
  if (e) join(&streams[index_of(s)]->after, &e->after);
  pthread_mutex_unlock(&lock);
}

static void meet(const sim_check_stream *s, int device, bool before_it) {
  if (!sim_check_on()) return;
  pthread_mutex_lock(&lock);
  stream_state *copy = streams[index_of(s)];
  // Streams that come into being later hear of it from the device's default stream.
  index_of(&(sim_check_stream){.device = device, .legacy = true});
  for (int i = 0; i < stream_count; i++) {
    if (streams[i]->device != device) continue;
    if (before_it)
      join(&copy->after, &streams[i]->after);
    else
      join(&streams[i]->after, &copy->after);
  }
  pthread_mutex_unlock(&lock);
}

void sim_check_device_before(const sim_check_stream *s, int device) {
  meet(s, device, true);
}

void sim_check_device_behind(const sim_check_stream *s, int device) {
  meet(s, device, false);
}

void sim_check_event_destroy(const void *event) {
  if (!sim_check_on()) return;
  pthread_mutex_lock(&lock);
  event_state *e = event_of(event, false);
  if (e) *e = events[--event_count];
  pthread_mutex_unlock(&lock);
}

void sim_check_host_waits_event(const void *event) {
  if (!sim_check_on()) return;
  pthread_mutex_lock(&lock);
  const event_state *e = event_of(event, false);
  if (e) join(&host, &e->after);
  pthread_mutex_unlock(&lock);
  sim_host_release();
}

void sim_check_host_waits_stream(const sim_check_stream *s) {
  if (!sim_check_on()) return;
  pthread_mutex_lock(&lock);
  const int index = index_of(s);
  gather(index);
  join(&host, &streams[index]->after);
  pthread_mutex_unlock(&lock);
  sim_host_release();
}

void sim_check_host_waits_device(int device) {
  if (!sim_check_on()) return;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < stream_count; i++)
    if (streams[i]->device == device) join(&host, &streams[i]->after);
  pthread_mutex_unlock(&lock);
  sim_host_release();
}
