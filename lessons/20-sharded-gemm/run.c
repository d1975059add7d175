// SPDX-License-Identifier: MIT
// A whole run: all ranks open, multiply once for the check, and again for the clock.
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "sharded.h"

// The ranks report into one trial, one at a time.
typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

// Seconds of a step; negative once the communicator has failed.
static double timed(worker *w, int steps, enum omission omission) {
  if (hd_barrier(w->comm)) return -1;
  w->ops->synchronize(w->ops);
  w->omission = omission;
  w->ops->timer_start(w->ops);
  for (int i = 0; i < steps; i++)
    if (w->strategy->step(w)) return -1;
  return w->ops->timer_stop(w->ops) / steps;
}

// One more step, for the picture.
static int draw(worker *w, shared *s) {
  trial *t = s->trial;
  if (!t->spans) return 0;
  if (hd_barrier(w->comm)) return -1;
  w->ops->synchronize(w->ops);
  w->omission = NOTHING;
  w->marks = 0;
  w->ops->mark(w->ops, 0);
  if (w->strategy->step(w)) return -1;
  pthread_mutex_lock(&s->lock);
  for (int i = 0; i < w->marks; i += 2)
    t->spans[t->span_count++] =
        (span){w->rank, w->ops->mark_time(w->ops, i + 1), w->ops->mark_time(w->ops, i + 2)};
  pthread_mutex_unlock(&s->lock);
  w->marks = -1;
  return 0;
}

// What a rank sends is counted by the communicator it uses: the whole, or the lines of the grid.
static hd_traffic sent(const worker *w) {
  hd_traffic sum = {0, 0};
  hd_comm *const lines[] = {w->comm, w->grid.along_row, w->grid.along_column};
  for (int i = 0; i < 3; i++) {
    const hd_traffic one = lines[i] ? hd_comm_traffic(lines[i]) : (hd_traffic){0, 0};
    sum.messages += one.messages;
    sum.bytes += one.bytes;
  }
  return sum;
}

static int timed_part(worker *w, shared *s) {
  trial *t = s->trial;
  if (t->timed_steps == 0) return 0;
  const hd_traffic before = sent(w);
  const double all = timed(w, t->timed_steps, NOTHING);
  const hd_traffic after = sent(w);
  const double products = timed(w, 1, NO_MESSAGES), messages = timed(w, 1, NO_PRODUCTS);
  if (all < 0 || products < 0 || messages < 0) return -1;
  pthread_mutex_lock(&s->lock);
  t->step_s = fmax(t->step_s, all);
  t->products_s = fmax(t->products_s, products);
  t->messages_s = fmax(t->messages_s, messages);
  t->messages = fmax(t->messages, (double)(after.messages - before.messages) / t->timed_steps);
  t->bytes = fmax(t->bytes, (double)(after.bytes - before.bytes) / t->timed_steps);
  t->memory = fmax(t->memory, (double)w->ops->bytes);
  pthread_mutex_unlock(&s->lock);
  return draw(w, s);
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  const trial *t = s->trial;
  worker *w =
      worker_open(t->problem, t->strategy, comm, hd_ops_open(t->place == ON_GPU, hd_comm_stream(comm)));
  if (!w) return;
  const enum fault fault = w->rank == w->world - 1 ? t->fault : HEALTHY;
  if (fault == DIES) hd_comm_abort(comm, "it was told to die");
  if (fault == HEALTHY && w->strategy->step(w) == 0) {
    w->strategy->collect(w, t->c);
    timed_part(w, s);
  }
  worker_close(w);
}

int run_ranks(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->step_s = t->products_s = t->messages_s = t->messages = t->bytes = t->memory = 0;
  t->span_count = 0;
  const enum hd_backend backend = t->place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS;
  return hd_comm_run(t->world, backend, HD_ORDER_RANK, t->threads, t->deadline_s, rank_body, &s) ? -1 : 0;
}

// ---------------------------------------------------------------- the link

// Floats of a shorter and of a longer message: 1 and 8 MiB, so that starting the next one hides behind this
// one.
enum { SHORTER = 1 << 18, LONGER = 1 << 21, IN_A_ROW = 5 };

typedef struct ping {
  enum place place;
  double shorter_s, longer_s;  // of one message among several
} ping;

// Seconds of `messages` from rank 0 to rank 1, one behind the other; infinite once the communicator has
// failed.
static double send_several(hd_comm *comm, hd_ops *o, float *x, size_t count, int messages) {
  if (hd_barrier(comm)) return INFINITY;
  o->synchronize(o);
  o->timer_start(o);
  for (int i = 0; i < messages; i++)
    if (hd_comm_rank(comm) == 0 ? hd_send(comm, x, count, HD_F32, 1) : hd_recv(comm, x, count, HD_F32, 0))
      return INFINITY;
  return o->timer_stop(o);
}

// What one more message takes.
static double one_more(hd_comm *comm, hd_ops *o, float *x, size_t count) {
  const double one = send_several(comm, o, x, count, 1),
               several = send_several(comm, o, x, count, 1 + IN_A_ROW);
  return (several - one) / IN_A_ROW;
}

static void ping_body(hd_comm *comm, void *arg) {
  ping *p = arg;
  hd_ops *o = hd_ops_open(p->place == ON_GPU, hd_comm_stream(comm));
  float *x = o->alloc(o, LONGER * sizeof *x);
  o->zero(o, x, LONGER * sizeof *x);
  one_more(comm, o, x, LONGER);  // warms up
  const double shorter = one_more(comm, o, x, SHORTER), longer = one_more(comm, o, x, LONGER);
  if (hd_comm_rank(comm) == 0) {
    p->shorter_s = shorter;
    p->longer_s = longer;
  }
  o->free(o, x, LONGER * sizeof *x);
  o->close(o);
}

// The straight line through both.
void measure_link(enum place place, double *alpha_s, double *bytes_per_s) {
  ping p = {.place = place};
  if (hd_comm_run(2, place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK, 1, 0, ping_body, &p))
    hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  *bytes_per_s = (LONGER - SHORTER) * sizeof(float) / (p.longer_s - p.shorter_s);
  *alpha_s =
      fmax(0, p.shorter_s - SHORTER * sizeof(float) / *bytes_per_s);  // a shared cache can make it less
}
