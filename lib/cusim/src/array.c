// SPDX-License-Identifier: MIT
// CUDA arrays. All goes through the calls for plain memory, so streams, times and
// checks know nothing of arrays.
#include "array.h"

#include <stdlib.h>

#include "handles.h"
#include "stream.h"

struct cudaChannelFormatDesc cudaCreateChannelDesc(int x, int y, int z, int w, cudaChannelFormatKind kind) {
  return (struct cudaChannelFormatDesc){x, y, z, w, kind};
}

size_t sim_element_bytes(struct cudaChannelFormatDesc f) {
  const bool sized = f.x == 8 || f.x == 16 || f.x == 32;
  const bool equal = (f.y == 0 || f.y == f.x) && (f.z == 0 || f.z == f.x) && (f.w == 0 || f.w == f.x);
  const int channels = (f.x > 0) + (f.y > 0) + (f.z > 0) + (f.w > 0);
  if (!sized || !equal || channels == 3 || f.f == cudaChannelFormatKindNone) return 0;
  return (size_t)f.x / 8 * (size_t)channels;
}

static size_t at_least_one(size_t n) {
  return n ? n : 1;
}

cudaError_t cudaMalloc3DArray(cudaArray_t *array, const struct cudaChannelFormatDesc *format,
                              struct cudaExtent extent, unsigned flags) {
  if (!array || !format || extent.width == 0) return sim_error(cudaErrorInvalidValue);
  if (sim_element_bytes(*format) == 0) return sim_error(cudaErrorInvalidChannelDescriptor);
  if (flags & cudaArrayCubemap) return sim_error(cudaErrorNotSupported);
  struct cudaArray *a = calloc(1, sizeof *a);
  if (!a) return sim_error(cudaErrorMemoryAllocation);
  a->format = *format, a->extent = extent, a->flags = flags;
  a->element = sim_element_bytes(*format);
  a->pitch = a->element * extent.width;
  a->slice = a->pitch * at_least_one(extent.height);
  void *data;
  const cudaError_t error = cudaMalloc(&data, a->slice * at_least_one(extent.depth));
  if (error != cudaSuccess) {
    free(a);
    return error;
  }
  a->data = data;
  if (!sim_handle_add(a)) {
    cudaFree(data);
    free(a);
    return sim_error(cudaErrorMemoryAllocation);
  }
  *array = a;
  return cudaSuccess;
}

cudaError_t cudaMallocArray(cudaArray_t *array, const struct cudaChannelFormatDesc *format, size_t width,
                            size_t height, unsigned flags) {
  return cudaMalloc3DArray(array, format, (struct cudaExtent){width, height, 0}, flags);
}

cudaError_t cudaFreeArray(cudaArray_t array) {
  if (!array) return cudaSuccess;
  if (!sim_handle_remove(array)) return sim_error(cudaErrorInvalidResourceHandle);
  const cudaError_t error = cudaFree(array->data);
  free(array);
  return error;
}

cudaError_t cudaGetChannelDesc(struct cudaChannelFormatDesc *format, cudaArray_const_t array) {
  if (!format || !array) return sim_error(cudaErrorInvalidValue);
  *format = array->format;
  return cudaSuccess;
}

cudaError_t cudaArrayGetInfo(struct cudaChannelFormatDesc *format, struct cudaExtent *extent, unsigned *flags,
                             cudaArray_t array) {
  if (!array) return sim_error(cudaErrorInvalidValue);
  if (format) *format = array->format;
  if (extent) *extent = array->extent;
  if (flags) *flags = array->flags;
  return cudaSuccess;
}

// ---------------------------------------------------------------- copies of rows

// Where a rectangle of rows begins; NULL if it does not fit. x and width in bytes.
static unsigned char *rectangle(cudaArray_const_t a, size_t x, size_t y, size_t width, size_t height) {
  if (!a || x > a->pitch || width > a->pitch - x || y + height > a->slice / a->pitch) return NULL;
  return a->data + y * a->pitch + x;
}

cudaError_t cudaMemcpy2DToArrayAsync(cudaArray_t to, size_t x, size_t y, const void *from, size_t pitch,
                                     size_t width, size_t height, cudaMemcpyKind kind, cudaStream_t stream) {
  void *at = rectangle(to, x, y, width, height);
  if (!at) return sim_error(cudaErrorInvalidValue);
  return cudaMemcpy2DAsync(at, to->pitch, from, pitch, width, height, kind, stream);
}

cudaError_t cudaMemcpy2DToArray(cudaArray_t to, size_t x, size_t y, const void *from, size_t pitch,
                                size_t width, size_t height, cudaMemcpyKind kind) {
  void *at = rectangle(to, x, y, width, height);
  if (!at) return sim_error(cudaErrorInvalidValue);
  return cudaMemcpy2D(at, to->pitch, from, pitch, width, height, kind);
}

cudaError_t cudaMemcpy2DFromArrayAsync(void *to, size_t pitch, cudaArray_const_t from, size_t x, size_t y,
                                       size_t width, size_t height, cudaMemcpyKind kind,
                                       cudaStream_t stream) {
  const void *at = rectangle(from, x, y, width, height);
  if (!at) return sim_error(cudaErrorInvalidValue);
  return cudaMemcpy2DAsync(to, pitch, at, from->pitch, width, height, kind, stream);
}

cudaError_t cudaMemcpy2DFromArray(void *to, size_t pitch, cudaArray_const_t from, size_t x, size_t y,
                                  size_t width, size_t height, cudaMemcpyKind kind) {
  const void *at = rectangle(from, x, y, width, height);
  if (!at) return sim_error(cudaErrorInvalidValue);
  return cudaMemcpy2D(to, pitch, at, from->pitch, width, height, kind);
}

cudaError_t cudaMemcpy2DArrayToArray(cudaArray_t to, size_t to_x, size_t to_y, cudaArray_const_t from,
                                     size_t from_x, size_t from_y, size_t width, size_t height,
                                     cudaMemcpyKind kind) {
  void *t = rectangle(to, to_x, to_y, width, height);
  const void *f = rectangle(from, from_x, from_y, width, height);
  if (!t || !f) return sim_error(cudaErrorInvalidValue);
  return cudaMemcpy2D(t, to->pitch, f, from->pitch, width, height, kind);
}

// Rows lie one behind the other, without gaps.
cudaError_t cudaMemcpyToArray(cudaArray_t to, size_t x, size_t y, const void *from, size_t bytes,
                              cudaMemcpyKind kind) {
  if (!to || y * to->pitch + x + bytes > to->slice) return sim_error(cudaErrorInvalidValue);
  return cudaMemcpy(to->data + y * to->pitch + x, from, bytes, kind);
}

cudaError_t cudaMemcpyFromArray(void *to, cudaArray_const_t from, size_t x, size_t y, size_t bytes,
                                cudaMemcpyKind kind) {
  if (!from || y * from->pitch + x + bytes > from->slice) return sim_error(cudaErrorInvalidValue);
  return cudaMemcpy(to, from->data + y * from->pitch + x, bytes, kind);
}

// ---------------------------------------------------------------- volumes

bool sim_array_side(cudaArray_const_t array, struct cudaPitchedPtr *memory, struct cudaPos *position) {
  if (!array) return memory->ptr != NULL;
  if (memory->ptr) return false;
  *memory = (struct cudaPitchedPtr){array->data, array->pitch, array->pitch, array->slice / array->pitch};
  position->x *= array->element;
  return true;
}
