// SPDX-License-Identifier: MIT
// CUB's functions of a block. Each needs its storage in shared memory and waits for the block where it says
// so.
#ifndef CUSIM_CUB_BLOCK_H
#define CUSIM_CUB_BLOCK_H
#include "base.h"

namespace cub {

enum BlockReduceAlgorithm {
  BLOCK_REDUCE_RAKING_COMMUTATIVE_ONLY,
  BLOCK_REDUCE_RAKING,
  BLOCK_REDUCE_WARP_REDUCTIONS
};
enum BlockScanAlgorithm { BLOCK_SCAN_RAKING, BLOCK_SCAN_RAKING_MEMOIZE, BLOCK_SCAN_WARP_SCANS };
enum BlockLoadAlgorithm {
  BLOCK_LOAD_DIRECT,
  BLOCK_LOAD_STRIPED,
  BLOCK_LOAD_VECTORIZE,
  BLOCK_LOAD_TRANSPOSE,
  BLOCK_LOAD_WARP_TRANSPOSE
};
enum BlockStoreAlgorithm {
  BLOCK_STORE_DIRECT,
  BLOCK_STORE_STRIPED,
  BLOCK_STORE_VECTORIZE,
  BLOCK_STORE_TRANSPOSE,
  BLOCK_STORE_WARP_TRANSPOSE
};

namespace details {
// Storage as bytes, so that any type may stand in shared memory.
template <class T, int Count>
struct storage {
  alignas(T) char bytes[sizeof(T) * (Count > 0 ? Count : 1)];
  T &operator[](int i) { return reinterpret_cast<T *>(bytes)[i]; }
};
template <int X, int Y, int Z>
struct block_shape {
  static constexpr int threads = X * Y * Z, warps = (threads + 31) / 32;
  static int thread() { return RowMajorTid(X, Y, Z); }
};
}  // namespace details

template <class T, int X, BlockReduceAlgorithm = BLOCK_REDUCE_WARP_REDUCTIONS, int Y = 1, int Z = 1, int = 0>
class BlockReduce {
  using shape = details::block_shape<X, Y, Z>;
  static constexpr bool by_lanes = details::small<T>;

 public:
  struct TempStorage {
    details::storage<T, by_lanes ? shape::warps : shape::threads> values;
  };
  explicit BlockReduce(TempStorage &storage) : storage_(storage) {}

  // In thread 0; elsewhere it means nothing. Of the first `valid` threads.
  template <class Operation>
  CUSIM_WAITS T Reduce(T value, Operation operation, int valid) {
    const int thread = shape::thread();
    int parts = valid;
    if constexpr (by_lanes) {
      const int first = thread / 32 * 32, lane = thread % 32;
      for (int step = 1; step < 32; step *= 2) {
        const T other = __shfl_down_sync(~0u, value, (unsigned)step);
        if (lane + step < 32 && first + lane + step < valid) value = operation(value, other);
      }
      if (lane == 0) storage_.values[thread / 32] = value;
      parts = (valid + 31) / 32;
    } else {
      new (&storage_.values[thread]) T(value);
    }
    __syncthreads();
    if (thread == 0)
      for (int i = 1; i < parts; i++) value = operation(value, storage_.values[i]);
    return value;
  }
  template <class Operation>
  CUSIM_WAITS T Reduce(T value, Operation operation) {
    return Reduce(value, operation, shape::threads);
  }
  template <int Items, class Operation>
  CUSIM_WAITS T Reduce(T (&values)[Items], Operation operation) {
    T mine = values[0];
    for (int i = 1; i < Items; i++) mine = operation(mine, values[i]);
    return Reduce(mine, operation);
  }
  CUSIM_WAITS T Sum(T value) { return Reduce(value, cub::Sum()); }
  CUSIM_WAITS T Sum(T value, int valid) { return Reduce(value, cub::Sum(), valid); }
  template <int Items>
  CUSIM_WAITS T Sum(T (&values)[Items]) {
    return Reduce(values, cub::Sum());
  }

