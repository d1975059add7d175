// SPDX-License-Identifier: MIT
// Textures and surfaces: point and linear filters, addresses outside, read modes, layers, volumes, linear
// memory.
#include <cuda_runtime.h>
#include <stdio.h>
#include <string.h>

static int failures;
static void expect(float got, float wanted, const char *what) {
  const float difference = got - wanted;
  if (difference > 0.01f || difference < -0.01f) {
    printf("FAIL %s: %g, not %g\n", what, got, wanted);
    failures++;
  }
}
#define CHECK(call)                                                                 \
  do {                                                                              \
    const cudaError_t error = call;                                                 \
    if (error != cudaSuccess) {                                                     \
      printf("FAIL line %d: %s: %s\n", __LINE__, #call, cudaGetErrorString(error)); \
      failures++;                                                                   \
    }                                                                               \
  } while (0)

static float *out;
static const float *results(void) {
  static float host[16];
  CHECK(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost));
  CHECK(cudaMemset(out, 0, sizeof host));
  return host;
}

__global__ void fetch_2d(cudaTextureObject_t t, float x, float y, float *o) {
  o[threadIdx.x] = tex2D<float>(t, x, y);
}
__global__ void fetch_3d(cudaTextureObject_t t, float x, float y, float z, float *o) {
  *o = tex3D<float>(t, x, y, z);
}
__global__ void fetch_layers(cudaTextureObject_t t, float *o) {
  o[0] = tex2DLayered<float>(t, 1.5f, 0.5f, 0);
  o[1] = tex2DLayered<float>(t, 1.5f, 0.5f, 2);
}
__global__ void fetch_linear(cudaTextureObject_t t, float *o) {
  const float4 v = tex1Dfetch<float4>(t, 2);
  o[0] = v.x, o[1] = v.y, o[2] = v.z, o[3] = v.w;
  o[4] = tex1Dfetch<float4>(t, 1000).x;
}
__global__ void fetch_bytes(cudaTextureObject_t t, float *o) {
  const float4 v = tex2D<float4>(t, 1.5f, 0.5f);
  o[0] = v.x, o[1] = v.y, o[2] = v.z, o[3] = v.w;
}
__global__ void fetch_raw(cudaTextureObject_t t, float *o) {
  const uchar4 v = tex2D<uchar4>(t, 1.5f, 0.5f);
  o[0] = v.x, o[1] = v.y, o[2] = v.z, o[3] = v.w;
  uchar4 w;
  tex2D(&w, t, 0.5f, 0.5f);
  o[4] = w.x;
}
__global__ void fetch_1d(cudaTextureObject_t t, float *o) {
  o[0] = tex1D<float>(t, 1.0f);
  o[1] = (float)tex1D<float>(t, -3.0f);
}
__global__ void double_surface(cudaSurfaceObject_t s, int width) {
  const int x = threadIdx.x, y = blockIdx.x;
  if (x >= width) return;
  const float v = surf2Dread<float>(s, x * 4, y);
  surf2Dwrite(2 * v, s, x * 4, y);
  surf2Dwrite(1.0f, s, 4 * (width + x), y, cudaBoundaryModeZero);  // outside: nothing happens
}

static cudaTextureObject_t texture_of(cudaResourceDesc resource, cudaTextureAddressMode address,
                                      cudaTextureFilterMode filter, cudaTextureReadMode read,
                                      int normalized) {
  cudaTextureDesc texture;
  memset(&texture, 0, sizeof texture);
  for (int i = 0; i < 3; i++) texture.addressMode[i] = address;
  texture.filterMode = filter;
  texture.readMode = read;
  texture.normalizedCoords = normalized;
  texture.borderColor[0] = 0;
  cudaTextureObject_t object = 0;
  CHECK(cudaCreateTextureObject(&object, &resource, &texture, NULL));
  return object;
}
static cudaResourceDesc resource_of(cudaArray_t array) {
  cudaResourceDesc r;
  memset(&r, 0, sizeof r);
  r.resType = cudaResourceTypeArray;
  r.res.array.array = array;
  return r;
}
static float at_2d(cudaTextureObject_t t, float x, float y) {
  fetch_2d<<<1, 1>>>(t, x, y, out);
  return results()[0];
}

enum { WIDTH = 8, HEIGHT = 4, DEPTH = 3 };

