// SPDX-License-Identifier: MIT
// Idea: nobody comes back, so nothing is kept: a network made without training uses the room of an output
// again as soon as the last layer that reads it has run.
#include "generate.h"

#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct worker {
  const generation *g;
  hd_comm *all, *sum, *same;  // sum: who shares its heads; same: who has the same heads of other prompts
  hd_ops *ops;
  hd_net *net;
  gpt_cache *cache;
  long samples;
  int32_t *text, *symbols;  // host: this rank's texts; ops memory: what goes through the network
  float *logits;            // host
  hd_tape **kept;           // the mistake's
} worker;

typedef struct shared {
  generation *g;
  pthread_mutex_t lock;
} shared;

static long rows_of_pass(const worker *w) {
  return w->samples * (w->g->cached ? 1 : w->g->shape->length);
}

static size_t cache_bytes(const worker *w) {
  const gpt_shape *s = w->g->shape;
  return (size_t)(w->samples * s->length * 2 * s->width / w->g->shares) * sizeof(float);
}

static void open_worker(worker *w) {
  const generation *g = w->g;
  const gpt_shape *s = g->shape;
  const int rank = hd_comm_rank(w->all);
  w->ops = hd_ops_open(g->on_gpu, hd_comm_stream(w->all));
  w->samples = s->batch / g->replicas;
  gpt_part part = gpt_whole(s);
  part.tensor = g->shares;
  part.share = rank % g->shares;
  part.sum = g->shares > 1 ? w->sum : NULL;
  if (g->cached) {
    w->cache = hd_alloc(1, sizeof *w->cache);
    w->cache->length = s->length;
    for (int b = 0; b < s->blocks; b++)
      w->cache->past[b] = (gpt_past){w->cache, w->ops->alloc(w->ops, cache_bytes(w))};
    part.cache = w->cache;
  }
  hd_layer *list = hd_alloc(GPT_MOST_LAYERS, sizeof *list);
  w->net = hd_net_new(w->ops, list, gpt_layers(s, &part, list), w->samples, g->keeps, HD_F32);
  free(list);
  float *host = hd_alloc(w->net->parameters, sizeof *host);
  gpt_copy_part(s, &part, host, (float *)g->theta, false);
  hd_net_set(w->net, host);
  free(host);
  const size_t symbols = (size_t)(w->samples * s->length);
  w->symbols = w->ops->alloc(w->ops, symbols * sizeof *w->symbols);
  w->text = hd_alloc(symbols, sizeof *w->text);
  memcpy(w->text, g->prompts + (size_t)(rank / g->shares) * symbols, symbols * sizeof *w->text);
  w->logits = hd_alloc((size_t)(rows_of_pass(w) * s->vocabulary), sizeof *w->logits);
  w->kept = hd_alloc((size_t)s->length, sizeof *w->kept);
  memset(w->kept, 0, (size_t)s->length * sizeof *w->kept);
}

static void close_worker(worker *w) {
  const gpt_shape *s = w->g->shape;
  for (long t = 0; t < s->length; t++) hd_tape_free(w->net, w->kept[t]);
  hd_net_free(w->net);
  for (int b = 0; w->cache && b < s->blocks; b++)
    w->ops->free(w->ops, w->cache->past[b].data, cache_bytes(w));
  w->ops->free(w->ops, w->symbols, (size_t)(w->samples * s->length) * sizeof *w->symbols);
  free(w->cache);
  free(w->text);
  free(w->logits);
  free(w->kept);
  w->ops->close(w->ops);
}

static int32_t likeliest(const float *logits, long count) {
  int32_t best = 0;
  for (int32_t i = 1; i < count; i++) best = logits[i] > logits[best] ? i : best;
  return best;
}

