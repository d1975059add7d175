// SPDX-License-Identifier: MIT
// CUDA's SIMD-in-a-word intrinsics: two halves or four bytes of a 32-bit word at a time.
#ifndef CUSIM_VIDEO_H
#define CUSIM_VIDEO_H

namespace cusim {

template <int Lanes>
struct word {
  static constexpr int bits = 32 / Lanes;
  static constexpr unsigned ones = (1u << bits) - 1;
  static constexpr int most = (int)(ones >> 1), least = -most - 1;
  static int as_unsigned(unsigned w, int lane) { return (int)(w >> lane * bits & ones); }
  static int as_signed(unsigned w, int lane) {
    const int value = as_unsigned(w, lane);
    return value > most ? value - (int)ones - 1 : value;
  }
  static int clamp_signed(int value) { return value > most ? most : value < least ? least : value; }
  static int clamp_unsigned(int value) { return value > (int)ones ? (int)ones : value < 0 ? 0 : value; }
  template <class Operation>
  static unsigned map(bool is_signed, unsigned a, unsigned b, unsigned c, Operation operation) {
    unsigned result = 0;
    for (int i = 0; i < Lanes; i++) {
      const int x = is_signed ? as_signed(a, i) : as_unsigned(a, i),
                y = is_signed ? as_signed(b, i) : as_unsigned(b, i),
                z = is_signed ? as_signed(c, i) : as_unsigned(c, i);
      result |= ((unsigned)operation(x, y, z) & ones) << i * bits;
    }
    return result;
  }
};

}  // namespace cusim

#define CUSIM_VIDEO_1(name, lanes, is_signed, expression)                             \
  inline unsigned name##lanes(unsigned a) {                                           \
    using word = cusim::word<lanes>;                                                  \
    return word::map(is_signed, a, 0, 0, [](int x, int, int) { return expression; }); \
  }
#define CUSIM_VIDEO_2(name, lanes, is_signed, expression)                               \
  inline unsigned name##lanes(unsigned a, unsigned b) {                                 \
    using word = cusim::word<lanes>;                                                    \
    return word::map(is_signed, a, b, 0, [](int x, int y, int) { return expression; }); \
  }
