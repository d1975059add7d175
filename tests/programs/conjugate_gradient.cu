// SPDX-License-Identifier: MIT
// Conjugate gradients in one cooperative launch: grid-wide barriers between the phases, dot products through
// atomics.
#include <cooperative_groups.h>
#include <cuda_runtime.h>

#include <cmath>
#include <cstdio>
#include <vector>

namespace cg = cooperative_groups;

// A x for the matrix with 2.1 on the diagonal and -1 beside it.
__host__ __device__ inline double row_times(const double *x, int i, int n) {
  return 2.1 * x[i] - (i > 0 ? x[i - 1] : 0) - (i < n - 1 ? x[i + 1] : 0);
}

__device__ void add_to(double *target, double value, const cg::thread_block &block) {
  __shared__ double sum;
  if (block.thread_rank() == 0) sum = 0;
  block.sync();
  atomicAdd(&sum, value);
  block.sync();
  if (block.thread_rank() == 0) atomicAdd(target, sum);
  block.sync();
}

__global__ void solve(double *x, double *r, double *p, double *ap, double *dots, int n, int most,
                      double tolerance, int *steps) {
  cg::grid_group grid = cg::this_grid();
  cg::thread_block block = cg::this_thread_block();
  const int first = (int)grid.thread_rank(), stride = (int)grid.size();
  double sum = 0;
  for (int i = first; i < n; i += stride) sum += r[i] * r[i];
  add_to(&dots[0], sum, block);
  grid.sync();
  double rr = dots[0];
  int step = 0;
  for (; step < most && rr > tolerance; step++) {
    double *d = dots + 1 + 2 * step;  // fresh sums for every step: nobody has to clear one that is still read
    sum = 0;
    for (int i = first; i < n; i += stride) {
      ap[i] = row_times(p, i, n);
      sum += p[i] * ap[i];
    }
    add_to(&d[0], sum, block);
    grid.sync();
    const double alpha = rr / d[0];
    sum = 0;
    for (int i = first; i < n; i += stride) {
      x[i] += alpha * p[i];
      r[i] -= alpha * ap[i];
      sum += r[i] * r[i];
    }
    add_to(&d[1], sum, block);
    grid.sync();
    const double beta = d[1] / rr;
    rr = d[1];
    for (int i = first; i < n; i += stride) p[i] = r[i] + beta * p[i];
    grid.sync();
  }
  if (first == 0) *steps = step;
}

int main() {
  int n = 777, most = 300, cooperative = 0, steps = -1;
  double tolerance = 1e-18;
  cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, 0);
  std::vector<double> exact(n), b(n), x(n);
  for (int i = 0; i < n; i++) exact[i] = std::sin(0.1 * i);
  for (int i = 0; i < n; i++) b[i] = row_times(exact.data(), i, n);
  double *d_x, *d_r, *d_p, *d_ap, *d_dots;
  int *d_steps;
  for (double **v : {&d_x, &d_r, &d_p, &d_ap}) cudaMalloc(v, n * sizeof(double));
  cudaMalloc(&d_dots, (1 + 2 * most) * sizeof(double));
  cudaMalloc(&d_steps, sizeof(int));
  cudaMemset(d_x, 0, n * sizeof(double));
  cudaMemset(d_dots, 0, (1 + 2 * most) * sizeof(double));
  cudaMemcpy(d_r, b.data(), n * sizeof(double), cudaMemcpyHostToDevice);
  cudaMemcpy(d_p, d_r, n * sizeof(double), cudaMemcpyDeviceToDevice);
  int per_sm = 0;
  cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_sm, solve, 64, 0);
  void *arguments[] = {&d_x, &d_r, &d_p, &d_ap, &d_dots, &n, &most, &tolerance, &d_steps};
  bool good = cooperative && per_sm > 0;
  good = cudaLaunchCooperativeKernel((void *)solve, 4, 64, arguments) == cudaSuccess && good;
  good = cudaMemcpy(x.data(), d_x, n * sizeof(double), cudaMemcpyDeviceToHost) == cudaSuccess && good;
  cudaMemcpy(&steps, d_steps, sizeof steps, cudaMemcpyDeviceToHost);
  double worst = 0;
  for (int i = 0; i < n; i++)
    if (!(std::fabs(x[i] - exact[i]) <= worst)) worst = std::fabs(x[i] - exact[i]);
  for (double *v : {d_x, d_r, d_p, d_ap, d_dots}) cudaFree(v);
  cudaFree(d_steps);
  good = good && worst < 1e-7 && steps > 0 && steps < most;
  std::printf("conjugate_gradient: %d steps, max error %g: %s\n", steps, worst, good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
