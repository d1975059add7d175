// SPDX-License-Identifier: MIT
// What the pipelines of schedules.cu are made of: pinned host memory, a buffer and a stream per place in the
// pipeline, and the three operations. None of the set-up is timed.
#include "pipeline.cuh"

#include <string.h>

#include "heddle/error.h"
#include "probe.h"

// ---------------------------------------------------------------- operations

static long length(const pipeline *p, int chunk) {
  const long from = chunk * p->chunk, left = p->elements - from;
  return left <= 0 ? 0 : left < p->chunk ? left : p->chunk;
}

static void mark(const pipeline *p, const cudaEvent_t event[MOST_MARKED][PHASES], int chunk, int phase,
                 cudaStream_t stream) {
  if (p->marked) HD_CUDA(cudaEventRecord(event[chunk][phase], stream));
}

void issue_upload(const pipeline *p, int chunk, float *buffer, cudaStream_t stream) {
  mark(p, p->before, chunk, UPLOAD, stream);
  HD_CUDA(cudaMemcpyAsync(buffer, p->x + chunk * p->chunk, (size_t)length(p, chunk) * sizeof(float),
                          cudaMemcpyHostToDevice, stream));
  mark(p, p->after, chunk, UPLOAD, stream);
}

void issue_kernel(const pipeline *p, int chunk, float *buffer, cudaStream_t stream) {
  mark(p, p->before, chunk, COMPUTE, stream);
  relax_on(stream, buffer, buffer, length(p, chunk), p->steps);
  mark(p, p->after, chunk, COMPUTE, stream);
}

void issue_download(const pipeline *p, int chunk, float *buffer, cudaStream_t stream) {
  mark(p, p->before, chunk, DOWNLOAD, stream);
  HD_CUDA(cudaMemcpyAsync(p->y + chunk * p->chunk, buffer, (size_t)length(p, chunk) * sizeof(float),
                          cudaMemcpyDeviceToHost, stream));
  mark(p, p->after, chunk, DOWNLOAD, stream);
}

// ---------------------------------------------------------------- what they take, each alone

typedef struct probed {
  const pipeline *p;
  long n;
} probed;

static void upload(const void *what, void *stream) {
  const probed *w = (const probed *)what;
  HD_CUDA(cudaMemcpyAsync(w->p->buffer[0], w->p->pinned_x, (size_t)w->n * sizeof(float),
                          cudaMemcpyHostToDevice, (cudaStream_t)stream));
}

static void compute(const void *what, void *stream) {
  const probed *w = (const probed *)what;
  relax_on(stream, w->p->buffer[0], w->p->buffer[0], w->n, w->p->steps);
}

static void download(const void *what, void *stream) {
  const probed *w = (const probed *)what;
  HD_CUDA(cudaMemcpyAsync(w->p->pinned_y, w->p->buffer[0], (size_t)w->n * sizeof(float),
                          cudaMemcpyDeviceToHost, (cudaStream_t)stream));
}

// Seconds for a chunk, and what two lengths tell of the part that does not depend on it.
static void probe_phase(const pipeline *p, probe_work *work, double *seconds, double *alpha) {
  enum { SHORTER = 8 };
  const probed whole = {p, p->chunk}, part = {p, p->chunk / SHORTER};
  *seconds = probe_device(p->buffer[1], work, &whole);
  const double less = probe_device(p->buffer[1], work, &part);
  const double fixed = (SHORTER * less - *seconds) / (SHORTER - 1);
  *alpha = fixed > 0 && part.n > 0 ? fixed : 0;
}

static piece_costs probe_costs(const pipeline *p) {
  piece_costs c = {};
  c.issue = probe_issue(p->buffer[1]);
  c.kernel_share = relax_share(p->chunk);
  probe_phase(p, upload, &c.upload, &c.upload_alpha);
  probe_phase(p, compute, &c.kernel, &c.kernel_alpha);
  probe_phase(p, download, &c.download, &c.download_alpha);
  return c;
}

// ---------------------------------------------------------------- place, collect, release

static void new_event(cudaEvent_t *event, unsigned flags) {
  HD_CUDA(cudaEventCreateWithFlags(event, flags));
}

void pipeline_place(hd_case *c) {
  relaxation *r = (relaxation *)c->state;
  pipeline *p = (pipeline *)hd_alloc(1, sizeof *p);
  *p = (pipeline){};
  r->gpu = p;
  p->elements = r->elements;
  p->steps = r->steps;
  p->chunks = (int)c->size;
  p->chunk = (r->elements + c->size - 1) / c->size;
  const size_t bytes = (size_t)r->elements * sizeof(float);
  const long least = TINY;
  const size_t room = (size_t)(p->chunk > least ? p->chunk : least) * sizeof(float);
  HD_CUDA(cudaMallocHost((void **)&p->pinned_x, bytes));
  HD_CUDA(cudaMallocHost((void **)&p->pinned_y, bytes));
  memcpy(p->pinned_x, r->x, bytes);
  for (int i = 0; i < MOST_STREAMS; i++) {
    HD_CUDA(cudaMalloc((void **)&p->buffer[i], room));
    HD_CUDA(cudaMemset(p->buffer[i], 0, room));
    HD_CUDA(cudaStreamCreate(&p->stream[i]));
    new_event(&p->up[i], cudaEventDisableTiming);
    new_event(&p->computed[i], cudaEventDisableTiming);
    new_event(&p->down[i], cudaEventDisableTiming);
  }
  new_event(&p->origin, cudaEventDefault);
  for (int i = 0; i < MOST_MARKED; i++)
    for (int k = 0; k < PHASES; k++) {
      new_event(&p->before[i][k], cudaEventDefault);
      new_event(&p->after[i][k], cudaEventDefault);
    }
  HD_CUDA(cudaDeviceSynchronize());
  r->cost = probe_costs(p);
  memcpy(p->pinned_y, r->y, bytes);  // poisoned by the harness: a chunk that never comes back is found
}

// A variant that works on pageable memory has left its result there.
void pipeline_collect(hd_case *c) {
  const relaxation *r = (const relaxation *)c->state;
  const pipeline *p = (const pipeline *)r->gpu;
  if (p->y != r->y) memcpy(r->y, p->pinned_y, (size_t)r->elements * sizeof(float));
}

void pipeline_release(hd_case *c) {
  relaxation *r = (relaxation *)c->state;
  pipeline *p = (pipeline *)r->gpu;
  HD_CUDA(cudaDeviceSynchronize());
  for (int i = 0; i < MOST_MARKED; i++)
    for (int k = 0; k < PHASES; k++) {
      HD_CUDA(cudaEventDestroy(p->before[i][k]));
      HD_CUDA(cudaEventDestroy(p->after[i][k]));
    }
  HD_CUDA(cudaEventDestroy(p->origin));
  for (int i = 0; i < MOST_STREAMS; i++) {
    HD_CUDA(cudaEventDestroy(p->up[i]));
    HD_CUDA(cudaEventDestroy(p->computed[i]));
    HD_CUDA(cudaEventDestroy(p->down[i]));
    HD_CUDA(cudaStreamDestroy(p->stream[i]));
    HD_CUDA(cudaFree(p->buffer[i]));
  }
  HD_CUDA(cudaFreeHost(p->pinned_x));
  HD_CUDA(cudaFreeHost(p->pinned_y));
  free(p);
  r->gpu = NULL;
}
