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

struct alignas(4) __half2 {
  __half2() = default;
  __half2(__half a, __half b) : x(a), y(b) {}
  __half x, y;
};
typedef __half2 half2;

CUSIM_SMALL_FLOAT(__half, __half2)

inline __half __float2half(float a) {
  return a;
}
inline __half __float2half_rn(float a) {
  return a;
}
inline __half __double2half(double a) {
  return a;
}
inline __half __int2half_rn(int a) {
  return a;
}
inline float __half2float(__half a) {
  return (float)a;
}
inline int __half2int_rn(__half a) {
  return (int)lrintf((float)a);
}
inline int __half2int_rz(__half a) {
  return (int)(float)a;
}
inline unsigned short __half_as_ushort(__half a) {
  return a.bits;
}
inline short __half_as_short(__half a) {
  return (short)a.bits;
}
inline __half __ushort_as_half(unsigned short bits) {
  return __half_raw{bits};
}
inline __half2 __floats2half2_rn(float a, float b) {
  return {a, b};
}
inline __half2 __float2half2_rn(float a) {
  return {a, a};
}
inline __half2 __float22half2_rn(float2 a) {
  return {a.x, a.y};
}
inline float2 __half22float2(__half2 a) {
  return make_float2((float)a.x, (float)a.y);
}
inline __half2 __half2half2(__half a) {
  return {a, a};
}
inline __half2 __halves2half2(__half a, __half b) {
  return {a, b};
}
inline __half2 make_half2(__half a, __half b) {
  return {a, b};
}
inline __half __low2half(__half2 a) {
  return a.x;
}
inline __half __high2half(__half2 a) {
  return a.y;
}
inline float __low2float(__half2 a) {
  return (float)a.x;
}
inline float __high2float(__half2 a) {
  return (float)a.y;
}
#endif
