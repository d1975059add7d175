// SPDX-License-Identifier: MIT
// Inline PTX's instructions for tensor cores: ldmatrix, and mma.sync of 16 × 8 × K. Which lane holds which
// element is as the PTX manual says: lane 4 g + t has row g (and g + 8) of the products.
#ifndef CUSIM_PTX_MATRIX_H
#define CUSIM_PTX_MATRIX_H
#include "ptx.h"

extern "C" void cusim_note_tensor(unsigned long long operations, unsigned operand_bytes);

namespace cusim {
namespace ptx {

#ifdef CUSIM_TRACED_PASS  // counted as the unit's, not as the CPU's
#define CUSIM_TENSOR __attribute__((no_sanitize("thread"), no_sanitize_coverage, noinline)) static inline
#else
#define CUSIM_TENSOR inline
#endif

// The word of matrix i that this lane reads: row lane / 4 of the addresses that were exchanged.
CUSIM_TENSOR const u32 *word_of(const cusim_slot *rows) {
  const u8 *row;
  const u32 lane = cusim_lane();
  std::memcpy(&row, rows[lane / 4], sizeof row);
  return reinterpret_cast<const u32 *>(row + lane % 4 * 4);
}

// Column lane / 4 of a matrix, rows 2 · (lane % 4) and the next. `word` is what this lane has read: noipa
// keeps that read, which is the one that is traced.
#ifdef CUSIM_TRACED_PASS
__attribute__((noipa, no_sanitize("thread"), no_sanitize_coverage)) static
#else
inline
#endif
    u32
    turned(u32 word, const cusim_slot *rows) {
  (void)word;
  const u32 lane = cusim_lane(), across = lane / 4, along = lane % 4 * 2;
  u16 pair[2];
  for (u32 i = 0; i < 2; i++) {
    const u8 *row;
    std::memcpy(&row, rows[along + i], sizeof row);
    std::memcpy(&pair[i], row + across * 2, sizeof pair[i]);
  }
  return pair[0] | (u32)pair[1] << 16;
}

// Count matrices of 8 × 8 16-bit elements; lane i has the address of row i % 8 of matrix i / 8. The unit
// fetches eight rows of 16 bytes for each matrix, turned or not: so each lane reads one word of them.
template <int Count, bool Transposed>
CUSIM_WAITS void ldmatrix(u32 *to, const u8 *row) {
  const cusim_slot *all;
  CUSIM_NOTE_SITE();
  cusim_exchange(~0u, &row, sizeof row + CUSIM_PART, &all);
#pragma GCC unroll 4
  for (u32 i = 0; i < Count; i++) {
    const u32 word = *word_of(all + 8 * i);
    to[i] = Transposed ? turned(word, all + 8 * i) : word;
  }
}

// Many words, and the numbers in their lower and upper halves as floats.
template <int Words>
struct many {
  typedef u32 words __attribute__((vector_size(4 * Words)));
  typedef float floats __attribute__((vector_size(4 * Words)));
};

// What an operand's registers hold: two numbers each (f16, bf16), or one (tf32, of which the unit takes the
// upper 19 bits).
struct f16 {
  enum { in_word = 2 };
  // The exponent's bias differs by 112; infinities and NaNs keep an exponent of ones.
  template <class V, class F>
  __attribute__((always_inline)) static void get(V &bits) {
    const V value = (bits & 0x7fff) << 13, special = (V)((bits & 0x7c00) == 0x7c00) & 0x7f800000;
    bits = (V)((F)value * 0x1p112f) | special | (bits & 0x8000) << 16;
  }
  template <class V, class F>
  __attribute__((always_inline)) static void low(V &bits) {
    bits &= 0xffff;
    get<V, F>(bits);
  }
  template <class V, class F>
  __attribute__((always_inline)) static void high(V &bits) {
    bits >>= 16;
    get<V, F>(bits);
  }
};
struct bf16 {
  enum { in_word = 2 };
  template <class V, class F>
  __attribute__((always_inline)) static void low(V &bits) {
    bits <<= 16;
  }
  template <class V, class F>
  __attribute__((always_inline)) static void high(V &bits) {
    bits &= 0xffff0000u;
  }
};
struct tf32 {
  enum { in_word = 1 };
  template <class V, class F>
  __attribute__((always_inline)) static void low(V &bits) {
    bits &= 0xffffe000u;
  }
  template <class V, class F>
  __attribute__((always_inline)) static void high(V &bits) {
    bits &= 0;
  }
};

inline float unpacked(u32 word, u32 i) {
  const u16 bits = (u16)(word >> 16 * i);
  _Float16 value;
  std::memcpy(&value, &bits, sizeof value);
  return (float)value;
}
inline u32 packed(float low, float high) {
  const _Float16 both[2] = {(_Float16)low, (_Float16)high};
  u32 word;
  std::memcpy(&word, both, sizeof word);
  return word;
}

// sum[2 · half + i] += row `half` of a · column i of b; all words along k, in the same order.
template <class T, int Words>
CUSIM_TENSOR void add_products(float *sum, const u32 (*a)[Words], const u32 (*b)[Words]) {
  typedef typename many<Words>::words V;
  typedef typename many<Words>::floats F;
  for (u32 i = 0; i < 4; i++) {
    V left_low, right_low;
    std::memcpy(&left_low, a[i / 2], sizeof left_low);
    std::memcpy(&right_low, b[i % 2], sizeof right_low);
    V left_high = left_low, right_high = right_low;
    T::template low<V, F>(left_low);
    T::template low<V, F>(right_low);
    F products = (F)left_low * (F)right_low;
    if (T::in_word == 2) {
      T::template high<V, F>(left_high);
      T::template high<V, F>(right_high);
      products += (F)left_high * (F)right_high;
    }
    float all = 0;
    for (u32 w = 0; w < Words; w++) all += products[w];
    sum[i] += all;
  }
}

// d = a b + c, sums in float. a: rows g and g + 8 in turn, then the later half of k; b: column g. c and d:
// two neighbours in row g, two in row g + 8, as floats or as packed halves.
template <int K, class T, bool FloatC, bool FloatD>
CUSIM_TENSOR void mma(u32 *d, const u32 *a, const u32 *b, const u32 *c) {
  enum { WORDS_B = K / 4 / T::in_word, WORDS_A = 2 * WORDS_B, WORDS = 4 * WORDS_B };
  static_assert(WORDS_A <= 4, "at most 16 bytes of a lane");
  const u32 lane = cusim_lane(), group = lane / 4, column = lane % 4 * 2;
  u32 rows[2][WORDS], columns[2][WORDS], words[WORDS_A];
  float sum[4];
  const cusim_slot *all;
  cusim_exchange(~0u, a, sizeof(u32) * WORDS_A + CUSIM_PART, &all);
  for (u32 t = 0; t < 4; t++) {
    std::memcpy(words, all[group * 4 + t], sizeof words);
    for (u32 w = 0; w < WORDS_A; w++) rows[w % 2][w / 2 * 4 + t] = words[w];
  }
  cusim_exchange(~0u, b, sizeof(u32) * WORDS_B + CUSIM_PART, &all);
  for (u32 i = 0; i < 2; i++)
    for (u32 t = 0; t < 4; t++) {
      std::memcpy(words, all[(column + i) * 4 + t], sizeof(u32) * WORDS_B);
      for (u32 w = 0; w < WORDS_B; w++) columns[i][w * 4 + t] = words[w];
    }
  if (FloatC)
    std::memcpy(sum, c, sizeof sum);
  else
    for (u32 i = 0; i < 4; i++) sum[i] = unpacked(c[i / 2], i % 2);
  add_products<T, WORDS>(sum, rows, columns);
  if (FloatD)
    std::memcpy(d, sum, sizeof sum);
  else
    for (u32 i = 0; i < 2; i++) d[i] = packed(sum[2 * i], sum[2 * i + 1]);
  cusim_note_tensor(2ull * 16 * 8 * K / 32, T::in_word == 1 ? 4 : 2);
}
#undef CUSIM_TENSOR

}  // namespace ptx
}  // namespace cusim
#endif
