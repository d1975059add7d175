// SPDX-License-Identifier: MIT
// The functions that `-fsanitize=thread -fsanitize-coverage=trace-pc` makes a kernel call, in place of the
// sanitizer's runtime. Each return address names a source line; outside a traced block each is a test and a
// return. Two listen: the counters (trace.c) and the checker (check_block.c), the checker first, as it may
// end the grid.
//
// This file must itself be built without -fsanitize.
#include "check.h"

#define CALLER ((uintptr_t)__builtin_return_address(0))

static inline void access_at(uintptr_t pc, const void *address, size_t bytes, enum sim_access access,
                             unsigned flags) {
  const unsigned write = access == SIM_STORE ? SIM_CHECK_WRITE : 0;
  if (sim_check_current) sim_check_access(pc, address, bytes, flags | write);
  if (sim_trace_current) sim_trace_access(pc, address, bytes, access);
}

#define ACCESS(name, bytes, access, flags)            \
  void name(void *address) {                          \
    access_at(CALLER, address, bytes, access, flags); \
  }
// Lanes of a warp wait for each other before they touch shared memory that the source calls volatile.
#define VOLATILE_ACCESS(name, bytes, access, flags)   \
  void name(void *address) {                          \
    sim_lanes_in_step(address);                       \
    access_at(CALLER, address, bytes, access, flags); \
  }
#define ACCESS_PAIR(name, bytes, flags)                  \
  void name(void *address) {                             \
    access_at(CALLER, address, bytes, SIM_LOAD, flags);  \
    access_at(CALLER, address, bytes, SIM_STORE, flags); \
  }
