// SPDX-License-Identifier: MIT
// Cooperative groups under CUDA's names: the thread block, tiles of a warp or of several, lanes that come
// together, the grid of a cooperative launch, and a cluster of one block (others cannot be launched).
#ifndef CUSIM_COOPERATIVE_GROUPS_H
#define CUSIM_COOPERATIVE_GROUPS_H
#include <type_traits>

#include "cuda_runtime.h"

extern "C" {
void cusim_sync_grid(void);
void cusim_sync_tile(unsigned size);
const void *const *cusim_tile_gather(unsigned size, const void *value);
void cusim_tile_release(unsigned size);
}

namespace cooperative_groups {

namespace details {
inline unsigned rank_in_block() {
  return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
}
inline unsigned threads_of_block() {
  return blockDim.x * blockDim.y * blockDim.z;
}
inline unsigned below(unsigned lanes) {
  return lanes & ((1u << cusim_lane()) - 1);
}
// The lane of the rank-th member of lanes.
inline unsigned lane_of(unsigned lanes, unsigned rank) {
  while (rank-- > 0) lanes &= lanes - 1;
  return lanes ? (unsigned)__builtin_ctz(lanes) : 0;
}
// The members of lanes, renumbered by rank: what a group's ballot returns.
inline unsigned by_rank(unsigned lanes, unsigned chosen) {
  unsigned result = 0;
  for (unsigned rank = 0; lanes; lanes &= lanes - 1, rank++)
    if (chosen >> __builtin_ctz(lanes) & 1) result |= 1u << rank;
  return result;
}
// Members of lanes whose rank, divided by size, is that of the running lane.
inline unsigned part_of(unsigned lanes, unsigned size) {
  const unsigned first = (unsigned)__builtin_popcount(below(lanes)) / size * size;
  unsigned part = 0;
  for (unsigned rank = 0; lanes; lanes &= lanes - 1, rank++)
    if (rank >= first && rank < first + size) part |= lanes & -lanes;
  return part;
}
enum class kind { block, lanes, wide };
}  // namespace details

// Any group: what functions take that work for several kinds.
class thread_group {
 public:
  unsigned long long size() const { return num_threads(); }
  unsigned long long num_threads() const {
    if (kind_ == details::kind::block) return details::threads_of_block();
    return kind_ == details::kind::wide ? members_ : (unsigned)__builtin_popcount(members_);
  }
  unsigned long long thread_rank() const {
    if (kind_ == details::kind::block) return details::rank_in_block();
    return kind_ == details::kind::wide ? details::rank_in_block() % members_
                                        : (unsigned)__builtin_popcount(details::below(members_));
  }
  CUSIM_WAITS void sync() const {
    if (kind_ == details::kind::block) {
      __syncthreads();
    } else if (kind_ == details::kind::wide) {
      CUSIM_NOTE_SITE();
      cusim_sync_tile(members_);
    } else {
      __syncwarp(members_);
    }
  }

 protected:
  thread_group(details::kind kind, unsigned members) : kind_(kind), members_(members) {}
  details::kind kind_;
  unsigned members_;  // lanes of a warp; size of a wide tile; unused for a block
  friend thread_group tiled_partition(const thread_group &parent, unsigned size);
};

class thread_block : public thread_group {
 public:
  CUSIM_WAITS static void sync() { __syncthreads(); }
  static unsigned thread_rank() { return details::rank_in_block(); }
  static unsigned num_threads() { return details::threads_of_block(); }
  static unsigned size() { return num_threads(); }
  static dim3 group_index() { return blockIdx; }
  static dim3 thread_index() { return threadIdx; }
  static dim3 group_dim() { return blockDim; }
  static dim3 dim_threads() { return blockDim; }
  // A barrier in two halves: all of the waiting is in the second.
  struct arrival_token {};
  static arrival_token barrier_arrive() { return {}; }
  CUSIM_WAITS static void barrier_wait(arrival_token) { __syncthreads(); }

