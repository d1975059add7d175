// SPDX-License-Identifier: MIT
// All-pairs gravity: bodies pass through shared memory tile by tile; float4 holds position and mass.
#include <math.h>
#include <stdio.h>
#include <vector>

#define TILE 64
#define SOFTENING 1e-3f

__device__ float3 interaction(float4 bi, float4 bj, float3 ai) {
  float3 r = make_float3(bj.x - bi.x, bj.y - bi.y, bj.z - bi.z);
  float distance2 = r.x * r.x + r.y * r.y + r.z * r.z + SOFTENING;
  float inverse = rsqrtf(distance2);
  float s = bj.w * inverse * inverse * inverse;
  ai.x += r.x * s;
  ai.y += r.y * s;
  ai.z += r.z * s;
  return ai;
}

__global__ void accelerations(const float4 *bodies, float3 *out, int n) {
  extern __shared__ float4 tile[];
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const float4 mine = i < n ? bodies[i] : make_float4(0, 0, 0, 0);
  float3 acceleration = {0.0f, 0.0f, 0.0f};
  for (int start = 0; start < n; start += blockDim.x) {
    const int j = start + threadIdx.x;
    tile[threadIdx.x] = j < n ? bodies[j] : make_float4(0, 0, 0, 0);  // no mass, no pull
    __syncthreads();
#pragma unroll 4
    for (int k = 0; k < (int)blockDim.x; k++) acceleration = interaction(mine, tile[k], acceleration);
    __syncthreads();
  }
  if (i < n) out[i] = acceleration;
}

__global__ void move(float4 *bodies, float3 *velocity, const float3 *acceleration, float dt, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float3 v = velocity[i];
  const float3 a = acceleration[i];
  v.x += a.x * dt, v.y += a.y * dt, v.z += a.z * dt;
  bodies[i].x += v.x * dt, bodies[i].y += v.y * dt, bodies[i].z += v.z * dt;
  velocity[i] = v;
}

int main() {
  const int n = 333, steps = 3;
  const float dt = 0.01f;
  std::vector<float4> bodies(n);
  std::vector<double> p(3 * n), v(3 * n, 0.0), a(3 * n);
  for (int i = 0; i < n; i++) {
    bodies[i] = make_float4(cosf(i * 0.7f), sinf(i * 1.3f), cosf(i * 2.1f), 1.0f / (float)(n + i));
    p[3 * i] = bodies[i].x, p[3 * i + 1] = bodies[i].y, p[3 * i + 2] = bodies[i].z;
  }
  float4 *d_bodies;
  float3 *d_v, *d_a;
  cudaMalloc((void **)&d_bodies, n * sizeof(float4));
  cudaMalloc((void **)&d_v, n * sizeof(float3));
  cudaMalloc((void **)&d_a, n * sizeof(float3));
  cudaMemcpy(d_bodies, &bodies[0], n * sizeof(float4), cudaMemcpyHostToDevice);
  cudaMemset(d_v, 0, n * sizeof(float3));
  const int blocks = (n + TILE - 1) / TILE;
  for (int s = 0; s < steps; s++) {
    accelerations<<<blocks, TILE, TILE * sizeof(float4)>>>(d_bodies, d_a, n);
    move<<<blocks, TILE>>>(d_bodies, d_v, d_a, dt, n);
    for (int i = 0; i < n; i++) {
      a[3 * i] = a[3 * i + 1] = a[3 * i + 2] = 0;
      for (int j = 0; j < n; j++) {
        double r[3], d2 = SOFTENING;
        for (int c = 0; c < 3; c++) r[c] = p[3 * j + c] - p[3 * i + c], d2 += r[c] * r[c];
        for (int c = 0; c < 3; c++) a[3 * i + c] += bodies[j].w * r[c] / (d2 * sqrt(d2));
      }
    }
    for (int i = 0; i < 3 * n; i++) p[i] += (v[i] += a[i] * dt) * dt;
  }
  std::vector<float4> found(n);
  cudaMemcpy(&found[0], d_bodies, n * sizeof(float4), cudaMemcpyDeviceToHost);
  double worst = cudaGetLastError() == cudaSuccess ? 0 : INFINITY;
  for (int i = 0; i < n; i++) {
    const double error = fmax(fabs(found[i].x - p[3 * i]),
                              fmax(fabs(found[i].y - p[3 * i + 1]), fabs(found[i].z - p[3 * i + 2])));
    if (!(error <= worst)) worst = error;
  }
  cudaFree(d_bodies);
  cudaFree(d_v);
  cudaFree(d_a);
  printf("nbody: max error %g: %s\n", worst, worst < 1e-4 ? "PASS" : "FAIL");
  return worst < 1e-4 ? 0 : 1;
}
