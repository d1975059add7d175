// SPDX-License-Identifier: MIT
// CUB's functions of the whole device, on Thrust's algorithms. Asked without storage, each says how much it
// needs.
#ifndef CUSIM_CUB_DEVICE_H
#define CUSIM_CUB_DEVICE_H
#include "base.h"

namespace cub {

namespace details {
// The common shape: the size of the storage is asked for, or the work is done in the stream's order.
template <class Work>
cudaError_t run(const void *storage, std::size_t &bytes, cudaStream_t stream, Work work) {
  if (!storage) {
    bytes = 256;
    return cudaSuccess;
  }
  thrust::details::stream_of_call = stream;
  cudaError_t error = cudaSuccess;
  try {
    work();
  } catch (const std::system_error &failed) {
    error = (cudaError_t)failed.code().value();
  } catch (const std::bad_alloc &) {
    error = cudaErrorMemoryAllocation;
  }
  thrust::details::stream_of_call = nullptr;
  return error;
}
template <class Out, class T>
void put(Out to, const T &value) {
  thrust::fill_n(to, 1, value);
}
template <class It>
using value_of = thrust::details::value_of<It>;
}  // namespace details

// Two buffers; results are in Current() when the sort is done.
template <class T>
struct DoubleBuffer {
  T *d_buffers[2];
  int selector = 0;
  DoubleBuffer() : d_buffers{nullptr, nullptr} {}
  DoubleBuffer(T *current, T *alternate) : d_buffers{current, alternate} {}
  T *Current() { return d_buffers[selector]; }
  T *Alternate() { return d_buffers[selector ^ 1]; }
};

struct DeviceReduce {
  template <class In, class Out, class Operation, class T, class Count>
  static cudaError_t Reduce(void *storage, std::size_t &bytes, In in, Out out, Count n, Operation operation,
                            T start, cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      details::put(out, thrust::reduce(in, in + (std::ptrdiff_t)n, start, operation));
    });
  }
  template <class In, class Out, class Count>
  static cudaError_t Sum(void *storage, std::size_t &bytes, In in, Out out, Count n,
                         cudaStream_t stream = nullptr) {
    return Reduce(storage, bytes, in, out, n, cub::Sum(), details::value_of<In>(), stream);
  }
  template <class In, class Out, class Count>
  static cudaError_t Max(void *storage, std::size_t &bytes, In in, Out out, Count n,
                         cudaStream_t stream = nullptr) {
    return Reduce(storage, bytes, in, out, n, cub::Max(),
                  std::numeric_limits<details::value_of<In>>::lowest(), stream);
  }
  template <class In, class Out, class Count>
  static cudaError_t Min(void *storage, std::size_t &bytes, In in, Out out, Count n,
                         cudaStream_t stream = nullptr) {
    return Reduce(storage, bytes, in, out, n, cub::Min(), std::numeric_limits<details::value_of<In>>::max(),
                  stream);
  }
  template <class In, class Out, class Count>
  static cudaError_t ArgMax(void *storage, std::size_t &bytes, In in, Out out, Count n,
                            cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      const auto place = thrust::max_element(in, in + (std::ptrdiff_t)n);
      details::put(out, KeyValuePair<int, details::value_of<In>>{(int)(place - in), *place});
    });
  }
  template <class In, class Out, class Count>
  static cudaError_t ArgMin(void *storage, std::size_t &bytes, In in, Out out, Count n,
                            cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      const auto place = thrust::min_element(in, in + (std::ptrdiff_t)n);
      details::put(out, KeyValuePair<int, details::value_of<In>>{(int)(place - in), *place});
    });
  }
  template <class Keys, class OutKeys, class Values, class OutValues, class Runs, class Operation,
            class Count>
  static cudaError_t ReduceByKey(void *storage, std::size_t &bytes, Keys keys, OutKeys out_keys,
                                 Values values, OutValues out_values, Runs runs, Operation operation, Count n,
                                 cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      const auto ends = thrust::reduce_by_key(keys, keys + (std::ptrdiff_t)n, values, out_keys, out_values,
                                              thrust::equal_to<>(), operation);
      details::put(runs, (int)(ends.first - out_keys));
    });
  }
};

