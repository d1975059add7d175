// SPDX-License-Identifier: MIT
// Element types of arrays, and the 16-bit ones on the host.
#ifndef HEDDLE_TYPE_H
#define HEDDLE_TYPE_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// HD_TF32: an fp32 that tensor cores read 11 bits of the significand of; a format of operands, else as
// HD_F32. HD_BF16: the upper half of an fp32, in a uint16_t: its exponent, 8 bits of its significand. HD_F16:
// IEEE's binary16 in a uint16_t: largest 65504, 11 bits of significand, subnormal below 2^-14.
enum hd_type { HD_F32, HD_F64, HD_I32, HD_U8, HD_BF16, HD_F16, HD_TF32 };

static inline size_t hd_type_bytes(enum hd_type type) {
  return type == HD_F64 ? 8 : type == HD_U8 ? 1 : type == HD_BF16 || type == HD_F16 ? 2 : 4;
}

static inline float hd_bf16_to_float(uint16_t x) {
  const uint32_t bits = (uint32_t)x << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Rounds to nearest, ties to even; a NaN stays a NaN.
static inline uint16_t hd_bf16_from_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  if (x != x) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float hd_f16_to_float(uint16_t x) {
  const uint32_t sign = (uint32_t)(x & 0x8000) << 16, magnitude = x & 0x7fff;
  uint32_t bits = (magnitude << 13) + (112u << 23);  // the exponent's bias is 127 instead of 15
  if (magnitude >= 0x7c00) bits += 112u << 23;       // infinity and NaN have the largest exponent in both
  float value;
  memcpy(&value, &bits, sizeof value);
  if (magnitude < 0x0400) value = (float)magnitude * 0x1p-24f;
  memcpy(&bits, &value, sizeof bits);
  bits |= sign;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// Rounds to nearest, ties to even; 65520 and more become infinity; a NaN stays a NaN.
static inline uint16_t hd_f16_from_float(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  // At 0.5 an fp32 counts in steps of 2^-24, as a subnormal fp16 does: adding 0.5 rounds to them.
  float small;
  memcpy(&small, &magnitude, sizeof small);
  small += 0.5f;
  uint32_t rounded;
  memcpy(&rounded, &small, sizeof rounded);
  uint32_t half = rounded - 0x3f000000;
  if (magnitude >= 0x38800000) half = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
  if (magnitude >= 0x477ff000) half = 0x7c00;
  if (magnitude > 0x7f800000) half = 0x7e00;
  return (uint16_t)(sign | half);
}

// x in one of the two, in `type`.
static inline float hd_half_to_float(enum hd_type type, uint16_t x) {
  return type == HD_F16 ? hd_f16_to_float(x) : hd_bf16_to_float(x);
}
static inline uint16_t hd_half_from_float(enum hd_type type, float x) {
  return type == HD_F16 ? hd_f16_from_float(x) : hd_bf16_from_float(x);
}

#ifdef __cplusplus
}
#endif
#endif
