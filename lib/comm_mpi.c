// SPDX-License-Identifier: MIT
// Ranks that an MPI launcher started. MPI moves the data; around it stands what MPI has not: before every
// collective each rank tells all others which call it makes, so that a mismatch is an error with names before
// any data move, and a rank that does not come is named at the deadline. Nothing here waits inside MPI: all
// calls are started and then asked about.
//
// Sums are in rank order, made of an all-to-all of shards, additions here, and an all-gather: as many bytes
// as MPI's own all-reduce, which adds in an order of its choice.
//
// A rank that dies is the launcher's business: it ends the job with SIGTERM, and the ranks say on their way
// out what they were waiting for.
#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "comm_internal.h"
#include "heddle/error.h"
#include "heddle/launch.h"

enum { DEFAULT_DEADLINE_S = 30, TAGS = 32768, EAGER_TURNS = 200 };
static const double SAYS_AFTER_S = 0.02;

// What this rank would say if it were ended now; length 0: nothing.
static char last_words[512];
static volatile sig_atomic_t last_words_length;

static void on_end(int signal_number) {
  if (last_words_length > 0 && write(STDERR_FILENO, last_words, (size_t)last_words_length) < 0) _exit(1);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

static void say_at_end(const hd_comm *c, const hd_call *call) {
  char text[160];
  last_words_length = 0;
  const int n = snprintf(last_words, sizeof last_words, "heddle: rank %d: %s: ended by the launcher\n",
                         c->rank, hd_meet_describe(call, text, sizeof text));
  last_words_length = n;
}

// ---------------------------------------------------------------- waiting

// Until all requests are done. done[] tells which were when the deadline came.
static bool wait_all(const hd_comm *c, const hd_call *call, int count, MPI_Request *requests, bool *done) {
  const double start = hd_meet_now();
  bool said = false;
  for (int turn = 0;; turn++) {
    int left = 0;
    for (int i = 0; i < count; i++) {
      int now = done[i];
      if (!now) MPI_Test(&requests[i], &now, MPI_STATUS_IGNORE);
      done[i] = now != 0;
      left += !now;
    }
    if (left == 0) break;
    if (turn < EAGER_TURNS) continue;
    const double waited = hd_meet_now() - start;
    if (waited > c->group->deadline_s) return false;
    if (!said && waited > SAYS_AFTER_S) {
      say_at_end(c, call);
      said = true;
    }
    sched_yield();
  }
  last_words_length = 0;
  return true;
}

// A collective of MPI that was started.
static int finish(hd_comm *c, const hd_call *call, MPI_Request *request) {
  bool done = false;
  char text[160];
  if (wait_all(c, call, 1, request, &done)) return 0;
  return hd_comm_fail(c, "rank %d: %s: not all ranks finished within %g s", c->rank,
                      hd_meet_describe(call, text, sizeof text), c->group->deadline_s);
}

// ---------------------------------------------------------------- meeting

// What ranks tell each other.
typedef struct card {
  uint64_t sequence, count;
  int32_t operation, reduce_op, root, type;
} card;

static card card_of(const hd_call *call) {
  return (card){.sequence = call->sequence,
                .count = call->count,
                .operation = (int32_t)call->operation,
                .reduce_op = (int32_t)call->reduce_op,
                .root = call->root,
                .type = (int32_t)call->type};
}

static hd_call call_of(const card *k) {
  return (hd_call){.sequence = k->sequence,
                   .count = k->count,
                   .operation = (enum hd_operation)k->operation,
                   .reduce_op = (enum hd_reduce_op)k->reduce_op,
                   .root = k->root,
                   .type = (enum hd_type)k->type};
}

static int missing(hd_comm *c, const hd_call *call, const bool *heard) {
  char text[160], ranks[240] = "";
  for (int r = 0; r < c->world; r++) {
    const size_t used = strlen(ranks);
    if (!heard[r]) snprintf(ranks + used, sizeof ranks - used, "%srank %d", used ? ", " : "", r);
  }
  return hd_comm_fail(c, "rank %d: %s: waited %g s for %s", c->rank,
                      hd_meet_describe(call, text, sizeof text), c->group->deadline_s, ranks);
}

static int compare(hd_comm *c, const hd_call *call, const card *own, const card *cards) {
  for (int r = 0; r < c->world; r++) {
    if (memcmp(own, &cards[r], sizeof *own) == 0) continue;
    char mine[160], theirs[160];
    const hd_call other = call_of(&cards[r]);
    return hd_comm_fail(c, "mismatch: rank %d calls %s, but rank %d calls %s", c->rank,
                        hd_meet_describe(call, mine, sizeof mine), r,
                        hd_meet_describe(&other, theirs, sizeof theirs));
  }
  return 0;
}

// 0: all ranks are here with the same call.
static int meet(hd_comm *c, hd_call *call) {
  if (hd_comm_failed(c)) return -1;
  call->sequence = ++c->sequence[HD_LANE_CALLS];
  c->last = call->operation;
  c->last_sequence = call->sequence;
  // After a deadline some stay open until the process ends.
  static card cards[HD_MOST_RANKS], own;
  static MPI_Request heard[HD_MOST_RANKS], told[HD_MOST_RANKS];
  own = card_of(call);
  bool in[HD_MOST_RANKS] = {false}, out[HD_MOST_RANKS] = {false};
  const int tag = (int)(call->sequence % TAGS);
  cards[c->rank] = own;
  in[c->rank] = out[c->rank] = true;
  for (int r = 0; r < c->world; r++) {
    if (r == c->rank) continue;
    MPI_Irecv(&cards[r], sizeof own, MPI_BYTE, r, tag, MPI_COMM_WORLD, &heard[r]);
    MPI_Isend(&own, sizeof own, MPI_BYTE, r, tag, MPI_COMM_WORLD, &told[r]);
  }
  if (!wait_all(c, call, c->world, heard, in)) return missing(c, call, in);
  if (!wait_all(c, call, c->world, told, out)) return missing(c, call, out);
  return compare(c, call, &own, cards);
}

// ---------------------------------------------------------------- moving

static MPI_Datatype type_of(const hd_call *call) {
  return call->type == HD_F32 ? MPI_FLOAT : call->type == HD_I32 ? MPI_INT32_T : MPI_UINT16_T;
}

static void *scratch(hd_comm *c, size_t bytes) {
  if (c->scratch_bytes < bytes) {
    free(c->scratch);
    c->scratch = hd_alloc(bytes, 1);
    c->scratch_bytes = bytes;
  }
  return c->scratch;
}

// MPI counts in int.
static int too_long(hd_comm *c, const hd_call *call, size_t elements) {
  if (elements <= INT_MAX) return 0;
  char text[160];
  return hd_comm_fail(c, "rank %d: %s: MPI moves at most %d elements at once", c->rank,
                      hd_meet_describe(call, text, sizeof text), INT_MAX);
}

// out = the sum, in rank order, of this rank's share of everybody's input; shares of counts[] from offsets[].
static int sum_shares(hd_comm *c, const hd_call *call, const int *counts, const int *offsets, void *out) {
  const int mine = counts[c->rank];
  const size_t bytes = (size_t)mine * hd_type_bytes(call->type);
  char *inbox = scratch(c, bytes * (size_t)c->world);
  int arriving[HD_MOST_RANKS], places[HD_MOST_RANKS];
  const void *in[HD_MOST_RANKS];
  for (int r = 0; r < c->world; r++) {
    arriving[r] = mine;
    places[r] = r * mine;
    in[r] = inbox + (size_t)r * bytes;
  }
  MPI_Request request;
  MPI_Ialltoallv(call->in, counts, offsets, type_of(call), inbox, arriving, places, type_of(call),
                 MPI_COMM_WORLD, &request);
  if (finish(c, call, &request)) return -1;
  if (mine > 0) hd_combine_ranks(call->type, out, in, c->world, 0, (size_t)mine, call->reduce_op);
  return 0;
}

static int all_reduce(hd_comm *c, int lane, hd_call *call) {
  (void)lane;
  if (meet(c, call) || too_long(c, call, call->count)) return -1;
  const uint64_t others = (uint64_t)c->world - 1;
  hd_comm_count(c, 2 * others, 2 * others * call->count * hd_type_bytes(call->type) / (uint64_t)c->world);
  int counts[HD_MOST_RANKS], offsets[HD_MOST_RANKS];
  for (int r = 0; r < c->world; r++) {
    size_t offset, length;
    hd_shard(call->count, r, c->world, &offset, &length);
    counts[r] = (int)length;
    offsets[r] = (int)offset;
  }
  char *own = (char *)call->out + (size_t)offsets[c->rank] * hd_type_bytes(call->type);
  if (sum_shares(c, call, counts, offsets, own)) return -1;
  MPI_Request request;
  MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, call->out, counts, offsets, type_of(call),
                  MPI_COMM_WORLD, &request);
  return finish(c, call, &request);
}

