// SPDX-License-Identifier: MIT
// Boxes of memory: rows with a pitch, layers of rows.
#include "array.h"
#include "graph.h"

cudaError_t cudaMalloc3D(cudaPitchedPtr *pitched, cudaExtent extent) {
  if (!pitched) return sim_error(cudaErrorInvalidValue);
  *pitched = (cudaPitchedPtr){.xsize = extent.width, .ysize = extent.height};
  return cudaMallocPitch(&pitched->ptr, &pitched->pitch, extent.width, extent.height * extent.depth);
}

// Layers follow each other after ysize rows.
static char *corner(cudaPitchedPtr p, cudaPos at) {
  return (char *)p.ptr + at.z * p.pitch * p.ysize + at.y * p.pitch + at.x;
}

bool sim_copy_call_of(const cudaMemcpy3DParms *p, sim_copy_call *call) {
  if (!p) return false;
  cudaMemcpy3DParms c = *p;
  if (!sim_array_side(p->srcArray, &c.srcPtr, &c.srcPos) ||
      !sim_array_side(p->dstArray, &c.dstPtr, &c.dstPos))
    return false;
  // With an array on either side the extent counts elements.
  const cudaArray_const_t array = p->dstArray ? p->dstArray : p->srcArray;
  *call = (sim_copy_call){.to = corner(c.dstPtr, c.dstPos),
                          .from = corner(c.srcPtr, c.srcPos),
                          .to_pitch = c.dstPtr.pitch,
                          .from_pitch = c.srcPtr.pitch,
                          .to_slice = c.dstPtr.pitch * c.dstPtr.ysize,
                          .from_slice = c.srcPtr.pitch * c.srcPtr.ysize,
                          .width = p->extent.width * (array ? array->element : 1),
                          .height = p->extent.height,
                          .depth = p->extent.depth,
                          .kind = p->kind};
  return true;
}

static cudaError_t copy_box(const cudaMemcpy3DParms *p, cudaStream_t stream, bool synchronous) {
  sim_copy_call call;
  if (!sim_copy_call_of(p, &call)) return sim_error(cudaErrorInvalidValue);
  return sim_copy(&call, stream, synchronous);
}

cudaError_t cudaMemcpy3D(const cudaMemcpy3DParms *p) {
  return copy_box(p, NULL, true);
}
cudaError_t cudaMemcpy3DAsync(const cudaMemcpy3DParms *p, cudaStream_t stream) {
  return copy_box(p, stream, false);
}

static cudaMemcpy3DParms without_devices(const cudaMemcpy3DPeerParms *p) {
  return (cudaMemcpy3DParms){.srcArray = p->srcArray,
                             .srcPos = p->srcPos,
                             .srcPtr = p->srcPtr,
                             .dstArray = p->dstArray,
                             .dstPos = p->dstPos,
                             .dstPtr = p->dstPtr,
                             .extent = p->extent,
                             .kind = cudaMemcpyDefault};
}

static bool is_on(const void *p, int device) {
  sim_allocation a;
  return sim_memory_find(p, &a) && a.device == device;
}

static cudaError_t copy_box_peer(const cudaMemcpy3DPeerParms *p, cudaStream_t stream, bool synchronous) {
  if (!p || !is_on(p->srcPtr.ptr, p->srcDevice) || !is_on(p->dstPtr.ptr, p->dstDevice))
    return sim_error(cudaErrorInvalidValue);
  const cudaMemcpy3DParms box = without_devices(p);
  return copy_box(&box, stream, synchronous);
}

cudaError_t cudaMemcpy3DPeer(const cudaMemcpy3DPeerParms *p) {
  return copy_box_peer(p, NULL, true);
}
cudaError_t cudaMemcpy3DPeerAsync(const cudaMemcpy3DPeerParms *p, cudaStream_t stream) {
  return copy_box_peer(p, stream, false);
}

// One fill per layer, or of all rows where the layers have no gap.
cudaError_t cudaMemset3DAsync(cudaPitchedPtr p, int value, cudaExtent extent, cudaStream_t stream) {
  if (!extent.width || !extent.height || !extent.depth) return cudaSuccess;
  if (extent.height > p.ysize && extent.depth > 1) return sim_error(cudaErrorInvalidValue);
  if (extent.height == p.ysize)
    return cudaMemset2DAsync(p.ptr, p.pitch, value, extent.width, extent.height * extent.depth, stream);
  cudaError_t error = cudaSuccess;
  for (size_t z = 0; z < extent.depth && !error; z++)
    error =
        cudaMemset2DAsync(corner(p, (cudaPos){0, 0, z}), p.pitch, value, extent.width, extent.height, stream);
  return error;
}
cudaError_t cudaMemset3D(cudaPitchedPtr p, int value, cudaExtent extent) {
  return cudaMemset3DAsync(p, value, extent, NULL);
}
