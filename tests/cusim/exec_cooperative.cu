// SPDX-License-Identifier: MIT
// Launches by address, and grids whose blocks wait for each other.
#include <cooperative_groups.h>

#include "exec_check.h"

namespace cg = cooperative_groups;

__global__ void scale(float *x, float factor, int n) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) x[i] *= factor;
}

template <class T>
static __global__ void shift(T *x, T by, int n) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) x[i] += by;
}

// Each step needs every other block's last step.
__global__ void rotate(int *from, int *to, int n, int steps) {
  const cg::grid_group grid = cg::this_grid();
  for (int step = 0; step < steps; step++) {
    for (int i = (int)grid.thread_rank(); i < n; i += (int)grid.size()) to[(i + 1) % n] = from[i];
    grid.sync();
    int *swap = from;
    from = to;
    to = swap;
  }
}

int main() {
  enum { COUNT = 1000, STEPS = 37 };
  static float x[COUNT];
  float *device, factor = 3.0f, by = 1.0f;
  int n = COUNT;
  for (int i = 0; i < COUNT; i++) x[i] = (float)i;
  CHECK(cudaMalloc(&device, sizeof x));
  CHECK(cudaMemcpy(device, x, sizeof x, cudaMemcpyHostToDevice));
  void *arguments[] = {&device, &factor, &n};
  CHECK(cudaLaunchKernel((void *)scale, dim3(8), dim3(128), arguments, 0, 0));
  void *more[] = {&device, &by, &n};
  CHECK(cudaLaunchKernel((const void *)shift<float>, dim3(8), dim3(128), more, 0, 0));
  CHECK(cudaMemcpy(x, device, sizeof x, cudaMemcpyDeviceToHost));
  for (int i = 0; i < COUNT; i++) EXPECT(x[i] == 3.0f * (float)i + 1.0f, "%d: %g", i, x[i]);

  int support = 0, *from, *to, steps = STEPS;
  static int host[COUNT];
  CHECK(cudaDeviceGetAttribute(&support, cudaDevAttrCooperativeLaunch, 0));
  EXPECT(support == 1, "%d", support);
  CHECK(cudaMalloc(&from, sizeof host));
  CHECK(cudaMalloc(&to, sizeof host));
  for (int i = 0; i < COUNT; i++) host[i] = i;
  CHECK(cudaMemcpy(from, host, sizeof host, cudaMemcpyHostToDevice));
  void *rotation[] = {&from, &to, &n, &steps};
  CHECK(cudaLaunchCooperativeKernel((void *)rotate, dim3(7), dim3(64), rotation, 0, 0));
  CHECK(cudaMemcpy(host, STEPS % 2 ? to : from, sizeof host, cudaMemcpyDeviceToHost));
  for (int i = 0; i < COUNT; i++)
    EXPECT(host[(i + STEPS) % COUNT] == i, "%d: %d", i, host[(i + STEPS) % COUNT]);

  const cudaError_t many =
      cudaLaunchCooperativeKernel((void *)rotate, dim3(1 << 20), dim3(64), rotation, 0, 0);
  EXPECT(many == cudaErrorCooperativeLaunchTooLarge, "%s", cudaGetErrorName(many));
  FINISH();
}
