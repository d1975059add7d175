// SPDX-License-Identifier: MIT
#include "probe.h"

#include "heddle/device.h"

typedef struct stopwatch {
  cudaStream_t stream;
  cudaEvent_t from, to;
} stopwatch;

static stopwatch begin(void) {
  stopwatch w;
  HD_CUDA(cudaStreamCreateWithFlags(&w.stream, cudaStreamNonBlocking));
  HD_CUDA(cudaEventCreate(&w.from));
  HD_CUDA(cudaEventCreate(&w.to));
  return w;
}

static double end(stopwatch *w) {
  float ms = 0;
  HD_CUDA(cudaDeviceSynchronize());
  HD_CUDA(cudaEventElapsedTime(&ms, w->from, w->to));
  HD_CUDA(cudaEventDestroy(w->from));
  HD_CUDA(cudaEventDestroy(w->to));
  HD_CUDA(cudaStreamDestroy(w->stream));
  return ms * 1e-3;
}

// About 20 µs on a GPU, longer than the host needs for the calls that follow.
static void hold(float *scratch, cudaStream_t stream) {
  relax_on(stream, scratch, scratch, TINY, 4096);
}

double probe_device(float *scratch, probe_work *work, const void *what) {
  stopwatch w = begin();
  hold(scratch, w.stream);
  HD_CUDA(cudaEventRecord(w.from, w.stream));
  work(what, w.stream);
  HD_CUDA(cudaEventRecord(w.to, w.stream));
  return end(&w);
}

// Events of an idle stream happen when the host issues them; between them it launches elsewhere.
double probe_issue(float *scratch) {
  enum { LAUNCHES = 8 };
  cudaStream_t other;
  HD_CUDA(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  stopwatch w = begin();
  HD_CUDA(cudaEventRecord(w.from, w.stream));
  for (int i = 0; i < LAUNCHES; i++) relax_on(other, scratch, scratch, TINY, 1);
  HD_CUDA(cudaEventRecord(w.to, w.stream));
  const double seconds = end(&w) / LAUNCHES;
  HD_CUDA(cudaStreamDestroy(other));
  return seconds;
}
