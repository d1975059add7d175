// SPDX-License-Identifier: MIT
// Idea: record the launches of a gradient once, as a graph, and launch them all with one call. A batch of 128
// gives each kernel microseconds of work, less than the host needs to launch it.
//
// Only addresses and sizes are recorded, so the images must lie where they lay, and what changes from step to
// step stays outside: the optimizer, whose learning rate is a number in its launch.
#include <heddle/device.h>
#include <kernels/nn/ops.h>

extern "C" {
#include "trainer.h"
}

// Work on the default stream cannot be recorded.
static hd_ops *on_own_stream(void) {
  cudaStream_t stream;
  HD_CUDA(cudaStreamCreate(&stream));
  return hd_ops_cuda(stream);
}

// Recorded once, behind a plain run: operations may allocate when they are first used, which cannot be
// recorded.
static void record(trainer *t) {
  cudaStream_t stream = (cudaStream_t)t->ops->stream;
  cudaGraph_t graph;
  cudaGraphExec_t ready;
  trainer_gradient(t);
  HD_CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  trainer_gradient(t);
  HD_CUDA(cudaStreamEndCapture(stream, &graph));
  HD_CUDA(cudaGraphInstantiateWithFlags(&ready, graph, 0));
  HD_CUDA(cudaGraphDestroy(graph));
  t->captured = ready;
}

static void graph_gradient(trainer *t) {
  if (!t->captured) record(t);
  HD_CUDA(cudaGraphLaunch((cudaGraphExec_t)t->captured, (cudaStream_t)t->ops->stream));
}

static void graph_close(trainer *t) {
  HD_CUDA(cudaStreamSynchronize((cudaStream_t)t->ops->stream));
  if (t->captured) HD_CUDA(cudaGraphExecDestroy((cudaGraphExec_t)t->captured));
}

extern "C" const engine gpu_graph = {on_own_stream, HD_F32, graph_gradient, graph_close};
