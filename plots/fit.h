// SPDX-License-Identifier: MIT
// Fitting the logarithms of a few numbers so that predictions come near to observations.
#ifndef HEDDLE_FIT_H
#define HEDDLE_FIT_H
#include <stdbool.h>

enum { HD_FIT_MOST = 16 };  // numbers

// Predicts `count` times into `predicted` (a time that cannot be had is NAN) for these numbers; false: it
// failed.
typedef bool hd_predict(const double *numbers, double *predicted, int count, void *arg);

typedef struct hd_fit {
  int numbers;
  double value[HD_FIT_MOST];  // in: where to begin; out: the fit
  double low[HD_FIT_MOST], high[HD_FIT_MOST];
  double influence[HD_FIT_MOST];  // out: how many observations' worth of them hang on each number
} hd_fit;

// Gauss and Newton on logarithms, by differences; observations that stay far off count little (Cauchy), and
// numbers that nothing hangs on keep their value. False: a prediction failed, or there is no memory.
bool hd_fit_logs(hd_fit *fit, const double *observed, int count, hd_predict *predict, void *arg);

#endif
