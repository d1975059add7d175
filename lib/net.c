// SPDX-License-Identifier: MIT
#include <heddle/error.h>
#include <heddle/net.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "layer.h"

size_t hd_net_count(const hd_layer *layers, int count) {
  size_t sum = 0;
  for (int l = 0; l < count; l++) sum += layers[l].parameters;
  return sum;
}

double hd_net_flops(const hd_layer *layers, int count) {
  double sum = 0;
  for (int l = 0; l < count; l++) sum += layers[l].flops;
  return sum;
}

double hd_net_training_flops(const hd_layer *layers, int count) {
  return 3 * hd_net_flops(layers, count) - layers[0].flops;
}

void hd_net_initial(const hd_layer *layers, int count, uint64_t seed, float *theta) {
  for (int l = 0; l < count; l++) {
    if (layers[l].kind->initial) layers[l].kind->initial(&layers[l], seed, (uint64_t)l, theta);
    theta += layers[l].parameters;
  }
}

static size_t larger(size_t a, size_t b) {
  return a > b ? a : b;
}

static void require_fit(const hd_layer *layers, int count) {
  for (int l = 0; l < count; l++) {
    if (l > 0 && layers[l].in != layers[l - 1].out)
      hd_fail(HD_EXIT_USAGE, "layer %d (%s) takes %zu values a sample; layer %d (%s) gives %zu", l,
              layers[l].kind->name, layers[l].in, l - 1, layers[l - 1].kind->name, layers[l - 1].out);
    if (!hd_is_addition(&layers[l])) continue;
    const int from = layers[l].from;
    const size_t there = from < 0 ? layers[0].in : from < l ? layers[from].out : 0;
    if (there != layers[l].in)
      hd_fail(HD_EXIT_USAGE, "layer %d adds the output of layer %d, which has %zu values a sample, not %zu",
              l, from, there, layers[l].in);
  }
}

static size_t widest(const hd_net *n) {
  size_t most = 0;
  for (int l = 0; l < n->count; l++) most = larger(most, n->layers[l].out);
  return most;
}

static size_t batch_bytes(const hd_net *n, size_t per_sample) {
  return (size_t)n->capacity * per_sample * sizeof(float);
}

// The last layer that reads the output of layer l.
static int last_reader(const hd_net *n, int l) {
  int last = l + 1;
  for (int k = l + 2; k < n->count; k++)
    if (hd_is_addition(&n->layers[k]) && n->layers[k].from == l) last = k;
  return last;
}

// Which room each output takes: with training its own, without the first that nobody reads any more.
static void assign_rooms(const hd_net *n, hd_tape *t, int *of) {
  int *taken_until = hd_alloc((size_t)n->count, sizeof *taken_until);
  t->rooms = 0;
  for (int l = 0; l < n->count; l++) {
    int r = n->training ? t->rooms : 0;
    while (r < t->rooms && taken_until[r] >= l) r++;
    if (r == t->rooms) t->room_size[t->rooms++] = 0;
    t->room_size[r] = larger(t->room_size[r], n->layers[l].out);
    taken_until[r] = last_reader(n, l);
    of[l] = r;
  }
  free(taken_until);
}

static size_t most_kept(const hd_net *n) {
  size_t most = 0;
  for (int l = 0; l < n->count; l++) most = larger(most, n->layers[l].kept);
  return (size_t)n->capacity * most;
}

hd_tape *hd_tape_new(const hd_net *n) {
  const size_t count = (size_t)n->count;
  hd_tape *t = hd_alloc(1, sizeof *t);
  *t = (hd_tape){.y = hd_alloc(count, sizeof *t->y),
                 .kept = hd_alloc(count, sizeof *t->kept),
                 .room = hd_alloc(count, sizeof *t->room),
                 .room_size = hd_alloc(count, sizeof *t->room_size)};
  int *of = hd_alloc(count, sizeof *of);
  assign_rooms(n, t, of);
  for (int r = 0; r < t->rooms; r++) t->room[r] = n->ops->alloc(n->ops, batch_bytes(n, t->room_size[r]));
  void *shared = !n->training && most_kept(n) ? n->ops->alloc(n->ops, most_kept(n)) : NULL;
  for (int l = 0; l < n->count; l++) {
    const size_t kept = (size_t)n->capacity * n->layers[l].kept;
    t->y[l] = t->room[of[l]];
    t->kept[l] = kept == 0 ? NULL : n->training ? n->ops->alloc(n->ops, kept) : shared;
  }
  free(of);
  return t;
}

void hd_tape_free(const hd_net *n, hd_tape *t) {
  if (!t) return;
  for (int r = 0; r < t->rooms; r++) n->ops->free(n->ops, t->room[r], batch_bytes(n, t->room_size[r]));
  void *shared = NULL;
  for (int l = 0; l < n->count; l++) {
    if (n->training) n->ops->free(n->ops, t->kept[l], (size_t)n->capacity * n->layers[l].kept);
    if (t->kept[l]) shared = t->kept[l];
  }
  if (!n->training) n->ops->free(n->ops, shared, most_kept(n));
  free(t->y);
  free(t->kept);
  free(t->room);
  free(t->room_size);
  free(t);
}

