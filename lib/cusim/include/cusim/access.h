// SPDX-License-Identifier: MIT
// Loads and stores with a cache hint (the model knows one kind of each), address spaces, clocks and traps.
#ifndef CUSIM_ACCESS_H
#define CUSIM_ACCESS_H
#include <cstddef>

#include "device.h"

extern "C" {
long long cusim_clock(void);
void cusim_sleep(unsigned nanoseconds);
void cusim_trap(void) __attribute__((noreturn));
int cusim_address_space(const void *address);
}

#define CUSIM_LOAD_HINT(name) \
  template <class T>          \
  inline T name(const T *p) { \
    return *p;                \
  }
CUSIM_LOAD_HINT(__ldg)
CUSIM_LOAD_HINT(__ldcg)
CUSIM_LOAD_HINT(__ldca)
CUSIM_LOAD_HINT(__ldcs)
CUSIM_LOAD_HINT(__ldlu)
CUSIM_LOAD_HINT(__ldcv)
#undef CUSIM_LOAD_HINT
#define CUSIM_STORE_HINT(name)                 \
  template <class T>                           \
  inline void name(T *p, cusim::same_t<T> v) { \
    *p = v;                                    \
  }
CUSIM_STORE_HINT(__stwb)
CUSIM_STORE_HINT(__stcg)
CUSIM_STORE_HINT(__stcs)
CUSIM_STORE_HINT(__stwt)
#undef CUSIM_STORE_HINT

// Cycles of this block. They pass with each look at the clock and with __nanosleep, the same on every run.
inline long long clock64() {
  return cusim_clock();
}
inline void __nanosleep(unsigned nanoseconds) {
  cusim_sleep(nanoseconds);
}
// The kernel ends with cudaErrorLaunchFailure.
[[noreturn]] inline void __trap() {
  cusim_trap();
}
inline void __brkpt() {}
inline void __prof_trigger(int) {}

namespace cusim {
enum address_space { local_space, global_space, shared_space };
}
inline unsigned __isGlobal(const void *p) {
  return cusim_address_space(p) == cusim::global_space;
}
inline unsigned __isShared(const void *p) {
  return cusim_address_space(p) == cusim::shared_space;
}
inline unsigned __isLocal(const void *p) {
  return cusim_address_space(p) == cusim::local_space;
}
// One address space here: each address is its own generic form.
#define CUSIM_ADDRESS_FORM(space)                                 \
  inline std::size_t __cvta_generic_to_##space(const void *p) {   \
    return (std::size_t)p;                                        \
  }                                                               \
  inline void *__cvta_##space##_to_generic(std::size_t address) { \
    return (void *)address;                                       \
  }
CUSIM_ADDRESS_FORM(global)
CUSIM_ADDRESS_FORM(shared)
CUSIM_ADDRESS_FORM(local)
CUSIM_ADDRESS_FORM(constant)
#undef CUSIM_ADDRESS_FORM
#endif
