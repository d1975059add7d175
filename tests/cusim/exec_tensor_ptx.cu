// SPDX-License-Identifier: MIT
// Tensor cores through inline PTX: ldmatrix brings the operands from shared memory, mma.sync multiplies.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "exec_check.h"

enum { M = 16, N = 8, K = 16 };

// c = a b + c with a by rows; b by columns, or by rows and turned while it is loaded. ptxas takes the words
// of ldmatrix in both orders.
template <class T, bool Turned>
__global__ void multiply(const T *a, const T *b, float *c) {
  __shared__ __align__(16) T tile_a[M][K], tile_b[K * N];
  const int lane = (int)threadIdx.x, group = lane / 4, pair = lane % 4 * 2;
  for (int i = lane; i < M * K; i += 32) tile_a[i / K][i % K] = a[i];
  for (int i = lane; i < K * N; i += 32) tile_b[Turned ? i : i % N * K + i / N] = b[i];
  __syncwarp();
  unsigned from_a[4], from_b[2];
  const unsigned row_a = (unsigned)__cvta_generic_to_shared(&tile_a[lane % 16][lane / 16 * 8]);
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(from_a[0]), "=r"(from_a[1]), "=r"(from_a[2]), "=r"(from_a[3])
               : "r"(row_a));
  const int at = Turned ? lane % 16 * N : lane % 8 * K + lane / 8 % 2 * 8;
  const unsigned row_b = (unsigned)__cvta_generic_to_shared(&tile_b[at]);
  if (Turned)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(from_b[0]), "=r"(from_b[1])
                 : "r"(row_b));
  else
    asm volatile("ldmatrix.sync.aligned.x2.m8n8.shared.b16 {%0, %1}, [%2];"
                 : "=r"(from_b[0]), "=r"(from_b[1])
                 : "r"(row_b));
  float sum[4];
  for (int i = 0; i < 4; i++) sum[i] = c[(group + i / 2 * 8) * N + pair + i % 2];
  if (sizeof(T) == 2 && T(257.0f) == T(256.0f))  // bfloat16 has 8 bits
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(from_a[0]), "r"(from_a[1]), "r"(from_a[2]), "r"(from_a[3]), "r"(from_b[0]), "r"(from_b[1]));
  else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%10, %11, %12, %13};"
        : "=f"(sum[0]), "=f"(sum[1]), "=f"(sum[2]), "=f"(sum[3])
        : "r"(from_a[0]), "r"(from_a[1]), "r"(from_a[2]), "r"(from_a[3]), "r"(from_b[0]), "r"(from_b[1]),
          "f"(sum[0]), "f"(sum[1]), "f"(sum[2]), "f"(sum[3]));
  for (int i = 0; i < 4; i++) c[(group + i / 2 * 8) * N + pair + i % 2] = sum[i];
}

__device__ static unsigned bits_of(__half2 x) {
  unsigned bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
__device__ static __half2 half2_of(unsigned bits) {
  __half2 x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// The halves of k apart; sums in half; tf32.
__global__ void multiply_small(const __half *a, const __half *b, __half *c, const float *fa, const float *fb,
                               float *fc) {
  const int lane = (int)threadIdx.x, group = lane / 4, pair = lane % 4 * 2;
  unsigned sum[2] = {bits_of(__halves2half2(c[group * N + pair], c[group * N + pair + 1])),
                     bits_of(__halves2half2(c[(group + 8) * N + pair], c[(group + 8) * N + pair + 1]))};
  for (int k = 0; k < K; k += 8) {
    const int upper = group * K + k + pair, lower = upper + 8 * K, right = (k + pair) * N + group;
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %3}, {%4}, {%0, %1};"
                 : "+r"(sum[0]), "+r"(sum[1])
                 : "r"(bits_of(__halves2half2(a[upper], a[upper + 1]))),
                   "r"(bits_of(__halves2half2(a[lower], a[lower + 1]))),
                   "r"(bits_of(__halves2half2(b[right], b[right + N]))));
  }
  for (int i = 0; i < 2; i++) {
    c[(group + 8 * i) * N + pair] = __low2half(half2_of(sum[i]));
    c[(group + 8 * i) * N + pair + 1] = __high2half(half2_of(sum[i]));
  }

  float wide[4];
  for (int i = 0; i < 4; i++) wide[i] = fc[(group + i / 2 * 8) * N + pair + i % 2];
  for (int k = 0; k < K; k += 8) {
    const int t = k + lane % 4;
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(wide[0]), "+f"(wide[1]), "+f"(wide[2]), "+f"(wide[3])
        : "r"(__float_as_uint(fa[group * K + t])), "r"(__float_as_uint(fa[(group + 8) * K + t])),
          "r"(__float_as_uint(fa[group * K + t + 4])), "r"(__float_as_uint(fa[(group + 8) * K + t + 4])),
          "r"(__float_as_uint(fb[t * N + group])), "r"(__float_as_uint(fb[(t + 4) * N + group])));
  }
  for (int i = 0; i < 4; i++) fc[(group + i / 2 * 8) * N + pair + i % 2] = wide[i];
}

static float x_of(int i) {
  return (float)(i * 7 % 13 - 6);
}
static float y_of(int i) {
  return (float)(i * 5 % 11 - 5) / 4;
}

// Small numbers: exact in every type.
template <class T>
static void check(const char *what, const T *c) {
  for (int row = 0; row < M; row++)
    for (int column = 0; column < N; column++) {
      float sum = (float)(row - column);
      for (int k = 0; k < K; k++) sum += x_of(row * K + k) * y_of(k * N + column);
      EXPECT((float)c[row * N + column] == sum, "%s (%d, %d): %g, not %g", what, row, column,
             (float)c[row * N + column], sum);
    }
}

template <class T>
struct matrices {
  T *a, *b;
  matrices() {
    CHECK(cudaMallocManaged(&a, M * K * sizeof(T)));
    CHECK(cudaMallocManaged(&b, K * N * sizeof(T)));
    for (int i = 0; i < M * K; i++) a[i] = T(x_of(i));
    for (int i = 0; i < K * N; i++) b[i] = T(y_of(i));
  }
  ~matrices() {
    cudaFree(a);
    cudaFree(b);
  }
};

template <class T>
static T *sums() {
  T *c;
  CHECK(cudaMallocManaged(&c, M * N * sizeof(T)));
  for (int i = 0; i < M * N; i++) c[i] = T((float)(i / N - i % N));
  return c;
}

template <class T, bool Turned>
static void whole(const char *what) {
  matrices<T> m;
  float *c = sums<float>();
  multiply<T, Turned><<<1, 32>>>(m.a, m.b, c);
  CHECK(cudaDeviceSynchronize());
  check(what, c);
  CHECK(cudaFree(c));
}

int main(void) {
  whole<__half, false>("half");
  whole<__half, true>("half, turned");
  whole<__nv_bfloat16, false>("bfloat16");
  whole<__nv_bfloat16, true>("bfloat16, turned");
  {
    matrices<__half> m;
    matrices<float> f;
    __half *c = sums<__half>();
    float *fc = sums<float>();
    multiply_small<<<1, 32>>>(m.a, m.b, c, f.a, f.b, fc);
    CHECK(cudaDeviceSynchronize());
    check("sums in half", c);
    check("tf32", fc);
    CHECK(cudaFree(c));
    CHECK(cudaFree(fc));
  }
  FINISH();
}