// Rows of losses of one sample: its positions with cross-entropy.
static size_t loss_rows(const hd_net *n) {
  return (size_t)n->layers[n->count - 1].positions;
}

static void open_training(hd_net *n) {
  hd_ops *o = n->ops;
  n->gradient = o->alloc(o, n->parameters * sizeof(float));
  for (int i = 0; i < 2; i++) n->delta[i] = o->alloc(o, batch_bytes(n, widest(n)));
  n->side = hd_alloc((size_t)n->count, sizeof *n->side);
  for (int l = 0; l < n->count; l++)
    n->side[l] = hd_is_addition(&n->layers[l]) ? o->alloc(o, batch_bytes(n, n->layers[l].out)) : NULL;
}

static void close_training(hd_net *n) {
  hd_ops *o = n->ops;
  o->free(o, n->gradient, n->parameters * sizeof(float));
  for (int i = 0; i < 2; i++) o->free(o, n->delta[i], batch_bytes(n, widest(n)));
  for (int l = 0; l < n->count; l++) o->free(o, n->side[l], batch_bytes(n, n->layers[l].out));
  free(n->side);
}

hd_net *hd_net_new(hd_ops *ops, const hd_layer *layers, int count, long capacity, bool training,
                   enum hd_type precision) {
  if (count < 1) hd_fail(HD_EXIT_USAGE, "a network of %d layers; at least 1 is needed", count);
  require_fit(layers, count);
  hd_net *n = hd_alloc(1, sizeof *n);
  *n = (hd_net){.ops = ops,
                .count = count,
                .capacity = capacity,
                .training = training,
                .precision = precision,
                .parameters = hd_net_count(layers, count)};
  n->layers = hd_alloc((size_t)count, sizeof *n->layers);
  memcpy(n->layers, layers, (size_t)count * sizeof *layers);
  n->offset = hd_alloc((size_t)count + 1, sizeof *n->offset);
  for (int l = 0; l <= count; l++) n->offset[l] = hd_net_count(layers, l);
  for (int l = 0; l < count; l++)
    n->work_bytes = larger(n->work_bytes, hd_layer_work(&layers[l], capacity, ops->on_host, precision));
  n->work = ops->alloc(ops, n->work_bytes);
  n->theta = ops->alloc(ops, n->parameters * sizeof(float));
  if (precision != HD_F32) n->theta16 = ops->alloc(ops, n->parameters * sizeof *n->theta16);
  n->loss = ops->alloc(ops, batch_bytes(n, loss_rows(n)));
  n->correct = ops->alloc(ops, batch_bytes(n, loss_rows(n)));
  n->tape = hd_tape_new(n);
  if (training) open_training(n);
  return n;
}

void hd_net_free(hd_net *n) {
  if (!n) return;
  hd_ops *o = n->ops;
  if (n->training) close_training(n);
  hd_tape_free(n, n->tape);
  o->free(o, n->work, n->work_bytes);
  o->free(o, n->theta, n->parameters * sizeof(float));
  o->free(o, n->theta16, n->parameters * sizeof *n->theta16);
  o->free(o, n->loss, batch_bytes(n, loss_rows(n)));
  o->free(o, n->correct, batch_bytes(n, loss_rows(n)));
  free(n->offset);
  free(n->layers);
  free(n);
}

void hd_net_set(hd_net *n, const float *host_theta) {
  n->ops->upload(n->ops, n->theta, host_theta, n->parameters * sizeof(float));
}

void hd_net_get(const hd_net *n, float *host_theta) {
  n->ops->download(n->ops, host_theta, n->theta, n->parameters * sizeof(float));
}

static hd_pass pass_of(const hd_net *n, const hd_tape *t, int l, const void *x, long samples) {
  return (hd_pass){.ops = n->ops,
                   .samples = samples,
                   .theta = n->theta + n->offset[l],
                   .theta16 = n->theta16 ? n->theta16 + n->offset[l] : NULL,
                   .precision = n->precision,
                   .x = l > 0 ? t->y[l - 1] : x,
                   .y = t->y[l],
                   .kept = t->kept[l],
                   .work = n->work};
}

const float *hd_net_forward(hd_net *n, hd_tape *t, const void *x, long samples) {
  hd_ops *o = n->ops;
  if (samples == 0) return t->y[n->count - 1];
  if (n->theta16) o->round16(o, n->precision, n->theta, n->theta16, n->parameters);
  for (int l = 0; l < n->count; l++) {
    const hd_layer *layer = &n->layers[l];
    const hd_pass p = pass_of(n, t, l, x, samples);
    layer->kind->forward(layer, &p);
    if (!hd_is_addition(layer)) continue;
    o->axpy(o, 1, layer->from < 0 ? x : t->y[layer->from], t->y[l], (size_t)samples * layer->out);
  }
  return t->y[n->count - 1];
}

