// SPDX-License-Identifier: MIT
// 8-bit floating point under CUDA's names: e4m3 (4 bits of exponent, 3 of fraction, no infinity, largest 448)
// and e5m2 (5 and 2 bits, as binary16 cut short, largest 57344). Conversions only, as the formats have no
// arithmetic.
#ifndef CUSIM_CUDA_FP8_H
#define CUSIM_CUDA_FP8_H
#include "cuda_bf16.h"
#include "cuda_fp16.h"

typedef unsigned char __nv_fp8_storage_t;
typedef unsigned short __nv_fp8x2_storage_t;
typedef unsigned __nv_fp8x4_storage_t;
// What becomes of values beyond the largest one: infinity (e4m3: NaN), or the largest one.
typedef enum __nv_saturation_t { __NV_NOSAT, __NV_SATFINITE } __nv_saturation_t;
typedef enum __nv_fp8_interpretation_t { __NV_E4M3, __NV_E5M2 } __nv_fp8_interpretation_t;

namespace cusim {
// Rounded to nearest, ties to even, from the exact value.
inline __nv_fp8_storage_t to_fp8(double value, __nv_saturation_t saturation, __nv_fp8_interpretation_t kind) {
  const int fraction = kind == __NV_E4M3 ? 3 : 2, lowest = kind == __NV_E4M3 ? -6 : -14;
  const double largest = kind == __NV_E4M3 ? 448.0 : 57344.0;
  const unsigned sign = std::signbit(value) ? 0x80u : 0u;
  if (value != value) return (__nv_fp8_storage_t)0x7f;
  const double size = std::fabs(value);
  const unsigned top = kind == __NV_E4M3 ? 0x7eu : 0x7bu;  // the largest number's bits
  const unsigned beyond = saturation == __NV_SATFINITE ? top : kind == __NV_E4M3 ? 0x7fu : 0x7cu;
  if (size > 2 * largest) return (__nv_fp8_storage_t)(sign | beyond);
  if (size == 0) return (__nv_fp8_storage_t)sign;
  int exponent = std::ilogb(size);
  if (exponent < lowest) exponent = lowest;
  // In units of the last place; a carry into the next power of two is right as it is.
  const unsigned units = (unsigned)std::nearbyint(std::ldexp(size, fraction - exponent));
  const unsigned bits = ((unsigned)(exponent - lowest) << fraction) + units;
  return (__nv_fp8_storage_t)(sign | (bits > top ? beyond : bits));
}

inline float from_fp8(__nv_fp8_storage_t bits, __nv_fp8_interpretation_t kind) {
  const int fraction = kind == __NV_E4M3 ? 3 : 2, lowest = kind == __NV_E4M3 ? -6 : -14;
  const int size = bits & 0x7f, exponent = size >> fraction, part = size & ((1 << fraction) - 1);
  float value;
  if (kind == __NV_E4M3 ? size == 0x7f : size > 0x7c)
    value = NAN;
  else if (kind == __NV_E5M2 && size == 0x7c)
    value = INFINITY;
  else if (exponent == 0)
    value = std::ldexp((float)part, lowest - fraction);
  else
    value = std::ldexp((float)(part + (1 << fraction)), lowest - 1 + exponent - fraction);
  return bits & 0x80 ? -value : value;
}
}  // namespace cusim

