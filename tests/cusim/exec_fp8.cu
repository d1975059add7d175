// SPDX-License-Identifier: MIT
// 8-bit floating point: every bit pattern there and back, and a checksum of conversions from all halves and
// many floats and doubles that CUDA's own header gives on the host.
#include <cuda_fp8.h>
#include <math.h>
#include <string.h>

#include "exec_check.h"

static unsigned long long sum = 1469598103934665603ull;
static void add(unsigned value) {
  sum = (sum ^ value) * 1099511628211ull;
}

static unsigned long long checksum() {
  for (int k = 0; k < 2; k++) {
    const __nv_fp8_interpretation_t kind = k ? __NV_E5M2 : __NV_E4M3;
    for (unsigned bits = 0; bits < 256; bits++) {
      const __half_raw half = __nv_cvt_fp8_to_halfraw((__nv_fp8_storage_t)bits, kind);
      const bool nan = (half.x & 0x7fff) > 0x7c00;
      add(nan ? 0x7fff : half.x);
      if (!nan) EXPECT(__nv_cvt_halfraw_to_fp8(half, __NV_NOSAT, kind) == bits, "%x of kind %d", bits, k);
    }
    for (int s = 0; s < 2; s++) {
      const __nv_saturation_t saturation = s ? __NV_SATFINITE : __NV_NOSAT;
      for (unsigned i = 0; i < 65536; i++) {
        __half_raw half;
        half.x = (unsigned short)i;
        add(__nv_cvt_halfraw_to_fp8(half, saturation, kind));
      }
      for (unsigned long long i = 0; i < 4294967296ull; i += 40993) {
        const unsigned bits = (unsigned)i;
        float f;
        memcpy(&f, &bits, sizeof f);
        add(__nv_cvt_float_to_fp8(f, saturation, kind) & (isnan(f) ? 0x7fu : 0xffu));
      }
      for (int i = -300; i < 300; i++)
        for (int e = -20; e < 20; e++)
          add(__nv_cvt_double_to_fp8(ldexp((double)i, e) * (1 + 1e-15 * (i % 3)), saturation, kind));
    }
  }
  return sum;
}

__global__ void convert(const float *in, float *out, int n) {
  const int i = (int)threadIdx.x;
  if (i >= n) return;
  out[2 * i] = (float)__nv_fp8_e4m3(in[i]);
  const __nv_fp8x2_e5m2 pair(make_float2(in[i], -in[i]));
  out[2 * i + 1] = float2(pair).y;
}

// Four of a kind out of two pairs, as out of four numbers.
__global__ void convert_pairs(unsigned *out) {
  const __nv_fp8x4_e4m3 whole(make_float4(1, -2, 0.3f, 500)),
      halves(__floats2half2_rn(1, -2), __floats2half2_rn(0.3f, 500)),
      bfloats(__floats2bfloat162_rn(1, -2), __floats2bfloat162_rn(0.3f, 500));
  out[0] = whole.__x;
  out[1] = halves.__x;
  out[2] = bfloats.__x;
}

int main() {
  const unsigned long long got = checksum();
  EXPECT(got == 0xef2452770275941cull, "%016llx", got);
  const float in[] = {1.0f, 0.3f, 17.0f, 500.0f, -1e6f, 0.001f};
  const float wanted[] = {1.0f,   -1.0f,   0.3125f, -0.3125f, 16.0f,        -16.0f,
                          448.0f, -512.0f, -448.0f, 57344.0f, 0.001953125f, -0.0009765625f};
  float out[12], *device;
  CHECK(cudaMalloc(&device, sizeof in + sizeof out));
  CHECK(cudaMemcpy(device, in, sizeof in, cudaMemcpyHostToDevice));
  convert<<<1, 32>>>(device, device + 6, 6);
  CHECK(cudaMemcpy(out, device + 6, sizeof out, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 12; i++)
    EXPECT(out[i] == wanted[i], "%d: %g, not %g", i, (double)out[i], (double)wanted[i]);
  unsigned packed[3];
  convert_pairs<<<1, 1>>>((unsigned *)device);
  CHECK(cudaMemcpy(packed, device, sizeof packed, cudaMemcpyDeviceToHost));
  EXPECT(packed[0] == 0x7e2ac038u && packed[1] == packed[0] && packed[2] == packed[0], "%08x %08x %08x",
         packed[0], packed[1], packed[2]);
  CHECK(cudaFree(device));
  FINISH();
}
