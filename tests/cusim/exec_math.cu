// SPDX-License-Identifier: MIT
// Known answers of the device's integer, rounding, conversion and math functions.
#include <float.h>
#include <math.h>
#include <math_constants.h>

#include "exec_check.h"

// Which half of the maximum (low word) is the first's, and the maxima.
__host__ __device__ inline unsigned vib_pair(bool which) {
  bool high, low;
  const unsigned most = __vibmax_s16x2(0x0005fff0u, 0x00010007u, &high, &low);
  return which ? (unsigned)high + 2 * low : most;
}

// Each line is one case: what is computed on the device, and what must come out.
#define INTEGERS(X)                                                            \
  X(__popc(0xf0f0u), 8)                                                        \
  X(__popcll(~0ull), 64)                                                       \
  X(__clz(1), 31)                                                              \
  X(__clz(0), 32)                                                              \
  X(__clzll(1ll << 40), 23)                                                    \
  X(__ffs(8), 4)                                                               \
  X(__ffsll(0), 0)                                                             \
  X(__brev(1u), 0x80000000u)                                                   \
  X(__brevll(2ull), 1ull << 62)                                                \
  X(__byte_perm(0x33221100u, 0x77665544u, 0x7410), 0x77441100u)                \
  X(__byte_perm(0x00008000u, 0, 0x9999), 0xffffffffu)                          \
  X(__mul24(-3, 5), -15)                                                       \
  X(__umul24(0x1000002u, 3u), 6u)                                              \
  X(__mulhi(-1, 1), -1)                                                        \
  X(__umulhi(0x80000000u, 4u), 2u)                                             \
  X(__mul64hi(-1, 1), -1ll)                                                    \
  X(__umul64hi(1ull << 63, 6ull), 3ull)                                        \
  X(__sad(-3, 4, 10u), 17u)                                                    \
  X(__usad(9u, 4u, 1u), 6u)                                                    \
  X(__hadd(-3, 0), -2)                                                         \
  X(__rhadd(-3, 0), -1)                                                        \
  X(__uhadd(0xffffffffu, 1u), 0x80000000u)                                     \
  X(__urhadd(2u, 1u), 2u)                                                      \
  X(__funnelshift_l(0x80000000u, 1u, 1), 3u)                                   \
  X(__funnelshift_r(0, 3u, 1), 0x80000000u)                                    \
  X(__funnelshift_lc(7u, 9u, 40), 7u)                                          \
  X(__funnelshift_rc(7u, 9u, 40), 9u)                                          \
  X(__dp4a((int)0xff020304, 0x01010101, 100), 108)                             \
  X(__dp4a(0xff020304u, 0x01010101u, 0u), 264u)                                \
  X(__dp2a_lo(0x0002ffff, 0x04030705, 1), 10)                                  \
  X(__dp2a_hi(0x0002ffff, 0x04030705, 1), 6)                                   \
  X(__vadd2(0x7fff0001u, 0x00010002u), 0x80000003u)                            \
  X(__vaddss2(0x7fff8000u, 0x0001ffffu), 0x7fff8000u)                          \
  X(__vaddus4(0xff01fe80u, 0x01010180u), 0xff02ffffu)                          \
  X(__vsub4(0x00010203u, 0x01010101u), 0xff000102u)                            \
  X(__vsubus4(0x00010203u, 0x01010101u), 0x00000102u)                          \
  X(__vabsdiffu4(0x01ff0510u, 0x02000510u), 0x01ff0000u)                       \
  X(__vabsdiffs2(0xffff0005u, 0x00010002u), 0x00020003u)                       \
  X(__vsadu4(0x01020304u, 0x00000000u), 10u)                                   \
  X(__vsads4(0xff020304u, 0x00000000u), 10u)                                   \
  X(__vcmpeq4(0x01020304u, 0x01000300u), 0xff00ff00u)                          \
  X(__vcmpgts2(0xffff0001u, 0u), 0x0000ffffu)                                  \
  X(__vsetltu4(0x01020304u, 0x02020202u), 0x01000000u)                         \
  X(__vmaxs4(0x80017f00u, 0x00ff0000u), 0x00017f00u)                           \
  X(__vminu2(0xffff0001u, 0x00020002u), 0x00020001u)                           \
  X(__vavgu4(0x01020304u, 0x02020202u), 0x02020303u)                           \
  X(__vhaddu4(0x01020304u, 0x02020202u), 0x01020203u)                          \
  X(__vneg2(0x0001ffffu), 0xffff0001u)                                         \
  X(__vabsss2(0x8000fffeu), 0x7fff0002u)                                       \
  X(__vimax3_s32(-1, 5, 3), 5)                                                 \
  X(__viaddmax_s16x2(0x7fff0001u, 0x00010002u, 0xfffe0001u), 0xfffe0003u)      \
  X(__viaddmin_u16x2(0xffff0001u, 0x00020002u, 0x00040002u), 0x00010002u)      \
  X(__viaddmax_s16x2_relu(0x7fff0001u, 0x00010002u, 0xfffe0001u), 0x00000003u) \
  X(vib_pair(false), 0x00050007u)                                              \
  X(vib_pair(true), 1)                                                         \
  X(__viaddmin_s32_relu(-9, 2, 4), 0)                                          \
  X(__vimin3_u16x2(0x00050001u, 0x00040002u, 0x00060003u), 0x00040001u)        \
  X(__fns(0x16u, 1, 2), 2u)                                                    \
  X(__fns(0x16u, 0, -1), ~0u)                                                  \
  X(__float2int_rn(2.5f), 2)                                                   \
  X(__float2int_rz(-2.7f), -2)                                                 \
  X(__float2int_ru(2.1f), 3)                                                   \
  X(__float2int_rd(-2.1f), -3)                                                 \
  X(__float2int_rn(1e30f), 2147483647)                                         \
  X(__float2int_rz(CUDART_NAN_F), 0)                                           \
  X(__float2uint_rn(-5.0f), 0u)                                                \
  X(__float2ll_rd(-1.5f), -2ll)                                                \
  X(__double2int_ru(1.0000001), 2)                                             \
  X(__double2ull_rn(1e30), ~0ull)                                              \
  X(__double2uint_rz(3e9), 3000000000u)                                        \
  X(__double2hiint(1.0), 0x3ff00000)                                           \
  X(__double2loint(1.0 + 0x1p-52), 1)                                          \
  X(__float_as_int(1.0f), 0x3f800000)                                          \
  X(__float_as_uint(-0.0f), 0x80000000u)                                       \
  X(__double_as_longlong(2.0), 1ll << 62)                                      \
  X(min(-1, 2u), 2u)                                                           \
  X(max(-1ll, 2ll), 2ll)                                                       \
  X(abs(-7), 7)                                                                \
  X(umax(3u, 4u), 4u)                                                          \
  X(llmin(-3ll, 4ll), -3ll)