// The pass that ends in position t, and, behind the prompt, the symbol that follows.
static void next(worker *w, long t) {
  const gpt_shape *s = w->g->shape;
  const long length = w->g->cached ? 1 : s->length, v = s->vocabulary;
  int32_t *now = hd_alloc((size_t)(w->samples * length), sizeof *now);
  for (long i = 0; i < w->samples; i++)
    memcpy(now + i * length, w->text + i * s->length + (w->g->cached ? t : 0), (size_t)length * sizeof *now);
  w->ops->upload(w->ops, w->symbols, now, (size_t)(w->samples * length) * sizeof *now);
  free(now);
  if (w->cache) w->cache->position = t;
  if (w->g->keeps) w->kept[t] = hd_tape_new(w->net);
  const float *y = hd_net_forward(w->net, w->kept[t] ? w->kept[t] : w->net->tape, w->symbols, w->samples);
  if (t + 1 < w->g->given) return;
  w->ops->download(w->ops, w->logits, y, (size_t)(rows_of_pass(w) * v) * sizeof *y);
  for (long i = 0; i < w->samples; i++) {
    const long row = w->g->cached ? i : i * length + t;
    w->text[i * s->length + t + 1] = likeliest(w->logits + row * v, v);
  }
}

static int strike(const worker *w) {
  if (w->g->fault == ONE_DIES) hd_comm_abort(w->all, "it was told to die");
  return w->g->fault == ONE_CALLS_OTHERS ? hd_barrier(w->all) : -1;
}

static int all_positions(worker *w) {
  const gpt_shape *s = w->g->shape;
  // Whole sequences need no pass for what is given.
  const long first = w->g->cached ? 0 : w->g->given - 1;
  const bool last_rank = hd_comm_rank(w->all) == hd_comm_world(w->all) - 1;
  for (long t = first; t + 1 < s->length; t++) {
    if (w->g->fault && last_rank && t == s->length / 2 && strike(w)) return -1;
    next(w, t);
    if (hd_comm_failed(w->all)) return -1;
  }
  return 0;
}

// Everybody gets all texts; the first rank hands them out.
static int gather(const worker *w) {
  const size_t mine = (size_t)(w->samples * w->g->shape->length), all = mine * (size_t)w->g->replicas;
  hd_ops *o = w->ops;
  int32_t *texts = o->alloc(o, all * sizeof *texts);
  o->upload(o, w->symbols, w->text, mine * sizeof *texts);
  const int failed = hd_all_gather(w->same, w->symbols, texts, mine, HD_I32);
  if (!failed && hd_comm_rank(w->all) == 0) o->download(o, w->g->text, texts, all * sizeof *texts);
  o->free(o, texts, all * sizeof *texts);
  return failed;
}

static double bytes_sent(const worker *w) {
  return (double)(hd_comm_traffic(w->sum).bytes + hd_comm_traffic(w->same).bytes);
}

static void rank_body(hd_comm *comm, void *arg) {
  shared *s = arg;
  generation *g = s->g;
  const int rank = hd_comm_rank(comm);
  worker w = {.g = g, .all = comm};
  w.sum = hd_comm_split(comm, rank / g->shares, rank);
  w.same = hd_comm_split(comm, rank % g->shares, rank);
  if (!w.sum || !w.same) return;
  open_worker(&w);
  if (hd_barrier(comm) == 0) {
    w.ops->synchronize(w.ops);
    w.ops->timer_start(w.ops);
    const double before = bytes_sent(&w);
    if (all_positions(&w) == 0 && gather(&w) == 0) {
      const double seconds = w.ops->timer_stop(w.ops);
      pthread_mutex_lock(&s->lock);
      g->seconds = fmax(g->seconds, seconds);
      g->memory = fmax(g->memory, (double)w.ops->bytes);
      g->bytes = fmax(g->bytes, bytes_sent(&w) - before);
      pthread_mutex_unlock(&s->lock);
    }
  }
  close_worker(&w);
}

int generate(generation *g) {
  shared s = {.g = g, .lock = PTHREAD_MUTEX_INITIALIZER};
  g->seconds = g->memory = g->bytes = 0;
  return hd_comm_run(g->replicas * g->shares, g->on_gpu ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK,
                     g->threads, g->deadline_s, rank_body, &s)
             ? -1
             : 0;
}
