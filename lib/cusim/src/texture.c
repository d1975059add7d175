// SPDX-License-Identifier: MIT
// Texture and surface objects: which texels a fetch reads, with which weights. Coordinates, filters and
// addresses outside follow the CUDA programming guide's section on texture fetching.
#include <math.h>
#include <stdlib.h>

#include "array.h"
#include "cusim/texel.h"
#include "exec.h"
#include "handles.h"
#include "stream.h"

typedef struct object {
  struct cudaResourceDesc resource;
  struct cudaTextureDesc texture;
  struct cudaChannelFormatDesc format;
  unsigned char *data;
  size_t element, pitch, slice;
  long size[3];  // texels; 1 for dimensions that it has not
} object;

// ---------------------------------------------------------------- objects

static cudaError_t describe(object *o, const struct cudaResourceDesc *r) {
  o->resource = *r;
  switch (r->resType) {
    case cudaResourceTypeArray: {
      const cudaArray_const_t a = r->res.array.array;
      if (!a) return cudaErrorInvalidValue;
      o->format = a->format, o->data = a->data, o->pitch = a->pitch, o->slice = a->slice;
      o->size[0] = (long)a->extent.width, o->size[1] = (long)a->extent.height,
      o->size[2] = (long)a->extent.depth;
      break;
    }
    case cudaResourceTypeLinear:
      o->format = r->res.linear.desc, o->data = r->res.linear.devPtr;
      o->pitch = o->slice = r->res.linear.sizeInBytes;
      break;
    case cudaResourceTypePitch2D:
      o->format = r->res.pitch2D.desc, o->data = r->res.pitch2D.devPtr,
      o->pitch = r->res.pitch2D.pitchInBytes;
      o->size[0] = (long)r->res.pitch2D.width, o->size[1] = (long)r->res.pitch2D.height;
      break;
    default:
      return cudaErrorNotSupported;  // mipmapped arrays
  }
  o->element = sim_element_bytes(o->format);
  if (o->element == 0) return cudaErrorInvalidChannelDescriptor;
  if (!o->data) return cudaErrorInvalidValue;
  if (r->resType == cudaResourceTypeLinear) o->size[0] = (long)(o->pitch / o->element);
  for (int i = 0; i < 3; i++)
    if (o->size[i] == 0) o->size[i] = 1;
  return cudaSuccess;
}

static cudaError_t create(unsigned long long *handle, const struct cudaResourceDesc *resource,
                          const struct cudaTextureDesc *texture) {
  if (!handle || !resource) return sim_error(cudaErrorInvalidValue);
  object *o = calloc(1, sizeof *o);
  if (!o) return sim_error(cudaErrorMemoryAllocation);
  const cudaError_t error = describe(o, resource);
  if (error != cudaSuccess) {
    free(o);
    return sim_error(error);
  }
  if (texture) o->texture = *texture;
  if (!sim_handle_add(o)) {
    free(o);
    return sim_error(cudaErrorMemoryAllocation);
  }
  *handle = (unsigned long long)(uintptr_t)o;
  return cudaSuccess;
}

