// SPDX-License-Identifier: MIT
#include "rank.h"

#include <heddle/error.h>
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- what a rank keeps

static float *zeros(hd_ops *o, size_t count) {
  float *x = o->alloc(o, count * sizeof *x);
  o->zero(o, x, count * sizeof *x);
  return x;
}

static size_t length_of(const rank *r, bool sharded) {
  return sharded ? r->each : r->padded;
}

static size_t matrix(const rank *r) {
  return (size_t)(r->rows * r->width);
}

static size_t checkpoints(const rank *r) {
  return (size_t)((LAYERS + r->strategy->every - 1) / r->strategy->every);
}

float *theta_shard(const rank *r, int layer) {
  if (r->strategy->shards_parameters) return r->theta + (size_t)layer * r->each;
  return r->theta + (size_t)layer * r->padded + (size_t)r->number * r->each;
}

float *gradient_shard(const rank *r, int layer) {
  if (r->strategy->shards_gradient) return r->gradient + (size_t)layer * r->each;
  return r->gradient + (size_t)layer * r->padded + (size_t)r->number * r->each;
}

float *gradient_room(const rank *r, int layer) {
  return r->strategy->shards_gradient ? r->whole_gradient : r->gradient + (size_t)layer * r->padded;
}

static void open_state(rank *r) {
  const strategy *s = r->strategy;
  r->theta = zeros(r->ops, LAYERS * length_of(r, s->shards_parameters));
  r->gradient = zeros(r->ops, LAYERS * length_of(r, s->shards_gradient));
  if (s->shards_gradient) r->whole_gradient = zeros(r->ops, r->padded);
  for (int b = 0; b < s->buffers; b++) r->whole_theta[b] = zeros(r->ops, r->padded);
  for (int l = 0; l < LAYERS; l++) {
    r->optimizer[l] = hd_optimizer_new(r->ops, HD_ADAM, length_of(r, s->shards_optimizer));
    r->optimizer[l]->epsilon = EPSILON;
  }
}

static void open_activations(rank *r) {
  const size_t n = matrix(r), every = (size_t)r->strategy->every;
  const problem *p = r->trial->problem;
  const size_t at = (size_t)(r->first_row * r->width);
  r->checkpoints = zeros(r->ops, checkpoints(r) * n);
  r->inner = zeros(r->ops, every * n);
  r->sums = zeros(r->ops, every * n);
  for (int i = 0; i < 2; i++) r->delta[i] = zeros(r->ops, n);
  r->target = zeros(r->ops, n);
  r->loss = zeros(r->ops, (size_t)r->rows);
  r->ops->upload(r->ops, r->checkpoints, p->input + at, n * sizeof(float));
  r->ops->upload(r->ops, r->target, p->target + at, n * sizeof(float));
}

// The shards of a layer lie one behind the other, whoever keeps them; behind the last parameter are zeros.
static void set_parameters(rank *r) {
  const size_t n = layer_parameters(r->width), length = length_of(r, r->strategy->shards_parameters);
  const size_t from = r->strategy->shards_parameters ? (size_t)r->number * r->each : 0;
  float *layer = hd_alloc(r->padded, sizeof *layer);
  for (int l = 0; l < LAYERS; l++) {
    memset(layer + n, 0, (r->padded - n) * sizeof *layer);
    memcpy(layer, r->trial->problem->initial + (size_t)l * n, n * sizeof *layer);
    r->ops->upload(r->ops, r->theta + (size_t)l * length, layer + from, length * sizeof *layer);
  }
  free(layer);
}

rank *rank_open(const trial *t, hd_comm *comm, int number, hd_ops *ops) {
  rank *r = hd_alloc(1, sizeof *r);
  *r = (rank){.trial = t,
              .strategy = t->strategy,
              .comm = comm,
              .number = number,
              .world = t->world,
              .ops = ops,
              .width = t->problem->width,
              .each = shard_length(t->problem->width, t->world)};
  r->padded = r->each * (size_t)t->world;
  r->visits = walk_of(t->strategy->every, r->walk);
  size_t first, rows;
  hd_shard((size_t)t->problem->rows, r->number, r->world, &first, &rows);
  r->first_row = (long)first;
  r->rows = (long)rows;
  open_state(r);
  open_activations(r);
  set_parameters(r);
  return r;
}

void rank_close(rank *r) {
  hd_ops *o = r->ops;
  const strategy *s = r->strategy;
  const size_t n = matrix(r) * sizeof(float), every = (size_t)s->every, float_bytes = sizeof(float);
  o->free(o, r->theta, LAYERS * length_of(r, s->shards_parameters) * float_bytes);
  o->free(o, r->gradient, LAYERS * length_of(r, s->shards_gradient) * float_bytes);
  o->free(o, r->whole_gradient, r->padded * float_bytes);
  for (int b = 0; b < s->buffers; b++) o->free(o, r->whole_theta[b], r->padded * float_bytes);
  for (int l = 0; l < LAYERS; l++) hd_optimizer_free(r->optimizer[l]);
  o->free(o, r->checkpoints, checkpoints(r) * n);
  o->free(o, r->inner, every * n);
  o->free(o, r->sums, every * n);
  for (int i = 0; i < 2; i++) o->free(o, r->delta[i], n);
  o->free(o, r->target, n);
  o->free(o, r->loss, (size_t)r->rows * float_bytes);
  o->close(o);
  free(r);
}

// ---------------------------------------------------------------- a step

void update_shards(rank *r) {
  for (int l = 0; l < LAYERS; l++)
    hd_optimizer_step(r->optimizer[l], theta_shard(r, l), gradient_shard(r, l), RATE, 1);
}

// Tests: this rank fails in the middle of backward.
static int strike(rank *r) {
  if (r->trial->fault == STALLS) hd_comm_stall(r->comm, 3 * r->trial->deadline_s);
  if (r->trial->fault == OTHER_SIZE) r->each--, r->padded--;
  if (r->trial->fault == DIES) hd_comm_abort(r->comm, "it was told to die");
  if (r->trial->fault == OTHER_CALL) return hd_barrier(r->comm);
  return r->trial->fault == DIES ? -1 : 0;
}

int rank_step(rank *r, bool marks) {
  hd_ops *o = r->ops;
  const strategy *s = r->strategy;
  if (marks) o->mark(o, 0);
  for (int i = 0; i < r->visits; i++) {
    const visit v = r->walk[i];
    if (r->trial->fault && r->trial->faulty == r->number && i == 3 * r->visits / 4 && strike(r)) return -1;
    if (marks) o->mark(o, 3 * i + 1);
    const float *theta = s->parameters(r, i);
    if (!theta) return -1;
    if (marks) o->mark(o, 3 * i + 2);
    rank_visit(r, v, theta);
    if (marks) o->mark(o, 3 * i + 3);
    if (v.kind == BACKWARD && s->reduce(r, v.layer)) return -1;
  }
  if (marks) o->mark(o, 3 * r->visits + 1);
  if (s->update(r)) return -1;
  if (marks) o->mark(o, 3 * r->visits + 2);
  return 0;
}
