// SPDX-License-Identifier: MIT
// The language as programs write it: launches in odd places, kernels by address, shared memory in helpers,
// code that asks which side it is compiled for.
#include <cuda_runtime.h>
#include <stdio.h>
#include <functional>

#ifndef __CUDACC__
#error "__CUDACC__ must be defined"
#endif
#if !defined(__NVCC__) || __CUDACC_VER_MAJOR__ < 12
#error "nvcc's names must be defined"
#endif

static int failures;
static int *out;
static int first(void) {
  int host = -1;
  cudaError_t error = cudaMemcpy(&host, out, sizeof host, cudaMemcpyDeviceToHost);
  if (error) printf("%s\n", cudaGetErrorString(error));
  cudaMemset(out, 0, 64 * sizeof(int));
  return host;
}
#define EXPECT(value, what)                                     \
  do {                                                          \
    const int got = first();                                    \
    if (got != (value)) {                                       \
      printf("FAIL %s: %d, not %d\n", what, got, (int)(value)); \
      failures++;                                               \
    }                                                           \
  } while (0)

// ---------------------------------------------------------------- __CUDA_ARCH__
__host__ __device__ int side(void) {
#ifdef __CUDA_ARCH__
  return __CUDA_ARCH__;
#else
  return -1;
#endif
}
struct where {
  int value;
  __host__ __device__ where() : value(0) {
#if defined(__CUDA_ARCH__)
    value = 1;
#else
    value = 2;
#endif
  }
};
template <class T>
__host__ __device__ inline T twice(T x) {
#if __CUDA_ARCH__ >= 200
  return __mul24(2, (int)x);
#else
  return x + x + (T)1000;
#endif
}
#ifdef __CUDA_ARCH__
__device__ int only_device(int a) {
  return a + 1;
}
#endif
#ifdef __CUDA_ARCH__
#define SIDE_NAME 7
#else
#define SIDE_NAME 8
#endif
// The device's parameters have other names, which the host's side must not make a second definition.
#if __CUDA_ARCH__ >= 500
static __device__ int mixed(int a, int b) {
  return a + 2 * b;
}
#else
static __device__ int mixed(int x, int y) {
  return -x - y;
}
#endif
// A name that CUDA once had, with a type that CUDA never had there.
struct two {
  int a, b;
};
__device__ two __shfl_down(const two var, const unsigned by, const unsigned width = 32) {
  return {__shfl_down_sync(~0u, var.a, by, width), var.b};
}
typedef __align__(16) two apart;
// Shared memory at file scope.
__shared__ int turned[32], extra[2];
static __device__ int back_of(unsigned i) {
  return turned[31 - i];
}
__global__ void file_shared(int *o) {
  turned[threadIdx.x] = (int)threadIdx.x;
  if (threadIdx.x == 0) extra[1] = 100;
  __syncthreads();
  o[threadIdx.x] = back_of(threadIdx.x) + extra[1];
}

__global__ void own_names(int *o) {
  const two next = __shfl_down(two{(int)threadIdx.x, 3}, 1);
  if (threadIdx.x == 4) *o = next.a + 10 * next.b + 100 * mixed(1, 2) + 1000 * (int)alignof(apart);
}

__global__ void sides(int *o) {
  where w;
  int x = 0;
#ifdef __CUDA_ARCH__
  x = only_device(5);
#endif
  o[0] = (side() >= 700 ? 1 : 0) + 10 * w.value + 100 * twice(2) + 1000 * x + 10000 * SIDE_NAME;
}

// ---------------------------------------------------------------- launches
__global__ void set(int *o, int v = 5) {
  o[threadIdx.x] = v;
}
template <typename T, int N = 3>
__global__ void set_t(T *o) {
  o[threadIdx.x] = (T)N;
}
#define LAUNCH(k, ...) k<<<1, 1>>>(__VA_ARGS__)
#define RUN(kernel, g, b, args)         \
  do {                                  \
    kernel<<<g, b>>> args;              \
    cudaError_t e = cudaGetLastError(); \
    if (e != cudaSuccess) failures++;   \
  } while (0)