static void planes(void) {
  float image[HEIGHT][WIDTH];
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) image[y][x] = (float)(10 * y + x);
  const cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
  cudaArray_t array;
  CHECK(cudaMallocArray(&array, &format, WIDTH, HEIGHT, cudaArraySurfaceLoadStore));
  CHECK(cudaMemcpy2DToArray(array, 0, 0, image, sizeof image[0], sizeof image[0], HEIGHT,
                            cudaMemcpyHostToDevice));

  cudaTextureObject_t t =
      texture_of(resource_of(array), cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeElementType, 0);
  expect(at_2d(t, 3.5f, 2.5f), 23, "point");
  expect(at_2d(t, 3.99f, 2.01f), 23, "point, at its edge");
  expect(at_2d(t, -5, 9), 30, "clamped");
  CHECK(cudaDestroyTextureObject(t));
  t = texture_of(resource_of(array), cudaAddressModeClamp, cudaFilterModeLinear, cudaReadModeElementType, 0);
  expect(at_2d(t, 3.5f, 2.5f), 23, "linear at a centre");
  expect(at_2d(t, 4.0f, 3.0f), 28.5f, "linear between four");
  expect(at_2d(t, 0, 0), 0, "linear at the corner");
  CHECK(cudaDestroyTextureObject(t));
  t = texture_of(resource_of(array), cudaAddressModeWrap, cudaFilterModePoint, cudaReadModeElementType, 1);
  expect(at_2d(t, 1.0f + 1.5f / WIDTH, -0.5f / HEIGHT), 31, "wrapped");
  CHECK(cudaDestroyTextureObject(t));
  t = texture_of(resource_of(array), cudaAddressModeMirror, cudaFilterModePoint, cudaReadModeElementType, 1);
  expect(at_2d(t, -1.5f / WIDTH, 0.5f / HEIGHT), 1, "mirrored");
  CHECK(cudaDestroyTextureObject(t));
  t = texture_of(resource_of(array), cudaAddressModeBorder, cudaFilterModeLinear, cudaReadModeElementType, 0);
  expect(at_2d(t, 8.0f, 0.5f), 3.5f, "half in the border");
  CHECK(cudaDestroyTextureObject(t));

  const cudaResourceDesc resource = resource_of(array);
  cudaSurfaceObject_t s;
  CHECK(cudaCreateSurfaceObject(&s, &resource));
  double_surface<<<HEIGHT, 32>>>(s, WIDTH);
  CHECK(cudaDeviceSynchronize());
  float back[HEIGHT][WIDTH];
  CHECK(cudaMemcpy2DFromArray(back, sizeof back[0], array, 0, 0, sizeof back[0], HEIGHT,
                              cudaMemcpyDeviceToHost));
  expect(back[3][7], 74, "surface");
  expect(back[1][0], 20, "surface, beginning of a row");
  CHECK(cudaDestroySurfaceObject(s));
  CHECK(cudaFreeArray(array));
}

static void volumes(void) {
  float cells[DEPTH][HEIGHT][WIDTH];
  for (int z = 0; z < DEPTH; z++)
    for (int y = 0; y < HEIGHT; y++)
      for (int x = 0; x < WIDTH; x++) cells[z][y][x] = (float)(100 * z + 10 * y + x);
  const cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
  for (int layered = 0; layered < 2; layered++) {
    cudaArray_t array;
    CHECK(cudaMalloc3DArray(&array, &format, make_cudaExtent(WIDTH, HEIGHT, DEPTH),
                            layered ? cudaArrayLayered : 0));
    cudaMemcpy3DParms copy;
    memset(&copy, 0, sizeof copy);
    copy.srcPtr = make_cudaPitchedPtr(cells, sizeof cells[0][0], WIDTH, HEIGHT);
    copy.dstArray = array;
    copy.extent = make_cudaExtent(WIDTH, HEIGHT, DEPTH);
    copy.kind = cudaMemcpyHostToDevice;
    CHECK(cudaMemcpy3D(&copy));
    const cudaTextureObject_t t = texture_of(resource_of(array), cudaAddressModeClamp, cudaFilterModeLinear,
                                             cudaReadModeElementType, 0);
    if (layered) {
      fetch_layers<<<1, 1>>>(t, out);
      const float *r = results();
      expect(r[0], 1, "layer 0");
      expect(r[1], 201, "layer 2");
    } else {
      fetch_3d<<<1, 1>>>(t, 2.0f, 1.5f, 2.0f, out);
      expect(results()[0], 161.5f, "between two slices and two columns");
    }
    CHECK(cudaDestroyTextureObject(t));
    CHECK(cudaFreeArray(array));
  }
}

