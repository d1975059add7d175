// SPDX-License-Identifier: MIT
// Inside the runtime API: devices, streams and errors of the calling host thread.
#ifndef CUSIM_STREAM_H
#define CUSIM_STREAM_H
#include "check.h"
#include "cuda_runtime_api.h"
#include "queue.h"

// Remembers the error for cudaGetLastError and returns it; cudaSuccess passes through.
cudaError_t sim_error(cudaError_t error);
// A kernel went wrong: every later call fails with this error, as after a fault on a device.
void sim_sticky(cudaError_t error);
// A launch was refused, which only the last error tells: for the checker.
void sim_launch_refused(const char *kernel, cudaError_t error, uintptr_t site);
cudaError_t sim_sticky_error(void);

int sim_current_device(void);

// Is it a stream that has not been destroyed (NULL: the default stream)?
bool sim_stream_known(cudaStream_t stream);
// Puts an operation behind what the stream holds (NULL: the current device's default stream). The default
// stream and the blocking streams of its device wait for each other. Spends one launch call's time on the
// host. If the operation says that the host waits, so it does. The stream must be known.
void sim_stream_issue(cudaStream_t stream, sim_op *op);
// What an operation's place is unless it has one of its own: its seconds on the engine.
void sim_stream_place(sim_op *op);
// In virtual time: the stream's (struct CUstream_st) next operation starts no earlier.
void sim_stream_delay(void *stream, double until);
// The host asks whether something is done: does what it can; false: not everything, so the answer is no.
bool sim_host_asks(void);
// Issues an operation of so much time and no work.
void sim_stream_push(cudaStream_t stream, enum sim_engine engine, double seconds, double share,
                     const char *label);
// Does what the stream holds: for libraries, before they do at once what they would issue.
void sim_stream_reach(cudaStream_t stream);
// Calls of this host thread cost it no time, and do not wait, until this is taken back: a graph's nodes,
// which one call launched.
void sim_host_calls_are_free(bool yes);
bool sim_host_calls_cost(void);
int sim_stream_device(cudaStream_t stream);
// Where an attribute is kept, NULL: there is none such.
cudaStreamAttrValue *sim_stream_attribute(cudaStream_t stream, cudaStreamAttrID attribute);
// The stream as the checker knows it.
sim_check_stream sim_stream_checked(cudaStream_t stream);
// The end of everything issued to the stream, which is done for that, as all that was issued before.
double sim_stream_tail(cudaStream_t stream);
// Does all work of the device, of all devices; the former in virtual time too.
void sim_device_wait(int device);
void sim_devices_finish(void);

// memory.c: bytes allocated on a device.
size_t sim_memory_used(int device);
// cudaMallocAsync's part of them, now or at its highest; an allocation of a pool.
size_t sim_memory_pooled(int device, bool at_most);
void sim_memory_reset_high(int device);
cudaError_t sim_memory_take(void **pointer, size_t bytes, int device, cudaStream_t stream);
#endif
