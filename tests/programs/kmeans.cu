// SPDX-License-Identifier: MIT
// k-means in the plane: labels by nearest centre, sums by atomics in shared memory, new centres by one block.
#include <cuda_runtime.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define K 5
typedef struct {
  float x, y;
} point;

__constant__ point centres[K];

__host__ __device__ static float distance2(point a, point b) {
  float dx = a.x - b.x, dy = a.y - b.y;
  return dx * dx + dy * dy;
}

__global__ void assign(const point *points, int *label, int n, double *sums, int *counts) {
  __shared__ double s[2 * K];
  __shared__ int c[K];
  if (threadIdx.x < 2 * K) s[threadIdx.x] = 0;
  if (threadIdx.x < K) c[threadIdx.x] = 0;
  __syncthreads();
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    int best = 0;
    for (int k = 1; k < K; k++)
      if (distance2(points[i], centres[k]) < distance2(points[i], centres[best])) best = k;
    label[i] = best;
    atomicAdd(&s[2 * best], (double)points[i].x);
    atomicAdd(&s[2 * best + 1], (double)points[i].y);
    atomicAdd(&c[best], 1);
  }
  __syncthreads();
  if (threadIdx.x < 2 * K) atomicAdd(&sums[threadIdx.x], s[threadIdx.x]);
  if (threadIdx.x < K) atomicAdd(&counts[threadIdx.x], c[threadIdx.x]);
}

int main(void) {
  const int n = 2003, steps = 6;
  point *points = (point *)malloc(n * sizeof(point)), now[K], next[K], *d_points;
  const point true_centres[K] = {{0, 0}, {10, 0}, {0, 10}, {10, 10}, {25, 5}};
  for (int i = 0; i < n; i++) {
    points[i].x = true_centres[i % K].x + 2 * sinf(i * 1.7f);
    points[i].y = true_centres[i % K].y + 2 * cosf(i * 2.9f);
  }
  for (int k = 0; k < K; k++) now[k] = points[k];
  int *d_label, *d_counts, *label = (int *)malloc(n * sizeof(int)), counts[K], wrong = 0;
  double *d_sums, sums[2 * K], worst = 0;
  cudaMalloc(&d_points, n * sizeof(point));
  cudaMalloc(&d_label, n * sizeof(int));
  cudaMalloc(&d_counts, sizeof counts);
  cudaMalloc(&d_sums, sizeof sums);
  cudaMemcpy(d_points, points, n * sizeof(point), cudaMemcpyHostToDevice);
  for (int s = 0; s < steps; s++) {
    cudaMemcpyToSymbol(centres, now, sizeof now);
    cudaMemset(d_sums, 0, sizeof sums);
    cudaMemset(d_counts, 0, sizeof counts);
    assign<<<(n + 95) / 96, 96>>>(d_points, d_label, n, d_sums, d_counts);
    cudaMemcpy(label, d_label, n * sizeof(int), cudaMemcpyDeviceToHost);
    cudaMemcpy(sums, d_sums, sizeof sums, cudaMemcpyDeviceToHost);
    cudaMemcpy(counts, d_counts, sizeof counts, cudaMemcpyDeviceToHost);
    double exact[2 * K] = {0};
    int exact_counts[K] = {0};
    for (int i = 0; i < n; i++) {
      float nearest = INFINITY;
      for (int k = 0; k < K; k++) nearest = fminf(nearest, distance2(points[i], now[k]));
      if (label[i] < 0 || label[i] >= K || !(distance2(points[i], now[label[i]]) <= nearest * 1.00001f)) {
        wrong++;
        continue;
      }
      exact[2 * label[i]] += points[i].x;
      exact[2 * label[i] + 1] += points[i].y;
      exact_counts[label[i]]++;
    }
    for (int k = 0; k < K; k++) {
      wrong += counts[k] != exact_counts[k];
      for (int c = 0; c < 2; c++)
        if (!(fabs(sums[2 * k + c] - exact[2 * k + c]) <= worst))
          worst = fabs(sums[2 * k + c] - exact[2 * k + c]);
      next[k].x = (float)(sums[2 * k] / counts[k]);
      next[k].y = (float)(sums[2 * k + 1] / counts[k]);
      now[k] = next[k];
    }
  }
  for (int k = 0; k < K; k++) wrong += !(distance2(now[k], true_centres[k]) < 0.1f);
  cudaFree(d_points);
  cudaFree(d_label);
  cudaFree(d_counts);
  cudaFree(d_sums);
  free(points);
  free(label);
  int good = wrong == 0 && worst < 1e-9;
  printf("kmeans: %d wrong, max error %g: %s\n", wrong, worst, good ? "PASS" : "FAIL");
  return !good;
}
