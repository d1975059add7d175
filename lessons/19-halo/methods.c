// SPDX-License-Identifier: MIT
// Three ways to bring the halos, each one idea further.
#include <kernels/jacobi/jacobi.h>
#include <string.h>

#include "halo.h"

void compute_rows(const worker *w, long first, long count) {
  if (count <= 0) return;
  const long width = w->columns + 2, at = first * width + 1;
#if HD_HAVE_CUDA
  if (!w->ops->on_host) {
    hd_jacobi_block_cuda(w->now + at, w->next + at, width, count, w->columns, w->ops->stream);
    return;
  }
#endif
  hd_jacobi_block(w->now + at, w->next + at, width, count, w->columns);
}

static float *row_of(const worker *w, long row) {
  return w->next + row * (w->columns + 2) + 1;
}

static size_t row_bytes(const worker *w) {
  return (size_t)w->columns * sizeof(float);
}

// Idea: compute, bring the edges to the host, meet, fetch the neighbours' edges from there.
//
// Prediction: four copies over the host's link per rank, each after the one before it, and the host waits for
// the device in every iteration.
int halo_copy(worker *w) {
  hd_ops *o = w->ops;
  float *own = w->host[hd_comm_rank(w->comm)];
  mark(w);
  compute_rows(w, 1, w->rows);
  mark(w);
  if (w->up >= 0) o->download(o, own, row_of(w, 1), row_bytes(w));
  if (w->down >= 0) o->download(o, own + w->columns, row_of(w, w->rows), row_bytes(w));
  if (hd_barrier(w->comm)) return -1;
  if (w->up >= 0) o->upload(o, row_of(w, 0), w->host[w->up] + w->columns, row_bytes(w));
  if (w->down >= 0) o->upload(o, row_of(w, w->rows + 1), w->host[w->down], row_bytes(w));
  if (hd_barrier(w->comm)) return -1;  // nobody overwrites what is still being fetched
  mark(w);
  return 0;
}

static int start_halos(worker *w) {
  const size_t n = (size_t)w->columns;
  if (w->up >= 0 && hd_recv_start(w->comm, row_of(w, 0), n, HD_F32, w->up)) return -1;
  if (w->down >= 0 && hd_recv_start(w->comm, row_of(w, w->rows + 1), n, HD_F32, w->down)) return -1;
  if (w->up >= 0 && hd_send_start(w->comm, row_of(w, 1), n, HD_F32, w->up)) return -1;
  return w->down >= 0 ? hd_send_start(w->comm, row_of(w, w->rows), n, HD_F32, w->down) : 0;
}

// Receives are ended also after a failure: until then a neighbour may write into them.
static int end_halos(worker *w, int bad) {
  const int peers[2] = {w->up, w->down};
  for (int i = 0; i < 2; i++)
    if (peers[i] >= 0) bad |= hd_recv_wait(w->comm, peers[i]);
  for (int i = 0; i < 2 && !bad; i++)
    if (peers[i] >= 0) bad = hd_send_wait(w->comm, peers[i]);
  return bad ? -1 : 0;
}

// Idea: the edges go straight into the neighbours' memory.
//
// Prediction: compute + 2(α + row/B); the host does not wait for the device.
int halo_peer(worker *w) {
  mark(w);
  compute_rows(w, 1, w->rows);
  mark(w);
  if (end_halos(w, start_halos(w))) return -1;
  mark(w);
  return 0;
}

// Idea: only the edges are needed elsewhere. Compute them first, and everything else while they travel: two
// streams, one for kernels, one for messages.
//
// Prediction: edges + max(rest, 2(α + row/B)). The price: two more kernels, each too small to fill a GPU.
int halo_overlapped(worker *w) {
  const long above = w->up >= 0, below = w->down >= 0 && w->rows > above;
  mark(w);
  compute_rows(w, 1, above);
  compute_rows(w, w->rows, below);
  mark(w);
  const int bad = start_halos(w);
  compute_rows(w, 1 + above, w->rows - above - below);
  mark(w);
  if (end_halos(w, bad)) return -1;
  mark(w);
  return 0;
}

// What goes wrong: in every other iteration the halos are those of two iterations ago. It looks like Jacobi
// and even converges, to the same limit and more slowly; only a comparison in the middle finds it.
int halo_stale(worker *w) {
  if (w->iteration % 2 == 0) return halo_peer(w);
  compute_rows(w, 1, w->rows);
  return hd_barrier(w->comm);
}
