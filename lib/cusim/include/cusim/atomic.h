// SPDX-License-Identifier: MIT
// CUDA's atomic functions: real atomics of the host, as blocks run on several OS threads.
#ifndef CUSIM_ATOMIC_H
#define CUSIM_ATOMIC_H
#include "device.h"

// In the traced pass they stay outside the instrumentation and are announced as one atomic instead.
#ifdef CUSIM_TRACED_PASS
#define CUSIM_ATOMIC __attribute__((no_sanitize("thread"), noinline)) static
#define CUSIM_NOTE_ATOMIC(p, increment) \
  cusim_note_atomic(p, sizeof *(p), increment, __builtin_return_address(0))
#else
#define CUSIM_ATOMIC static inline
#define CUSIM_NOTE_ATOMIC(p, increment) cusim_poll()
#endif
namespace cusim {
// old = *p; *p = change(old), as one step; returns old. Works on the bits, so that NaN compares equal to
// itself.
template <class T, class Change>
CUSIM_ATOMIC T atomic_update(T *p, Change change) {
  CUSIM_NOTE_ATOMIC(p, false);
  using bits = std::conditional_t<sizeof(T) == 8, unsigned long long,
                                  std::conditional_t<sizeof(T) == 2, unsigned short, unsigned>>;
  bits *address = reinterpret_cast<bits *>(p);
  bits old = __atomic_load_n(address, __ATOMIC_RELAXED), next;
  T before;
  do {
    std::memcpy(&before, &old, sizeof before);
    const T after = change(before);
    std::memcpy(&next, &after, sizeof next);
  } while (!__atomic_compare_exchange_n(address, &old, next, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return before;
}
template <class T>
CUSIM_ATOMIC T integer_add(T *p, T value) {
  CUSIM_NOTE_ATOMIC(p, false);
  return __atomic_fetch_add(p, value, __ATOMIC_RELAXED);
}
// An addition of the constant 1: of those to one address nvcc's increments of shared memory are one.
template <class T>
CUSIM_ATOMIC T integer_increment(T *p) {
  CUSIM_NOTE_ATOMIC(p, true);
  return __atomic_fetch_add(p, (T)1, __ATOMIC_RELAXED);
}
template <class T>
inline T atomic_add(T *p, T value) {
  if constexpr (std::is_integral_v<T>) {
    if (sizeof(T) == 4 && __builtin_constant_p(value) && value == 1) return integer_increment(p);
    return integer_add(p, value);
  }
  return atomic_update(p, [value](T old) { return (T)(old + value); });
}
}  // namespace cusim

template <class T>
inline T atomicAdd(T *p, cusim::same_t<T> value) {
  return cusim::atomic_add(p, value);
}
// Vectors are added part by part: only each part is one step, as on the device.
inline float2 atomicAdd(float2 *p, float2 value) {
  const float x = atomicAdd(&p->x, value.x), y = atomicAdd(&p->y, value.y);
  return make_float2(x, y);
}
inline float4 atomicAdd(float4 *p, float4 value) {
  const float x = atomicAdd(&p->x, value.x), y = atomicAdd(&p->y, value.y);
  const float z = atomicAdd(&p->z, value.z), w = atomicAdd(&p->w, value.w);
  return make_float4(x, y, z, w);
}
template <class T>
inline T atomicSub(T *p, cusim::same_t<T> value) {
  return cusim::atomic_add(p, (T)(0 - value));
}
template <class T>
inline T atomicExch(T *p, cusim::same_t<T> value) {
  return cusim::atomic_update(p, [value](T) { return value; });
}
template <class T>
inline T atomicMax(T *p, cusim::same_t<T> value) {
  static_assert(std::is_integral_v<T>, "atomicMax takes integers");
  return cusim::atomic_update(p, [value](T old) { return old < value ? value : old; });
}
template <class T>
inline T atomicMin(T *p, cusim::same_t<T> value) {
  static_assert(std::is_integral_v<T>, "atomicMin takes integers");
  return cusim::atomic_update(p, [value](T old) { return value < old ? value : old; });
}
template <class T>
inline T atomicAnd(T *p, cusim::same_t<T> value) {
  return cusim::atomic_update(p, [value](T old) { return (T)(old & value); });
}
template <class T>
inline T atomicOr(T *p, cusim::same_t<T> value) {
  return cusim::atomic_update(p, [value](T old) { return (T)(old | value); });
}
template <class T>
inline T atomicXor(T *p, cusim::same_t<T> value) {
  return cusim::atomic_update(p, [value](T old) { return (T)(old ^ value); });
}
template <class T>
inline T atomicCAS(T *p, cusim::same_t<T> expected, cusim::same_t<T> value) {
  return cusim::atomic_update(p, [=](T old) { return old == expected ? value : old; });
}
inline unsigned atomicInc(unsigned *p, unsigned limit) {
  return cusim::atomic_update(p, [limit](unsigned old) { return old >= limit ? 0u : old + 1; });
}
inline unsigned atomicDec(unsigned *p, unsigned limit) {
  return cusim::atomic_update(p, [limit](unsigned old) { return old == 0 || old > limit ? limit : old - 1; });
}
// Narrower and wider scopes are the same on one machine.
#define CUSIM_SCOPED(name)               \
  template <class T, class... V>         \
  inline T name##_block(T *p, V... v) {  \
    return name(p, v...);                \
  }                                      \
  template <class T, class... V>         \
  inline T name##_system(T *p, V... v) { \
    return name(p, v...);                \
  }
CUSIM_SCOPED(atomicAdd)
CUSIM_SCOPED(atomicSub)
CUSIM_SCOPED(atomicExch)
CUSIM_SCOPED(atomicMax)
CUSIM_SCOPED(atomicMin)
CUSIM_SCOPED(atomicAnd)
CUSIM_SCOPED(atomicOr)
CUSIM_SCOPED(atomicXor)
CUSIM_SCOPED(atomicCAS)
CUSIM_SCOPED(atomicInc)
CUSIM_SCOPED(atomicDec)
#undef CUSIM_SCOPED

#endif
