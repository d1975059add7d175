// SPDX-License-Identifier: MIT
// Reductions over the members of a tile or a coalesced group.
#ifndef CUSIM_COOPERATIVE_GROUPS_REDUCE_H
#define CUSIM_COOPERATIVE_GROUPS_REDUCE_H
#include "../cooperative_groups.h"

namespace cooperative_groups {

#define CUSIM_OPERATION(name, expression)                    \
  template <class T>                                         \
  struct name {                                              \
    T operator()(T a, T b) const { return (T)(expression); } \
  };
CUSIM_OPERATION(plus, a + b)
CUSIM_OPERATION(less, b < a ? b : a)
CUSIM_OPERATION(greater, a < b ? b : a)
CUSIM_OPERATION(bit_and, a &b)
CUSIM_OPERATION(bit_or, a | b)
CUSIM_OPERATION(bit_xor, a ^ b)
#undef CUSIM_OPERATION

// Combines the values of all members, in the order of their ranks; every member gets the result.
template <class T, class Operation>
CUSIM_WAITS T reduce(const lane_group &group, T value, Operation combine) {
  if constexpr (sizeof(T) <= sizeof(cusim_slot)) {
    return cusim::warp_reduce(group.cusim_lanes(), value, combine);
  } else {
    T result = group.shfl(value, 0);
    for (unsigned rank = 1; rank < group.size(); rank++) result = combine(result, group.shfl(value, rank));
    return result;
  }
}
template <class T, class Operation>
CUSIM_WAITS T reduce(const details::wide_group &group, T value, Operation combine) {
  return group.fold(value, (unsigned)group.size(), combine);
}

namespace details {
// old = *to; *to = combine(old, value), as one step on a cuda::atomic or cuda::atomic_ref; returns old.
template <class Atomic, class T, class Operation>
inline T update(Atomic &to, T value, Operation combine) {
  T old = to.load();
  while (!to.compare_exchange_weak(old, combine(old, value))) {
  }
  return old;
}
}  // namespace details

// The result goes to memory, by one of the members; there once the group has waited.
template <class Group, class T, class Operation>
CUSIM_WAITS void reduce_store_async(const Group &group, T *to, T value, Operation combine) {
  const T result = reduce(group, value, combine);
  if (group.thread_rank() == 0) *to = result;
}
template <class Group, class Atomic, class T, class Operation>
CUSIM_WAITS void reduce_store_async(const Group &group, Atomic &to, T value, Operation combine) {
  const T result = reduce(group, value, combine);
  if (group.thread_rank() == 0) to.store(result);
}
template <class Group, class Atomic, class T, class Operation>
CUSIM_WAITS void reduce_update_async(const Group &group, Atomic &to, T value, Operation combine) {
  const T result = reduce(group, value, combine);
  if (group.thread_rank() == 0) details::update(to, result, combine);
}

}  // namespace cooperative_groups
#endif
