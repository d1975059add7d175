// SPDX-License-Identifier: MIT
// What the driver API says of devices, contexts, streams, pointers and kernels, over the runtime API.
#include <string.h>

#include "cuda.h"
#include "exec.h"

// The runtime's error state is not the driver's.
static CUresult call(cudaError_t error) {
  (void)cudaGetLastError();
  return (CUresult)error;
}
static void *at(CUdeviceptr pointer) {
  return (void *)(uintptr_t)pointer;
}

// ---------------------------------------------------------------- devices and contexts

CUresult cuDeviceGetPCIBusId(char *id, int length, CUdevice device) {
  return call(cudaDeviceGetPCIBusId(id, length, device));
}
CUresult cuDeviceGetByPCIBusId(CUdevice *device, const char *id) {
  return call(cudaDeviceGetByPCIBusId(device, id));
}
CUresult cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attribute, CUdevice from, CUdevice to) {
  return call(cudaDeviceGetP2PAttribute(value, (enum cudaDeviceP2PAttr)attribute, from, to));
}
CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned *flags, int *active) {
  if (!flags || !active) return CUDA_ERROR_INVALID_VALUE;
  if (device < 0 || device >= sim_machine_get()->devices) return CUDA_ERROR_INVALID_DEVICE;
  *flags = 0;
  *active = 1;
  return CUDA_SUCCESS;
}
CUresult cuCtxGetLimit(size_t *value, CUlimit limit) {
  return call(cudaDeviceGetLimit(value, (enum cudaLimit)limit));
}
CUresult cuCtxSetLimit(CUlimit limit, size_t value) {
  return call(cudaDeviceSetLimit((enum cudaLimit)limit, value));
}
CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  return call(cudaDeviceGetStreamPriorityRange(least, greatest));
}
CUresult cuCtxGetApiVersion(CUcontext context, unsigned *version) {
  (void)context;
  if (!version) return CUDA_ERROR_INVALID_VALUE;
  *version = CUDA_VERSION;
  return CUDA_SUCCESS;
}
CUresult cuCtxGetFlags(unsigned *flags) {
  if (!flags) return CUDA_ERROR_INVALID_VALUE;
  *flags = 0;
  return CUDA_SUCCESS;
}
CUresult cuCtxSetCacheConfig(CUfunc_cache config) {
  return call(cudaDeviceSetCacheConfig((cudaFuncCache)config));
}

// ---------------------------------------------------------------- memory

CUresult cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr pointer) {
  sim_allocation a;
  if (!data) return CUDA_ERROR_INVALID_VALUE;
  if (!sim_memory_find(at(pointer), &a)) return CUDA_ERROR_INVALID_VALUE;
  const bool host = a.kind == SIM_PINNED;
  switch (attribute) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
      *(unsigned *)data = host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
      *(CUdeviceptr *)data = pointer;
      break;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
      if (!host && a.kind != SIM_MANAGED) return CUDA_ERROR_INVALID_VALUE;
      *(void **)data = at(pointer);
      break;
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
      *(unsigned *)data = a.kind == SIM_MANAGED;
      break;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
      *(int *)data = a.device < 0 ? 0 : a.device;
      break;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
      *(CUdeviceptr *)data = a.base;
      break;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
      *(size_t *)data = a.bytes;
      break;
    case CU_POINTER_ATTRIBUTE_MAPPED:
      *(unsigned *)data = 1;
      break;
    default:
      return CUDA_ERROR_NOT_SUPPORTED;
  }
  return CUDA_SUCCESS;
}
CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context,
                      size_t bytes) {
  (void)to_context, (void)from_context;  // the addresses tell the devices
  return call(cudaMemcpy(at(to), at(from), bytes, cudaMemcpyDefault));
}
CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context,
                           size_t bytes, CUstream stream) {
  (void)to_context, (void)from_context;
  return call(cudaMemcpyAsync(at(to), at(from), bytes, cudaMemcpyDefault, stream));
}

// ---------------------------------------------------------------- streams

CUresult cuStreamGetFlags(CUstream stream, unsigned *flags) {
  return call(cudaStreamGetFlags(stream, flags));
}
CUresult cuStreamGetPriority(CUstream stream, int *priority) {
  return call(cudaStreamGetPriority(stream, priority));
}
CUresult cuStreamAddCallback(CUstream stream, CUstreamCallback function, void *data, unsigned flags) {
  // One enumeration has the other's numbers.
  return call(cudaStreamAddCallback(stream, (cudaStreamCallback_t)(void (*)(void))function, data, flags));
}
CUresult cuStreamAttachMemAsync(CUstream stream, CUdeviceptr pointer, size_t bytes, unsigned flags) {
  return call(cudaStreamAttachMemAsync(stream, at(pointer), bytes, flags));
}

// ---------------------------------------------------------------- kernels

CUresult cuFuncGetName(const char **name, CUfunction function) {
  return call(cudaFuncGetName(name, (const void *)function));
}
CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t *offset, size_t *bytes) {
  const sim_kernel *kernel = sim_kernel_find((const void *)function);
  if (!kernel) return CUDA_ERROR_INVALID_HANDLE;
  if (!offset || index >= (size_t)kernel->parameter_count) return CUDA_ERROR_INVALID_VALUE;
  size_t place = 0;
  for (size_t i = 0; i <= index; i++) {
    const sim_parameter *p = &kernel->parameters[i];
    place = (place + p->alignment - 1) / p->alignment * p->alignment;
    *offset = place;
    if (bytes) *bytes = p->bytes;
    place += p->bytes;
  }
  return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction function, int threads,
                                                              size_t shared, unsigned flags) {
  return call(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, (const void *)function, threads,
                                                                     shared, flags));
}
// Of the sizes that leave the same number of blocks resident the runtime knows the best; shared memory that
// grows with the block is asked for per size.
CUresult cuOccupancyMaxPotentialBlockSize(int *blocks, int *threads, CUfunction function,
                                          CUoccupancyB2DSize shared_of, size_t shared, int limit) {
  if (!shared_of)
    return call(cudaOccupancyMaxPotentialBlockSize(blocks, threads, (const void *)function, shared, limit));
  sim_kernel *kernel = sim_kernel_find((const void *)function);
  if (!blocks || !threads) return CUDA_ERROR_INVALID_VALUE;
  if (!kernel) return CUDA_ERROR_INVALID_HANDLE;
  int most = 0;
  if (limit <= 0 || limit > 1024) limit = 1024;
  for (int size = (limit + 31) / 32 * 32; size > 0; size -= 32) {
    const int tried = size < limit ? size : limit,
              resident = sim_kernel_resident(kernel, tried, shared_of(tried));
    if (resident * tried <= most) continue;
    most = resident * tried;
    *threads = tried;
    *blocks = resident * sim_machine_get()->card->sm_count;
  }
  return most ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
