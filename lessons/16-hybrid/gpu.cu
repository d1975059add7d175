// SPDX-License-Identifier: MIT
// The GPU's part in chunks (lesson 15), the CPU's beside it, and what each can do alone. None of the set-up
// is timed.
#include <string.h>

#include "gpu.cuh"
#include "heddle/error.h"

// ---------------------------------------------------------------- the work

// A mark is two events and no more: it costs a real GPU's host a microsecond, and a simulated one's nothing.
static interval *begin(pair_of_workers *w, char kind, int lane, cudaStream_t stream) {
  if (!w->marked || w->marks == MOST_MARKED) return NULL;
  interval *m = &w->measured[w->marks++];
  m->kind = kind;
  m->lane = lane;
  HD_CUDA(cudaEventRecord(m->before, stream));
  return m;
}

static void end(interval *m, cudaStream_t stream) {
  if (m) HD_CUDA(cudaEventRecord(m->after, stream));
}

static void copy(const pair_of_workers *w, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                 cudaStream_t stream) {
  if (w->waits)
    HD_CUDA(cudaMemcpy(to, from, bytes, kind));
  else
    HD_CUDA(cudaMemcpyAsync(to, from, bytes, kind, stream));
}

void issue_chunk(pair_of_workers *w, long from, long to, int stream) {
  if (from >= to) return;
  const cloud *c = &w->shared;
  const cudaStream_t s = w->stream[stream];
  const long low = c->windows[from].low, high = c->windows[to - 1].high;
  const long row = from * TILE, rows = (to * TILE < c->n ? to * TILE : c->n) - row;
  interval *m = begin(w, 'U', 1, s);
  copy(w, w->buffer[stream], c->particles + low, (size_t)(high - low) * sizeof(particle),
       cudaMemcpyHostToDevice, s);
  end(m, s);
  m = begin(w, 'K', 2, s);
  density_on(s, w->buffer[stream], (int)low, w->windows, from, to - from, c->n, w->density);
  end(m, s);
  m = begin(w, 'D', 3, s);
  copy(w, c->density + row, w->density + row, (size_t)rows * sizeof(float), cudaMemcpyDeviceToHost, s);
  end(m, s);
}

void issue_chunks(pair_of_workers *w, long to) {
  int stream = 0;
  for (long from = 0; from < to; from += w->chunk, stream = (stream + 1) % STREAMS)
    issue_chunk(w, from, from + w->chunk < to ? from + w->chunk : to, stream);
}

void compute_here(pair_of_workers *w, long from, long to) {
  if (from >= to) return;
  interval *m = begin(w, 'C', 0, w->clock);
  cpu_shared_density(&w->shared, from, to);
  end(m, w->clock);
}

// ---------------------------------------------------------------- a run

double time_shared(pair_of_workers *w, share_work *way, long gpu_tiles) {
  hd_device_timer_start(1);
  way(w, gpu_tiles);
  return hd_device_timer_stop(1);
}

static double since(const pair_of_workers *w, cudaEvent_t event) {
  float ms = 0;
  HD_CUDA(cudaEventElapsedTime(&ms, w->origin, event));
  return ms * 1e-3;
}

// Once more, with events around everything. A stream comes to an operation when the one before it is done;
// the operation may then still wait for its engine.
static void draw(hd_case *c, pair_of_workers *w, share_work *way, long gpu_tiles) {
  double engine_free[PHASES + 1] = {0};
  HD_CUDA(cudaDeviceSynchronize());
  w->marked = true;
  w->marks = 0;
  HD_CUDA(cudaEventRecord(w->origin, w->clock));
  way(w, gpu_tiles);
  HD_CUDA(cudaDeviceSynchronize());
  w->marked = false;
  for (int i = 0; i < w->marks; i++) {
    const interval *m = &w->measured[i];
    const double ready = since(w, m->before), done = since(w, m->after);
    char label[2] = {m->kind, 0};
    hd_add_span(c, m->lane, label, ready > engine_free[m->lane] ? ready : engine_free[m->lane], done);
    engine_free[m->lane] = done;
  }
}

void run_shared(hd_case *c, share_work *way, long gpu_tiles) {
  cloud *s = (cloud *)c->state;
  pair_of_workers *w = (pair_of_workers *)s->gpu;
  hd_report_time(c, time_shared(w, way, gpu_tiles));
  hd_figure(c, "the CPU alone", PAIR_FLOPS * s->speed.cpu, "FLOP/s");
  hd_figure(c, "the GPU's kernels alone", PAIR_FLOPS * s->speed.gpu, "FLOP/s");
  if (!c->verifying && gpu_tiles > 0 && s->tiles > CHUNKS) draw(c, w, way, gpu_tiles);
}

// ---------------------------------------------------------------- what each does alone

// Behind an empty device, by events: the host's own work has its time between two of them as well.
static double seconds_of(pair_of_workers *w, void (*work)(pair_of_workers *w, long tiles), long tiles) {
  float ms = 0;
  HD_CUDA(cudaDeviceSynchronize());
  HD_CUDA(cudaEventRecord(w->measured[0].before, w->stream[0]));
  work(w, tiles);
  HD_CUDA(cudaEventRecord(w->measured[0].after, w->stream[0]));
  HD_CUDA(cudaDeviceSynchronize());
  HD_CUDA(cudaEventElapsedTime(&ms, w->measured[0].before, w->measured[0].after));
  return ms * 1e-3;
}

static void kernel_alone(pair_of_workers *w, long tiles) {
  density_on(w->stream[0], w->buffer[0], 0, w->windows, 0, tiles, w->shared.n, w->density);
}

static void cpu_alone(pair_of_workers *w, long tiles) {
  cpu_shared_density(&w->shared, 0, tiles);
}

