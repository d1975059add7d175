// SPDX-License-Identifier: MIT
// Memory pools and hints. Pools hold nothing back: what is freed is free.
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "exec.h"
#include "handles.h"
#include "managed.h"
#include "stream.h"

enum { MOST_DEVICES = 64 };
struct CUmemPoolHandle_st {
  uint64_t release_threshold;
  int device, reuse[3];
};
// A device's own pools, then the one that it uses.
static struct CUmemPoolHandle_st pools[MOST_DEVICES];
static cudaMemPool_t chosen[MOST_DEVICES];

static bool valid(int device) {
  return device >= 0 && device < sim_machine_get()->devices;
}

static void begin(void) {
  for (int d = 0; d < MOST_DEVICES; d++)
    pools[d] = (struct CUmemPoolHandle_st){.device = d, .reuse = {1, 1, 1}};
}

static cudaMemPool_t pool_of(int device) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, begin);
  return &pools[device];
}

static bool known(cudaMemPool_t pool) {
  pool_of(0);
  return (pool >= pools && pool < pools + sim_machine_get()->devices) || sim_handle_known(pool);
}

cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int device) {
  if (!pool) return sim_error(cudaErrorInvalidValue);
  if (!valid(device)) return sim_error(cudaErrorInvalidDevice);
  *pool = pool_of(device);
  return cudaSuccess;
}

cudaError_t cudaDeviceGetMemPool(cudaMemPool_t *pool, int device) {
  if (!pool) return sim_error(cudaErrorInvalidValue);
  if (!valid(device)) return sim_error(cudaErrorInvalidDevice);
  *pool = chosen[device] ? chosen[device] : pool_of(device);
  return cudaSuccess;
}

cudaError_t cudaDeviceSetMemPool(int device, cudaMemPool_t pool) {
  if (!valid(device)) return sim_error(cudaErrorInvalidDevice);
  if (!known(pool) || pool->device != device) return sim_error(cudaErrorInvalidValue);
  chosen[device] = pool;
  return cudaSuccess;
}

cudaError_t cudaMemPoolCreate(cudaMemPool_t *pool, const cudaMemPoolProps *props) {
  if (!pool || !props || props->allocType != cudaMemAllocationTypePinned ||
      props->location.type != cudaMemLocationTypeDevice)
    return sim_error(cudaErrorInvalidValue);
  if (!valid(props->location.id)) return sim_error(cudaErrorInvalidDevice);
  if (props->handleTypes != cudaMemHandleTypeNone) return sim_error(cudaErrorNotSupported);
  cudaMemPool_t p = malloc(sizeof *p);
  if (!p || !sim_handle_add(p)) {
    free(p);
    return sim_error(cudaErrorMemoryAllocation);
  }
  *p = (struct CUmemPoolHandle_st){.device = props->location.id, .reuse = {1, 1, 1}};
  *pool = p;
  return cudaSuccess;
}

cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) {
  if (!sim_handle_remove(pool)) return sim_error(cudaErrorInvalidValue);
  if (chosen[pool->device] == pool) chosen[pool->device] = NULL;
  free(pool);
  return cudaSuccess;
}

// All devices are peers: a pool's memory is theirs where they have enabled access to its device.
cudaError_t cudaMemPoolSetAccess(cudaMemPool_t pool, const cudaMemAccessDesc *list, size_t count) {
  if (!known(pool) || (count && !list)) return sim_error(cudaErrorInvalidValue);
  for (size_t i = 0; i < count; i++) {
    if (list[i].location.type != cudaMemLocationTypeDevice) return sim_error(cudaErrorInvalidValue);
    if (!valid(list[i].location.id)) return sim_error(cudaErrorInvalidDevice);
    if (list[i].location.id == pool->device && list[i].flags == cudaMemAccessFlagsProtNone)
      return sim_error(cudaErrorInvalidDevice);
    sim_peer_allow(list[i].location.id, pool->device, list[i].flags != cudaMemAccessFlagsProtNone);
  }
  return cudaSuccess;
}

cudaError_t cudaMemPoolGetAccess(cudaMemAccessFlags *flags, cudaMemPool_t pool, cudaMemLocation *location) {
  if (!flags || !location || !known(pool)) return sim_error(cudaErrorInvalidValue);
  if (location->type != cudaMemLocationTypeDevice || !valid(location->id))
    return sim_error(cudaErrorInvalidDevice);
  const bool may = location->id == pool->device || sim_peer_enabled(location->id, pool->device);
  *flags = may ? cudaMemAccessFlagsProtReadWrite : cudaMemAccessFlagsProtNone;
  return cudaSuccess;
}

cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value) {
  if (!known(pool) || !value) return sim_error(cudaErrorInvalidValue);
  switch (attribute) {
    case cudaMemPoolReuseFollowEventDependencies:
    case cudaMemPoolReuseAllowOpportunistic:
    case cudaMemPoolReuseAllowInternalDependencies:
      pool->reuse[attribute - cudaMemPoolReuseFollowEventDependencies] = *(const int *)value != 0;
      return cudaSuccess;
    case cudaMemPoolAttrReleaseThreshold:
      pool->release_threshold = *(const uint64_t *)value;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:  // may only be set back to what is in use
      if (*(const uint64_t *)value) return sim_error(cudaErrorInvalidValue);
      sim_memory_reset_high(pool->device);
      return cudaSuccess;
    default:
      return sim_error(cudaErrorInvalidValue);
  }
}

cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t pool, cudaMemPoolAttr attribute, void *value) {
  if (!known(pool) || !value) return sim_error(cudaErrorInvalidValue);
  switch (attribute) {
    case cudaMemPoolReuseFollowEventDependencies:
    case cudaMemPoolReuseAllowOpportunistic:
    case cudaMemPoolReuseAllowInternalDependencies:
      *(int *)value = pool->reuse[attribute - cudaMemPoolReuseFollowEventDependencies];
      return cudaSuccess;
    case cudaMemPoolAttrReleaseThreshold:
      *(uint64_t *)value = pool->release_threshold;
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemCurrent:
    case cudaMemPoolAttrUsedMemCurrent:
      *(uint64_t *)value = sim_memory_pooled(pool->device, false);
      return cudaSuccess;
    case cudaMemPoolAttrReservedMemHigh:
    case cudaMemPoolAttrUsedMemHigh:
      *(uint64_t *)value = sim_memory_pooled(pool->device, true);
      return cudaSuccess;
  }
  return sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaMemPoolTrimTo(cudaMemPool_t pool, size_t bytes) {
  (void)bytes;
  return known(pool) ? cudaSuccess : sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaMallocFromPoolAsync(void **pointer, size_t bytes, cudaMemPool_t pool, cudaStream_t stream) {
  if (!known(pool)) return sim_error(cudaErrorInvalidValue);
  return sim_memory_take(pointer, bytes, pool->device, stream);
}

// A hint must name managed memory. The bytes are one for all; what a prefetch moves is its time alone
// (managed.c).
static cudaError_t check_managed(const void *pointer, size_t bytes) {
  sim_allocation a;
  if (!bytes || !sim_memory_find(pointer, &a) || a.kind != SIM_MANAGED)
    return sim_error(cudaErrorInvalidValue);
  return (uintptr_t)pointer - a.base + bytes <= a.bytes ? cudaSuccess : sim_error(cudaErrorInvalidValue);
}

typedef struct prefetch_op {
  sim_op op;
  uintptr_t base;
  size_t allocated, bytes;
  int device;  // -1: the host
} prefetch_op;

// Pages that are there already cost the call alone.
static void place_prefetch(sim_op *op) {
  const prefetch_op *p = (const prefetch_op *)op;
  const size_t moved = op->skipped ? 0 : sim_managed_move(p->base, p->allocated, p->bytes, p->device);
  op->seconds = sim_copy_seconds(sim_machine_get()->host, moved);
  sim_stream_place(op);
}

cudaError_t cudaMemPrefetchAsync(const void *pointer, size_t bytes, cudaMemLocation to, unsigned flags,
                                 cudaStream_t stream) {
  if (flags) return sim_error(cudaErrorInvalidValue);
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  const cudaError_t error = check_managed(pointer, bytes);
  if (error) return error;
  sim_allocation a;
  prefetch_op *p = sim_op_new(sizeof *p);
  if (!p || !sim_memory_find(pointer, &a)) return sim_error(cudaErrorMemoryAllocation);
  p->base = a.base;
  p->allocated = a.bytes;
  p->bytes = bytes;
  p->device = to.type == cudaMemLocationTypeHost ? -1 : to.id;
  p->op.engine = p->device < 0 ? SIM_COPY_D2H : SIM_COPY_H2D;
  p->op.place = place_prefetch;
  p->op.share = 1;
  p->op.label = "prefetch";
  sim_stream_issue(stream, &p->op);
  return cudaSuccess;
}

cudaError_t cudaMemAdvise(const void *pointer, size_t bytes, cudaMemoryAdvise advice, cudaMemLocation to) {
  (void)to;
  if ((unsigned)advice < cudaMemAdviseSetReadMostly || (unsigned)advice > cudaMemAdviseUnsetAccessedBy)
    return sim_error(cudaErrorInvalidValue);
  return check_managed(pointer, bytes);
}

// Hints are not kept: nothing is mostly read, preferred anywhere or prefetched.
cudaError_t cudaMemRangeGetAttribute(void *value, size_t value_bytes, cudaMemRangeAttribute attribute,
                                     const void *pointer, size_t bytes) {
  const cudaError_t error = check_managed(pointer, bytes);
  if (error) return error;
  if (!value || !value_bytes || value_bytes % sizeof(int) || (unsigned)attribute < 1 ||
      attribute > cudaMemRangeAttributeLastPrefetchLocationId)
    return sim_error(cudaErrorInvalidValue);
  const int none = attribute == cudaMemRangeAttributeReadMostly ? 0 : cudaInvalidDeviceId;
  const bool type = attribute == cudaMemRangeAttributePreferredLocationType ||
                    attribute == cudaMemRangeAttributeLastPrefetchLocationType;
  for (size_t i = 0; i < value_bytes / sizeof(int); i++)
    ((int *)value)[i] = type ? cudaMemLocationTypeInvalid : none;
  return cudaSuccess;
}