static void empty_gradient(hd_net *n, bool accumulate, hd_net_ready *ready, void *context) {
  if (!accumulate) n->ops->zero(n->ops, n->gradient, n->parameters * sizeof(float));
  for (int l = n->count - 1; ready && l >= 0; l--) ready(context, l, n->offset[l], n->layers[l].parameters);
}

// What later additions have put aside for the output of layer `from` joins its gradient.
static void add_sides(hd_net *n, int from, float *delta, long samples) {
  for (int l = from + 1; l < n->count; l++)
    if (hd_is_addition(&n->layers[l]) && n->layers[l].from == from)
      n->ops->axpy(n->ops, 1, n->side[l], delta, (size_t)samples * n->layers[l].out);
}

void hd_net_backward(hd_net *n, const hd_tape *t, const void *x, long samples, float *dy, float *dx,
                     bool accumulate, hd_net_ready *ready, void *context) {
  hd_ops *o = n->ops;
  if (samples == 0) {
    empty_gradient(n, accumulate, ready, context);
    return;
  }
  for (int l = n->count - 1; l >= 0; l--) {
    const hd_layer *layer = &n->layers[l];
    hd_pass p = pass_of(n, t, l, x, samples);
    p.dy = dy;
    p.dx = l > 0 ? n->delta[l % 2] : dx;
    p.gradient = n->gradient + n->offset[l];
    p.accumulate = accumulate;
    if (hd_is_addition(layer)) o->copy(o, n->side[l], dy, (size_t)samples * layer->out * sizeof(float));
    layer->kind->backward(layer, &p);
    if (ready) ready(context, l, n->offset[l], layer->parameters);
    if (p.dx) add_sides(n, l - 1, p.dx, samples);
    dy = p.dx;
  }
}

void hd_net_loss(hd_net *n, enum hd_loss loss, const float *y, const void *targets, long samples, float *dy,
                 float scale) {
  const hd_layer *last = &n->layers[n->count - 1];
  if (loss == HD_CROSS_ENTROPY)
    n->ops->softmax_loss(n->ops, y, targets, dy, n->loss, n->correct, samples * last->positions, last->width,
                         scale);
  else if (loss == HD_TOKEN_LOSS)
    n->ops->token_loss(n->ops, y, targets, dy, n->loss, samples * last->positions, last->width, scale);
  else
    n->ops->squared_error(n->ops, y, targets, dy, n->loss, samples, (long)last->out, scale);
}

void hd_net_gradient(hd_net *n, enum hd_loss loss, const void *x, const void *targets, long samples,
                     float scale, bool accumulate, hd_net_ready *ready, void *context) {
  const float *y = hd_net_forward(n, n->tape, x, samples);
  float *dy = n->delta[n->count % 2];
  if (samples) hd_net_loss(n, loss, y, targets, samples, dy, scale);
  hd_net_backward(n, n->tape, x, samples, dy, NULL, accumulate, ready, context);
}

void hd_net_result(const hd_net *n, enum hd_loss loss, long samples, double *loss_sum, long *correct) {
  const size_t rows = (size_t)samples * (loss == HD_SQUARED_ERROR ? 1 : loss_rows(n));
  float *host = hd_alloc(rows, sizeof *host);
  if (loss_sum) {
    n->ops->download(n->ops, host, n->loss, rows * sizeof *host);
    *loss_sum = 0;
    for (size_t i = 0; i < rows; i++) *loss_sum += (double)host[i];
  }
  if (correct) {
    n->ops->download(n->ops, host, n->correct, rows * sizeof *host);
    *correct = 0;
    for (size_t i = 0; i < rows; i++) *correct += host[i] > 0.5f;
  }
  free(host);
}

double hd_net_accuracy(hd_net *n, const float *x, const uint8_t *labels, size_t count) {
  hd_ops *o = n->ops;
  const size_t chunk = (size_t)n->capacity, in = n->layers[0].in, rows = loss_rows(n);
  float *device_x = o->alloc(o, chunk * in * sizeof *x);
  uint8_t *device_labels = o->alloc(o, chunk * rows);
  long right = 0;
  for (size_t start = 0; start < count; start += chunk) {
    const size_t samples = count - start < chunk ? count - start : chunk;
    long in_chunk;
    o->upload(o, device_x, x + start * in, samples * in * sizeof *x);
    o->upload(o, device_labels, labels + start * rows, samples * rows);
    const float *y = hd_net_forward(n, n->tape, device_x, (long)samples);
    hd_net_loss(n, HD_CROSS_ENTROPY, y, device_labels, (long)samples, NULL, 1);
    hd_net_result(n, HD_CROSS_ENTROPY, (long)samples, NULL, &in_chunk);
    right += in_chunk;
  }
  o->free(o, device_x, chunk * in * sizeof *x);
  o->free(o, device_labels, chunk * rows);
  return count ? (double)right / (double)(count * rows) : NAN;
}
