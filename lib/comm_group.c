// SPDX-License-Identifier: MIT
// Ranks as threads of one process: started together, failing together, ending together.
#include <assert.h>
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "comm_internal.h"
#include "heddle/error.h"

enum { DEFAULT_DEADLINE_S = 30, GATE_CLOSED = 0, GATE_OPEN = 1, GATE_CANCELLED = 2 };

static _Thread_local char last_error[512];
static _Thread_local hd_comm *own;  // the whole's handle of the rank that this thread is

// What one rank's thread is given.
typedef struct rank_thread {
  hd_comm comm;
  pthread_t thread;
  struct run *run;
} rank_thread;

typedef struct run {
  hd_group *group;
  void (*body)(hd_comm *comm, void *arg);
  void *arg;
  pthread_mutex_t lock;
  pthread_cond_t opened;
  int gate;
} run;

const char *hd_comm_error_text(void) {
  return last_error;
}

void hd_comm_set_error(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(last_error, sizeof last_error, format, arguments);
  va_end(arguments);
}

int hd_comm_fail(hd_comm *c, const char *format, ...) {
  hd_group *g = c->group->whole;
  hd_verdict *v = g->verdict;
  if (!__atomic_exchange_n(&v->written, 1, __ATOMIC_SEQ_CST)) {
    int used = 0;
    if (c->group != g) used = snprintf(v->error, sizeof v->error, "in the part %s: ", c->group->ranks);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(v->error + used, sizeof v->error - (size_t)used, format, arguments);
    va_end(arguments);
  }
  __atomic_store_n(&v->failed, 1, __ATOMIC_SEQ_CST);
  hd_meet_wake_all(g);
  return hd_comm_failed(c) ? -1 : 0;
}

static bool holds(const hd_comm *c, const hd_comm *wanted) {
  if (c == wanted) return true;
  for (const hd_comm *part = c->parts; part; part = part->next)
    if (holds(part, wanted)) return true;
  return false;
}

int hd_comm_own(const hd_comm *c) {
  static const char why[] =
      "a communicator of another run or of another rank; it holds for the body it was given to";
  if (own && holds(own, c)) return 0;
  if (own) return hd_comm_fail(own, "rank %d: %s", own->rank, why);
  snprintf(last_error, sizeof last_error, "no rank: %s", why);
  return -1;
}

bool hd_comm_failed(hd_comm *c) {
  if (!__atomic_load_n(&c->group->whole->verdict->failed, __ATOMIC_SEQ_CST)) return false;
  __atomic_store_n(&c->failed, 1, __ATOMIC_RELAXED);
  return true;
}

// Also when the body leaves by pthread_exit: whoever waits for this rank waits in vain.
static void end_rank(void *arg) {
  hd_comm *c = arg;
  hd_group *g = c->group;
  for (hd_comm *part = c->parts; part; part = part->next) end_rank(part);
  hd_meet_end_posts(c);
  g->backend->close(c);
  if (c->failed && c->parent) c->parent->failed = 1;
  __atomic_store_n(&g->ended[c->rank], HD_ENDED, __ATOMIC_SEQ_CST);
  hd_meet_wake_all(g);
}

void hd_group_take_part(hd_comm *c, void (*body)(hd_comm *comm, void *arg), void *arg) {
  omp_set_num_threads(c->threads);
  if (c->group->backend->open(c) == 0) {
    own = c;
    pthread_cleanup_push(end_rank, c);
    body(c, arg);
    pthread_cleanup_pop(1);
    own = NULL;
  } else {
    __atomic_store_n(&c->group->ended[c->rank], HD_ENDED, __ATOMIC_SEQ_CST);
    hd_meet_wake_all(c->group);
  }
}

static void *rank_main(void *arg) {
  rank_thread *t = arg;
  run *r = t->run;
  hd_comm *c = &t->comm;
  pthread_mutex_lock(&r->lock);
  while (r->gate == GATE_CLOSED) pthread_cond_wait(&r->opened, &r->lock);
  const bool cancelled = r->gate == GATE_CANCELLED;
  pthread_mutex_unlock(&r->lock);
  if (!cancelled) hd_group_take_part(c, r->body, r->arg);
  return NULL;
}

static void open_gate(run *r, int state) {
  pthread_mutex_lock(&r->lock);
  r->gate = state;
  pthread_cond_broadcast(&r->opened);
  pthread_mutex_unlock(&r->lock);
}

static void *zeroed(size_t count, size_t size) {
  void *p = hd_alloc(count, size);
  memset(p, 0, count * size);
  return p;
}

// An array that all ranks see.
static void *shown(hd_group *g, size_t count, size_t size) {
  if (!g->memory) return zeroed(count, size);
  char *p = g->memory + g->taken;
  g->taken += (count * size + 127) / 128 * 128;
  assert(g->taken <= HD_GROUP_BYTES);
  return p;
}