 private:
  thread_block() : thread_group(details::kind::block, 0) {}
  friend thread_block this_thread_block();
};
inline thread_block this_thread_block() {
  return {};
}
// What tiles of several warps need on a device.
template <unsigned MostThreads = 1024>
struct block_tile_memory {};
template <unsigned MostThreads>
inline thread_block this_thread_block(block_tile_memory<MostThreads> &) {
  return this_thread_block();
}

// Lanes of one warp: what tiles and coalesced groups share. source and the results of ballot and match count
// by rank within the group.
class lane_group : public thread_group {
 public:
  unsigned num_threads() const { return (unsigned)__builtin_popcount(members_); }
  unsigned size() const { return num_threads(); }
  unsigned thread_rank() const { return (unsigned)__builtin_popcount(details::below(members_)); }
  CUSIM_WAITS void sync() const { __syncwarp(members_); }
  CUSIM_WAITS int any(int predicate) const { return __any_sync(members_, predicate); }
  CUSIM_WAITS int all(int predicate) const { return __all_sync(members_, predicate); }
  CUSIM_WAITS unsigned ballot(int predicate) const {
    return details::by_rank(members_, __ballot_sync(members_, predicate));
  }
  template <class T>
  CUSIM_WAITS unsigned match_any(T value) const {
    return details::by_rank(members_, __match_any_sync(members_, value));
  }
  template <class T>
  CUSIM_WAITS unsigned match_all(T value, int &all_equal) const {
    return details::by_rank(members_, __match_all_sync(members_, value, &all_equal));
  }
  template <class T>
  CUSIM_WAITS T shfl(T value, unsigned source) const {
    return from(value, source % num_threads());
  }
  template <class T>
  CUSIM_WAITS T shfl_down(T value, unsigned delta) const {
    return from(value, thread_rank() + delta);
  }
  template <class T>
  CUSIM_WAITS T shfl_up(T value, unsigned delta) const {
    return from(value, thread_rank() - delta);
  }
  template <class T>
  CUSIM_WAITS T shfl_xor(T value, unsigned ranks) const {
    return from(value, thread_rank() ^ ranks);
  }
  unsigned cusim_lanes() const { return members_; }

 protected:
  explicit lane_group(unsigned lanes) : thread_group(details::kind::lanes, lanes) {}

 private:
  // The value of the member of that rank, one's own where there is none. Large types move in several pieces.
  template <class T>
  CUSIM_WAITS T from(T value, unsigned rank) const {
    const bool inside = rank < num_threads();
    const unsigned lane = inside ? details::lane_of(members_, rank) : cusim_lane();
    if constexpr (sizeof(T) <= sizeof(cusim_slot)) {
      return cusim::shuffle(members_, value, lane, inside);
    } else {
      char bytes[(sizeof(T) + sizeof(cusim_slot) - 1) / sizeof(cusim_slot)][sizeof(cusim_slot)] = {};
      std::memcpy(bytes, &value, sizeof value);
      for (auto &piece : bytes) {
        struct slot {
          char bytes[sizeof(cusim_slot)];
        } moved;
        std::memcpy(&moved, piece, sizeof moved);
        moved = cusim::shuffle(members_, moved, lane, inside);
        std::memcpy(piece, &moved, sizeof moved);
      }
      std::memcpy(static_cast<void *>(&value), bytes, sizeof value);
      return value;
    }
  }
};

namespace details {
// Neighbouring threads of several warps.
class wide_group : public thread_group {
 public:
  CUSIM_WAITS void sync() const {
    CUSIM_NOTE_SITE();
    cusim_sync_tile(members_);
  }
  template <class T>
  CUSIM_WAITS T shfl(const T &value, unsigned source) const {
    const void *const *all = gather(value);
    const void *found = all[source % members_];
    const T result = found ? *static_cast<const T *>(found) : value;
    cusim_tile_release(members_);
    return result;
  }
  CUSIM_WAITS int any(int predicate) const {
    return fold(predicate != 0, members_, [](int a, int b) { return a | b; });
  }
  CUSIM_WAITS int all(int predicate) const {
    return fold(predicate != 0, members_, [](int a, int b) { return a & b; });
  }
  // The values of the first `count` members, combined in the order of their ranks.
  template <class T, class Operation>
  CUSIM_WAITS T fold(const T &value, unsigned count, Operation combine) const {
    const void *const *values = gather(value);
    unsigned i = 0;
    while (i < count && !values[i]) i++;
    T result = i < count ? *static_cast<const T *>(values[i]) : value;
    for (i++; i < count; i++)
      if (values[i]) result = combine(result, *static_cast<const T *>(values[i]));
    cusim_tile_release(members_);
    return result;
  }

