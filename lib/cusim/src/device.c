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

void sim_peer_allow(int from, int to, bool may) {
  pthread_mutex_lock(&peer_lock);
  if (from != to) peer[from][to] = may;
  pthread_mutex_unlock(&peer_lock);
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

// The stack's limit holds. Of the others only what was asked for is kept: buffers here are the host's.
static size_t limits[] = {0, 8 << 20, 8 << 20, 2, 2048, 128, 0};
enum { LIMITS = sizeof limits / sizeof *limits };

cudaError_t cudaDeviceSetLimit(cudaLimit limit, size_t value) {
  if ((unsigned)limit >= LIMITS) return sim_error(cudaErrorInvalidValue);
  if (limit == cudaLimitStackSize && !sim_stack_set_limit(value)) return sim_error(cudaErrorMemoryAllocation);
  if (limit == cudaLimitMaxL2FetchGranularity && value > 128) return sim_error(cudaErrorInvalidValue);
  if (limit != cudaLimitPersistingL2CacheSize) limits[limit] = value;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetLimit(size_t *value, cudaLimit limit) {
  if (!value || (unsigned)limit >= LIMITS) return sim_error(cudaErrorInvalidValue);
  *value = limit == cudaLimitStackSize ? sim_stack_limit() : limits[limit];
  return cudaSuccess;
}

// The model splits shared memory and cache as each kernel needs it: what is preferred is only kept.
static cudaFuncCache cache_config;
cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache config) {
  if ((unsigned)config > cudaFuncCachePreferEqual) return sim_error(cudaErrorInvalidValue);
  cache_config = config;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetCacheConfig(cudaFuncCache *config) {
  return config ? (*config = cache_config, cudaSuccess) : sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceGetPCIBusId(char *id, int length, int device) {
  if (!id || length < 1) return sim_error(cudaErrorInvalidValue);
  if (!valid(device)) return sim_error(cudaErrorInvalidDevice);
  snprintf(id, (size_t)length, "0000:%02X:00.0", device);
  return cudaSuccess;
}

cudaError_t cudaDeviceGetByPCIBusId(int *device, const char *id) {
  unsigned domain, bus;
  if (!device || !id) return sim_error(cudaErrorInvalidValue);
  if (sscanf(id, "%x:%x:00.0", &domain, &bus) != 2 || domain || !valid((int)bus))
    return sim_error(cudaErrorInvalidDevice);
  *device = (int)bus;
  return cudaSuccess;
}

// How the host waits makes no difference in virtual time.
static unsigned device_flags;
cudaError_t cudaSetDeviceFlags(unsigned flags) {
  if (flags & ~(unsigned)cudaDeviceMask) return sim_error(cudaErrorInvalidValue);
  device_flags = flags;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceFlags(unsigned *flags) {
  return flags ? (*flags = device_flags | cudaDeviceMapHost, cudaSuccess) : sim_error(cudaErrorInvalidValue);
}
cudaError_t cudaInitDevice(int device, unsigned how, unsigned flags) {
  (void)how, (void)flags;
  return valid(device) ? cudaSuccess : sim_error(cudaErrorInvalidDevice);
}
cudaError_t cudaSetValidDevices(int *devices, int count) {
  for (int i = 0; i < count; i++)
    if (!devices || !valid(devices[i])) return sim_error(cudaErrorInvalidDevice);
  return count >= 0 ? cudaSuccess : sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaChooseDevice(int *device, const cudaDeviceProp *wish) {
  return device && wish ? (*device = 0, cudaSuccess) : sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaDriverGetVersion(int *version) {
  return version ? (*version = CUDART_VERSION, cudaSuccess) : sim_error(cudaErrorInvalidValue);
}
cudaError_t cudaRuntimeGetVersion(int *version) {
  return cudaDriverGetVersion(version);
}
