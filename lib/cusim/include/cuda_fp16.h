// SPDX-License-Identifier: MIT
// IEEE binary16 under CUDA's names.
#ifndef CUSIM_CUDA_FP16_H
#define CUSIM_CUDA_FP16_H
#include "cusim/small_float.h"

struct __half_raw {
  unsigned short x;
};

struct __half {
  __half() = default;
  __half(float value) { set((_Float16)value); }
  __half(double value) { set((_Float16)value); }
  template <class T, class = std::enable_if_t<std::is_integral_v<T>>>
  __half(T value) {
    set((_Float16)value);
  }
  __half(__half_raw raw) : bits(raw.x) {}
  operator float() const {
    _Float16 value;
    std::memcpy(&value, &bits, sizeof value);
    return (float)value;
  }
  operator __half_raw() const { return {bits}; }
  unsigned short bits;

 private:
  void set(_Float16 value) { std::memcpy(&bits, &value, sizeof bits); }
};
typedef __half half;

struct __half2_raw {
  unsigned short x, y;
};

struct alignas(4) __half2 {
  __half2() = default;
  __half2(__half2_raw raw) : x(__half_raw{raw.x}), y(__half_raw{raw.y}) {}
  operator __half2_raw() const { return {x.bits, y.bits}; }
  __half2(__half a, __half b) : x(a), y(b) {}
  __half x, y;
};
typedef __half2 half2;

CUSIM_SMALL_FLOAT(__half, __half2)

CUSIM_SMALL_CONVERSIONS(__half, __half2, half)
inline unsigned short __half_as_ushort(__half a) {
  return a.bits;
}
inline short __half_as_short(__half a) {
  return (short)a.bits;
}
inline __half __ushort_as_half(unsigned short bits) {
  return __half_raw{bits};
}
inline __half __short_as_half(short bits) {
  return __half_raw{(unsigned short)bits};
}
inline __half2 make_half2(__half a, __half b) {
  return {a, b};
}
typedef __half nv_half;
typedef __half2 nv_half2;
#define CUDART_INF_FP16 __ushort_as_half(0x7c00)
#define CUDART_NAN_FP16 __ushort_as_half(0x7fff)
#define CUDART_MAX_NORMAL_FP16 __ushort_as_half(0x7bff)
#define CUDART_MIN_DENORM_FP16 __ushort_as_half(0x0001)
#define CUDART_ONE_FP16 __ushort_as_half(0x3c00)
#define CUDART_ZERO_FP16 __ushort_as_half(0x0000)
#define CUDART_NEG_ZERO_FP16 __ushort_as_half(0x8000)
#endif
