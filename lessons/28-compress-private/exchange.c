// SPDX-License-Identifier: MIT
// How all ranks come to the same sum of their gradients.
#include "low_rank.h"
#include "worker.h"

#define STREAM_ROUNDING (UINT64_C(30) << 56)

// Nothing is sent a second time.
static void mark_sent(worker *w) {
  for (int moment = SENT; moment <= SENT_AGAIN; moment++) w->ops->mark(w->ops, moment);
}

// In place: w->sum is the gradient itself.
static int exchange_sum(worker *w) {
  w->ops->mark(w->ops, PACKED);
  if (hd_all_reduce(w->comm, w->sum, w->model->parameters, HD_F32, HD_SUM)) return -1;
  mark_sent(w);
  return 0;
}

// Everybody sends its message to all and adds up all of them in rank order: the same sum, to the bit.
static int exchange_messages(worker *w) {
  hd_ops *o = w->ops;
  const compressor *c = w->strategy->compressor;
  const codec *how = o->on_host ? c->cpu : c->gpu;
  const size_t n = w->model->parameters, words = c->words(n);
  uint32_t *own = w->inbox + (size_t)w->rank * words;
  float *x = w->left_out;  // what earlier messages left out, and now what this one does
  if (w->strategy->feedback)
    o->axpy(o, 1, w->model->gradient, x, n);
  else
    o->copy(o, x, w->model->gradient, n * sizeof *x);
  const uint64_t stream = STREAM_ROUNDING + (uint64_t)w->step * HD_MOST_RANKS + (uint64_t)w->rank;
  how->encode(o, x, n, own, w->work, w->task->seed, stream);
  o->mark(o, PACKED);
  if (hd_all_gather(w->comm, own, w->inbox, words, HD_I32)) return -1;
  mark_sent(w);
  how->sum(o, w->inbox, w->world, n, w->sum);
  return 0;
}

int worker_exchange(worker *w) {
  w->ops->mark(w->ops, BEGUN);
  const strategy *s = w->strategy;
  if (s->low_rank ? exchange_low_rank(w) : s->compressor ? exchange_messages(w) : exchange_sum(w)) return -1;
  w->ops->mark(w->ops, ADDED);
  return 0;
}

double bytes_formula(const strategy *s, int world) {
  const double n = (double)hd_mlp_count(MODEL_WIDTH, MODEL_LAYERS), others = world - 1;
  if (s->compressor) return others * 4 * (double)s->compressor->words((size_t)n);
  // Mean over the ranks: their shards differ by an element.
  return 2 * others / world * 4 * (s->low_rank ? (double)low_rank_words() : n);
}

// Lessons 17 and 18: α per message, and the bytes over the link's rate.
double sending_formula(const strategy *s, int world, double alpha, double rate) {
  const double messages = (s->compressor ? 1.0 : s->low_rank ? 4.0 : 2.0) * (world - 1);
  return messages * alpha + bytes_formula(s, world) / rate;
}
