// SPDX-License-Identifier: MIT
// What CUDA's asynchronous copies share: sizes that promise an alignment, copies of bytes. Copied at once,
// which is one of the orders allowed; the time model is told what the thread does not wait for.
#ifndef CUSIM_ASYNC_H
#define CUSIM_ASYNC_H
#include <cstddef>
#include <cstring>

#include "../cuda_runtime.h"

namespace cuda {
// A number of bytes that is a multiple of Alignment, between addresses that are so, too.
template <std::size_t Alignment>
struct aligned_size_t {
  static constexpr std::size_t align = Alignment;
  std::size_t value;
  constexpr explicit aligned_size_t(std::size_t bytes) : value(bytes) {}
  constexpr operator std::size_t() const { return value; }
};
}  // namespace cuda

extern "C" void cusim_note_copy(bool begins);
extern "C" void cusim_note_commit(void);
extern "C" void cusim_note_wait(unsigned pending);
#ifdef CUSIM_TRACED_PASS
#define CUSIM_NOTE_ASYNC(call) call
#else
#define CUSIM_NOTE_ASYNC(call) (void)0
#endif

namespace cusim {
// Whole words, so that each copy of a thread is one request of its width.
inline void copy_bytes(void *to, const void *from, std::size_t bytes) {
  const std::size_t place = (std::size_t)to | (std::size_t)from | bytes;
  char *t = static_cast<char *>(to);
  const char *f = static_cast<const char *>(from);
  const auto in_words = [&](auto word) {
    for (std::size_t i = 0; i < bytes; i += sizeof word)
      *reinterpret_cast<decltype(word) *>(t + i) = *reinterpret_cast<const decltype(word) *>(f + i);
  };
  if (place % 16 == 0)
    in_words(int4());
  else if (place % 8 == 0)
    in_words(0ll);
  else if (place % 4 == 0)
    in_words(0);
  else
    in_words('\0');
}

// The members of a group share the bytes, in words as wide as addresses and size allow.
template <class Group>
inline void copy_together(const Group &group, void *to, const void *from, std::size_t bytes) {
  const std::size_t place = (std::size_t)to | (std::size_t)from | bytes;
  const std::size_t word = place % 16 == 0 ? 16 : place % 8 == 0 ? 8 : place % 4 == 0 ? 4 : 1;
  const std::size_t step = word * (std::size_t)group.size();
  for (std::size_t i = word * (std::size_t)group.thread_rank(); i < bytes; i += step)
    copy_bytes(static_cast<char *>(to) + i, static_cast<const char *>(from) + i, word);
}
// One copy of cp.async and of __pipeline_memcpy_async: `bytes` is 4, 8 or 16; beyond `used` there are zeros.
inline void copy_async(void *to, const void *from, std::size_t bytes, std::size_t used) {
  CUSIM_NOTE_ASYNC(cusim_note_copy(true));
  if (used == bytes && bytes == 16)
    *static_cast<int4 *>(to) = *static_cast<const int4 *>(from);
  else if (used == bytes && bytes == 8)
    *static_cast<long long *>(to) = *static_cast<const long long *>(from);
  else if (used == bytes && bytes == 4)
    *static_cast<int *>(to) = *static_cast<const int *>(from);
  else {
    std::memcpy(to, from, used);
    std::memset(static_cast<char *>(to) + used, 0, bytes - used);
  }
  CUSIM_NOTE_ASYNC(cusim_note_copy(false));
}
// What has been copied since the last commit is a group.
inline void commit_copies() {
  CUSIM_NOTE_ASYNC(cusim_note_commit());
}
// Until at most `pending` groups are under way.
inline void await_copies(unsigned pending) {
  (void)pending;
  CUSIM_NOTE_ASYNC(cusim_note_wait(pending));
}
inline void await_all_copies() {
  commit_copies();
  await_copies(0);
}
}  // namespace cusim
#endif