static int reduce(hd_comm *c, hd_call *call) {
  if (meet(c, call) || too_long(c, call, call->count * (size_t)c->world)) return -1;
  const size_t bytes = call->count * hd_type_bytes(call->type);
  const bool root = c->rank == call->root;
  char *inbox = root ? scratch(c, bytes * (size_t)c->world) : NULL;
  if (!root) hd_comm_count(c, 1, bytes);
  MPI_Request request;
  MPI_Igather(call->in, (int)call->count, type_of(call), inbox, (int)call->count, type_of(call), call->root,
              MPI_COMM_WORLD, &request);
  if (finish(c, call, &request)) return -1;
  const void *in[HD_MOST_RANKS];
  for (int r = 0; r < c->world; r++) in[r] = inbox + (size_t)r * bytes;
  if (root && call->count > 0)
    hd_combine_ranks(call->type, call->out, in, c->world, 0, call->count, call->reduce_op);
  return 0;
}

static int broadcast(hd_comm *c, hd_call *call) {
  if (meet(c, call) || too_long(c, call, call->count)) return -1;
  const uint64_t others = (uint64_t)c->world - 1;
  if (c->rank == call->root) hd_comm_count(c, others, others * call->count * hd_type_bytes(call->type));
  MPI_Request request;
  MPI_Ibcast(call->out, (int)call->count, type_of(call), call->root, MPI_COMM_WORLD, &request);
  return finish(c, call, &request);
}

