// SPDX-License-Identifier: MIT
// The transport between threads: all memory is everybody's, so a rank reads and writes its peers' buffers
// directly, and fences alone keep order.
#include <stdlib.h>
#include <string.h>

#include "comm_internal.h"
#include "heddle/error.h"

enum { CHUNK = 1024 };  // floats summed in the L1 cache before they are written to every rank

typedef struct host_lane {
  float *scratch;
  size_t count;
} host_lane;

static void open_lane(hd_lane *l) {
  l->device = hd_alloc(1, sizeof(host_lane));
  *(host_lane *)l->device = (host_lane){NULL, 0};
}

static void close_lane(hd_lane *l) {
  host_lane *h = l->device;
  free(h->scratch);
  free(h);
}

static void *stream(const hd_lane *l) {
  (void)l;
  return NULL;
}

static float *scratch(hd_lane *l, size_t count) {
  host_lane *h = l->device;
  if (count > h->count) {
    free(h->scratch);
    h->scratch = hd_alloc(count, sizeof(float));
    h->count = count;
  }
  return h->scratch;
}

// The fence has already ordered everything when calls complete on the host.
static void record(hd_lane *l, int event) {
  (void)l, (void)event;
}

static void await_event(hd_lane *l, const hd_lane *other, int event) {
  (void)l, (void)other, (void)event;
}

// out = a op b. A NaN on either side stays, so that it is found on every rank.
static void combine(float *out, const float *a, const float *b, size_t n, enum hd_reduce_op op) {
  switch (op) {
    case HD_SUM:
#pragma omp simd
      for (size_t i = 0; i < n; i++) out[i] = a[i] + b[i];
      break;
    case HD_MAX:
#pragma omp simd
      for (size_t i = 0; i < n; i++) out[i] = (b[i] > a[i] || b[i] != b[i]) ? b[i] : a[i];
      break;
    case HD_MIN:
#pragma omp simd
      for (size_t i = 0; i < n; i++) out[i] = (b[i] < a[i] || b[i] != b[i]) ? b[i] : a[i];
      break;
  }
}

static void reduce(hd_lane *l, const float *const *from, float *const *to, size_t count,
                   enum hd_reduce_op op) {
  _Alignas(64) float sum[CHUNK];
  for (size_t at = 0; at < count; at += CHUNK) {
    const size_t n = count - at < CHUNK ? count - at : CHUNK;
    if (l->world == 1)
      memcpy(sum, from[0] + at, n * sizeof *sum);
    else
      combine(sum, from[0] + at, from[1] + at, n, op);
    for (int r = 2; r < l->world; r++) combine(sum, sum, from[r] + at, n, op);
    for (int r = 0; r < l->world; r++)
      if (to[r]) memcpy(to[r] + at, sum, n * sizeof *sum);
  }
}

static void pull(hd_lane *l, float *own, int peer, const float *theirs, size_t count) {
  (void)l, (void)peer;
  if (count > 0 && own != theirs) memcpy(own, theirs, count * sizeof *own);
}

static void pull_reduce(hd_lane *l, float *own, int peer, const float *theirs, size_t count,
                        enum hd_reduce_op op) {
  (void)l, (void)peer;
  combine(own, theirs, own, count, op);
}

const hd_transport hd_transport_threads = {.open = open_lane,
                                           .close = close_lane,
                                           .stream = stream,
                                           .scratch = scratch,
                                           .record = record,
                                           .await = await_event,
                                           .reduce = reduce,
                                           .pull = pull,
                                           .pull_reduce = pull_reduce};
