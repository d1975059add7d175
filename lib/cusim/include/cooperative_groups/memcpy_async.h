// SPDX-License-Identifier: MIT
// Copies that the members of a group share; what was copied is there after wait.
#ifndef CUSIM_COOPERATIVE_GROUPS_MEMCPY_ASYNC_H
#define CUSIM_COOPERATIVE_GROUPS_MEMCPY_ASYNC_H
#include "../cooperative_groups.h"
#include "../cusim/async.h"

namespace cooperative_groups {

// bytes: a number or a cuda::aligned_size_t.
template <class Group, class To, class From, class Size>
inline void memcpy_async(const Group &group, To *to, const From *from, const Size &bytes) {
  cusim::copy_together(group, to, from, (std::size_t)bytes);
}
// Sizes of both sides in elements; the smaller one counts.
template <class Group, class T, class ToSize, class FromSize>
inline void memcpy_async(const Group &group, T *to, const ToSize &to_count, const T *from,
                         const FromSize &from_count) {
  const std::size_t most = (std::size_t)to_count, have = (std::size_t)from_count;
  cusim::copy_together(group, to, from, sizeof(T) * (most < have ? most : have));
}
template <class Group>
CUSIM_WAITS void wait(const Group &group) {
  group.sync();
}
template <unsigned, class Group>
CUSIM_WAITS void wait_prior(const Group &group) {
  group.sync();
}

}  // namespace cooperative_groups
#endif
