// SPDX-License-Identifier: MIT
// The driver API's arrays, textures and pitched copies, over the runtime API's.
#include "cuda.h"
#include "exec.h"

// The runtime's error state is not the driver's; most numbers are the same in both.
static CUresult call(cudaError_t error) {
  (void)cudaGetLastError();
  return error == cudaErrorInvalidMemcpyDirection || error == cudaErrorInvalidPitchValue
             ? CUDA_ERROR_INVALID_VALUE
             : (CUresult)error;
}
static void *at(CUdeviceptr pointer) {
  return (void *)(uintptr_t)pointer;
}

static bool describe(CUarray_format format, unsigned channels, cudaChannelFormatDesc *desc) {
  int bits;
  enum cudaChannelFormatKind kind;
  switch (format) {
    case CU_AD_FORMAT_UNSIGNED_INT8:
    case CU_AD_FORMAT_UNSIGNED_INT16:
    case CU_AD_FORMAT_UNSIGNED_INT32:
      bits = 8 << (format - CU_AD_FORMAT_UNSIGNED_INT8);
      kind = cudaChannelFormatKindUnsigned;
      break;
    case CU_AD_FORMAT_SIGNED_INT8:
    case CU_AD_FORMAT_SIGNED_INT16:
    case CU_AD_FORMAT_SIGNED_INT32:
      bits = 8 << (format - CU_AD_FORMAT_SIGNED_INT8);
      kind = cudaChannelFormatKindSigned;
      break;
    case CU_AD_FORMAT_HALF:
    case CU_AD_FORMAT_FLOAT:
      bits = format == CU_AD_FORMAT_HALF ? 16 : 32;
      kind = cudaChannelFormatKindFloat;
      break;
    default:
      return false;
  }
  if (channels != 1 && channels != 2 && channels != 4) return false;
  *desc = (cudaChannelFormatDesc){bits, channels > 1 ? bits : 0, channels > 2 ? bits : 0,
                                  channels > 2 ? bits : 0, kind};
  return true;
}

CUresult cuArrayCreate(CUarray *array, const CUDA_ARRAY_DESCRIPTOR *wanted) {
  cudaChannelFormatDesc desc;
  if (!array || !wanted || !describe(wanted->Format, wanted->NumChannels, &desc))
    return CUDA_ERROR_INVALID_VALUE;
  return call(cudaMallocArray(array, &desc, wanted->Width, wanted->Height, 0));
}
CUresult cuArray3DCreate(CUarray *array, const CUDA_ARRAY3D_DESCRIPTOR *wanted) {
  cudaChannelFormatDesc desc;
  if (!array || !wanted || !describe(wanted->Format, wanted->NumChannels, &desc))
    return CUDA_ERROR_INVALID_VALUE;
  return call(cudaMalloc3DArray(array, &desc, (cudaExtent){wanted->Width, wanted->Height, wanted->Depth},
                                wanted->Flags));
}
CUresult cuArrayDestroy(CUarray array) {
  return array ? call(cudaFreeArray(array)) : CUDA_ERROR_INVALID_HANDLE;
}

// ---------------------------------------------------------------- copies

// One side of a pitched copy: memory, or an array.
typedef struct side {
  CUarray array;
  char *memory;
  size_t x, y, pitch;
} side;

static bool side_of(CUmemorytype type, const void *host, CUdeviceptr device, CUarray array, size_t x,
                    size_t y, size_t pitch, size_t width, side *s) {
  const char *memory = type == CU_MEMORYTYPE_HOST ? host : at(device);
  *s = (side){type == CU_MEMORYTYPE_ARRAY ? array : NULL, NULL, x, y, pitch ? pitch : x + width};
  if (type == CU_MEMORYTYPE_ARRAY) return array;
  s->memory = (char *)(uintptr_t)memory + y * s->pitch + x;
  return memory && type >= CU_MEMORYTYPE_HOST && type <= CU_MEMORYTYPE_UNIFIED;
}

