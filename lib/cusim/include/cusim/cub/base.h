// SPDX-License-Identifier: MIT
// CUB under its own names, as far as teaching code uses it: operators, iterators, the warp.
#ifndef CUSIM_CUB_BASE_H
#define CUSIM_CUB_BASE_H
#include "../thrust.h"

#define CUB_VERSION 200800
#define CubDebug(error) (error)
#define CubDebugExit(error)                                                          \
  do {                                                                               \
    const cudaError_t cub_error = (error);                                           \
    if (cub_error != cudaSuccess) {                                                  \
      fprintf(stderr, "CUDA error %d [%s, %d]: %s\n", cub_error, __FILE__, __LINE__, \
              cudaGetErrorString(cub_error));                                        \
      exit(1);                                                                       \
    }                                                                                \
  } while (0)

namespace cub {

using Sum = std::plus<>;
using Difference = std::minus<>;
using Equality = std::equal_to<>;
using Inequality = std::not_equal_to<>;
using Max = thrust::maximum<>;
using Min = thrust::minimum<>;

template <class K, class V>
struct KeyValuePair {
  using Key = K;
  using Value = V;
  K key;
  V value;
  bool operator!=(const KeyValuePair &other) const { return key != other.key || value != other.value; }
};
// The pair with the extreme value, and of equals that with the smaller key.
struct ArgMax {
  template <class K, class V>
  KeyValuePair<K, V> operator()(const KeyValuePair<K, V> &a, const KeyValuePair<K, V> &b) const {
    return b.value > a.value || (a.value == b.value && b.key < a.key) ? b : a;
  }
};
struct ArgMin {
  template <class K, class V>
  KeyValuePair<K, V> operator()(const KeyValuePair<K, V> &a, const KeyValuePair<K, V> &b) const {
    return b.value < a.value || (a.value == b.value && b.key < a.key) ? b : a;
  }
};

template <class T, class Offset = std::ptrdiff_t>
using CountingInputIterator = thrust::counting_iterator<T>;
template <class T, class Offset = std::ptrdiff_t>
using ConstantInputIterator = thrust::constant_iterator<T>;
template <class T, class Function, class It, class Offset = std::ptrdiff_t>
struct TransformInputIterator : thrust::transform_iterator<Function, It> {
  TransformInputIterator(It it, Function function) : thrust::transform_iterator<Function, It>(it, function) {}
};
using DiscardOutputIterator = thrust::discard_iterator<>;

struct NullType {};

inline unsigned LaneId() {
  return cusim_lane();
}
inline int RowMajorTid(int x, int y, int) {
  return (int)threadIdx.x + x * ((int)threadIdx.y + y * (int)threadIdx.z);
}

// ---------------------------------------------------------------- the warp

namespace details {
// Shuffles move small values; of others there is a place for each lane in shared memory.
template <class T>
constexpr bool small = sizeof(T) <= sizeof(cusim_slot) && std::is_trivially_destructible<T>::value;

// The values of a logical warp's lanes in front of and including one's own, combined in their order.
template <int Width, class T, class Operation>
CUSIM_WAITS T scan_lanes(T value, Operation operation) {
  static_assert(small<T>, "cusim's warp scans and reductions move values of at most 16 bytes");
  const unsigned lane = cusim_lane() % (unsigned)Width;
  for (unsigned step = 1; step < (unsigned)Width; step *= 2) {
    const T before = __shfl_up_sync(~0u, value, step, Width);
    if (lane >= step) value = operation(before, value);
  }
  return value;
}
}  // namespace details

template <class T, int Width = 32>
class WarpReduce {
 public:
  struct TempStorage {};
  explicit WarpReduce(TempStorage &) {}
  // In the first lane; elsewhere it means nothing. Of the first `valid` lanes.
  template <class Operation>
  CUSIM_WAITS T Reduce(T value, Operation operation, int valid = Width) {
    static_assert(details::small<T>, "cusim's warp scans and reductions move values of at most 16 bytes");
    const int lane = (int)cusim_lane() % Width;
    for (int step = 1; step < Width; step *= 2) {
      const T other = __shfl_down_sync(~0u, value, (unsigned)step, Width);
      if (lane + step < valid) value = operation(value, other);
    }
    return value;
  }
  CUSIM_WAITS T Sum(T value, int valid = Width) { return Reduce(value, cub::Sum(), valid); }
  CUSIM_WAITS T Max(T value, int valid = Width) { return Reduce(value, cub::Max(), valid); }
  CUSIM_WAITS T Min(T value, int valid = Width) { return Reduce(value, cub::Min(), valid); }
};

template <class T, int Width = 32>
class WarpScan {
 public:
  struct TempStorage {};
  explicit WarpScan(TempStorage &) {}
  template <class Operation>
  CUSIM_WAITS void InclusiveScan(T value, T &result, Operation operation) {
    result = details::scan_lanes<Width>(value, operation);
  }
  template <class Operation>
  CUSIM_WAITS void InclusiveScan(T value, T &result, Operation operation, T &total) {
    InclusiveScan(value, result, operation);
    total = __shfl_sync(~0u, result, Width - 1, Width);
  }
  template <class Operation>
  CUSIM_WAITS void ExclusiveScan(T value, T &result, T start, Operation operation) {
    const T upto = details::scan_lanes<Width>(value, operation);
    const T before = __shfl_up_sync(~0u, upto, 1, Width);
    result = cusim_lane() % (unsigned)Width == 0 ? start : (T)operation(start, before);
  }
  template <class Operation>
  CUSIM_WAITS void ExclusiveScan(T value, T &result, T start, Operation operation, T &total) {
    const T upto = details::scan_lanes<Width>(value, operation);
    const T before = __shfl_up_sync(~0u, upto, 1, Width);
    result = cusim_lane() % (unsigned)Width == 0 ? start : (T)operation(start, before);
    total = __shfl_sync(~0u, upto, Width - 1, Width);
  }
  CUSIM_WAITS void InclusiveSum(T value, T &result) { InclusiveScan(value, result, cub::Sum()); }
  CUSIM_WAITS void InclusiveSum(T value, T &result, T &total) {
    InclusiveScan(value, result, cub::Sum(), total);
  }
  CUSIM_WAITS void ExclusiveSum(T value, T &result) { ExclusiveScan(value, result, T(), cub::Sum()); }
  CUSIM_WAITS void ExclusiveSum(T value, T &result, T &total) {
    ExclusiveScan(value, result, T(), cub::Sum(), total);
  }
  CUSIM_WAITS T Broadcast(T value, unsigned lane) { return __shfl_sync(~0u, value, (int)lane, Width); }
};

}  // namespace cub
#endif