#define REALS(X)                                                    \
  X(__fadd_rn(1.0f, 0x1p-25f), 1.0)                                 \
  X(__fadd_ru(1.0f, 0x1p-25f), 1.0 + 0x1p-23)                       \
  X(__fadd_rd(1.0f, -0x1p-26f), 1.0 - 0x1p-24)                      \
  X(__fadd_rz(-1.0f, 0x1p-26f), -1.0 + 0x1p-24)                     \
  X(__fsub_rd(1.0f, 0x1p-26f), 1.0 - 0x1p-24)                       \
  X(__fmul_ru(1.0f + 0x1p-23f, 1.0f + 0x1p-23f), 1.0 + 0x1.8p-22)   \
  X(__fmul_rz(1.0f + 0x1p-23f, 1.0f + 0x1p-23f), 1.0 + 0x1p-22)     \
  X(__fdiv_ru(1.0f, 3.0f), 0x1.555556p-2)                           \
  X(__fdiv_rd(1.0f, 3.0f), 0x1.555554p-2)                           \
  X(__frcp_rd(3.0f), 0x1.555554p-2)                                 \
  X(__fsqrt_rd(2.0f), 0x1.6a09e6p0)                                 \
  X(__fsqrt_ru(2.0f), 0x1.6a09e8p0)                                 \
  X(__frsqrt_rn(4.0f), 0.5)                                         \
  X(__fmaf_rn(0x1.000004p0f, 0x1.000004p0f, -1.0f), 0x1.000002p-21) \
  X(__fmaf_rd(3.0f, 1.0f, -0x1p-30f), 3.0 - 0x1p-22)                \
  X(__dadd_ru(1.0, 0x1p-60), 1.0 + 0x1p-52)                         \
  X(__dmul_rn(3.0, 4.0), 12.0)                                      \
  X(__ddiv_rd(1.0, 3.0), 0x1.5555555555555p-2)                      \
  X(__dsqrt_rn(9.0), 3.0)                                           \
  X(__fma_rn(2.0, 3.0, 1.0), 7.0)                                   \
  X(__int2float_rz(16777219), 16777218.0)                           \
  X(__int2float_ru(16777217), 16777218.0)                           \
  X(__double2float_rd(1.0 - 0x1p-30), 1.0 - 0x1p-24)                \
  X(__double2float_rn(1.0 - 0x1p-30), 1.0)                          \
  X(__ull2double_rz(0xffffffffffffffffull), 0x1.fffffffffffffp63)   \
  X(__hiloint2double(0x3ff80000, 0), 1.5)                           \
  X(__uint_as_float(0x40000000u), 2.0)                              \
  X(__longlong_as_double(1ll << 62), 2.0)                           \
  X(__saturatef(1.5f), 1.0)                                         \
  X(__saturatef(CUDART_NAN_F), 0.0)                                 \
  X(__fdividef(3.0f, 2.0f), 1.5)                                    \
  X(fmaxf(CUDART_NAN_F, 1.0f), 1.0)                                 \
  X(min(2.0f, 1.0), 1.0)                                            \
  X(sinpi(1.0), 0.0)                                                \
  X(cospi(1e15 + 1), -1.0)                                          \
  X(cospif(0.5f), 0.0)                                              \
  X(sinpif(2.5f), 1.0)                                              \
  X(norm3d(2.0, 3.0, 6.0), 7.0)                                     \
  X(rhypot(3.0, 4.0), 0.2)                                          \
  X(rcbrt(8.0), 0.5)                                                \
  X(fabsf(-2.0f), 2.0)                                              \
  X(copysign(2.0, -1.0), -2.0)                                      \
  X(CUDART_INF_F, INFINITY)                                         \
  X(CUDART_MAX_NORMAL_F, FLT_MAX)

