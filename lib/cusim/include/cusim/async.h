// SPDX-License-Identifier: MIT
// What CUDA's asynchronous copies share: sizes that promise an alignment, copies of bytes. Copied at once:
// the model knows no overlap inside a block.
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
}  // namespace cusim
#endif
