// SPDX-License-Identifier: MIT
// Element types of arrays, and bfloat16 on the host.
#ifndef HEDDLE_TYPE_H
#define HEDDLE_TYPE_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// HD_BF16: the upper half of an fp32, in a uint16_t: its exponent, 8 bits of its significand.
enum hd_type { HD_F32, HD_F64, HD_I32, HD_U8, HD_BF16 };

static inline size_t hd_type_bytes(enum hd_type type) {
  return type == HD_F64 ? 8 : type == HD_U8 ? 1 : type == HD_BF16 ? 2 : 4;
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

#ifdef __cplusplus
}
#endif
#endif
