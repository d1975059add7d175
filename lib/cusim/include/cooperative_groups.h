// SPDX-License-Identifier: MIT
// Cooperative groups under CUDA's names: the thread block, tiles of a warp, lanes that come together, and the
// grid of a cooperative launch.
#ifndef CUSIM_COOPERATIVE_GROUPS_H
#define CUSIM_COOPERATIVE_GROUPS_H
#include <type_traits>

#include "cuda_runtime.h"

extern "C" void cusim_sync_grid(void);

namespace cooperative_groups {

namespace details {
inline unsigned rank_in_block() {
  return (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
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
enum class kind { block, lanes };
}  // namespace details

// Any group: what functions take that work for several kinds.
class thread_group {
 public:
  unsigned long long size() const { return num_threads(); }
  unsigned long long num_threads() const {
    return kind_ == details::kind::block ? blockDim.x * blockDim.y * blockDim.z
                                         : (unsigned)__builtin_popcount(lanes_);
  }
  unsigned long long thread_rank() const {
    return kind_ == details::kind::block ? details::rank_in_block()
                                         : (unsigned)__builtin_popcount(details::below(lanes_));
  }
  CUSIM_WAITS void sync() const {
    if (kind_ == details::kind::block)
      __syncthreads();
    else
      __syncwarp(lanes_);
  }

 protected:
  thread_group(details::kind kind, unsigned lanes) : kind_(kind), lanes_(lanes) {}
  details::kind kind_;
  unsigned lanes_;  // of a warp; unused for a block
  friend thread_group tiled_partition(const thread_group &parent, unsigned size);
};

class thread_block : public thread_group {
 public:
  CUSIM_WAITS static void sync() { __syncthreads(); }
  static unsigned thread_rank() { return details::rank_in_block(); }
  static unsigned num_threads() { return blockDim.x * blockDim.y * blockDim.z; }
  static unsigned size() { return num_threads(); }
  static dim3 group_index() { return blockIdx; }
  static dim3 thread_index() { return threadIdx; }
  static dim3 group_dim() { return blockDim; }
  static dim3 dim_threads() { return blockDim; }
  // A barrier in two halves: all of the waiting is in the second.
  struct arrival_token {};
  static arrival_token barrier_arrive() { return {}; }
  static void barrier_wait(arrival_token) { __syncthreads(); }

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
  unsigned num_threads() const { return (unsigned)__builtin_popcount(lanes_); }
  unsigned size() const { return num_threads(); }
  unsigned thread_rank() const { return (unsigned)__builtin_popcount(details::below(lanes_)); }
  CUSIM_WAITS void sync() const { __syncwarp(lanes_); }
  int any(int predicate) const { return __any_sync(lanes_, predicate); }
  int all(int predicate) const { return __all_sync(lanes_, predicate); }
  unsigned ballot(int predicate) const { return details::by_rank(lanes_, __ballot_sync(lanes_, predicate)); }
  template <class T>
  unsigned match_any(T value) const {
    return details::by_rank(lanes_, __match_any_sync(lanes_, value));
  }
  template <class T>
  unsigned match_all(T value, int &all_equal) const {
    return details::by_rank(lanes_, __match_all_sync(lanes_, value, &all_equal));
  }
  template <class T>
  T shfl(T value, unsigned source) const {
    return __shfl_sync(lanes_, value, (int)details::lane_of(lanes_, source % num_threads()));
  }
  template <class T>
  T shfl_down(T value, unsigned delta) const {
    return from(value, thread_rank() + delta);
  }
  template <class T>
  T shfl_up(T value, unsigned delta) const {
    return from(value, thread_rank() - delta);
  }
  template <class T>
  T shfl_xor(T value, unsigned ranks) const {
    return from(value, thread_rank() ^ ranks);
  }
  unsigned cusim_lanes() const { return lanes_; }

 protected:
  explicit lane_group(unsigned lanes) : thread_group(details::kind::lanes, lanes) {}

 private:
  // The value of the member of that rank, one's own where there is none.
  template <class T>
  T from(T value, unsigned rank) const {
    const bool inside = rank < num_threads();
    return cusim::shuffle(lanes_, value, inside ? details::lane_of(lanes_, rank) : cusim_lane(), inside);
  }
};

template <unsigned Size, class Parent = void>
class thread_block_tile : public lane_group {
  static_assert(Size >= 1 && Size <= 32 && (Size & (Size - 1)) == 0,
                "cusim has tiles of 1, 2, 4, 8, 16 and 32 threads");

 public:
  static constexpr unsigned num_threads() { return Size; }
  static constexpr unsigned size() { return Size; }
  unsigned thread_rank() const { return cusim_lane() % Size; }
  unsigned meta_group_rank() const { return details::rank_in_block() / Size; }
  unsigned meta_group_size() const { return (blockDim.x * blockDim.y * blockDim.z + Size - 1) / Size; }
  thread_block_tile() : lane_group((unsigned)((1ull << Size) - 1) << (cusim_lane() & ~(Size - 1))) {}
  // A tile by its size alone, whatever it was cut from.
  template <class Other>
  thread_block_tile(const thread_block_tile<Size, Other> &) : thread_block_tile() {}
};

template <unsigned Size, class Parent>
inline thread_block_tile<Size, Parent> tiled_partition(const Parent &) {
  return {};
}
inline thread_group tiled_partition(const thread_group &, unsigned size) {
  const unsigned members = size >= 32 ? ~0u : (1u << size) - 1;
  return thread_group(details::kind::lanes, members << (cusim_lane() & ~(size - 1)));
}

class coalesced_group : public lane_group {
 public:
  explicit coalesced_group(unsigned lanes) : lane_group(lanes) {}
  static constexpr unsigned meta_group_rank() { return 0; }
  static constexpr unsigned meta_group_size() { return 1; }
};
inline coalesced_group coalesced_threads(unsigned line = __builtin_LINE()) {
  return coalesced_group(__activemask(line));
}
inline coalesced_group binary_partition(const lane_group &group, bool predicate) {
  const unsigned yes = __ballot_sync(group.cusim_lanes(), predicate);
  return coalesced_group(predicate ? yes : group.cusim_lanes() & ~yes);
}
template <class T>
inline coalesced_group labeled_partition(const lane_group &group, T label) {
  return coalesced_group(__match_any_sync(group.cusim_lanes(), label));
}

class grid_group {
 public:
  CUSIM_WAITS void sync() const {
    CUSIM_NOTE_SITE();
    cusim_sync_grid();
  }
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
  dim3 group_dim() const { return gridDim; }
  dim3 dim_blocks() const { return gridDim; }
};
inline grid_group this_grid() {
  return {};
}

template <class Group>
CUSIM_WAITS void sync(const Group &group) {
  group.sync();
}
// One member calls the function, the first; every member gets its result.
template <class Group, class Function, class... Arguments>
inline void invoke_one(const Group &group, Function &&function, Arguments &&...arguments) {
  if (group.thread_rank() == 0) function(arguments...);
}
template <class Group, class Function, class... Arguments>
inline auto invoke_one_broadcast(const Group &group, Function &&function, Arguments &&...arguments) {
  decltype(function(arguments...)) result{};
  if (group.thread_rank() == 0) result = function(arguments...);
  return group.shfl(result, 0);
}
template <class Group>
inline unsigned long long thread_rank(const Group &group) {
  return group.thread_rank();
}

}  // namespace cooperative_groups
#endif
