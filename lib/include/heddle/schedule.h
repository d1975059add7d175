// SPDX-License-Identifier: MIT
// How large a step is: learning rates over a training, and the scale of the loss in 16-bit training.
#ifndef HEDDLE_SCHEDULE_H
#define HEDDLE_SCHEDULE_H
#include "train.h"

#ifdef __cplusplus
extern "C" {
#endif

enum hd_decay {
  HD_RATE_CONSTANT,
  HD_RATE_STAIRS,  // times `factor` after every `every` steps
  HD_RATE_LINEAR,  // in a straight line to `last`
  HD_RATE_COSINE,  // along half a cosine to `last` (Loshchilov and Hutter 2017)
};

typedef struct hd_schedule {
  enum hd_decay decay;
  float rate;    // the largest learning rate
  float last;    // the rate at the end, where the decay has one
  long warm_up;  // steps in which the rate rises in a straight line to `rate`; the decay starts behind them
  long total;    // steps of the whole training; the rate stays `last` afterwards
  long every;    // HD_RATE_STAIRS
  float factor;
} hd_schedule;

// The rate of step 0, 1, …: warm-up gives rate·(step + 1) / warm_up.
float hd_rate_at(const hd_schedule *s, long step);

// The linear scaling rule (Goyal et al. 2017): a batch k times as large takes a rate k times as large, after
// a warm-up.
float hd_scaled_rate(float rate, size_t batch, size_t base_batch);

// Dynamic loss scaling (Micikevicius et al. 2018). Gradients of fp16 training are computed times `scale`, a
// power of two, so that small ones do not vanish. If one overflows the step is skipped and the scale halved;
// after `every` good steps it is doubled.
typedef struct hd_scaler {
  float scale;         // multiply the gradient by it; 65536 at first
  float largest;       // never above, 2^24
  long every;          // 2000
  long good, skipped;  // good steps since the scale last changed; skipped ones in all
} hd_scaler;

hd_scaler hd_scaler_default(void);

// One optimizer step with the gradient scale·gradient / scaler->scale, or none if an entry of gradient is
// infinite or NaN: then theta and the optimizer stay as they are, and the result is false. Waits for the
// device. Ranks that see the same gradient decide the same.
bool hd_scaler_step(hd_scaler *s, hd_optimizer *p, float *theta, const float *gradient, float rate,
                    float scale);

#ifdef __cplusplus
}
#endif
#endif
