// SPDX-License-Identifier: MIT
// Run-time compilation: options, headers, names of templates and variables, a mistake and its place in the
// log.
#include <cuda.h>
#include <nvrtc.h>

#include <cstdio>
#include <cstring>
#include <string>

static int failures;

#define TRUE(condition) \
  if (!(condition)) printf("FAIL %d: %s\n", __LINE__, #condition), failures++

static const char source[] =
    "#include \"parts/half.h\"\n"
    "__constant__ int factor = 3;\n"
    "namespace one {\n"
    "template <class T> __global__ void scale(T *x) { x[threadIdx.x] = HALF(x[threadIdx.x]) * factor + "
    "OFFSET; }\n"
    "}\n"
    "extern \"C\" __global__ void clear(float *x) { x[threadIdx.x] = 0; }\n";
static const char *const header = "#define HALF(x) ((x) / 2)\n", *const header_name = "parts/half.h";

static std::string log_of(nvrtcProgram program) {
  size_t bytes = 0;
  TRUE(nvrtcGetProgramLogSize(program, &bytes) == NVRTC_SUCCESS);
  std::string log(bytes, 'x');
  TRUE(nvrtcGetProgramLog(program, &log[0]) == NVRTC_SUCCESS && !log.back());
  return log;
}

static void test_run() {
  nvrtcProgram program;
  CUdevice device;
  CUcontext context;
  CUmodule module;
  CUfunction scale, clear;
  CUdeviceptr x, factor;
  size_t bytes = 0;
  const char *const options[] = {"--gpu-architecture=compute_80", "-DOFFSET=1", "--std=c++17"}, *name,
                    *variable;
  TRUE(nvrtcCreateProgram(&program, source, "some.cu", 1, &header, &header_name) == NVRTC_SUCCESS);
  TRUE(nvrtcAddNameExpression(program, "one::scale<float>") == NVRTC_SUCCESS);
  TRUE(nvrtcAddNameExpression(program, "&factor") == NVRTC_SUCCESS);
  TRUE(nvrtcGetLoweredName(program, "&factor", &name) == NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION);
  TRUE(nvrtcGetPTXSize(program, &bytes) == NVRTC_ERROR_INVALID_PROGRAM);
  if (nvrtcCompileProgram(program, 3, options) != NVRTC_SUCCESS) {
    printf("FAIL: %s\n", log_of(program).c_str());
    failures++;
    return;
  }
  TRUE(nvrtcGetPTXSize(program, &bytes) == NVRTC_SUCCESS);
  std::string ptx(bytes, 'x');
  TRUE(nvrtcGetPTX(program, &ptx[0]) == NVRTC_SUCCESS && strlen(ptx.c_str()) + 1 == bytes);
  TRUE(nvrtcGetLoweredName(program, "one::scale<float>", &name) == NVRTC_SUCCESS);
  TRUE(nvrtcGetLoweredName(program, "&factor", &variable) == NVRTC_SUCCESS);
  TRUE(cuInit(0) == CUDA_SUCCESS && cuDeviceGet(&device, 0) == CUDA_SUCCESS);
  TRUE(cuCtxCreate(&context, nullptr, 0, device) == CUDA_SUCCESS);
  TRUE(cuModuleLoadDataEx(&module, ptx.c_str(), 0, nullptr, nullptr) == CUDA_SUCCESS);
  TRUE(cuModuleGetFunction(&scale, module, name) == CUDA_SUCCESS);
  TRUE(cuModuleGetFunction(&clear, module, "clear") == CUDA_SUCCESS);
  TRUE(cuModuleGetGlobal(&factor, &bytes, module, variable) == CUDA_SUCCESS && bytes == sizeof(int));
  TRUE(nvrtcDestroyProgram(&program) == NVRTC_SUCCESS && !program);

  float values[32];
  for (int i = 0; i < 32; i++) values[i] = (float)(4 * i);
  const int ten = 10;
  void *arguments[] = {&x};
  TRUE(cuMemAlloc(&x, sizeof values) == CUDA_SUCCESS);
  TRUE(cuMemcpyHtoD(x, values, sizeof values) == CUDA_SUCCESS);
  TRUE(cuLaunchKernel(scale, 1, 1, 1, 32, 1, 1, 0, nullptr, arguments, nullptr) == CUDA_SUCCESS);
  TRUE(cuMemcpyHtoD(factor, &ten, sizeof ten) == CUDA_SUCCESS);
  TRUE(cuLaunchKernel(scale, 1, 1, 1, 32, 1, 1, 0, nullptr, arguments, nullptr) == CUDA_SUCCESS);
  TRUE(cuLaunchKernel(clear, 1, 1, 1, 2, 1, 1, 0, nullptr, arguments, nullptr) == CUDA_SUCCESS);
  TRUE(cuMemcpyDtoH(values, x, sizeof values) == CUDA_SUCCESS);
  TRUE(values[1] == 0 && values[3] == (4 * 3 / 2 * 3 + 1) / 2.0f * 10 + 1);
  TRUE(cuMemFree(x) == CUDA_SUCCESS);
}

int main() {
  test_run();
  nvrtcProgram program;
  TRUE(nvrtcCreateProgram(&program, nullptr, "x.cu", 0, nullptr, nullptr) == NVRTC_ERROR_INVALID_INPUT);
  TRUE(nvrtcCreateProgram(&program, "\n__global__ void k() { missing(); }\n", "wrong.cu", 0, nullptr,
                          nullptr) == NVRTC_SUCCESS);
  TRUE(nvrtcCompileProgram(program, 0, nullptr) == NVRTC_ERROR_COMPILATION);
  TRUE(log_of(program).find("wrong.cu:2") != std::string::npos);
  TRUE(nvrtcDestroyProgram(&program) == NVRTC_SUCCESS);
  TRUE(nvrtcDestroyProgram(&program) == NVRTC_ERROR_INVALID_PROGRAM);
  TRUE(!strcmp(nvrtcGetErrorString(NVRTC_ERROR_COMPILATION), "NVRTC_ERROR_COMPILATION"));
  printf("%s\n", failures ? "FAIL" : "PASS");
  return failures ? 1 : 0;
}
