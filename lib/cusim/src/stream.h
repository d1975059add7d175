// SPDX-License-Identifier: MIT
// Inside the runtime API: devices, streams and errors of the calling host thread.
#ifndef CUSIM_STREAM_H
#define CUSIM_STREAM_H
#include "check.h"
#include "cuda_runtime_api.h"

// Remembers the error for cudaGetLastError and returns it; cudaSuccess passes through.
cudaError_t sim_error(cudaError_t error);
// A kernel went wrong: every later call fails with this error, as after a fault on a device.
void sim_sticky(cudaError_t error);
cudaError_t sim_sticky_error(void);

int sim_current_device(void);

// Appends work of `seconds` to a stream (NULL: the current device's default stream) and returns its end. The
// default stream and the blocking streams of its device wait for each other. Spends one launch call's time on
// the host.
double sim_stream_push(cudaStream_t stream, enum sim_engine engine, double seconds, double share,
                       const char *label);
// Calls of this host thread cost it no time until this is taken back: a graph's nodes, which one call
// launched.
void sim_host_calls_are_free(bool yes);
int sim_stream_device(cudaStream_t stream);
// The stream as the checker knows it.
sim_check_stream sim_stream_checked(cudaStream_t stream);
// Ends of everything issued to the stream, to the device.
double sim_stream_tail(cudaStream_t stream);
double sim_device_tail(int device);

// memory.c: bytes allocated on a device.
size_t sim_memory_used(int device);
#endif