hd_group *hd_group_new(int world, hd_group *whole, void *memory) {
  hd_group *g = zeroed(1, sizeof *g);
  g->whole = whole ? whole : g;
  g->world = world;
  g->memory = memory;
  pthread_mutex_init(&g->lock, NULL);
  const size_t n = (size_t)world;
  for (int lane = 0; lane < HD_LANES; lane++) {
    g->slots[lane] = shown(g, n, sizeof(hd_slot));
    g->waiting[lane] = shown(g, n, sizeof(hd_waiting));
  }
  for (int r = 0; r < world; r++) g->numbers[r] = r;
  g->mailboxes = shown(g, n * n * HD_OPEN_RECEIVES, sizeof(hd_mailbox));
  g->ended = shown(g, n, sizeof(uint32_t));
  g->busy = shown(g, n, sizeof(uint32_t));
  g->verdict = shown(g, 1, sizeof(hd_verdict));
  if (whole) {
    pthread_mutex_lock(&whole->lock);
    g->next = whole->parts;
    whole->parts = g;
    pthread_mutex_unlock(&whole->lock);
  }
  return g;
}

void hd_group_free(hd_group *g) {
  for (hd_group *part = g->parts, *next; part; part = next) {
    next = part->next;
    hd_group_free(part);
  }
  for (int lane = 0; lane < HD_LANES && !g->memory; lane++) {
    free(g->slots[lane]);
    free(g->waiting[lane]);
  }
  if (!g->memory) {
    free(g->mailboxes);
    free(g->ended);
    free(g->busy);
    free(g->verdict);
  }
  pthread_mutex_destroy(&g->lock);
  free(g);
}

// Parts go before what they are a part of.
void hd_group_release(hd_comm *c) {
  for (hd_comm *part = c->parts, *next; part; part = next) {
    next = part->next;
    hd_group_release(part);
    free(part);
  }
  if (c->state) c->group->backend->release(c);
  free(c->scratch);
}

// Starts the ranks, waits for them, returns how many failed.
static int run_ranks(run *r, rank_thread *ranks, int threads_per_rank) {
  const int world = r->group->world;
  int started = 0, failed = 0;
  for (; started < world; started++) {
    rank_thread *t = &ranks[started];
    t->run = r;
    t->comm.group = r->group;
    t->comm.rank = t->comm.number = started;
    t->comm.world = world;
    t->comm.threads = threads_per_rank;
    if (pthread_create(&t->thread, NULL, rank_main, t) != 0) break;
  }
  if (started < world)
    snprintf(r->group->verdict->error, sizeof r->group->verdict->error,
             "only %d of %d ranks could be started: too many threads", started, world);
  open_gate(r, started == world ? GATE_OPEN : GATE_CANCELLED);
  for (int rank = 0; rank < started; rank++) pthread_join(ranks[rank].thread, NULL);
  for (int rank = 0; rank < started; rank++) {
    hd_group_release(&ranks[rank].comm);
    failed += ranks[rank].comm.failed != 0;
  }
  return started == world ? failed : world;
}

int hd_comm_run(int world, enum hd_backend backend, enum hd_order order, int threads_per_rank,
                double deadline_s, void (*body)(hd_comm *comm, void *arg), void *arg) {
  if (world < 1 || world > HD_MOST_RANKS || threads_per_rank < 1) {
    snprintf(last_error, sizeof last_error,
             "%d ranks of %d threads: 1 to %d ranks of at least 1 thread are possible", world,
             threads_per_rank, HD_MOST_RANKS);
    return world < 1 ? 1 : world;
  }
#if !HD_HAVE_CUDA
  if (backend != HD_COMM_THREADS) {
    snprintf(last_error, sizeof last_error,
             "this build has no GPU ranks; configure with -DHEDDLE_GPU=sim or cuda");
    return world;
  }
#endif
#if !HD_HAVE_NCCL
  if (backend == HD_COMM_NCCL) {
    snprintf(last_error, sizeof last_error, "this build has no NCCL (see make doctor)");
    return world;
  }
#endif
  run r = {.body = body, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};
  hd_group *g = r.group = hd_group_new(world, NULL, NULL);
  g->order = order;
  g->deadline_s = deadline_s > 0 ? deadline_s : DEFAULT_DEADLINE_S;
  g->spin = world > 1 && (long)world * threads_per_rank <= sysconf(_SC_NPROCESSORS_ONLN);
  g->backend = &hd_comm_threads_backend;
#if HD_HAVE_CUDA
  if (backend == HD_COMM_CUDA) g->backend = &hd_comm_cuda_backend;
#endif
#if HD_HAVE_NCCL
  if (backend == HD_COMM_NCCL) g->backend = hd_comm_nccl_backend();
#endif
  // The caller's team would go on counting as running beside the ranks' own, and where more threads than
  // cores seem to run, libgomp's put themselves to sleep in every barrier.
  if (threads_per_rank > 1) omp_pause_resource(omp_pause_soft, omp_get_initial_device());
  rank_thread *ranks = zeroed((size_t)world, sizeof *ranks);
  const int failed = run_ranks(&r, ranks, threads_per_rank);
  snprintf(last_error, sizeof last_error, "%s", failed ? g->verdict->error : "");
  free(ranks);
  hd_group_free(g);
  return failed;
}
