// SPDX-License-Identifier: MIT
// What the parts of the communicator know of each other:
//
//   comm.c           the public calls: arguments checked, traffic counted, a backend asked to move the data
//   comm_group.c     ranks as threads: starting, failing together, ending
//   comm_launch.c    ranks as processes: starting, watching, ending
//   comm_meet.c      how ranks meet: fingerprints published and compared, flags, waits with a deadline
//   comm_deadlock.c  waits that can never end
//   comm_split.c     parts of a communicator
//   comm_arith.c     reductions in host memory, by element type
//   comm_threads.c   data movement in host memory
//   comm_processes.c data movement between processes, through memory that they share
//   comm_nccl_processes.cu  NCCL between GPUs of processes (heddle/launch.h)
//   comm_mpi.c       everything by MPI, which has its own way of meeting
//   comm_cuda*.cu    data movement between GPUs (comm_cuda.h)
//   comm_nccl.cu     collectives by NCCL, all else as comm_cuda.cu
#ifndef HD_COMM_INTERNAL_H
#define HD_COMM_INTERNAL_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heddle/comm.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { HD_SMALL_BYTES = 4096, HD_MOST_TYPE_BYTES = 8 };

// Two lanes of collectives, each with its own sequence: the rank's own calls, and those of its helper thread.
enum { HD_LANE_CALLS, HD_LANE_HELPER, HD_LANES };

enum hd_operation {
  HD_OP_NONE,
  HD_OP_BARRIER,
  HD_OP_ALL_REDUCE,
  HD_OP_ALL_REDUCE_START,
  HD_OP_REDUCE,
  HD_OP_BROADCAST,
  HD_OP_REDUCE_SCATTER,
  HD_OP_ALL_GATHER,
  HD_OP_SEND,
  HD_OP_RECV,
  HD_OP_SPLIT,
};

// One rank's call as the others see it. The first six are the fingerprint: all ranks must have published
// equal ones before any data move.
typedef struct hd_call {
  uint64_t sequence;
  enum hd_operation operation;
  enum hd_reduce_op reduce_op;
  int root;
  size_t count;
  enum hd_type type;
  const void *in;
  void *out;
} hd_call;

// What one rank shows in one lane. Only its owner writes it (sleep words apart).
typedef struct hd_slot {
  uint64_t arrived;   // sequence of the last collective this rank has entered
  uint64_t left;      // … whose peers' buffers it will not touch any more
  uint64_t progress;  // ring pieces finished so far
  // Of a helper's lane: operations that its rank has sent it, and that it has done.
  uint64_t started, finished;
  uint32_t wake, sleeping;
  hd_call call[2];  // by parity of the sequence: a fast rank publishes its next call while a slow one reads
                    // the last
  char small[2][HD_SMALL_BYTES] __attribute__((aligned(64)));  // copies of short inputs, likewise
} __attribute__((aligned(128))) hd_slot;

// What a thread waits for, shown to the others: that a word reaches value, which only the thread of one lane
// of one peer can bring about; or that all ranks arrive at the lane's collective number `value`.
enum { HD_ALL_RANKS = -1 };
typedef struct hd_waiting {
  uint64_t turn;                 // odd while it waits
  const struct hd_group *group;  // processes: the writer's; there is only one
  int lane, peer;
  uintptr_t word;  // its address, counted from hd_group.memory, which processes have at different places
  uint64_t value;
} hd_waiting;

// What all ranks of a run share even where each has its own group: in processes.
typedef struct hd_verdict {
  uint32_t failed, written;  // written: somebody has taken it on to write the error
  char error[512];
} hd_verdict;

// In hd_group.ended: the rank's body has returned; its process was killed by signal (value - this).
enum { HD_ENDED = 1, HD_KILLED = 256 };

// Messages of one ordered pair (receiver, sender) take turns in HD_OPEN_RECEIVES boxes. The n-th one a box
// holds goes through stages 3n (empty), 3n+1 (posted), 3n+2 (claimed), 3n+3 (taken).
typedef struct hd_mailbox {
  uint64_t stage;
  hd_call call;
} __attribute__((aligned(128))) hd_mailbox;

