// SPDX-License-Identifier: MIT
// What the pieces of all networks have in common: where they stand in the layout.
#include "piece.h"

#include <heddle/error.h>
#include <stdlib.h>
#include <string.h>

piece *piece_open(const problem *task, layout l, int rank, hd_ops *ops, hd_comm *tensor) {
  const piece_kind *kind = task->kind ? task->kind : &perceptron_pieces;
  piece *p = hd_alloc(1, kind->bytes);
  memset(p, 0, kind->bytes);
  *p = (piece){.kind = kind,
               .problem = task,
               .layout = l,
               .share = rank % l.tensor,
               .stage = rank / l.tensor % l.pipeline,
               .replica = rank / l.tensor / l.pipeline,
               .rows = layout_rows(&task->model, l),
               .width = task->model.width,
               .ops = ops,
               .tensor = tensor};
  p->blocks = layout_blocks(&task->model, l, p->stage, &p->first);
  p->slots = layout_slots(l, p->stage);
  kind->open(p);
  return p;
}

void piece_close(piece *p) {
  p->kind->close(p);
  free(p);
}

float *piece_input(const piece *p, int micro) {
  return p->kind->input(p, micro);
}
float *piece_output(const piece *p, int micro) {
  return p->kind->output(p, micro);
}
float *piece_gradient(const piece *p, int micro) {
  return p->kind->gradient(p, micro);
}
int piece_forward(piece *p, int micro) {
  return p->kind->forward(p, micro);
}
int piece_backward(piece *p, int micro) {
  return p->kind->backward(p, micro);
}
void piece_loss(piece *p, int micro) {
  p->kind->loss(p, micro);
}
void piece_update(piece *p) {
  p->kind->update(p);
}
void piece_collect(const piece *p, int step, float *gradient) {
  p->kind->collect(p, step, gradient);
}
