// SPDX-License-Identifier: MIT
#include "block.h"

#include <heddle/error.h>
#include <stdlib.h>
#include <string.h>

// ---------------------------------------------------------------- parameters

typedef struct shape {
  long rows, cols;
  int groups;
  size_t at;  // in theta
} shape;

static shape shape_of(long width, int which) {
  const long w = width;
  const shape all[MATRICES] = {{w, 3 * w, 3, 0}, {w, w, 1, 0},     {w, 4 * w, 1, 0},
                               {1, 4 * w, 1, 0}, {4 * w, w, 1, 0}, {1, w, 1, 0}};
  shape s = all[which];
  for (int i = 0; i < which; i++) s.at += (size_t)(all[i].rows * all[i].cols);
  return s;
}

size_t problem_parameters(long width) {
  const shape last = shape_of(width, B2);
  return last.at + (size_t)last.cols;
}

static size_t size_of(const matrix *m) {
  return (size_t)(m->rows * m->cols);
}

// Copies the part of a rank out of a whole matrix, or, with back, into it.
static void part(const block *b, int which, float *whole, float *mine, bool back) {
  const shape s = shape_of(b->width, which);
  const matrix *m = &b->m[which];
  const long group = s.cols / m->groups, run = m->cols / m->groups;
  const long row = m->split == BY_ROWS ? b->rank * m->rows : 0,
             col = m->split == BY_COLUMNS ? b->rank * run : 0;
  for (long i = 0; i < m->rows; i++)
    for (int g = 0; g < m->groups; g++) {
      float *there = whole + s.at + (row + i) * s.cols + g * group + col,
            *here = mine + i * m->cols + g * run;
      memcpy(back ? there : here, back ? here : there, (size_t)run * sizeof *here);
    }
}

static float *room(block *b, long count) {
  return b->ops->alloc(b->ops, (size_t)count * sizeof(float));
}
static void leave(block *b, float *p, long count) {
  b->ops->free(b->ops, p, (size_t)count * sizeof(float));
}

static void open_matrix(block *b, int which) {
  const strategy *s = b->strategy;
  const shape full = shape_of(b->width, which);
  const enum split split = (which <= WO ? s->attention : s->mlp)->split[which];
  matrix *m = &b->m[which];
  *m = (matrix){.rows = full.rows / (split == BY_ROWS ? b->world : 1),
                .cols = full.cols / (split == BY_COLUMNS ? b->world : 1),
                .split = split,
                .groups = full.groups};
  m->weights = room(b, m->rows * m->cols);
  m->gradient = room(b, m->rows * m->cols);
  float *host = hd_alloc(size_of(m), sizeof *host);
  part(b, which, (float *)b->problem->theta, host, false);
  b->ops->upload(b->ops, m->weights, host, size_of(m) * sizeof *host);
  free(host);
}

// ---------------------------------------------------------------- memory

// Buffers and their sizes, for opening and for closing.
typedef struct buffer {
  float **at;
  long count;
} buffer;

enum { BUFFERS = 16 };

static long larger(long a, long b) {
  return a > b ? a : b;
}

static void buffers_of(block *b, buffer list[BUFFERS]) {
  const problem *p = b->problem;
  const long own = b->kept_rows * b->width, all = b->rows * b->width, hidden = b->rows * b->m[B1].cols;
  const long qkv = b->rows * b->m[WQKV].cols, attended = b->rows * b->m[WO].rows;
  const long probabilities = attended / b->width * p->heads * p->length;
  const bool blocks = !b->strategy->mlp->partial;
  const buffer each[BUFFERS] = {{&b->x, own},
                                {&b->u, own},
                                {&b->y, own},
                                {&b->dy, own},
                                {&b->d, own},
                                {&b->whole_in, b->strategy->sequence ? all : 0},
                                {&b->gathered, b->strategy->sequence ? all : 0},
                                {&b->whole_out, all},
                                {&b->qkv, qkv},
                                {&b->probabilities, probabilities},
                                {&b->attended, attended},
                                {&b->z, hidden},
                                {&b->h, hidden},
                                {&b->dz, larger(hidden, all)},
                                {&b->dqkv, qkv},
                                {&b->work, larger(probabilities, blocks ? 4 * all : 0)}};
  memcpy(list, each, sizeof each);
}

block *block_open(const problem *p, const strategy *s, hd_comm *comm, hd_ops *ops) {
  block *b = hd_alloc(1, sizeof *b);
  *b = (block){.problem = p, .strategy = s, .comm = comm, .ops = ops};
  b->rank = hd_comm_rank(comm);
  b->world = hd_comm_world(comm);
  b->rows = p->samples * p->length;
  b->width = p->width;
  b->kept_rows = s->sequence ? b->rows / b->world : b->rows;
  for (int i = 0; i < MATRICES; i++) open_matrix(b, i);
  buffer list[BUFFERS];
  buffers_of(b, list);
  for (int i = 0; i < BUFFERS; i++) *list[i].at = room(b, list[i].count);
  if (!s->mlp->partial) b->blocks = room(b, 4 * b->rows * b->width);
  const size_t own = (size_t)(b->kept_rows * b->width), at = s->sequence ? (size_t)b->rank * own : 0;
  ops->upload(ops, b->x, p->x + at, own * sizeof(float));
  ops->upload(ops, b->dy, p->dy + at, own * sizeof(float));
  return b;
}

