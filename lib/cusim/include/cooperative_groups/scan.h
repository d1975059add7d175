// SPDX-License-Identifier: MIT
// Scans over the members of a tile or a coalesced group.
#ifndef CUSIM_COOPERATIVE_GROUPS_SCAN_H
#define CUSIM_COOPERATIVE_GROUPS_SCAN_H
#include "reduce.h"

namespace cooperative_groups {

// Combines the values of the members up to one's own rank, in the order of their ranks.
template <class T, class Operation>
CUSIM_WAITS T inclusive_scan(const lane_group &group, T value, Operation combine) {
  const cusim_slot *all;
  unsigned part = cusim::exchange(group.cusim_lanes(), value, all);
  const unsigned own = cusim_lane();
  T result = cusim::taken_from<T>(all, (unsigned)__builtin_ctz(part));
  for (part &= part - 1; part && (unsigned)__builtin_ctz(part) <= own; part &= part - 1)
    result = combine(result, cusim::taken_from<T>(all, (unsigned)__builtin_ctz(part)));
  return result;
}
template <class T, class Operation>
CUSIM_WAITS T inclusive_scan(const details::wide_group &group, T value, Operation combine) {
  return group.fold(value, (unsigned)group.thread_rank() + 1, combine);
}
template <class Group, class T>
CUSIM_WAITS T inclusive_scan(const Group &group, T value) {
  return inclusive_scan(group, value, plus<T>());
}

// The same without one's own value; the member of rank 0 gets T().
template <class T, class Operation>
CUSIM_WAITS T exclusive_scan(const lane_group &group, T value, Operation combine) {
  const T up = group.shfl_up(inclusive_scan(group, value, combine), 1);
  return group.thread_rank() == 0 ? T() : up;
}
template <class T, class Operation>
CUSIM_WAITS T exclusive_scan(const details::wide_group &group, T value, Operation combine) {
  const T result = group.fold(value, (unsigned)group.thread_rank(), combine);
  return group.thread_rank() == 0 ? T() : result;
}
template <class Group, class T>
CUSIM_WAITS T exclusive_scan(const Group &group, T value) {
  return exclusive_scan(group, value, plus<T>());
}

namespace details {
// The group's total goes into the atomic; what was there before stands in front of everybody's scan.
template <class Group, class Atomic, class T, class Operation>
CUSIM_WAITS T before(const Group &group, Atomic &to, T inclusive, Operation combine) {
  const unsigned last = (unsigned)group.size() - 1;
  T old{};
  if (group.thread_rank() == last) old = update(to, inclusive, combine);
  return group.shfl(old, last);
}
}  // namespace details

template <class Group, class Atomic, class T, class Operation>
CUSIM_WAITS T inclusive_scan_update(const Group &group, Atomic &to, T value, Operation combine) {
  const T own = inclusive_scan(group, value, combine);
  return combine(details::before(group, to, own, combine), own);
}
template <class Group, class Atomic, class T>
CUSIM_WAITS T inclusive_scan_update(const Group &group, Atomic &to, T value) {
  return inclusive_scan_update(group, to, value, plus<T>());
}
template <class Group, class Atomic, class T, class Operation>
CUSIM_WAITS T exclusive_scan_update(const Group &group, Atomic &to, T value, Operation combine) {
  const T own = inclusive_scan(group, value, combine);
  const T old = details::before(group, to, own, combine), up = exclusive_scan(group, value, combine);
  return group.thread_rank() == 0 ? old : combine(old, up);
}
template <class Group, class Atomic, class T>
CUSIM_WAITS T exclusive_scan_update(const Group &group, Atomic &to, T value) {
  return exclusive_scan_update(group, to, value, plus<T>());
}

}  // namespace cooperative_groups
#endif
