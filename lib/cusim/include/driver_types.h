// SPDX-License-Identifier: MIT
// Types of CUDA's host API, under its names and with its numbers.
#ifndef CUSIM_DRIVER_TYPES_H
#define CUSIM_DRIVER_TYPES_H
#define __DRIVER_TYPES_H__  // programs ask by this name whether the header was read
#include <stddef.h>

#include "vector_types.h"

// Number, name, text. One list for the enum and for cudaGetErrorName and cudaGetErrorString.
#define CUSIM_ERRORS(E)                                                                                 \
  E(0, cudaSuccess, "no error")                                                                         \
  E(1, cudaErrorInvalidValue, "invalid argument")                                                       \
  E(2, cudaErrorMemoryAllocation, "out of memory")                                                      \
  E(3, cudaErrorInitializationError, "initialization error")                                            \
  E(4, cudaErrorCudartUnloading, "driver shutting down")                                                \
  E(5, cudaErrorProfilerDisabled, "profiler disabled while using external profiling tool")              \
  E(9, cudaErrorInvalidConfiguration, "invalid configuration argument")                                 \
  E(12, cudaErrorInvalidPitchValue, "invalid pitch argument")                                           \
  E(13, cudaErrorInvalidSymbol, "invalid device symbol")                                                \
  E(16, cudaErrorInvalidHostPointer, "invalid host pointer")                                            \
  E(17, cudaErrorInvalidDevicePointer, "invalid device pointer")                                        \
  E(18, cudaErrorInvalidTexture, "invalid texture reference")                                           \
  E(20, cudaErrorInvalidChannelDescriptor, "invalid channel descriptor")                                \
  E(21, cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy")                           \
  E(35, cudaErrorInsufficientDriver, "CUDA driver version is insufficient for CUDA runtime version")    \
  E(46, cudaErrorDevicesUnavailable, "all CUDA-capable devices are busy or unavailable")                \
  E(52, cudaErrorMissingConfiguration, "__global__ function call is not configured")                    \
  E(53, cudaErrorPriorLaunchFailure, "unspecified launch failure in prior launch")                      \
  E(65, cudaErrorLaunchMaxDepthExceeded, "launch would exceed maximum depth of nested launches")        \
  E(98, cudaErrorInvalidDeviceFunction, "invalid device function")                                      \
  E(100, cudaErrorNoDevice, "no CUDA-capable device is detected")                                       \
  E(101, cudaErrorInvalidDevice, "invalid device ordinal")                                              \
  E(200, cudaErrorInvalidKernelImage, "device kernel image is invalid")                                 \
  E(201, cudaErrorDeviceUninitialized, "invalid device context")                                        \
  E(209, cudaErrorNoKernelImageForDevice, "no kernel image is available for execution on the device")   \
  E(214, cudaErrorECCUncorrectable, "uncorrectable ECC error encountered")                              \
  E(215, cudaErrorUnsupportedLimit, "limit is not supported on this architecture")                      \
  E(217, cudaErrorPeerAccessUnsupported, "peer access is not supported between these two devices")      \
  E(218, cudaErrorInvalidPtx, "a PTX JIT compilation failed")                                           \
  E(304, cudaErrorOperatingSystem, "OS call failed or operation not supported on this OS")              \
  E(400, cudaErrorInvalidResourceHandle, "invalid resource handle")                                     \
  E(401, cudaErrorIllegalState, "the operation cannot be performed in the present state")               \
  E(500, cudaErrorSymbolNotFound, "named symbol not found")                                             \
  E(600, cudaErrorNotReady, "device not ready")                                                         \
  E(700, cudaErrorIllegalAddress, "an illegal memory access was encountered")                           \
  E(701, cudaErrorLaunchOutOfResources, "too many resources requested for launch")                      \
  E(702, cudaErrorLaunchTimeout, "the launch timed out and was terminated")                             \
  E(704, cudaErrorPeerAccessAlreadyEnabled, "peer access is already enabled")                           \
  E(705, cudaErrorPeerAccessNotEnabled, "peer access has not been enabled")                             \
  E(708, cudaErrorSetOnActiveProcess, "cannot set while device is active in this process")              \
  E(709, cudaErrorContextIsDestroyed, "context is destroyed")                                           \
  E(710, cudaErrorAssert, "device-side assert triggered")                                               \
  E(711, cudaErrorTooManyPeers, "peer mapping resources exhausted")                                     \
  E(712, cudaErrorHostMemoryAlreadyRegistered,                                                          \
    "part or all of the requested memory range is already mapped")                                      \
  E(713, cudaErrorHostMemoryNotRegistered, "pointer does not correspond to a registered memory region") \
  E(714, cudaErrorHardwareStackError, "hardware stack error")                                           \
  E(715, cudaErrorIllegalInstruction, "an illegal instruction was encountered")                         \
  E(716, cudaErrorMisalignedAddress, "misaligned address")                                              \
  E(717, cudaErrorInvalidAddressSpace, "operation not supported on global/shared address space")        \
  E(718, cudaErrorInvalidPc, "invalid program counter")                                                 \
  E(719, cudaErrorLaunchFailure, "unspecified launch failure")                                          \
  E(720, cudaErrorCooperativeLaunchTooLarge, "too many blocks in cooperative launch")                   \
  E(800, cudaErrorNotPermitted, "operation not permitted")                                              \
  E(801, cudaErrorNotSupported, "operation not supported")                                              \
  E(802, cudaErrorSystemNotReady, "system not yet initialized")                                         \
  E(900, cudaErrorStreamCaptureUnsupported, "operation not permitted when stream is capturing")         \
  E(901, cudaErrorStreamCaptureInvalidated, "operation failed due to a previous error during capture")  \
  E(903, cudaErrorStreamCaptureUnmatched, "capture was not initiated in this stream")                   \
  E(904, cudaErrorStreamCaptureUnjoined, "capturing stream has unjoined work")                          \
  E(906, cudaErrorStreamCaptureImplicit,                                                                \
    "operation would make the legacy stream depend on a capturing blocking stream")                     \
  E(905, cudaErrorStreamCaptureIsolation, "dependency created on uncaptured work in another stream")    \
  E(910, cudaErrorGraphExecUpdateFailure,                                                               \
    "the graph update was not performed because it included changes which violated constraints")        \
  E(909, cudaErrorTimeout, "wait operation timed out")                                                  \
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
  cudaDevAttrMaxPitch = 11,
  cudaDevAttrMaxRegistersPerBlock = 12,
  cudaDevAttrClockRate = 13,
  cudaDevAttrTextureAlignment = 14,
  cudaDevAttrGpuOverlap = 15,
  cudaDevAttrMultiProcessorCount = 16,
  cudaDevAttrKernelExecTimeout = 17,
  cudaDevAttrIntegrated = 18,
  cudaDevAttrCanMapHostMemory = 19,
  cudaDevAttrComputeMode = 20,
  cudaDevAttrConcurrentKernels = 31,
  cudaDevAttrEccEnabled = 32,
  cudaDevAttrPciBusId = 33,
  cudaDevAttrPciDeviceId = 34,
  cudaDevAttrTccDriver = 35,
  cudaDevAttrMemoryClockRate = 36,
  cudaDevAttrGlobalMemoryBusWidth = 37,
  cudaDevAttrL2CacheSize = 38,
  cudaDevAttrMaxThreadsPerMultiProcessor = 39,
  cudaDevAttrAsyncEngineCount = 40,
  cudaDevAttrUnifiedAddressing = 41,
  cudaDevAttrPciDomainId = 50,
  cudaDevAttrComputeCapabilityMajor = 75,
  cudaDevAttrComputeCapabilityMinor = 76,
  cudaDevAttrStreamPrioritiesSupported = 78,
  cudaDevAttrGlobalL1CacheSupported = 79,
  cudaDevAttrLocalL1CacheSupported = 80,
  cudaDevAttrMaxSharedMemoryPerMultiprocessor = 81,
  cudaDevAttrMaxRegistersPerMultiprocessor = 82,
  cudaDevAttrManagedMemory = 83,
  cudaDevAttrIsMultiGpuBoard = 84,
  cudaDevAttrMultiGpuBoardGroupID = 85,
  cudaDevAttrHostNativeAtomicSupported = 86,
  cudaDevAttrSingleToDoublePrecisionPerfRatio = 87,
  cudaDevAttrPageableMemoryAccess = 88,
  cudaDevAttrConcurrentManagedAccess = 89,
  cudaDevAttrComputePreemptionSupported = 90,
  cudaDevAttrCanUseHostPointerForRegisteredMem = 91,
  cudaDevAttrCooperativeLaunch = 95,
  cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
  cudaDevAttrHostRegisterSupported = 99,
  cudaDevAttrMaxBlocksPerMultiprocessor = 106,
  cudaDevAttrReservedSharedMemoryPerBlock = 111,
  cudaDevAttrMemoryPoolsSupported = 115,
  cudaDevAttrClusterLaunch = 120
} cudaDeviceAttr;

