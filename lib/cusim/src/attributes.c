// SPDX-License-Identifier: MIT
// What a device says of itself: attributes and properties.
#include <stdio.h>
#include <string.h>

#include "exec.h"
#include "graph.h"

// Bus width and memory clock as one consistent pair: clock × 2 transfers × width = the card's bandwidth.
enum { BUS_BITS = 4096 };
static int memory_clock_khz(const sim_card *c) {
  return (int)(c->dram_bytes_per_s * 8 / BUS_BITS / 2 / 1e3);
}

// The same on every card: CUDA's guide has them by compute capability, all of 7.0 and later alike.
static const struct {
  cudaDeviceAttr attribute;
  int value;
} same[] = {{cudaDevAttrMaxThreadsPerBlock, 1024},
            {cudaDevAttrMaxBlockDimX, 1024},
            {cudaDevAttrMaxBlockDimY, 1024},
            {cudaDevAttrMaxBlockDimZ, 64},
            {cudaDevAttrMaxGridDimX, 2147483647},
            {cudaDevAttrMaxGridDimY, 65535},
            {cudaDevAttrMaxGridDimZ, 65535},
            {cudaDevAttrMaxSharedMemoryPerBlock, 48 << 10},
            {cudaDevAttrReservedSharedMemoryPerBlock, 1024},
            {cudaDevAttrTotalConstantMemory, 64 << 10},
            {cudaDevAttrWarpSize, 32},
            {cudaDevAttrMaxPitch, 2147483647},
            {cudaDevAttrTextureAlignment, 512},
            {cudaDevAttrTexturePitchAlignment, 32},
            {cudaDevAttrSurfaceAlignment, 512},
            {cudaDevAttrGlobalMemoryBusWidth, BUS_BITS},
            {cudaDevAttrAsyncEngineCount, 2},
            {cudaDevAttrGpuOverlap, 1},
            {cudaDevAttrCanMapHostMemory, 1},
            {cudaDevAttrConcurrentKernels, 1},
            {cudaDevAttrUnifiedAddressing, 1},
            {cudaDevAttrStreamPrioritiesSupported, 1},
            {cudaDevAttrGlobalL1CacheSupported, 1},
            {cudaDevAttrLocalL1CacheSupported, 1},
            {cudaDevAttrManagedMemory, 1},
            {cudaDevAttrCanUseHostPointerForRegisteredMem, 1},
            {cudaDevAttrCooperativeLaunch, 1},
            {cudaDevAttrHostRegisterSupported, 1},
            {cudaDevAttrHostRegisterReadOnlySupported, 1},
            {cudaDevAttrMemoryPoolsSupported, 1},
            {cudaDevAttrMaxTexture1DWidth, 131072},
            {cudaDevAttrMaxTexture1DLinearWidth, 1 << 28},
            {cudaDevAttrMaxTexture1DMipmappedWidth, 32768},
            {cudaDevAttrMaxTexture1DLayeredWidth, 32768},
            {cudaDevAttrMaxTexture1DLayeredLayers, 2048},
            {cudaDevAttrMaxTexture2DWidth, 131072},
            {cudaDevAttrMaxTexture2DHeight, 65536},
            {cudaDevAttrMaxTexture2DLinearWidth, 131072},
            {cudaDevAttrMaxTexture2DLinearHeight, 65000},
            {cudaDevAttrMaxTexture2DLinearPitch, 2097120},
            {cudaDevAttrMaxTexture2DMipmappedWidth, 32768},
            {cudaDevAttrMaxTexture2DMipmappedHeight, 32768},
            {cudaDevAttrMaxTexture2DGatherWidth, 32768},
            {cudaDevAttrMaxTexture2DGatherHeight, 32768},
            {cudaDevAttrMaxTexture2DLayeredWidth, 32768},
            {cudaDevAttrMaxTexture2DLayeredHeight, 32768},
            {cudaDevAttrMaxTexture2DLayeredLayers, 2048},
            {cudaDevAttrMaxTexture3DWidth, 16384},
            {cudaDevAttrMaxTexture3DHeight, 16384},
            {cudaDevAttrMaxTexture3DDepth, 16384},
            {cudaDevAttrMaxTexture3DWidthAlt, 8192},
            {cudaDevAttrMaxTexture3DHeightAlt, 8192},
            {cudaDevAttrMaxTexture3DDepthAlt, 32768},
            {cudaDevAttrMaxTextureCubemapWidth, 32768},
            {cudaDevAttrMaxTextureCubemapLayeredWidth, 32768},
            {cudaDevAttrMaxTextureCubemapLayeredLayers, 2046},
            {cudaDevAttrMaxSurface1DWidth, 32768},
            {cudaDevAttrMaxSurface1DLayeredWidth, 32768},
            {cudaDevAttrMaxSurface1DLayeredLayers, 2048},
            {cudaDevAttrMaxSurface2DWidth, 131072},
            {cudaDevAttrMaxSurface2DHeight, 65536},
            {cudaDevAttrMaxSurface2DLayeredWidth, 32768},
            {cudaDevAttrMaxSurface2DLayeredHeight, 32768},
            {cudaDevAttrMaxSurface2DLayeredLayers, 2048},
            {cudaDevAttrMaxSurface3DWidth, 16384},
            {cudaDevAttrMaxSurface3DHeight, 16384},
            {cudaDevAttrMaxSurface3DDepth, 16384},
            {cudaDevAttrMaxSurfaceCubemapWidth, 32768},
            {cudaDevAttrMaxSurfaceCubemapLayeredWidth, 32768},
            {cudaDevAttrMaxSurfaceCubemapLayeredLayers, 2046},
            {cudaDevAttrNumaId, -1},
            {cudaDevAttrHostNumaId, -1},
            // What a simulated device is not or has not.
            {cudaDevAttrKernelExecTimeout, 0},
            {cudaDevAttrIntegrated, 0},
            {cudaDevAttrComputeMode, cudaComputeModeDefault},
            {cudaDevAttrEccEnabled, 0},
            {cudaDevAttrPciDeviceId, 0},
            {cudaDevAttrPciDomainId, 0},
            {cudaDevAttrTccDriver, 0},
            {cudaDevAttrIsMultiGpuBoard, 0},
            {cudaDevAttrMultiGpuBoardGroupID, 0},
            {cudaDevAttrHostNativeAtomicSupported, 0},
            {cudaDevAttrPageableMemoryAccess, 0},
            {cudaDevAttrPageableMemoryAccessUsesHostPageTables, 0},
            {cudaDevAttrDirectManagedMemAccessFromHost, 0},
            {cudaDevAttrConcurrentManagedAccess, 0},
            {cudaDevAttrComputePreemptionSupported, 0},
            {cudaDevAttrCooperativeMultiDeviceLaunch, 0},
            {cudaDevAttrCanFlushRemoteWrites, 0},
            {cudaDevAttrMaxPersistingL2CacheSize, 0},
            {cudaDevAttrMaxAccessPolicyWindowSize, 0},
            {cudaDevAttrSparseCudaArraySupported, 0},
            {cudaDevAttrTimelineSemaphoreInteropSupported, 0},
            {cudaDevAttrGPUDirectRDMASupported, 0},
            {cudaDevAttrGPUDirectRDMAFlushWritesOptions, 0},
            {cudaDevAttrGPUDirectRDMAWritesOrdering, 0},
            {cudaDevAttrMemoryPoolSupportedHandleTypes, 0},
            {cudaDevAttrClusterLaunch, 0},
            {cudaDevAttrDeferredMappingCudaArraySupported, 0},
            {cudaDevAttrIpcEventSupport, 0},
            {cudaDevAttrMemSyncDomainCount, 1},
            {cudaDevAttrNumaConfig, 0},
            {cudaDevAttrMpsEnabled, 0},
            {cudaDevAttrD3D12CigSupported, 0},
            {cudaDevAttrVulkanCigSupported, 0},
            {cudaDevAttrGpuPciDeviceId, 0},
            {cudaDevAttrGpuPciSubsystemId, 0},
            {cudaDevAttrHostNumaMemoryPoolsSupported, 0},
            {cudaDevAttrHostNumaMultinodeIpcSupported, 0},
            {cudaDevAttrHostMemoryPoolsSupported, 0},
            {cudaDevAttrOnlyPartialHostNativeAtomicSupported, 0}};