// Within a few units of the last place.
#define NEAR(X)                                   \
  X(rsqrt(2.0), 0.70710678118654752440)           \
  X(exp10(0.5), 3.1622776601683793320)            \
  X(normcdf(1.0), 0.84134474606854294859)         \
  X(normcdfinv(0.975), 1.9599639845400542355)     \
  X(normcdfinv(1e-10), -6.3613409024040562047)    \
  X(erfinv(0.25), 0.22531205501217808385)         \
  X(erfcinv(1.5), -0.47693627620446987338)        \
  X(erfcx(2.0), 0.25539567631050574387)           \
  X(erfcx(100.0), 0.0056416137829894332336)       \
  X(j0(1.0), 0.76519768655796655145)              \
  X(yn(2, 3.0), -0.16040039348492372968)          \
  X(cyl_bessel_i0(1.0), 1.2660658777520083356)    \
  X(cyl_bessel_i1(-1.0), -0.56515910399248502721) \
  X(tgamma(5.5), 52.342777784553520181)           \
  X(norm4d(1.0, 2.0, 4.0, 10.0), 11.0)            \
  X(log1p(1e-10), 9.9999999995e-11)

#define COMPUTE(expression, wanted) out[i++] = (double)(expression);
#define COMPUTE_BITS(expression, wanted) bits[i++] = (unsigned long long)(expression);
__global__ void reals(double *out) {
  int i = 0;
  REALS(COMPUTE)
  NEAR(COMPUTE)
  double s, c;
  float sf, cf;
  sincos(0.5, &s, &c);
  out[i++] = s * s + c * c;
  sincospif(0.25f, &sf, &cf);
  out[i++] = sf / cf;
}
__global__ void integers(unsigned long long *bits) {
  int i = 0;
  INTEGERS(COMPUTE_BITS)
}

