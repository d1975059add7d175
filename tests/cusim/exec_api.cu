// SPDX-License-Identifier: MIT
// The less usual calls of the host API, and handles and pointers that are none: CUDA's error, never a crash.
#include "exec_check.h"

#include <cuda.h>

#include <string.h>

__global__ void nothing(void) {}
__global__ void shared_user(float *x) {
  __shared__ float memory[256];
  memory[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = memory[255 - threadIdx.x];
}
__device__ int variable[4];

#define REFUSED(call, expected)                                                     \
  do {                                                                              \
    const cudaError_t got_ = (call);                                                \
    EXPECT(got_ == (expected), "%s gave %s, not %s", #call, cudaGetErrorName(got_), \
           cudaGetErrorName(expected));                                             \
    (void)cudaGetLastError();                                                       \
  } while (0)

static void no_callback(cudaStream_t stream, cudaError_t status, void *data) {
  (void)stream, (void)status;
  ++*(int *)data;
}
static void count_up(void *data) {
  ++*(int *)data;
}

static void bad_stream(cudaStream_t bad, int *x) {
  cudaEvent_t event;
  unsigned flags;
  int priority, count = 0;
  void *p;
  CHECK(cudaEventCreate(&event));
  REFUSED(cudaStreamSynchronize(bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaStreamQuery(bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaStreamDestroy(bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaStreamGetFlags(bad, &flags), cudaErrorInvalidResourceHandle);
  REFUSED(cudaStreamGetPriority(bad, &priority), cudaErrorInvalidResourceHandle);
  REFUSED(cudaEventRecord(event, bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaStreamWaitEvent(bad, event, 0), cudaErrorInvalidResourceHandle);
  REFUSED(cudaMemsetAsync(x, 0, 4, bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaMemcpyAsync(x, x + 4, 4, cudaMemcpyDeviceToDevice, bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaMallocAsync(&p, 4, bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaFreeAsync(x, bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaLaunchHostFunc(bad, count_up, &count), cudaErrorInvalidResourceHandle);
  REFUSED(cudaStreamAddCallback(bad, no_callback, &count, 0), cudaErrorInvalidResourceHandle);
  nothing<<<1, 1, 0, bad>>>();
  REFUSED(cudaGetLastError(), cudaErrorInvalidResourceHandle);
  CHECK(cudaEventDestroy(event));
  EXPECT(count == 0, "%d", count);
}

static void bad_event(cudaEvent_t bad) {
  cudaEvent_t good;
  float ms;
  CHECK(cudaEventCreate(&good));
  CHECK(cudaEventRecord(good));
  CHECK(cudaEventSynchronize(good));
  REFUSED(cudaEventRecord(bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaEventSynchronize(bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaEventQuery(bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaStreamWaitEvent(0, bad, 0), cudaErrorInvalidResourceHandle);
  REFUSED(cudaEventElapsedTime(&ms, good, bad), cudaErrorInvalidResourceHandle);
  REFUSED(cudaEventElapsedTime(&ms, bad, good), cudaErrorInvalidResourceHandle);
  REFUSED(cudaEventDestroy(bad), cudaErrorInvalidResourceHandle);
  CHECK(cudaEventDestroy(good));
}

static void test_handles(void) {
  static long long garbage[64];
  int *x;
  CHECK(cudaMalloc(&x, 64));
  cudaStream_t stream;
  cudaEvent_t event;
  CHECK(cudaStreamCreate(&stream));
  CHECK(cudaStreamDestroy(stream));
  bad_stream(stream, x);
  bad_stream((cudaStream_t)garbage, x);
  REFUSED(cudaStreamDestroy(NULL), cudaErrorInvalidResourceHandle);
  CHECK(cudaEventCreate(&event));
  CHECK(cudaEventDestroy(event));
  bad_event(event);
  bad_event((cudaEvent_t)garbage);
  bad_event(NULL);
  CHECK(cudaFree(x));
}

static void test_pointers(void) {
  int host[16] = {0}, *x, *pinned, *managed;
  CHECK(cudaMalloc(&x, sizeof host));
  CHECK(cudaMallocHost(&pinned, sizeof host));
  CHECK(cudaMallocManaged(&managed, sizeof host));
  REFUSED(cudaMemcpy(x, host, sizeof host + 4, cudaMemcpyHostToDevice), cudaErrorInvalidValue);
  REFUSED(cudaMemcpy(pinned, x + 8, sizeof host, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  REFUSED(cudaMemcpy(host, NULL, 4, cudaMemcpyDeviceToHost), cudaErrorInvalidValue);
  REFUSED(cudaMemset(host, 0, 4), cudaErrorInvalidValue);
  REFUSED(cudaMemset(NULL, 0, 4), cudaErrorInvalidValue);
  REFUSED(cudaFreeHost(x), cudaErrorInvalidValue);
  REFUSED(cudaFree(pinned), cudaErrorInvalidValue);
  REFUSED(cudaFree((void *)variable), cudaErrorInvalidValue);
  REFUSED(cudaFree(x + 1), cudaErrorInvalidValue);
  REFUSED(cudaFree(host), cudaErrorInvalidValue);
  CHECK(cudaFree(x));
  REFUSED(cudaFree(x), cudaErrorInvalidValue);
  CHECK(cudaFreeHost(pinned));
  REFUSED(cudaFreeHost(pinned), cudaErrorInvalidValue);
  CHECK(cudaFree(managed));
  void *p;
  REFUSED(cudaMallocManaged(&p, 0), cudaErrorInvalidValue);
  REFUSED(cudaMallocManaged(&p, 64, 77), cudaErrorInvalidValue);
  REFUSED(cudaHostAlloc(&p, 64, 64), cudaErrorInvalidValue);
  size_t pitch;
  REFUSED(cudaMallocPitch(&p, &pitch, (size_t)1 << 40, (size_t)1 << 40), cudaErrorMemoryAllocation);
  // The program's own memory.
  unsigned flags;
  CHECK(cudaHostRegister(host + 1, 32, cudaHostRegisterPortable));
  REFUSED(cudaHostRegister(host + 2, 8, 0), cudaErrorHostMemoryAlreadyRegistered);
  REFUSED(cudaHostRegister(host, 8, 0), cudaErrorHostMemoryAlreadyRegistered);
  CHECK(cudaHostGetFlags(&flags, host + 3));
  EXPECT(flags & cudaHostAllocPortable, "%u", flags);
  REFUSED(cudaFreeHost(host + 1), cudaErrorInvalidValue);
  CHECK(cudaHostUnregister(host + 1));
  REFUSED(cudaHostUnregister(host + 1), cudaErrorHostMemoryNotRegistered);
  cudaPointerAttributes a;
  CHECK(cudaPointerGetAttributes(&a, host));
  EXPECT(a.type == cudaMemoryTypeUnregistered, "%d", (int)a.type);
}

static void test_boxes(void) {
  enum { W = 10, H = 5, D = 3 };
  static int from[D][H][W], to[D][H][W];
  for (int z = 0; z < D; z++)
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++) from[z][y][x] = 100 * z + 10 * y + x;
  const cudaExtent all = make_cudaExtent(W * sizeof(int), H, D);
  cudaPitchedPtr box;
  CHECK(cudaMalloc3D(&box, all));
  EXPECT(box.pitch >= W * sizeof(int) && box.ysize == H, "%zu %zu", box.pitch, box.ysize);
  CHECK(cudaMemset3D(box, 0, all));
  cudaMemcpy3DParms p;
  memset(&p, 0, sizeof p);
  p.srcPtr = make_cudaPitchedPtr(from, W * sizeof(int), W, H);
  p.dstPtr = box;
  p.extent = make_cudaExtent(4 * sizeof(int), 3, 2);
  p.srcPos = make_cudaPos(2 * sizeof(int), 1, 1);
  p.dstPos = make_cudaPos(3 * sizeof(int), 2, 0);
  p.kind = cudaMemcpyHostToDevice;
  CHECK(cudaMemcpy3D(&p));
  cudaMemcpy3DParms back;
  memset(&back, 0, sizeof back);
  back.srcPtr = box;
  back.dstPtr = make_cudaPitchedPtr(to, W * sizeof(int), W, H);
  back.extent = all;
  back.kind = cudaMemcpyDeviceToHost;
  CHECK(cudaMemcpy3DAsync(&back, 0));
  CHECK(cudaDeviceSynchronize());
  int wrong = 0;
  for (int z = 0; z < D; z++)
    for (int y = 0; y < H; y++)
      for (int x = 0; x < W; x++) {
        const bool inside = z < 2 && y >= 2 && y < 5 && x >= 3 && x < 7;
        wrong += to[z][y][x] != (inside ? from[z + 1][y - 1][x - 1] : 0);
      }
  EXPECT(wrong == 0, "%d wrong", wrong);
  back.extent.depth = 100;
  REFUSED(cudaMemcpy3D(&back), cudaErrorInvalidValue);
  back.srcPtr.ptr = NULL;
  REFUSED(cudaMemcpy3D(&back), cudaErrorInvalidValue);
  CHECK(cudaFree(box.ptr));
}

static void test_device(void) {
  int value, other;
  for (int a = 1; a < 120; a++) {
    const cudaError_t error = cudaDeviceGetAttribute(&value, (cudaDeviceAttr)a, 0);
    EXPECT(error == cudaSuccess || error == cudaErrorInvalidValue, "%d: %s", a, cudaGetErrorName(error));
  }
  (void)cudaGetLastError();
  cudaDeviceProp p;
  CHECK(cudaGetDeviceProperties(&p, 0));
  CHECK(cudaDeviceGetAttribute(&value, cudaDevAttrMaxTexture2DWidth, 0));
  EXPECT(value == p.maxTexture2D[0] && value > 0, "%d %d", value, p.maxTexture2D[0]);
  REFUSED(cudaDeviceGetP2PAttribute(&value, cudaDevP2PAttrAccessSupported, 0, 0), cudaErrorInvalidDevice);
  char id[32];
  CHECK(cudaDeviceGetPCIBusId(id, sizeof id, 0));
  CHECK(cudaDeviceGetByPCIBusId(&other, id));
  EXPECT(other == 0, "%s is %d", id, other);
  size_t limit;
  CHECK(cudaDeviceSetLimit(cudaLimitMallocHeapSize, 32 << 20));
  CHECK(cudaDeviceGetLimit(&limit, cudaLimitMallocHeapSize));
  EXPECT(limit >= 32 << 20, "%zu", limit);
  cudaFuncCache config;
  CHECK(cudaDeviceSetCacheConfig(cudaFuncCachePreferL1));
  CHECK(cudaDeviceGetCacheConfig(&config));
  EXPECT(config == cudaFuncCachePreferL1, "%d", (int)config);
  EXPECT(strcmp(cudaGetErrorName((cudaError_t)721), "cudaErrorTensorMemoryLeak") == 0 ||
             strcmp(cudaGetErrorName((cudaError_t)721), "unrecognized error code") == 0,
         "%s", cudaGetErrorName((cudaError_t)721));
  EXPECT(strcmp(cudaGetErrorString((cudaError_t)12345), "unrecognized error code") == 0, "%s",
         cudaGetErrorString((cudaError_t)12345));
  cudaIpcMemHandle_t handle;
  void *pointer = NULL;
  REFUSED(cudaIpcOpenMemHandle(&pointer, handle, 0), cudaErrorNotSupported);
}

static void test_functions(void) {
  int blocks = 0, other = 0;
  size_t bytes = 0;
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, shared_user, 256, 0));
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(&other, shared_user, 256, 0,
                                                               cudaOccupancyDefault));
  EXPECT(blocks == other && blocks > 0, "%d %d", blocks, other);
  CHECK(cudaOccupancyAvailableDynamicSMemPerBlock(&bytes, shared_user, 2, 256));
  CHECK(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, shared_user, 256, bytes));
  EXPECT(blocks >= 2 && bytes > 0, "%d with %zu", blocks, bytes);
  cudaFuncAttributes a;
  CHECK(cudaFuncGetAttributes(&a, shared_user));
  EXPECT(a.sharedSizeBytes == 1024, "%zu", a.sharedSizeBytes);
  REFUSED(cudaFuncSetAttribute(shared_user, (cudaFuncAttribute)77, 1), cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(shared_user, cudaFuncAttributePreferredSharedMemoryCarveout, 50));
}

static void test_pools(void) {
  cudaMemPool_t pool, own;
  CHECK(cudaDeviceGetDefaultMemPool(&pool, 0));
  unsigned long long threshold = 12345, used, high;
  CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
  threshold = 0;
  CHECK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
  EXPECT(threshold == 12345, "%llu", threshold);
  cudaMemPoolProps props;
  memset(&props, 0, sizeof props);
  props.allocType = cudaMemAllocationTypePinned;
  props.location.type = cudaMemLocationTypeDevice;
  CHECK(cudaMemPoolCreate(&own, &props));
  int *x;
  CHECK(cudaMallocFromPoolAsync(&x, 1 << 20, own, 0));
  CHECK(cudaMemsetAsync(x, 0, 1 << 20, 0));
  CHECK(cudaMemPoolGetAttribute(own, cudaMemPoolAttrUsedMemCurrent, &used));
  EXPECT(used >= 1 << 20, "%llu", used);
  CHECK(cudaFreeAsync(x, 0));
  CHECK(cudaStreamSynchronize(0));
  CHECK(cudaMemPoolGetAttribute(own, cudaMemPoolAttrUsedMemCurrent, &used));
  CHECK(cudaMemPoolGetAttribute(own, cudaMemPoolAttrUsedMemHigh, &high));
  EXPECT(used == 0 && high >= 1 << 20, "%llu %llu", used, high);
  CHECK(cudaMemPoolDestroy(own));
  REFUSED(cudaMallocFromPoolAsync(&x, 64, own, 0), cudaErrorInvalidValue);
}

static void test_streams(void) {
  cudaStream_t stream;
  int priority = 1, count = 0;
  unsigned flags = 0;
  unsigned long long id = 0, other = 0;
  CHECK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, -3));
  CHECK(cudaStreamGetPriority(stream, &priority));
  CHECK(cudaStreamGetFlags(stream, &flags));
  EXPECT(priority == -3 && flags == cudaStreamNonBlocking, "%d %u", priority, flags);
  CHECK(cudaStreamGetId(stream, &id));
  CHECK(cudaStreamGetId(0, &other));
  EXPECT(id != other, "%llu", id);
  cudaStreamAttrValue value;
  memset(&value, 0, sizeof value);
  value.accessPolicyWindow.num_bytes = 77;
  CHECK(cudaStreamSetAttribute(stream, cudaStreamAttributeAccessPolicyWindow, &value));
  memset(&value, 0, sizeof value);
  CHECK(cudaStreamGetAttribute(stream, cudaStreamAttributeAccessPolicyWindow, &value));
  EXPECT(value.accessPolicyWindow.num_bytes == 77, "%zu", value.accessPolicyWindow.num_bytes);
  CHECK(cudaStreamAddCallback(stream, no_callback, &count, 0));
  CHECK(cudaLaunchHostFunc(cudaStreamPerThread, count_up, &count));
  CHECK(cudaStreamSynchronize(cudaStreamPerThread));
  CHECK(cudaStreamSynchronize(stream));
  EXPECT(count == 2, "%d", count);
  CHECK(cudaStreamDestroy(stream));
}

static void test_graphs(void) {
  cudaGraph_t graph;
  cudaGraphNode_t fill, copy, host, list[4] = {NULL, NULL, NULL, NULL};
  cudaGraphExec_t exec;
  int *x, *pinned, count = 0;
  CHECK(cudaMalloc(&x, 64));
  CHECK(cudaMallocHost(&pinned, 64));
  CHECK(cudaGraphCreate(&graph, 0));
  cudaMemsetParams set;
  memset(&set, 0, sizeof set);
  set.dst = x;
  set.value = 1;
  set.elementSize = 1;
  set.width = 64;
  set.height = 1;
  cudaHostNodeParams call = {count_up, &count};
  CHECK(cudaGraphAddMemsetNode(&fill, graph, NULL, 0, &set));
  CHECK(cudaGraphAddMemcpyNode1D(&copy, graph, &fill, 1, pinned, x, 64, cudaMemcpyDeviceToHost));
  CHECK(cudaGraphAddHostNode(&host, graph, &copy, 1, &call));
  size_t room = 4;
  CHECK(cudaGraphNodeGetDependencies(host, list, NULL, &room));
  EXPECT(room == 1 && list[0] == copy, "%zu", room);
  room = 0;
  CHECK(cudaGraphGetEdges(graph, NULL, NULL, NULL, &room));
  EXPECT(room == 2, "%zu", room);
  CHECK(cudaGraphInstantiate(&exec, graph, 0));
  CHECK(cudaGraphLaunch(exec, 0));
  CHECK(cudaDeviceSynchronize());
  EXPECT(pinned[15] == 0x01010101 && count == 1, "%x %d", pinned[15], count);
  CHECK(cudaGraphMemsetNodeGetParams(fill, &set));
  set.value = 2;
  CHECK(cudaGraphExecMemsetNodeSetParams(exec, fill, &set));
  CHECK(cudaGraphLaunch(exec, 0));
  CHECK(cudaDeviceSynchronize());
  EXPECT(pinned[15] == 0x02020202 && count == 2, "%x %d", pinned[15], count);
  CHECK(cudaGraphDestroyNode(copy));
  room = 0;
  CHECK(cudaGraphGetNodes(graph, NULL, &room));
  EXPECT(room == 2, "%zu", room);
  CHECK(cudaGraphExecDestroy(exec));
  CHECK(cudaGraphDestroy(graph));
  CHECK(cudaFree(x));
  CHECK(cudaFreeHost(pinned));
}

__global__ void scale(float *x, int n, float by) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] *= by;
}

#define CHECK_DRIVER(call)                                          \
  do {                                                              \
    const CUresult result_ = (call);                                \
    EXPECT(result_ == CUDA_SUCCESS, "%s: %d", #call, (int)result_); \
  } while (0)

static void test_driver(void) {
  enum { N = 1000 };
  int count = 0, major = 0;
  CUdevice device;
  CUcontext context, current;
  CUdeviceptr x;
  CUstream stream;
  CUmodule module;
  cudaFunction_t function;
  char name[64];
  const char *text;
  float host[N];
  EXPECT(cuDeviceGetCount(&count) == CUDA_ERROR_NOT_INITIALIZED, "cuInit comes first");
  CHECK_DRIVER(cuInit(0));
  CHECK_DRIVER(cuDeviceGetCount(&count));
  CHECK_DRIVER(cuDeviceGet(&device, 0));
  EXPECT(cuDeviceGet(&device, count) == CUDA_ERROR_INVALID_DEVICE, "%d devices", count);
  CHECK_DRIVER(cuDeviceGetName(name, sizeof name, device));
  CHECK_DRIVER(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device));
  CHECK_DRIVER(cuDevicePrimaryCtxRetain(&context, device));
  CHECK_DRIVER(cuCtxSetCurrent(context));
  CHECK_DRIVER(cuCtxGetCurrent(&current));
  EXPECT(current == context && major > 0 && *name, "%s %d", name, major);
  CHECK_DRIVER(cuMemAlloc(&x, sizeof host));
  CHECK_DRIVER(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  CHECK_DRIVER(cuMemsetD32Async(x, 0x40000000, N, stream));  // 2.0f
  CHECK(cudaGetFuncBySymbol(&function, (const void *)scale));
  int n = N;
  float by = 3;
  void *parameters[] = {&x, &n, &by};
  CHECK_DRIVER(
      cuLaunchKernel((CUfunction)function, (N + 127) / 128, 1, 1, 128, 1, 1, 0, stream, parameters, NULL));
  CHECK_DRIVER(cuMemcpyDtoHAsync(host, x, sizeof host, stream));
  CHECK_DRIVER(cuStreamSynchronize(stream));
  EXPECT(host[0] == 6 && host[N - 1] == 6, "%f %f", (double)host[0], (double)host[N - 1]);
  EXPECT(cuMemcpyDtoH(host, x + 4, sizeof host) == CUDA_ERROR_INVALID_VALUE, "past the end");
  EXPECT(cuModuleLoadData(&module, ".version 8.0") != CUDA_SUCCESS, "PTX");
  CHECK_DRIVER(cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &text));
  EXPECT(strcmp(text, "CUDA_ERROR_OUT_OF_MEMORY") == 0, "%s", text);
  CHECK_DRIVER(cuStreamDestroy(stream));
  CHECK_DRIVER(cuMemFree(x));
  EXPECT(cuMemFree(x) == CUDA_ERROR_INVALID_VALUE, "twice");
  CHECK_DRIVER(cuDevicePrimaryCtxRelease(device));
  EXPECT(cudaGetLastError() == cudaSuccess, "the runtime's state is its own");
}

// What was destroyed is no handle any more.
static void test_destroyed(void) {
  cudaGraph_t graph, clone;
  cudaGraphExec_t exec, other;
  cudaArray_t array;
  cudaTextureObject_t texture;
  const cudaChannelFormatDesc format = cudaCreateChannelDesc<float>();
  CHECK(cudaGraphCreate(&graph, 0));
  CHECK(cudaGraphInstantiate(&exec, graph, 0));
  CHECK(cudaGraphDestroy(graph));
  REFUSED(cudaGraphDestroy(graph), cudaErrorInvalidValue);
  REFUSED(cudaGraphClone(&clone, graph), cudaErrorInvalidValue);
  REFUSED(cudaGraphInstantiate(&other, graph, 0), cudaErrorInvalidValue);
  CHECK(cudaGraphLaunch(exec, 0));
  CHECK(cudaGraphExecDestroy(exec));
  REFUSED(cudaGraphLaunch(exec, 0), cudaErrorInvalidValue);
  REFUSED(cudaGraphExecDestroy(exec), cudaErrorInvalidValue);
  CHECK(cudaMallocArray(&array, &format, 8, 8));
  cudaResourceDesc resource = {};
  cudaTextureDesc how = {};
  resource.resType = cudaResourceTypeArray;
  resource.res.array.array = array;
  CHECK(cudaCreateTextureObject(&texture, &resource, &how, NULL));
  CHECK(cudaDestroyTextureObject(texture));
  REFUSED(cudaDestroyTextureObject(texture), cudaErrorInvalidValue);
  CHECK(cudaFreeArray(array));
  REFUSED(cudaFreeArray(array), cudaErrorInvalidResourceHandle);
}

int main(void) {
  test_destroyed();
  test_handles();
  test_pointers();
  test_boxes();
  test_device();
  test_functions();
  test_pools();
  test_streams();
  test_graphs();
  test_driver();
  CHECK(cudaDeviceSynchronize());
  FINISH();
}
