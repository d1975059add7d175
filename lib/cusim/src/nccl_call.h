// SPDX-License-Identifier: MIT
// Inside NCCL: a call of one rank, as it waits for the others, and the ranks that belong together.
#ifndef CUSIM_NCCL_CALL_H
#define CUSIM_NCCL_CALL_H
#include "nccl.h"
#include "stream.h"

enum nccl_kind {
  NCCL_INIT,
  NCCL_SPLIT,
  NCCL_ALL_REDUCE,
  NCCL_REDUCE,
  NCCL_BROADCAST,
  NCCL_REDUCE_SCATTER,
  NCCL_ALL_GATHER,
  NCCL_ALL_TO_ALL,
  NCCL_SEND,
  NCCL_RECEIVE
};

typedef struct nccl_call {
  enum nccl_kind kind;
  const void *send;
  void *receive;
  size_t count;
  ncclDataType_t type;
  ncclRedOp_t operation;
  int peer;  // or root, or color
  int key;   // of a split
  ncclComm_t comm, *part;
  cudaStream_t stream;
  sim_check_call made;  // where in the program
  double ready, end;    // virtual: when the rank's stream has come here; when the call ends for all
  bool done;
  ncclResult_t result;
  struct nccl_call *next;      // of the rank's calls that wait
  struct nccl_call *in_group;  // of the thread's group
} nccl_call;

typedef struct nccl_clique nccl_clique;
struct ncclComm {
  nccl_clique *clique;
  int rank, ranks, device;
  ncclResult_t error;
};

// "rank 1: ncclAllReduce(count 4, float32, sum) at file:line". (nccl_text.c)
void sim_nccl_describe(const nccl_call *call, char *text, size_t bytes);
extern const char *const sim_nccl_names[];  // by kind

// The work of a call that all ranks have made; call[r] is that of rank r. (nccl_work.c)
ncclResult_t sim_nccl_work(nccl_call **call, int ranks);
// One message.
void sim_nccl_message(const nccl_call *send, const nccl_call *receive);
// Seconds of a call on rings over such links.
double sim_nccl_seconds(const nccl_call *call, int ranks, const sim_link *link);
size_t sim_nccl_bytes(ncclDataType_t type);  // of one element, 0: no such type
// Bytes that a rank sends from and receives into.
size_t sim_nccl_sent(const nccl_call *call, int ranks);
size_t sim_nccl_received(const nccl_call *call, int ranks);
#endif