#define WANTED(expression, wanted) {#expression, (double)(wanted)},
#define WANTED_BITS(expression, wanted) {#expression, (unsigned long long)(wanted)},
static const struct {
  const char *text;
  double wanted;
} real_cases[] = {REALS(WANTED)}, near_cases[] = {NEAR(WANTED)};
static const struct {
  const char *text;
  unsigned long long wanted;
} integer_cases[] = {INTEGERS(WANTED_BITS)};
enum {
  REAL = sizeof real_cases / sizeof *real_cases,
  CLOSE = sizeof near_cases / sizeof *near_cases,
  INTEGER = sizeof integer_cases / sizeof *integer_cases
};

__global__ void clocks(long long *out) {
  const long long start = clock64();
  const clock_t other = clock();
  while (clock64() - start < 10000) {
  }
  __nanosleep(1000);
  out[0] = clock64() - start;
  out[1] = other > 0;
  out[2] = clock64() > (long long)other;
}

__global__ void spaces(int *out) {
  __shared__ int shared;
  int local = 0;
  shared = 1;
  out[0] = __isGlobal(out) && !__isShared(out);
  out[1] = __isShared(&shared) && !__isGlobal(&shared);
  out[2] = __isLocal(&local) && local == 0;
  int *heap = (int *)malloc(4 * sizeof *heap);
  for (int i = 0; i < 4; i++) heap[i] = i;
  int copy[4];
  memcpy(copy, heap, sizeof copy);
  memset(heap, 0xff, 2 * sizeof *heap);
  out[3] = copy[3] + heap[1];
  free(heap);
  int *made = new int[2];
  made[1] = __ldg(out);
  __stcs(made, 5);
  out[4] = made[0] + made[1];
  delete[] made;
}

__global__ void trap(int stop) {
  if (stop) __trap();
}

int main(void) {
  double *device, got[REAL + CLOSE + 2];
  unsigned long long *device_bits, bits[INTEGER];
  CHECK(cudaMalloc(&device, sizeof got));
  CHECK(cudaMalloc(&device_bits, sizeof bits));
  reals<<<1, 1>>>(device);
  integers<<<1, 1>>>(device_bits);
  CHECK(cudaMemcpy(got, device, sizeof got, cudaMemcpyDeviceToHost));
  CHECK(cudaMemcpy(bits, device_bits, sizeof bits, cudaMemcpyDeviceToHost));
  for (int i = 0; i < REAL; i++)
    EXPECT(got[i] == real_cases[i].wanted, "%s: %a, not %a", real_cases[i].text, got[i],
           real_cases[i].wanted);
  for (int i = 0; i < CLOSE; i++) {
    const double wanted = near_cases[i].wanted, error = fabs(got[REAL + i] / wanted - 1);
    EXPECT(error < 8e-16 * 8, "%s: %.17g, not %.17g", near_cases[i].text, got[REAL + i], wanted);
  }
  EXPECT(fabs(got[REAL + CLOSE] - 1) < 1e-15 && fabs(got[REAL + CLOSE + 1] - 1) < 1e-6, "sincos");
  for (int i = 0; i < INTEGER; i++)
    EXPECT(bits[i] == integer_cases[i].wanted, "%s: %llx, not %llx", integer_cases[i].text, bits[i],
           integer_cases[i].wanted);

  long long ticks[3], *device_ticks;
  CHECK(cudaMalloc(&device_ticks, sizeof ticks));
  clocks<<<1, 1>>>(device_ticks);
  CHECK(cudaMemcpy(ticks, device_ticks, sizeof ticks, cudaMemcpyDeviceToHost));
  EXPECT(ticks[0] >= 11000 && ticks[1] == 1 && ticks[2] == 1, "%lld", ticks[0]);

  int where[5], *device_where;
  CHECK(cudaMalloc(&device_where, sizeof where));
  spaces<<<1, 1>>>(device_where);
  CHECK(cudaMemcpy(where, device_where, sizeof where, cudaMemcpyDeviceToHost));
  EXPECT(where[0] == 1 && where[1] == 1 && where[2] == 1, "%d %d %d", where[0], where[1], where[2]);
  EXPECT(where[3] == 2 && where[4] == 6, "%d %d", where[3], where[4]);

  trap<<<1, 1>>>(1);
  const cudaError_t trapped = cudaDeviceSynchronize();
  EXPECT(trapped == cudaErrorLaunchFailure, "%s", cudaGetErrorName(trapped));
  FINISH();
}