struct runner {
  int n;
  void run() { set<<<1, n>>>(out, n + 1); }
  template <int M>
  void run_t() {
    set_t<int, M><<<1, n>>>(out);
  }
  void (*kernel)(int *, int) = set;
};
template <void (*K)(int *, int)>
void through() {
  K<<<1, 1>>>(out, 77);
}
template <typename K>
void launch_any(K k) {
  k<<<1, 1>>>(out);
}
typedef void (*kernel_t)(int *, int);
extern "C" __global__ void c_kernel(int *o) {
  *o = 31;
}
namespace {
__global__ void hidden(int *o) {
  *o = 32;
}
}  // namespace
static __global__ void __launch_bounds__(64, 2) bounded(int *__restrict__ o, const __grid_constant__ int v) {
  *o = v;
}

// ---------------------------------------------------------------- shared memory
template <class T>
struct SharedMemory {
  __device__ inline operator T *() {
    extern __shared__ int __smem[];
    return (T *)__smem;
  }
  __device__ inline operator const T *() const {
    extern __shared__ int __smem[];
    return (T *)__smem;
  }
};
template <>
struct SharedMemory<double> {
  __device__ inline operator double *() {
    extern __shared__ double __smem_d[];
    return (double *)__smem_d;
  }
};
template <class T>
__global__ void use_shared(T *o) {
  T *s = SharedMemory<T>();
  s[threadIdx.x] = (T)(threadIdx.x + 1);
  __syncthreads();
  o[0] = s[blockDim.x - 1];
}
struct pair2 {
  int a, b;
  __device__ pair2() {}
  __device__ pair2(int x, int y) : a(x), b(y) {}
};
__device__ int helper_shared(int t) {
  __shared__ int tile[4][9];
  tile[t % 4][t % 9] = t;
  __syncthreads();
  return tile[3][3];
}
template <int N>
__device__ int helper_template(int t) {
  __shared__ int values[N];
  values[t % N] = t;
  __syncthreads();
  return values[N - 1];
}
__global__ void shared_places(int *o) {
  __shared__ pair2 pairs[8];
  __shared__ pair2 grid[2][4];
  const int t = threadIdx.x;
  pairs[t % 8] = pair2(t, 1);
  grid[t % 2][t % 4] = pair2(2, t);
  __syncthreads();
  const int h = helper_shared(t), u = helper_template<4>(t);
  if (t == 0) o[0] = pairs[7].a + grid[1][3].a + h + u;
}

// ---------------------------------------------------------------- device code
struct shape {
  __device__ virtual int area() const = 0;
  __device__ virtual ~shape() {}
};
struct square : shape {
  int s;
  __device__ square(int v) : s(v) {}
  __device__ int area() const override { return s * s; }
};
struct strip : shape {
  int s;
  __device__ strip(int v) : s(v) {}
  __device__ int area() const override { return s; }
};
__global__ void virtuals(int *o) {
  shape *a = new square(4), *b = new strip(3);
  int *p = (int *)malloc(4 * sizeof(int)), *q = new int[3];
  p[3] = 100, q[2] = 1000;
  o[0] = a->area() + b->area() + p[3] + q[2];
  delete a;
  delete b;
  free(p);
  delete[] q;
}
struct holder {
  static constexpr int size = 6;
};
__device__ int counter = 12;
namespace deep {
namespace er {
__device__ __constant__ float table[3] = {1.f, 2.f, 3.f};
__device__ __forceinline__ int get(int i) {
  return (int)table[i];
}
}  // namespace er
}  // namespace deep
constexpr __host__ __device__ int cube(int x) {
  return x * x * x;
}
__device__ __noinline__ int slow(int x) {
  return x + 1;
}
__global__ void members(int *o) {
  auto l = [&](int v) { return v + holder::size; };
  int sum = 0;
#pragma unroll
  for (int i = 0; i < 3; i++) sum += deep::er::get(i);
#pragma unroll 2
  for (int i = 0; i < 4; ++i) sum += cube(i);
#pragma unroll cube(1)
  for (int i = 0; i < 4; ++i) sum += 0;
  static_assert(cube(3) == 27, "constexpr");
  o[0] = l(sum) + atomicAdd(&counter, 1) + slow(1);
}
template <class F>
__global__ void apply(int *o, F f) {
  o[threadIdx.x] = f(threadIdx.x);
}
__device__ int add_op(int a, int b) {
  return a + b;
}
__device__ int mul_op(int a, int b) {
  return a * b;
}
typedef int (*op_t)(int, int);
__device__ op_t operations[2] = {add_op, mul_op};
__device__ op_t one_operation = mul_op;
__global__ void use_operations(int *o) {
  o[0] = operations[0](3, 4) + operations[1](3, 4) + one_operation(10, 10);
}