#define CUSIM_VIDEO_COMPARE(name, lanes, is_signed, sign)          \
  CUSIM_VIDEO_2(__vcmp##name, lanes, is_signed, x sign y ? ~0 : 0) \
  CUSIM_VIDEO_2(__vset##name, lanes, is_signed, x sign y ? 1 : 0)
#define CUSIM_VIDEO_SUM(name, lanes, is_signed)                                    \
  inline unsigned name##lanes(unsigned a, unsigned b) {                            \
    using word = cusim::word<lanes>;                                               \
    unsigned sum = 0;                                                              \
    for (int i = 0; i < lanes; i++) {                                              \
      const int d = is_signed ? word::as_signed(a, i) - word::as_signed(b, i)      \
                              : word::as_unsigned(a, i) - word::as_unsigned(b, i); \
      sum += (unsigned)(d < 0 ? -d : d);                                           \
    }                                                                              \
    return sum;                                                                    \
  }
#define CUSIM_VIDEO(lanes)                                                 \
  CUSIM_VIDEO_1(__vabs, lanes, true, x < 0 ? -x : x)                       \
  CUSIM_VIDEO_1(__vabsss, lanes, true, word::clamp_signed(x < 0 ? -x : x)) \
  CUSIM_VIDEO_1(__vneg, lanes, true, -x)                                   \
  CUSIM_VIDEO_1(__vnegss, lanes, true, word::clamp_signed(-x))             \
  CUSIM_VIDEO_2(__vadd, lanes, false, x + y)                               \
  CUSIM_VIDEO_2(__vaddss, lanes, true, word::clamp_signed(x + y))          \
  CUSIM_VIDEO_2(__vaddus, lanes, false, word::clamp_unsigned(x + y))       \
  CUSIM_VIDEO_2(__vsub, lanes, false, x - y)                               \
  CUSIM_VIDEO_2(__vsubss, lanes, true, word::clamp_signed(x - y))          \
  CUSIM_VIDEO_2(__vsubus, lanes, false, word::clamp_unsigned(x - y))       \
  CUSIM_VIDEO_2(__vabsdiffs, lanes, true, x > y ? x - y : y - x)           \
  CUSIM_VIDEO_2(__vabsdiffu, lanes, false, x > y ? x - y : y - x)          \
  CUSIM_VIDEO_2(__vavgs, lanes, true, (x + y + (x + y >= 0)) >> 1)         \
  CUSIM_VIDEO_2(__vavgu, lanes, false, (x + y + 1) >> 1)                   \
  CUSIM_VIDEO_2(__vhaddu, lanes, false, (x + y) >> 1)                      \
  CUSIM_VIDEO_2(__vmaxs, lanes, true, x > y ? x : y)                       \
  CUSIM_VIDEO_2(__vmaxu, lanes, false, x > y ? x : y)                      \
  CUSIM_VIDEO_2(__vmins, lanes, true, x < y ? x : y)                       \
  CUSIM_VIDEO_2(__vminu, lanes, false, x < y ? x : y)                      \
  CUSIM_VIDEO_COMPARE(eq, lanes, false, ==)                                \
  CUSIM_VIDEO_COMPARE(ne, lanes, false, !=)                                \
  CUSIM_VIDEO_COMPARE(ges, lanes, true, >=)                                \
  CUSIM_VIDEO_COMPARE(geu, lanes, false, >=)                               \
  CUSIM_VIDEO_COMPARE(gts, lanes, true, >)                                 \
  CUSIM_VIDEO_COMPARE(gtu, lanes, false, >)                                \
  CUSIM_VIDEO_COMPARE(les, lanes, true, <=)                                \
  CUSIM_VIDEO_COMPARE(leu, lanes, false, <=)                               \
  CUSIM_VIDEO_COMPARE(lts, lanes, true, <)                                 \
  CUSIM_VIDEO_COMPARE(ltu, lanes, false, <)                                \
  CUSIM_VIDEO_SUM(__vsads, lanes, true)                                    \
  CUSIM_VIDEO_SUM(__vsadu, lanes, false)
CUSIM_VIDEO(2)
CUSIM_VIDEO(4)

// Combinations of additions, minima and maxima; relu: not below zero.
#define CUSIM_EXTREMES(name, sign, sign_or_equal)                                      \
  inline int __vi##name##_s32_relu(int a, int b) {                                     \
    const int x = a sign b ? a : b;                                                    \
    return x > 0 ? x : 0;                                                              \
  }                                                                                    \
  inline int __vi##name##3_s32(int a, int b, int c) {                                  \
    const int x = a sign b ? a : b;                                                    \
    return x sign c ? x : c;                                                           \
  }                                                                                    \
  inline int __vi##name##3_s32_relu(int a, int b, int c) {                             \
    const int x = __vi##name##3_s32(a, b, c);                                          \
    return x > 0 ? x : 0;                                                              \
  }                                                                                    \
  inline unsigned __vi##name##3_u32(unsigned a, unsigned b, unsigned c) {              \
    const unsigned x = a sign b ? a : b;                                               \
    return x sign c ? x : c;                                                           \
  }                                                                                    \
  inline int __viadd##name##_s32(int a, int b, int c) {                                \
    const int x = (int)((unsigned)a + (unsigned)b);                                    \
    return x sign c ? x : c;                                                           \
  }                                                                                    \
  inline int __viadd##name##_s32_relu(int a, int b, int c) {                           \
    const int x = __viadd##name##_s32(a, b, c);                                        \
    return x > 0 ? x : 0;                                                              \
  }                                                                                    \
  inline unsigned __viadd##name##_u32(unsigned a, unsigned b, unsigned c) {            \
    return a + b sign c ? a + b : c;                                                   \
  }                                                                                    \
  inline int __vib##name##_s32(int a, int b, bool *first) {                            \
    *first = a sign_or_equal b;                                                        \
    return *first ? a : b;                                                             \
  }                                                                                    \
  inline unsigned __vib##name##_u32(unsigned a, unsigned b, bool *first) {             \
    *first = a sign_or_equal b;                                                        \
    return *first ? a : b;                                                             \
  }                                                                                    \
  inline unsigned __vi##name##_s16x2_relu(unsigned a, unsigned b) {                    \
    return cusim::word<2>::map(true, a, b, 0, [](int x, int y, int) {                  \
      const int m = x sign y ? x : y;                                                  \
      return m > 0 ? m : 0;                                                            \
    });                                                                                \
  }                                                                                    \
  inline unsigned __vi##name##3_s16x2(unsigned a, unsigned b, unsigned c) {            \
    return cusim::word<2>::map(true, a, b, c, __vi##name##3_s32);                      \
  }                                                                                    \
  inline unsigned __vi##name##3_u16x2(unsigned a, unsigned b, unsigned c) {            \
    return cusim::word<2>::map(false, a, b, c, __vi##name##3_s32);                     \
  }                                                                                    \
  inline unsigned __vi##name##3_s16x2_relu(unsigned a, unsigned b, unsigned c) {       \
    return cusim::word<2>::map(true, a, b, c, __vi##name##3_s32_relu);                 \
  }                                                                                    \
  inline unsigned __viadd##name##_s16x2(unsigned a, unsigned b, unsigned c) {          \
    return __v##name##s2(__vadd2(a, b), c);                                            \
  }                                                                                    \
  inline unsigned __viadd##name##_u16x2(unsigned a, unsigned b, unsigned c) {          \
    return __v##name##u2(__vadd2(a, b), c);                                            \
  }                                                                                    \
  inline unsigned __viadd##name##_s16x2_relu(unsigned a, unsigned b, unsigned c) {     \
    return __vi##name##_s16x2_relu(__vadd2(a, b), c);                                  \
  }                                                                                    \
  inline unsigned __vib##name##_s16x2(unsigned a, unsigned b, bool *high, bool *low) { \
    using word = cusim::word<2>;                                                       \
    *low = word::as_signed(a, 0) sign_or_equal word::as_signed(b, 0);                  \
    *high = word::as_signed(a, 1) sign_or_equal word::as_signed(b, 1);                 \
    return __v##name##s2(a, b);                                                        \
  }                                                                                    \
  inline unsigned __vib##name##_u16x2(unsigned a, unsigned b, bool *high, bool *low) { \
    using word = cusim::word<2>;                                                       \
    *low = word::as_unsigned(a, 0) sign_or_equal word::as_unsigned(b, 0);              \
    *high = word::as_unsigned(a, 1) sign_or_equal word::as_unsigned(b, 1);             \
    return __v##name##u2(a, b);                                                        \
  }
CUSIM_EXTREMES(max, >, >=)
CUSIM_EXTREMES(min, <, <=)
#undef CUSIM_EXTREMES
#undef CUSIM_VIDEO
#undef CUSIM_VIDEO_1
#undef CUSIM_VIDEO_2
#undef CUSIM_VIDEO_COMPARE
#undef CUSIM_VIDEO_SUM
#endif
