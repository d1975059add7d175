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

struct __nv_bfloat162_raw {
  unsigned short x, y;
};

struct alignas(4) __nv_bfloat162 {
  __nv_bfloat162() = default;
  __nv_bfloat162(__nv_bfloat162_raw raw) : x(__nv_bfloat16_raw{raw.x}), y(__nv_bfloat16_raw{raw.y}) {}
  operator __nv_bfloat162_raw() const { return {x.bits, y.bits}; }
  __nv_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) : x(a), y(b) {}
  __nv_bfloat16 x, y;
};
typedef __nv_bfloat162 nv_bfloat162;

CUSIM_SMALL_FLOAT(__nv_bfloat16, __nv_bfloat162)

CUSIM_SMALL_CONVERSIONS(__nv_bfloat16, __nv_bfloat162, bfloat16)
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 a) {
  return a.bits;
}
inline short __bfloat16_as_short(__nv_bfloat16 a) {
  return (short)a.bits;
}
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  return __nv_bfloat16_raw{bits};
}
inline __nv_bfloat16 __short_as_bfloat16(short bits) {
  return __nv_bfloat16_raw{(unsigned short)bits};
}
inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 a, __nv_bfloat16 b) {
  return {a, b};
}
#define CUDART_INF_BF16 __ushort_as_bfloat16(0x7f80)
#define CUDART_NAN_BF16 __ushort_as_bfloat16(0x7fff)
#define CUDART_MAX_NORMAL_BF16 __ushort_as_bfloat16(0x7f7f)
#define CUDART_ONE_BF16 __ushort_as_bfloat16(0x3f80)
#define CUDART_ZERO_BF16 __ushort_as_bfloat16(0x0000)
#endif
