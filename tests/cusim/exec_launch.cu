// SPDX-License-Identifier: MIT
// Every way to write a launch and to pass arguments; printf in kernels.
#include "exec_check.h"

struct triple {
  int a;
  double b;
  const float *c;
};

struct square {
  __device__ float operator()(float x) const { return x * x; }
};

// A parameter with constructor and destructor: the device gets its bytes, the host copies it once for the
// call.
static int copies, ends;
struct owner {
  float *x;
  explicit owner(float *p) : x(p) {}
  __host__ __device__ owner(const owner &other) : x(other.x) {
#ifndef __CUDA_ARCH__
    copies++;
#endif
  }
  __host__ __device__ ~owner() {
#ifndef __CUDA_ARCH__
    ends++;
#endif
  }
};
__global__ void take_owner(owner o, int n) {
  if (threadIdx.x == 0) o.x += 1;  // each thread has its own
  atomicAdd(o.x, (float)n);
}

template <class T, int FACTOR>
__global__ void scale(T *x, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] *= FACTOR;
}

template <class Operation>
__global__ void apply(float *x, Operation operation) {
  x[threadIdx.x] = operation(x[threadIdx.x]);
}

template <class Operation>
void apply_to(float *x, Operation operation) {
  apply<<<1, 4>>>(x, operation);
}

__global__ void take_struct(float *x, triple t) {
  x[0] = t.a + (float)t.b + (t.c ? t.c[1] : 0);
}
__global__ void take_pointers(float *x, const float *a, const float *b, int zero) {
  x[0] = a == NULL && b == NULL && zero == 0 ? 1.0f : 2.0f;
}
__global__ void change_argument(float *x, int n) {
  n += threadIdx.x;  // each thread has its own copy
  x[threadIdx.x] = (float)n;
}
__global__ void add_one(float *x) {
  x[threadIdx.x] += 1;
}
__global__ void add_ten(float *x) {
  x[threadIdx.x] += 10;
}
__global__ void __launch_bounds__(128, 2) bounded(float *x) {
  x[threadIdx.x] = 5;
}
__global__ void nothing(void) {}

// A local array per thread, recursion, and a device function by reference.
__device__ int fibonacci(int n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}
__device__ __forceinline__ void swap_values(float &a, float &b) {
  const float old = a;
  a = b;
  b = old;
}
__global__ void local_work(float *x) {
  float own[8];
#pragma unroll
  for (int i = 0; i < 8; i++) own[i] = (float)(threadIdx.x * i);
  swap_values(own[1], own[7]);
  x[threadIdx.x] = own[1] + fibonacci(threadIdx.x);
}

__global__ void speak(const char *unused) {
  (void)unused;
  if (threadIdx.x == 1)
    printf("thread %d of block %d says %.2f %s\n", (int)threadIdx.x, (int)blockIdx.x, 1.5, "hello");
}

namespace outer {
namespace inner {
__global__ void named(float *x, int v) {
  x[0] = (float)v;
}
}  // namespace inner
}  // namespace outer

#define LAUNCH(kernel, blocks, threads, ...) kernel<<<(blocks), (threads)>>>(__VA_ARGS__)

static float *x;
static float first(void) {
  float value = -1;
  CHECK(cudaGetLastError());
  CHECK(cudaMemcpy(&value, x, sizeof value, cudaMemcpyDeviceToHost));
  return value;
}
static void set(float a, float b, float c, float d) {
  const float values[4] = {a, b, c, d};
  CHECK(cudaMemcpy(x, values, sizeof values, cudaMemcpyHostToDevice));
}

int main(void) {
  float h[4];
  CHECK(cudaMalloc(&x, sizeof h));
  set(1, 2, 3, 4);
  scale<float, 3><<<1, 4>>>(x, 4);
  EXPECT(first() == 3, "%f", first());
  scale<int, (1 > 0 ? 2 : 5)><<<1, 2>>>((int *)x, 0);
  EXPECT(first() == 3, "%f", first());
  apply_to(x, square());
  EXPECT(first() == 9, "%f", first());

  const triple t = {1, 2.5, x + 1};
  set(0, 0, 7, 0);
  take_struct<<<1, 1>>>(x, t);
  EXPECT(first() == 10.5, "%f", first());
  take_struct<<<1, 1>>>(x, triple{4, 0.5, NULL});
  EXPECT(first() == 4.5, "%f", first());
  take_pointers<<<1, 1>>>(x, NULL, nullptr, 0);
  EXPECT(first() == 1, "%f", first());
  take_pointers<<<1, 1>>>(x, 0, NULL, 0);
  EXPECT(first() == 1, "%f", first());

  int n = 100;
  change_argument<<<1, 4>>>(x, n);
  CHECK(cudaMemcpy(h, x, sizeof h, cudaMemcpyDeviceToHost));
  EXPECT(h[0] == 100 && h[3] == 103 && n == 100, "%f %f", h[0], h[3]);

  set(0, 0, 0, 0);
  {
    const owner o(x);
    take_owner<<<2, 4>>>(o, 5);
    CHECK(cudaDeviceSynchronize());
    EXPECT(copies == 1 && ends == 1, "%d copies, %d ends", copies, ends);
    CHECK(cudaMemcpy(h, x, sizeof h, cudaMemcpyDeviceToHost));
    EXPECT(h[0] == 30 && h[1] == 10, "%f %f", h[0], h[1]);
  }
  EXPECT(ends == 2, "%d ends", ends);

  void (*choice[2])(float *) = {add_one, add_ten};
  set(0, 0, 0, 0);
  for (int i = 0; i < 2; i++) choice[i]<<<1, 4>>>(x);
  void (*one)(float *) = add_one;
  one<<<1, 4>>>(x);
  (*one)<<<1, 4>>>(x);
  EXPECT(first() == 13, "%f", first());

  LAUNCH(add_one, 1, 4, x);
  LAUNCH((scale<float, 2>), dim3(1, 1), dim3(2, 1), x, 1);
  EXPECT(first() == 28, "%f", first());
  if (n) add_one<<<1, 4>>>(x);
  for (int i = 0; i < 3; i++) add_one<<<1, 4, 0, 0>>>(x);
  EXPECT(first() == 32, "%f", first());
  bounded<<<1, 4>>>(x);
  EXPECT(first() == 5, "%f", first());
  outer::inner::named<<<1, 1>>>(x, 3);
  EXPECT(first() == 3, "%f", first());
  {
    using namespace outer;
    ::outer::inner::named<<<1, 1>>>(x, n > 3 ? 4 : 5);
    EXPECT(first() == 4, "%f", first());
    inner::named<<<1, 1>>>(x, 6);
    EXPECT(first() == 6, "%f", first());
  }
  auto launch = [&](int v) { outer::inner::named<<<dim3{1, 1, 1}, dim3{1}>>>(x, v << 1); };
  launch(8);
  EXPECT(first() == 16, "%f", first());
  nothing<<<1, 1>>>();
  nothing<<<1 << 2, 1 << 3>>>();
  local_work<<<1, 4>>>(x);
  CHECK(cudaMemcpy(h, x, sizeof h, cudaMemcpyDeviceToHost));
  EXPECT(h[0] == 0 && h[1] == 8 && h[2] == 15 && h[3] == 23, "%f %f %f %f", h[0], h[1], h[2], h[3]);

  CHECK(cudaGetLastError());
  fflush(stdout);
  speak<<<1, 2>>>("<<<not a launch>>>");
  CHECK(cudaDeviceSynchronize());
  FINISH();
}
