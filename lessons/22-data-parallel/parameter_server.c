// SPDX-License-Identifier: MIT
// Idea: a central aggregator. Rank 0 receives every other rank's gradient, adds them in rank order to its
// own, takes the step, and returns the new parameters. Only the server keeps optimizer state. Prediction:
// 2(N-1)(α + S/B) of communication, all through one link of the server: it grows with N (incast). Reason:
// nothing that the server receives or sends can overlap with its other transfers.
#include "strategies.h"

static int serve(worker *w) {
  const size_t n = w->net->parameters;
  for (int peer = 1; peer < w->world; peer++) {
    if (hd_recv(w->comm, w->inbox, n, HD_F32, peer)) return -1;
    w->ops->axpy(w->ops, 1, w->inbox, w->net->gradient, n);
  }
  worker_update(w, per_image(w->task->batch));
  for (int peer = 1; peer < w->world; peer++)
    if (hd_send(w->comm, w->net->theta, n, HD_F32, peer)) return -1;
  return 0;
}

static int step(worker *w) {
  worker_gradient(w, 1);
  if (w->rank == 0) return serve(w);
  if (hd_send(w->comm, w->net->gradient, w->net->parameters, HD_F32, 0)) return -1;
  return hd_recv(w->comm, w->net->theta, w->net->parameters, HD_F32, 0);
}

const strategy parameter_server = {.step = step, .inbox = true};
