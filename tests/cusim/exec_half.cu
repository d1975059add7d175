// SPDX-License-Identifier: MIT
// half and bfloat16: every bit pattern's conversion, rounding to nearest even, and arithmetic with one
// rounding.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <math.h>
#include <string.h>

#include "exec_check.h"

__global__ void widen(float *from_half, float *from_bfloat) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  from_half[i] = __half2float(__ushort_as_half((unsigned short)i));
  from_bfloat[i] = __bfloat162float(__ushort_as_bfloat16((unsigned short)i));
}

__global__ void narrow(const float *a, unsigned short *halves, unsigned short *bfloats, int n) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= n) return;
  halves[i] = __half_as_ushort(__float2half(a[i]));
  bfloats[i] = __bfloat16_as_ushort(__float2bfloat16(a[i]));
}

__global__ void arithmetic(float *out) {
  const __half a = __float2half(1.5f), b = __float2half(2.25f);
  out[0] = __half2float(__hadd(a, b));
  out[1] = __half2float(a * b);
  out[2] = __half2float(__hfma(a, b, __float2half(-3.0f)));
  const __half2 p = __hmul2(__floats2half2_rn(3.0f, 4.0f), __half2half2(a));
  out[3] = __low2float(p);
  out[4] = __high2float(p);
  out[5] = __half2float(hsqrt(__float2half(9.0f)));
  out[6] = a < b ? 1.0f : 0.0f;
  __nv_bfloat16 s = __float2bfloat16(1.0f);
  s += __float2bfloat16(0.5f);
  out[7] = __bfloat162float(s * s);
  out[8] = __half2float(__float2half_rz(65519.9f));
  out[9] = __half2float(__float2half_ru(1.0f + 0x1p-20f)) - 1.0f;
  out[10] = __half2float(__float2half_rd(-0x1p-30f)) / 0x1p-24f;
  out[11] = (float)__half2int_rd(__float2half(-1.5f)) + 10.0f * (float)__half2uint_rn(__float2half(2.5f));
  const __half2 q = __heq2(__floats2half2_rn(1.0f, 2.0f), __floats2half2_rn(1.0f, 3.0f));
  out[12] = __low2float(q) + 2.0f * __high2float(q) + 4.0f * __hbgeu2(q, q);
  out[13] = __half2float(__hadd_sat(a, b)) + __half2float(__hfma_relu(a, __hneg(b), b));
  out[14] = __bfloat162float(__int2bfloat16_rz(257)) + __bfloat162float(__float2bfloat16_ru(1.0f + 0x1p-10f));
  out[15] = __half2float(htanh(__float2half(0.0f))) + __half2float(hexp10(__float2half(2.0f)));
}

// The value of a 16-bit pattern with that many bits of exponent and fraction, from the definition.
static float value_of(unsigned pattern, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const unsigned fraction = pattern & ((1u << fraction_bits) - 1);
  const int exponent = (int)(pattern >> fraction_bits & ((1u << exponent_bits) - 1));
  const float sign = pattern >> 15 ? -1.0f : 1.0f;
  if (exponent == (1 << exponent_bits) - 1) return fraction ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * ldexpf((float)fraction, 1 - bias - fraction_bits);
  return sign * ldexpf((float)(fraction + (1u << fraction_bits)), exponent - bias - fraction_bits);
}

static bool same(float a, float b) {
  return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

int main() {
  enum { PATTERNS = 65536 };
  static float halves[PATTERNS], bfloats[PATTERNS];
  float *device_halves, *device_bfloats;
  CHECK(cudaMalloc(&device_halves, sizeof halves));
  CHECK(cudaMalloc(&device_bfloats, sizeof bfloats));
  widen<<<PATTERNS / 256, 256>>>(device_halves, device_bfloats);
  CHECK(cudaMemcpy(halves, device_halves, sizeof halves, cudaMemcpyDeviceToHost));
  CHECK(cudaMemcpy(bfloats, device_bfloats, sizeof bfloats, cudaMemcpyDeviceToHost));
  int wrong = 0;
  for (unsigned i = 0; i < PATTERNS; i++)
    wrong += !same(halves[i], value_of(i, 5, 10)) + !same(bfloats[i], value_of(i, 8, 7));
  EXPECT(wrong == 0, "%d patterns", wrong);

  const float in[] = {1.0f + 0x1p-11f, 1.0f + 0x3p-11f, 65519.0f,       65520.0f,
                      0x1p-25f,        0x1.8p-25f,      1.0f + 0x1p-8f, 1.0f + 0x3p-8f};
  const unsigned short half_bits[] = {0x3c00, 0x3c02, 0x7bff, 0x7c00, 0x0000, 0x0001, 0x3c04, 0x3c0c};
  const unsigned short bfloat_bits[] = {0x3f80, 0x3f80, 0x4780, 0x4780, 0x3300, 0x3340, 0x3f80, 0x3f82};
  enum { COUNT = sizeof in / sizeof *in };
  unsigned short got_half[COUNT], got_bfloat[COUNT], *device_h, *device_b;
  float *device_in;
  CHECK(cudaMalloc(&device_in, 2 * sizeof in));
  CHECK(cudaMalloc(&device_h, sizeof got_half));
  CHECK(cudaMalloc(&device_b, sizeof got_bfloat));
  CHECK(cudaMemcpy(device_in, in, sizeof in, cudaMemcpyHostToDevice));
  narrow<<<1, 32>>>(device_in, device_h, device_b, COUNT);
  CHECK(cudaMemcpy(got_half, device_h, sizeof got_half, cudaMemcpyDeviceToHost));
  CHECK(cudaMemcpy(got_bfloat, device_b, sizeof got_bfloat, cudaMemcpyDeviceToHost));
  for (int i = 0; i < COUNT; i++) {
    EXPECT(got_half[i] == half_bits[i], "%a: %04x", in[i], got_half[i]);
    EXPECT(got_bfloat[i] == bfloat_bits[i], "%a: %04x", in[i], got_bfloat[i]);
  }

  float out[16];
  const float wanted[16] = {3.75f,    3.375f,   0.375f, 4.5f,  6.0f, 3.0f, 1.0f,         2.25f,
                            65504.0f, 0x1p-10f, -1.0f,  18.0f, 5.0f, 1.0f, 257.0078125f, 100.0f};
  arithmetic<<<1, 1>>>(device_in);
  CHECK(cudaMemcpy(out, device_in, sizeof out, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 16; i++) EXPECT(out[i] == wanted[i], "%d: %g", i, out[i]);
  FINISH();
}