 private:
  TempStorage &storage_;
};

template <class T, int X, BlockScanAlgorithm = BLOCK_SCAN_RAKING, int Y = 1, int Z = 1, int = 0>
class BlockScan {
  using shape = details::block_shape<X, Y, Z>;

 public:
  struct TempStorage {
    details::storage<T, shape::warps> totals;
    details::storage<T, 1> prefix;
  };
  explicit BlockScan(TempStorage &storage) : storage_(storage) {}

  template <class Operation>
  CUSIM_WAITS void InclusiveScan(T value, T &result, Operation operation, T &total) {
    T before;
    result = scan(value, operation, before, total);
  }
  template <class Operation>
  CUSIM_WAITS void InclusiveScan(T value, T &result, Operation operation) {
    T total;
    InclusiveScan(value, result, operation, total);
  }
  template <class Operation>
  CUSIM_WAITS void ExclusiveScan(T value, T &result, T start, Operation operation, T &total) {
    T before;
    scan(value, operation, before, total);
    result = shape::thread() == 0 ? start : (T)operation(start, before);
  }
  template <class Operation>
  CUSIM_WAITS void ExclusiveScan(T value, T &result, T start, Operation operation) {
    T total;
    ExclusiveScan(value, result, start, operation, total);
  }
  // The first warp gives the block's total to prefix, which returns what stands in front of the block.
  template <class Operation, class Prefix, class = std::enable_if_t<std::is_invocable<Prefix &, T>::value>>
  CUSIM_WAITS void ExclusiveScan(T value, T &result, Operation operation, Prefix &prefix) {
    T before, total;
    scan(value, operation, before, total);
    const T start = in_front(prefix, total);
    result = shape::thread() == 0 ? start : (T)operation(start, before);
  }
  template <class Operation, class Prefix, class = std::enable_if_t<std::is_invocable<Prefix &, T>::value>,
            class = void>
  CUSIM_WAITS void InclusiveScan(T value, T &result, Operation operation, Prefix &prefix) {
    T before, total;
    const T upto = scan(value, operation, before, total);
    result = operation(in_front(prefix, total), upto);
  }
  CUSIM_WAITS void InclusiveSum(T value, T &result) { InclusiveScan(value, result, cub::Sum()); }
  CUSIM_WAITS void InclusiveSum(T value, T &result, T &total) {
    InclusiveScan(value, result, cub::Sum(), total);
  }
  template <class Prefix, class = std::enable_if_t<std::is_invocable<Prefix &, T>::value>>
  CUSIM_WAITS void InclusiveSum(T value, T &result, Prefix &prefix) {
    InclusiveScan(value, result, cub::Sum(), prefix);
  }
  CUSIM_WAITS void ExclusiveSum(T value, T &result) { ExclusiveScan(value, result, T(), cub::Sum()); }
  CUSIM_WAITS void ExclusiveSum(T value, T &result, T &total) {
    ExclusiveScan(value, result, T(), cub::Sum(), total);
  }
  template <class Prefix, class = std::enable_if_t<std::is_invocable<Prefix &, T>::value>>
  CUSIM_WAITS void ExclusiveSum(T value, T &result, Prefix &prefix) {
    ExclusiveScan(value, result, cub::Sum(), prefix);
  }

