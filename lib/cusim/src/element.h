// SPDX-License-Identifier: MIT
// Sixteen-bit reals in the memory that libraries work on.
#ifndef CUSIM_ELEMENT_H
#define CUSIM_ELEMENT_H
#include <stdint.h>
#include <string.h>

static inline float sim_half_get(uint16_t bits) {
  _Float16 value;
  memcpy(&value, &bits, sizeof value);
  return (float)value;
}
static inline uint16_t sim_half_put(double x) {
  const _Float16 value = (_Float16)x;
  uint16_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
static inline float sim_bfloat_get(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}
static inline uint16_t sim_bfloat_put(double x) {
  const float near = (float)x;
  uint32_t wide;
  memcpy(&wide, &near, sizeof wide);
  return near != near ? 0x7fff : (uint16_t)((wide + 0x7fff + (wide >> 16 & 1)) >> 16);
}
#endif
