// SPDX-License-Identifier: MIT
// Idea: N ranks want a batch N times as large, or each has too little to do. One step then stands for several
// small ones, so it must be as long as they together: k times the batch, k times the rate, after a warm-up in
// which the rate rises from near zero (Goyal et al. 2017).
// Prediction: the accuracy of the small batch in a k-th of the steps, as long as the gradient does not turn
// much during k small steps; at first it does, and the long step diverges without the warm-up.
// A single step is that of all_reduce: the rates differ only in whole trainings.
#include "strategies.h"

static int step(worker *w) {
  return all_reduce.step(w);
}

const strategy large_batch = {.step = step, .scaled_rate = true};