static CUresult copy(const CUDA_MEMCPY2D *c, CUstream stream, bool async) {
  side from, to;
  if (!c ||
      !side_of(c->srcMemoryType, c->srcHost, c->srcDevice, c->srcArray, c->srcXInBytes, c->srcY, c->srcPitch,
               c->WidthInBytes, &from) ||
      !side_of(c->dstMemoryType, c->dstHost, c->dstDevice, c->dstArray, c->dstXInBytes, c->dstY, c->dstPitch,
               c->WidthInBytes, &to))
    return CUDA_ERROR_INVALID_VALUE;
  const enum cudaMemcpyKind kind = cudaMemcpyDefault;
  const size_t width = c->WidthInBytes, rows = c->Height;
  if (from.array && to.array)
    return call(cudaMemcpy2DArrayToArray(to.array, to.x, to.y, from.array, from.x, from.y, width, rows,
                                         cudaMemcpyDeviceToDevice));
  if (to.array)
    return call(async
                    ? cudaMemcpy2DToArrayAsync(to.array, to.x, to.y, from.memory, from.pitch, width, rows,
                                               kind, stream)
                    : cudaMemcpy2DToArray(to.array, to.x, to.y, from.memory, from.pitch, width, rows, kind));
  if (from.array)
    return call(
        async ? cudaMemcpy2DFromArrayAsync(to.memory, to.pitch, from.array, from.x, from.y, width, rows, kind,
                                           stream)
              : cudaMemcpy2DFromArray(to.memory, to.pitch, from.array, from.x, from.y, width, rows, kind));
  return call(async
                  ? cudaMemcpy2DAsync(to.memory, to.pitch, from.memory, from.pitch, width, rows, kind, stream)
                  : cudaMemcpy2D(to.memory, to.pitch, from.memory, from.pitch, width, rows, kind));
}
CUresult cuMemcpy2D(const CUDA_MEMCPY2D *what) {
  return copy(what, NULL, false);
}
CUresult cuMemcpy2DUnaligned(const CUDA_MEMCPY2D *what) {
  return copy(what, NULL, false);
}
CUresult cuMemcpy2DAsync(const CUDA_MEMCPY2D *what, CUstream stream) {
  return copy(what, stream, true);
}
// Arrays of one row.
CUresult cuMemcpyHtoA(CUarray array, size_t offset, const void *host, size_t bytes) {
  return call(cudaMemcpy2DToArray(array, offset, 0, host, bytes, bytes, 1, cudaMemcpyHostToDevice));
}
CUresult cuMemcpyAtoH(void *host, CUarray array, size_t offset, size_t bytes) {
  return call(cudaMemcpy2DFromArray(host, bytes, array, offset, 0, bytes, 1, cudaMemcpyDeviceToHost));
}
CUresult cuMemcpyDtoA(CUarray array, size_t offset, CUdeviceptr device, size_t bytes) {
  return call(cudaMemcpy2DToArray(array, offset, 0, at(device), bytes, bytes, 1, cudaMemcpyDeviceToDevice));
}
CUresult cuMemcpyAtoD(CUdeviceptr device, CUarray array, size_t offset, size_t bytes) {
  return call(cudaMemcpy2DFromArray(at(device), bytes, array, offset, 0, bytes, 1, cudaMemcpyDeviceToDevice));
}

// ---------------------------------------------------------------- textures and surfaces

static bool resource(const CUDA_RESOURCE_DESC *from, cudaResourceDesc *to, bool *whole_numbers) {
  *to = (cudaResourceDesc){.resType = (enum cudaResourceType)from->resType};
  *whole_numbers = false;
  switch (from->resType) {
    case CU_RESOURCE_TYPE_ARRAY: {
      cudaChannelFormatDesc desc;
      to->res.array.array = from->res.array.hArray;
      if (!from->res.array.hArray || cudaGetChannelDesc(&desc, from->res.array.hArray)) return false;
      *whole_numbers = desc.f != cudaChannelFormatKindFloat;
      return true;
    }
    case CU_RESOURCE_TYPE_LINEAR:
      to->res.linear.devPtr = at(from->res.linear.devPtr);
      to->res.linear.sizeInBytes = from->res.linear.sizeInBytes;
      *whole_numbers = from->res.linear.format < CU_AD_FORMAT_HALF;
      return describe(from->res.linear.format, from->res.linear.numChannels, &to->res.linear.desc);
    case CU_RESOURCE_TYPE_PITCH2D:
      to->res.pitch2D.devPtr = at(from->res.pitch2D.devPtr);
      to->res.pitch2D.width = from->res.pitch2D.width;
      to->res.pitch2D.height = from->res.pitch2D.height;
      to->res.pitch2D.pitchInBytes = from->res.pitch2D.pitchInBytes;
      *whole_numbers = from->res.pitch2D.format < CU_AD_FORMAT_HALF;
      return describe(from->res.pitch2D.format, from->res.pitch2D.numChannels, &to->res.pitch2D.desc);
    default:
      return false;
  }
}

CUresult cuTexObjectCreate(CUtexObject *object, const CUDA_RESOURCE_DESC *what, const CUDA_TEXTURE_DESC *how,
                           const CUDA_RESOURCE_VIEW_DESC *view) {
  cudaResourceDesc r;
  bool whole_numbers;
  if (!object || !what || !how || !resource(what, &r, &whole_numbers)) return CUDA_ERROR_INVALID_VALUE;
  if (view) return CUDA_ERROR_NOT_SUPPORTED;
  cudaTextureDesc t = {.filterMode = (enum cudaTextureFilterMode)how->filterMode,
                       .readMode = whole_numbers && !(how->flags & CU_TRSF_READ_AS_INTEGER)
                                       ? cudaReadModeNormalizedFloat
                                       : cudaReadModeElementType,
                       .normalizedCoords = (how->flags & CU_TRSF_NORMALIZED_COORDINATES) != 0};
  for (int i = 0; i < 3; i++) t.addressMode[i] = (enum cudaTextureAddressMode)how->addressMode[i];
  for (int i = 0; i < 4; i++) t.borderColor[i] = how->borderColor[i];
  cudaTextureObject_t made = 0;
  const cudaError_t error = cudaCreateTextureObject(&made, &r, &t, NULL);
  if (!error) *object = made;
  return call(error);
}
CUresult cuTexObjectDestroy(CUtexObject object) {
  return call(cudaDestroyTextureObject(object));
}
CUresult cuSurfObjectCreate(CUsurfObject *object, const CUDA_RESOURCE_DESC *what) {
  cudaResourceDesc r;
  bool whole_numbers;
  if (!object || !what || !resource(what, &r, &whole_numbers)) return CUDA_ERROR_INVALID_VALUE;
  cudaSurfaceObject_t made = 0;
  const cudaError_t error = cudaCreateSurfaceObject(&made, &r);
  if (!error) *object = made;
  return call(error);
}
CUresult cuSurfObjectDestroy(CUsurfObject object) {
  return call(cudaDestroySurfaceObject(object));
}
