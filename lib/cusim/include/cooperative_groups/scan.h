// SPDX-License-Identifier: MIT
#ifndef CUSIM_COOPERATIVE_GROUPS_SCAN_H
#define CUSIM_COOPERATIVE_GROUPS_SCAN_H
#include "reduce.h"

namespace cooperative_groups {

// Combines the values of the members up to one's own rank, in the order of their ranks.
template <class Group, class T, class Operation>
inline T inclusive_scan(const Group &group, T value, Operation combine) {
  const cusim_slot *all;
  unsigned part = cusim::exchange(group.cusim_lanes(), value, all);
  const unsigned own = cusim_lane();
  T result = cusim::taken_from<T>(all, (unsigned)__builtin_ctz(part));
  for (part &= part - 1; part && (unsigned)__builtin_ctz(part) <= own; part &= part - 1)
    result = combine(result, cusim::taken_from<T>(all, (unsigned)__builtin_ctz(part)));
  return result;
}
template <class Group, class T>
inline T inclusive_scan(const Group &group, T value) {
  return inclusive_scan(group, value, plus<T>());
}

// The same without one's own value; the member of rank 0 gets T().
template <class Group, class T, class Operation>
inline T exclusive_scan(const Group &group, T value, Operation combine) {
  const T up = group.shfl_up(inclusive_scan(group, value, combine), 1);
  return group.thread_rank() == 0 ? T() : up;
}
template <class Group, class T>
inline T exclusive_scan(const Group &group, T value) {
  return exclusive_scan(group, value, plus<T>());
}

}  // namespace cooperative_groups
#endif