static int reduce_scatter(hd_comm *c, hd_call *call) {
  if (meet(c, call) || too_long(c, call, call->count * (size_t)c->world)) return -1;
  const uint64_t others = (uint64_t)c->world - 1;
  hd_comm_count(c, others, others * call->count * hd_type_bytes(call->type));
  int counts[HD_MOST_RANKS], offsets[HD_MOST_RANKS];
  for (int r = 0; r < c->world; r++) {
    counts[r] = (int)call->count;
    offsets[r] = r * (int)call->count;
  }
  return sum_shares(c, call, counts, offsets, call->out);
}

static int all_gather(hd_comm *c, hd_call *call) {
  if (meet(c, call) || too_long(c, call, call->count * (size_t)c->world)) return -1;
  const uint64_t others = (uint64_t)c->world - 1;
  const size_t bytes = call->count * hd_type_bytes(call->type);
  char *own = (char *)call->out + (size_t)c->rank * bytes;
  hd_comm_count(c, others, others * bytes);
  if (bytes > 0 && own != call->in) memcpy(own, call->in, bytes);
  MPI_Request request;
  MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, call->out, (int)call->count, type_of(call),
                 MPI_COMM_WORLD, &request);
  return finish(c, call, &request);
}

// Who has heard from all others knows that all have come.
static int barrier(hd_comm *c, hd_call *call) {
  return meet(c, call);
}

// ---------------------------------------------------------------- the rest

// MPI goes on only while it is called: there is nothing to overlap with.
static int start(hd_comm *c, hd_call *call) {
  return all_reduce(c, HD_LANE_CALLS, call);
}

static int wait_started(hd_comm *c, int handle) {
  (void)handle;
  return hd_comm_failed(c) ? -1 : 0;
}

static int open_mpi(hd_comm *c) {
  (void)c;
  return 0;
}

static void close_mpi(hd_comm *c) {
  (void)c;
}

static const hd_backend_table mpi_backend = {
    .open = open_mpi,
    .close = close_mpi,
    .release = close_mpi,
    .stream = hd_no_stream,
    .barrier = barrier,
    .all_reduce = all_reduce,
    .reduce = reduce,
    .broadcast = broadcast,
    .reduce_scatter = reduce_scatter,
    .all_gather = all_gather,
    .start = start,
    .wait = wait_started,
    .collectives_only = true,
};

bool hd_mpi_started(void) {
  return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMI_SIZE") || getenv("PMIX_RANK");
}

int hd_mpi_run(int threads_per_rank, double deadline_s, void (*body)(hd_comm *comm, void *arg), void *arg) {
  int rank, world, given;
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // no rank outlives its launcher
  MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world);
  if (world > HD_MOST_RANKS) {
    if (rank == 0) fprintf(stderr, "heddle: %d ranks; at most %d are possible\n", world, HD_MOST_RANKS);
    MPI_Abort(MPI_COMM_WORLD, HD_EXIT_USAGE);
  }
  signal(SIGTERM, on_end);
  hd_group *g = hd_group_new(world, NULL, NULL);
  g->order = HD_ORDER_RANK;
  g->deadline_s = deadline_s > 0 ? deadline_s : DEFAULT_DEADLINE_S;
  g->backend = &mpi_backend;
  hd_comm c = {.group = g, .rank = rank, .world = world, .threads = threads_per_rank, .number = rank};
  hd_group_take_part(&c, body, arg);
  if (c.failed) {
    fprintf(stderr, "heddle: %s\n", g->verdict->error);
    MPI_Abort(MPI_COMM_WORLD, HD_EXIT_FAILURE);
  }
  hd_group_release(&c);
  hd_group_free(g);
  MPI_Finalize();
  return 0;
}