enum { UNALIGNED = SIM_CHECK_UNALIGNED, VOLATILE = SIM_CHECK_VOLATILE };
#define ACCESSES(bytes)                                                                           \
  void __tsan_read##bytes(void *);                                                                \
  void __tsan_write##bytes(void *);                                                               \
  void __tsan_unaligned_read##bytes(void *);                                                      \
  void __tsan_unaligned_write##bytes(void *);                                                     \
  void __tsan_volatile_read##bytes(void *);                                                       \
  void __tsan_volatile_write##bytes(void *);                                                      \
  void __tsan_unaligned_volatile_read##bytes(void *);                                             \
  void __tsan_unaligned_volatile_write##bytes(void *);                                            \
  void __tsan_read_write##bytes(void *);                                                          \
  void __tsan_unaligned_read_write##bytes(void *);                                                \
  ACCESS(__tsan_read##bytes, bytes, SIM_LOAD, 0)                                                  \
  ACCESS(__tsan_write##bytes, bytes, SIM_STORE, 0)                                                \
  ACCESS(__tsan_unaligned_read##bytes, bytes, SIM_LOAD, UNALIGNED)                                \
  ACCESS(__tsan_unaligned_write##bytes, bytes, SIM_STORE, UNALIGNED)                              \
  VOLATILE_ACCESS(__tsan_volatile_read##bytes, bytes, SIM_LOAD, VOLATILE)                         \
  VOLATILE_ACCESS(__tsan_volatile_write##bytes, bytes, SIM_STORE, VOLATILE)                       \
  VOLATILE_ACCESS(__tsan_unaligned_volatile_read##bytes, bytes, SIM_LOAD, VOLATILE | UNALIGNED)   \
  VOLATILE_ACCESS(__tsan_unaligned_volatile_write##bytes, bytes, SIM_STORE, VOLATILE | UNALIGNED) \
  ACCESS_PAIR(__tsan_read_write##bytes, bytes, 0)                                                 \
  ACCESS_PAIR(__tsan_unaligned_read_write##bytes, bytes, UNALIGNED)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

// Structure copies of other sizes arrive as ranges. A GPU moves them in equal pieces of up to 16 bytes, as
// wide as size and alignment allow, and the pieces of one copy are separate requests.
static void range(uintptr_t pc, const char *address, size_t bytes, enum sim_access access) {
  const unsigned whole = access == SIM_STORE ? SIM_CHECK_WRITE : 0;
  if (sim_check_current) sim_check_access(pc, address, bytes, SIM_CHECK_PIECES | whole);
  if (!sim_trace_current) return;
  size_t piece = 16;
  while (bytes % piece != 0 || (uintptr_t)address % piece != 0) piece /= 2;
  for (size_t done = 0; done < bytes; done += piece) sim_trace_access(pc, address + done, piece, access);
}
void __tsan_read_range(void *, long);
void __tsan_write_range(void *, long);
void __tsan_read_range(void *address, long bytes) {
  range(CALLER, address, (size_t)bytes, SIM_LOAD);
}
void __tsan_write_range(void *address, long bytes) {
  range(CALLER, address, (size_t)bytes, SIM_STORE);
}

void __tsan_init(void);
void __tsan_func_entry(void *);
void __tsan_func_exit(void *);
void __tsan_vptr_update(void *, void *);
void __tsan_vptr_read(void **);
void __tsan_init(void) {}
void __tsan_func_exit(void *unused) {
  (void)unused;
}
// An object's pointer to its virtual functions is memory, but no access of the source's: not counted.
void __tsan_vptr_read(void **vptr) {
  if (sim_check_current) sim_check_access(CALLER, vptr, sizeof *vptr, 0);
}
void __tsan_vptr_update(void *vptr, void *value) {
  (void)value;
  if (sim_check_current) sim_check_access(CALLER, vptr, sizeof value, SIM_CHECK_WRITE);
}

// The argument is the entered function's own return address: the words between here and that address on the
// stack are its frame, a stand-in for what nvcc keeps in registers (trace.c).
void __tsan_func_entry(void *return_address) {
  if (!sim_trace_current) return;
  const uintptr_t *bottom = (const uintptr_t *)__builtin_frame_address(0) + 2, *word = bottom;
  enum { MOST = 1024 };
  while (word < bottom + MOST && *word != (uintptr_t)return_address) word++;
  if (word < bottom + MOST) sim_trace_frame((size_t)(word - bottom) * sizeof *word);
}

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
  if (sim_trace_current) sim_trace_basic_block(__builtin_return_address(0));
  sim_traced_step();
}

// ---------------------------------------------------------------- atomics
// gcc turns every __atomic builtin of instrumented code into one of these, so they must do the work too. All
// use the strongest order: a kernel's relaxed atomics must not become weaker, and speed does not matter here.

#define TRACE(access, type)                                                            \
  if (sim_check_current)                                                               \
    sim_check_access(CALLER, (const void *)p, sizeof(type),                            \
                     SIM_CHECK_ATOMIC | ((access) == SIM_LOAD ? 0 : SIM_CHECK_WRITE)); \
  if (sim_trace_current) sim_trace_access(CALLER, (const void *)p, sizeof(type), access)
#define ATOMIC_FETCH(bits, type, operation)                                           \
  type __tsan_atomic##bits##_fetch_##operation(volatile void *, type, int);           \
  type __tsan_atomic##bits##_fetch_##operation(volatile void *p, type v, int order) { \
    (void)order;                                                                      \
    TRACE(SIM_ATOMIC, type);                                                          \
    return __atomic_fetch_##operation((volatile type *)p, v, __ATOMIC_SEQ_CST);       \
  }
#define ATOMIC_COMPARE(bits, type, strength)                                                         \
  bool __tsan_atomic##bits##_compare_exchange_##strength(volatile void *, void *, type, int, int);   \
  bool __tsan_atomic##bits##_compare_exchange_##strength(volatile void *p, void *expected, type v,   \
                                                         int success, int failure) {                 \
    (void)success, (void)failure;                                                                    \
    TRACE(SIM_ATOMIC, type);                                                                         \
    return __atomic_compare_exchange_n((volatile type *)p, (type *)expected, v, 0, __ATOMIC_SEQ_CST, \
                                       __ATOMIC_SEQ_CST);                                            \
  }
#define ATOMICS(bits, type)                                                  \
  type __tsan_atomic##bits##_load(const volatile void *, int);               \
  type __tsan_atomic##bits##_load(const volatile void *p, int order) {       \
    (void)order;                                                             \
    TRACE(SIM_LOAD, type);                                                   \
    return __atomic_load_n((const volatile type *)p, __ATOMIC_SEQ_CST);      \
  }                                                                          \
  void __tsan_atomic##bits##_store(volatile void *, type, int);              \
  void __tsan_atomic##bits##_store(volatile void *p, type v, int order) {    \
    (void)order;                                                             \
    TRACE(SIM_STORE, type);                                                  \
    __atomic_store_n((volatile type *)p, v, __ATOMIC_SEQ_CST);               \
  }                                                                          \
  type __tsan_atomic##bits##_exchange(volatile void *, type, int);           \
  type __tsan_atomic##bits##_exchange(volatile void *p, type v, int order) { \
    (void)order;                                                             \
    TRACE(SIM_ATOMIC, type);                                                 \
    return __atomic_exchange_n((volatile type *)p, v, __ATOMIC_SEQ_CST);     \
  }                                                                          \
  ATOMIC_FETCH(bits, type, add)                                              \
  ATOMIC_FETCH(bits, type, sub)                                              \
  ATOMIC_FETCH(bits, type, and)                                              \
  ATOMIC_FETCH(bits, type, or)                                               \
  ATOMIC_FETCH(bits, type, xor)                                              \
  ATOMIC_FETCH(bits, type, nand)                                             \
  ATOMIC_COMPARE(bits, type, strong)                                         \
  ATOMIC_COMPARE(bits, type, weak)

ATOMICS(8, unsigned char)
ATOMICS(16, unsigned short)
ATOMICS(32, unsigned int)
ATOMICS(64, unsigned long)

void __tsan_atomic_thread_fence(int);
void __tsan_atomic_signal_fence(int);
void __tsan_atomic_thread_fence(int order) {
  (void)order;
  if (sim_check_current) sim_check_fence();
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
void __tsan_atomic_signal_fence(int order) {
  (void)order;
  __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

// ---------------------------------------------------------------- called by cusim's headers

void cusim_note_source(unsigned mask, unsigned lane);
void cusim_note_source(unsigned mask, unsigned lane) {
  if (sim_check_current && !(mask >> lane & 1)) sim_check_source(CALLER, mask, lane);
}

void cusim_note_site(void);
void cusim_note_site(void) {
  if (sim_check_current) sim_check_site(CALLER);
}
