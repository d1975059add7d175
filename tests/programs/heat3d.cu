// SPDX-License-Identifier: MIT
// A seven-point stencil in three dimensions, marching in z with the column in registers; and the plain 3-D
// version.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define INDEX(x, y, z) (((size_t)(z)*ny + (y)) * nx + (x))

__global__ void plain(const double *in, double *out, int nx, int ny, int nz) {
  int x = threadIdx.x + blockIdx.x * blockDim.x, y = threadIdx.y + blockIdx.y * blockDim.y,
      z = threadIdx.z + blockIdx.z * blockDim.z;
  if (x < 1 || y < 1 || z < 1 || x >= nx - 1 || y >= ny - 1 || z >= nz - 1) return;
  out[INDEX(x, y, z)] = (in[INDEX(x - 1, y, z)] + in[INDEX(x + 1, y, z)] + in[INDEX(x, y - 1, z)] +
                         in[INDEX(x, y + 1, z)] + in[INDEX(x, y, z - 1)] + in[INDEX(x, y, z + 1)]) /
                        6;
}

template <int BX, int BY>
__global__ void marching(const double *__restrict__ in, double *__restrict__ out, int nx, int ny, int nz) {
  __shared__ double plane[BY + 2][BX + 2];
  const int x = blockIdx.x * BX + threadIdx.x + 1, y = blockIdx.y * BY + threadIdx.y + 1;
  const int tx = threadIdx.x + 1, ty = threadIdx.y + 1;
  const bool loads = x < nx && y < ny, inside = x < nx - 1 && y < ny - 1;
  double below = loads ? in[INDEX(x, y, 0)] : 0, here = loads ? in[INDEX(x, y, 1)] : 0;
  for (int z = 1; z < nz - 1; z++) {
    const double above = loads ? in[INDEX(x, y, z + 1)] : 0;
    __syncthreads();
    plane[ty][tx] = here;
    if (tx == 1 && loads) plane[ty][0] = in[INDEX(x - 1, y, z)];
    if (ty == 1 && loads) plane[0][tx] = in[INDEX(x, y - 1, z)];
    if (tx == BX && x + 1 < nx && y < ny) plane[ty][BX + 1] = in[INDEX(x + 1, y, z)];
    if (ty == BY && y + 1 < ny && x < nx) plane[BY + 1][tx] = in[INDEX(x, y + 1, z)];
    __syncthreads();
    if (inside)
      out[INDEX(x, y, z)] =
          (plane[ty][tx - 1] + plane[ty][tx + 1] + plane[ty - 1][tx] + plane[ty + 1][tx] + below + above) / 6;
    below = here;
    here = above;
  }
}

int main() {
  const int nx = 35, ny = 22, nz = 13;
  const size_t n = (size_t)nx * ny * nz, bytes = n * sizeof(double);
  double *in = (double *)malloc(bytes), *out = (double *)malloc(bytes), *d_in, *d_out;
  for (size_t i = 0; i < n; i++) in[i] = (double)(i * 2654435761u % 1000) / 1000;
  cudaMalloc(&d_in, bytes);
  cudaMalloc(&d_out, bytes);
  cudaMemcpy(d_in, in, bytes, cudaMemcpyHostToDevice);
  double worst = 0;
  for (int version = 0; version < 2; version++) {
    cudaMemset(d_out, 0xff, bytes);  // NaN everywhere
    if (version == 0) {
      dim3 block(8, 4, 4), grid((nx + 7) / 8, (ny + 3) / 4, (nz + 3) / 4);
      plain<<<grid, block>>>(d_in, d_out, nx, ny, nz);
    } else {
      marching<16, 8><<<dim3((nx - 2 + 15) / 16, (ny - 2 + 7) / 8), dim3(16, 8)>>>(d_in, d_out, nx, ny, nz);
    }
    if (cudaMemcpy(out, d_out, bytes, cudaMemcpyDeviceToHost) != cudaSuccess) return EXIT_FAILURE;
    for (int z = 1; z < nz - 1; z++)
      for (int y = 1; y < ny - 1; y++)
        for (int x = 1; x < nx - 1; x++) {
          const double exact = (in[INDEX(x - 1, y, z)] + in[INDEX(x + 1, y, z)] + in[INDEX(x, y - 1, z)] +
                                in[INDEX(x, y + 1, z)] + in[INDEX(x, y, z - 1)] + in[INDEX(x, y, z + 1)]) /
                               6;
          const double error = fabs(exact - out[INDEX(x, y, z)]);
          if (!(error <= worst)) worst = error;
        }
  }
  cudaFree(d_in);
  cudaFree(d_out);
  free(in);
  free(out);
  printf("heat3d: max error %g: %s\n", worst, worst < 1e-12 ? "PASS" : "FAIL");
  return worst < 1e-12 ? EXIT_SUCCESS : EXIT_FAILURE;
}
