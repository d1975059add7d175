// SPDX-License-Identifier: MIT
// Idea (PowerSGD, Vogels et al. 2019): a layer's gradient, with its bias as one more row, is a matrix M
// (rows, columns), and most of it is in few directions. Send it as a product P·Qᵀ of a tall and a wide matrix
// of four columns each. Both are linear in M, so that, unlike other messages, they can be added on their way:
//   P = Σ M·Q of all ranks, made orthonormal; Q = Σ Mᵀ·P; what is sent of Σ M is P·Qᵀ = P·Pᵀ·Σ M.
// Q of the last step is where the next one starts: a step of the power method each time, which turns P
// towards the directions that are longest.
// Prediction: 4·(rows + columns) words for rows · columns, 57 times fewer than fp32, and by all-reduce: the
// one message here that hardly grows with the number of ranks.
#ifndef HEDDLE_LESSON_28_LOW_RANK_H
#define HEDDLE_LESSON_28_LOW_RANK_H
#include <heddle/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { LOW_RANK = 4, FACTORED_LAYERS = 3 };

// P or Q of all layers: (rows, LOW_RANK) each.
typedef struct factors {
  float *of[FACTORED_LAYERS];
  long rows[FACTORED_LAYERS];
} factors;

// Makes the columns of each factor orthonormal (Gram and Schmidt, twice: what the first time leaves of a
// column that was nearly a sum of the others is rounding, and stands on them only after the second). A column
// of zeros becomes a unit vector, or it would stay zero in all later steps.
void orthonormalize_cpu(factors p);
void orthonormalize_gpu(hd_ops *o, factors p);

#ifdef __cplusplus
}
#endif
#endif
