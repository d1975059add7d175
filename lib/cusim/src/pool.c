// SPDX-License-Identifier: MIT
// Memory pools and hints. A device has one pool, its default one, which holds nothing back: what is freed is
// free.
#include <stdint.h>

#include "exec.h"
#include "stream.h"

enum { MOST_DEVICES = 64 };
struct CUmemPoolHandle_st {
  uint64_t release_threshold;
};
static struct CUmemPoolHandle_st pools[MOST_DEVICES];

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) {
  if (!pool) return sim_error(cudaErrorInvalidValue);
  if (device < 0 || device >= sim_machine_get()->devices) return sim_error(cudaErrorInvalidDevice);
  *pool = &pools[device];
  return cudaSuccess;
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t *pool, int device) {
  return cudaDeviceGetDefaultMemPool(pool, device);
}

static bool known(cudaMemPool_t pool) {
  return pool >= pools && pool < pools + sim_machine_get()->devices;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value) {
  if (!known(pool) || !value) return sim_error(cudaErrorInvalidValue);
  if (attribute == cudaMemPoolAttrReleaseThreshold) pool->release_threshold = *(const uint64_t *)value;
  return cudaSuccess;
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value) {
  if (!known(pool) || !value) return sim_error(cudaErrorInvalidValue);
  switch (attribute) {
    case cudaMemPoolReuseFollowEventDependencies:
    case cudaMemPoolReuseAllowOpportunistic:
    case cudaMemPoolReuseAllowInternalDependencies:
      *(int *)value = 1;
      return cudaSuccess;
    case cudaMemPoolAttrReleaseThreshold:
      *(uint64_t *)value = pool->release_threshold;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemCurrent:
    case cudaMemPoolAttrUsedMemCurrent:
      *(uint64_t *)value = sim_memory_used((int)(pool - pools));
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      return sim_error(cudaErrorNotSupported);
  }
  return sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytes) {
  (void)bytes;
  return known(pool) ? cudaSuccess : sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaMallocFromPoolAsync(void **pointer, size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
  return known(pool) ? cudaMallocAsync(pointer, bytes, stream) : sim_error(cudaErrorInvalidValue);
}

// Managed memory is one for all here: a hint moves nothing, but must name managed memory.
static cudaError_t check_managed(const void *pointer, size_t bytes) {
  sim_allocation a;
  if (!bytes || !sim_memory_find(pointer, &a) || a.kind != SIM_MANAGED)
    return sim_error(cudaErrorInvalidValue);
  return (uintptr_t)pointer - a.base + bytes <= a.bytes ? cudaSuccess : sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaMemPrefetchAsync(const void *pointer, size_t bytes, cudaMemLocation to, unsigned flags,
                                 cudaStream_t stream) {
  if (flags) return sim_error(cudaErrorInvalidValue);
  const cudaError_t error = check_managed(pointer, bytes);
  if (error) return error;
  const enum sim_engine way = to.type == cudaMemLocationTypeHost ? SIM_COPY_D2H : SIM_COPY_H2D;
  sim_stream_push(stream, way, sim_copy_seconds(sim_machine_get()->host, bytes), 1, "prefetch");
  return cudaSuccess;
}

cudaError_t cudaMemAdvise(const void *pointer, size_t bytes, cudaMemoryAdvise advice, cudaMemLocation to) {
  (void)advice, (void)to;
  return check_managed(pointer, bytes);
}
