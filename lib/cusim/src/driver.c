// SPDX-License-Identifier: MIT
// The driver API over the runtime API: the same streams, events, memory and kernels under other names.
#include "cuda.h"

#include <stdio.h>
#include <string.h>

#include "exec.h"
#include "graph.h"

enum { MOST_DEVICES = 64, MOST_DEPTH = 32, MOST_PARAMETERS = 1024 };
struct CUctx_st {
  int device;
};
static struct CUctx_st contexts[MOST_DEVICES];
static bool ready;  // cuInit has been called
static _Thread_local CUcontext stack[MOST_DEPTH];
static _Thread_local int depth;

// Most numbers are the same in both.
static CUresult result_of(cudaError_t error) {
  switch (error) {
    case cudaErrorInvalidConfiguration:
    case cudaErrorInvalidPitchValue:
    case cudaErrorInvalidSymbol:
    case cudaErrorInvalidMemcpyDirection:
      return CUDA_ERROR_INVALID_VALUE;
    case cudaErrorInvalidDeviceFunction:
      return CUDA_ERROR_INVALID_HANDLE;
    default:
      return (CUresult)error;
  }
}

// The runtime's error state is not the driver's.
static CUresult call(cudaError_t error) {
  (void)cudaGetLastError();
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  return result_of(error);
}

static void *at(CUdeviceptr pointer) {
  return (void *)(uintptr_t)pointer;
}

CUresult cuInit(unsigned flags) {
  if (flags) return CUDA_ERROR_INVALID_VALUE;
  for (int d = 0; d < MOST_DEVICES; d++) contexts[d].device = d;
  ready = true;
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) {
  return result_of(cudaDriverGetVersion(version));
}

static const struct {
  int number;
  const char *name, *text;
} errors[] = {
#define ROW(number, name, text) {number, #name, text},
    CUSIM_DRIVER_ERRORS(ROW)
#undef ROW
};

static CUresult describe(CUresult error, const char **name, const char **text) {
  const char *none;
  const char **const to_name = name ? name : &none, **const to_text = text ? text : &none;
  *to_name = *to_text = NULL;
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
    if (errors[i].number != (int)error) continue;
    *to_name = errors[i].name;
    *to_text = errors[i].text;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}
