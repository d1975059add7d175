// SPDX-License-Identifier: MIT
// What device code sees: where a thread is, how it waits for others, how it exchanges with its warp.
#ifndef CUSIM_DEVICE_H
#define CUSIM_DEVICE_H
#include <cstring>
#include <type_traits>

extern "C" {
// Variables, not macros: gridDim and blockDim are members of CUDA's structures, too.
extern __thread uint3 threadIdx __asm__("cusim_thread_idx");
extern __thread uint3 blockIdx __asm__("cusim_block_idx");
extern __thread uint3 blockDim __asm__("cusim_block_dim");
extern __thread uint3 gridDim __asm__("cusim_grid_dim");
void cusim_sync_threads(void);
void cusim_yield(void);
extern __thread unsigned cusim_patience;
int cusim_sync_threads_count(int predicate);
int cusim_live_threads(void);
typedef unsigned char cusim_slot[16];
enum { CUSIM_PART = 256 };
void cusim_exchange(unsigned mask, const void *value, std::size_t bytes, const cusim_slot **all);
unsigned cusim_lane(void);
unsigned cusim_active_mask(unsigned line);
void cusim_note_atomic(const void *address, std::size_t bytes, bool increment, const void *line);
void cusim_note_site(void);
void cusim_note_source(unsigned mask, unsigned lane);
void *cusim_device_malloc(std::size_t bytes);
void cusim_device_free(void *p);
}

// The device's heap. Only the traced object has these: nothing in it is global, so that the host's malloc
// stays the host's.
#ifdef CUSIM_TRACED_PASS
extern "C" {
void *malloc(std::size_t bytes) noexcept {
  return cusim_device_malloc(bytes);
}
void free(void *p) noexcept {
  cusim_device_free(p);
}
}
void *operator new(std::size_t bytes) {
  return cusim_device_malloc(bytes);
}
void *operator new[](std::size_t bytes) {
  return cusim_device_malloc(bytes);
}
void operator delete(void *p) noexcept {
  cusim_device_free(p);
}
void operator delete[](void *p) noexcept {
  cusim_device_free(p);
}
void operator delete(void *p, std::size_t) noexcept {
  cusim_device_free(p);
}
void operator delete[](void *p, std::size_t) noexcept {
  cusim_device_free(p);
}
#endif

// The traced pass inlines what waits, so that the checker can name the kernel's line.
#ifdef CUSIM_TRACED_PASS
#define CUSIM_WAITS __attribute__((always_inline)) inline
#define CUSIM_NOTE_SITE() cusim_note_site()
#define CUSIM_NOTE_SOURCE(mask, lane) cusim_note_source(mask, lane)
#else
#define CUSIM_WAITS inline
#define CUSIM_NOTE_SITE() (void)0
#define CUSIM_NOTE_SOURCE(mask, lane) (void)0
#endif

enum { warpSize = 32 };