template <class T>
struct stepper {
  T value;
  template <bool TWICE, class U>
  __device__ U step() const {
    return (U)(TWICE ? 2 * value : value);
  }
};
template <class T>
__global__ void step_once(int *o) {
  const stepper<T> s = {(T)21};
  *o = s.template step<true, int>();
}

void __global__ oddly(int *o) {
  *o = 55;
}
__global__ static void after(int *o) {
  *o = 57;
}
template <class T>
__global__ void specialised(T *o) {
  *o = 1;
}
template <>
__global__ void specialised<int>(int *o) {
  *o = 2;
}
class with_friend {
  int secret = 58;
  friend __global__ void peek(with_friend w, int *o);
};
__global__ void peek(with_friend w, int *o) {
  *o = w.secret;
}
template <typename... Ts>
__global__ void variadic(int *o, Ts... values) {
  int sum = 0;
  ((sum += (int)values), ...);
  *o = sum;
}

// A float read and written as its bits, as kernels do: nvcc takes no advantage of types that forbid it.
__global__ void as_bits(int *x, unsigned bits) {
  __shared__ float shared[2];
  shared[threadIdx.x] = 1;
  reinterpret_cast<unsigned *>(shared)[threadIdx.x] = bits;
  float own = shared[threadIdx.x];
  *reinterpret_cast<int *>(&own) += 1 << 23;
  *x = (int)own;
}

// Where a thread is, for all code that is in a kernel: lambdas, local classes, functions, names that hide
// CUDA's, and code behind a barrier or a store to an integer.
__device__ unsigned in_function(uint3 index) {
  return index.x + threadIdx.x;
}
__global__ void place_plain(int *o) {
  [[maybe_unused]] int table[2] = {1, 2};
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  o[i] = (int)(threadIdx.x + in_function(threadIdx) + gridDim.x) + table[1] + ::threadIdx.x;
  __syncthreads();
  o[i] += (int)(4 * threadIdx.x + blockIdx.x);
}
__global__ void place_lambda(int *o) {
  auto of_thread = [](int factor) { return factor * (int)threadIdx.x; };
  auto of_block = [=] { return (int)blockIdx.x + o[0] * 0; };
  struct local {
    static __device__ int size() { return (int)blockDim.x; }
  };
  o[blockIdx.x * blockDim.x + threadIdx.x] = of_thread(2) + of_block() + local::size();
}
__global__ void place_hidden(int *o, int gridDim) {
  const int outer = threadIdx.x;
  int blockDim = 5;
  o[outer] = gridDim + blockDim + outer;
}

