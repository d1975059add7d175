// SPDX-License-Identifier: MIT
// In which order, and to which streams, the chunks' operations are issued. A GPU has an engine for copies up,
// one for copies down, and its SMs: three operations can be under way at once, if no stream orders them.
//
// A chunk's buffer belongs to its stream, so the stream's order is enough: the next chunk there comes up when
// the one before it is down. How many chunks can be on their way is the number of streams.
#include "heddle/error.h"
#include "pipeline.cuh"

typedef void schedule(pipeline *p, int streams);

// ---------------------------------------------------------------- chunk by chunk

static void depth_first(pipeline *p, int streams) {
  for (int i = 0; i < p->chunks; i++) {
    const int s = i % streams;
    issue_upload(p, i, p->buffer[s], p->stream[s]);
    issue_kernel(p, i, p->buffer[s], p->stream[s]);
    issue_download(p, i, p->buffer[s], p->stream[s]);
  }
}

// All uploads of a round, then its kernels, then its downloads. Cards before 2012 had one queue for all
// streams, in which a download stood in front of the next chunk's upload: there this order was needed.
// `share` streams have one buffer between them.
static void by_rounds(pipeline *p, int streams, int share) {
  for (int first = 0; first < p->chunks; first += streams) {
    const int end = first + streams < p->chunks ? first + streams : p->chunks;
    for (int i = first; i < end; i++)
      issue_upload(p, i, p->buffer[(i - first) / share], p->stream[i - first]);
    for (int i = first; i < end; i++)
      issue_kernel(p, i, p->buffer[(i - first) / share], p->stream[i - first]);
    for (int i = first; i < end; i++)
      issue_download(p, i, p->buffer[(i - first) / share], p->stream[i - first]);
  }
}

static void breadth_first(pipeline *p, int streams) {
  by_rounds(p, streams, 1);
}

// ---------------------------------------------------------------- a stream per engine

// What a stream per chunk had for nothing is written down now: a kernel waits for its upload, a download for
// its kernel, an upload for the download that empties its buffer.
static void by_engine(pipeline *p, int buffers) {
  for (int i = 0; i < p->chunks; i++) {
    const int b = i % buffers;
    if (i >= buffers) HD_CUDA(cudaStreamWaitEvent(p->stream[UPLOAD], p->down[b], 0));
    issue_upload(p, i, p->buffer[b], p->stream[UPLOAD]);
    HD_CUDA(cudaEventRecord(p->up[b], p->stream[UPLOAD]));
    HD_CUDA(cudaStreamWaitEvent(p->stream[COMPUTE], p->up[b], 0));
    issue_kernel(p, i, p->buffer[b], p->stream[COMPUTE]);
    HD_CUDA(cudaEventRecord(p->computed[b], p->stream[COMPUTE]));
    HD_CUDA(cudaStreamWaitEvent(p->stream[DOWNLOAD], p->computed[b], 0));
    issue_download(p, i, p->buffer[b], p->stream[DOWNLOAD]);
    HD_CUDA(cudaEventRecord(p->down[b], p->stream[DOWNLOAD]));
  }
}

// ---------------------------------------------------------------- slow, and wrong

// <<<grid, block>>> without a stream is the default stream, which waits for all others and lets them wait.
static void kernels_without_stream(pipeline *p, int streams) {
  for (int i = 0; i < p->chunks; i++) {
    const int s = i % streams;
    issue_upload(p, i, p->buffer[s], p->stream[s]);
    issue_kernel(p, i, p->buffer[s], NULL);
    issue_download(p, i, p->buffer[s], p->stream[s]);
  }
}

// The downloads are last, so the host waits for them, and nothing says that they wait for anything.
static void no_event(pipeline *p, int buffers) {
  for (int i = 0; i < p->chunks; i++) {
    issue_upload(p, i, p->buffer[i % buffers], p->stream[UPLOAD]);
    issue_kernel(p, i, p->buffer[i % buffers], p->stream[COMPUTE]);
    issue_download(p, i, p->buffer[i % buffers], p->stream[DOWNLOAD]);
  }
  HD_CUDA(cudaStreamSynchronize(p->stream[DOWNLOAD]));
}

