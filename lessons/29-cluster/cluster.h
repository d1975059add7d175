// SPDX-License-Identifier: MIT
// One training by N ranks: threads of one process, processes of one machine, or processes under MPI. The code
// of a rank is the same for all (rank.c); what differs is who starts it and how it hears its job (job.c).
#ifndef HEDDLE_LESSON_29_CLUSTER_H
#define HEDDLE_LESSON_29_CLUSTER_H
#include <heddle/comm.h>
#include <heddle/data.h>
#include <heddle/train.h>
#include <lessons/22-data-parallel/worker.h>

enum { PATH = 256 };

enum way {
  BY_THREADS,    // ranks are threads of this process
  BY_PROCESSES,  // this program starts itself once more for each rank
  BY_MPI,        // mpirun starts it
  BY_GPU_RING,   // ranks are threads of this process, each with a GPU; lesson 18's ring through all of them
  BY_GPU_NODES,  // … and its hierarchy: rings inside nodes and across them
  BY_NCCL,       // … and NCCL, which chooses by itself
  BY_NCCL_PROCESSES  // a process for each GPU, and NCCL between them
};

// When a rank meets its misfortune: anywhere in a step, and at each boundary of writing a checkpoint.
enum occasion { IN_STEP, BEFORE_SHARD, BEHIND_SHARD, BEFORE_MANIFEST, BEHIND_MANIFEST, MOMENTS };
enum misfortune { NONE, KILLED, STALLED };

// What all ranks are told. Plain data, since processes read it from a file.
typedef struct job {
  enum way way;
  int world;
  double deadline_s;  // 0: the communicator's own
  // The training.
  char images[PATH];  // the data set, see share_images; "" or not to be opened: each rank loads its own
  char data[PATH];    // then from this folder; "": hd_dataset_load's own
  int width[LAYERS + 1];
  size_t batch;
  uint64_t seed;
  enum hd_rule rule;
  float weight_decay, l1;
  bool augment;
  long steps, timed_steps;  // those behind which the parameters are handed in; more, for the clock
  bool measured;            // measure all-reduces, too
  // Checkpoints.
  char folder[PATH];  // "": none
  long every;         // steps between two
  bool resumed;       // starts from the last one
  // Faults: once, when it begins from the start.
  enum misfortune misfortune;
  enum occasion moment;
  int unlucky;
  long at_step;
} job;

// What a rank found.
typedef struct outcome {
  double joined, ready;            // on the machine's clock: all ranks were there; all were ready to train
  double step_s;                   // seconds per timed step, by the slowest rank
  double latency_s, bytes_per_s;   // all-reduce of one float; bus bandwidth of one of 4 MiB
  double messages, bytes, memory;  // sent by this rank per step; kept by it apart from images
  long begun;                      // the step it began at
  uint64_t parameters;             // checksum behind the last of `steps`
} outcome;

typedef struct result {
  double start_s, load_s;  // until all ranks had joined; from there until they were ready to train
  outcome ranks[HD_MOST_RANKS];
  float *first, *other;  // parameters of the first rank and of another, which differs if any does; of the
                         // caller
  int apart;             // ranks whose parameters are not the first's, bit for bit
  char error[512];       // when it failed
} result;

// Runs all ranks and waits for them. Returns 0, or -1 with result.error.
int run_job(const job *j, result *r);
// Is there an MPI launcher, and does it start programs here? Asked once.
bool mpi_starts(void);
// What this process is to do if it was started as a rank of a job: its exit status.
int run_as_rank(const char *folder);

// Makes the images readable for ranks on this machine: a copy in memory whose name goes into job.images. It
// stays until this process ends.
void share_images(const hd_dataset *d, char name[PATH]);
// Opens them again. False: there are none of that name.
bool open_images(const char *name, hd_dataset *d);
void close_images(hd_dataset *d);

// ---------------------------------------------------------------- a rank

typedef struct session {
  const job *job;
  const hd_dataset *images;
  outcome *outcomes;   // [world], or of this rank alone
  float **parameters;  // [world] likewise, each with room for hd_mlp_count
  bool alone;          // this process is one rank
} session;

// The body of a rank, for any communicator; arg is a session.
void train_rank(hd_comm *comm, void *arg);

// The state of a training, and where it is.
typedef struct replica {
  const job *job;
  hd_comm *comm;
  hd_mlp *net;
  hd_optimizer *optimizer;
  long step;
} replica;

// The rank's misfortune, if this is its moment.
void tempt_fate(const replica *s, enum occasion moment);

// Writes this rank's shard, then, when all ranks have, the manifest that makes them a checkpoint. Reads the
// last one: every rank takes all shards. Both are collective; -1 and an aborted communicator if one rank
// could not.
int shards_save(replica *s);
int shards_load(replica *s);
#endif
