// SPDX-License-Identifier: MIT
// Warp matrix products of every shape and type against sums made on the host; complex numbers.
#include <cuComplex.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <mma.h>

#include "exec_check.h"

using namespace nvcuda;

enum { MOST = 32 * 32 };

// out = a * b + 1 with a by rows or columns, b by columns or rows, out by rows.
template <int M, int N, int K, class T, class S, class C, class LA, class LB>
__global__ void product(const S *a, const S *b, C *out) {
  wmma::fragment<wmma::matrix_a, M, N, K, T, LA> fa;
  wmma::fragment<wmma::matrix_b, M, N, K, T, LB> fb;
  wmma::fragment<wmma::accumulator, M, N, K, C> fc;
  wmma::fill_fragment(fc, (C)1.0f);
  wmma::load_matrix_sync(fa, a, std::is_same<LA, wmma::row_major>::value ? K : M);
  wmma::load_matrix_sync(fb, b, std::is_same<LB, wmma::row_major>::value ? N : K);
  wmma::mma_sync(fc, fa, fb, fc);
  for (int i = 0; i < fc.num_elements; i++) fc.x[i] = fc.x[i] + (C)1.0f;
  wmma::store_matrix_sync(out, fc, N, wmma::mem_row_major);
}

static int value_at(int row, int column) {
  return (row * 7 + column * 3) % 11 - 5;
}

template <int M, int N, int K, class T, class S, class C, bool RowsA, bool RowsB>
static void check(S (*make)(float), float (*read)(C), bool is_signed, const char *name) {
  static S a[MOST], b[MOST];
  static C out[MOST];
  S *device_a, *device_b;
  C *device_out;
  const int low = is_signed ? 0 : 5;
  for (int i = 0; i < M; i++)
    for (int k = 0; k < K; k++) a[RowsA ? i * K + k : k * M + i] = make((float)(value_at(i, k) + low));
  for (int k = 0; k < K; k++)
    for (int j = 0; j < N; j++) b[RowsB ? k * N + j : j * K + k] = make((float)(value_at(j, k + 2) + low));
  CHECK(cudaMalloc(&device_a, sizeof a));
  CHECK(cudaMalloc(&device_b, sizeof b));
  CHECK(cudaMalloc(&device_out, sizeof out));
  CHECK(cudaMemcpy(device_a, a, sizeof a, cudaMemcpyHostToDevice));
  CHECK(cudaMemcpy(device_b, b, sizeof b, cudaMemcpyHostToDevice));
  typedef typename std::conditional<RowsA, wmma::row_major, wmma::col_major>::type LA;
  typedef typename std::conditional<RowsB, wmma::row_major, wmma::col_major>::type LB;
  product<M, N, K, T, S, C, LA, LB><<<1, 32>>>(device_a, device_b, device_out);
  CHECK(cudaMemcpy(out, device_out, sizeof out, cudaMemcpyDeviceToHost));
  int wrong = 0;
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      int sum = 2;
      for (int k = 0; k < K; k++) sum += (value_at(i, k) + low) * (value_at(j, k + 2) + low);
      wrong += read(out[i * N + j]) != (float)sum;
    }
  EXPECT(wrong == 0, "%s %dx%dx%d: %d elements", name, M, N, K, wrong);
  CHECK(cudaFree(device_a));
  CHECK(cudaFree(device_b));
  CHECK(cudaFree(device_out));
}

static __half make_half(float x) {
  return __float2half(x);
}
static float read_half(__half x) {
  return __half2float(x);
}
static float read_float(float x) {
  return x;
}
static float read_int(int x) {
  return (float)x;
}
#ifdef __CUSIM__  // nvcc compiles this file for a card without these types, too
static __nv_bfloat16 make_bfloat(float x) {
  return __float2bfloat16(x);
}
static float make_float(float x) {
  return x;
}
#endif
static signed char make_signed(float x) {
  return (signed char)x;
}
static unsigned char make_unsigned(float x) {
  return (unsigned char)x;
}

int main(void) {
  check<16, 16, 16, __half, __half, float, true, true>(make_half, read_float, true, "half");
  check<16, 16, 16, __half, __half, float, false, false>(make_half, read_float, true, "half by columns");
  check<32, 8, 16, __half, __half, float, true, false>(make_half, read_float, true, "half");
  check<8, 32, 16, __half, __half, __half, false, true>(make_half, read_half, true, "half to half");
#ifdef __CUSIM__
  check<16, 16, 16, __nv_bfloat16, __nv_bfloat16, float, true, false>(make_bfloat, read_float, true, "bf16");
  check<16, 16, 8, wmma::precision::tf32, float, float, true, false>(make_float, read_float, true, "tf32");
#endif
  check<16, 16, 16, signed char, signed char, int, true, false>(make_signed, read_int, true, "s8");
  check<8, 32, 16, unsigned char, unsigned char, int, true, true>(make_unsigned, read_int, false, "u8");

  const cuFloatComplex a = make_cuFloatComplex(1, 2), b = make_cuFloatComplex(3, -1), q = cuCdivf(a, b);
  const cuDoubleComplex p = cuCmul(make_cuDoubleComplex(1, 2), make_cuDoubleComplex(3, -1));
  EXPECT(cuCreal(p) == 5 && cuCimag(p) == 5, "%g %g", cuCreal(p), cuCimag(p));
  EXPECT(cuCrealf(q) > 0.0999f && cuCrealf(q) < 0.1001f && cuCabsf(make_cuFloatComplex(3, 4)) == 5,
         "division");
  FINISH();
}