 protected:
  explicit wide_group(unsigned size) : thread_group(kind::wide, size) {}

 private:
  template <class T>
  CUSIM_WAITS const void *const *gather(const T &value) const {
    CUSIM_NOTE_SITE();
    return cusim_tile_gather(members_, &value);
  }
};

template <unsigned Size, bool Wide = (Size > 32)>
class tile_group : public lane_group {
 protected:
  tile_group() : lane_group((unsigned)((1ull << Size) - 1) << (cusim_lane() & ~(Size - 1))) {}
};
template <unsigned Size>
class tile_group<Size, true> : public wide_group {
 protected:
  tile_group() : wide_group(Size) {}
};

// How many threads a tile's parent has, and the first of them.
template <class Parent>
struct parent {
  static unsigned size() { return threads_of_block(); }
};
}  // namespace details

template <unsigned Size, class Parent = void>
class thread_block_tile : public details::tile_group<Size> {
  static_assert(Size >= 1 && Size <= 1024 && (Size & (Size - 1)) == 0,
                "a tile has a power of two of threads, at most 1024");

 public:
  static constexpr unsigned num_threads() { return Size; }
  static constexpr unsigned size() { return Size; }
  static unsigned thread_rank() { return details::rank_in_block() % Size; }
  // Which tile of its parent's, and how many these are.
  static unsigned meta_group_rank() {
    return details::rank_in_block() % details::parent<Parent>::size() / Size;
  }
  static unsigned meta_group_size() { return (details::parent<Parent>::size() + Size - 1) / Size; }
  thread_block_tile() = default;
  // A tile by its size alone, whatever it was cut from.
  template <class Other>
  thread_block_tile(const thread_block_tile<Size, Other> &) : thread_block_tile() {}
};
namespace details {
template <unsigned Size, class Parent>
struct parent<thread_block_tile<Size, Parent>> {
  static constexpr unsigned size() { return Size; }
};
}  // namespace details

template <unsigned Size, class Parent>
inline thread_block_tile<Size, Parent> tiled_partition(const Parent &) {
  return {};
}
inline thread_group tiled_partition(const thread_group &group, unsigned size) {
  if (group.kind_ == details::kind::lanes)
    return thread_group(details::kind::lanes, details::part_of(group.members_, size));
  if (size > 32) return thread_group(details::kind::wide, size);
  return thread_group(details::kind::lanes, details::part_of(~0u, size));
}

class coalesced_group : public lane_group {
 public:
  explicit coalesced_group(unsigned lanes, unsigned rank = 0, unsigned groups = 1)
      : lane_group(lanes), rank_(rank), groups_(groups) {}
  unsigned meta_group_rank() const { return rank_; }
  unsigned meta_group_size() const { return groups_; }