typedef struct hd_backend_table {
  int (*open)(hd_comm *c);      // on the rank's thread, before its body; 0, or -1 after hd_comm_fail
  void (*close)(hd_comm *c);    // on the rank's thread, after its body
  void (*release)(hd_comm *c);  // after all ranks have ended
  void *(*stream)(const hd_comm *c, int lane);
  // Each is called on all ranks with arguments already checked, meets through hd_meet_*, counts its traffic.
  int (*barrier)(hd_comm *c, hd_call *call);
  int (*all_reduce)(hd_comm *c, int lane, hd_call *call);
  int (*reduce)(hd_comm *c, hd_call *call);
  int (*broadcast)(hd_comm *c, hd_call *call);
  int (*reduce_scatter)(hd_comm *c, hd_call *call);
  int (*all_gather)(hd_comm *c, hd_call *call);
  int (*send_start)(hd_comm *c, hd_call *call, int to);
  int (*send_wait)(hd_comm *c, int to);
  int (*recv_start)(hd_comm *c, hd_call *call, int from);
  int (*recv_wait)(hd_comm *c, int from);
  int (*start)(hd_comm *c, hd_call *call);  // returns a handle
  int (*wait)(hd_comm *c, int handle);
  bool has_helpers;       // started operations run on a thread of their own
  bool collectives_only;  // no messages, and no parts
} hd_backend_table;

extern const hd_backend_table hd_comm_threads_backend, hd_comm_cuda_backend, hd_comm_processes_backend;
// What threads and processes have in common: all-reduces of up to HD_SMALL_BYTES; started operations, run by
// a helper thread that calls the table's all_reduce.
int hd_small_all_reduce(hd_comm *c, int lane, hd_call *call);
int hd_helper_open(hd_comm *c);
void hd_helper_close(hd_comm *c);
void hd_helper_release(hd_comm *c);
int hd_helper_start(hd_comm *c, hd_call *call);
int hd_helper_wait(hd_comm *c, int handle);
void *hd_no_stream(const hd_comm *c, int lane);
const hd_backend_table *hd_comm_nccl_backend(void);

// Backends on GPUs: the stream of a lane.
void *hd_comm_lane_stream(const hd_comm *c, int lane);

typedef struct hd_group hd_group;
struct hd_group {
  hd_group *whole;  // which this one is a part of; itself for the whole
  int world;
  enum hd_order order;
  double deadline_s;
  bool spin;  // as many CPUs as threads: waiting briefly without a system call pays
  const hd_backend_table *backend;
  hd_verdict *verdict;   // of the whole only
  pthread_mutex_t lock;  // of the list of parts
  char *memory;          // processes: shared by all of them, and holds all that ranks show each other
  size_t taken;          // of that memory
  char ranks[200];       // of a part, in the numbers of the whole: for messages
  hd_group *parts;       // of the whole: all parts of it, a list; freed when the run ends
  hd_group *next;
  void *states[HD_MOST_RANKS];    // of the backend, written by open
  hd_slot *slots[HD_LANES];       // (world) each
  hd_waiting *waiting[HD_LANES];  // (world) each: of the ranks (only of the whole) and of their helpers
  int numbers[HD_MOST_RANKS];     // of a part's ranks in the whole
  hd_mailbox *mailboxes;          // (world, world, HD_OPEN_RECEIVES): receiver, sender
  uint32_t *ended;                // (world): HD_ENDED, HD_KILLED + signal, or 0
  uint32_t *busy;                 // (world): operation << 8 | peer, for messages about missing ranks
};

struct hd_comm {
  hd_group *group;
  int rank, world, threads;
  int number;             // rank in the whole
  hd_comm *parent;        // of a part
  hd_comm *parts, *next;  // this rank's parts, a list
  uint32_t failed;
  uint64_t sequence[HD_LANES];
  uint64_t posted[HD_MOST_RANKS], ended[HD_MOST_RANKS];  // receives per peer: started, waited for
  uint64_t claimed[HD_MOST_RANKS];                       // sends per peer
  enum hd_operation last;                                // what this rank has called last, and its number
  uint64_t last_sequence;
  hd_traffic traffic;
  void *scratch;  // of ring reductions that must not change their input
  size_t scratch_bytes;
  void *state;    // of the backend
  void *library;  // of the library that a backend uses
};

// ------------------------------------------------------------------------------------------------ failing

// Poisons the communicator. The first message of a run is kept. Returns -1.
__attribute__((format(printf, 2, 3))) int hd_comm_fail(hd_comm *c, const char *format, ...);

// Is this handle one of the calling rank's own? Else -1, and its communicator has failed. The handle may
// dangle: it is compared, not used.
int hd_comm_own(const hd_comm *c);

