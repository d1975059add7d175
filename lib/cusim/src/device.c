// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "exec.h"
#include "fiber.h"
#include "graph.h"

enum { MOST_DEVICES = 64 };
static _Thread_local int current;
static bool peer[MOST_DEVICES][MOST_DEVICES];
static pthread_mutex_t peer_lock = PTHREAD_MUTEX_INITIALIZER;

int sim_current_device(void) {
  return current;
}

static bool valid(int device) {
  return device >= 0 && device < sim_machine_get()->devices;
}

cudaError_t cudaGetDeviceCount(int *count) {
  if (!count) return sim_error(cudaErrorInvalidValue);
  *count = sim_machine_get()->devices;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (!valid(device)) return sim_error(cudaErrorInvalidDevice);
  current = device;
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device) {
  if (!device) return sim_error(cudaErrorInvalidValue);
  *device = current;
  return cudaSuccess;
}

// Bus width and memory clock as one consistent pair: clock × 2 transfers × width = the card's bandwidth.
enum { BUS_BITS = 4096 };
static int memory_clock_khz(const sim_card *c) {
  return (int)(c->dram_bytes_per_s * 8 / BUS_BITS / 2 / 1e3);
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
  if (!value) return sim_error(cudaErrorInvalidValue);
  if (!valid(device)) return sim_error(cudaErrorInvalidDevice);
  const sim_card *c = sim_machine_get()->card;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY:
      *value = 1024;
      break;
    case cudaDevAttrMaxBlockDimZ:
      *value = 64;
      break;
    case cudaDevAttrMaxGridDimX:
      *value = 2147483647;
      break;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ:
      *value = 65535;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlock:
      *value = 48 << 10;
      break;
    case cudaDevAttrTotalConstantMemory:
      *value = 64 << 10;
      break;
    case cudaDevAttrWarpSize:
      *value = 32;
      break;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      *value = (int)c->registers_sm;
      break;
    case cudaDevAttrClockRate:
      *value = (int)(c->boost_hz / 1e3);
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = c->sm_count;
      break;
    case cudaDevAttrMemoryClockRate:
      *value = memory_clock_khz(c);
      break;
    case cudaDevAttrGlobalMemoryBusWidth:
      *value = BUS_BITS;
      break;
    case cudaDevAttrL2CacheSize:
      *value = (int)c->l2_bytes;
      break;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      *value = c->max_threads_sm;
      break;
    case cudaDevAttrAsyncEngineCount:
      *value = 2;
      break;
    case cudaDevAttrGpuOverlap:
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrStreamPrioritiesSupported:
    case cudaDevAttrGlobalL1CacheSupported:
    case cudaDevAttrLocalL1CacheSupported:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrCanUseHostPointerForRegisteredMem:
    case cudaDevAttrCooperativeLaunch:
    case cudaDevAttrHostRegisterSupported:
    case cudaDevAttrMemoryPoolsSupported:
      *value = 1;
      break;
    case cudaDevAttrKernelExecTimeout:
    case cudaDevAttrIntegrated:
    case cudaDevAttrComputeMode:
    case cudaDevAttrEccEnabled:
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrTccDriver:
    case cudaDevAttrPciDomainId:
    case cudaDevAttrIsMultiGpuBoard:
    case cudaDevAttrMultiGpuBoardGroupID:
    case cudaDevAttrHostNativeAtomicSupported:
    case cudaDevAttrPageableMemoryAccess:
    case cudaDevAttrConcurrentManagedAccess:
    case cudaDevAttrComputePreemptionSupported:
    case cudaDevAttrClusterLaunch:
      *value = 0;
      break;
    case cudaDevAttrMaxPitch:
      *value = 2147483647;
      break;
    case cudaDevAttrTextureAlignment:
      *value = 512;
      break;
    case cudaDevAttrPciBusId:
      *value = device;
      break;
    case cudaDevAttrSingleToDoublePrecisionPerfRatio:
      *value = c->fp64_lanes ? c->fp32_lanes / c->fp64_lanes : 64;
      break;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      *value = c->max_blocks_sm;
      break;
    case cudaDevAttrReservedSharedMemoryPerBlock:
      *value = 1024;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = c->major;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = c->minor;
      break;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = (int)c->shared_sm;
      break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = (int)c->shared_block_optin;
      break;
    default:
      return sim_error(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device) {
  if (!p) return sim_error(cudaErrorInvalidValue);
  if (!valid(device)) return sim_error(cudaErrorInvalidDevice);
  const sim_card *c = sim_machine_get()->card;
  *p = (cudaDeviceProp){.totalGlobalMem = c->memory_bytes,
                        .sharedMemPerBlock = 48 << 10,
                        .regsPerBlock = (int)c->registers_sm,
                        .warpSize = 32,
                        .memPitch = 2147483647,
                        .maxThreadsPerBlock = 1024,
                        .maxThreadsDim = {1024, 1024, 64},
                        .maxGridSize = {2147483647, 65535, 65535},
                        .totalConstMem = 64 << 10,
                        .major = c->major,
                        .minor = c->minor,
                        .multiProcessorCount = c->sm_count,
                        .textureAlignment = 512,
                        .texturePitchAlignment = 32,
                        .canMapHostMemory = 1,
                        .concurrentKernels = 1,
                        .pciBusID = device,
                        .asyncEngineCount = 2,
                        .deviceOverlap = 1,
                        .clockRate = (int)(c->boost_hz / 1e3),
                        .memoryClockRate = memory_clock_khz(c),
                        .unifiedAddressing = 1,
                        .memoryBusWidth = BUS_BITS,
                        .l2CacheSize = (int)c->l2_bytes,
                        .maxThreadsPerMultiProcessor = c->max_threads_sm,
                        .sharedMemPerMultiprocessor = c->shared_sm,
                        .regsPerMultiprocessor = (int)c->registers_sm,
                        .managedMemory = 1,
                        .streamPrioritiesSupported = 1,
                        .globalL1CacheSupported = 1,
                        .localL1CacheSupported = 1,
                        .canUseHostPointerForRegisteredMem = 1,
                        .cooperativeLaunch = 1,
                        .reservedSharedMemPerBlock = 1024,
                        .hostRegisterSupported = 1,
                        .memoryPoolsSupported = 1,
                        .maxBlocksPerMultiProcessor = c->max_blocks_sm,
                        .sharedMemPerBlockOptin = c->shared_block_optin};
  snprintf(p->name, sizeof p->name, "sim:%s", c->id);
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize(void) {
  const cudaError_t forbidden = sim_capture_forbids_any();
  if (forbidden) return sim_error(forbidden);
  if (sim_inside_operation()) return sim_error(cudaErrorNotPermitted);
  sim_device_wait(current);
  sim_check_host_waits_device(current);
  return sim_error(sim_sticky_error());
}

cudaError_t cudaDeviceReset(void) {
  const cudaError_t error = cudaDeviceSynchronize();
  sim_check_reset();
  return error;
}

cudaError_t cudaDeviceCanAccessPeer(int *can, int device, int other) {
  if (!can) return sim_error(cudaErrorInvalidValue);
  if (!valid(device) || !valid(other)) return sim_error(cudaErrorInvalidDevice);
  *can = device != other;
  return cudaSuccess;
}

bool sim_peer_enabled(int from, int to) {
  pthread_mutex_lock(&peer_lock);
  const bool on = peer[from][to];
  pthread_mutex_unlock(&peer_lock);
  return on;
}

static cudaError_t set_peer(int other, bool on, cudaError_t already) {
  if (!valid(other) || other == current) return sim_error(cudaErrorInvalidDevice);
  pthread_mutex_lock(&peer_lock);
  const bool same = peer[current][other] == on;
  peer[current][other] = on;
  pthread_mutex_unlock(&peer_lock);
  return same ? sim_error(already) : cudaSuccess;
}

cudaError_t cudaDeviceEnablePeerAccess(int other, unsigned flags) {
  return flags ? sim_error(cudaErrorInvalidValue) : set_peer(other, true, cudaErrorPeerAccessAlreadyEnabled);
}

cudaError_t cudaDeviceDisablePeerAccess(int other) {
  return set_peer(other, false, cudaErrorPeerAccessNotEnabled);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *greatest) {
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return cudaSuccess;
}

cudaError_t cudaDeviceSetLimit(cudaLimit limit, size_t value) {
  if (limit == cudaLimitStackSize && !sim_stack_set_limit(value)) return sim_error(cudaErrorMemoryAllocation);
  return cudaSuccess;  // buffers here are the host's
}

cudaError_t cudaDeviceGetLimit(size_t *value, cudaLimit limit) {
  if (!value) return sim_error(cudaErrorInvalidValue);
  switch (limit) {
    case cudaLimitStackSize:
      *value = sim_stack_limit();
      return cudaSuccess;
    case cudaLimitPrintfFifoSize:
    case cudaLimitMallocHeapSize:
      *value = 8 << 20;  // CUDA's default heap; here the host's own limits hold
      return cudaSuccess;
  }
  return sim_error(cudaErrorUnsupportedLimit);
}

cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache config) {
  (void)config;  // the model splits shared memory and cache as each kernel needs it
  return cudaSuccess;
}

cudaError_t cudaDeviceGetPCIBusId(char *id, int length, int device) {
  if (!id || length < 1) return sim_error(cudaErrorInvalidValue);
  if (!valid(device)) return sim_error(cudaErrorInvalidDevice);
  snprintf(id, (size_t)length, "0000:%02X:00.0", device);
  return cudaSuccess;
}

cudaError_t cudaGetDeviceFlags(unsigned *flags) {
  return flags ? (*flags = cudaDeviceScheduleAuto, cudaSuccess) : sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaChooseDevice(int *device, const cudaDeviceProp *wish) {
  return device && wish ? (*device = 0, cudaSuccess) : sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaSetDeviceFlags(unsigned flags) {
  (void)flags;  // how the host waits makes no difference in virtual time
  return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version) {
  return version ? (*version = CUDART_VERSION, cudaSuccess) : sim_error(cudaErrorInvalidValue);
}
cudaError_t cudaRuntimeGetVersion(int *version) {
  return cudaDriverGetVersion(version);
}
