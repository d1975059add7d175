// SPDX-License-Identifier: MIT
// What all strategies need: cutting matrices, this rank's memory, the local product.
#include <heddle/error.h>
#include <stdlib.h>
#include <string.h>

#include "sharded.h"

range part_of(long total, int parts, int index) {
  const long longest = (total + parts - 1) / parts, from = index * longest;
  const long left = from < total ? total - from : 0;
  return (range){from < total ? from : total, left < longest ? left : longest, longest};
}

float *worker_room(worker *w, long count) {
  if (w->buffer_count == MOST_BUFFERS)
    hd_fail(HD_EXIT_FAILURE, "a rank has at most %d buffers", MOST_BUFFERS);
  const size_t bytes = (size_t)count * sizeof(float);
  float *room = w->ops->alloc(w->ops, bytes ? bytes : 1);
  w->buffers[w->buffer_count].at = room;
  w->buffers[w->buffer_count++].bytes = bytes ? bytes : 1;
  return room;
}

static void pack(float *packed, const float *whole, long stride, range rows, range columns) {
  for (long i = 0; i < rows.count; i++)
    memcpy(packed + i * columns.count, whole + (rows.from + i) * stride + columns.from,
           (size_t)columns.count * sizeof *packed);
}

void worker_upload(const worker *w, float *to, const float *whole, long stride, range rows, range columns) {
  const size_t count = (size_t)(rows.count * columns.count);
  if (count == 0) return;
  float *packed = hd_alloc(count, sizeof *packed);
  pack(packed, whole, stride, rows, columns);
  w->ops->upload(w->ops, to, packed, count * sizeof *packed);
  free(packed);
}

void worker_download(const worker *w, float *whole, const float *from, long stride, range rows,
                     range columns) {
  const size_t count = (size_t)(rows.count * columns.count);
  if (count == 0) return;
  float *packed = hd_alloc(count, sizeof *packed);
  w->ops->download(w->ops, packed, from, count * sizeof *packed);
  for (long i = 0; i < rows.count; i++)
    memcpy(whole + (rows.from + i) * stride + columns.from, packed + i * columns.count,
           (size_t)columns.count * sizeof *packed);
  free(packed);
}

void worker_multiply(worker *w, long m, long n, long k, const float *a, long lda, const float *b, long ldb,
                     float *c, long ldc, bool accumulate) {
  hd_ops *o = w->ops;
  if (w->omission == NO_PRODUCTS || m == 0 || n == 0) return;
  if (w->marks >= 0) o->mark(o, ++w->marks);
  if (k > 0)
    o->gemm(o, false, false, m, n, k, 1, a, lda, b, ldb, accumulate ? 1 : 0, c, ldc);
  else if (!accumulate)  // a sum of nothing; ldc is n wherever k can be 0
    o->zero(o, c, (size_t)(m * ldc) * sizeof *c);
  if (w->marks >= 0) o->mark(o, ++w->marks);
}

worker *worker_open(const problem *p, const strategy *s, hd_comm *comm, hd_ops *ops) {
  worker *w = hd_alloc(1, sizeof *w);
  *w = (worker){.problem = p, .strategy = s, .comm = comm, .ops = ops, .marks = -1};
  w->rank = hd_comm_rank(comm);
  w->world = hd_comm_world(comm);
  if (s->open(w) == 0) return w;
  worker_close(w);
  return NULL;
}

void worker_close(worker *w) {
  for (int i = 0; i < w->buffer_count; i++) w->ops->free(w->ops, w->buffers[i].at, w->buffers[i].bytes);
  w->ops->close(w->ops);
  free(w);
}