  // Several values of each thread, one behind the other.
  template <int Items, class Operation>
  CUSIM_WAITS void InclusiveScan(T (&values)[Items], T (&results)[Items], Operation operation, T &total) {
    T mine[Items], before;
    mine[0] = values[0];
    for (int i = 1; i < Items; i++) mine[i] = operation(mine[i - 1], values[i]);
    scan(mine[Items - 1], operation, before, total);
    for (int i = 0; i < Items; i++)
      results[i] = shape::thread() == 0 ? mine[i] : (T)operation(before, mine[i]);
  }
  template <int Items, class Operation>
  CUSIM_WAITS void InclusiveScan(T (&values)[Items], T (&results)[Items], Operation operation) {
    T total;
    InclusiveScan(values, results, operation, total);
  }
  template <int Items, class Operation>
  CUSIM_WAITS void ExclusiveScan(T (&values)[Items], T (&results)[Items], T start, Operation operation,
                                 T &total) {
    T sum = values[0], before;
    for (int i = 1; i < Items; i++) sum = operation(sum, values[i]);
    scan(sum, operation, before, total);
    T next = shape::thread() == 0 ? start : (T)operation(start, before);
    for (int i = 0; i < Items; i++) {
      const T value = values[i];
      results[i] = next;
      next = operation(next, value);
    }
  }
  template <int Items, class Operation>
  CUSIM_WAITS void ExclusiveScan(T (&values)[Items], T (&results)[Items], T start, Operation operation) {
    T total;
    ExclusiveScan(values, results, start, operation, total);
  }
  template <int Items>
  CUSIM_WAITS void InclusiveSum(T (&values)[Items], T (&results)[Items]) {
    InclusiveScan(values, results, cub::Sum());
  }
  template <int Items>
  CUSIM_WAITS void InclusiveSum(T (&values)[Items], T (&results)[Items], T &total) {
    InclusiveScan(values, results, cub::Sum(), total);
  }
  template <int Items>
  CUSIM_WAITS void ExclusiveSum(T (&values)[Items], T (&results)[Items]) {
    ExclusiveScan(values, results, T(), cub::Sum());
  }
  template <int Items>
  CUSIM_WAITS void ExclusiveSum(T (&values)[Items], T (&results)[Items], T &total) {
    ExclusiveScan(values, results, T(), cub::Sum(), total);
  }

 private:
  // Returns the threads' values up to one's own, combined; before: without it (not for thread 0).
  template <class Operation>
  CUSIM_WAITS T scan(T value, Operation operation, T &before, T &total) {
    const int thread = shape::thread(), warp = thread / 32, lane = thread % 32;
    const bool last = lane == 31 || thread == shape::threads - 1;
    T upto = details::scan_lanes<32>(value, operation);
    before = __shfl_up_sync(~0u, upto, 1);
    if (last) storage_.totals[warp] = upto;
    __syncthreads();
    T front = storage_.totals[0];
    total = front;
    for (int i = 1; i < shape::warps; i++) {
      if (i == warp) front = total;
      total = operation(total, storage_.totals[i]);
    }
    if (warp > 0) {
      before = lane == 0 ? front : (T)operation(front, before);
      upto = operation(front, upto);
    }
    return upto;
  }
  template <class Prefix>
  CUSIM_WAITS T in_front(Prefix &prefix, T total) {
    if (shape::thread() < 32) {
      const T found = prefix(total);
      if (shape::thread() == 0) storage_.prefix[0] = found;
    }
    __syncthreads();
    return storage_.prefix[0];
  }
  TempStorage &storage_;
};

// ---------------------------------------------------------------- loads and stores

template <class T, int X, int Items, BlockLoadAlgorithm Algorithm = BLOCK_LOAD_DIRECT, int Y = 1, int Z = 1,
          int = 0>
class BlockLoad {
  using shape = details::block_shape<X, Y, Z>;

 public:
  struct TempStorage {};
  BlockLoad() = default;
  explicit BlockLoad(TempStorage &) {}
  template <class It>
  void Load(It from, T (&values)[Items]) {
    for (int i = 0; i < Items; i++) values[i] = from[place(i)];
  }
  template <class It>
  void Load(It from, T (&values)[Items], int valid) {
    for (int i = 0; i < Items; i++)
      if (place(i) < valid) values[i] = from[place(i)];
  }
  template <class It, class Default>
  void Load(It from, T (&values)[Items], int valid, Default otherwise) {
    for (int i = 0; i < Items; i++) values[i] = place(i) < valid ? (T)from[place(i)] : (T)otherwise;
  }

 private:
  static int place(int i) {
    return Algorithm == BLOCK_LOAD_STRIPED ? i * shape::threads + shape::thread()
                                           : shape::thread() * Items + i;
  }
};
template <class T, int X, int Items, BlockStoreAlgorithm Algorithm = BLOCK_STORE_DIRECT, int Y = 1, int Z = 1,
          int = 0>
class BlockStore {
  using shape = details::block_shape<X, Y, Z>;

