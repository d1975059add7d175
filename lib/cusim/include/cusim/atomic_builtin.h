// SPDX-License-Identifier: MIT
// Atomics as nvcc has them built in since CUDA 12.8: with an order and a scope. Every one is sequentially
// consistent, whatever weaker order was asked for, and scopes make no difference on one machine.
#ifndef CUSIM_ATOMIC_BUILTIN_H
#define CUSIM_ATOMIC_BUILTIN_H
#include "atomic.h"

enum {
  __NV_ATOMIC_RELAXED = __ATOMIC_RELAXED,
  __NV_ATOMIC_CONSUME = __ATOMIC_CONSUME,
  __NV_ATOMIC_ACQUIRE = __ATOMIC_ACQUIRE,
  __NV_ATOMIC_RELEASE = __ATOMIC_RELEASE,
  __NV_ATOMIC_ACQ_REL = __ATOMIC_ACQ_REL,
  __NV_ATOMIC_SEQ_CST = __ATOMIC_SEQ_CST
};
enum {
  __NV_THREAD_SCOPE_SYSTEM,
  __NV_THREAD_SCOPE_DEVICE,
  __NV_THREAD_SCOPE_CLUSTER,
  __NV_THREAD_SCOPE_BLOCK,
  __NV_THREAD_SCOPE_THREAD
};

inline void __nv_atomic_thread_fence(int, int = __NV_THREAD_SCOPE_SYSTEM) {
  __threadfence();
}
namespace cusim {
template <class Operation>
inline auto ordered(Operation operation) {
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  const auto old = operation();
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  return old;
}
}  // namespace cusim

template <class T>
inline T __nv_atomic_load_n(const T *p, int, int = __NV_THREAD_SCOPE_SYSTEM) {
  T value;
  cusim_poll();
  __atomic_load(p, &value, __ATOMIC_SEQ_CST);
  return value;
}
template <class T>
inline void __nv_atomic_load(const T *p, T *value, int order, int = __NV_THREAD_SCOPE_SYSTEM) {
  *value = __nv_atomic_load_n(p, order);
}
template <class T>
inline void __nv_atomic_store_n(T *p, cusim::same_t<T> value, int, int = __NV_THREAD_SCOPE_SYSTEM) {
  __atomic_store(p, &value, __ATOMIC_SEQ_CST);
}
template <class T>
inline void __nv_atomic_store(T *p, T *value, int order, int = __NV_THREAD_SCOPE_SYSTEM) {
  __nv_atomic_store_n(p, *value, order);
}
template <class T>
inline T __nv_atomic_exchange_n(T *p, cusim::same_t<T> value, int, int = __NV_THREAD_SCOPE_SYSTEM) {
  return cusim::ordered([=] { return atomicExch(p, value); });
}
template <class T>
inline void __nv_atomic_exchange(T *p, T *value, T *old, int order, int = __NV_THREAD_SCOPE_SYSTEM) {
  *old = __nv_atomic_exchange_n(p, *value, order);
}
// True: *p was as expected. Else it is what *expected becomes. The comparison is of bits.
template <class T>
inline bool __nv_atomic_compare_exchange_n(T *p, T *expected, cusim::same_t<T> value, bool, int, int,
                                           int = __NV_THREAD_SCOPE_SYSTEM) {
  const T wanted = *expected;
  *expected = cusim::ordered([=] {
    return cusim::atomic_update(
        p, [=](T old) { return std::memcmp(&old, &wanted, sizeof old) == 0 ? value : old; });
  });
  return std::memcmp(expected, &wanted, sizeof wanted) == 0;
}
template <class T>
inline bool __nv_atomic_compare_exchange(T *p, T *expected, T *value, bool weak, int success, int failure,
                                         int = __NV_THREAD_SCOPE_SYSTEM) {
  return __nv_atomic_compare_exchange_n(p, expected, *value, weak, success, failure);
}
#define CUSIM_FETCH(name, expression)                                                         \
  template <class T>                                                                          \
  inline T __nv_atomic_fetch_##name(T *p, cusim::same_t<T> value, int, int = 0) {             \
    return cusim::ordered(                                                                    \
        [=] { return cusim::atomic_update(p, [value](T old) { return (T)(expression); }); }); \
  }                                                                                           \
  template <class T>                                                                          \
  inline void __nv_atomic_##name(T *p, cusim::same_t<T> value, int order, int = 0) {          \
    __nv_atomic_fetch_##name(p, value, order);                                                \
  }
CUSIM_FETCH(add, old + value)
CUSIM_FETCH(sub, old - value)
CUSIM_FETCH(and, old &value)
CUSIM_FETCH(or, old | value)
CUSIM_FETCH(xor, old ^ value)
CUSIM_FETCH(min, value < old ? value : old)
CUSIM_FETCH(max, old < value ? value : old)
#undef CUSIM_FETCH
#endif