static bool of_card(const sim_card *c, cudaDeviceAttr attribute, int device, int *value) {
  switch (attribute) {
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      return *value = (int)c->registers_sm, true;
    case cudaDevAttrClockRate:
      return *value = (int)(c->boost_hz / 1e3), true;
    case cudaDevAttrMultiProcessorCount:
      return *value = c->sm_count, true;
    case cudaDevAttrMemoryClockRate:
      return *value = memory_clock_khz(c), true;
    case cudaDevAttrL2CacheSize:
      return *value = (int)c->l2_bytes, true;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return *value = c->max_threads_sm, true;
    case cudaDevAttrPciBusId:
      return *value = device, true;
    case cudaDevAttrSingleToDoublePrecisionPerfRatio:
      return *value = c->fp64_lanes ? c->fp32_lanes / c->fp64_lanes : 64, true;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      return *value = c->max_blocks_sm, true;
    case cudaDevAttrComputeCapabilityMajor:
      return *value = c->major, true;
    case cudaDevAttrComputeCapabilityMinor:
      return *value = c->minor, true;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return *value = (int)c->shared_sm, true;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return *value = (int)c->shared_block_optin, true;
    default:
      return false;
  }
}

// -1: no such attribute, and no attribute has this value but a NUMA node's.
static bool find(cudaDeviceAttr attribute, int device, int *value) {
  if (of_card(sim_machine_get()->card, attribute, device, value)) return true;
  for (size_t i = 0; i < sizeof same / sizeof *same; i++)
    if (same[i].attribute == attribute) return *value = same[i].value, true;
  return false;
}