CUresult cuGetErrorName(CUresult error, const char **name) {
  return name ? describe(error, name, NULL) : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuGetErrorString(CUresult error, const char **text) {
  return text ? describe(error, NULL, text) : CUDA_ERROR_INVALID_VALUE;
}

// ---------------------------------------------------------------- devices

static bool valid(CUdevice device) {
  return device >= 0 && device < sim_machine_get()->devices;
}

CUresult cuDeviceGetCount(int *count) {
  return call(cudaGetDeviceCount(count));
}
CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  if (!valid(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  cudaDeviceProp p;
  if (!name || length < 1) return CUDA_ERROR_INVALID_VALUE;
  const CUresult result = call(cudaGetDeviceProperties(&p, device));
  if (!result) snprintf(name, (size_t)length, "%s", p.name);
  return result;
}
CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device) {
  cudaDeviceProp p;
  const CUresult result = uuid ? call(cudaGetDeviceProperties(&p, device)) : CUDA_ERROR_INVALID_VALUE;
  if (!result) *uuid = p.uuid;
  return result;
}
CUresult cuDeviceTotalMem(size_t *bytes, CUdevice device) {
  cudaDeviceProp p;
  const CUresult result = bytes ? call(cudaGetDeviceProperties(&p, device)) : CUDA_ERROR_INVALID_VALUE;
  if (!result) *bytes = p.totalGlobalMem;
  return result;
}
CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  return call(cudaDeviceGetAttribute(value, (cudaDeviceAttr)attribute, device));
}
CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) {
  const CUresult result = cuDeviceGetAttribute(major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
  return result ? result : cuDeviceGetAttribute(minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
}
CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
  return call(cudaDeviceCanAccessPeer(can, device, peer));
}

// ---------------------------------------------------------------- contexts

static bool known(CUcontext context) {
  return context >= contexts && context < contexts + sim_machine_get()->devices;
}

static CUresult enter(CUcontext context) {
  return call(cudaSetDevice(context->device));
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  if (!valid(device)) return CUDA_ERROR_INVALID_DEVICE;
  *context = &contexts[device];
  return CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRelease(CUdevice device) {
  return valid(device) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}
CUresult cuDevicePrimaryCtxReset(CUdevice device) {
  return cuDevicePrimaryCtxRelease(device);
}
CUresult cuDevicePrimaryCtxSetFlags(CUdevice device, unsigned flags) {
  (void)flags;  // how the host waits makes no difference
  return cuDevicePrimaryCtxRelease(device);
}
CUresult cuCtxCreate(CUcontext *context, CUctxCreateParams *params, unsigned flags, CUdevice device) {
  (void)params, (void)flags;
  const CUresult result = cuDevicePrimaryCtxRetain(context, device);
  return result ? result : cuCtxPushCurrent(*context);
}
CUresult cuCtxDestroy(CUcontext context) {
  if (!known(context)) return CUDA_ERROR_INVALID_CONTEXT;
  if (depth && stack[depth - 1] == context) depth--;
  return CUDA_SUCCESS;
}
CUresult cuCtxPushCurrent(CUcontext context) {
  if (!known(context) || depth == MOST_DEPTH) return CUDA_ERROR_INVALID_CONTEXT;
  stack[depth++] = context;
  return enter(context);
}
CUresult cuCtxPopCurrent(CUcontext *context) {
  if (!depth) return CUDA_ERROR_INVALID_CONTEXT;
  CUcontext top = stack[--depth];
  if (context) *context = top;
  return depth && stack[depth - 1] ? enter(stack[depth - 1]) : CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext context) {
  if (context && !known(context)) return CUDA_ERROR_INVALID_CONTEXT;
  if (depth) depth--;
  return context ? cuCtxPushCurrent(context) : CUDA_SUCCESS;
}
CUresult cuCtxGetCurrent(CUcontext *context) {
  if (!context) return CUDA_ERROR_INVALID_VALUE;
  *context = depth ? stack[depth - 1] : NULL;
  return ready ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}
CUresult cuCtxGetDevice(CUdevice *device) {
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  if (!depth) return CUDA_ERROR_INVALID_CONTEXT;
  *device = stack[depth - 1]->device;
  return CUDA_SUCCESS;
}
CUresult cuCtxSynchronize(void) {
  return call(cudaDeviceSynchronize());
}
CUresult cuCtxEnablePeerAccess(CUcontext peer, unsigned flags) {
  return known(peer) ? call(cudaDeviceEnablePeerAccess(peer->device, flags)) : CUDA_ERROR_INVALID_CONTEXT;
}
CUresult cuCtxDisablePeerAccess(CUcontext peer) {
  return known(peer) ? call(cudaDeviceDisablePeerAccess(peer->device)) : CUDA_ERROR_INVALID_CONTEXT;
}

// ---------------------------------------------------------------- memory

static CUresult give(CUdeviceptr *pointer, void *p, cudaError_t error) {
  if (!error) *pointer = (CUdeviceptr)(uintptr_t)p;
  return call(error);
}

CUresult cuMemAlloc(CUdeviceptr *pointer, size_t bytes) {
  void *p = NULL;
  if (!pointer || !bytes) return CUDA_ERROR_INVALID_VALUE;
  const cudaError_t error = cudaMalloc(&p, bytes);
  return give(pointer, p, error);
}
CUresult cuMemAllocPitch(CUdeviceptr *pointer, size_t *pitch, size_t width, size_t height, unsigned element) {
  void *p = NULL;
  if (!pointer || (element != 4 && element != 8 && element != 16)) return CUDA_ERROR_INVALID_VALUE;
  const cudaError_t error = cudaMallocPitch(&p, pitch, width, height);
  return give(pointer, p, error);
}
CUresult cuMemAllocManaged(CUdeviceptr *pointer, size_t bytes, unsigned flags) {
  void *p = NULL;
  if (!pointer) return CUDA_ERROR_INVALID_VALUE;
  const cudaError_t error = cudaMallocManaged(&p, bytes, flags);
  return give(pointer, p, error);
}
CUresult cuMemAllocAsync(CUdeviceptr *pointer, size_t bytes, CUstream stream) {
  void *p = NULL;
  if (!pointer || !bytes) return CUDA_ERROR_INVALID_VALUE;
  const cudaError_t error = cudaMallocAsync(&p, bytes, stream);
  return give(pointer, p, error);
}
CUresult cuMemFree(CUdeviceptr pointer) {
  return call(cudaFree(at(pointer)));
}
CUresult cuMemFreeAsync(CUdeviceptr pointer, CUstream stream) {
  return call(cudaFreeAsync(at(pointer), stream));
}
CUresult cuMemAllocHost(void **pointer, size_t bytes) {
  return call(cudaMallocHost(pointer, bytes));
}
CUresult cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) {
  return call(cudaHostAlloc(pointer, bytes, flags));
}
CUresult cuMemFreeHost(void *pointer) {
  return call(cudaFreeHost(pointer));
}
CUresult cuMemHostGetDevicePointer(CUdeviceptr *device, void *host, unsigned flags) {
  void *p = NULL;
  if (!device) return CUDA_ERROR_INVALID_VALUE;
  const cudaError_t error = cudaHostGetDevicePointer(&p, host, flags);
  return give(device, p, error);
}
CUresult cuMemHostRegister(void *host, size_t bytes, unsigned flags) {
  return call(cudaHostRegister(host, bytes, flags));
}
CUresult cuMemHostUnregister(void *host) {
  return call(cudaHostUnregister(host));
}
CUresult cuMemGetInfo(size_t *free_bytes, size_t *total) {
  return call(cudaMemGetInfo(free_bytes, total));
}
CUresult cuMemGetAddressRange(CUdeviceptr *base, size_t *bytes, CUdeviceptr pointer) {
  sim_allocation a;
  if (!ready) return CUDA_ERROR_NOT_INITIALIZED;
  if (!sim_memory_find(at(pointer), &a)) return CUDA_ERROR_NOT_FOUND;
  if (base) *base = a.base;
  if (bytes) *bytes = a.bytes;
  return CUDA_SUCCESS;
}

// ---------------------------------------------------------------- copies and fills

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return call(cudaMemcpy(at(to), at(from), bytes, cudaMemcpyDefault));
}
CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return call(cudaMemcpyAsync(at(to), at(from), bytes, cudaMemcpyDefault, stream));
}
CUresult cuMemcpyHtoD(CUdeviceptr to, const void *from, size_t bytes) {
  return call(cudaMemcpy(at(to), from, bytes, cudaMemcpyHostToDevice));
}
CUresult cuMemcpyDtoH(void *to, CUdeviceptr from, size_t bytes) {
  return call(cudaMemcpy(to, at(from), bytes, cudaMemcpyDeviceToHost));
}
CUresult cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return call(cudaMemcpy(at(to), at(from), bytes, cudaMemcpyDeviceToDevice));
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  return call(cudaMemcpyAsync(at(to), from, bytes, cudaMemcpyHostToDevice, stream));
}
CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return call(cudaMemcpyAsync(to, at(from), bytes, cudaMemcpyDeviceToHost, stream));
}
CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  return call(cudaMemcpyAsync(at(to), at(from), bytes, cudaMemcpyDeviceToDevice, stream));
}