// A group of `world` ranks with nobody in it yet: a part, freed with its whole, or a whole (NULL). With
// `memory` (zeroed, of HD_GROUP_BYTES) what ranks show each other lies there, in the same places for
// everybody who makes a group of it.
enum { HD_GROUP_BYTES = 32 << 20 };
hd_group *hd_group_new(int world, hd_group *whole, void *memory);
void hd_group_free(hd_group *g);
// The calling thread is a rank of the group while body runs.
void hd_group_take_part(hd_comm *c, void (*body)(hd_comm *comm, void *arg), void *arg);
// After all ranks of this process have ended: frees what they made.
void hd_group_release(hd_comm *c);
// For hd_comm_error_text.
__attribute__((format(printf, 1, 2))) void hd_comm_set_error(const char *format, ...);

// ------------------------------------------------------------------------------------------------ meeting

// Enters the lane's next collective: publishes the call (whose sequence is filled in), waits for every rank,
// compares the fingerprints. 0: all ranks are here with the same call, and their published pointers may be
// used until hd_meet_leave. -1: the communicator failed, and no rank touches this rank's buffers.
int hd_meet_enter(hd_comm *c, int lane, hd_call *call);
// Waits until no rank touches any other's buffers of this collective.
int hd_meet_leave(hd_comm *c, int lane);
// Instead of leave, where a rank used nothing of its peers beyond what they published: waits for nobody.
// Returns 0.
int hd_meet_pass(hd_comm *c, int lane);
// The call that a peer published; valid between enter and leave.
const hd_call *hd_meet_call(const hd_comm *c, int lane, int rank);
// Within a collective of several steps: says that this rank has finished one more piece (to one rank, or to
// all: -1); waits until another rank has finished `pieces` in all. hd_meet_pieces: how many this rank has
// finished, which is the same on all ranks between collectives.
void hd_meet_advance(hd_comm *c, int lane, int whom);
int hd_meet_progress(hd_comm *c, int lane, int rank, uint64_t pieces);
uint64_t hd_meet_pieces(const hd_comm *c, int lane);

// A pair: the receiver posts its call; the sender waits for it, claims it, moves the data and lets it go. Up
// to HD_OPEN_RECEIVES posts to a peer may be open. post_end ends the oldest: waits until it was taken, or,
// after a failure, takes it back. All posts must be ended, also after a failure: only then will nobody write
// into the buffers.
int hd_meet_post(hd_comm *c, hd_call *call, int peer);
int hd_meet_post_end(hd_comm *c, int peer);
int hd_meet_claim(hd_comm *c, hd_call *call, int peer, hd_call *theirs);
void hd_meet_taken(hd_comm *c, int peer);
// Ends what a rank left open; names it as a fault unless the communicator has failed already.
void hd_meet_end_posts(hd_comm *c);
// "behind recv #3", what this rank has called last, for messages.
const char *hd_meet_last(const hd_comm *c, char *text, size_t size);

// A thread that runs the lane's operations waits from now on for what.peer (of the same group), and does not
// any more. Between the two: can its wait never end, since who could end it waits, in the end, for this
// thread?
void hd_deadlock_wait(hd_comm *c, int lane, hd_waiting what);
void hd_deadlock_go_on(hd_comm *c, int lane);
bool hd_deadlock_found(const hd_comm *c, int lane);
// Does this rank of the group wait, on whichever communicator?
bool hd_deadlock_waits(const hd_group *g, int rank);
// Makes a rank's sleeping thread look again whether it can go on.
void hd_meet_wake(const hd_comm *c, int lane);
// The rank waits for an operation that it started: for messages about missing ranks.
void hd_meet_busy(hd_comm *c, bool waits);

// For other waits with the group's deadline (the helper thread's): seconds of CLOCK_MONOTONIC.
double hd_meet_now(void);
void hd_meet_wake_all(hd_group *g);
// Where a word is, for hd_waiting.
uintptr_t hd_meet_place(const hd_group *g, const uint64_t *word);
// "all_reduce #3 of 1000 floats (sum)" into text.
const char *hd_meet_describe(const hd_call *call, char *text, size_t size);

// ------------------------------------------------------------------------------------------------ reducing

// to = a (op) b for count elements; a NaN of either is kept. to may be a or b.
void hd_combine(enum hd_type type, void *to, const void *a, const void *b, size_t count,
                enum hd_reduce_op op);
// to = in[0] (op) in[1] (op) … (op) in[world - 1], each from element `offset` on. to must not overlap them.
void hd_combine_ranks(enum hd_type type, void *to, const void *const *in, int world, size_t offset,
                      size_t count, enum hd_reduce_op op);

// ------------------------------------------------------------------------------------------------ counting

void hd_comm_count(hd_comm *c, uint64_t messages, uint64_t bytes);

#ifdef __cplusplus
}
#endif
#endif
