// SPDX-License-Identifier: MIT
// Ranks that are processes. They share nothing but what they send each other; the semantics are those of
// heddle/comm.h. Two ways to start them:
//
//   hd_launch   this program starts itself once more for each rank, on this machine; they talk through shared
//               memory. A rank that is killed is noticed at once, and no rank outlives the program that
//               started it.
//   mpirun      (or srun, …) starts the program on any machines; they talk by MPI. Where MPI was found.
//
// A program that can be started so begins with
//
//   if (hd_launched()) return hd_launched_run(body, arg);
//   if (hd_mpi_started()) return hd_mpi_run(1, 0, body, arg);
#ifndef HEDDLE_LAUNCH_H
#define HEDDLE_LAUNCH_H
#include "comm.h"

#ifdef __cplusplus
extern "C" {
#endif

// Starts this program again as ranks 0 … world - 1 with the given arguments (argv[1] …, ending with NULL),
// and waits for all of them. deadline_s and threads_per_rank: as of hd_comm_run. Returns 0, or the number of
// ranks that failed; hd_comm_error_text() then names the first failure. A rank that still runs a deadline
// after another one has failed is killed.
int hd_launch(int world, int threads_per_rank, double deadline_s, const char *const *arguments);

// Was this process started by hd_launch?
bool hd_launched(void);
// Runs body(comm, arg) as the rank that this process is. Returns its exit status: 0, or 1 after a failure,
// which hd_launch tells. Sums are in rank order; messages between two ranks and hd_comm_split fail.
int hd_launched_run(void (*body)(hd_comm *comm, void *arg), void *arg);

// A program beside this one and its arguments, ending with NULL, as hd_launch starts one: it ends with this
// program, however that ends. What it writes on stderr goes into output[size] (its end, if it is longer).
// Returns its exit status, 128 + the number of the signal that killed it, or -1 if it ran longer than most_s
// or could not be started.
int hd_run_program(const char *const *command, double most_s, char *output, size_t size);

#if HD_HAVE_MPI
// Was this process started by an MPI launcher?
bool hd_mpi_started(void);
// Runs body as this process's rank of MPI's world, between MPI_Init and MPI_Finalize. Sums are in rank order.
// Returns the exit status; after a failure one line stands on stderr and all ranks are told to end. Messages,
// hd_comm_split and overlap are left out: a started all-reduce runs when it is started. Needs the target
// heddle-mpi.
int hd_mpi_run(int threads_per_rank, double deadline_s, void (*body)(hd_comm *comm, void *arg), void *arg);
#endif

// NCCL between the GPUs of ranks that are processes, where NCCL was found: rank r uses GPU r of its machine.
// Joining is collective and NULL after a failure, like every other call of the communicator it stands on.
typedef struct hd_nccl hd_nccl;
hd_nccl *hd_nccl_join(hd_comm *comm);
// Adds up data in GPU memory, in place, on a cudaStream_t (NULL: the default one). Ranks meet on the host
// first; the host does not wait for the sum. 0, or -1 once the communicator has failed.
int hd_nccl_all_reduce(hd_nccl *n, float *data, size_t count, void *stream);
void hd_nccl_leave(hd_nccl *n);  // NULL is fine

#ifdef __cplusplus
}
#endif
#endif
