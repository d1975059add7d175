// SPDX-License-Identifier: MIT
// GPUs as the rest of Heddle sees them: real ones, simulated ones, or none; and logical devices, so that
// lessons for N GPUs run (correctly, not faster) on fewer.
#ifndef HEDDLE_DEVICE_H
#define HEDDLE_DEVICE_H
#include <stdbool.h>
#include <stddef.h>

#include "type.h"

#ifdef __cplusplus
extern "C" {
#endif

// GPUs this process can use; 0 when built without CUDA or when there is no driver.
int hd_device_count(void);

// "NVIDIA H200", or "sim:h200" for a simulated card. "none" when hd_device_count() is 0. Not to be freed.
const char *hd_device_name(void);

// True if the GPUs are simulated: their times come from a model and are labelled so.
bool hd_device_simulated(void);

// Makes logical device `rank` current for the calling thread: physical device rank % hd_device_count().
void hd_device_select(int rank);

// Published peaks of the current device from its attributes: the roofs of a modelled plot. flops: fp32
// FLOP/s, bytes: DRAM bytes/s. Zero where the attributes do not tell.
void hd_device_peaks(double *flops, double *bytes);

// FLOP/s of products whose operands are of this type, summed in fp32: that of the tensor cores for 16-bit
// types and tf32 where the current device has such, the fp32 peak elsewhere. Dense, at the clock the
// attributes tell; GeForce cards reach half of it.
double hd_device_product_peak(enum hd_type operands);

// What a copy from logical device 0 to logical device 1 takes, measured once: alpha_s + bytes / bytes_per_s.
// With one GPU a copy within it. Zeros without a GPU.
void hd_device_link(double *alpha_s, double *bytes_per_s);

// The same of a copy of pinned host memory to the current device.
void hd_device_host_link(double *alpha_s, double *bytes_per_s);

// Bytes free on the current device.
size_t hd_device_free_bytes(void);

// Device time of everything issued between the two calls by any stream of the first `devices` logical
// devices, in seconds: the largest over the devices, by CUDA events. Ends the process if a kernel in between
// failed.
void hd_device_timer_start(int devices);
double hd_device_timer_stop(int devices);

// Says that the calling thread has just done work of its own that takes so long, according to the caller. A
// simulated GPU's virtual clock goes on by that: for it the host's own work takes no time otherwise. Nothing
// on real GPUs, where the time has passed.
void hd_device_host_works(double seconds);

// Waits for all work on the first `devices` logical devices; ends the process with CUDA's message if any
// failed.
void hd_device_synchronize(int devices);

#ifdef __cplusplus
}
#endif

#ifdef __CUDACC__
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>
// Ends the process with file, line and CUDA's own message unless the call succeeded.
#define HD_CUDA(call)                                                                                        \
  do {                                                                                                       \
    const cudaError_t hd_status_ = (call);                                                                   \
    if (hd_status_ != cudaSuccess) {                                                                         \
      fprintf(stderr, "heddle: %s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(hd_status_)); \
      exit(1);                                                                                               \
    }                                                                                                        \
  } while (0)
// To be written after a launch: reports a launch that could not start.
#define HD_LAUNCHED() HD_CUDA(cudaGetLastError())
#endif
#endif