struct DeviceSegmentedReduce {
  template <class In, class Out, class Begin, class End, class Operation, class T>
  static cudaError_t Reduce(void *storage, std::size_t &bytes, In in, Out out, int segments, Begin begin,
                            End end, Operation operation, T start, cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      thrust::tabulate(out, out + segments, [&](std::ptrdiff_t i) {
        return thrust::reduce(in + (std::ptrdiff_t)begin[i], in + (std::ptrdiff_t)end[i], start, operation);
      });
    });
  }
  template <class In, class Out, class Begin, class End>
  static cudaError_t Sum(void *storage, std::size_t &bytes, In in, Out out, int segments, Begin begin,
                         End end, cudaStream_t stream = nullptr) {
    return Reduce(storage, bytes, in, out, segments, begin, end, cub::Sum(), details::value_of<In>(), stream);
  }
};

struct DeviceScan {
  template <class In, class Out, class Operation, class T, class Count>
  static cudaError_t ExclusiveScan(void *storage, std::size_t &bytes, In in, Out out, Operation operation,
                                   T start, Count n, cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream,
                        [&] { thrust::exclusive_scan(in, in + (std::ptrdiff_t)n, out, start, operation); });
  }
  template <class In, class Out, class Operation, class Count>
  static cudaError_t InclusiveScan(void *storage, std::size_t &bytes, In in, Out out, Operation operation,
                                   Count n, cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream,
                        [&] { thrust::inclusive_scan(in, in + (std::ptrdiff_t)n, out, operation); });
  }
  template <class In, class Out, class Count>
  static cudaError_t ExclusiveSum(void *storage, std::size_t &bytes, In in, Out out, Count n,
                                  cudaStream_t stream = nullptr) {
    return ExclusiveScan(storage, bytes, in, out, cub::Sum(), details::value_of<In>(), n, stream);
  }
  template <class In, class Out, class Count>
  static cudaError_t InclusiveSum(void *storage, std::size_t &bytes, In in, Out out, Count n,
                                  cudaStream_t stream = nullptr) {
    return InclusiveScan(storage, bytes, in, out, cub::Sum(), n, stream);
  }
};

struct DeviceSelect {
  template <class In, class Flags, class Out, class Selected, class Count>
  static cudaError_t Flagged(void *storage, std::size_t &bytes, In in, Flags flags, Out out,
                             Selected selected, Count n, cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      const auto end =
          thrust::copy_if(in, in + (std::ptrdiff_t)n, flags, out, [](const auto &f) { return (bool)f; });
      details::put(selected, (details::value_of<Selected>)(end - out));
    });
  }
  template <class In, class Out, class Selected, class Count, class Predicate>
  static cudaError_t If(void *storage, std::size_t &bytes, In in, Out out, Selected selected, Count n,
                        Predicate predicate, cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      const auto end = thrust::copy_if(in, in + (std::ptrdiff_t)n, out, predicate);
      details::put(selected, (details::value_of<Selected>)(end - out));
    });
  }
  template <class In, class Out, class Selected, class Count>
  static cudaError_t Unique(void *storage, std::size_t &bytes, In in, Out out, Selected selected, Count n,
                            cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      const auto end = thrust::unique_copy(in, in + (std::ptrdiff_t)n, out);
      details::put(selected, (details::value_of<Selected>)(end - out));
    });
  }
};

struct DeviceRunLengthEncode {
  template <class In, class Out, class Lengths, class Runs, class Count>
  static cudaError_t Encode(void *storage, std::size_t &bytes, In in, Out out, Lengths lengths, Runs runs,
                            Count n, cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      const auto ends = thrust::reduce_by_key(
          in, in + (std::ptrdiff_t)n, thrust::constant_iterator<details::value_of<Lengths>>(1), out, lengths);
      details::put(runs, (details::value_of<Runs>)(ends.first - out));
    });
  }
};

