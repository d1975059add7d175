// SPDX-License-Identifier: MIT
// How much a training with clipped gradients and noise can tell about one image: differential privacy, by
// Rényi divergences (Mironov 2017; Mironov, Talwar and Zhang 2019).
#ifndef HEDDLE_LESSON_28_ACCOUNTANT_H
#define HEDDLE_LESSON_28_ACCOUNTANT_H

// ε at `delta` after `steps` steps that take each image with probability `rate` and add noise of standard
// deviation `noise` times the clipping length. Infinity without noise, 0 without steps or rate.
double privacy_spent(double rate, double noise, long steps, double delta);

// The Rényi divergence of order `order` > 1 of one step.
double renyi(double rate, double noise, double order);
#endif
