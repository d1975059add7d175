// SPDX-License-Identifier: MIT
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
CUSIM_OPERATION(less, a < b ? a : b)
CUSIM_OPERATION(greater, a > b ? a : b)
CUSIM_OPERATION(bit_and, a &b)
CUSIM_OPERATION(bit_or, a | b)
CUSIM_OPERATION(bit_xor, a ^ b)
#undef CUSIM_OPERATION

// Combines the values of all members, in the order of their ranks; every member gets the result.
template <class Group, class T, class Operation>
inline T reduce(const Group &group, T value, Operation combine) {
  return cusim::warp_reduce(group.cusim_lanes(), value, combine);
}

}  // namespace cooperative_groups
#endif