CUSIM_WAITS void __syncthreads() {
  CUSIM_NOTE_SITE();
  cusim_sync_threads();
}
CUSIM_WAITS int __syncthreads_count(int predicate) {
  CUSIM_NOTE_SITE();
  return cusim_sync_threads_count(predicate);
}
CUSIM_WAITS int __syncthreads_and(int predicate) {
  CUSIM_NOTE_SITE();
  return cusim_sync_threads_count(!predicate) == 0;
}
CUSIM_WAITS int __syncthreads_or(int predicate) {
  CUSIM_NOTE_SITE();
  return cusim_sync_threads_count(predicate) != 0;
}
CUSIM_WAITS void __syncwarp(unsigned mask = 0xffffffffu) {
  const cusim_slot *all;
  CUSIM_NOTE_SITE();
  cusim_exchange(mask, "", 1, &all);
}
// Who may be polling for what another thread of its block does must let that one run now and then.
#ifdef CUSIM_TRACED_PASS
__attribute__((no_sanitize("thread"), noinline)) static void
#else
inline void
#endif
cusim_poll() {
  if (--cusim_patience == 0) cusim_yield();
}
inline void __threadfence() {
  cusim_poll();
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
inline void __threadfence_block() {
  cusim_poll();
  __atomic_thread_fence(__ATOMIC_ACQ_REL);
}
inline void __threadfence_system() {
  cusim_poll();
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
// Between kernels of one stream that may overlap on a device: here the one before has ended, whatever its
// launch asked.
inline void cudaGridDependencySynchronize() {}
inline void cudaTriggerProgrammaticLaunchCompletion() {}
// The caller's line tells one place from another, however the compiler copies and merges the code around it.
inline unsigned __activemask(unsigned line = __builtin_LINE()) {
  return cusim_active_mask(line);
}

// ---------------------------------------------------------------- shuffles, votes, warp reductions
namespace cusim {

template <class T>
struct same {
  using type = T;
};
template <class T>
using same_t = typename same<T>::type;  // keeps the value from taking part in deduction

// The values of the lanes of mask that take part; the result says which these are.
template <class T>
CUSIM_WAITS unsigned exchange(unsigned mask, const T &value, const cusim_slot *&all) {
  unsigned part;
  CUSIM_NOTE_SITE();
  cusim_exchange(mask, &value, sizeof value, &all);
  std::memcpy(&part, all[32], sizeof part);
  return part;
}

template <class T>
inline T taken_from(const cusim_slot *all, unsigned lane) {
  T value;
  std::memcpy(&value, all[lane], sizeof value);
  return value;
}

// The value of lane `source` if it takes part in the exchange, else one's own.
template <class T>
CUSIM_WAITS T shuffle(unsigned mask, T value, unsigned source, bool inside) {
  static_assert(sizeof(T) <= 16, "shuffles move at most 16 bytes");
  const cusim_slot *all;
  const unsigned part = cusim::exchange(mask, value, all);
  return inside && (part >> source & 1) ? taken_from<T>(all, source) : value;
}

template <class T, class Combine>
CUSIM_WAITS T warp_reduce(unsigned mask, T value, Combine combine) {
  const cusim_slot *all;
  unsigned part = cusim::exchange(mask, value, all);
  T result = taken_from<T>(all, __builtin_ctz(part));
  for (part &= part - 1; part; part &= part - 1)
    result = combine(result, taken_from<T>(all, __builtin_ctz(part)));
  return result;
}

// What a vote or a match computes is one instruction of the device: in the traced pass its loop stays unseen.
#ifdef CUSIM_TRACED_PASS
#define CUSIM_UNSEEN __attribute__((no_sanitize("thread"), no_sanitize_coverage, noinline)) static
#else
#define CUSIM_UNSEEN static inline
#endif
// Of the lanes in `part`, those whose first `bytes` bytes are these.
CUSIM_UNSEEN unsigned lanes_with(const cusim_slot *all, unsigned part, const void *value, std::size_t bytes) {
  unsigned equal = 0;
  for (unsigned lane = 0; lane < 32; lane++)
    if ((part >> lane & 1) && std::memcmp(all[lane], value, bytes) == 0) equal |= 1u << lane;
  return equal;
}
#undef CUSIM_UNSEEN

}  // namespace cusim

template <class T>
CUSIM_WAITS T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned base = cusim_lane() & ~(unsigned)(width - 1);
  const unsigned from = base + ((unsigned)source & (unsigned)(width - 1));
  CUSIM_NOTE_SOURCE(mask, from);
  return cusim::shuffle(mask, value, from, true);
}
template <class T>
CUSIM_WAITS T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = cusim_lane(), in_group = lane & (unsigned)(width - 1);
  return cusim::shuffle(mask, value, lane - delta, in_group >= delta);
}
template <class T>
CUSIM_WAITS T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = cusim_lane(), in_group = lane & (unsigned)(width - 1);
  return cusim::shuffle(mask, value, lane + delta, in_group + delta < (unsigned)width);
}
template <class T>
CUSIM_WAITS T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  const unsigned lane = cusim_lane(), other = lane ^ (unsigned)lanes;
  // A lane of a later group is out of reach, one of an earlier group is not: as documented for the hardware.
  return cusim::shuffle(mask, value, other, other < (lane & ~(unsigned)(width - 1)) + (unsigned)width);
}
CUSIM_WAITS unsigned __ballot_sync(unsigned mask, int predicate) {
  const bool yes = predicate;
  const cusim_slot *all;
  const unsigned part = cusim::exchange(mask, yes, all);
  const bool asked = true;
  return cusim::lanes_with(all, part, &asked, sizeof asked);
}
CUSIM_WAITS int __any_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) != 0;
}
CUSIM_WAITS int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, !predicate) == 0;
}
template <class T>
CUSIM_WAITS unsigned __match_any_sync(unsigned mask, T value) {
  const cusim_slot *all;
  const unsigned part = cusim::exchange(mask, value, all);
  return cusim::lanes_with(all, part, &value, sizeof value);
}
// All ones and *all_equal set if every lane has the same bits, else 0.
template <class T>
CUSIM_WAITS unsigned __match_all_sync(unsigned mask, T value, int *all_equal) {
  const cusim_slot *all;
  const unsigned part = cusim::exchange(mask, value, all);
  *all_equal = cusim::lanes_with(all, part, &value, sizeof value) == part;
  return *all_equal ? part : 0;
}
CUSIM_WAITS int __uni_sync(unsigned mask, int predicate) {
  const unsigned yes = __ballot_sync(mask, predicate);
  return yes == 0 || __all_sync(mask, predicate);
}
#define CUSIM_REDUCE(T)                                                                              \
  CUSIM_WAITS T __reduce_add_sync(unsigned mask, T value) {                                          \
    return cusim::warp_reduce(mask, value, [](T a, T b) { return (T)((unsigned)a + (unsigned)b); }); \
  }                                                                                                  \
  CUSIM_WAITS T __reduce_max_sync(unsigned mask, T value) {                                          \
    return cusim::warp_reduce(mask, value, [](T a, T b) { return a > b ? a : b; });                  \
  }                                                                                                  \
  CUSIM_WAITS T __reduce_min_sync(unsigned mask, T value) {                                          \
    return cusim::warp_reduce(mask, value, [](T a, T b) { return a < b ? a : b; });                  \
  }
