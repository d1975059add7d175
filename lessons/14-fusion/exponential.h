// SPDX-License-Identifier: MIT
// exp for loops that the compiler is to make vectors of: no branch, no call, no table.
#ifndef EXPONENTIAL_H
#define EXPONENTIAL_H
#include <stdint.h>
#include <string.h>

// e^x for x ≤ 0 to 2 units in the last place: 2^k · e^r with k = x / ln 2 rounded and |r| ≤ ln 2 / 2, e^r by
// its series up to r^7 / 7! (the next term is 2^-27). Below -87, where fp32 ends, it stays at e^-87: nothing
// beside the 1 of a row's largest number.
static inline float exponential(float x) {
  const float round = 0x1.8p23f;  // adding it leaves no bits behind the point
  x = x < -87.0f ? -87.0f : x;
  const float shifted = x * 1.44269504f + round, k = shifted - round;
  const float r = (x - k * 0.693359375f) + k * 2.12194440e-4f;  // ln 2 in two parts, the first one short
  float e = 1.0f / 5040;
  e = e * r + 1.0f / 720;
  e = e * r + 1.0f / 120;
  e = e * r + 1.0f / 24;
  e = e * r + 1.0f / 6;
  e = e * r + 0.5f;
  e = e * r + 1;
  e = e * r + 1;
  int32_t exponent, bits;
  memcpy(&exponent, &shifted, sizeof exponent);
  memcpy(&bits, &e, sizeof bits);
  bits += (int32_t)((uint32_t)exponent << 23);
  memcpy(&e, &bits, sizeof e);
  return e;
}
#endif