 private:
  unsigned rank_, groups_;
};
inline coalesced_group coalesced_threads(unsigned line = __builtin_LINE()) {
  return coalesced_group(__activemask(line));
}
inline coalesced_group tiled_partition(const coalesced_group &group, unsigned size) {
  return coalesced_group(details::part_of(group.cusim_lanes(), size), group.thread_rank() / size,
                         (group.size() + size - 1) / size);
}
template <unsigned Size>
inline coalesced_group tiled_partition(const coalesced_group &group) {
  return tiled_partition(group, Size);
}
CUSIM_WAITS coalesced_group binary_partition(const lane_group &group, bool predicate) {
  const unsigned lanes = group.cusim_lanes(), yes = __ballot_sync(lanes, predicate);
  if (yes == 0 || yes == lanes) return coalesced_group(lanes);
  return coalesced_group(predicate ? yes : lanes & ~yes, predicate, 2);
}
// Groups count by their first members.
template <class T>
CUSIM_WAITS coalesced_group labeled_partition(const lane_group &group, T label) {
  const unsigned lanes = group.cusim_lanes(), equal = __match_any_sync(lanes, label);
  const unsigned first = equal & -equal;
  const unsigned leaders = __ballot_sync(lanes, first >> cusim_lane() & 1);
  return coalesced_group(equal, (unsigned)__builtin_popcount(leaders & (first - 1)),
                         (unsigned)__builtin_popcount(leaders));
}

class grid_group {
 public:
  CUSIM_WAITS void sync() const {
    CUSIM_NOTE_SITE();
    cusim_sync_grid();
  }
  struct arrival_token {};
  arrival_token barrier_arrive() const { return {}; }
  CUSIM_WAITS void barrier_wait(arrival_token) const { sync(); }
  bool is_valid() const { return true; }
  unsigned long long size() const { return num_blocks() * thread_block::num_threads(); }
  unsigned long long num_threads() const { return size(); }
  unsigned long long num_blocks() const { return (unsigned long long)gridDim.x * gridDim.y * gridDim.z; }
  unsigned long long block_rank() const {
    return ((unsigned long long)blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  }
  unsigned long long thread_rank() const {
    return block_rank() * thread_block::num_threads() + details::rank_in_block();
  }
  dim3 block_index() const { return blockIdx; }
  dim3 group_dim() const { return gridDim; }
  dim3 dim_blocks() const { return gridDim; }
};
inline grid_group this_grid() {
  return {};
}

// A launch without cluster dimensions has clusters of one block; cusim refuses any other.
class cluster_group {
 public:
  CUSIM_WAITS static void sync() { __syncthreads(); }
  struct arrival_token {};
  static arrival_token barrier_arrive() { return {}; }
  CUSIM_WAITS static void barrier_wait(arrival_token = {}) { __syncthreads(); }
  static unsigned num_threads() { return details::threads_of_block(); }
  static unsigned size() { return num_threads(); }
  static unsigned thread_rank() { return details::rank_in_block(); }
  static unsigned num_blocks() { return 1; }
  static unsigned block_rank() { return 0; }
  static dim3 dim_blocks() { return dim3(1, 1, 1); }
  static dim3 block_index() { return dim3(0, 0, 0); }
  static dim3 dim_threads() { return blockDim; }
  static dim3 thread_index() { return threadIdx; }
  template <class T>
  static T *map_shared_rank(T *address, int) {
    return address;
  }
  static unsigned query_shared_rank(const void *) { return 0; }
};
inline cluster_group this_cluster() {
  return {};
}

class multi_grid_group;
multi_grid_group this_multi_grid()
    __attribute__((error("cusim, like CUDA since release 13, has no groups of several grids")));

template <class Group>
CUSIM_WAITS void sync(const Group &group) {
  group.sync();
}
// One member calls the function, the first; broadcast: every member gets its result.
template <class Group, class Function, class... Arguments>
inline void invoke_one(const Group &group, Function &&function, Arguments &&...arguments) {
  if (group.thread_rank() == 0) function(std::forward<Arguments>(arguments)...);
}
template <class Group, class Function, class... Arguments>
inline auto invoke_one_broadcast(const Group &group, Function &&function, Arguments &&...arguments) {
  decltype(function(std::forward<Arguments>(arguments)...)) result{};
  if (group.thread_rank() == 0) result = function(std::forward<Arguments>(arguments)...);
  return group.shfl(result, 0);
}
template <class Group>
inline unsigned long long thread_rank(const Group &group) {
  return group.thread_rank();
}
template <class Group>
inline unsigned long long group_size(const Group &group) {
  return group.size();
}

}  // namespace cooperative_groups
#endif
