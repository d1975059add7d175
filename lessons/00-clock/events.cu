// SPDX-License-Identifier: MIT
// The GPU's own clock. A launch only puts a kernel into a queue, so the host's clock around it measures the
// queueing. An event is a mark in the same queue: the GPU writes the time when it gets there.
#include "events.h"

#include "heddle/device.h"
#include "samples.h"

__global__ void nothing(void) {}

static void create(hd_case *c) {
  clock_state *s = (clock_state *)c->state;
  cudaEvent_t *event = (cudaEvent_t *)malloc((c->size + 1) * sizeof *event);
  for (long i = 0; i <= c->size; i++) HD_CUDA(cudaEventCreate(&event[i]));
  s->events = event;
}

static void destroy(hd_case *c) {
  clock_state *s = (clock_state *)c->state;
  cudaEvent_t *event = (cudaEvent_t *)s->events;
  for (long i = 0; i <= c->size; i++) HD_CUDA(cudaEventDestroy(event[i]));
  free(event);
  s->events = NULL;
}

// n events in a row, with or without a kernel before each: the time per step, and the spread of the steps.
// The independent measurement here is the one from the first event to the last: the steps must add up to it.
static void measure(hd_case *c, bool with_kernels) {
  clock_state *s = (clock_state *)c->state;
  const cudaEvent_t *event = (const cudaEvent_t *)s->events;
  const long n = c->size;
  HD_CUDA(cudaEventRecord(event[0], 0));
  for (long i = 1; i <= n; i++) {
    if (with_kernels) {
      nothing<<<1, 1>>>();
      HD_LAUNCHED();
    }
    HD_CUDA(cudaEventRecord(event[i], 0));
  }
  HD_CUDA(cudaEventSynchronize(event[n]));
  float whole_ms = 0, step_ms;
  HD_CUDA(cudaEventElapsedTime(&whole_ms, event[0], event[n]));
  double sum_ms = 0;
  long back = 0;
  for (long i = 0; i < n; i++) {
    HD_CUDA(cudaEventElapsedTime(&step_ms, event[i], event[i + 1]));
    s->sample_ns[i] = step_ms * 1e6;
    sum_ms += step_ms;
    back += step_ms < 0;
  }
  if (n > 0) hd_report_time(c, whole_ms * 1e-3 / (double)n);
  report_samples(c, s->sample_ns, n);
  s->checks[CHECK_STEPS_BACK] = (double)back;
  s->checks[CHECK_STORED] = 1;  // an event that was never reached has ended the process above
  s->checks[CHECK_AGREEMENT] = whole_ms > 0 ? sum_ms / whole_ms : sum_ms == 0;
}

void run_gpu_events(hd_case *c) {
  measure(c, false);
}

void run_gpu_kernels(hd_case *c) {
  measure(c, true);
}

extern "C" const hd_place at_events = {create, NULL, destroy};