static void linear_memory(void) {
  float numbers[16];
  for (int i = 0; i < 16; i++) numbers[i] = (float)i;
  float *device;
  CHECK(cudaMalloc(&device, sizeof numbers));
  CHECK(cudaMemcpy(device, numbers, sizeof numbers, cudaMemcpyHostToDevice));
  cudaResourceDesc r;
  memset(&r, 0, sizeof r);
  r.resType = cudaResourceTypeLinear;
  r.res.linear.devPtr = device;
  r.res.linear.desc = cudaCreateChannelDesc<float4>();
  r.res.linear.sizeInBytes = sizeof numbers;
  cudaTextureObject_t t =
      texture_of(r, cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeElementType, 0);
  fetch_linear<<<1, 1>>>(t, out);
  const float *got = results();
  for (int i = 0; i < 4; i++) expect(got[i], (float)(8 + i), "tex1Dfetch");
  expect(got[4], 0, "tex1Dfetch outside");
  CHECK(cudaDestroyTextureObject(t));
  CHECK(cudaFree(device));

  uchar4 *pixels;
  size_t pitch;
  CHECK(cudaMallocPitch((void **)&pixels, &pitch, 2 * sizeof(uchar4), 2));
  const uchar4 host[2] = {make_uchar4(9, 8, 7, 6), make_uchar4(255, 0, 51, 102)};
  CHECK(cudaMemcpy2D(pixels, pitch, host, sizeof host, sizeof host, 1, cudaMemcpyHostToDevice));
  memset(&r, 0, sizeof r);
  r.resType = cudaResourceTypePitch2D;
  r.res.pitch2D.devPtr = pixels;
  r.res.pitch2D.desc = cudaCreateChannelDesc<uchar4>();
  r.res.pitch2D.width = 2, r.res.pitch2D.height = 1, r.res.pitch2D.pitchInBytes = pitch;
  t = texture_of(r, cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeNormalizedFloat, 0);
  fetch_bytes<<<1, 1>>>(t, out);
  got = results();
  expect(got[0], 1, "normalized 255"), expect(got[1], 0, "normalized 0");
  expect(got[2], 0.2f, "normalized 51"), expect(got[3], 0.4f, "normalized 102");
  CHECK(cudaDestroyTextureObject(t));
  t = texture_of(r, cudaAddressModeClamp, cudaFilterModePoint, cudaReadModeElementType, 0);
  fetch_raw<<<1, 1>>>(t, out);
  got = results();
  expect(got[0], 255, "raw"), expect(got[3], 102, "raw"), expect(got[4], 9, "raw through a pointer");
  CHECK(cudaDestroyTextureObject(t));
  CHECK(cudaFree(pixels));
}

static void rows(void) {
  const float numbers[4] = {1, 2, 4, 8};
  const cudaChannelFormatDesc format = cudaCreateChannelDesc(32, 0, 0, 0, cudaChannelFormatKindFloat);
  cudaArray_t array;
  CHECK(cudaMallocArray(&array, &format, 4));
  CHECK(cudaMemcpy2DToArray(array, 0, 0, numbers, sizeof numbers, sizeof numbers, 1, cudaMemcpyHostToDevice));
  const cudaTextureObject_t t =
      texture_of(resource_of(array), cudaAddressModeClamp, cudaFilterModeLinear, cudaReadModeElementType, 0);
  fetch_1d<<<1, 1>>>(t, out);
  const float *got = results();
  expect(got[0], 1.5f, "tex1D"), expect(got[1], 1, "tex1D outside");
  CHECK(cudaDestroyTextureObject(t));
  CHECK(cudaFreeArray(array));
  const cudaChannelFormatDesc odd = cudaCreateChannelDesc(32, 8, 0, 0, cudaChannelFormatKindFloat);
  if (cudaMallocArray(&array, &odd, 4) == cudaSuccess) printf("FAIL an odd format\n"), failures++;
}

int main() {
  CHECK(cudaMalloc(&out, 16 * sizeof *out));
  CHECK(cudaMemset(out, 0, 16 * sizeof *out));
  planes();
  volumes();
  linear_memory();
  rows();
  cudaGetLastError();
  CHECK(cudaFree(out));
  printf("%s\n", failures ? "FAIL" : "PASS");
  return failures ? 1 : 0;
}
