// SPDX-License-Identifier: MIT
// What the parts of the GPU backend know of each other:
//
//   comm_cuda.cu              opening and closing, copies and events, meetings, started operations
//   comm_cuda_add.cu          the kernel that reduces
//   comm_cuda_collectives.cu  the collectives, in rank order
//   comm_cuda_ring.cu         their steps round a ring
//   comm_cuda_messages.cu     sends and receives
#ifndef HD_COMM_CUDA_H
#define HD_COMM_CUDA_H
#include <cuda_runtime.h>

#include "comm_internal.h"

enum {
  HD_GPU_MOST_PIECES = 2,  // of a chunk on its way round the ring
  HD_GPU_HANDLES = 64,     // started operations with an event of their own
};

// One lane of one rank: blocking calls run on the compute stream, started ones on a second.
typedef struct hd_gpu_lane {
  cudaStream_t stream, adding;
  cudaEvent_t ready, staged, done;  // input may be read; shards were pushed; nothing more to come
  cudaEvent_t *pushed, *added;      // per ring step and piece
  char *staging;                    // what others push here before it is added
  size_t staging_bytes;
} hd_gpu_lane;

// Messages with one peer: events of its open receives from it, of those pushed to it. Made with the first
// one.
typedef struct hd_gpu_letters {
  cudaEvent_t open[HD_OPEN_RECEIVES], pushed[HD_OPEN_RECEIVES];
  uint64_t sent, send_waits;
} hd_gpu_letters;

typedef struct hd_gpu {
  int device;
  hd_gpu_lane lanes[HD_LANES];
  cudaStream_t messages;
  hd_gpu_letters mail[HD_MOST_RANKS];             // per peer
  cudaEvent_t handoff, finished[HD_GPU_HANDLES];  // of started operations: handed over, done
  uint64_t started, waited;
} hd_gpu;

hd_gpu *hd_gpu_of(const hd_comm *c);
hd_gpu *hd_gpu_of_peer(const hd_comm *c, int rank);
// Element i of an array.
char *hd_gpu_at(const void *array, enum hd_type type, size_t i);

// ------------------------------------------------------------------------------------------------ moving

cudaEvent_t hd_gpu_event(void);
void hd_gpu_record(cudaEvent_t event, cudaStream_t stream);
void hd_gpu_await(cudaStream_t stream, cudaEvent_t event);
// Copies from this rank's memory to a peer's. Two logical devices may be one.
void hd_gpu_push(const hd_gpu *g, cudaStream_t stream, const hd_gpu *peer, void *to, const void *from,
                 size_t bytes);
// Room for what the others push here; may wait for the device, but only when a larger vector than before
// comes.
void hd_gpu_reserve(hd_gpu_lane *l, size_t bytes);
// Meets the others; then this rank's stream has waited until every rank is ready.
int hd_gpu_enter(hd_comm *c, int lane, hd_call *call);
// Meets again; then this rank's stream has waited for everything the others do in this collective.
int hd_gpu_leave(hd_comm *c, int lane);

// ------------------------------------------------------------------------------------------------ reducing

// What one kernel reduces: rank r's vector is others + r·slot elements, except for the caller's own one.
typedef struct hd_gpu_terms {
  const void *others, *own;
  size_t slot;
  int rank, world;
  enum hd_type type;
} hd_gpu_terms;

// out[i] = rank 0's [i] op rank 1's [i] op …
void hd_gpu_add(hd_gpu_terms t, void *out, size_t count, enum hd_reduce_op op, cudaStream_t stream);

// ------------------------------------------------------------------------------------------------ ring

typedef struct hd_gpu_ring {
  hd_comm *c;
  int lane, left, right;
  void *own, *next;     // the vector here and at the right-hand neighbour
  size_t count, chunk;  // the longest chunk
  enum hd_type type;
  enum hd_reduce_op op;
  int pieces, steps;  // pieces of a chunk; steps taken
  uint64_t base;
} hd_gpu_ring;

// Within a collective that was entered. A reduce-scatter pushes into staging memory: room for `count`.
hd_gpu_ring hd_gpu_ring_open(hd_comm *c, int lane, const hd_call *call, void *own, void *next, size_t count);
int hd_gpu_ring_reduce_scatter(hd_gpu_ring *r);
int hd_gpu_ring_all_gather(hd_gpu_ring *r);
// The compute stream goes on when the last pieces have been added or have arrived.
void hd_gpu_ring_close(const hd_gpu_ring *r);

// ------------------------------------------------------------------------------------------------ the table

int hd_gpu_all_reduce(hd_comm *c, int lane, hd_call *call);
int hd_gpu_reduce(hd_comm *c, hd_call *call);
int hd_gpu_broadcast(hd_comm *c, hd_call *call);
int hd_gpu_reduce_scatter(hd_comm *c, hd_call *call);
int hd_gpu_all_gather(hd_comm *c, hd_call *call);
int hd_gpu_send_start(hd_comm *c, hd_call *call, int to);
int hd_gpu_send_wait(hd_comm *c, int to);
int hd_gpu_recv_start(hd_comm *c, hd_call *call, int from);
int hd_gpu_recv_wait(hd_comm *c, int from);
#endif
