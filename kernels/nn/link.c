// SPDX-License-Identifier: MIT
#include "link.h"

#include <heddle/comm.h>
#include <math.h>

#include "ops.h"

enum { ROUNDS = 8 };

typedef struct ping {
  bool on_gpu;
  size_t count;
  double seconds[2];  // one way, of one float and of `count`
} ping;

static int round_trips(hd_comm *comm, float *data, size_t count) {
  const int rank = hd_comm_rank(comm);
  for (int i = 0; i < ROUNDS; i++)
    for (int half = 0; half < 2; half++)
      if (rank == half ? hd_send(comm, data, count, HD_F32, 1 - rank)
                       : hd_recv(comm, data, count, HD_F32, 1 - rank))
        return -1;
  return 0;
}

static void ping_body(hd_comm *comm, void *arg) {
  ping *p = arg;
  hd_ops *o = hd_ops_open(p->on_gpu, hd_comm_stream(comm));
  float *data = o->alloc(o, p->count * sizeof *data);
  o->zero(o, data, p->count * sizeof *data);
  for (int i = 0; i < 2; i++) {
    const size_t count = i ? p->count : 1;
    if (round_trips(comm, data, count) || hd_barrier(comm)) break;
    o->timer_start(o);
    if (round_trips(comm, data, count)) break;
    const double seconds = o->timer_stop(o) / (2 * ROUNDS);
    if (hd_comm_rank(comm) == 0) p->seconds[i] = seconds;
  }
  o->free(o, data, p->count * sizeof *data);
  o->close(o);
}

int hd_link_cost(bool on_gpu, size_t count, double *latency, double *bandwidth) {
  ping p = {.on_gpu = on_gpu, .count = count};
  if (hd_comm_run(2, on_gpu ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK, 1, 0, ping_body, &p)) return -1;
  *latency = p.seconds[0];
  // Noise can make the larger message the faster one.
  *bandwidth = 4 * (double)(count - 1) / fmax(p.seconds[1] - p.seconds[0], 1e-3 * p.seconds[1]);
  return 0;
}