cudaError_t cudaCreateTextureObject(cudaTextureObject_t *handle, const struct cudaResourceDesc *resource,
                                    const struct cudaTextureDesc *texture,
                                    const struct cudaResourceViewDesc *view) {
  if (!texture) return sim_error(cudaErrorInvalidValue);
  if (view) return sim_error(cudaErrorNotSupported);
  const bool linear = texture->filterMode == cudaFilterModeLinear;
  const cudaError_t error = create(handle, resource, texture);
  if (error != cudaSuccess) return error;
  const object *o = (const object *)(uintptr_t)*handle;
  // Only numbers with a point can be blended, and full 32-bit integers are no fractions.
  const bool integers = o->format.f != cudaChannelFormatKindFloat;
  const bool fractions = texture->readMode == cudaReadModeNormalizedFloat;
  if ((linear && integers && !fractions) || (fractions && integers && o->format.x == 32)) {
    cudaDestroyTextureObject(*handle);
    return sim_error(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}
cudaError_t cudaCreateSurfaceObject(cudaSurfaceObject_t *handle, const struct cudaResourceDesc *resource) {
  if (resource && resource->resType != cudaResourceTypeArray) return sim_error(cudaErrorInvalidValue);
  return create(handle, resource, NULL);
}
cudaError_t cudaDestroyTextureObject(cudaTextureObject_t handle) {
  if (!handle) return cudaSuccess;
  if (!sim_handle_remove((const void *)(uintptr_t)handle)) return sim_error(cudaErrorInvalidValue);
  sim_devices_finish();  // kernels that read it may still wait in a stream
  free((object *)(uintptr_t)handle);
  return cudaSuccess;
}
cudaError_t cudaDestroySurfaceObject(cudaSurfaceObject_t handle) {
  return cudaDestroyTextureObject(handle);
}
cudaError_t cudaGetTextureObjectResourceDesc(struct cudaResourceDesc *resource, cudaTextureObject_t handle) {
  if (!resource || !sim_handle_known((const void *)(uintptr_t)handle))
    return sim_error(cudaErrorInvalidValue);
  *resource = ((const object *)(uintptr_t)handle)->resource;
  return cudaSuccess;
}
cudaError_t cudaGetSurfaceObjectResourceDesc(struct cudaResourceDesc *resource, cudaSurfaceObject_t handle) {
  return cudaGetTextureObjectResourceDesc(resource, handle);
}
cudaError_t cudaGetTextureObjectTextureDesc(struct cudaTextureDesc *texture, cudaTextureObject_t handle) {
  if (!texture || !sim_handle_known((const void *)(uintptr_t)handle)) return sim_error(cudaErrorInvalidValue);
  *texture = ((const object *)(uintptr_t)handle)->texture;
  return cudaSuccess;
}

// ---------------------------------------------------------------- fetches

static void start(const object *o, cusim_texels *found) {
  found->count = 1;
  found->weight[0] = 1;
  found->bytes = (int)o->element;
  found->bits = o->format.x;
  found->channels = (int)o->element * 8 / o->format.x;
  found->kind = (int)o->format.f;
  found->normalized =
      o->texture.readMode == cudaReadModeNormalizedFloat && o->format.f != cudaChannelFormatKindFloat;
  for (int i = 0; i < 4; i++) found->border[i] = o->texture.borderColor[i];
}

// The texel for an index that may lie outside, or -1 for the border.
static long inside(const object *o, int axis, long i) {
  const long n = o->size[axis];
  if (i >= 0 && i < n) return i;
  const bool normalized = o->texture.normalizedCoords;
  switch (o->texture.addressMode[axis]) {
    case cudaAddressModeBorder:
      return -1;
    case cudaAddressModeWrap:
      if (normalized) return ((i % n) + n) % n;
      break;
    case cudaAddressModeMirror:
      if (normalized) {
        const long k = ((i % (2 * n)) + 2 * n) % (2 * n);
        return k < n ? k : 2 * n - 1 - k;
      }
      break;
    case cudaAddressModeClamp:
      break;
  }
  return i < 0 ? 0 : n - 1;  // wrap and mirror are for normalized coordinates only
}

typedef struct axis_texels {
  long at[2];
  float weight[2];
  int count;
} axis_texels;

static axis_texels along(const object *o, int axis, float x) {
  if (o->texture.normalizedCoords) x *= (float)o->size[axis];
  if (!(x > -1e9f)) x = -1e9f;
  if (x > 1e9f) x = 1e9f;
  if (o->texture.filterMode == cudaFilterModePoint)
    return (axis_texels){.at = {inside(o, axis, (long)floorf(x))}, .weight = {1}, .count = 1};
  // Between the centres of two texels, in steps of 1/256 as the hardware has them.
  const float left = floorf(x - 0.5f), part = floorf((x - 0.5f - left) * 256 + 0.5f) / 256;
  return (axis_texels){.at = {inside(o, axis, (long)left), inside(o, axis, (long)left + 1)},
                       .weight = {1 - part, part},
                       .count = 2};
}

void cusim_texture_find(cudaTextureObject_t handle, int dimensions, float x, float y, float z, int layer,
                        cusim_texels *found) {
  const object *o = (const object *)(uintptr_t)handle;
  const float coordinates[3] = {x, y, z};
  axis_texels axes[3];
  start(o, found);
  for (int i = 0; i < 3; i++)
    axes[i] = i < dimensions ? along(o, i, coordinates[i]) : (axis_texels){.weight = {1}, .count = 1};
  if (layer >= 0) axes[2].at[0] = layer < o->size[2] ? layer : o->size[2] - 1;
  found->count = 0;
  for (int k = 0; k < axes[2].count; k++)
    for (int j = 0; j < axes[1].count; j++)
      for (int i = 0; i < axes[0].count; i++) {
        const float weight = axes[0].weight[i] * axes[1].weight[j] * axes[2].weight[k];
        const long a = axes[0].at[i], b = axes[1].at[j], c = axes[2].at[k];
        if (weight == 0) continue;
        const bool border = a < 0 || b < 0 || c < 0;
        found->weight[found->count] = weight;
        found->at[found->count++] =
            border ? NULL : o->data + (size_t)c * o->slice + (size_t)b * o->pitch + (size_t)a * o->element;
      }
}

void cusim_texture_element(cudaTextureObject_t handle, int index, cusim_texels *found) {
  const object *o = (const object *)(uintptr_t)handle;
  start(o, found);
  const bool known = index >= 0 && index < o->size[0];
  found->at[0] = known ? o->data + (size_t)index * o->element : NULL;
}

// ---------------------------------------------------------------- surfaces

void *cusim_surface_at(cudaSurfaceObject_t handle, int dimensions, int x, int y, int z, int bytes, int mode) {
  const object *o = (const object *)(uintptr_t)handle;
  long at[3] = {x, dimensions > 1 ? y : 0, dimensions > 2 ? z : 0};
  const long most[3] = {o->size[0] * (long)o->element - bytes, o->size[1] - 1, o->size[2] - 1};
  for (int i = 0; i < 3; i++) {
    if (at[i] >= 0 && at[i] <= most[i]) continue;
    if (mode == cudaBoundaryModeZero) return NULL;
    if (mode == cudaBoundaryModeTrap) sim_block_fail(SIM_RUN_ILLEGAL_ADDRESS);
    at[i] = at[i] < 0 ? 0 : most[i];
  }
  return o->data + (size_t)at[2] * o->slice + (size_t)at[1] * o->pitch + at[0];
}
