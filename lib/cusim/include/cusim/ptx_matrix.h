// SPDX-License-Identifier: MIT
// Inline PTX's instructions for tensor cores: ldmatrix, and mma.sync of 16 × 8 × K. Which lane holds which
// element is as the PTX manual says: lane 4 g + t has row g (and g + 8) of the products.
#ifndef CUSIM_PTX_MATRIX_H
#define CUSIM_PTX_MATRIX_H
#include "ptx.h"

extern "C" void cusim_note_tensor(unsigned long long operations);

namespace cusim {
namespace ptx {

#ifdef CUSIM_TRACED_PASS  // counted as the unit's, not as the CPU's
#define CUSIM_TENSOR __attribute__((no_sanitize("thread"), no_sanitize_coverage, noinline)) static inline
#else
#define CUSIM_TENSOR inline
#endif

// Count matrices of 8 × 8 16-bit elements; lane i has the address of row i % 8 of matrix i / 8.
template <int Count, bool Transposed>
CUSIM_WAITS void ldmatrix(u32 *to, const u8 *row) {
  const cusim_slot *all;
  (void)cusim::exchange(~0u, row, all);
  const u32 lane = cusim_lane(), across = lane / 4, along = lane % 4 * 2;
  for (u32 i = 0; i < Count; i++) {
    if (!Transposed) {
      to[i] = *reinterpret_cast<const u32 *>(taken_from<const u8 *>(all, 8 * i + across) + along * 2);
      continue;
    }
    const u16 low = *reinterpret_cast<const u16 *>(taken_from<const u8 *>(all, 8 * i + along) + across * 2);
    const u16 high =
        *reinterpret_cast<const u16 *>(taken_from<const u8 *>(all, 8 * i + along + 1) + across * 2);
    to[i] = low | (u32)high << 16;
  }
}

// What an operand's registers hold: two numbers each (f16, bf16), or one (tf32, of which the unit takes the
// upper 19 bits).
struct f16 {
  enum { in_word = 2 };
  static float get(u32 word, u32 i) {
    const u16 bits = (u16)(word >> 16 * i);
    _Float16 value;
    std::memcpy(&value, &bits, sizeof value);
    return (float)value;
  }
};
struct bf16 {
  enum { in_word = 2 };
  static float get(u32 word, u32 i) { return as<float>(word >> 16 * i << 16); }
};
struct tf32 {
  enum { in_word = 1 };
  static float get(u32 word, u32) { return as<float>(word & 0xffffe000u); }
};

inline u32 packed(float low, float high) {
  const _Float16 both[2] = {(_Float16)low, (_Float16)high};
  u32 word;
  std::memcpy(&word, both, sizeof word);
  return word;
}

// d = a b + c, sums in float. a: rows g and g + 8 in turn, then the later half of k; b: column g. c and d:
// two neighbours in row g, two in row g + 8, as floats or as packed halves.
template <int K, class T, bool FloatC, bool FloatD>
CUSIM_TENSOR void mma(u32 *d, const u32 *a, const u32 *b, const u32 *c) {
  enum { WORDS_B = K / 4 / T::in_word, WORDS_A = 2 * WORDS_B, PER_LANE = T::in_word, STEP = 4 * T::in_word };
  static_assert(WORDS_A <= 4, "at most 16 bytes of a lane");
  const u32 lane = cusim_lane(), group = lane / 4, column = lane % 4 * 2;
  float rows[2][K], sum[4];
  const cusim_slot *all;
  cusim_exchange(~0u, a, sizeof(u32) * WORDS_A, &all);
  for (u32 k = 0; k < K; k++)
    for (u32 half = 0; half < 2; half++) {
      u32 words[WORDS_A];
      std::memcpy(words, all[group * 4 + k % STEP / PER_LANE], sizeof words);
      rows[half][k] = T::get(words[half + 2 * (k / STEP)], k % PER_LANE);
    }
  for (u32 i = 0; i < 4; i++) sum[i] = FloatC ? as<float>(c[i]) : f16::get(c[i / 2], i % 2);
  cusim_exchange(~0u, b, sizeof(u32) * WORDS_B, &all);
  for (u32 k = 0; k < K; k++)
    for (u32 i = 0; i < 4; i++) {
      u32 words[WORDS_B];
      std::memcpy(words, all[(column + i % 2) * 4 + k % STEP / PER_LANE], sizeof words);
      sum[i] += rows[i / 2][k] * T::get(words[k / STEP], k % PER_LANE);
    }
  for (u32 i = 0; i < 4; i += FloatD ? 1 : 2)
    d[FloatD ? i : i / 2] = FloatD ? as<u32>(sum[i]) : packed(sum[i], sum[i + 1]);
  cusim_note_tensor(2ull * 16 * 8 * K / 32);
}
#undef CUSIM_TENSOR

}  // namespace ptx
}  // namespace cusim
#endif
