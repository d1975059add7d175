// SPDX-License-Identifier: MIT
// Spellings that a source step gets wrong easily. <<<not, a launch>>>(in a comment)
/* k<<<1, 1>>>(x); __shared__ int nothing; asm("nop") */
#include <cuda_runtime.h>
#include <stdio.h>

static_assert(UINT_MAX == ~0u, "CUDA's headers bring limits.h");

struct cell {
  int key;
  float value;
};

namespace a {
namespace b {
template <class T>
struct box {
  T value;
};
template <class T, int N>
__global__ void nested(box<box<T>> in, T *out) {
  if (N > 2 && 1 << N > 2) out[0] = in.value.value;
}
}  // namespace b
}  // namespace a

template <class F>
__global__ void call(int *out, F f) {
  out[threadIdx.x] = f(threadIdx.x);
}

__global__ void shared_declarators(int *out) {
  __shared__ int one, two[4], three[2][3];
  __shared__ volatile float watched[8];
  __shared__ cell cells[16];
  __shared__ __align__(16) unsigned char raw[64];
  static __shared__ unsigned long long wide;
  const unsigned t = threadIdx.x;
  if (t == 0) one = 1, two[3] = 2, three[1][2] = 3, wide = 1ull << 40;
  watched[t % 8] = 4.0f;
  cells[t % 16].key = 5;
  cells[t % 16].value = 0.5f;
  raw[63] = 6;
  __syncthreads();
  out[t] = one + two[3] + three[1][2] + (int)watched[0] + cells[7].key + raw[63] + (int)(wide >> 40) +
           (int)(sizeof two + sizeof cells) + (((size_t)raw & 15) ? 1000 : 0);
}

__device__ int plus(int a, int b = 3) { return a + b; }
static __device__ __constant__ const int primes[] = {2, 3, 5, 7};
static __device__ __const__ int none = 0;
__global__ void use_primes(int *out) { out[threadIdx.x] = plus(none + primes[threadIdx.x % 4]); }

static const char *const text = "k<<<1, 2>>>(x); __shared__ int y; // no comment";
static const char *const raw_text = R"mark(k<<<1,1>>>(x) "__shared__ )" asm("x") )mark";
static const char quote = '"', apostrophe = '\'';
#define BIG 1'000'000

static int failures;
static void expect(int *device, int value, const char *what) {
  int host = -1;
  if (cudaMemcpy(&host, device, sizeof host, cudaMemcpyDeviceToHost) != cudaSuccess || host != value) {
    printf("FAIL %s: %d, not %d\n", what, host, value);
    failures++;
  }
}

int main() {
  int *out, shift = 1;
  if (cudaMalloc(&out, 32 * sizeof(int)) != cudaSuccess) return 1;
  a::b::nested<int, 3><<<1, 1>>>(a::b::box<a::b::box<int>>{{17}}, out);
  expect(out, 17, "nested templates");
  a::b::nested < int, (5 > 4 ? 4 : 2) > <<<dim3(1), 1 << shift>>>(a::b::box<a::b::box<int>>{{18}}, out);
  expect(out, 18, "a comparison and a shift");
  call<<<1, 4>>>(out, [=](int i) { return i * 2 + shift + 5 < 6 ? -1 : 40; });
  expect(out, 40, "a lambda");
  call // a comment between
      <<<1, /* and another */ 4
         >>>(out,
             [](int i) { return i == 0 ? 41 : 0; });
  expect(out, 41, "over several lines");
  shared_declarators<<<1, 16>>>(out);
  expect(out, 22 + 16 + 128, "shared variables");
  use_primes<<<1, 4, 0, 0>>>(out);
  expect(out, 5, "constants");
  if (shift) use_primes<<<1, 1>>>(out + 1); else use_primes<<<1, 2>>>(out);
  expect(out + 1, 5, "without braces");
  switch (shift) {
    case 1: call<<<1, 1>>>(out, [] (int) { return BIG; }); break;
    default: break;
  }
  expect(out, 1000000, "in a switch");
  if (text[1] != '<' || raw_text[1] != '<' || quote != '"' || apostrophe != '\'') failures++;
  printf("%s\n", failures ? "FAIL" : "PASS");
  return failures ? 1 : 0;
}