inline __nv_fp8_storage_t __nv_cvt_double_to_fp8(double x, __nv_saturation_t saturation,
                                                 __nv_fp8_interpretation_t kind) {
  return cusim::to_fp8(x, saturation, kind);
}
inline __nv_fp8_storage_t __nv_cvt_float_to_fp8(float x, __nv_saturation_t saturation,
                                                __nv_fp8_interpretation_t kind) {
  return cusim::to_fp8((double)x, saturation, kind);
}
inline __nv_fp8_storage_t __nv_cvt_halfraw_to_fp8(__half_raw x, __nv_saturation_t saturation,
                                                  __nv_fp8_interpretation_t kind) {
  return cusim::to_fp8((double)(float)__half(x), saturation, kind);
}
inline __nv_fp8_storage_t __nv_cvt_bfloat16raw_to_fp8(__nv_bfloat16_raw x, __nv_saturation_t saturation,
                                                      __nv_fp8_interpretation_t kind) {
  return cusim::to_fp8((double)(float)__nv_bfloat16(x), saturation, kind);
}
inline __half_raw __nv_cvt_fp8_to_halfraw(__nv_fp8_storage_t x, __nv_fp8_interpretation_t kind) {
  return __half(cusim::from_fp8(x, kind));
}
#define CUSIM_FP8_PAIR(name, T, single, x, y)                                                              \
  inline __nv_fp8x2_storage_t name(T pair, __nv_saturation_t saturation, __nv_fp8_interpretation_t kind) { \
    return (__nv_fp8x2_storage_t)(single(x, saturation, kind) | single(y, saturation, kind) << 8);         \
  }
CUSIM_FP8_PAIR(__nv_cvt_double2_to_fp8x2, double2, __nv_cvt_double_to_fp8, pair.x, pair.y)
CUSIM_FP8_PAIR(__nv_cvt_float2_to_fp8x2, float2, __nv_cvt_float_to_fp8, pair.x, pair.y)
CUSIM_FP8_PAIR(__nv_cvt_halfraw2_to_fp8x2, __half2_raw, __nv_cvt_halfraw_to_fp8, __half_raw{pair.x},
               __half_raw{pair.y})
CUSIM_FP8_PAIR(__nv_cvt_bfloat16raw2_to_fp8x2, __nv_bfloat162_raw, __nv_cvt_bfloat16raw_to_fp8,
               __nv_bfloat16_raw{pair.x}, __nv_bfloat16_raw{pair.y})
#undef CUSIM_FP8_PAIR
inline __half2_raw __nv_cvt_fp8x2_to_halfraw2(__nv_fp8x2_storage_t x, __nv_fp8_interpretation_t kind) {
  return {__nv_cvt_fp8_to_halfraw((__nv_fp8_storage_t)x, kind).x,
          __nv_cvt_fp8_to_halfraw((__nv_fp8_storage_t)(x >> 8), kind).x};
}

// The types: made from any number, the largest value standing for what lies beyond; read as float or half.
#define CUSIM_FP8(T, kind)                                                                           \
  struct T {                                                                                         \
    __nv_fp8_storage_t __x;                                                                          \
    T() = default;                                                                                   \
    explicit T(float x) : __x(__nv_cvt_float_to_fp8(x, __NV_SATFINITE, kind)) {}                     \
    explicit T(double x) : __x(__nv_cvt_double_to_fp8(x, __NV_SATFINITE, kind)) {}                   \
    explicit T(__half x) : __x(__nv_cvt_halfraw_to_fp8(x, __NV_SATFINITE, kind)) {}                  \
    explicit T(__nv_bfloat16 x) : __x(__nv_cvt_bfloat16raw_to_fp8(x, __NV_SATFINITE, kind)) {}       \
    template <class I, class = std::enable_if_t<std::is_integral<I>::value>>                         \
    explicit T(I x) : T((double)x) {}                                                                \
    explicit operator float() const { return cusim::from_fp8(__x, kind); }                           \
    explicit operator double() const { return (double)(float)*this; }                                \
    explicit operator __half() const { return __half(__nv_cvt_fp8_to_halfraw(__x, kind)); }          \
    explicit operator __nv_bfloat16() const { return __nv_bfloat16((float)*this); }                  \
    explicit operator bool() const { return (__x & 0x7f) != 0; }                                     \
    template <class I,                                                                               \
              class = std::enable_if_t<std::is_integral<I>::value && !std::is_same<I, bool>::value>, \
              class = void>                                                                          \
    explicit operator I() const {                                                                    \
      return cusim::small_to_integer<I>((float)*this);                                               \
    }                                                                                                \
  };
