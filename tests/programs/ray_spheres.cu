// SPDX-License-Identifier: MIT
// Parallel rays against spheres in constant memory; shapes behind a virtual function, made on the device with
// new.
#include <cuda_runtime.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SPHERES 12
#define DIM 61
#define FAR_AWAY 2e10f

struct Shape {
  __host__ __device__ virtual ~Shape() {}
  __host__ __device__ virtual float hit(float x, float y, float *shade) const = 0;
};

struct Sphere : public Shape {
  float x, y, z, radius;
  __host__ __device__ Sphere(int i)
      : x((float)(i * 37 % 50) - 25),
        y((float)(i * 23 % 50) - 25),
        z((float)(i * 11 % 40) - 20),
        radius((float)(4 + i % 5)) {}
  __host__ __device__ float hit(float ox, float oy, float *shade) const override {
    const float dx = ox - x, dy = oy - y, inside = radius * radius - dx * dx - dy * dy;
    if (!(inside > 0)) return -FAR_AWAY;
    const float dz = sqrtf(inside);
    *shade = dz / radius;
    return dz + z;
  }
};

__host__ __device__ static float trace(Shape *const *shapes, int px, int py) {
  const float ox = (float)(px - DIM / 2), oy = (float)(py - DIM / 2);
  float nearest = -FAR_AWAY, colour = 0;
  for (int i = 0; i < SPHERES; i++) {
    float shade = 0;
    const float t = shapes[i]->hit(ox, oy, &shade);
    if (t > nearest) {
      nearest = t;
      colour = shade * (float)(i + 1);
    }
  }
  return colour;
}

__global__ void build(Shape **shapes) {
  shapes[threadIdx.x] = new Sphere((int)threadIdx.x);
}
__global__ void destroy(Shape **shapes) {
  delete shapes[threadIdx.x];
}

__global__ void render(Shape **shapes, float *image) {
  const int x = threadIdx.x + blockIdx.x * blockDim.x, y = threadIdx.y + blockIdx.y * blockDim.y;
  if (x < DIM && y < DIM) image[y * DIM + x] = trace(shapes, x, y);
}

int main(void) {
  Shape **d_shapes, *shapes[SPHERES];
  float *d_image, *image = (float *)malloc(DIM * DIM * sizeof(float));
  cudaMalloc((void **)&d_shapes, sizeof shapes);
  cudaMalloc((void **)&d_image, DIM * DIM * sizeof(float));
  build<<<1, SPHERES>>>(d_shapes);
  render<<<dim3((DIM + 15) / 16, (DIM + 15) / 16), dim3(16, 16)>>>(d_shapes, d_image);
  destroy<<<1, SPHERES>>>(d_shapes);
  const int failed =
      cudaMemcpy(image, d_image, DIM * DIM * sizeof(float), cudaMemcpyDeviceToHost) != cudaSuccess;
  cudaFree(d_shapes);
  cudaFree(d_image);
  for (int i = 0; i < SPHERES; i++) shapes[i] = new Sphere(i);
  int differ = 0, lit = 0;
  for (int y = 0; y < DIM; y++)
    for (int x = 0; x < DIM; x++) {
      const float exact = trace(shapes, x, y);
      differ += !(fabsf(exact - image[y * DIM + x]) < 1e-3f);
      lit += exact > 0;
    }
  for (int i = 0; i < SPHERES; i++) delete shapes[i];
  free(image);
  const int good =
      !failed && differ <= 2 && lit > 100;  // where two spheres are equally near, rounding decides
  printf("ray_spheres: %d pixels lit, %d differ: %s\n", lit, differ, good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