void block_close(block *b) {
  buffer list[BUFFERS];
  buffers_of(b, list);
  for (int i = 0; i < BUFFERS; i++) leave(b, *list[i].at, list[i].count);
  if (b->blocks) leave(b, b->blocks, 4 * b->rows * b->width);
  for (int i = 0; i < MATRICES; i++) {
    leave(b, b->m[i].weights, b->m[i].rows * b->m[i].cols);
    leave(b, b->m[i].gradient, b->m[i].rows * b->m[i].cols);
  }
  b->ops->close(b->ops);
  free(b);
}

void block_collect(const block *b, float *y, float *dx, float *gradient) {
  hd_ops *o = b->ops;
  const size_t own = (size_t)(b->kept_rows * b->width),
               at = b->strategy->sequence ? (size_t)b->rank * own : 0;
  if (b->strategy->sequence || b->rank == b->world - 1) {
    o->download(o, y + at, b->y, own * sizeof *y);
    o->download(o, dx + at, b->d, own * sizeof *dx);
  }
  for (int i = 0; i < MATRICES; i++) {
    const matrix *m = &b->m[i];
    if (m->split == WHOLE && b->rank) continue;
    float *host = hd_alloc(size_of(m), sizeof *host);
    o->download(o, host, m->gradient, size_of(m) * sizeof *host);
    part(b, i, gradient, host, true);
    free(host);
  }
}

// ---------------------------------------------------------------- forward and backward

// All rows of what each rank keeps some rows of.
static int gather(block *b, const float *kept, float *room_for_all, const float **all) {
  *all = b->strategy->sequence ? room_for_all : kept;
  if (!b->strategy->sequence) return 0;
  return hd_all_gather(b->comm, kept, room_for_all, (size_t)(b->kept_rows * b->width), HD_F32);
}

// kept += the sum of all ranks' addends: everywhere, or each rank its rows of it.
static int add_sum(block *b, bool partial, float *addend, float *kept) {
  const size_t own = (size_t)(b->kept_rows * b->width);
  if (b->strategy->sequence) {
    if (hd_reduce_scatter(b->comm, addend, b->gathered, own, HD_F32, HD_SUM)) return -1;
    addend = b->gathered;
  } else if (partial && hd_all_reduce(b->comm, addend, own, HD_F32, HD_SUM)) {
    return -1;
  }
  b->ops->axpy(b->ops, 1, addend, kept, own);
  return 0;
}

static int half_forward(block *b, const half *f, const float *in, float *out) {
  const float *all;
  b->ops->copy(b->ops, out, in, (size_t)(b->kept_rows * b->width) * sizeof *out);
  if (gather(b, in, b->whole_in, &all) || f->forward(b, all, b->whole_out)) return -1;
  if (b->strategy->mistake == BIAS_BEFORE_SUM && f == b->strategy->mlp)
    b->ops->bias_act(b->ops, b->whole_out, b->m[B2].weights, b->whole_out, b->rows, b->width, HD_LINEAR);
  return add_sum(b, f->partial, b->whole_out, out);
}

// d: from the gradient of the half's output to that of its input, which the residual connection adds to.
static int half_backward(block *b, const half *f, const float *in, float *d) {
  const float *all_in, *all_d;
  // The input's rows of other ranks were not kept, to save their room: they are gathered once more.
  if (gather(b, d, b->gathered, &all_d) || gather(b, in, b->whole_in, &all_in)) return -1;
  if (f->backward(b, all_in, all_d, b->whole_out)) return -1;
  const bool partial = f->partial && !(b->strategy->mistake == NO_INPUT_SUM && f == b->strategy->mlp);
  return add_sum(b, partial, b->whole_out, d);
}

int block_step(block *b) {
  hd_ops *o = b->ops;
  const strategy *s = b->strategy;
  if (half_forward(b, s->attention, b->x, b->u) || half_forward(b, s->mlp, b->u, b->y)) return -1;
  if (s->mistake != BIAS_BEFORE_SUM)
    o->bias_act(o, b->y, b->m[B2].weights, b->y, b->kept_rows, b->width, HD_LINEAR);
  o->copy(o, b->d, b->dy, (size_t)(b->kept_rows * b->width) * sizeof(float));
  o->bias_act_backward(o, b->d, NULL, b->m[B2].gradient, b->kept_rows, b->width, HD_LINEAR, false);
  if (s->sequence && hd_all_reduce(b->comm, b->m[B2].gradient, (size_t)b->width, HD_F32, HD_SUM)) return -1;
  return half_backward(b, s->mlp, b->u, b->d) || half_backward(b, s->attention, b->x, b->d) ? -1 : 0;
}
