// SPDX-License-Identifier: MIT
// How ranks meet. Every rank has a slot that only it writes; a barrier is: write your own flag, read all the
// others'. A waiting rank spins for a moment, then yields, then sleeps on its slot's futex until the last
// arrival wakes it.
//
// Leaving after a failure is the delicate part: a rank that gives up may free its buffers, so nobody may
// still be about to use them. A rank that gives up first sets `failed`, then looks at the arrivals; a rank
// that arrives first sets its flag, then looks at `failed` (all sequentially consistent, hence the
// exchange-like stores). So either the late rank sees the failure and moves nothing, or the one that gave up
// sees that all had arrived, and waits for them.
#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "comm_internal.h"

enum { SPIN_TURNS = 200, YIELD_TURNS = 2000, YIELD_TURNS_CROWDED = 4 };

static uint64_t load(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}
static uint64_t load_in_order(const uint64_t *word) {
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
static void store_in_order(uint64_t *word, uint64_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}
static bool flag(const uint32_t *word) {
  return __atomic_load_n(word, __ATOMIC_SEQ_CST) != 0;
}

double hd_meet_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// ---------------------------------------------------------------- sleeping and waking

// Threads of one process are found faster.
static int futex(const hd_group *g, int operation) {
  return g->whole->memory ? operation : operation | FUTEX_PRIVATE_FLAG;
}

static void wake(const hd_group *g, hd_slot *slot) {
  if (!flag(&slot->sleeping)) return;
  __atomic_fetch_add(&slot->wake, 1, __ATOMIC_SEQ_CST);
  syscall(SYS_futex, &slot->wake, futex(g, FUTEX_WAKE), 1, NULL, NULL, 0);
}

void hd_meet_wake(const hd_comm *c, int lane) {
  wake(c->group, &c->group->slots[lane][c->rank]);
}

void hd_meet_wake_all(hd_group *g) {
  for (int lane = 0; lane < HD_LANES; lane++)
    for (int r = 0; r < g->world; r++) wake(g, &g->slots[lane][r]);
}

static void sleep_on(hd_slot *own, const uint64_t *word, uint64_t value, const hd_group *g, bool heed_failure,
                     double seconds) {
  const uint32_t expected = __atomic_load_n(&own->wake, __ATOMIC_SEQ_CST);
  __atomic_store_n(&own->sleeping, 1, __ATOMIC_SEQ_CST);
  // Whoever wrote the word before it saw `sleeping` will not wake us, so look once more.
  if (load_in_order(word) < value && !(heed_failure && flag(&g->whole->verdict->failed))) {
    // A rank that ends wakes everybody, but a short limit costs nothing and forgives a lost wake-up.
    const double most = seconds < 0.1 ? seconds : 0.1;
    const struct timespec limit = {.tv_sec = 0, .tv_nsec = (long)(most * 1e9)};
    if (most > 0) syscall(SYS_futex, &own->wake, futex(g, FUTEX_WAIT), expected, &limit, NULL, 0);
  }
  __atomic_store_n(&own->sleeping, 0, __ATOMIC_SEQ_CST);
}

enum outcome { NOT_YET, REACHED, FAILED, ENDED, EXPIRED, DEADLOCK };

// What has happened so far.
static enum outcome look(const hd_comm *c, const uint64_t *word, uint64_t value, int peer,
                         bool heed_failure) {
  const hd_group *g = c->group;
  if (load(word) >= value) return REACHED;
  if (heed_failure && flag(&g->whole->verdict->failed)) return FAILED;
  if (flag(&g->ended[peer])) return load_in_order(word) >= value ? REACHED : ENDED;
  return NOT_YET;
}

uintptr_t hd_meet_place(const hd_group *g, const uint64_t *word) {
  return (uintptr_t)word - (uintptr_t)g->whole->memory;
}

static enum outcome wait_asleep(hd_comm *c, int lane, const uint64_t *word, uint64_t value, int peer,
                                bool heed_failure) {
  const hd_group *g = c->group;
  const bool arrival = word == &g->slots[lane][peer].arrived;
  const double until = hd_meet_now() + g->deadline_s;
  enum outcome outcome = NOT_YET;
  hd_deadlock_wait(c, lane,
                   (hd_waiting){.lane = lane,
                                .peer = arrival ? HD_ALL_RANKS : peer,
                                .word = hd_meet_place(g, word),
                                .value = value});
  while (outcome == NOT_YET) {
    const double left = until - hd_meet_now();
    outcome = look(c, word, value, peer, heed_failure);
    if (outcome != NOT_YET) break;
    if (left <= 0)
      outcome = EXPIRED;
    else if (heed_failure && hd_deadlock_found(c, lane))
      outcome = DEADLOCK;
    else
      sleep_on(&g->slots[lane][c->rank], word, value, g, heed_failure, left);
  }
  hd_deadlock_go_on(c, lane);
  return outcome;
}

// Waits until *word ≥ value, which is the peer's doing. FAILED: the communicator was poisoned (unless it is
// not to be heeded). ENDED: the peer's body has returned without reaching it. EXPIRED: the deadline has
// passed. DEADLOCK: the peer waits for this rank.
static enum outcome wait_for(hd_comm *c, int lane, const uint64_t *word, uint64_t value, int peer,
                             bool heed_failure) {
  const hd_group *g = c->group;
  if (load(word) >= value) return REACHED;
  if (g->spin)
    for (int turn = 0; turn < SPIN_TURNS; turn++) {
      relax();
      if (load(word) >= value) return REACHED;
    }
  for (int turn = 0; turn < (g->spin ? YIELD_TURNS : YIELD_TURNS_CROWDED); turn++) {
    const enum outcome outcome = look(c, word, value, peer, heed_failure);
    if (outcome != NOT_YET) return outcome;
    sched_yield();
  }
  return wait_asleep(c, lane, word, value, peer, heed_failure);
}

// ---------------------------------------------------------------- words for messages

static const char *const NAMES[] = {"nothing", "barrier",   "all_reduce",     "all_reduce_start",
                                    "reduce",  "broadcast", "reduce_scatter", "all_gather",
                                    "send",    "recv",      "split"};
static const char *const TYPES[] = {"floats", "doubles", "int32", "bytes", "bf16", "fp16"};

const char *hd_meet_describe(const hd_call *call, char *text, size_t size) {
  static const char *const REDUCTIONS[] = {"sum", "max", "min"};
  int n = snprintf(text, size, "%s #%llu", NAMES[call->operation], (unsigned long long)call->sequence);
  if (call->operation != HD_OP_BARRIER && call->operation != HD_OP_SPLIT)
    n += snprintf(text + n, size - (size_t)n, " of %zu %s", call->count, TYPES[call->type]);
  if (call->operation == HD_OP_ALL_REDUCE || call->operation == HD_OP_ALL_REDUCE_START ||
      call->operation == HD_OP_REDUCE_SCATTER)
    snprintf(text + n, size - (size_t)n, " (%s)", REDUCTIONS[call->reduce_op]);
  else if (call->operation == HD_OP_REDUCE)
    snprintf(text + n, size - (size_t)n, " (%s, root %d)", REDUCTIONS[call->reduce_op], call->root);
  else if (call->operation == HD_OP_BROADCAST)
    snprintf(text + n, size - (size_t)n, " (root %d)", call->root);
  else if (call->operation == HD_OP_SEND)
    snprintf(text + n, size - (size_t)n, " to rank %d", call->root);
  else if (call->operation == HD_OP_RECV)
    snprintf(text + n, size - (size_t)n, " from rank %d", call->root);
  return text;
}

static void set_last(hd_comm *c, const hd_call *call) {
  c->last = call->operation;
  c->last_sequence = call->sequence;
}

const char *hd_meet_last(const hd_comm *c, char *text, size_t size) {
  if (c->last == HD_OP_NONE)
    snprintf(text, size, "before its first operation");
  else
    snprintf(text, size, "behind %s #%llu", NAMES[c->last], (unsigned long long)c->last_sequence);
  return text;
}

// What a missing rank was doing instead.
static const char *whereabouts(const hd_group *g, int rank, char *text, size_t size) {
  const uint32_t busy = __atomic_load_n(&g->busy[rank], __ATOMIC_RELAXED);
  const enum hd_operation operation = (enum hd_operation)(busy >> 8);
  const uint32_t ended = __atomic_load_n(&g->ended[rank], __ATOMIC_SEQ_CST);
  if (ended >= HD_KILLED)
    snprintf(text, size, "rank %d (killed by signal %d, %s)", rank, (int)ended - HD_KILLED,
             strsignal((int)ended - HD_KILLED));
  else if (ended)
    snprintf(text, size, "rank %d (has ended)", rank);
  else if (operation == HD_OP_NONE)
    snprintf(text, size, "rank %d (in %s)", rank,
             hd_deadlock_waits(g, rank) ? "an operation of another communicator" : "no operation");
  else if (operation == HD_OP_SEND || operation == HD_OP_RECV)
    snprintf(text, size, "rank %d (in %s with rank %u)", rank, NAMES[operation], busy & 255);
  else
    snprintf(text, size, "rank %d (in %s)", rank, NAMES[operation]);
  return text;
}

// What a helper does is not what its rank does.
static void set_busy(hd_comm *c, int lane, enum hd_operation operation, int peer) {
  if (lane == HD_LANE_CALLS || !c->group->backend->has_helpers)
    __atomic_store_n(&c->group->busy[c->rank], (uint32_t)operation << 8 | (uint32_t)peer, __ATOMIC_RELAXED);
}

void hd_meet_busy(hd_comm *c, bool waits) {
  set_busy(c, HD_LANE_CALLS, waits ? HD_OP_ALL_REDUCE_START : HD_OP_NONE, 0);
}

// ---------------------------------------------------------------- collectives

static bool all_arrived(const hd_comm *c, int lane, uint64_t sequence) {
  for (int r = 0; r < c->world; r++)
    if (load_in_order(&c->group->slots[lane][r].arrived) < sequence) return false;
  return true;
}

static bool all_left(const hd_comm *c, int lane, uint64_t sequence) {
  for (int r = 0; r < c->world; r++)
    if (load_in_order(&c->group->slots[lane][r].left) < sequence) return false;
  return true;
}

static void wake_lane(const hd_comm *c, int lane) {
  for (int r = 0; r < c->world; r++)
    if (r != c->rank) wake(c->group, &c->group->slots[lane][r]);
}

static void set_left(hd_comm *c, int lane) {
  hd_slot *own = &c->group->slots[lane][c->rank];
  store_in_order(&own->left, c->sequence[lane]);
  if (all_left(c, lane, c->sequence[lane])) wake_lane(c, lane);
  set_busy(c, lane, HD_OP_NONE, 0);
}

int hd_meet_pass(hd_comm *c, int lane) {
  // No wake-up: only a rank that gives up waits for this, and it looks again by itself.
  __atomic_store_n(&c->group->slots[lane][c->rank].left, c->sequence[lane], __ATOMIC_RELEASE);
  set_busy(c, lane, HD_OP_NONE, 0);
  return 0;
}

// The first rank that did not leave within the deadline, or -1.
static int wait_until_left(hd_comm *c, int lane) {
  for (int r = 0; r < c->world; r++)
    if (wait_for(c, lane, &c->group->slots[lane][r].left, c->sequence[lane], r, false) != REACHED) return r;
  return -1;
}

// After a failure: see the top of the file.
static int withdraw(hd_comm *c, int lane) {
  set_left(c, lane);
  if (all_arrived(c, lane, c->sequence[lane])) wait_until_left(c, lane);
  hd_comm_failed(c);
  return -1;
}

static int missing(hd_comm *c, int lane, const hd_call *call, enum outcome why) {
  char text[160], ranks[240] = "", one[96];
  for (int r = 0; r < c->world; r++) {
    if (load_in_order(&c->group->slots[lane][r].arrived) >= call->sequence) continue;
    const size_t used = strlen(ranks);
    snprintf(ranks + used, sizeof ranks - used, "%s%s", used ? ", " : "",
             whereabouts(c->group, r, one, sizeof one));
  }
  hd_meet_describe(call, text, sizeof text);
  if (why == ENDED) return hd_comm_fail(c, "rank %d: %s: missing %s", c->rank, text, ranks);
  if (why == DEADLOCK)
    return hd_comm_fail(c, "rank %d: %s: deadlock: waits for %s, who waits for this rank", c->rank, text,
                        ranks);
  return hd_comm_fail(c, "rank %d: %s: waited %g s for %s", c->rank, text, c->group->deadline_s, ranks);
}

static bool same(const hd_call *a, const hd_call *b) {
  return a->sequence == b->sequence && a->operation == b->operation && a->reduce_op == b->reduce_op &&
         a->count == b->count && a->type == b->type && a->root == b->root;
}

const hd_call *hd_meet_call(const hd_comm *c, int lane, int rank) {
  return &c->group->slots[lane][rank].call[c->sequence[lane] & 1];
}

// Every rank reads the same calls, so all come to the same verdict.
static int compare(hd_comm *c, int lane, const hd_call *call) {
  for (int r = 0; r < c->world; r++) {
    const hd_call *theirs = hd_meet_call(c, lane, r);
    if (same(call, theirs)) continue;
    char mine_text[160], their_text[160];
    return hd_comm_fail(c, "mismatch: rank %d calls %s, but rank %d calls %s", c->rank,
                        hd_meet_describe(call, mine_text, sizeof mine_text), r,
                        hd_meet_describe(theirs, their_text, sizeof their_text));
  }
  return 0;
}

int hd_meet_enter(hd_comm *c, int lane, hd_call *call) {
  hd_group *g = c->group;
  if (hd_comm_failed(c)) return -1;
  hd_slot *own = &g->slots[lane][c->rank];
  call->sequence = ++c->sequence[lane];
  if (lane == HD_LANE_CALLS) set_last(c, call);
  own->call[call->sequence & 1] = *call;
  set_busy(c, lane, call->operation, 0);
  store_in_order(&own->arrived, call->sequence);
  if (all_arrived(c, lane, call->sequence)) wake_lane(c, lane);
  for (int r = 0; r < c->world; r++) {
    const enum outcome outcome = wait_for(c, lane, &g->slots[lane][r].arrived, call->sequence, r, true);
    if (outcome == REACHED) continue;
    if (outcome != FAILED) missing(c, lane, call, outcome);
    return withdraw(c, lane);
  }
  if (flag(&g->whole->verdict->failed) || compare(c, lane, call)) return withdraw(c, lane);
  return 0;
}

int hd_meet_leave(hd_comm *c, int lane) {
  set_left(c, lane);
  const int late = wait_until_left(c, lane);
  if (late >= 0) {
    char text[160];
    hd_comm_fail(c, "rank %d: %s: rank %d did not finish within %g s", c->rank,
                 hd_meet_describe(hd_meet_call(c, lane, c->rank), text, sizeof text), late,
                 c->group->deadline_s);
  }
  return hd_comm_failed(c) ? -1 : 0;
}

// ---------------------------------------------------------------- steps within a collective

uint64_t hd_meet_pieces(const hd_comm *c, int lane) {
  return c->group->slots[lane][c->rank].progress;
}

void hd_meet_advance(hd_comm *c, int lane, int whom) {
  hd_slot *own = &c->group->slots[lane][c->rank];
  store_in_order(&own->progress, own->progress + 1);
  if (whom >= 0)
    wake(c->group, &c->group->slots[lane][whom]);
  else
    wake_lane(c, lane);
}

int hd_meet_progress(hd_comm *c, int lane, int rank, uint64_t pieces) {
  const enum outcome outcome = wait_for(c, lane, &c->group->slots[lane][rank].progress, pieces, rank, true);
  if (outcome == REACHED) return 0;
  char text[160];
  char where[96];
  hd_meet_describe(hd_meet_call(c, lane, c->rank), text, sizeof text);
  if (outcome == ENDED)
    hd_comm_fail(c, "rank %d: %s: missing %s", c->rank, text,
                 whereabouts(c->group, rank, where, sizeof where));
  else if (outcome != FAILED)
    hd_comm_fail(c, "rank %d: %s: rank %d did not go on within %g s", c->rank, text, rank,
                 c->group->deadline_s);
  return withdraw(c, lane);
}

// ---------------------------------------------------------------- pairs

static hd_mailbox *mailbox(const hd_comm *c, int receiver, int sender, uint64_t message) {
  return &c->group->mailboxes[(receiver * c->world + sender) * HD_OPEN_RECEIVES + message % HD_OPEN_RECEIVES];
}

// The stage at which a message's box is empty for it.
static uint64_t empty_stage(uint64_t message) {
  return 3 * (message / HD_OPEN_RECEIVES);
}

static int pair_failed(hd_comm *c, const hd_call *call, int peer, enum outcome why) {
  char text[160], where[96];
  hd_meet_describe(call, text, sizeof text);
  whereabouts(c->group, peer, where, sizeof where);
  if (why == ENDED) hd_comm_fail(c, "rank %d: %s: missing %s", c->rank, text, where);
  if (why == DEADLOCK)
    hd_comm_fail(c, "rank %d: %s: deadlock: waits for %s, who waits for this rank", c->rank, text, where);
  if (why == EXPIRED)
    hd_comm_fail(c, "rank %d: %s: waited %g s for %s", c->rank, text, c->group->deadline_s, where);
  hd_comm_failed(c);
  set_busy(c, HD_LANE_CALLS, HD_OP_NONE, 0);
  return -1;
}

int hd_meet_post(hd_comm *c, hd_call *call, int peer) {
  if (hd_comm_failed(c)) return -1;
  if (c->posted[peer] - c->ended[peer] == HD_OPEN_RECEIVES)
    return hd_comm_fail(c, "rank %d: more than %d open receives from rank %d", c->rank, HD_OPEN_RECEIVES,
                        peer);
  const uint64_t message = c->posted[peer]++;
  hd_mailbox *box = mailbox(c, c->rank, peer, message);
  call->sequence = message + 1;
  set_last(c, call);
  call->root = peer;
  box->call = *call;
  store_in_order(&box->stage, empty_stage(message) + 1);
  wake(c->group, &c->group->slots[HD_LANE_CALLS][peer]);
  return 0;
}

int hd_meet_post_end(hd_comm *c, int peer) {
  if (c->ended[peer] == c->posted[peer])
    return hd_comm_fail(c, "rank %d: waits for a receive from rank %d that it did not start", c->rank, peer);
  const uint64_t message = c->ended[peer]++, posted = empty_stage(message) + 1;
  hd_mailbox *box = mailbox(c, c->rank, peer, message);
  set_busy(c, HD_LANE_CALLS, HD_OP_RECV, peer);
  const enum outcome outcome = wait_for(c, HD_LANE_CALLS, &box->stage, posted + 2, peer, true);
  if (outcome != REACHED) {
    // Take the message back; where the sender has claimed it already, let it finish.
    uint64_t expected = posted;
    if (!__atomic_compare_exchange_n(&box->stage, &expected, posted - 1, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST))
      wait_for(c, HD_LANE_CALLS, &box->stage, posted + 2, peer, false);
    return pair_failed(c, &box->call, peer, outcome);
  }
  set_busy(c, HD_LANE_CALLS, HD_OP_NONE, 0);
  return hd_comm_failed(c) ? -1 : 0;
}

void hd_meet_end_posts(hd_comm *c) {
  for (int peer = 0; peer < c->world; peer++) {
    const uint64_t open = c->posted[peer] - c->ended[peer];
    if (open > 0 && !hd_comm_failed(c))
      hd_comm_fail(c, "rank %d ended without waiting for %llu receives: recv #%llu from rank %d is the first",
                   c->rank, (unsigned long long)open, (unsigned long long)c->ended[peer] + 1, peer);
    while (c->ended[peer] < c->posted[peer]) hd_meet_post_end(c, peer);
  }
}

int hd_meet_claim(hd_comm *c, hd_call *call, int peer, hd_call *theirs) {
  if (hd_comm_failed(c)) return -1;
  const uint64_t message = c->claimed[peer]++;
  uint64_t posted = empty_stage(message) + 1;
  hd_mailbox *box = mailbox(c, peer, c->rank, message);
  call->sequence = message + 1;
  set_last(c, call);
  call->root = peer;
  set_busy(c, HD_LANE_CALLS, call->operation, peer);
  const enum outcome outcome = wait_for(c, HD_LANE_CALLS, &box->stage, posted, peer, true);
  if (outcome != REACHED) return pair_failed(c, call, peer, outcome);
  if (!__atomic_compare_exchange_n(&box->stage, &posted, posted + 1, false, __ATOMIC_SEQ_CST,
                                   __ATOMIC_SEQ_CST))
    return pair_failed(c, call, peer, FAILED);
  *theirs = box->call;
  if (theirs->count == call->count && theirs->type == call->type) return 0;
  char mine_text[160], their_text[160];
  hd_comm_fail(c, "mismatch: rank %d calls %s, but rank %d calls %s", c->rank,
               hd_meet_describe(call, mine_text, sizeof mine_text), peer,
               hd_meet_describe(theirs, their_text, sizeof their_text));
  hd_meet_taken(c, peer);
  return -1;
}

void hd_meet_taken(hd_comm *c, int peer) {
  const uint64_t message = c->claimed[peer] - 1;
  store_in_order(&mailbox(c, peer, c->rank, message)->stage, empty_stage(message) + 3);
  set_busy(c, HD_LANE_CALLS, HD_OP_NONE, 0);
  wake(c->group, &c->group->slots[HD_LANE_CALLS][peer]);
}
