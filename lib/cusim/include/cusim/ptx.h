// SPDX-License-Identifier: MIT
// What the source step makes of inline PTX: `mul.hi.u32 %0, %1, %2;` becomes
//     cusim::ptx::put(cusim_o0, cusim::ptx::mul_hi<unsigned>(cusim_i1, cusim_i2));
// An instruction's operands are bits; as() and put() read and write them as its type says.
#ifndef CUSIM_PTX_H
#define CUSIM_PTX_H
#include <limits>
#include "async.h"

#include "access.h"
#include "atomic.h"
#include "device.h"
#include "integer.h"
#include "math.h"
#include "rounding.h"

extern "C" {
unsigned cusim_sm(void);   // where the block is said to run
unsigned cusim_sms(void);  // of the card
}

namespace cusim {
namespace ptx {

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned;
using u64 = unsigned long long;
using s8 = signed char;
using s16 = short;
using s32 = int;
using s64 = long long;
using f32 = float;
using f64 = double;
using pred = bool;

template <class T>
using signed_t = std::make_signed_t<T>;

struct sink_t {};
static sink_t sink __attribute__((unused));  // the destination `_`

// The low bits of an operand, as a T.
template <class T, class From>
inline T as(const From &from) {
  if constexpr (std::is_same_v<T, bool>) {
    return (bool)from;
  } else if constexpr (std::is_same_v<T, From>) {
    return from;
  } else if constexpr (std::is_integral_v<T> && (std::is_integral_v<From> || std::is_enum_v<From>)) {
    return (T)from;
  } else if constexpr (std::is_floating_point_v<T> && std::is_floating_point_v<From>) {
    return (T)from;
  } else if constexpr (std::is_pointer_v<From>) {
    return as<T>((u64)from);
  } else if constexpr (std::is_integral_v<From> && std::is_floating_point_v<T> && sizeof(From) > sizeof(T)) {
    return as<T>((u32)from);
  } else {
    static_assert(sizeof(T) <= sizeof(From), "an operand has the size of its type");
    T value;
    std::memcpy(&value, &from, sizeof value);
    return value;
  }
}

// Into a register that may be wider than the value, which then is extended as its sign says.
template <class To, class T>
inline void put(To &to, const T &value) {
  if constexpr (std::is_same_v<To, sink_t>) {
    (void)value;
  } else if constexpr (std::is_pointer_v<To>) {
    to = (To)(u64)value;
  } else if constexpr (std::is_integral_v<To> || std::is_enum_v<To>) {
    if constexpr (std::is_integral_v<T>) {
      to = (To)value;
    } else if constexpr (sizeof(T) == 4) {
      to = (To)as<u32>(value);
    } else {
      to = (To)as<u64>(value);
    }
  } else if constexpr (std::is_same_v<To, T>) {
    to = value;
  } else {
    static_assert(sizeof(T) >= sizeof(To), "a register has the size of its type");
    std::memcpy(&to, &value, sizeof to);
  }
}

// ---------------------------------------------------------------- arithmetic

// The carry flag of add.cc and its kind: a register, so the traced pass does not see it.
#ifdef CUSIM_TRACED_PASS
#define CUSIM_PTX_FLAG __attribute__((no_sanitize("thread"), noinline)) static
#else
#define CUSIM_PTX_FLAG inline
#endif
static thread_local bool carry_flag __attribute__((unused));
CUSIM_PTX_FLAG bool carry() {
  return carry_flag;
}
CUSIM_PTX_FLAG void set_carry(bool value) {
  carry_flag = value;
}
#undef CUSIM_PTX_FLAG

#define CUSIM_PTX_BINARY(name, result)                                                       \
  template <class T, class A, class B>                                                       \
  inline T name(const A &first, const B &second) {                                           \
    const T a = as<T>(first), b = as<T>(second);                                             \
    using U = typename std::conditional_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, \
                                          std::conditional_t<(sizeof(T) > 4), u64, u32>, T>; \
    using W [[maybe_unused]] = U;                                                            \
    return (T)(result);                                                                      \
  }
CUSIM_PTX_BINARY(add, (W)a + (W)b)
CUSIM_PTX_BINARY(sub, (W)a - (W)b)
CUSIM_PTX_BINARY(mul, (W)a *(W)b)
CUSIM_PTX_BINARY(mul_lo, (W)a *(W)b)
CUSIM_PTX_BINARY(bit_and, a &b)
CUSIM_PTX_BINARY(bit_or, a | b)
CUSIM_PTX_BINARY(bit_xor, a ^ b)
CUSIM_PTX_BINARY(least, std::is_floating_point_v<T> ? (a != a || b < a ? b : a) : b < a ? b : a)
CUSIM_PTX_BINARY(greatest, std::is_floating_point_v<T> ? (a != a || b > a ? b : a) : b > a ? b : a)
#undef CUSIM_PTX_BINARY

template <class T, class A, class B>
inline T div(const A &a, const B &b) {
  if constexpr (std::is_integral_v<T>)
    return as<T>(b) == 0 ? (T)-1 : (T)(as<T>(a) / as<T>(b));
  else
    return as<T>(a) / as<T>(b);
}
template <class T, class A, class B>
inline T rem(const A &a, const B &b) {
  return as<T>(b) == 0 ? as<T>(a) : (T)(as<T>(a) % as<T>(b));
}
template <class T, class A, class B>
inline T mul_hi(const A &a, const B &b) {
  if constexpr (sizeof(T) == 8)
    return (T)(((std::conditional_t<std::is_signed_v<T>, cusim_int128, cusim_uint128>)as<T>(a) * as<T>(b)) >>
               64);
  else
    return (T)(((std::conditional_t<std::is_signed_v<T>, s64, u64>)as<T>(a) * as<T>(b)) >> 8 * sizeof(T));
}
template <class T>
using wide_t = std::conditional_t<sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, s32, u32>,
                                  std::conditional_t<std::is_signed_v<T>, s64, u64>>;
template <class T, class A, class B>
inline wide_t<T> mul_wide(const A &a, const B &b) {
  return (wide_t<T>)as<T>(a) * (wide_t<T>)as<T>(b);
}
template <class T, class A, class B>
inline T mul24_lo(const A &a, const B &b) {
  if constexpr (std::is_signed_v<T>)
    return __mul24(as<T>(a), as<T>(b));
  else
    return __umul24(as<T>(a), as<T>(b));
}
template <class T, class A, class B, class C>
inline T mad_lo(const A &a, const B &b, const C &c) {
  return add<T>(mul_lo<T>(a, b), c);
}
template <class T, class A, class B, class C>
inline T mad_hi(const A &a, const B &b, const C &c) {
  return add<T>(mul_hi<T>(a, b), c);
}
template <class T, class A, class B, class C>
inline wide_t<T> mad_wide(const A &a, const B &b, const C &c) {
  return add<wide_t<T>>(mul_wide<T>(a, b), c);
}
template <class T, class A, class B, class C>
inline T mad24_lo(const A &a, const B &b, const C &c) {
  return add<T>(mul24_lo<T>(a, b), c);
}
template <class T, class A, class B, class C>
inline T fma(const A &a, const B &b, const C &c) {
  return ::fma(as<T>(a), as<T>(b), as<T>(c));
}
template <class T, class A, class B, class C>
inline T sad(const A &a, const B &b, const C &c) {
  const T x = as<T>(a), y = as<T>(b);
  return add<T>(c, x > y ? sub<T>(x, y) : sub<T>(y, x));
}
template <class T, class A>
inline T abs(const A &a) {
  const T x = as<T>(a);
  if constexpr (std::is_floating_point_v<T>)
    return __builtin_copysign(x, (T)0);
  else
    return x < 0 ? sub<T>(0, x) : x;
}
template <class T, class A>
inline T neg(const A &a) {
  if constexpr (std::is_floating_point_v<T>)
    return -as<T>(a);
  else
    return sub<T>(0, a);
}
template <class T, class A>
inline T bit_not(const A &a) {
  if constexpr (std::is_same_v<T, bool>)
    return !a;
  else
    return (T)~as<T>(a);
}
template <class T, class A>
inline T cnot(const A &a) {
  return as<T>(a) == 0;
}
template <class T, class A>
inline T saturate(const A &a) {
  const T x = as<T>(a);
  return x > 0 ? (x < 1 ? x : 1) : 0;
}

// Sums and products whose carry goes on to the next.
template <class T>
inline T with_carry(T a, T b, bool in, bool keep) {
  using U = std::make_unsigned_t<T>;
  U sum;
  bool out = __builtin_add_overflow((U)a, (U)b, &sum);
  out |= __builtin_add_overflow(sum, (U)in, &sum);
  if (keep) set_carry(out);
  return (T)sum;
}
template <class T>
inline T with_borrow(T a, T b, bool in, bool keep) {
  using U = std::make_unsigned_t<T>;
  U left;
  bool out = __builtin_sub_overflow((U)a, (U)b, &left);
  out |= __builtin_sub_overflow(left, (U)in, &left);
  if (keep) set_carry(out);
  return (T)left;
}
#define CUSIM_PTX_CARRY(name, function, in, keep)     \
  template <class T, class A, class B>                \
  inline T name(const A &a, const B &b) {             \
    return function<T>(as<T>(a), as<T>(b), in, keep); \
  }
CUSIM_PTX_CARRY(add_cc, with_carry, false, true)
CUSIM_PTX_CARRY(addc, with_carry, carry(), false)
CUSIM_PTX_CARRY(addc_cc, with_carry, carry(), true)
CUSIM_PTX_CARRY(sub_cc, with_borrow, false, true)
CUSIM_PTX_CARRY(subc, with_borrow, carry(), false)
CUSIM_PTX_CARRY(subc_cc, with_borrow, carry(), true)
#undef CUSIM_PTX_CARRY
#define CUSIM_PTX_MAD(name, product, in, keep)                  \
  template <class T, class A, class B, class C>                 \
  inline T name(const A &a, const B &b, const C &c) {           \
    return with_carry<T>(product<T>(a, b), as<T>(c), in, keep); \
  }
CUSIM_PTX_MAD(mad_lo_cc, mul_lo, false, true)
CUSIM_PTX_MAD(mad_hi_cc, mul_hi, false, true)
CUSIM_PTX_MAD(madc_lo, mul_lo, carry(), false)
CUSIM_PTX_MAD(madc_hi, mul_hi, carry(), false)
CUSIM_PTX_MAD(madc_lo_cc, mul_lo, carry(), true)
CUSIM_PTX_MAD(madc_hi_cc, mul_hi, carry(), true)
#undef CUSIM_PTX_MAD

#define CUSIM_PTX_MATH(name, value) \
  template <class T, class A>       \
  inline T name(const A &operand) { \
    const T a = as<T>(operand);     \
    return (T)(value);              \
  }
CUSIM_PTX_MATH(sqrt, ::sqrt(a))
CUSIM_PTX_MATH(rsqrt, 1 / ::sqrt(a))
CUSIM_PTX_MATH(rcp, 1 / a)
CUSIM_PTX_MATH(sin, ::sin(a))
CUSIM_PTX_MATH(cos, ::cos(a))
CUSIM_PTX_MATH(ex2, ::exp2(a))
CUSIM_PTX_MATH(lg2, ::log2(a))
CUSIM_PTX_MATH(tanh, ::tanh(a))
#undef CUSIM_PTX_MATH
template <class T, class A, class B>
inline T copysign(const A &a, const B &b) {  // the sign of a
  return __builtin_copysign(as<T>(b), as<T>(a));
}

// ---------------------------------------------------------------- bits

template <class T, class A, class B>
inline T shl(const A &a, const B &by) {
  return as<u32>(by) >= 8 * sizeof(T) ? 0 : (T)((u64)as<T>(a) << as<u32>(by));
}
template <class T, class A, class B>
inline T shr(const A &a, const B &by) {
  const u32 most = 8 * sizeof(T), n = as<u32>(by);
  if (n >= most) return std::is_signed_v<T> && as<T>(a) < 0 ? (T)-1 : 0;
  return (T)(as<T>(a) >> n);
}
template <class T, class A, class B, class C>
inline u32 shf_l_wrap(const A &a, const B &b, const C &c) {
  return __funnelshift_l(as<u32>(a), as<u32>(b), as<u32>(c));
}
template <class T, class A, class B, class C>
inline u32 shf_r_wrap(const A &a, const B &b, const C &c) {
  return __funnelshift_r(as<u32>(a), as<u32>(b), as<u32>(c));
}
template <class T, class A, class B, class C>
inline u32 shf_l_clamp(const A &a, const B &b, const C &c) {
  return __funnelshift_lc(as<u32>(a), as<u32>(b), as<u32>(c));
}
template <class T, class A, class B, class C>
inline u32 shf_r_clamp(const A &a, const B &b, const C &c) {
  return __funnelshift_rc(as<u32>(a), as<u32>(b), as<u32>(c));
}
template <class T, class A, class B, class C>
inline T bfe(const A &operand, const B &from, const C &count) {
  const u32 bits = 8 * sizeof(T), start = as<u32>(from) & 255, length = as<u32>(count) & 255;
  const T a = as<T>(operand);
  if (length == 0) return 0;
  const u32 last = start + length - 1 < bits - 1 ? start + length - 1 : bits - 1;
  const bool sign = std::is_signed_v<T> && ((u64)a >> last & 1);
  const u64 field = start >= bits ? 0 : (u64)(std::make_unsigned_t<T>)a >> start;
  const u32 kept = start >= bits ? 0 : last - start + 1;
  const u64 mask = kept >= 64 ? ~0ull : (1ull << kept) - 1;
  return (T)((field & mask) | (sign ? ~mask : 0));
}
template <class T, class A, class B, class C, class D>
inline T bfi(const A &a, const B &b, const C &from, const D &count) {
  const u32 bits = 8 * sizeof(T), start = as<u32>(from) & 255, length = as<u32>(count) & 255;
  if (start >= bits || length == 0) return as<T>(b);
  const u64 mask = (length >= 64 ? ~0ull : (1ull << length) - 1) << start;
  return (T)(((u64)as<T>(b) & ~mask) | ((u64)as<T>(a) << start & mask));
}
template <class T, class A>
inline u32 popc(const A &a) {
  return (u32)__builtin_popcountll((u64)as<T>(a));
}
template <class T, class A>
inline u32 clz(const A &a) {
  return sizeof(T) == 8 ? (u32)__clzll((s64)as<T>(a)) : (u32)__clz((s32)as<T>(a));
}
template <class T, class A>
inline T brev(const A &a) {
  return sizeof(T) == 8 ? (T)__brevll((u64)as<T>(a)) : (T)__brev((u32)as<T>(a));
}
template <class T, class A>
inline u32 bfind(const A &operand) {
  T a = as<T>(operand);
  if (std::is_signed_v<T> && a < 0) a = (T)~a;
  return a == 0 ? ~0u : (sizeof(T) == 8 ? 63 - (u32)__clzll((s64)a) : 31 - (u32)__clz((s32)a));
}
template <class T, class A, class B, class C>
inline u32 prmt(const A &a, const B &b, const C &c) {
  return __byte_perm(as<u32>(a), as<u32>(b), as<u32>(c));
}
template <class T, class A, class B, class C, class D>
inline T lop3(const A &first, const B &second, const C &third, const D &table) {
  const u32 a = as<u32>(first), b = as<u32>(second), c = as<u32>(third), t = as<u32>(table);
  u32 result = 0;
  for (u32 i = 0; i < 8; i++)
    if (t >> i & 1) result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
  return result;
}
template <class T, class S, class A, class B, class C>
inline s32 dp4a(const A &a, const B &b, const C &c) {
  u32 sum = as<u32>(c);
  for (int i = 0; i < 32; i += 8)
    sum += (u32)((std::is_signed_v<T> ? (s32)(s8)(as<u32>(a) >> i) : (s32)(u8)(as<u32>(a) >> i)) *
                 (std::is_signed_v<S> ? (s32)(s8)(as<u32>(b) >> i) : (s32)(u8)(as<u32>(b) >> i)));
  return (s32)sum;
}

// ---------------------------------------------------------------- moves, comparisons, conversions

template <class T, class A>
inline T mov(const A &a) {
  return as<T>(a);
}
template <class T, class A, class B, class P>
inline T selp(const A &a, const B &b, const P &p) {
  return p ? as<T>(a) : as<T>(b);
}
#define CUSIM_PTX_COMPARE(name, result)               \
  template <class T, class A, class B>                \
  inline bool name(const A &first, const B &second) { \
    const T a = as<T>(first), b = as<T>(second);      \
    return result;                                    \
  }
CUSIM_PTX_COMPARE(setp_eq, a == b)
CUSIM_PTX_COMPARE(setp_ne, a != b && (a == a && b == b))
CUSIM_PTX_COMPARE(setp_lt, a < b)
CUSIM_PTX_COMPARE(setp_le, a <= b)
CUSIM_PTX_COMPARE(setp_gt, a > b)
CUSIM_PTX_COMPARE(setp_ge, a >= b)
CUSIM_PTX_COMPARE(setp_lo, a < b)
CUSIM_PTX_COMPARE(setp_ls, a <= b)
CUSIM_PTX_COMPARE(setp_hi, a > b)
CUSIM_PTX_COMPARE(setp_hs, a >= b)
CUSIM_PTX_COMPARE(setp_equ, a == b || !(a == a && b == b))
CUSIM_PTX_COMPARE(setp_neu, a != b)
CUSIM_PTX_COMPARE(setp_ltu, !(a >= b))
CUSIM_PTX_COMPARE(setp_leu, !(a > b))
CUSIM_PTX_COMPARE(setp_gtu, !(a <= b))
CUSIM_PTX_COMPARE(setp_geu, !(a < b))
CUSIM_PTX_COMPARE(setp_num, a == a && b == b)
CUSIM_PTX_COMPARE(setp_nan, a != a || b != b)
#undef CUSIM_PTX_COMPARE

// To integers: towards zero, to nearest, down, up; what does not fit becomes the nearest that does.
template <class To, class From>
inline To to_whole(From value) {
  if (value != value) return 0;
  const double least = (double)std::numeric_limits<To>::min(), most = (double)std::numeric_limits<To>::max();
  if ((double)value <= least) return std::numeric_limits<To>::min();
  if ((double)value >= most) return std::numeric_limits<To>::max();
  return (To)value;
}
template <class To, class From, class A>
inline To cvt(const A &a) {
  if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>)
    return to_whole<To>(__builtin_trunc((double)as<From>(a)));
  else
    return (To)as<From>(a);
}
#define CUSIM_PTX_ROUND(name, function)                 \
  template <class To, class From, class A>              \
  inline To name(const A &a) {                          \
    const double value = function((double)as<From>(a)); \
    if constexpr (std::is_integral_v<To>)               \
      return to_whole<To>(value);                       \
    else                                                \
      return (To)value;                                 \
  }
CUSIM_PTX_ROUND(cvt_rni, __builtin_nearbyint)
CUSIM_PTX_ROUND(cvt_rzi, __builtin_trunc)
CUSIM_PTX_ROUND(cvt_rmi, __builtin_floor)
CUSIM_PTX_ROUND(cvt_rpi, __builtin_ceil)
#undef CUSIM_PTX_ROUND
template <class To, class From, class A>
inline To cvt_sat(const A &a) {
  if constexpr (std::is_floating_point_v<To>)
    return saturate<To>((To)as<From>(a));
  else
    return to_whole<To>((double)as<From>(a));
}

// ---------------------------------------------------------------- memory

// 32 bits of an address in shared memory, as __cvta_generic_to_shared gives them, name the byte nearest to
// the block's own: in its dynamic shared memory, or among the OS thread's variables.
#ifdef CUSIM_TRACED_PASS  // which is no work of the GPU's
__attribute__((no_sanitize("thread"), no_sanitize_coverage, noinline)) static
#else
inline
#endif
    u64
    whole_address(u64 address) {
  enum { MOST_DYNAMIC = 1 << 20 };
  if (address >> 32) return address;
  const u64 dynamic = (u64)cusim_dynamic_shared(), own = (u64)&threadIdx;
  const u32 behind = (u32)address - (u32)dynamic;
  if (behind < MOST_DYNAMIC) return dynamic + behind;
  return own + (u64)(s64)(s32)((u32)address - (u32)own);
}
template <class T, class A>
inline T *at(const A &base, s64 offset = 0) {
  return reinterpret_cast<T *>(whole_address(as<u64>(base)) + (u64)offset);
}
template <class T>
inline T ld(const T *p) {
  return *p;
}
template <class T>
inline T ld_volatile(const T *p) {
  return *const_cast<const volatile T *>(p);
}
template <class T, class V>
inline void st(T *p, const V &value) {
  *p = as<T>(value);
}
template <class T, class V>
inline void st_volatile(T *p, const V &value) {
  *const_cast<volatile T *>(p) = as<T>(value);
}
#define CUSIM_PTX_ATOM(name, function)  \
  template <class T, class V>           \
  inline T name(T *p, const V &value) { \
    return function(p, as<T>(value));   \
  }
CUSIM_PTX_ATOM(atom_add, ::atomicAdd)
CUSIM_PTX_ATOM(atom_min, ::atomicMin)
CUSIM_PTX_ATOM(atom_max, ::atomicMax)
CUSIM_PTX_ATOM(atom_inc, ::atomicInc)
CUSIM_PTX_ATOM(atom_dec, ::atomicDec)
CUSIM_PTX_ATOM(atom_and, ::atomicAnd)
CUSIM_PTX_ATOM(atom_or, ::atomicOr)
CUSIM_PTX_ATOM(atom_xor, ::atomicXor)
CUSIM_PTX_ATOM(atom_exch, ::atomicExch)
#undef CUSIM_PTX_ATOM
template <class T, class E, class V>
inline T atom_cas(T *p, const E &expected, const V &value) {
  return ::atomicCAS(p, as<T>(expected), as<T>(value));
}
// Copies to shared memory that run beside the kernel.
template <class A, class B, class N>
inline void cp_async(const A &to, const B &from, u32 bytes, const N &used) {
  const u32 size = as<u32>(used) < bytes ? as<u32>(used) : bytes;
  cusim::copy_async(at<u8>(to), at<u8>(from), bytes, size);
}

// ---------------------------------------------------------------- threads

inline u32 lane_mask(int kind) {  // -2: <, -1: <=, 0: ==, 1: >=, 2: >
  const u32 mine = 1u << cusim_lane();
  switch (kind) {
    case -2:
      return mine - 1;
    case -1:
      return mine | (mine - 1);
    case 0:
      return mine;
    case 1:
      return ~(mine - 1);
    default:
      return ~(mine | (mine - 1));
  }
}
inline u32 thread_number() {
  return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
}
inline u32 warp_count() {
  return (blockDim.x * blockDim.y * blockDim.z + 31) / 32;
}
// A shuffle's third operand is the last (first, for up) lane and, in its upper half, the lanes kept apart.
enum shuffle_kind { up, down, bfly, idx };
template <class V>
CUSIM_WAITS u32 shfl(shuffle_kind kind, bool &inside, const V &value, u32 by, u32 limits, u32 mask) {
  const u32 lane = cusim_lane(), apart = limits >> 8 & 31, clamp = limits & 31;
  const u32 first = lane & apart, last = first | (clamp & ~apart);
  u32 from = kind == up     ? lane - by
             : kind == down ? lane + by
             : kind == bfly ? lane ^ by
                            : (first | (by & ~apart & 31));
  inside = kind == up ? (s32)from >= (s32)last : from <= last;
  if (!inside) from = lane;
  CUSIM_NOTE_SOURCE(mask, from);
  return cusim::shuffle(mask, as<u32>(value), from, true);
}

}  // namespace ptx
}  // namespace cusim
#endif
