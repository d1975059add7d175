// SPDX-License-Identifier: MIT
// Idea: what a piece keeps is what it asks for. A piece is opened with operations that only count, and lesson
// 27's paper knows its bytes without a formula for them.
#include <heddle/error.h>

#include "train.h"

gpt_shape gpt_shape_of(const model *m, const gpt_task *t) {
  gpt_shape s = t->shape;
  s.blocks = m->blocks;
  s.batch = m->rows / s.length;
  return s;
}

static void *count_alloc(hd_ops *o, size_t bytes) {
  o->bytes += bytes;
  return NULL;
}

static void count_free(hd_ops *o, void *p, size_t bytes) {
  (void)o, (void)p, (void)bytes;
}

static void count_zero(hd_ops *o, void *p, size_t bytes) {
  (void)o, (void)p, (void)bytes;
}

// A piece opened with operations that only count what it asks for.
static double paper_memory(const model *m, layout l, int stage) {
  hd_ops paper = {.name = "paper", .alloc = count_alloc, .free = count_free, .zero = count_zero};
  const problem p = {.model = *m, .kind = &gpt_pieces, .more = m->network->shape};
  piece *opened = piece_open(&p, l, stage * l.tensor, &paper, NULL);
  piece_close(opened);
  return (double)paper.bytes;
}

static size_t paper_parameters(const model *m, layout l, int stage) {
  const gpt_task *t = m->network->shape;
  const gpt_shape s = gpt_shape_of(m, t);
  gpt_part part = {.begins = stage == 0, .ends = stage == l.pipeline - 1, .tensor = l.tensor};
  part.blocks = layout_blocks(m, l, stage, &part.first);
  return gpt_parameters(&s, &part);
}

static bool paper_divides(const model *m, layout l) {
  const gpt_task *t = m->network->shape;
  return !l.checkpoint && t->shape.heads % l.tensor == 0 &&
         m->rows / t->shape.length % ((long)l.data * l.micro_batches) == 0;
}

problem gpt_problem(const gpt_task *t, const float *initial, network *paper) {
  *paper = (network){.parameters = paper_parameters,
                     .memory = paper_memory,
                     .divides = paper_divides,
                     .sums = 2,  // attention's and the perceptron's
                     .shape = t};
  return (problem){.model = {.width = t->shape.width,
                             .rows = t->shape.batch * t->shape.length,
                             .blocks = t->shape.blocks,
                             .network = paper},
                   .initial = initial,
                   .kind = &gpt_pieces,
                   .more = t};
}