// The host's part of a chunk: three calls.
static void issue_nothing(pair_of_workers *w, long tiles) {
  (void)tiles;
  for (int i = 0; i < PHASES; i++) HD_CUDA(cudaMemsetAsync(w->density, 0, sizeof(float), w->stream[1]));
}

static speeds probe(pair_of_workers *w) {
  enum { CPU_TILES = 64, BLOCKS_PER_SM = 8 };
  const cloud *c = &w->shared;
  const long on_gpu = c->tiles < (long)BLOCKS_PER_SM * w->sms ? c->tiles : (long)BLOCKS_PER_SM * w->sms;
  const long on_cpu = c->tiles < CPU_TILES ? c->tiles : (long)CPU_TILES;
  speeds s = {};
  double rate;
  s.pairs = cloud_pairs(c, 0, c->tiles);
  if (c->tiles == 0) return s;
  HD_CUDA(cudaMemcpy(w->buffer[0], c->particles, (size_t)c->windows[on_gpu - 1].high * sizeof(particle),
                     cudaMemcpyHostToDevice));
  seconds_of(w, kernel_alone, on_gpu);  // the first launch also brings the kernel to the GPU
  s.gpu = cloud_pairs(c, 0, on_gpu) / seconds_of(w, kernel_alone, on_gpu);
  s.cpu = cloud_pairs(c, 0, on_cpu) / seconds_of(w, cpu_alone, on_cpu);
  hd_device_host_link(&s.alpha, &rate);
  s.up = (double)c->n * sizeof(particle) / rate;
  s.down = (double)c->n * sizeof(float) / rate;
  s.chunk = (double)w->chunk / (double)c->tiles;
  s.issue = seconds_of(w, issue_nothing, 0) / s.chunk;
  return s;
}

// ---------------------------------------------------------------- place, collect, release

// There and here: a tile that nobody computed is found.
void poison_shared(pair_of_workers *w, const cloud *poisoned) {
  const size_t bytes = (size_t)poisoned->n * sizeof(float);
  HD_CUDA(cudaDeviceSynchronize());
  memcpy(w->shared.density, poisoned->density, bytes);
  HD_CUDA(cudaMemcpy(w->density, poisoned->density, bytes, cudaMemcpyHostToDevice));
  HD_CUDA(cudaDeviceSynchronize());
}

void gpu_place(hd_case *c) {
  cloud *s = (cloud *)c->state;
  pair_of_workers *w = (pair_of_workers *)hd_alloc(1, sizeof *w);
  *w = (pair_of_workers){};
  s->gpu = w;
  w->shared = *s;
  const size_t n = (size_t)s->n, room = n ? n : 1, tiles = (size_t)s->tiles;
  int device;
  double peak, bytes;
  HD_CUDA(cudaGetDevice(&device));
  HD_CUDA(cudaDeviceGetAttribute(&w->sms, cudaDevAttrMultiProcessorCount, device));
  w->chunk = (s->tiles / CHUNKS / (2L * w->sms) + 1) * 2L * w->sms;
  HD_CUDA(cudaMallocHost((void **)&w->shared.particles, room * sizeof(particle)));
  HD_CUDA(cudaMallocHost((void **)&w->shared.density, room * sizeof(float)));
  memcpy(w->shared.particles, s->particles, n * sizeof(particle));
  for (int i = 0; i < STREAMS; i++) {
    HD_CUDA(cudaMalloc((void **)&w->buffer[i], room * sizeof(particle)));
    HD_CUDA(cudaStreamCreate(&w->stream[i]));
  }
  HD_CUDA(cudaStreamCreateWithFlags(&w->clock, cudaStreamNonBlocking));
  HD_CUDA(cudaMalloc((void **)&w->windows, (tiles + 1) * sizeof(window)));
  HD_CUDA(cudaMemcpy(w->windows, s->windows, tiles * sizeof(window), cudaMemcpyHostToDevice));
  HD_CUDA(cudaMalloc((void **)&w->density, room * sizeof(float)));
  HD_CUDA(cudaEventCreate(&w->origin));
  for (int i = 0; i < MOST_MARKED; i++) {
    HD_CUDA(cudaEventCreate(&w->measured[i].before));
    HD_CUDA(cudaEventCreate(&w->measured[i].after));
  }
  s->speed = probe(w);
  hd_device_peaks(&peak, &bytes);
  w->nominal = peak / (peak + cpu_nominal_flops());
  poison_shared(w, s);
}

void gpu_collect(hd_case *c) {
  const cloud *s = (const cloud *)c->state;
  const pair_of_workers *w = (const pair_of_workers *)s->gpu;
  memcpy(s->density, w->shared.density, (size_t)s->n * sizeof(float));
}

void gpu_release(hd_case *c) {
  cloud *s = (cloud *)c->state;
  pair_of_workers *w = (pair_of_workers *)s->gpu;
  HD_CUDA(cudaDeviceSynchronize());
  for (int i = 0; i < MOST_MARKED; i++) {
    HD_CUDA(cudaEventDestroy(w->measured[i].before));
    HD_CUDA(cudaEventDestroy(w->measured[i].after));
  }
  HD_CUDA(cudaEventDestroy(w->origin));
  for (int i = 0; i < STREAMS; i++) {
    HD_CUDA(cudaStreamDestroy(w->stream[i]));
    HD_CUDA(cudaFree(w->buffer[i]));
  }
  HD_CUDA(cudaStreamDestroy(w->clock));
  HD_CUDA(cudaFree(w->windows));
  HD_CUDA(cudaFree(w->density));
  HD_CUDA(cudaFreeHost(w->shared.particles));
  HD_CUDA(cudaFreeHost(w->shared.density));
  free(w);
  s->gpu = NULL;
}