CUSIM_FP8(__nv_fp8_e4m3, __NV_E4M3)
CUSIM_FP8(__nv_fp8_e5m2, __NV_E5M2)
#undef CUSIM_FP8
#define CUSIM_FP8X2(T, kind)                                                                       \
  struct T {                                                                                       \
    __nv_fp8x2_storage_t __x;                                                                      \
    T() = default;                                                                                 \
    explicit T(float2 x) : __x(__nv_cvt_float2_to_fp8x2(x, __NV_SATFINITE, kind)) {}               \
    explicit T(double2 x) : __x(__nv_cvt_double2_to_fp8x2(x, __NV_SATFINITE, kind)) {}             \
    explicit T(__half2 x) : __x(__nv_cvt_halfraw2_to_fp8x2(x, __NV_SATFINITE, kind)) {}            \
    explicit T(__nv_bfloat162 x) : __x(__nv_cvt_bfloat16raw2_to_fp8x2(x, __NV_SATFINITE, kind)) {} \
    explicit operator float2() const {                                                             \
      return make_float2(cusim::from_fp8((__nv_fp8_storage_t)__x, kind),                           \
                         cusim::from_fp8((__nv_fp8_storage_t)(__x >> 8), kind));                   \
    }                                                                                              \
    explicit operator __half2() const { return __half2(__nv_cvt_fp8x2_to_halfraw2(__x, kind)); }   \
  };
CUSIM_FP8X2(__nv_fp8x2_e4m3, __NV_E4M3)
CUSIM_FP8X2(__nv_fp8x2_e5m2, __NV_E5M2)
#undef CUSIM_FP8X2
#define CUSIM_FP8X4(T, kind)                                                                              \
  struct T {                                                                                              \
    __nv_fp8x4_storage_t __x;                                                                             \
    T() = default;                                                                                        \
    explicit T(float4 x)                                                                                  \
        : __x(__nv_cvt_float2_to_fp8x2(make_float2(x.x, x.y), __NV_SATFINITE, kind) |                     \
              (unsigned)__nv_cvt_float2_to_fp8x2(make_float2(x.z, x.w), __NV_SATFINITE, kind) << 16) {}   \
    explicit T(double4 x)                                                                                 \
        : __x(__nv_cvt_double2_to_fp8x2(make_double2(x.x, x.y), __NV_SATFINITE, kind) |                   \
              (unsigned)__nv_cvt_double2_to_fp8x2(make_double2(x.z, x.w), __NV_SATFINITE, kind) << 16) {} \
    explicit T(__half2 low, __half2 high)                                                                 \
        : __x(__nv_cvt_halfraw2_to_fp8x2(low, __NV_SATFINITE, kind) |                                     \
              (unsigned)__nv_cvt_halfraw2_to_fp8x2(high, __NV_SATFINITE, kind) << 16) {}                  \
    explicit T(__nv_bfloat162 low, __nv_bfloat162 high)                                                   \
        : __x(__nv_cvt_bfloat16raw2_to_fp8x2(low, __NV_SATFINITE, kind) |                                 \
              (unsigned)__nv_cvt_bfloat16raw2_to_fp8x2(high, __NV_SATFINITE, kind) << 16) {}              \
    explicit operator float4() const {                                                                    \
      return make_float4(cusim::from_fp8((__nv_fp8_storage_t)__x, kind),                                  \
                         cusim::from_fp8((__nv_fp8_storage_t)(__x >> 8), kind),                           \
                         cusim::from_fp8((__nv_fp8_storage_t)(__x >> 16), kind),                          \
                         cusim::from_fp8((__nv_fp8_storage_t)(__x >> 24), kind));                         \
    }                                                                                                     \
  };
CUSIM_FP8X4(__nv_fp8x4_e4m3, __NV_E4M3)
CUSIM_FP8X4(__nv_fp8x4_e5m2, __NV_E5M2)
#undef CUSIM_FP8X4
#endif
