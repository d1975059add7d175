// SPDX-License-Identifier: MIT
// Collectives between the ranks of one process. Each rank is a thread; its buffers are host memory (backend
// threads) or memory of its own GPU (backends cuda and nccl). The semantics are those worth having in a real
// job: every wait has a deadline, ranks that call different things are told so before any data moves, a
// failed communicator stays failed, and every byte is counted. heddle/launch.h has ranks that are processes.
#ifndef HEDDLE_COMM_H
#define HEDDLE_COMM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "type.h"

#ifdef __cplusplus
extern "C" {
#endif

// HD_COMM_NCCL: as HD_COMM_CUDA, but the data of collectives are moved by NCCL, in the order it chooses; it
// wants a GPU of its own for each rank. Only where NCCL was found.
enum hd_backend { HD_COMM_THREADS, HD_COMM_CUDA, HD_COMM_NCCL };
enum hd_order {
  HD_ORDER_RANK,  // deterministic: every element is summed in rank order 0, 1, …, so results equal a serial
                  // sum bitwise
  HD_ORDER_RING,  // ring reduce-scatter + all-gather: 2(N-1)/N·S bytes per rank; rounding depends on the
                  // position
};
enum hd_reduce_op { HD_SUM, HD_MAX, HD_MIN };

typedef struct hd_comm hd_comm;  // one rank's handle

enum { HD_MOST_RANKS = 64, HD_OPEN_RECEIVES = 16 };

// What a rank sent so far. A message is one contiguous transfer to one peer. For N ranks and S bytes a rank
// sends
//   all_reduce  ring and direct: 2(N-1) messages, 2(N-1)/N·S bytes (exactly so when N divides the count);
//               direct up to 4 KiB (backend threads): N-1 messages of S
//   reduce_scatter, all_gather (S = N × count_each): N-1 messages, (N-1)/N·S bytes
//   reduce      one message of S (the root: none)        broadcast: N-1 messages of S (only the root)
//   send        one message of S
// With HD_COMM_NCCL these are a ring's: NCCL does not tell what it sent.
typedef struct hd_traffic {
  uint64_t messages, bytes;
} hd_traffic;

// What is noticed, and when. At once: ranks that call different collectives or the same with different
// arguments; a rank that has ended; hd_comm_abort; and ranks that wait for each other in a circle, whatever
// in: a message or a started all-reduce against a barrier, two sends against each other, different
// communicators. At the deadline: a rank that waits for nobody but does not come. Until then it could: a rank
// that computes may still start the all-reduce, or open the receive, that others wait for, and its next call
// is not known.

// Runs body(comm, arg) on `world` new ranks and waits for all of them. Each rank runs its OpenMP regions with
// `threads_per_rank` threads; with HD_COMM_CUDA rank r has logical device r current. deadline_s: the longest
// any rank waits for another (0: the default of 30 s). Returns 0, or the number of ranks that failed; the
// first failure is described in hd_comm_error_text. A handle belongs to its rank's thread and
// ends with the run: calls with another one fail. body must wait for what it started.
int hd_comm_run(int world, enum hd_backend backend, enum hd_order order, int threads_per_rank,
                double deadline_s, void (*body)(hd_comm *comm, void *arg), void *arg);
const char *hd_comm_error_text(void);  // of the last hd_comm_run of this thread; "" if it succeeded

int hd_comm_rank(const hd_comm *c);
int hd_comm_world(const hd_comm *c);
hd_traffic hd_comm_traffic(const hd_comm *c);  // of this handle: a part counts its own

// A collective: ranks with the same colour ≥ 0 form a part with a communicator of its own, ordered by key and
// then by rank; a negative colour joins none. Returns the rank's handle of its part, valid until the run
// ends, or NULL for a negative colour and after a failure (hd_comm_failed tells which). Parts share the
// failure state, the deadline, the order of sums and, on GPUs, the compute stream of the whole. Parts can be
// split again.
hd_comm *hd_comm_split(hd_comm *c, int colour, int key);
bool hd_comm_failed(hd_comm *c);  // has this or a related communicator been poisoned?

// All collectives are called by every rank in the same order with the same arguments; they return 0, or -1
// after a deadline, a mismatch or an abort (then the communicator is poisoned: every later call returns -1 at
// once, and the message names rank, sequence number, operation and the missing or mismatching ranks). Types:
// HD_F32, HD_BF16 and HD_I32, with HD_SUM, HD_MAX and HD_MIN wherever something is reduced. Sums of HD_I32
// wrap; a NaN on one rank is the maximum and the minimum of all. A bf16 sum in rank order is accumulated in
// fp32 and rounded once; one round a ring is rounded at every rank. Blocking for the host with threads; with
// cuda they are enqueued on the rank's `hd_comm_stream` and ordered against the other ranks by events, and
// the host does not wait for the device.
int hd_barrier(hd_comm *c);
int hd_all_reduce(hd_comm *c, void *data, size_t count, enum hd_type type,
                  enum hd_reduce_op op);  // in place
int hd_reduce(hd_comm *c, const void *in, void *out, size_t count, enum hd_type type, enum hd_reduce_op op,
              int root);  // out: on the root only; it may be in (a GPU root keeps all vectors meanwhile)
int hd_broadcast(hd_comm *c, void *data, size_t count, enum hd_type type, int root);
int hd_reduce_scatter(hd_comm *c, const void *in, void *out, size_t count_each, enum hd_type type,
                      enum hd_reduce_op op);  // in: world × count_each; out: this rank's part
int hd_all_gather(hd_comm *c, const void *in, void *out, size_t count_each,
                  enum hd_type type);  // out: world × count_each
int hd_send(hd_comm *c, const void *data, size_t count, enum hd_type type, int to);
int hd_recv(hd_comm *c, void *data, size_t count, enum hd_type type, int from);

// A message in two halves, for overlap with compute. recv_start opens a receive (at most HD_OPEN_RECEIVES per
// peer) and returns at once; data belong to the communicator until the receive has been waited for.
// send_start returns when the receiver has opened the matching receive; data must not change until the send
// has been waited for. Messages between two ranks match in order; wait ends the oldest one (cuda: the compute
// stream waits).
int hd_send_start(hd_comm *c, const void *data, size_t count, enum hd_type type, int to);
int hd_send_wait(hd_comm *c, int to);
int hd_recv_start(hd_comm *c, void *data, size_t count, enum hd_type type, int from);
int hd_recv_wait(hd_comm *c, int from);

// Several sends and receives at once, in any order: none of them can deadlock with another. Only the ranks
// that exchange something call it. Data of sends may be reused, and data of receives used, when it returns
// (cuda: by the compute stream).
typedef struct hd_transfer {
  bool sends;  // to peer, else receives from it
  int peer;
  void *data;
  size_t count;
  enum hd_type type;
} hd_transfer;
int hd_exchange(hd_comm *c, const hd_transfer *transfers, int count);

// Asynchronous all-reduce, for overlap with compute: started operations are completed in the order of
// starting by a helper thread of this rank (threads) or on a second stream that first waits for the work
// already issued on the compute stream (cuda). Handles are small integers; wait makes the results usable
// (cuda: by the compute stream).
int hd_all_reduce_start(hd_comm *c, void *data, size_t count, enum hd_type type,
                        enum hd_reduce_op op);  // handle ≥ 0, or -1
int hd_wait(hd_comm *c, int handle);

// Makes every rank's current and later calls fail with `why` (a rank that found its data wrong, say).
void hd_comm_abort(hd_comm *c, const char *why);

// Waits until the communicator has failed, at most so long, and says whether it has: how a test lets a rank
// stall.
bool hd_comm_stall(hd_comm *c, double most_s);

// The stream compute kernels of this rank go to (a cudaStream_t as void *); NULL with backend threads.
void *hd_comm_stream(const hd_comm *c);
// The stream on which started all-reduces run, for events that tell when; NULL with backend threads.
void *hd_comm_started_stream(const hd_comm *c);

// Contiguous share of `count` items for a rank: the first count % world ranks get one more. Writes offset and
// length.
void hd_shard(size_t count, int rank, int world, size_t *offset, size_t *length);

#ifdef __cplusplus
}
#endif
#endif
