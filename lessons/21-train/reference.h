// SPDX-License-Identifier: MIT
#ifndef HEDDLE_LESSON_21_REFERENCE_H
#define HEDDLE_LESSON_21_REFERENCE_H
#include "model.h"

// The update theta - initial after `steps` steps, in double precision throughout. Where the input of a ReLU
// is zero up to fp32's rounding, either decision is right; the weights of such a unit of a dense layer are
// marked in doubtful: their value cannot be known, and is not to be compared. (A convolution's weights sum
// over so many pixels that one of them is within the tolerance.)
void reference_update(const task *t, enum hd_rule rule, float epsilon, long steps, double *update,
                      bool *doubtful);
#endif
