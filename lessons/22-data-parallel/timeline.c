// SPDX-License-Identifier: MIT
// The moments of one step on a GPU, for the timeline: marks in the stream that computes, and in the one that
// sums the buckets meanwhile. Both begin when all ranks are idle.
#include <kernels/nn/ops.h>

#include "worker.h"

void worker_moment(worker *w, enum moment m) {
  if (w->watched) w->ops->mark(w->ops, m);
}

void worker_bucket_ready(worker *w) {
  if (w->watched && w->buckets < MOST_BUCKETS) w->ops->mark(w->ops, BUCKETS + w->buckets);
}

void worker_bucket_issued(worker *w) {
  if (w->watched && w->buckets < MOST_BUCKETS) w->sums->mark(w->sums, 1 + w->buckets++);
}

static void find(worker *w, timeline *found) {
  *found = (timeline){.buckets = w->buckets,
                      .gradient = w->ops->mark_time(w->ops, GRADIENT),
                      .summed = w->ops->mark_time(w->ops, SUMMED),
                      .updated = w->ops->mark_time(w->ops, UPDATED)};
  for (int k = 0; k < w->buckets; k++) {
    const double ready = w->ops->mark_time(w->ops, BUCKETS + k), before = k ? found->end[k - 1] : 0;
    found->start[k] = ready > before ? ready : before;
    found->end[k] = w->sums->mark_time(w->sums, 1 + k);
  }
  if (w->buckets > 0) return;
  found->buckets = 1;  // one sum of all, in the stream that computes
  found->start[0] = found->gradient;
  found->end[0] = found->summed;
}

int worker_watched_step(worker *w, timeline *found) {
  w->sums = hd_ops_open(!w->ops->on_host, hd_comm_started_stream(w->comm));
  w->watched = true;
  w->buckets = 0;
  w->ops->mark(w->ops, BEGUN);
  w->sums->mark(w->sums, 0);
  const int failed = worker_train(w, 1);
  if (!failed) find(w, found);
  w->watched = false;
  w->sums->close(w->sums);
  return failed;
}
