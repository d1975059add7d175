// SPDX-License-Identifier: MIT
// The driver API's modules: kernels and variables by name, arguments by address and as one block of bytes,
// two loads of one file, images in memory, links, libraries; what is no module, and what a module lacks.
// usage: main MODULE
#include <cuda.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

static int failures;

#define EXPECT(call, wanted)                                                                                \
  do {                                                                                                      \
    const CUresult got = (call);                                                                            \
    if (got != (wanted)) printf("FAIL %d: %s gave %d, not %d\n", __LINE__, #call, got, wanted), failures++; \
  } while (0)
#define TRUE(condition) \
  if (!(condition)) printf("FAIL %d: %s\n", __LINE__, #condition), failures++

enum { N = 100 };
struct odd {
  char tag;
  double value;
};

static int run(CUfunction scale, bool as_bytes, int expected) {
  CUdeviceptr in, out;
  int values[N], results[N], wrong = 0;
  for (int i = 0; i < N; i++) values[i] = i;
  EXPECT(cuMemAlloc(&in, sizeof values), CUDA_SUCCESS);
  EXPECT(cuMemAlloc(&out, sizeof results), CUDA_SUCCESS);
  EXPECT(cuMemcpyHtoD(in, values, sizeof values), CUDA_SUCCESS);
  short n = N;
  odd extra = {1, 2.5};
  char c = 4;
  if (as_bytes) {
    struct {
      CUdeviceptr in, out;
      short n;
      odd extra;
      char c;
    } block = {in, out, n, extra, c};
    size_t bytes = sizeof block;
    void *options[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &block, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes,
                       CU_LAUNCH_PARAM_END};
    EXPECT(cuLaunchKernel(scale, 2, 1, 1, 64, 1, 1, 0, NULL, NULL, options), CUDA_SUCCESS);
    bytes = 16;
    EXPECT(cuLaunchKernel(scale, 2, 1, 1, 64, 1, 1, 0, NULL, NULL, options), CUDA_ERROR_INVALID_VALUE);
  } else {
    void *parameters[] = {&in, &out, &n, &extra, &c};
    EXPECT(cuLaunchKernel(scale, 2, 1, 1, 64, 1, 1, 0, NULL, parameters, NULL), CUDA_SUCCESS);
  }
  EXPECT(cuMemcpyDtoH(results, out, sizeof results), CUDA_SUCCESS);
  for (int i = 0; i < N; i++) wrong += results[i] != expected * i + 7;
  EXPECT(cuMemFree(in), CUDA_SUCCESS);
  EXPECT(cuMemFree(out), CUDA_SUCCESS);
  return wrong;
}

int main(int argc, char **argv) {
  if (argc < 2) return 2;
  CUdevice device;
  CUcontext context;
  CUmodule first, second, third;
  CUfunction scale, again, fill;
  CUdeviceptr factor, count, other;
  size_t bytes = 0;
  EXPECT(cuInit(0), CUDA_SUCCESS);
  EXPECT(cuDeviceGet(&device, 0), CUDA_SUCCESS);
  EXPECT(cuCtxCreate(&context, NULL, 0, device), CUDA_SUCCESS);
  EXPECT(cuModuleLoad(&first, "no-such-file"), CUDA_ERROR_FILE_NOT_FOUND);
  EXPECT(cuModuleLoad(&first, argv[1]), CUDA_SUCCESS);
  EXPECT(cuModuleGetFunction(&scale, first, "scale"), CUDA_SUCCESS);
  EXPECT(cuModuleGetFunction(&fill, first, "none"), CUDA_ERROR_NOT_FOUND);
  EXPECT(cuModuleGetFunction(&fill, first, "_Z4fillIfEvPT_S0_"), CUDA_SUCCESS);
  EXPECT(cuModuleGetFunction(&fill, (CUmodule)&scale, "scale"), CUDA_ERROR_INVALID_HANDLE);
  TRUE(run(scale, false, 3) == 0);
  TRUE(run(scale, true, 3) == 0);

  // Its variables. A second load has its own.
  EXPECT(cuModuleGetGlobal(&factor, &bytes, first, "factor"), CUDA_SUCCESS);
  TRUE(bytes == sizeof(int));
  EXPECT(cuModuleGetGlobal(&count, &bytes, first, "count"), CUDA_SUCCESS);
  TRUE(bytes == 4 * sizeof(int));
  EXPECT(cuModuleGetGlobal(&other, &bytes, first, "none"), CUDA_ERROR_NOT_FOUND);
  int five = 5, counts[4];
  EXPECT(cuMemcpyHtoD(factor, &five, sizeof five), CUDA_SUCCESS);
  TRUE(run(scale, false, 5) == 0);
  EXPECT(cuMemcpyDtoH(counts, count, sizeof counts), CUDA_SUCCESS);
  TRUE(counts[0] == 75 && counts[3] == 75);
  EXPECT(cuModuleLoad(&second, argv[1]), CUDA_SUCCESS);
  EXPECT(cuModuleGetFunction(&again, second, "scale"), CUDA_SUCCESS);
  TRUE(again != scale && run(again, false, 3) == 0);

  // An image in memory, and one that was linked.
  std::ifstream file(argv[1], std::ios::binary);
  std::vector<char> image((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  CUlinkState link;
  void *linked;
  size_t linked_bytes;
  EXPECT(cuLinkCreate(0, NULL, NULL, &link), CUDA_SUCCESS);
  image.push_back(0);  // PTX is a string
  EXPECT(cuLinkAddData(link, CU_JIT_INPUT_PTX, image.data(), image.size(), "k", 0, NULL, NULL), CUDA_SUCCESS);
  EXPECT(cuLinkComplete(link, &linked, &linked_bytes), CUDA_SUCCESS);
  EXPECT(cuModuleLoadDataEx(&third, linked, 0, NULL, NULL), CUDA_SUCCESS);
  EXPECT(cuLinkDestroy(link), CUDA_SUCCESS);
  EXPECT(cuModuleGetFunction(&again, third, "scale"), CUDA_SUCCESS);
  TRUE(run(again, true, 3) == 0);
  EXPECT(cuModuleLoadData(&third, ".version 8.0\n.target sm_90\n"), CUDA_ERROR_NOT_SUPPORTED);
  EXPECT(cuModuleLoadData(&third, NULL), CUDA_ERROR_INVALID_VALUE);
  EXPECT(cuModuleUnload(second), CUDA_SUCCESS);
  EXPECT(cuModuleUnload(second), CUDA_ERROR_INVALID_HANDLE);
  EXPECT(cuModuleUnload(first), CUDA_SUCCESS);
  EXPECT(cuModuleGetFunction(&scale, first, "scale"), CUDA_ERROR_INVALID_HANDLE);
  CUlibrary library;
  CUkernel kernel;
  EXPECT(cuLibraryLoadData(&library, image.data(), NULL, NULL, 0, NULL, NULL, 0), CUDA_SUCCESS);
  EXPECT(cuLibraryGetKernel(&kernel, library, "scale"), CUDA_SUCCESS);
  EXPECT(cuKernelGetFunction(&scale, kernel), CUDA_SUCCESS);
  TRUE(run(scale, false, 3) == 0);
  printf("%s\n", failures ? "FAIL" : "PASS");
  return failures ? 1 : 0;
}