// A chunk comes up into a buffer that the chunk before has not left.
static void one_buffer(pipeline *p, int streams) {
  by_rounds(p, streams, streams);
}

// ---------------------------------------------------------------- a run

static double since(const pipeline *p, cudaEvent_t event) {
  float ms = 0;
  HD_CUDA(cudaEventElapsedTime(&ms, p->origin, event));
  return ms * 1e-3;
}

// A stream comes to an operation when the one before it is done; the operation may then still wait for its
// engine, which is busy with what was issued to it before.
static void add_spans(hd_case *c, const pipeline *p) {
  static const char kind[] = "UKD";
  for (int k = 0; k < PHASES; k++) {
    double engine_free = 0;
    for (int i = 0; i < p->chunks; i++) {
      char label[8];
      snprintf(label, sizeof label, "%c%d", kind[k], i);
      const double ready = since(p, p->before[i][k]), end = since(p, p->after[i][k]);
      hd_add_span(c, k, label, ready > engine_free ? ready : engine_free, end);
      engine_free = end;
    }
  }
}

// Again, with events around every operation: they would disturb a measurement.
static void draw(hd_case *c, pipeline *p, schedule *issue, int streams) {
  HD_CUDA(cudaDeviceSynchronize());
  p->marked = true;
  HD_CUDA(cudaEventRecord(p->origin, NULL));
  issue(p, streams);
  HD_CUDA(cudaDeviceSynchronize());
  p->marked = false;
  add_spans(c, p);
}

static void run(hd_case *c, schedule *issue, int streams, bool pageable) {
  const relaxation *r = (const relaxation *)c->state;
  pipeline *p = (pipeline *)r->gpu;
  p->x = pageable ? r->x : p->pinned_x;
  p->y = pageable ? r->y : p->pinned_y;
  hd_device_timer_start(1);
  issue(p, streams);
  hd_report_time(c, hd_device_timer_stop(1));
  const double predicted =
      issue == depth_first && !pageable ? paper_pipeline(&r->cost, p->chunks, streams) : 0;
  if (predicted > 0) hd_figure(c, "predicted", predicted, "s");
  hd_figure(c, "upload of a chunk", r->cost.upload, "s");
  hd_figure(c, "kernel of a chunk", r->cost.kernel, "s");
  hd_figure(c, "download of a chunk", r->cost.download, "s");
  hd_figure(c, "best number of chunks on paper", paper_best_chunks(&r->cost, p->chunks), "");
  if (p->chunks > 1 && p->chunks <= MOST_MARKED && !c->verifying) draw(c, p, issue, streams);
}

// One stream: an operation starts when the one before it is done. Cutting up gains nothing.
void run_one_stream(hd_case *c) {
  run(c, depth_first, 1, false);
}

// Two chunks on their way: two of the three engines work at once.
void run_streams_2(hd_case *c) {
  run(c, depth_first, 2, false);
}

// Three: all of them. The slowest never rests.
void run_streams_3(hd_case *c) {
  run(c, depth_first, 3, false);
}

// A fourth has no engine of its own.
void run_streams_4(hd_case *c) {
  run(c, depth_first, 4, false);
}

void run_breadth_first(hd_case *c) {
  run(c, breadth_first, 3, false);
}

void run_by_engine(hd_case *c) {
  run(c, by_engine, 3, false);
}

// Memory that may move cannot be read by the copy engine: the driver copies it through pinned memory of its
// own, and the call returns when that is done. The host waits in every copy, so nothing is issued ahead.
void run_pageable(hd_case *c) {
  run(c, depth_first, 3, true);
}

void run_default_stream(hd_case *c) {
  run(c, kernels_without_stream, 3, false);
}

void run_wrong_no_event(hd_case *c) {
  run(c, no_event, 3, false);
}

void run_wrong_one_buffer(hd_case *c) {
  run(c, one_buffer, 3, false);
}