int main() {
  if (cudaMalloc(&out, 64 * sizeof(int)) != cudaSuccess) return 1;
  cudaMemset(out, 0, 64 * sizeof(int));
  sides<<<1, 1>>>(out);
  EXPECT(1 + 10 + 400 + 6000 + 70000, "__CUDA_ARCH__ in device code");
  if (side() != -1 || where().value != 2 || twice(2) != 1004 || SIDE_NAME != 8)
    printf("FAIL host side\n"), failures++;

  own_names<<<1, 32>>>(out);
  EXPECT(5 + 30 + 500 + 16000, "a function by the name of a removed one");
  file_shared<<<2, 32>>>(out);
  EXPECT(131, "shared memory at file scope");
  as_bits<<<1, 1>>>(out, 0x40a00000u);  // 5
  EXPECT(10, "a float by its bits");

  const struct {
    const char *what;
    int blocks, threads, index, value;
  } place[] = {{"place, plain", 2, 3, 3 + 2, 2 * 4 + 2 + 2 + 4 * 2 + 1},
               {"place, lambda", 2, 3, 3 + 2, 2 * 2 + 1 + 3},
               {"place, hidden", 1, 3, 2, 7 + 5 + 2}};
  for (int i = 0; i < 3; i++) {
    if (i == 0) place_plain<<<place[i].blocks, place[i].threads>>>(out);
    if (i == 1) place_lambda<<<place[i].blocks, place[i].threads>>>(out);
    if (i == 2) place_hidden<<<place[i].blocks, place[i].threads>>>(out, 7);
    cudaMemcpy(out, out + place[i].index, sizeof(int), cudaMemcpyDeviceToDevice);
    EXPECT(place[i].value, place[i].what);
  }

  set<<<1, 1>>>(out);
  EXPECT(5, "a default argument");
  set_t<<<1, 1>>>(out);
  EXPECT(3, "a default template argument");
  LAUNCH(set, out, 6);
  EXPECT(6, "in a macro");
  LAUNCH((set_t<int, 8>), out);
  EXPECT(8, "a template in a macro");
  RUN(set, 1, 1, (out, 9));
  EXPECT(9, "in a macro with arguments");
  set<<<1, 1>>>(out, 10);
  EXPECT(10, "with blanks");
  runner r;
  r.n = 2;
  r.run();
  EXPECT(3, "in a member");
  r.run_t<11>();
  EXPECT(11, "in a member template");
  r.kernel<<<1, 1>>>(out, 12);
  EXPECT(12, "through a member");
  through<set>();
  EXPECT(77, "a template argument");
  launch_any(c_kernel);
  EXPECT(31, "a function argument");
  launch_any(set_t<int, 13>);
  EXPECT(13, "a template as function argument");
  kernel_t table[2] = {set, &set};
  table[1]<<<1, 1>>>(out, 14);
  EXPECT(14, "of a table");
  (*table[0])<<<1, 1>>>(out, 15);
  EXPECT(15, "dereferenced");
  auto lambda = [&](int v) { set<<<dim3(1), dim3(1)>>>(out, v); };
  lambda(16);
  EXPECT(16, "in a lambda");
  std::function<void(int)> f = [](int v) { set<<<1, 1, 0, 0>>>(out, v); };
  f(17);
  EXPECT(17, "in a std::function");
  hidden<<<1, 1>>>(out);
  EXPECT(32, "in an unnamed namespace");
  bounded<<<1, 1>>>(out, 33);
  EXPECT(33, "with bounds");
  int value = 18;
  void *arguments[] = {&out, &value};
  cudaLaunchKernel((void *)set, dim3(1), dim3(1), arguments, 0, 0);
  EXPECT(18, "cudaLaunchKernel");
  void *one[] = {&out};
  cudaLaunchKernel((const void *)&set_t<int, 19>, 1, 1, one, 0, nullptr);
  EXPECT(19, "cudaLaunchKernel of a template");
  cudaLaunchKernel(set_t<int, 20>, 1, 1, one);
  EXPECT(20, "typed cudaLaunchKernel");
  cudaLaunchKernel((void *)hidden, 1, 1, one, 0, 0);
  EXPECT(32, "cudaLaunchKernel of a hidden one");
  use_shared<int><<<1, 4, 4 * sizeof(int)>>>(out);
  EXPECT(4, "SharedMemory<int>");
  use_shared<double><<<1, 4, 4 * sizeof(double)>>>((double *)out);
  EXPECT(0, "SharedMemory<double>");
  shared_places<<<1, 36>>>(out);
  EXPECT(31 + 2 + 3 + 35, "shared variables in helpers");
  virtuals<<<1, 1>>>(out);
  EXPECT(16 + 3 + 1100, "virtual functions and the heap");
  members<<<1, 1>>>(out);
  EXPECT(6 + 36 + 6 + 12 + 2, "members");
#if defined(__CUDACC_EXTENDED_LAMBDA__) || defined(__CUSIM__)
  apply<<<1, 1>>>(out, [=] __device__(int i) { return i + value; });
  EXPECT(18, "an extended lambda");
  apply<<<1, 1>>>(out, [=] __host__ __device__(int i) { return i + value + 1; });
  EXPECT(19, "a lambda for both");
#endif
  use_operations<<<1, 1>>>(out);
  EXPECT(7 + 12 + 100, "device function pointers");
  step_once<float><<<1, 1>>>(out);
  EXPECT(42, "a member template");
  oddly<<<1, 1>>>(out);
  EXPECT(55, "qualifier behind the type");
  after<<<1, 1>>>(out);
  EXPECT(57, "static behind");
  specialised<<<1, 1>>>(out);
  EXPECT(2, "specialised");
  peek<<<1, 1>>>(with_friend(), out);
  EXPECT(58, "a friend");
  variadic<<<1, 1>>>(out, 1, 2.5f, 'a');
  EXPECT(1 + 2 + 97, "variadic");
  printf("%s\n", failures ? "FAIL" : "PASS");
  return failures ? 1 : 0;
}
