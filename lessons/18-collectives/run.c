// SPDX-License-Identifier: MIT
// A whole run: all ranks open, do one all-reduce whose result is checked, and the timed ones.
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "collectives.h"

float contribution(int rank, int world, size_t i) {
  int sum = 0;
  for (int part = rank; part < PARTS; part += world)
    sum += (int)((i * 2654435761u + (unsigned)part * 40503u) >> 7 & 511) - 256;
  return (float)sum / 256;
}

// The ranks report into one trial, one at a time.
typedef struct shared {
  trial *trial;
  pthread_mutex_t lock;
} shared;

static hd_traffic traffic_of(const member *m) {
  hd_traffic sum = hd_comm_traffic(m->comm);
  const hd_comm *parts[2] = {m->node, m->across};
  for (int i = 0; i < 2; i++) {
    if (!parts[i]) continue;
    const hd_traffic part = hd_comm_traffic(parts[i]);
    sum.messages += part.messages;
    sum.bytes += part.bytes;
  }
  return sum;
}

// What the rank that is to fail does instead of an all-reduce.
static int misbehave(const trial *t, const member *m, float *x) {
  if (t->fault == DIES) return -1;
  if (t->fault == STALLS) hd_comm_stall(m->comm, 3 * t->deadline_s);
  if (t->fault == OTHER_CALL) return hd_broadcast(m->comm, x, t->count, HD_F32, 0);
  return t->run(m, x, t->fault == OTHER_SIZE ? t->count - 1 : t->count);
}

// The mean over the timed all-reduces. Each finds its input written anew, since what a rank has just received
// lies in its cache, and inputs of real programs do not.
static int timed(const trial *t, const member *m, float *x, const float *input, double *seconds) {
  hd_ops *o = m->ops;
  const size_t bytes = t->count * sizeof *x;
  *seconds = 0;
  for (int i = 0; i < t->repeats; i++) {
    o->upload(o, x, input, bytes);
    if (hd_barrier(m->comm)) return -1;
    if (!o->on_host) o->synchronize(o);
    o->timer_start(o);
    if (t->run(m, x, t->count)) return -1;
    *seconds += o->timer_stop(o) / t->repeats;
  }
  return 0;
}

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

// The first rank's result stands in the trial; the others' must be the same bits.
static void collect(shared *s, const float *result, int rank) {
  trial *t = s->trial;
  for (size_t i = 0; i < t->count; i++)
    if (rank == 0)
      t->sum[i] = result[i];
    else if (bits_of(t->sum[i]) != bits_of(result[i]))
      t->sum[i] = NAN;
}

static void work(shared *s, const member *m, float *x, float *host) {
  trial *t = s->trial;
  hd_ops *o = m->ops;
  const int rank = hd_comm_rank(m->comm);
  const size_t bytes = t->count * sizeof *x;
  const hd_traffic before = traffic_of(m);
  o->upload(o, x, host, bytes);
  if (t->run(m, x, t->count)) return;
  const hd_traffic after = traffic_of(m);
  float *result = hd_alloc(t->count, sizeof *result);
  o->download(o, result, x, bytes);
  for (int r = 0; r < t->world; r++) {
    if (hd_barrier(m->comm)) break;
    if (r == rank) collect(s, result, rank);
  }
  free(result);
  if (hd_barrier(m->comm)) return;
  if (t->fault && rank == t->faulty) {
    misbehave(t, m, x);
    return;
  }
  if (t->fault && t->run(m, x, t->count)) return;
  double seconds;
  if (timed(t, m, x, host, &seconds)) return;
  pthread_mutex_lock(&s->lock);
  t->seconds = fmax(t->seconds, seconds);
  t->sent[rank] = (hd_traffic){after.messages - before.messages, after.bytes - before.bytes};
  t->memory = fmax(t->memory, (double)o->bytes);
  pthread_mutex_unlock(&s->lock);
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  const trial *t = s->trial;
  const int rank = hd_comm_rank(comm), ranks = ranks_per_node(t->world);
  const size_t bytes = t->count * sizeof(float);
  member m = {.comm = comm};
  if (t->run == all_reduce_hierarchical) {
    m.node = hd_comm_split(comm, rank / ranks, rank);
    m.across = hd_comm_split(comm, rank % ranks, rank);
    if (!m.node || !m.across) return;
  }
  m.ops = hd_ops_open(t->backend != HD_COMM_THREADS, hd_comm_stream(comm));
  m.inbox = m.ops->alloc(m.ops, bytes);
  float *x = m.ops->alloc(m.ops, bytes), *host = hd_alloc(t->count, sizeof *host);
  for (size_t i = 0; i < t->count; i++)
    host[i] = t->input ? t->input[(size_t)rank * t->count + i] : contribution(rank, t->world, i);
  work(s, &m, x, host);
  m.ops->synchronize(m.ops);
  free(host);
  m.ops->free(m.ops, x, bytes);
  m.ops->free(m.ops, m.inbox, bytes);
  m.ops->close(m.ops);
}

int run_trial(trial *t) {
  shared s = {.trial = t, .lock = PTHREAD_MUTEX_INITIALIZER};
  t->seconds = t->memory = 0;
  return hd_comm_run(t->world, t->backend, HD_ORDER_RANK, 1, t->deadline_s, rank_body, &s) ? -1 : 0;
}
