// SPDX-License-Identifier: MIT
// What the files of the communicator share. From the bottom: comm_sync.c lets ranks wait for each other,
// comm_threads.c and comm_cuda.cu move data (a transport), comm_collectives.c and comm_messages.c are the
// algorithms, written once over both transports, comm_async.c starts them in the background, comm.c runs the
// ranks.
#ifndef HEDDLE_COMM_INTERNAL_H
#define HEDDLE_COMM_INTERNAL_H
#include <pthread.h>

#include "heddle/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

#define HD_OWN_LINE __attribute__((aligned(64)))

enum hd_call_kind {
  HD_CALL_BARRIER,
  HD_CALL_ALL_REDUCE,
  HD_CALL_REDUCE,
  HD_CALL_BROADCAST,
  HD_CALL_REDUCE_SCATTER,
  HD_CALL_ALL_GATHER
};

// One rank's view of a collective. Everything but the pointers must be equal on all ranks.
typedef struct hd_call {
  enum hd_call_kind kind;
  enum hd_reduce_op op;
  size_t count;
  int root;
  uint64_t seq;
  const float *in;
  float *out;
} hd_call;

// Events a transport keeps per lane: two for fences in turn, one to and one from each rank for messages, one
// to hand work from the compute stream to the communication stream, and one per started operation.
enum { HD_EVENT_HANDOFF = 2, HD_EVENT_DONE = 3, HD_EVENTS_DONE = 64, HD_EVENT_MAIL = 3 + HD_EVENTS_DONE };

enum hd_lane_kind { HD_LANE_CALLS, HD_LANE_STARTED, HD_LANES };

// A sequence of collectives of one rank, with its own flags and stream: blocking calls are one lane and
// started ones another, so neither order constrains the other. One thread at a time works on a lane.
typedef struct hd_lane {
  hd_comm *comm;
  int rank, world;
  enum hd_lane_kind kind;
  void *device;                  // the transport's own
  hd_call call[2];               // published; call number seq is in call[seq % 2]
  uint64_t seq;                  // calls so far
  HD_OWN_LINE uint32_t arrived;  // fences reached; atomic, read by the other ranks
  uint32_t sleepers;             // threads asleep on `arrived`; atomic
  HD_OWN_LINE uint32_t moving;   // 1 while this lane touches memory of other ranks; atomic
} hd_lane;

// How data move. Pointers are into the memory of the rank named; `lane` is the caller's own. Nothing here can
// fail except by ending the process.
typedef struct hd_transport {
  void (*open)(hd_lane *lane);
  void (*close)(hd_lane *lane);  // waits for the work of the lane
  void *(*stream)(const hd_lane *lane);
  // Memory of this rank for `count` floats, kept by the lane; contents last until a larger count is asked
  // for.
  float *(*scratch)(hd_lane *lane, size_t count);
  // Marks this point of the lane's work; then: lets the lane's further work wait for the mark of another
  // lane.
  void (*record)(hd_lane *lane, int event);
  void (*await)(hd_lane *lane, const hd_lane *other, int event);
  // to[r][i] = from[0][i] op from[1][i] op …, in rank order, for every r with to[r] not NULL. from[r] and
  // to[r] are in rank r's memory and may be equal.
  void (*reduce)(hd_lane *lane, const float *const *from, float *const *to, size_t count,
                 enum hd_reduce_op op);
  void (*pull)(hd_lane *lane, float *own, int peer, const float *theirs, size_t count);
  void (*pull_reduce)(hd_lane *lane, float *own, int peer, const float *theirs, size_t count,
                      enum hd_reduce_op op);  // own = theirs op own
} hd_transport;

extern const hd_transport hd_transport_threads, hd_transport_cuda;

// A message from one rank to another: a rendezvous. One per ordered pair of ranks.
typedef struct hd_mail {
  const float *data;
  size_t count;
  HD_OWN_LINE uint32_t posted;  // messages offered; atomic
  uint32_t posted_sleepers;
  HD_OWN_LINE uint32_t taken;  // messages copied; atomic
  uint32_t taken_sleepers;
} hd_mail;

// What all ranks share.
typedef struct hd_group {
  int world;
  enum hd_order order;
  int threads_per_rank;
  double deadline_s;
  bool spin;  // every rank has a core of its own
  bool cuda;
  const hd_transport *transport;
  hd_comm *ranks;
  hd_mail *mail;  // [from * world + to]
  void (*body)(hd_comm *comm, void *arg);
  void *arg;
  pthread_mutex_t lock;  // of error
  char error[512];
  HD_OWN_LINE uint32_t poisoned;  // atomic
} hd_group;

typedef struct hd_background hd_background;

struct hd_comm {
  hd_group *group;
  int rank;
  hd_lane lanes[HD_LANES];
  hd_background *background;  // NULL until something is started
  int started;                // with cuda: handles given out
  uint64_t messages, bytes;   // atomic: both lanes' threads count
  uint32_t failed;            // a call of this rank failed; atomic
  HD_OWN_LINE uint32_t left;  // its body is over; atomic
};

// ---- comm_sync.c
// Fails the communicator; the first reason is kept.
__attribute__((format(printf, 2, 3))) void hd_poison(hd_group *g, const char *format, ...);
bool hd_poisoned(const hd_group *g);
// Marks the rank as failed and waits until no rank touches another's memory, so that the caller may free its
// buffers. Returns -1.
int hd_failed(hd_comm *c);
// A counter others wait for: raises it and wakes them.
void hd_raise(uint32_t *flag, uint32_t *sleepers, uint32_t value);
enum hd_outcome { HD_REACHED, HD_POISONED, HD_PEER_LEFT, HD_TOO_LATE };
// Waits until a flag of rank `peer` reaches `goal`, at most until `until` (hd_wall time).
enum hd_outcome hd_await_flag(const hd_lane *l, int peer, uint32_t *flag, uint32_t *sleepers, uint32_t goal,
                              double until);
// No rank's lane passes before all have arrived; with streams, the work behind it waits for all work before
// it.
int hd_fence(hd_lane *l);
// Brackets access to other ranks' memory; hd_move_begin fails on a poisoned communicator.
int hd_move_begin(hd_lane *l);
void hd_move_end(hd_lane *l);

// ---- comm_collectives.c
const char *hd_call_name(enum hd_call_kind kind);
int hd_all_reduce_on(hd_lane *l, float *data, size_t count, enum hd_reduce_op op);
void hd_count_message(hd_comm *c, size_t count);  // `count` floats to one peer; nothing if 0

// ---- comm_async.c
void hd_background_close(hd_comm *c);  // completes what was started

#ifdef __cplusplus
}
#endif
#endif
