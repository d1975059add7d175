// SPDX-License-Identifier: MIT
// bfloat16 under CUDA's names: the upper half of a float, rounded to nearest even.
#ifndef CUSIM_CUDA_BF16_H
#define CUSIM_CUDA_BF16_H
#include "cusim/small_float.h"

struct __nv_bfloat16_raw {
  unsigned short x;
};

struct __nv_bfloat16 {
  __nv_bfloat16() = default;
  __nv_bfloat16(float value) {
    unsigned wide;
    std::memcpy(&wide, &value, sizeof wide);
    const bool nan = (wide & 0x7fffffffu) > 0x7f800000u;
    bits = nan ? 0x7fff : (unsigned short)((wide + 0x7fff + (wide >> 16 & 1)) >> 16);
  }
  // A double is rounded once: first to an odd last bit of a float, which remembers whether anything was lost.
  __nv_bfloat16(double value) : __nv_bfloat16(to_odd(value)) {}
  template <class T, class = std::enable_if_t<std::is_integral_v<T>>>
  __nv_bfloat16(T value) : __nv_bfloat16((double)value) {}
  __nv_bfloat16(__nv_bfloat16_raw raw) : bits(raw.x) {}
  operator float() const {
    const unsigned wide = (unsigned)bits << 16;
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
  }
  operator __nv_bfloat16_raw() const { return {bits}; }
  unsigned short bits;

 private:
  static float to_odd(double value) {
    float near = (float)value;
    unsigned wide;
    std::memcpy(&wide, &near, sizeof wide);
    const bool finite = (wide & 0x7f800000u) != 0x7f800000u;
    if (!finite || (double)near == value) return near;
    if (std::fabs((double)near) > std::fabs(value)) wide--;  // towards zero
    wide |= 1;
    std::memcpy(&near, &wide, sizeof near);
    return near;
  }
};
typedef __nv_bfloat16 nv_bfloat16;

struct alignas(4) __nv_bfloat162 {
  __nv_bfloat162() = default;
  __nv_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) : x(a), y(b) {}
  __nv_bfloat16 x, y;
};
typedef __nv_bfloat162 nv_bfloat162;

CUSIM_SMALL_FLOAT(__nv_bfloat16, __nv_bfloat162)

inline __nv_bfloat16 __float2bfloat16(float a) {
  return a;
}
inline __nv_bfloat16 __float2bfloat16_rn(float a) {
  return a;
}
inline __nv_bfloat16 __double2bfloat16(double a) {
  return a;
}
inline float __bfloat162float(__nv_bfloat16 a) {
  return (float)a;
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 a) {
  return a.bits;
}
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  return __nv_bfloat16_raw{bits};
}
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) {
  return {a, b};
}
inline __nv_bfloat162 __float22bfloat162_rn(float2 a) {
  return {a.x, a.y};
}
inline float2 __bfloat1622float2(__nv_bfloat162 a) {
  return make_float2((float)a.x, (float)a.y);
}
inline __nv_bfloat162 __bfloat162bfloat162(__nv_bfloat16 a) {
  return {a, a};
}
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) {
  return {a, b};
}
inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) {
  return {a, b};
}
inline __nv_bfloat16 __low2bfloat16(__nv_bfloat162 a) {
  return a.x;
}
inline __nv_bfloat16 __high2bfloat16(__nv_bfloat162 a) {
  return a.y;
}
#endif
