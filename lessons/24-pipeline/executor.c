// SPDX-License-Identifier: MIT
// Idea: a rank that sends must not wait for one that computes, so every receive is opened as early as there
// is room for what it brings; then messages travel while both sides compute.
#include <string.h>

#include "runner.h"

static size_t message_size(const runner *r) {
  return (size_t)r->stage[0]->rows * (size_t)r->stage[0]->width;
}
static bool is_first(const runner *r, int chunk) {
  return r->rank == 0 && chunk == 0;
}
static bool is_last(const runner *r, int chunk) {
  return r->rank == r->plan.ranks - 1 && chunk == r->plan.chunks - 1;
}
static int box_of(const runner *r, int peer) {
  return r->inboxes == 2 && r->in[1].peer == peer;
}

// ---------------------------------------------------------------- messages

// Where a message goes: a slot that no earlier micro-batch uses any more. (Nobody sends the gradient of a
// micro-batch before its activations have left this slot.)
static float *place_for(const runner *r, message m) {
  const stage *s = r->stage[m.chunk];
  return m.kind == FORWARD ? stage_activation(s, m.micro, 0) : stage_delta(s, m.micro, s->layers);
}

static bool has_room(const runner *r, message m) {
  return m.kind == BACKWARD || m.micro < r->freed[m.chunk] + r->room[m.chunk];
}

static int open_receives(runner *r) {
  for (int b = 0; b < r->inboxes; b++) {
    const inbox *in = &r->in[b];
    while (r->opened[b] < in->count && r->opened[b] - r->taken[b] < HD_OPEN_RECEIVES &&
           has_room(r, in->list[r->opened[b]])) {
      float *to = place_for(r, in->list[r->opened[b]++]);
      if (hd_recv_start(r->comm, to, message_size(r), HD_F32, in->peer)) return -1;
    }
  }
  return 0;
}

static int receive(runner *r, instruction i) {
  const int peer = sender_of(&r->plan, r->rank, i);
  if (peer < 0) return 0;
  r->taken[box_of(r, peer)]++;
  return hd_recv_wait(r->comm, peer);
}

// A result may go where an earlier one was sent from: as many sends as there are slots may be under way, less
// this one.
static int end_sends(runner *r, instruction i) {
  const int peer = receiver_of(&r->plan, r->rank, i), slots = r->stage[i.chunk]->slots;
  if (peer < 0) return 0;
  const int b = box_of(r, peer), open = (slots < HD_OPEN_RECEIVES ? slots : HD_OPEN_RECEIVES) - 1;
  for (; r->sent[b] - r->ended[b] > open; r->ended[b]++)
    if (hd_send_wait(r->comm, peer)) return -1;
  return 0;
}

static int send(runner *r, instruction i) {
  const int peer = receiver_of(&r->plan, r->rank, i);
  if (peer < 0) return 0;
  const stage *s = r->stage[i.chunk];
  const float *data =
      i.kind == FORWARD ? stage_activation(s, i.micro, s->layers) : stage_delta(s, i.micro, 0);
  const bool short_of_one = r->trial->fault == OTHER_SIZE && r->trial->faulty == r->rank;
  r->sent[box_of(r, peer)]++;
  return hd_send_start(r->comm, data, message_size(r) - short_of_one, HD_F32, peer);
}

// ---------------------------------------------------------------- compute

static const float *input_of(const runner *r, instruction i) {
  const bool batch = is_first(r, i.chunk) || r->trial->strategy->mistake == SAME_INPUT;
  return batch ? r->input + (size_t)i.micro * message_size(r)
               : stage_activation(r->stage[i.chunk], i.micro, 0);
}

// The gradient of the loss, (output - target) / elements of the batch, is where the last piece's backward
// begins.
static void loss_gradient(runner *r, instruction i) {
  hd_ops *o = r->ops;
  const stage *s = r->stage[i.chunk];
  const size_t n = message_size(r);
  const float each = 1.0f / (float)(n * (size_t)r->plan.micro_batches);
  float *delta = stage_delta(s, i.micro, s->layers);
  o->zero(o, delta, n * sizeof *delta);
  o->axpy(o, each, stage_activation(s, i.micro, s->layers), delta, n);
  o->axpy(o, -each, r->target + (size_t)i.micro * n, delta, n);
}

static void compute(runner *r, instruction i) {
  stage *s = r->stage[i.chunk];
  const enum mistake mistake = r->trial->strategy->mistake;
  if (i.kind == FORWARD) {
    stage_forward(s, i.micro, input_of(r, i));
    if (mistake == SAME_INPUT && !is_first(r, i.chunk))
      r->ops->axpy(r->ops, 1, stage_activation(s, i.micro, 0), stage_activation(s, i.micro, s->layers),
                   message_size(r));
  }
  if (i.kind != FORWARD && i.kind != BACKWARD_WEIGHTS && is_last(r, i.chunk)) loss_gradient(r, i);
  if (i.kind == BACKWARD) stage_backward(s, i.micro, input_of(r, i));
  if (i.kind == BACKWARD_INPUT) stage_backward_input(s, i.micro);
  if (i.kind == BACKWARD_WEIGHTS) stage_backward_weights(s, i.micro, input_of(r, i));
  r->freed[i.chunk] += i.kind == (s->split ? BACKWARD_WEIGHTS : BACKWARD);
}

int runner_step(runner *r, bool marks) {
  const trial *t = r->trial;
  const int rank = r->rank, half = t->fault && t->faulty == rank ? r->plan.count[rank] / 2 : -1;
  memset(r->freed, 0, sizeof r->freed);
  memset(r->opened, 0, sizeof r->opened);
  memset(r->taken, 0, sizeof r->taken);
  if (marks) r->ops->mark(r->ops, 0);
  for (int k = 0; k < r->plan.count[rank]; k++) {
    const instruction i = r->plan.list[rank][k];
    if (k == half && t->fault == OTHER_CALL) return hd_barrier(r->comm);
    if (k == half && t->fault == STALLS) hd_comm_stall(r->comm, 3 * t->deadline_s);
    if (k == half && t->fault == DIES) {
      hd_comm_abort(r->comm, "it was told to die");
      return -1;
    }
    if (open_receives(r) || receive(r, i) || end_sends(r, i)) return -1;
    if (marks) r->ops->mark(r->ops, 2 * k + 1);
    compute(r, i);
    if (marks) r->ops->mark(r->ops, 2 * k + 2);
    if (send(r, i)) return -1;
  }
  for (int b = 0; b < r->inboxes; b++)
    for (; r->ended[b] < r->sent[b]; r->ended[b]++)
      if (hd_send_wait(r->comm, r->in[b].peer)) return -1;
  return 0;
}