static int get(cudaDeviceAttr attribute, int device) {
  int value = 0;
  find(attribute, device, &value);
  return value;
}

static bool valid(int device) {
  return device >= 0 && device < sim_machine_get()->devices;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int device) {
  int found;
  if (!value) return sim_error(cudaErrorInvalidValue);
  if (!valid(device)) return sim_error(cudaErrorInvalidDevice);
  if (!find(attribute, device, &found)) return sim_error(cudaErrorInvalidValue);
  *value = found;
  return cudaSuccess;
}

// Links are equal and carry atomics where they are NVLinks.
cudaError_t cudaDeviceGetP2PAttribute(int *value, cudaDeviceP2PAttr attribute, int from, int to) {
  if (!value) return sim_error(cudaErrorInvalidValue);
  if (!valid(from) || !valid(to) || from == to) return sim_error(cudaErrorInvalidDevice);
  switch (attribute) {
    case cudaDevP2PAttrPerformanceRank:
    case cudaDevP2PAttrOnlyPartialNativeAtomicSupported:
      return *value = 0, cudaSuccess;
    case cudaDevP2PAttrAccessSupported:
    case cudaDevP2PAttrCudaArrayAccessSupported:
      return *value = 1, cudaSuccess;
    case cudaDevP2PAttrNativeAtomicSupported:
      return *value = strncmp(sim_machine_get()->peer->id, "nvlink", 6) == 0, cudaSuccess;
  }
  return sim_error(cudaErrorInvalidValue);
}