// By the whole keys, whatever bits were asked for.
struct DeviceRadixSort {
#define CUSIM_SORT(suffix, order)                                                                        \
  template <class K, class Count>                                                                        \
  static cudaError_t SortKeys##suffix(void *storage, std::size_t &bytes, const K *in, K *out, Count n,   \
                                      int = 0, int = sizeof(K) * 8, cudaStream_t stream = nullptr) {     \
    return details::run(storage, bytes, stream, [&] {                                                    \
      if (in != out) thrust::copy(in, in + n, out);                                                      \
      thrust::sort(out, out + n, order());                                                               \
    });                                                                                                  \
  }                                                                                                      \
  template <class K, class V, class Count>                                                               \
  static cudaError_t SortPairs##suffix(void *storage, std::size_t &bytes, const K *keys, K *out_keys,    \
                                       const V *values, V *out_values, Count n, int = 0,                 \
                                       int = sizeof(K) * 8, cudaStream_t stream = nullptr) {             \
    return details::run(storage, bytes, stream, [&] {                                                    \
      if (keys != out_keys) thrust::copy(keys, keys + n, out_keys);                                      \
      if (values != out_values) thrust::copy(values, values + n, out_values);                            \
      thrust::sort_by_key(out_keys, out_keys + n, out_values, order());                                  \
    });                                                                                                  \
  }                                                                                                      \
  template <class K, class Count>                                                                        \
  static cudaError_t SortKeys##suffix(void *storage, std::size_t &bytes, DoubleBuffer<K> &keys, Count n, \
                                      int = 0, int = sizeof(K) * 8, cudaStream_t stream = nullptr) {     \
    return details::run(storage, bytes, stream,                                                          \
                        [&] { thrust::sort(keys.Current(), keys.Current() + n, order()); });             \
  }                                                                                                      \
  template <class K, class V, class Count>                                                               \
  static cudaError_t SortPairs##suffix(void *storage, std::size_t &bytes, DoubleBuffer<K> &keys,         \
                                       DoubleBuffer<V> &values, Count n, int = 0, int = sizeof(K) * 8,   \
                                       cudaStream_t stream = nullptr) {                                  \
    return details::run(storage, bytes, stream, [&] {                                                    \
      thrust::sort_by_key(keys.Current(), keys.Current() + n, values.Current(), order());                \
    });                                                                                                  \
  }
  CUSIM_SORT(, thrust::less<>)
  CUSIM_SORT(Descending, thrust::greater<>)
#undef CUSIM_SORT
};

struct DeviceHistogram {
  // levels - 1 equal bins from lower on; samples outside are in none.
  template <class In, class Counter, class Level, class Count>
  static cudaError_t HistogramEven(void *storage, std::size_t &bytes, In in, Counter *histogram, int levels,
                                   Level lower, Level upper, Count n, cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      const int bins = levels - 1;
      thrust::fill(histogram, histogram + bins, Counter(0));
      thrust::for_each(in, in + (std::ptrdiff_t)n, [&](const auto &sample) {
        if (!(sample < lower) && sample < upper)
          histogram[(int)((double)(sample - lower) * bins / (double)(upper - lower))]++;
      });
    });
  }
  template <class In, class Counter, class Level, class Count>
  static cudaError_t HistogramRange(void *storage, std::size_t &bytes, In in, Counter *histogram, int levels,
                                    const Level *level, Count n, cudaStream_t stream = nullptr) {
    return details::run(storage, bytes, stream, [&] {
      thrust::fill(histogram, histogram + levels - 1, Counter(0));
      thrust::for_each(in, in + (std::ptrdiff_t)n, [&](const auto &sample) {
        const Level *above = std::upper_bound(level, level + levels, (Level)sample);
        if (above != level && above != level + levels) histogram[above - level - 1]++;
      });
    });
  }
};

// Memory for storage; nothing is kept for later.
struct CachingDeviceAllocator {
  explicit CachingDeviceAllocator(bool = false, bool = false) {}
  cudaError_t DeviceAllocate(void **p, std::size_t bytes, cudaStream_t = nullptr) {
    return cudaMalloc(p, bytes);
  }
  template <class T>
  cudaError_t DeviceAllocate(T **p, std::size_t bytes, cudaStream_t = nullptr) {
    return cudaMalloc(p, bytes);
  }
  cudaError_t DeviceFree(void *p) { return cudaFree(p); }
};

}  // namespace cub
#endif
