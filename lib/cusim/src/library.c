// SPDX-License-Identifier: MIT
// Kernels of libraries: functions of the host that work on device memory in a stream's order.
#include <stdlib.h>
#include <string.h>

#include "graph.h"

typedef struct library_op {
  sim_op op;
  sim_check_stream checked;
  sim_library_call call;
} library_op;

static void run_call(sim_op *op) {
  const library_op *l = (const library_op *)op;
  const unsigned number = sim_check_op_begin(&l->checked, l->call.name, false);
  l->call.work(l->call.argument, number);
  sim_check_op_end(number);
}

static void discard_call(sim_op *op) {
  free(((const library_op *)op)->call.argument);
}

cudaError_t sim_library_launch(const sim_library_call *call, cudaStream_t stream) {
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  sim_library_call own = *call;
  own.argument = malloc(call->bytes);
  if (!own.argument) return sim_error(cudaErrorMemoryAllocation);
  memcpy(own.argument, call->argument, call->bytes);
  cudaGraphNode_t node;
  if (sim_capture_node(stream, cudaGraphNodeTypeKernel, &node)) {
    if (!node) {
      free(own.argument);
      return sim_error(cudaErrorStreamCaptureInvalidated);
    }
    node->of_library = true;
    node->does.library = own;
    return cudaSuccess;
  }
  library_op *l = sim_op_new(sizeof *l);
  if (!l) {
    free(own.argument);
    return sim_error(cudaErrorMemoryAllocation);
  }
  l->checked = sim_stream_checked(stream);
  l->call = own;
  l->op.run = run_call;
  l->op.discard = discard_call;
  l->op.engine = SIM_COMPUTE;
  l->op.seconds = call->seconds;
  if (call->share > 0) l->op.share = call->share;
  l->op.label = call->name;
  sim_stream_issue(stream, &l->op);
  return cudaSuccess;
}
