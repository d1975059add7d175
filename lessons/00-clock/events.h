// SPDX-License-Identifier: MIT
// The state all variants share, and the GPU's clock: CUDA events.
#ifndef EVENTS_H
#define EVENTS_H
#include <stdint.h>

#include "heddle/bench.h"

// What must hold for every clock: it never steps back, it agrees with an independent measurement, and every
// reading was made.
enum { CHECK_STEPS_BACK, CHECK_AGREEMENT, CHECK_STORED, CHECKS };

typedef struct clock_state {
  int64_t *stamp;     // (size) readings, in ticks
  double *sample_ns;  // (size) time between readings
  double checks[CHECKS];
  double tsc_tick_ns, tsc_cost_s;  // NaN where there is no such counter
  void *events;                    // of the GPU variants
} clock_state;

#ifdef __cplusplus
extern "C" {
#endif
extern const hd_place at_events;
hd_run run_gpu_events, run_gpu_kernels;
#ifdef __cplusplus
}
#endif
#endif