typedef struct fill {
  char *to;
  size_t count;
  unsigned value, bytes;  // per element
} fill;

static void do_fill(const void *argument, unsigned check_op) {
  const fill *f = argument;
  sim_check_rows(check_op, f->to, f->bytes * f->count, f->bytes * f->count, 1, true);
  for (size_t i = 0; i < f->count; i++) memcpy(f->to + i * f->bytes, &f->value, f->bytes);
}

static CUresult fill_with(CUdeviceptr to, unsigned value, unsigned bytes, size_t count, CUstream stream) {
  sim_allocation a;
  if (!count) return CUDA_SUCCESS;
  if (to % bytes || !sim_memory_find(at(to), &a) || to - a.base + bytes * count > a.bytes)
    return CUDA_ERROR_INVALID_VALUE;
  const sim_card *c = sim_machine_get()->card;
  const fill f = {at(to), count, value, bytes};
  const sim_library_call work = {
      .name = "fill",
      .work = do_fill,
      .argument = (void *)(uintptr_t)&f,
      .bytes = sizeof f,
      .seconds = c->kernel_overhead_s + (double)(bytes * count) / (c->dram_bytes_per_s * c->dram_efficiency)};
  return call(sim_library_launch(&work, stream));
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  return call(cudaMemsetAsync(at(to), value, count, stream));
}
CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count, CUstream stream) {
  return fill_with(to, value, 2, count, stream);
}
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream stream) {
  return fill_with(to, value, 4, count, stream);
}
CUresult cuMemsetD8(CUdeviceptr to, unsigned char value, size_t count) {
  return cuMemsetD8Async(to, value, count, NULL);
}
CUresult cuMemsetD16(CUdeviceptr to, unsigned short value, size_t count) {
  return cuMemsetD16Async(to, value, count, NULL);
}
CUresult cuMemsetD32(CUdeviceptr to, unsigned value, size_t count) {
  return cuMemsetD32Async(to, value, count, NULL);
}

