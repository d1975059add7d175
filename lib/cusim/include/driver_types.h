// SPDX-License-Identifier: MIT
// Types of CUDA's host API, under its names and with its numbers.
#ifndef CUSIM_DRIVER_TYPES_H
#define CUSIM_DRIVER_TYPES_H
#include <stddef.h>

// Number, name, text. One list for the enum and for cudaGetErrorName and cudaGetErrorString.
#define CUSIM_ERRORS(E)                                                                                 \
  E(0, cudaSuccess, "no error")                                                                         \
  E(1, cudaErrorInvalidValue, "invalid argument")                                                       \
  E(2, cudaErrorMemoryAllocation, "out of memory")                                                      \
  E(3, cudaErrorInitializationError, "initialization error")                                            \
  E(9, cudaErrorInvalidConfiguration, "invalid configuration argument")                                 \
  E(12, cudaErrorInvalidPitchValue, "invalid pitch argument")                                           \
  E(13, cudaErrorInvalidSymbol, "invalid device symbol")                                                \
  E(17, cudaErrorInvalidDevicePointer, "invalid device pointer")                                        \
  E(21, cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy")                           \
  E(35, cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version")    \
  E(98, cudaErrorInvalidDeviceFunction, "invalid device function")                                      \
  E(100, cudaErrorNoDevice, "no CUDA-capable device is detected")                                       \
  E(101, cudaErrorInvalidDevice, "invalid device ordinal")                                              \
  E(400, cudaErrorInvalidResourceHandle, "invalid resource handle")                                     \
  E(600, cudaErrorNotReady, "device not ready")                                                         \
  E(700, cudaErrorIllegalAddress, "an illegal memory access was encountered")                           \
  E(701, cudaErrorLaunchOutOfResources, "too many resources requested for launch")                      \
  E(702, cudaErrorLaunchTimeout, "the launch timed out and was terminated")                             \
  E(704, cudaErrorPeerAccessAlreadyEnabled, "peer access is already enabled")                           \
  E(705, cudaErrorPeerAccessNotEnabled, "peer access has not been enabled")                             \
  E(710, cudaErrorAssert, "device-side assert triggered")                                               \
  E(712, cudaErrorHostMemoryAlreadyRegistered,                                                          \
    "part or all of the requested memory range is already mapped")                                      \
  E(713, cudaErrorHostMemoryNotRegistered, "pointer does not correspond to a registered memory region") \
  E(716, cudaErrorMisalignedAddress, "misaligned address")                                              \
  E(719, cudaErrorLaunchFailure, "unspecified launch failure")                                          \
  E(801, cudaErrorNotSupported, "operation not supported")                                              \
  E(999, cudaErrorUnknown, "unknown error")

typedef enum cudaError {
#define CUSIM_ENUM(number, name, text) name = number,
  CUSIM_ERRORS(CUSIM_ENUM)
#undef CUSIM_ENUM
} cudaError_t;

typedef enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4
} cudaMemcpyKind;

typedef enum cudaDeviceAttr {
  cudaDevAttrMaxThreadsPerBlock = 1,
  cudaDevAttrMaxBlockDimX = 2,
  cudaDevAttrMaxBlockDimY = 3,
  cudaDevAttrMaxBlockDimZ = 4,
  cudaDevAttrMaxGridDimX = 5,
  cudaDevAttrMaxGridDimY = 6,
  cudaDevAttrMaxGridDimZ = 7,
  cudaDevAttrMaxSharedMemoryPerBlock = 8,
  cudaDevAttrTotalConstantMemory = 9,
  cudaDevAttrWarpSize = 10,
  cudaDevAttrMaxRegistersPerBlock = 12,
  cudaDevAttrClockRate = 13,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrConcurrentKernels = 31,
  cudaDevAttrMemoryClockRate = 36,
  cudaDevAttrGlobalMemoryBusWidth = 37,
  cudaDevAttrL2CacheSize = 38,
  cudaDevAttrMaxThreadsPerMultiProcessor = 39,
  cudaDevAttrAsyncEngineCount = 40,
  cudaDevAttrUnifiedAddressing = 41,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
  cudaDevAttrMaxRegistersPerMultiprocessor = 82,
  cudaDevAttrManagedMemory = 83,
  cudaDevAttrConcurrentManagedAccess = 89,
  cudaDevAttrCooperativeLaunch = 95,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97
} cudaDeviceAttr;

typedef struct cudaDeviceProp {
  char name[256];
  size_t totalGlobalMem, sharedMemPerBlock;
  int regsPerBlock, warpSize;
  size_t memPitch;
  int maxThreadsPerBlock, maxThreadsDim[3], maxGridSize[3];
  size_t totalConstMem;
  int major, minor, multiProcessorCount, integrated, canMapHostMemory, concurrentKernels, ECCEnabled;
  int pciBusID, pciDeviceID, pciDomainID, asyncEngineCount, unifiedAddressing, memoryBusWidth, l2CacheSize;
  int maxThreadsPerMultiProcessor;
  size_t sharedMemPerMultiprocessor;
  int regsPerMultiprocessor, managedMemory, cooperativeLaunch, maxBlocksPerMultiProcessor;
  size_t sharedMemPerBlockOptin;
} cudaDeviceProp;

typedef enum cudaMemoryType {
  cudaMemoryTypeUnregistered = 0,
  cudaMemoryTypeHost = 1,
  cudaMemoryTypeDevice = 2,
  cudaMemoryTypeManaged = 3
} cudaMemoryType;

typedef struct cudaPointerAttributes {
  cudaMemoryType type;
  int device;
  void *devicePointer, *hostPointer;
} cudaPointerAttributes;

typedef struct cudaFuncAttributes {
  size_t sharedSizeBytes, constSizeBytes, localSizeBytes;
  int maxThreadsPerBlock, numRegs, ptxVersion, binaryVersion, maxDynamicSharedSizeBytes;
} cudaFuncAttributes;

typedef enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9
} cudaFuncAttribute;

typedef enum cudaLimit {
  cudaLimitStackSize = 0,
  cudaLimitPrintfFifoSize = 1,
  cudaLimitMallocHeapSize = 2
} cudaLimit;

typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef void (*cudaHostFn_t)(void *data);

enum { cudaStreamDefault = 0, cudaStreamNonBlocking = 1 };
enum {
  cudaEventDefault = 0,
  cudaEventBlockingSync = 1,
  cudaEventDisableTiming = 2,
  cudaEventInterprocess = 4
};
enum {
  cudaHostAllocDefault = 0,
  cudaHostAllocPortable = 1,
  cudaHostAllocMapped = 2,
  cudaHostAllocWriteCombined = 4
};
enum { cudaHostRegisterDefault = 0, cudaHostRegisterPortable = 1, cudaHostRegisterMapped = 2 };
enum { cudaMemAttachGlobal = 1, cudaMemAttachHost = 2, cudaMemAttachSingle = 4 };
enum { cudaDeviceScheduleAuto = 0, cudaDeviceScheduleSpin = 1, cudaDeviceMapHost = 8 };
#define cudaStreamLegacy ((cudaStream_t)0x1)
#endif