typedef enum cudaComputeMode {
  cudaComputeModeDefault = 0,
  cudaComputeModeExclusive = 1,
  cudaComputeModeProhibited = 2,
  cudaComputeModeExclusiveProcess = 3
} cudaComputeMode;

typedef struct cudaUUID_t {
  char bytes[16];
} cudaUUID_t;

// CUDA 13's fields, and those that it took away: many published programs print them. cusim has no textures
// and no surfaces, so their limits are 0.
typedef struct cudaDeviceProp {
  char name[256];
  cudaUUID_t uuid;
  size_t totalGlobalMem, sharedMemPerBlock;
  int regsPerBlock, warpSize;
  size_t memPitch;
  int maxThreadsPerBlock, maxThreadsDim[3], maxGridSize[3];
  size_t totalConstMem;
  int major, minor;
  size_t textureAlignment, texturePitchAlignment;
  int multiProcessorCount, integrated, canMapHostMemory, concurrentKernels, ECCEnabled;
  int pciBusID, pciDeviceID, pciDomainID, tccDriver, asyncEngineCount, unifiedAddressing, memoryBusWidth;
  int l2CacheSize, persistingL2CacheMaxSize, maxThreadsPerMultiProcessor, streamPrioritiesSupported;
  int globalL1CacheSupported, localL1CacheSupported;
  size_t sharedMemPerMultiprocessor;
  int regsPerMultiprocessor, managedMemory, isMultiGpuBoard, multiGpuBoardGroupID, hostNativeAtomicSupported;
  int pageableMemoryAccess, concurrentManagedAccess, computePreemptionSupported;
  int canUseHostPointerForRegisteredMem, cooperativeLaunch;
  size_t sharedMemPerBlockOptin;
  int pageableMemoryAccessUsesHostPageTables, directManagedMemAccessFromHost, maxBlocksPerMultiProcessor;
  int accessPolicyMaxWindowSize;
  size_t reservedSharedMemPerBlock;
  int hostRegisterSupported, memoryPoolsSupported, gpuDirectRDMASupported, clusterLaunch;
  int unifiedFunctionPointers;
  int maxTexture1D, maxTexture1DMipmap, maxTexture1DLinear, maxTexture2D[2], maxTexture2DMipmap[2];
  int maxTexture2DLinear[3], maxTexture2DGather[2], maxTexture3D[3], maxTexture3DAlt[3], maxTextureCubemap;
  int maxTexture1DLayered[2], maxTexture2DLayered[3], maxTextureCubemapLayered[2];
  int maxSurface1D, maxSurface2D[2], maxSurface3D[3], maxSurface1DLayered[2], maxSurface2DLayered[3];
  int maxSurfaceCubemap, maxSurfaceCubemapLayered[2];
  size_t surfaceAlignment;
  int clockRate, memoryClockRate, deviceOverlap, kernelExecTimeoutEnabled, computeMode;
  int singleToDoublePrecisionPerfRatio, cooperativeMultiDeviceLaunch;
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

typedef enum cudaFuncCache {
  cudaFuncCachePreferNone = 0,
  cudaFuncCachePreferShared = 1,
  cudaFuncCachePreferL1 = 2,
  cudaFuncCachePreferEqual = 3
} cudaFuncCache;

typedef enum cudaMemoryAdvise {
  cudaMemAdviseSetReadMostly = 1,
  cudaMemAdviseUnsetReadMostly = 2,
  cudaMemAdviseSetPreferredLocation = 3,
  cudaMemAdviseUnsetPreferredLocation = 4,
  cudaMemAdviseSetAccessedBy = 5,
  cudaMemAdviseUnsetAccessedBy = 6
} cudaMemoryAdvise;

typedef enum cudaMemLocationType {
  cudaMemLocationTypeInvalid = 0,
  cudaMemLocationTypeDevice = 1,
  cudaMemLocationTypeHost = 2
} cudaMemLocationType;
typedef struct cudaMemLocation {
  cudaMemLocationType type;
  int id;
} cudaMemLocation;

typedef enum cudaMemPoolAttr {
  cudaMemPoolReuseFollowEventDependencies = 1,
  cudaMemPoolReuseAllowOpportunistic = 2,
  cudaMemPoolReuseAllowInternalDependencies = 3,
  cudaMemPoolAttrReleaseThreshold = 4,
  cudaMemPoolAttrReservedMemCurrent = 5,
  cudaMemPoolAttrReservedMemHigh = 6,
  cudaMemPoolAttrUsedMemCurrent = 7,
  cudaMemPoolAttrUsedMemHigh = 8
} cudaMemPoolAttr;

typedef enum cudaLimit {
  cudaLimitStackSize = 0,
  cudaLimitPrintfFifoSize = 1,
  cudaLimitMallocHeapSize = 2
} cudaLimit;

#define CUDART_CB  // the calling convention of callbacks
typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct CUmemPoolHandle_st *cudaMemPool_t;
typedef void (*cudaHostFn_t)(void *data);

typedef struct cudaArray *cudaArray_t;
typedef struct cudaPitchedPtr {
  void *ptr;
  size_t pitch, xsize, ysize;
} cudaPitchedPtr;
typedef struct cudaExtent {
  size_t width, height, depth;
} cudaExtent;
typedef struct cudaPos {
  size_t x, y, z;
} cudaPos;
struct cudaMemcpy3DParms {
  cudaArray_t srcArray;
  struct cudaPos srcPos;
  struct cudaPitchedPtr srcPtr;
  cudaArray_t dstArray;
  struct cudaPos dstPos;
  struct cudaPitchedPtr dstPtr;
  struct cudaExtent extent;
  cudaMemcpyKind kind;
};
typedef struct cudaMemcpy3DParms cudaMemcpy3DParms;

// ---------------------------------------------------------------- graphs

typedef struct CUgraph_st *cudaGraph_t;
typedef struct CUgraphNode_st *cudaGraphNode_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;

typedef enum cudaStreamCaptureMode {
  cudaStreamCaptureModeGlobal = 0,
  cudaStreamCaptureModeThreadLocal = 1,
  cudaStreamCaptureModeRelaxed = 2
} cudaStreamCaptureMode;
typedef enum cudaStreamCaptureStatus {
  cudaStreamCaptureStatusNone = 0,
  cudaStreamCaptureStatusActive = 1,
  cudaStreamCaptureStatusInvalidated = 2
} cudaStreamCaptureStatus;

typedef enum cudaGraphNodeType {
  cudaGraphNodeTypeKernel = 0,
  cudaGraphNodeTypeMemcpy = 1,
  cudaGraphNodeTypeMemset = 2,
  cudaGraphNodeTypeHost = 3,
  cudaGraphNodeTypeGraph = 4,
  cudaGraphNodeTypeEmpty = 5,
  cudaGraphNodeTypeWaitEvent = 6,
  cudaGraphNodeTypeEventRecord = 7
} cudaGraphNodeType;

typedef enum cudaGraphExecUpdateResult {
  cudaGraphExecUpdateSuccess = 0,
  cudaGraphExecUpdateError = 1,
  cudaGraphExecUpdateErrorTopologyChanged = 2
} cudaGraphExecUpdateResult;
typedef struct cudaGraphExecUpdateResultInfo {
  cudaGraphExecUpdateResult result;
  cudaGraphNode_t errorNode, errorFromNode;
} cudaGraphExecUpdateResultInfo;

typedef struct cudaKernelNodeParams {
  void *func;
  dim3 gridDim, blockDim;
  unsigned sharedMemBytes;
  void **kernelParams, **extra;
} cudaKernelNodeParams;
typedef struct cudaHostNodeParams {
  cudaHostFn_t fn;
  void *userData;
} cudaHostNodeParams;
typedef struct cudaMemsetParams {
  void *dst;
  size_t pitch;
  unsigned value, elementSize;
  size_t width, height;  // in elements, in rows
} cudaMemsetParams;
typedef void (*cudaStreamCallback_t)(cudaStream_t stream, cudaError_t status, void *data);

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
enum {
  cudaDeviceScheduleAuto = 0,
  cudaDeviceScheduleSpin = 1,
  cudaDeviceScheduleYield = 2,
  cudaDeviceScheduleBlockingSync = 4,
  cudaDeviceBlockingSync = 4,
  cudaDeviceMapHost = 8
};
typedef enum cudaLaunchAttributeID {
  cudaLaunchAttributeIgnore = 0,
  cudaLaunchAttributeAccessPolicyWindow = 1,
  cudaLaunchAttributeCooperative = 2,
  cudaLaunchAttributeSynchronizationPolicy = 3,
  cudaLaunchAttributeClusterDimension = 4,
  cudaLaunchAttributeClusterSchedulingPolicyPreference = 5,
  cudaLaunchAttributeProgrammaticStreamSerialization = 6,
  cudaLaunchAttributeProgrammaticEvent = 7,
  cudaLaunchAttributePriority = 8,
  cudaLaunchAttributeMemSyncDomainMap = 9,
  cudaLaunchAttributeMemSyncDomain = 10,
  cudaLaunchAttributePreferredSharedMemoryCarveout = 14
} cudaLaunchAttributeID;
typedef union cudaLaunchAttributeValue {
  char pad[64];
  int cooperative, priority, programmaticStreamSerializationAllowed;
  unsigned sharedMemCarveout;
  struct {
    unsigned x, y, z;
  } clusterDim;
} cudaLaunchAttributeValue;
typedef struct cudaLaunchAttribute {
  cudaLaunchAttributeID id;
  cudaLaunchAttributeValue val;
} cudaLaunchAttribute;
typedef struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
  cudaLaunchAttribute *attrs;
  unsigned numAttrs;
} cudaLaunchConfig_t;
#define cudaCpuDeviceId ((int)-1)
#define cudaStreamLegacy ((cudaStream_t)0x1)
#define cudaStreamPerThread ((cudaStream_t)0x2)
enum { cudaEventRecordDefault = 0, cudaEventRecordExternal = 1 };
enum { cudaEventWaitDefault = 0, cudaEventWaitExternal = 1 };
#endif
