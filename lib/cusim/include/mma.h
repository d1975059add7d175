// SPDX-License-Identifier: MIT
// Warp matrix functions (nvcuda::wmma) under CUDA's names. Which lane holds which element of a fragment is
// not specified by CUDA; here element e of lane l is number e * 32 + l of the matrix, row by row, and a
// product is made by the lanes together, each its own elements of the result.
#ifndef CUSIM_MMA_H
#define CUSIM_MMA_H
#include "cuda_bf16.h"
#include "cuda_fp16.h"
#include "cusim/device.h"

extern "C" void cusim_note_tensor(unsigned long long operations, unsigned operand_bytes);

namespace nvcuda {
namespace wmma {

struct row_major {};
struct col_major {};
struct matrix_a {};
struct matrix_b {};
struct accumulator {};
enum layout_t { mem_row_major, mem_col_major };

namespace precision {
struct tf32 {};
}  // namespace precision

// Products are not inlined: kernels ask for all of their loops over fragments to be unrolled. In the traced
// pass they are announced as work of the matrix units; their code stays unseen.
#ifdef CUSIM_TRACED_PASS
#define CUSIM_TENSOR __attribute__((no_sanitize("thread"), no_sanitize_coverage, noinline)) inline
#else
#define CUSIM_TENSOR __attribute__((noinline)) inline
#endif

namespace details {
template <class T>
struct storage {
  using type = T;
};
template <>
struct storage<precision::tf32> {
  using type = float;
};
template <class Use, int M, int N, int K>
struct extent;
template <int M, int N, int K>
struct extent<matrix_a, M, N, K> {
  static constexpr int rows = M, columns = K;
};
template <int M, int N, int K>
struct extent<matrix_b, M, N, K> {
  static constexpr int rows = K, columns = N;
};
template <int M, int N, int K>
struct extent<accumulator, M, N, K> {
  static constexpr int rows = M, columns = N;
};
// What the units multiply in: exact products of small types in float (tf32: of truncated ones), integers in
// int, double in double.
template <class T>
struct wide {
  using type = float;
};
template <>
struct wide<signed char> {
  using type = int;
};
template <>
struct wide<unsigned char> {
  using type = int;
};
template <>
struct wide<double> {
  using type = double;
};
}  // namespace details

// A float as tf32 has it: 10 bits of fraction, rounded to nearest with ties away from zero.
inline float __float_to_tf32(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, sizeof bits);
  if ((bits & 0x7f800000u) != 0x7f800000u) bits = (bits + 0x1000u) & 0xffffe000u;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

template <class Use, int M, int N, int K, class T, class Layout = void>
struct fragment {
  using element_type = T;
  using storage_element_type = typename details::storage<T>::type;
  static constexpr int rows = details::extent<Use, M, N, K>::rows,
                       columns = details::extent<Use, M, N, K>::columns;
  static constexpr int num_elements = rows * columns / 32, num_storage_elements = num_elements;
  storage_element_type x[num_elements];
};

namespace details {
// The lanes come to their instruction together.
CUSIM_WAITS void together() {
  const cusim_slot *all;
  CUSIM_NOTE_SITE();
  cusim_exchange(~0u, "", 1 + CUSIM_PART, &all);
}
template <class Fragment, class Visit>
__attribute__((always_inline)) inline void each(const Fragment &, unsigned leading, bool by_rows,
                                                Visit visit) {
  const unsigned lane = cusim_lane();
  for (int e = 0; e < Fragment::num_elements; e++) {
    const unsigned at = (unsigned)e * 32 + lane, row = at / (unsigned)Fragment::columns,
                   column = at % (unsigned)Fragment::columns;
    visit(e, by_rows ? (std::size_t)row * leading + column : (std::size_t)column * leading + row);
  }
}
#ifdef CUSIM_TRACED_PASS
// The fragment's elements, unseen; noipa keeps the reads of the words, which were seen.
template <class Fragment, class S>
__attribute__((noipa, no_sanitize("thread"), no_sanitize_coverage)) void take(Fragment &f, const S *p,
                                                                              unsigned leading, bool by_rows,
                                                                              unsigned, unsigned, unsigned,
                                                                              unsigned) {
  const unsigned lane = cusim_lane();
  for (int e = 0; e < Fragment::num_elements; e++) {
    const unsigned at = (unsigned)e * 32 + lane, row = at / (unsigned)Fragment::columns,
                   column = at % (unsigned)Fragment::columns;
    std::memcpy(&f.x[e],
                p + (by_rows ? (std::size_t)row * leading + column : (std::size_t)column * leading + row),
                sizeof f.x[e]);
  }
}
// 16 lines of 16 elements of 16 bits, as the units take them: four 8 × 8 matrices, a word of two neighbours
// per lane and matrix, lane 4 g + t in line g.
template <class Fragment, class S>
inline void load_words(Fragment &f, const S *p, unsigned leading, bool by_rows) {
  const unsigned lane = cusim_lane();
  const S *const first = p + (std::size_t)(lane / 4) * leading + lane % 4 * 2, *const lower =
                                                                                   first + 8 * leading;
  const auto word = [](const S *at) { return *reinterpret_cast<const unsigned *>(at); };
  take(f, p, leading, by_rows, word(first), word(lower), word(first + 8), word(lower + 8));
}
#endif
}  // namespace details

template <class Use, int M, int N, int K, class T, class Layout, class V>
inline void fill_fragment(fragment<Use, M, N, K, T, Layout> &f, const V &value) {
  for (int e = 0; e < f.num_elements; e++) f.x[e] = (typename details::storage<T>::type)value;
}

template <class Use, int M, int N, int K, class T, class Layout, class S>
CUSIM_WAITS void load_matrix_sync(fragment<Use, M, N, K, T, Layout> &f, const S *p, unsigned leading) {
  static_assert(!std::is_void_v<Layout>, "an accumulator is loaded with a layout");
  details::together();
#ifdef CUSIM_TRACED_PASS
  if constexpr (sizeof(S) == 2 && std::is_same_v<S, T> && M == 16 && N == 16 && K == 16) {
    details::load_words(f, p, leading, std::is_same_v<Layout, row_major>);
    return;
  }
#endif
  details::each(f, leading, std::is_same_v<Layout, row_major>,
                [&](int e, std::size_t at) { f.x[e] = p[at]; });
}
template <int M, int N, int K, class T, class S>
CUSIM_WAITS void load_matrix_sync(fragment<accumulator, M, N, K, T> &f, const S *p, unsigned leading,
                                  layout_t layout) {
  details::together();
  details::each(f, leading, layout == mem_row_major, [&](int e, std::size_t at) { f.x[e] = p[at]; });
}
template <int M, int N, int K, class T, class S>
CUSIM_WAITS void store_matrix_sync(S *p, const fragment<accumulator, M, N, K, T> &f, unsigned leading,
                                   layout_t layout) {
  details::each(f, leading, layout == mem_row_major, [&](int e, std::size_t at) { p[at] = f.x[e]; });
  details::together();
}

namespace details {
// All elements of a fragment, from all lanes, in a wider type.
template <class Wide, class Fragment>
CUSIM_TENSOR void gather(const Fragment &f, Wide *whole) {
  constexpr int in_slot = (int)(16 / sizeof(Wide));
  for (int first = 0; first < Fragment::num_elements; first += in_slot) {
    Wide mine[in_slot] = {};
    for (int i = 0; i < in_slot && first + i < Fragment::num_elements; i++) mine[i] = (Wide)f.x[first + i];
    const cusim_slot *all;
    cusim_exchange(~0u, mine, sizeof mine + CUSIM_PART, &all);
    for (int lane = 0; lane < 32; lane++) {
      Wide theirs[in_slot];
      std::memcpy(theirs, all[lane], sizeof theirs);
      for (int i = 0; i < in_slot && first + i < Fragment::num_elements; i++)
        whole[(first + i) * 32 + lane] = theirs[i];
    }
  }
}
}  // namespace details

// d = a * b + c. Sums of small types are kept in float, as on the units; integers wrap, or stop at the ends
// of their range where saturate is set.
template <int M, int N, int K, class TA, class LA, class TB, class LB, class TC, class TD>
CUSIM_TENSOR void mma_sync(fragment<accumulator, M, N, K, TD> &d,
                           const fragment<matrix_a, M, N, K, TA, LA> &a,
                           const fragment<matrix_b, M, N, K, TB, LB> &b,
                           const fragment<accumulator, M, N, K, TC> &c, bool saturate = false) {
  using wide = typename details::wide<TA>::type;
  wide whole_a[M * K], whole_b[K * N];
  details::gather(a, whole_a);
  details::gather(b, whole_b);
  if constexpr (std::is_same_v<TA, precision::tf32>) {
    for (wide &value : whole_a) value = __float_to_tf32(value);
    for (wide &value : whole_b) value = __float_to_tf32(value);
  }
  const unsigned lane = cusim_lane();
  for (int e = 0; e < d.num_elements; e++) {
    const unsigned at = (unsigned)e * 32 + lane, row = at / (unsigned)N, column = at % (unsigned)N;
    if constexpr (std::is_same_v<wide, int>) {
      long long sum = c.x[e];
      for (int k = 0; k < K; k++)
        sum += (long long)whole_a[row * K + (unsigned)k] * whole_b[(unsigned)k * N + column];
      if (saturate) sum = sum > 2147483647ll ? 2147483647ll : sum < -2147483648ll ? -2147483648ll : sum;
      d.x[e] = (int)(unsigned)sum;
    } else {
      wide sum = (wide)c.x[e];
      for (int k = 0; k < K; k++) sum += whole_a[row * K + (unsigned)k] * whole_b[(unsigned)k * N + column];
      d.x[e] = (TD)sum;
    }
  }
  cusim_note_tensor(2ull * M * N * K / 32, sizeof(typename details::storage<TA>::type));
}
#undef CUSIM_TENSOR

}  // namespace wmma
}  // namespace nvcuda
#endif
