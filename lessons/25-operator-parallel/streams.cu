// SPDX-License-Identifier: MIT
#include "streams.h"

#include <heddle/device.h>

void *stream_new(void) {
  cudaStream_t stream;
  HD_CUDA(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  return stream;
}

void stream_free(void *stream) {
  HD_CUDA(cudaStreamDestroy((cudaStream_t)stream));
}

void *event_new(void) {
  cudaEvent_t event;
  HD_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return event;
}

void event_free(void *event) {
  HD_CUDA(cudaEventDestroy((cudaEvent_t)event));
}

void event_record(void *event, void *stream) {
  HD_CUDA(cudaEventRecord((cudaEvent_t)event, (cudaStream_t)stream));
}

void stream_await(void *stream, void *event) {
  HD_CUDA(cudaStreamWaitEvent((cudaStream_t)stream, (cudaEvent_t)event, 0));
}

void recording_begin(void *stream) {
  HD_CUDA(cudaStreamBeginCapture((cudaStream_t)stream, cudaStreamCaptureModeThreadLocal));
}

void *recording_end(void *stream) {
  cudaGraph_t graph;
  cudaGraphExec_t ready;
  HD_CUDA(cudaStreamEndCapture((cudaStream_t)stream, &graph));
  HD_CUDA(cudaGraphInstantiateWithFlags(&ready, graph, 0));
  HD_CUDA(cudaGraphDestroy(graph));
  return ready;
}

void recording_run(void *recording, void *stream) {
  HD_CUDA(cudaGraphLaunch((cudaGraphExec_t)recording, (cudaStream_t)stream));
}

void recording_free(void *recording) {
  HD_CUDA(cudaGraphExecDestroy((cudaGraphExec_t)recording));
}
