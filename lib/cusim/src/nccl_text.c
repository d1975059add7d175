// SPDX-License-Identifier: MIT
// NCCL's calls as messages name them.
#include <stdio.h>

#include "nccl_call.h"

const char *const sim_nccl_names[] = {
    "ncclCommInitRank",  "ncclCommSplit", "ncclAllReduce", "ncclReduce", "ncclBroadcast",
    "ncclReduceScatter", "ncclAllGather", "ncclAlltoAll",  "ncclSend",   "ncclRecv"};

void sim_nccl_describe(const nccl_call *call, char *text, size_t bytes) {
  static const char *const types[ncclNumTypes] = {"int8",   "uint8",   "int32",   "uint32",  "int64",
                                                  "uint64", "float16", "float32", "float64", "bfloat16"};
  static const char *const operations[ncclNumOps] = {"sum", "product", "max", "min", "average"};
  const char *type = call->kind > NCCL_SPLIT ? types[call->type] : "",
             *operation = operations[call->operation];
  char place[128];
  sim_check_call_name(&call->made, place, sizeof place);
  const int rank = call->comm->rank;
  const char *name = sim_nccl_names[call->kind];
  switch (call->kind) {
    case NCCL_INIT:
    case NCCL_SPLIT:
      snprintf(text, bytes, "rank %d: %s%s", rank, name, place);
      break;
    case NCCL_ALL_REDUCE:
    case NCCL_REDUCE_SCATTER:
      snprintf(text, bytes, "rank %d: %s(count %zu, %s, %s)%s", rank, name, call->count, type, operation,
               place);
      break;
    case NCCL_REDUCE:
      snprintf(text, bytes, "rank %d: %s(count %zu, %s, %s, root %d)%s", rank, name, call->count, type,
               operation, call->peer, place);
      break;
    case NCCL_ALL_GATHER:
    case NCCL_ALL_TO_ALL:
      snprintf(text, bytes, "rank %d: %s(count %zu, %s)%s", rank, name, call->count, type, place);
      break;
    default:
      snprintf(text, bytes, "rank %d: %s(count %zu, %s, %s %d)%s", rank, name, call->count, type,
               call->kind == NCCL_BROADCAST ? "root" : "peer", call->peer, place);
  }
}