static void texture_limits(cudaDeviceProp *p) {
#define GET(name) get(cudaDevAttrMax##name, 0)
  p->maxTexture1D = GET(Texture1DWidth);
  p->maxTexture1DMipmap = GET(Texture1DMipmappedWidth);
  p->maxTexture1DLinear = GET(Texture1DLinearWidth);
  p->maxTexture2D[0] = GET(Texture2DWidth);
  p->maxTexture2D[1] = GET(Texture2DHeight);
  p->maxTexture2DMipmap[0] = GET(Texture2DMipmappedWidth);
  p->maxTexture2DMipmap[1] = GET(Texture2DMipmappedHeight);
  p->maxTexture2DLinear[0] = GET(Texture2DLinearWidth);
  p->maxTexture2DLinear[1] = GET(Texture2DLinearHeight);
  p->maxTexture2DLinear[2] = GET(Texture2DLinearPitch);
  p->maxTexture2DGather[0] = GET(Texture2DGatherWidth);
  p->maxTexture2DGather[1] = GET(Texture2DGatherHeight);
  p->maxTexture3D[0] = GET(Texture3DWidth);
  p->maxTexture3D[1] = GET(Texture3DHeight);
  p->maxTexture3D[2] = GET(Texture3DDepth);
  p->maxTexture3DAlt[0] = GET(Texture3DWidthAlt);
  p->maxTexture3DAlt[1] = GET(Texture3DHeightAlt);
  p->maxTexture3DAlt[2] = GET(Texture3DDepthAlt);
  p->maxTextureCubemap = GET(TextureCubemapWidth);
  p->maxTexture1DLayered[0] = GET(Texture1DLayeredWidth);
  p->maxTexture1DLayered[1] = GET(Texture1DLayeredLayers);
  p->maxTexture2DLayered[0] = GET(Texture2DLayeredWidth);
  p->maxTexture2DLayered[1] = GET(Texture2DLayeredHeight);
  p->maxTexture2DLayered[2] = GET(Texture2DLayeredLayers);
  p->maxTextureCubemapLayered[0] = GET(TextureCubemapLayeredWidth);
  p->maxTextureCubemapLayered[1] = GET(TextureCubemapLayeredLayers);
  p->maxSurface1D = GET(Surface1DWidth);
  p->maxSurface2D[0] = GET(Surface2DWidth);
  p->maxSurface2D[1] = GET(Surface2DHeight);
  p->maxSurface3D[0] = GET(Surface3DWidth);
  p->maxSurface3D[1] = GET(Surface3DHeight);
  p->maxSurface3D[2] = GET(Surface3DDepth);
  p->maxSurface1DLayered[0] = GET(Surface1DLayeredWidth);
  p->maxSurface1DLayered[1] = GET(Surface1DLayeredLayers);
  p->maxSurface2DLayered[0] = GET(Surface2DLayeredWidth);
  p->maxSurface2DLayered[1] = GET(Surface2DLayeredHeight);
  p->maxSurface2DLayered[2] = GET(Surface2DLayeredLayers);
  p->maxSurfaceCubemap = GET(SurfaceCubemapWidth);
  p->maxSurfaceCubemapLayered[0] = GET(SurfaceCubemapLayeredWidth);
  p->maxSurfaceCubemapLayered[1] = GET(SurfaceCubemapLayeredLayers);
#undef GET
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *p, int device) {
  if (!p) return sim_error(cudaErrorInvalidValue);
  if (!valid(device)) return sim_error(cudaErrorInvalidDevice);
  const sim_card *c = sim_machine_get()->card;
  *p = (cudaDeviceProp){
      .totalGlobalMem = c->memory_bytes,
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
      .surfaceAlignment = 512,
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
      .singleToDoublePrecisionPerfRatio = get(cudaDevAttrSingleToDoublePrecisionPerfRatio, device),
      .canUseHostPointerForRegisteredMem = 1,
      .cooperativeLaunch = 1,
      .reservedSharedMemPerBlock = 1024,
      .hostRegisterSupported = 1,
      .hostRegisterReadOnlySupported = 1,
      .memoryPoolsSupported = 1,
      .maxBlocksPerMultiProcessor = c->max_blocks_sm,
      .deviceNumaId = -1,
      .hostNumaId = -1,
      .sharedMemPerBlockOptin = c->shared_block_optin};
  texture_limits(p);
  snprintf(p->name, sizeof p->name, "sim:%s", c->id);
  snprintf(p->uuid.bytes, sizeof p->uuid.bytes, "sim:%s:%d", c->id, device);  // another one per device
  return cudaSuccess;
}