CUSIM_REDUCE(int)
CUSIM_REDUCE(unsigned)
#undef CUSIM_REDUCE
CUSIM_WAITS unsigned __reduce_and_sync(unsigned mask, unsigned value) {
  return cusim::warp_reduce(mask, value, [](unsigned a, unsigned b) { return a & b; });
}
CUSIM_WAITS unsigned __reduce_or_sync(unsigned mask, unsigned value) {
  return cusim::warp_reduce(mask, value, [](unsigned a, unsigned b) { return a | b; });
}
CUSIM_WAITS unsigned __reduce_xor_sync(unsigned mask, unsigned value) {
  return cusim::warp_reduce(mask, value, [](unsigned a, unsigned b) { return a ^ b; });
}

// ---------------------------------------------------------------- gone since compute capability 7.0
// A program's own functions of these names go before them.
#define CUSIM_GONE(name)                                                                              \
  int name(...) __attribute__((error(#name " does not exist since compute capability 7.0: use " #name \
                                           "_sync with the mask of the lanes that take part")));
CUSIM_GONE(__shfl)
CUSIM_GONE(__shfl_up)
CUSIM_GONE(__shfl_down)
CUSIM_GONE(__shfl_xor)
CUSIM_GONE(__any)
CUSIM_GONE(__all)
CUSIM_GONE(__ballot)
#undef CUSIM_GONE
#endif
