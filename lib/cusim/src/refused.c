// SPDX-License-Identifier: MIT
// What CUDA has and a simulated device has not: each call says so by cudaErrorNotSupported, so that programs
// that ask first can do without.
#include "stream.h"

#define REFUSED(call)                        \
  cudaError_t call {                         \
    return sim_error(cudaErrorNotSupported); \
  }
#pragma GCC diagnostic ignored "-Wunused-parameter"

// Other processes.
REFUSED(cudaIpcGetEventHandle(cudaIpcEventHandle_t *handle, cudaEvent_t event))
REFUSED(cudaIpcOpenEventHandle(cudaEvent_t *event, cudaIpcEventHandle_t handle))
REFUSED(cudaIpcGetMemHandle(cudaIpcMemHandle_t *handle, void *pointer))
REFUSED(cudaIpcOpenMemHandle(void **pointer, cudaIpcMemHandle_t handle, unsigned flags))
REFUSED(cudaIpcCloseMemHandle(void *pointer))
REFUSED(cudaMemPoolExportToShareableHandle(void *handle, cudaMemPool_t pool, cudaMemAllocationHandleType type,
                                           unsigned flags))
REFUSED(cudaMemPoolImportFromShareableHandle(cudaMemPool_t *pool, void *handle,
                                             cudaMemAllocationHandleType type, unsigned flags))
REFUSED(cudaMemPoolExportPointer(cudaMemPoolPtrExportData *data, void *pointer))
REFUSED(cudaMemPoolImportPointer(void **pointer, cudaMemPool_t pool, cudaMemPoolPtrExportData *data))

// Memory that graphs allocate.
REFUSED(cudaGraphAddMemAllocNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *before,
                                 size_t count, cudaMemAllocNodeParams *params))
REFUSED(cudaGraphAddMemFreeNode(cudaGraphNode_t *node, cudaGraph_t graph, const cudaGraphNode_t *before,
                                size_t count, void *pointer))
REFUSED(cudaDeviceGetGraphMemAttribute(int device, cudaGraphMemAttributeType attribute, void *value))
REFUSED(cudaDeviceSetGraphMemAttribute(int device, cudaGraphMemAttributeType attribute, void *value))
REFUSED(cudaDeviceGraphMemTrim(int device))

// The driver's own functions, and shared memory with other banks.
REFUSED(cudaGetDriverEntryPoint(const char *symbol, void **function, unsigned long long flags,
                                cudaDriverEntryPointQueryResult *result))
REFUSED(cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version,
                                         unsigned long long flags, cudaDriverEntryPointQueryResult *result))
REFUSED(cudaCtxResetPersistingL2Cache(void))