 public:
  struct TempStorage {};
  BlockStore() = default;
  explicit BlockStore(TempStorage &) {}
  template <class It>
  void Store(It to, T (&values)[Items]) {
    Store(to, values, shape::threads * Items);
  }
  template <class It>
  void Store(It to, T (&values)[Items], int valid) {
    for (int i = 0; i < Items; i++) {
      const int place = Algorithm == BLOCK_STORE_STRIPED ? i * shape::threads + shape::thread()
                                                         : shape::thread() * Items + i;
      if (place < valid) to[place] = values[i];
    }
  }

 private:
};
template <class T, class It, int Items>
inline void LoadDirectBlocked(int thread, It from, T (&values)[Items]) {
  for (int i = 0; i < Items; i++) values[i] = from[thread * Items + i];
}
template <int Threads, class T, class It, int Items>
inline void LoadDirectStriped(int thread, It from, T (&values)[Items]) {
  for (int i = 0; i < Items; i++) values[i] = from[i * Threads + thread];
}
template <class T, class It, int Items>
inline void StoreDirectBlocked(int thread, It to, T (&values)[Items]) {
  for (int i = 0; i < Items; i++) to[thread * Items + i] = values[i];
}
template <int Threads, class T, class It, int Items>
inline void StoreDirectStriped(int thread, It to, T (&values)[Items]) {
  for (int i = 0; i < Items; i++) to[i * Threads + thread] = values[i];
}

// ---------------------------------------------------------------- sorting

// By the whole keys, whatever bits were asked for.
template <class K, int X, int Items, class V = NullType, int = 4, bool = true,
          BlockScanAlgorithm = BLOCK_SCAN_WARP_SCANS>
class BlockRadixSort {
  static constexpr int count = X * Items;

 public:
  struct TempStorage {
    details::storage<K, count> keys;
    details::storage<V, count> values;
    details::storage<int, count> order;
  };
  explicit BlockRadixSort(TempStorage &storage) : storage_(storage) {}
  CUSIM_WAITS void Sort(K (&keys)[Items], int = 0, int = 0) { sort(keys, nullptr, false, false); }
  CUSIM_WAITS void Sort(K (&keys)[Items], V (&values)[Items], int = 0, int = 0) {
    sort(keys, values, false, false);
  }
  CUSIM_WAITS void SortDescending(K (&keys)[Items], int = 0, int = 0) { sort(keys, nullptr, true, false); }
  CUSIM_WAITS void SortDescending(K (&keys)[Items], V (&values)[Items], int = 0, int = 0) {
    sort(keys, values, true, false);
  }
  CUSIM_WAITS void SortBlockedToStriped(K (&keys)[Items], int = 0, int = 0) {
    sort(keys, nullptr, false, true);
  }
  CUSIM_WAITS void SortBlockedToStriped(K (&keys)[Items], V (&values)[Items], int = 0, int = 0) {
    sort(keys, values, false, true);
  }

 private:
  CUSIM_WAITS void sort(K *keys, V *values, bool descending, bool striped) {
    const int thread = RowMajorTid(X, 1, 1);
    for (int i = 0; i < Items; i++) {
      storage_.keys[thread * Items + i] = keys[i];
      if (values) storage_.values[thread * Items + i] = values[i];
      storage_.order[thread * Items + i] = thread * Items + i;
    }
    __syncthreads();
    if (thread == 0) {
      int *order = &storage_.order[0];
      std::sort(order, order + count, [&](int a, int b) {  // stable, and without memory of its own
        const K &x = storage_.keys[descending ? b : a], &y = storage_.keys[descending ? a : b];
        return x < y || (!(y < x) && a < b);
      });
    }
    __syncthreads();
    for (int i = 0; i < Items; i++) {
      const int from = storage_.order[striped ? i * X + thread : thread * Items + i];
      keys[i] = storage_.keys[from];
      if (values) values[i] = storage_.values[from];
    }
    __syncthreads();
  }
  TempStorage &storage_;
};

}  // namespace cub
#endif