// ---------------------------------------------------------------- streams and events

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
  return call(cudaStreamCreateWithFlags(stream, flags));
}
CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority) {
  return call(cudaStreamCreateWithPriority(stream, flags, priority));
}
CUresult cuStreamDestroy(CUstream stream) {
  return call(cudaStreamDestroy(stream));
}
CUresult cuStreamSynchronize(CUstream stream) {
  return call(cudaStreamSynchronize(stream));
}
CUresult cuStreamQuery(CUstream stream) {
  return call(cudaStreamQuery(stream));
}
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  return call(cudaStreamWaitEvent(stream, event, flags));
}
CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void *data) {
  return call(cudaLaunchHostFunc(stream, function, data));
}
CUresult cuEventCreate(CUevent *event, unsigned flags) {
  return call(cudaEventCreateWithFlags(event, flags));
}
CUresult cuEventDestroy(CUevent event) {
  return call(cudaEventDestroy(event));
}
CUresult cuEventRecord(CUevent event, CUstream stream) {
  return call(cudaEventRecord(event, stream));
}
CUresult cuEventSynchronize(CUevent event) {
  return call(cudaEventSynchronize(event));
}
CUresult cuEventQuery(CUevent event) {
  return call(cudaEventQuery(event));
}
CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
  return call(cudaEventElapsedTime(milliseconds, start, end));
}

// ---------------------------------------------------------------- kernels: a handle is the stub's address

cudaError_t cudaGetFuncBySymbol(cudaFunction_t *function, const void *symbol) {
  if (!function) return sim_error(cudaErrorInvalidValue);
  if (!sim_kernel_find(symbol)) return sim_error(cudaErrorInvalidDeviceFunction);
  *function = (cudaFunction_t)(uintptr_t)symbol;
  return cudaSuccess;
}

// The parameters' addresses in one block of bytes.
static bool unpack(CUfunction function, void **extra, void **addresses) {
  const sim_kernel *kernel = sim_kernel_find((const void *)function);
  char *buffer = NULL;
  size_t bytes = 0, offset = 0;
  for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
      buffer = extra[1];
    else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE && extra[1])
      bytes = *(const size_t *)extra[1];
    else
      return false;
  }
  if (!kernel || kernel->parameter_count > MOST_PARAMETERS || (kernel->parameter_count && !buffer))
    return false;
  for (int i = 0; i < kernel->parameter_count; i++) {
    const sim_parameter *p = &kernel->parameters[i];
    offset = (offset + p->alignment - 1) / p->alignment * p->alignment;
    addresses[i] = buffer + offset;
    offset += p->bytes;
  }
  return offset <= bytes;
}

CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                        unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                        CUstream stream, void **parameters, void **extra) {
  void *addresses[MOST_PARAMETERS];
  if (extra && !unpack(function, extra, addresses)) return CUDA_ERROR_INVALID_VALUE;
  return call(cudaLaunchKernel((const void *)function, (dim3){grid_x, grid_y, grid_z},
                               (dim3){block_x, block_y, block_z}, extra ? addresses : parameters, shared,
                               stream));
}
CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                                   CUstream stream, void **parameters) {
  return call(cudaLaunchCooperativeKernel((const void *)function, (dim3){grid_x, grid_y, grid_z},
                                          (dim3){block_x, block_y, block_z}, parameters, shared, stream));
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
  cudaFuncAttributes a;
  if (!value) return CUDA_ERROR_INVALID_VALUE;
  const CUresult result = call(cudaFuncGetAttributes(&a, (const void *)function));
  if (result) return result;
  switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      return *value = a.maxThreadsPerBlock, CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      return *value = (int)a.sharedSizeBytes, CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
      return *value = (int)a.constSizeBytes, CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      return *value = (int)a.localSizeBytes, CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
      return *value = a.numRegs, CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      return *value = a.ptxVersion, CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      return *value = a.binaryVersion, CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      return *value = a.maxDynamicSharedSizeBytes, CUDA_SUCCESS;
    default:
      return CUDA_ERROR_INVALID_VALUE;
  }
}
CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  return call(cudaFuncSetAttribute((const void *)function, (cudaFuncAttribute)attribute, value));
}
CUresult cuFuncSetCacheConfig(CUfunction function, CUfunc_cache config) {
  return call(cudaFuncSetCacheConfig((const void *)function, (cudaFuncCache)config));
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads,
                                                     size_t shared) {
  return call(cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, (const void *)function, threads, shared));
}
// CUSIM_PROFILE reports the whole program.
CUresult cuProfilerStart(void) {
  return CUDA_SUCCESS;
}
CUresult cuProfilerStop(void) {
  return CUDA_SUCCESS;
}
