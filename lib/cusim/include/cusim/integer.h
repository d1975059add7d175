// SPDX-License-Identifier: MIT
// CUDA's integer intrinsics: bits, products' halves, averages, dot products of bytes.
#ifndef CUSIM_INTEGER_H
#define CUSIM_INTEGER_H

inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
inline int __popcll(unsigned long long x) {
  return __builtin_popcountll(x);
}
inline int __clz(int x) {
  return x ? __builtin_clz((unsigned)x) : 32;
}
inline int __clzll(long long x) {
  return x ? __builtin_clzll((unsigned long long)x) : 64;
}
inline int __ffs(int x) {
  return __builtin_ffs(x);
}
inline int __ffsll(long long x) {
  return __builtin_ffsll(x);
}
inline unsigned __brev(unsigned x) {
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}
inline unsigned long long __brevll(unsigned long long x) {
  return (unsigned long long)__brev((unsigned)x) << 32 | __brev((unsigned)(x >> 32));
}
// Four bytes of the eight in y:x, each chosen by a nibble of selector whose top bit asks for the byte's sign
// instead.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const unsigned long long both = (unsigned long long)y << 32 | x;
  unsigned result = 0;
  for (unsigned i = 0; i < 4; i++) {
    const unsigned choice = selector >> 4 * i & 15;
    unsigned byte = (unsigned)(both >> 8 * (choice & 7)) & 255;
    if (choice & 8) byte = byte & 128 ? 255 : 0;
    result |= byte << 8 * i;
  }
  return result;
}
// The position of the offset-th set bit from base on: upwards where offset is positive, downwards where it is
// negative; all ones where there is none.
inline unsigned __fns(unsigned mask, unsigned base, int offset) {
  if (offset == 0) return mask >> (base & 31) & 1 ? base : ~0u;
  const int step = offset > 0 ? 1 : -1;
  int left = offset > 0 ? offset : -offset;
  for (int i = (int)base; i >= 0 && i < 32; i += step)
    if ((mask >> i & 1) && --left == 0) return (unsigned)i;
  return ~0u;
}

// 24-bit products: the upper eight bits of the factors do not count.
inline int __mul24(int a, int b) {
  return (int)(((unsigned)((int)((unsigned)a << 8) >> 8)) * (unsigned)((int)((unsigned)b << 8) >> 8));
}
inline unsigned __umul24(unsigned a, unsigned b) {
  return (a & 0xffffffu) * (b & 0xffffffu);
}
inline int __mulhi(int a, int b) {
  return (int)((long long)a * b >> 32);
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)((unsigned long long)a * b >> 32);
}
__extension__ typedef __int128 cusim_int128;
__extension__ typedef unsigned __int128 cusim_uint128;
inline long long __mul64hi(long long a, long long b) {
  return (long long)((cusim_int128)a * b >> 64);
}
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((cusim_uint128)a * b >> 64);
}
inline unsigned __usad(unsigned a, unsigned b, unsigned sum) {
  return sum + (a > b ? a - b : b - a);
}
inline unsigned __sad(int a, int b, unsigned sum) {
  return sum + (a > b ? (unsigned)a - (unsigned)b : (unsigned)b - (unsigned)a);
}
inline int __hadd(int a, int b) {
  return (int)(((long long)a + b) >> 1);
}
inline int __rhadd(int a, int b) {
  return (int)(((long long)a + b + 1) >> 1);
}
inline unsigned __uhadd(unsigned a, unsigned b) {
  return (unsigned)(((unsigned long long)a + b) >> 1);
}
inline unsigned __urhadd(unsigned a, unsigned b) {
  return (unsigned)(((unsigned long long)a + b + 1) >> 1);
}

// The upper or lower word of high:low, shifted; the clamping ones take shifts above 32 as 32.
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)(((unsigned long long)high << 32 | low) << (shift & 31) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return (unsigned)(((unsigned long long)high << 32 | low) >> (shift & 31));
}
inline unsigned __funnelshift_lc(unsigned low, unsigned high, unsigned shift) {
  return shift >= 32 ? low : __funnelshift_l(low, high, shift);
}
inline unsigned __funnelshift_rc(unsigned low, unsigned high, unsigned shift) {
  return shift >= 32 ? high : __funnelshift_r(low, high, shift);
}

// Sums of products of four bytes, or of two halves with the lower or upper two bytes.
#define CUSIM_DOT(sum_type, wide, half_type, byte_type, char4_type, short2_type)       \
  inline sum_type __dp4a(wide a, wide b, sum_type c) {                                 \
    for (int i = 0; i < 4; i++)                                                        \
      c += (sum_type)((byte_type)(a >> 8 * i)) * (sum_type)((byte_type)(b >> 8 * i));  \
    return c;                                                                          \
  }                                                                                    \
  inline sum_type __dp2a_lo(wide a, wide b, sum_type c) {                              \
    for (int i = 0; i < 2; i++)                                                        \
      c += (sum_type)((half_type)(a >> 16 * i)) * (sum_type)((byte_type)(b >> 8 * i)); \
    return c;                                                                          \
  }                                                                                    \
  inline sum_type __dp2a_hi(wide a, wide b, sum_type c) {                              \
    return __dp2a_lo(a, b >> 16, c);                                                   \
  }                                                                                    \
  inline sum_type __dp4a(char4_type a, char4_type b, sum_type c) {                     \
    return c + a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w;                          \
  }                                                                                    \
  inline sum_type __dp2a_lo(short2_type a, char4_type b, sum_type c) {                 \
    return c + a.x * b.x + a.y * b.y;                                                  \
  }                                                                                    \
  inline sum_type __dp2a_hi(short2_type a, char4_type b, sum_type c) {                 \
    return c + a.x * b.z + a.y * b.w;                                                  \
  }
CUSIM_DOT(int, int, short, signed char, char4, short2)
CUSIM_DOT(unsigned, unsigned, unsigned short, unsigned char, uchar4, ushort2)
#undef CUSIM_DOT
#endif
