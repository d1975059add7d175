// SPDX-License-Identifier: MIT
#ifndef CUSIM_COOPERATIVE_GROUPS_MEMCPY_ASYNC_H
#define CUSIM_COOPERATIVE_GROUPS_MEMCPY_ASYNC_H
#include "../cooperative_groups.h"

namespace cooperative_groups {

// The members share the elements; they are there after wait. Copied at once: the model knows no overlap
// inside a block.
template <class Group, class T>
inline void memcpy_async(const Group &group, T *to, const T *from, std::size_t bytes) {
  const std::size_t count = bytes / sizeof(T), step = (std::size_t)group.size();
  for (std::size_t i = (std::size_t)group.thread_rank(); i < count; i += step) to[i] = from[i];
}
template <class Group>
inline void wait(const Group &group) {
  group.sync();
}
template <unsigned, class Group>
inline void wait_prior(const Group &group) {
  group.sync();
}

}  // namespace cooperative_groups
#endif
