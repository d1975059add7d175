// SPDX-License-Identifier: MIT
// CUDA's driver API, as far as programs of the runtime API name it: its types. A call of one of its functions
// is an error of compilation that says so.
#ifndef CUSIM_CUDA_H
#define CUSIM_CUDA_H
#define __cuda_cuda_h__  // programs ask by this name whether the header was read
#include "driver_types.h"

#define CUDA_VERSION 13000

typedef enum cudaError_enum {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_UNKNOWN = 999
} CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef cudaStream_t CUstream;
typedef cudaEvent_t CUevent;

// Any arguments will do: what counts is that the error names the feature and the line.
#ifdef __cplusplus
#define CUSIM_DRIVER(name)                                                                           \
  template <class... Arguments>                                                                      \
  CUresult name(Arguments...) {                                                                      \
    static_assert(sizeof...(Arguments) > 1000, "cusim does not support the driver API (" #name ")"); \
    return CUDA_ERROR_UNKNOWN;                                                                       \
  }
CUSIM_DRIVER(cuInit)
CUSIM_DRIVER(cuDeviceGet)
CUSIM_DRIVER(cuDeviceGetCount)
CUSIM_DRIVER(cuDeviceGetName)
CUSIM_DRIVER(cuDeviceGetAttribute)
CUSIM_DRIVER(cuDeviceComputeCapability)
CUSIM_DRIVER(cuDeviceTotalMem)
CUSIM_DRIVER(cuDriverGetVersion)
CUSIM_DRIVER(cuCtxCreate)
CUSIM_DRIVER(cuCtxDestroy)
CUSIM_DRIVER(cuCtxSetCurrent)
CUSIM_DRIVER(cuCtxGetCurrent)
CUSIM_DRIVER(cuCtxSynchronize)
CUSIM_DRIVER(cuCtxPushCurrent)
CUSIM_DRIVER(cuCtxPopCurrent)
CUSIM_DRIVER(cuDevicePrimaryCtxRetain)
CUSIM_DRIVER(cuDevicePrimaryCtxRelease)
CUSIM_DRIVER(cuModuleLoad)
CUSIM_DRIVER(cuModuleLoadData)
CUSIM_DRIVER(cuModuleLoadDataEx)
CUSIM_DRIVER(cuModuleLoadFatBinary)
CUSIM_DRIVER(cuModuleUnload)
CUSIM_DRIVER(cuModuleGetFunction)
CUSIM_DRIVER(cuModuleGetGlobal)
CUSIM_DRIVER(cuLaunchKernel)
CUSIM_DRIVER(cuLaunchKernelEx)
CUSIM_DRIVER(cuLaunchCooperativeKernel)
CUSIM_DRIVER(cuLaunchGrid)
CUSIM_DRIVER(cuMemAlloc)
CUSIM_DRIVER(cuMemFree)
CUSIM_DRIVER(cuMemAllocHost)
CUSIM_DRIVER(cuMemFreeHost)
CUSIM_DRIVER(cuMemHostAlloc)
CUSIM_DRIVER(cuMemAllocManaged)
CUSIM_DRIVER(cuMemAllocPitch)
CUSIM_DRIVER(cuMemcpyHtoD)
CUSIM_DRIVER(cuMemcpyDtoH)
CUSIM_DRIVER(cuMemcpyDtoD)
CUSIM_DRIVER(cuMemcpyHtoDAsync)
CUSIM_DRIVER(cuMemcpyDtoHAsync)
CUSIM_DRIVER(cuMemsetD8)
CUSIM_DRIVER(cuMemsetD32)
CUSIM_DRIVER(cuMemGetInfo)
CUSIM_DRIVER(cuMemCreate)
CUSIM_DRIVER(cuMemMap)
CUSIM_DRIVER(cuMemRelease)
CUSIM_DRIVER(cuMemUnmap)
CUSIM_DRIVER(cuMemAddressReserve)
CUSIM_DRIVER(cuMemAddressFree)
CUSIM_DRIVER(cuMemSetAccess)
CUSIM_DRIVER(cuMemGetAllocationGranularity)
CUSIM_DRIVER(cuMemExportToShareableHandle)
CUSIM_DRIVER(cuMemImportFromShareableHandle)
CUSIM_DRIVER(cuStreamCreate)
CUSIM_DRIVER(cuStreamDestroy)
CUSIM_DRIVER(cuStreamSynchronize)
CUSIM_DRIVER(cuStreamQuery)
CUSIM_DRIVER(cuEventCreate)
CUSIM_DRIVER(cuEventDestroy)
CUSIM_DRIVER(cuEventRecord)
CUSIM_DRIVER(cuEventSynchronize)
CUSIM_DRIVER(cuEventElapsedTime)
CUSIM_DRIVER(cuFuncSetAttribute)
CUSIM_DRIVER(cuFuncGetAttribute)
CUSIM_DRIVER(cuGetErrorName)
CUSIM_DRIVER(cuGetErrorString)
CUSIM_DRIVER(cuGetProcAddress)
CUSIM_DRIVER(cuLinkCreate)
CUSIM_DRIVER(cuLinkAddData)
CUSIM_DRIVER(cuLinkComplete)
CUSIM_DRIVER(cuLinkDestroy)
CUSIM_DRIVER(cuTensorMapEncodeTiled)
CUSIM_DRIVER(cuOccupancyMaxActiveBlocksPerMultiprocessor)
CUSIM_DRIVER(cuPointerGetAttribute)
CUSIM_DRIVER(cuProfilerStart)
CUSIM_DRIVER(cuProfilerStop)
#undef CUSIM_DRIVER
#endif
#endif
