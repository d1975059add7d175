// SPDX-License-Identifier: MIT
// Parts of the serial twin (reference.c).
#ifndef HEDDLE_LESSON_30_TWIN_H
#define HEDDLE_LESSON_30_TWIN_H
#include "gpt.h"

typedef struct twin {
  const gpt_shape *s;
  long rows, w, h, v;  // of all sequences; widths of rows, inner rows, logits
} twin;

static inline size_t cells(const twin *t, long cols) {
  return (size_t)(t->rows * cols);
}

// y = x·W + b, and its way back: dx is overwritten.
void twin_forward(const twin *t, long in, long out, const double *theta, const double *x, double *y);
void twin_backward(const twin *t, long in, long out, const double *theta, const double *x, const double *dy,
                   double *dx, double *gradient);
// The way back adds to dx: what came by the way around the norm is there already.
void twin_norm(const twin *t, const double *theta, const double *x, double *y);
void twin_norm_backward(const twin *t, const double *theta, const double *x, const double *dy, double *dx,
                        double *gradient);

// What a block leaves for backward, and where its parameters begin.
typedef struct kept {
  double *x, *n1, *qkv, *attended, *u, *n2, *z, *h;
  size_t norm1, qkv_at, out, norm2, inner, last;
} kept;

kept twin_block(const twin *t, size_t *at);  // at: of its parameters, then of what follows them
void twin_block_free(kept *k);
void twin_block_forward(const twin *t, const double *theta, kept *k, double *y);
// d: from the gradient of the block's output to that of its input.
void twin_block_backward(const twin *t, const double *theta, const kept *k, double *d, double *gradient);
double *twin_room(const twin *t, long cols);
#endif
