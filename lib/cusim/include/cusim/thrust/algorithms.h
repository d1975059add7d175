// SPDX-License-Identifier: MIT
// Thrust's algorithms. Each one also takes an execution policy as its first argument.
#ifndef CUSIM_THRUST_ALGORITHMS_H
#define CUSIM_THRUST_ALGORITHMS_H
#include <algorithm>
#include <numeric>

#include "iterators.h"

namespace thrust {

namespace details {
// The stream of the call under way, set by the forms with a policy.
inline thread_local cudaStream_t stream_of_call = nullptr;

template <class It>
std::size_t length(const It &first, const It &last) {
  const auto n = last - first;
  return n < 0 ? 0 : (std::size_t)n;
}
// Begins a call that reads [first, first + n) and gives the iterator to work with.
struct work : call {
  explicit work(const char *name) : call(name, stream_of_call) {}
  template <class It>
  auto in(const It &it, std::size_t n) const {
    const auto p = unwrap(it);
    use(p, n, false);
    return p;
  }
  template <class It>
  auto out(const It &it, std::size_t n) const {
    const auto p = unwrap(it);
    use(p, n, true);
    return p;
  }
};
using size = std::ptrdiff_t;
// Sorting goes over its data once more for each byte of a key.
template <class Key, class It>
void use_passes(const It &p, std::size_t n) {
  for (std::size_t pass = 1; pass < sizeof(Key); pass++) {
    use(p, n, false);
    use(p, n, true);
  }
}
}  // namespace details

#define CUSIM_POLICY(name)                                                                \
  template <class Policy, class First, class... Rest, class = details::if_policy<Policy>> \
  auto name(const Policy &policy, First &&first, Rest &&...rest) {                        \
    struct restore {                                                                      \
      cudaStream_t before = details::stream_of_call;                                      \
      ~restore() { details::stream_of_call = before; }                                    \
    } back;                                                                               \
    details::stream_of_call = policy.stream;                                              \
    return thrust::name(std::forward<First>(first), std::forward<Rest>(rest)...);         \
  }
#define CUSIM_NOT_POLICY(It) class = std::enable_if_t<!std::is_base_of<execution_policy_base, It>::value>

// ---------------------------------------------------------------- filling and copying

template <class It, class T>
void fill(It first, It last, const T &value) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::fill");
  auto p = w.out(first, n);
  for (std::size_t i = 0; i < n; i++) p[(details::size)i] = value;
}
template <class It, class Count, class T, CUSIM_NOT_POLICY(It)>
It fill_n(It first, Count n, const T &value) {
  thrust::fill(first, first + (details::size)n, value);
  return first + (details::size)n;
}
template <class It, class T>
void uninitialized_fill(It first, It last, const T &value) {
  thrust::fill(first, last, value);
}
template <class It, class T = details::value_of<It>>
void sequence(It first, It last, T start = T(), T step = T(1)) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::sequence");
  auto p = w.out(first, n);
  for (std::size_t i = 0; i < n; i++) p[(details::size)i] = (T)(start + (T)((T)i * step));
}
template <class It, class Function>
void tabulate(It first, It last, Function function) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::tabulate");
  auto p = w.out(first, n);
  for (std::size_t i = 0; i < n; i++) p[(details::size)i] = function((details::size)i);
}
template <class It, class Function>
void generate(It first, It last, Function function) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::generate");
  auto p = w.out(first, n);
  for (std::size_t i = 0; i < n; i++) p[(details::size)i] = function();
}
template <class It, class Count, class Function, CUSIM_NOT_POLICY(It)>
It generate_n(It first, Count n, Function function) {
  thrust::generate(first, first + (details::size)n, function);
  return first + (details::size)n;
}
template <class In, class Out>
Out copy(In first, In last, Out to) {
  const std::size_t n = (std::size_t)std::distance(first, last);
  const details::work w("thrust::copy");
  auto from = w.in(first, n);
  if constexpr (std::is_same_v<typename std::iterator_traits<Out>::iterator_category,
                               std::output_iterator_tag>) {  // of a stream, or into a container
    for (std::size_t i = 0; i < n; i++, ++from) *to++ = *from;
  } else {
    auto p = w.out(to, n);
    for (std::size_t i = 0; i < n; i++, ++from, ++p) *p = *from;
    std::advance(to, (details::size)n);
  }
  return to;
}
template <class In, class Count, class Out, CUSIM_NOT_POLICY(In)>
Out copy_n(In first, Count n, Out to) {
  return thrust::copy(first, first + (details::size)n, to);
}
template <class In, class Out>
Out uninitialized_copy(In first, In last, Out to) {
  return thrust::copy(first, last, to);
}
template <class A, class B>
B swap_ranges(A first, A last, B other) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::swap_ranges");
  auto a = w.out(first, n);
  auto b = w.out(other, n);
  std::swap_ranges(a, a + (details::size)n, b);
  return other + (details::size)n;
}

// ---------------------------------------------------------------- element by element

template <class It, class Function>
It for_each(It first, It last, Function function) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::for_each");
  auto p = w.out(first, n);
  for (std::size_t i = 0; i < n; i++) function(p[(details::size)i]);
  return last;
}
template <class It, class Count, class Function, CUSIM_NOT_POLICY(It)>
It for_each_n(It first, Count n, Function function) {
  return thrust::for_each(first, first + (details::size)n, function);
}
template <class In, class Out, class Function>
Out transform(In first, In last, Out to, Function function) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::transform");
  auto from = w.in(first, n);
  auto p = w.out(to, n);
  for (details::size i = 0; i < (details::size)n; i++) p[i] = function(from[i]);
  return to + (details::size)n;
}
template <class A, class B, class Out, class Function, CUSIM_NOT_POLICY(A)>
Out transform(A first, A last, B second, Out to, Function function) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::transform");
  auto a = w.in(first, n);
  auto b = w.in(second, n);
  auto p = w.out(to, n);
  for (details::size i = 0; i < (details::size)n; i++) p[i] = function(a[i], b[i]);
  return to + (details::size)n;
}
template <class In, class Out, class Function, class Predicate, CUSIM_NOT_POLICY(In)>
Out transform_if(In first, In last, Out to, Function function, Predicate predicate) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::transform_if");
  auto from = w.in(first, n);
  auto p = w.out(to, n);
  for (details::size i = 0; i < (details::size)n; i++)
    if (predicate(from[i])) p[i] = function(from[i]);
  return to + (details::size)n;
}
template <class In, class Stencil, class Out, class Function, class Predicate, CUSIM_NOT_POLICY(In)>
Out transform_if(In first, In last, Stencil stencil, Out to, Function function, Predicate predicate) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::transform_if");
  auto from = w.in(first, n);
  auto s = w.in(stencil, n);
  auto p = w.out(to, n);
  for (details::size i = 0; i < (details::size)n; i++)
    if (predicate(s[i])) p[i] = function(from[i]);
  return to + (details::size)n;
}
template <class In, class Out, class Function = minus<>>
Out adjacent_difference(In first, In last, Out to, Function function = Function()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::adjacent_difference");
  auto from = w.in(first, n);
  auto p = w.out(to, n);
  details::value_of<In> before{};
  for (details::size i = 0; i < (details::size)n; i++) {
    const details::value_of<In> here = from[i];
    if (i == 0)
      p[i] = here;
    else
      p[i] = function(here, before);
    before = here;
  }
  return to + (details::size)n;
}
template <class Map, class In, class Out>
Out gather(Map first, Map last, In from, Out to) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::gather");
  auto map = w.in(first, n);
  auto in = details::unwrap(from);
  auto p = w.out(to, n);
  for (details::size i = 0; i < (details::size)n; i++) p[i] = in[(details::size)map[i]];
  return to + (details::size)n;
}
template <class In, class Map, class Out>
void scatter(In first, In last, Map map, Out to) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::scatter");
  auto in = w.in(first, n);
  auto where = w.in(map, n);
  auto p = details::unwrap(to);
  for (details::size i = 0; i < (details::size)n; i++) {
    p[(details::size)where[i]] = in[i];
    details::use(p + (details::size)where[i], 1, true);
  }
}
template <class It, class Predicate, class T>
void replace_if(It first, It last, Predicate predicate, const T &value) {
  thrust::for_each(first, last, [&](auto &&x) {
    if (predicate(x)) x = value;
  });
}
template <class It, class T>
void replace(It first, It last, const T &old, const T &value) {
  thrust::replace_if(
      first, last, [&](const auto &x) { return x == old; }, value);
}
template <class It>
void reverse(It first, It last) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::reverse");
  auto p = w.out(first, n);
  for (details::size i = 0, j = (details::size)n - 1; i < j; i++, j--) {
    const details::value_of<It> x = p[i];
    p[i] = p[j];
    p[j] = x;
  }
}
template <class In, class Out>
Out reverse_copy(In first, In last, Out to) {
  const Out end = thrust::copy(first, last, to);
  thrust::reverse(to, end);
  return end;
}

// ---------------------------------------------------------------- reductions

namespace details {
// start + item(first) + … of `count` items. A GPU adds as a tree; where there are many, this one does, too:
// one sum of floats would stand still at 2^24.
template <class T, class Operation, class Item>
T fold(size first, size count, T start, Operation operation, Item item) {
  enum { FEW = 4096 };
  if (count <= FEW) {
    for (size i = first; i < first + count; i++) start = operation(start, item(i));
    return start;
  }
  const size half = count / 2;
  const T left = fold(first, half, start, operation, item);
  return operation(left, fold(first + half + 1, count - half - 1, T(item(first + half)), operation, item));
}
}  // namespace details

template <class It, class T, class Operation = plus<>>
T reduce(It first, It last, T start, Operation operation = Operation()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::reduce");
  auto p = w.in(first, n);
  return details::fold(0, (details::size)n, start, operation, [&](details::size i) { return p[i]; });
}
template <class It>
details::value_of<It> reduce(It first, It last) {
  return thrust::reduce(first, last, details::value_of<It>());
}
template <class It, class Function, class T, class Operation, CUSIM_NOT_POLICY(It)>
T transform_reduce(It first, It last, Function function, T start, Operation operation) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::transform_reduce");
  auto p = w.in(first, n);
  return details::fold(0, (details::size)n, start, operation,
                       [&](details::size i) { return function(p[i]); });
}
template <class A, class B, class T, class Plus = plus<>, class Times = multiplies<>, CUSIM_NOT_POLICY(A)>
T inner_product(A first, A last, B second, T start, Plus add = Plus(), Times times = Times()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::inner_product");
  auto a = w.in(first, n);
  auto b = w.in(second, n);
  return details::fold(0, (details::size)n, start, add, [&](details::size i) { return times(a[i], b[i]); });
}
template <class It, class Predicate>
std::ptrdiff_t count_if(It first, It last, Predicate predicate) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::count_if");
  auto p = w.in(first, n);
  std::ptrdiff_t count = 0;
  for (details::size i = 0; i < (details::size)n; i++) count += predicate(p[i]) ? 1 : 0;
  return count;
}
template <class It, class T>
std::ptrdiff_t count(It first, It last, const T &value) {
  return thrust::count_if(first, last, [&](const auto &x) { return x == value; });
}
template <class It, class Predicate>
It find_if(It first, It last, Predicate predicate) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::find_if");
  auto p = w.in(first, n);
  details::size i = 0;
  while (i < (details::size)n && !predicate(p[i])) i++;
  return first + i;
}
template <class It, class Predicate>
It find_if_not(It first, It last, Predicate predicate) {
  return thrust::find_if(first, last, [&](const auto &x) { return !predicate(x); });
}
template <class It, class T>
It find(It first, It last, const T &value) {
  return thrust::find_if(first, last, [&](const auto &x) { return x == value; });
}
template <class It, class Predicate>
bool all_of(It first, It last, Predicate predicate) {
  return thrust::find_if_not(first, last, predicate) == last;
}
template <class It, class Predicate>
bool any_of(It first, It last, Predicate predicate) {
  return thrust::find_if(first, last, predicate) != last;
}
template <class It, class Predicate>
bool none_of(It first, It last, Predicate predicate) {
  return !thrust::any_of(first, last, predicate);
}
template <class It, class Less = less<>>
pair<It, It> minmax_element(It first, It last, Less smaller = Less()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::minmax_element");
  auto p = w.in(first, n);
  details::size least = 0, most = 0;
  for (details::size i = 1; i < (details::size)n; i++) {
    if (smaller(p[i], p[least])) least = i;
    if (!smaller(p[i], p[most])) most = i;
  }
  return {first + least, first + most};
}
template <class It, class Less = less<>>
It min_element(It first, It last, Less smaller = Less()) {
  return thrust::minmax_element(first, last, smaller).first;
}
// The first of the largest ones.
template <class It, class Less = less<>>
It max_element(It first, It last, Less smaller = Less()) {
  return thrust::minmax_element(first, last, [&](const auto &a, const auto &b) { return smaller(b, a); })
      .first;
}
template <class A, class B, class Equal = equal_to<>>
bool equal(A first, A last, B second, Equal same = Equal()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::equal");
  auto a = w.in(first, n);
  auto b = w.in(second, n);
  details::size i = 0;
  while (i < (details::size)n && same(a[i], b[i])) i++;
  return i == (details::size)n;
}
template <class A, class B, class Equal = equal_to<>>
pair<A, B> mismatch(A first, A last, B second, Equal same = Equal()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::mismatch");
  auto a = w.in(first, n);
  auto b = w.in(second, n);
  details::size i = 0;
  while (i < (details::size)n && same(a[i], b[i])) i++;
  return {first + i, second + i};
}
template <class Keys, class Values, class OutKeys, class OutValues, class Equal = equal_to<>,
          class Operation = plus<>, CUSIM_NOT_POLICY(Keys)>
pair<OutKeys, OutValues> reduce_by_key(Keys first, Keys last, Values values, OutKeys to_keys,
                                       OutValues to_values, Equal same = Equal(),
                                       Operation operation = Operation()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::reduce_by_key");
  auto k = w.in(first, n);
  auto v = w.in(values, n);
  auto ok = w.out(to_keys, n);
  auto ov = w.out(to_values, n);
  details::size count = 0;
  for (details::size i = 0; i < (details::size)n; count++) {
    const details::value_of<Keys> key = k[i];
    details::value_of<Values> sum = v[i];
    for (i++; i < (details::size)n && same(key, k[i]); i++) sum = operation(sum, v[i]);
    ok[count] = key;
    ov[count] = sum;
  }
  return {to_keys + count, to_values + count};
}

// ---------------------------------------------------------------- scans

template <class In, class Out, class Operation = plus<>>
Out inclusive_scan(In first, In last, Out to, Operation operation = Operation()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::inclusive_scan");
  auto from = w.in(first, n);
  auto p = w.out(to, n);
  details::value_of<In> sum{};
  for (details::size i = 0; i < (details::size)n; i++) {
    sum = i ? (details::value_of<In>)operation(sum, from[i]) : (details::value_of<In>)from[i];
    p[i] = sum;
  }
  return to + (details::size)n;
}
template <class In, class Out, class T, class Operation = plus<>>
Out exclusive_scan(In first, In last, Out to, T start, Operation operation = Operation()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::exclusive_scan");
  auto from = w.in(first, n);
  auto p = w.out(to, n);
  for (details::size i = 0; i < (details::size)n; i++) {
    const details::value_of<In> x = from[i];
    p[i] = start;
    start = operation(start, x);
  }
  return to + (details::size)n;
}
template <class In, class Out>
Out exclusive_scan(In first, In last, Out to) {
  return thrust::exclusive_scan(first, last, to, details::value_of<In>());
}
template <class In, class Out, class Function, class Operation, CUSIM_NOT_POLICY(In)>
Out transform_inclusive_scan(In first, In last, Out to, Function function, Operation operation) {
  return thrust::inclusive_scan(transform_iterator<Function, In>(first, function),
                                transform_iterator<Function, In>(last, function), to, operation);
}
template <class In, class Out, class Function, class T, class Operation, CUSIM_NOT_POLICY(In)>
Out transform_exclusive_scan(In first, In last, Out to, Function function, T start, Operation operation) {
  return thrust::exclusive_scan(transform_iterator<Function, In>(first, function),
                                transform_iterator<Function, In>(last, function), to, start, operation);
}
template <class Keys, class Values, class Out, class Equal = equal_to<>, class Operation = plus<>,
          CUSIM_NOT_POLICY(Keys)>
Out inclusive_scan_by_key(Keys first, Keys last, Values values, Out to, Equal same = Equal(),
                          Operation operation = Operation()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::inclusive_scan_by_key");
  auto k = w.in(first, n);
  auto v = w.in(values, n);
  auto p = w.out(to, n);
  details::value_of<Values> sum{};
  for (details::size i = 0; i < (details::size)n; i++) {
    sum = i && same(k[i - 1], k[i]) ? (details::value_of<Values>)operation(sum, v[i])
                                    : (details::value_of<Values>)v[i];
    p[i] = sum;
  }
  return to + (details::size)n;
}
template <class Keys, class Values, class Out, class T = details::value_of<Values>, class Equal = equal_to<>,
          class Operation = plus<>, CUSIM_NOT_POLICY(Keys)>
Out exclusive_scan_by_key(Keys first, Keys last, Values values, Out to, T start = T(), Equal same = Equal(),
                          Operation operation = Operation()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::exclusive_scan_by_key");
  auto k = w.in(first, n);
  auto v = w.in(values, n);
  auto p = w.out(to, n);
  T sum = start;
  for (details::size i = 0; i < (details::size)n; i++) {
    if (i && !same(k[i - 1], k[i])) sum = start;
    const details::value_of<Values> x = v[i];
    p[i] = sum;
    sum = operation(sum, x);
  }
  return to + (details::size)n;
}

// ---------------------------------------------------------------- choosing

template <class In, class Stencil, class Out, class Predicate, CUSIM_NOT_POLICY(In)>
Out copy_if(In first, In last, Stencil stencil, Out to, Predicate predicate) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::copy_if");
  auto from = w.in(first, n);
  auto s = w.in(stencil, n);
  auto p = details::unwrap(to);
  details::size count = 0;
  for (details::size i = 0; i < (details::size)n; i++)
    if (predicate(s[i])) p[count++] = from[i];
  details::use(p, count, true);
  return to + count;
}
template <class In, class Out, class Predicate>
Out copy_if(In first, In last, Out to, Predicate predicate) {
  return thrust::copy_if(first, last, first, to, predicate);
}
template <class In, class Out, class Predicate>
Out remove_copy_if(In first, In last, Out to, Predicate predicate) {
  return thrust::copy_if(first, last, to, [&](const auto &x) { return !predicate(x); });
}
template <class In, class Out, class T>
Out remove_copy(In first, In last, Out to, const T &value) {
  return thrust::copy_if(first, last, to, [&](const auto &x) { return !(x == value); });
}
template <class It, class Predicate>
It remove_if(It first, It last, Predicate predicate) {
  return thrust::remove_copy_if(first, last, first, predicate);
}
template <class It, class Stencil, class Predicate, CUSIM_NOT_POLICY(It)>
It remove_if(It first, It last, Stencil stencil, Predicate predicate) {
  return thrust::copy_if(first, last, stencil, first, [&](const auto &x) { return !predicate(x); });
}
template <class It, class T>
It remove(It first, It last, const T &value) {
  return thrust::remove_copy(first, last, first, value);
}
template <class In, class Out, class Equal = equal_to<>>
Out unique_copy(In first, In last, Out to, Equal same = Equal()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::unique_copy");
  auto from = w.in(first, n);
  auto p = details::unwrap(to);
  details::size count = 0;
  details::value_of<In> before{};
  for (details::size i = 0; i < (details::size)n; i++) {
    const details::value_of<In> x = from[i];
    if (i == 0 || !same(before, x)) p[count++] = x;
    before = x;
  }
  details::use(p, count, true);
  return to + count;
}
template <class It, class Equal = equal_to<>>
It unique(It first, It last, Equal same = Equal()) {
  return thrust::unique_copy(first, last, first, same);
}
template <class Keys, class Values, class OutKeys, class OutValues, class Equal = equal_to<>,
          CUSIM_NOT_POLICY(Keys)>
pair<OutKeys, OutValues> unique_by_key_copy(Keys first, Keys last, Values values, OutKeys to_keys,
                                            OutValues to_values, Equal same = Equal()) {
  return thrust::reduce_by_key(first, last, values, to_keys, to_values, same,
                               [](const auto &a, const auto &) { return a; });
}
template <class Keys, class Values, class Equal = equal_to<>>
pair<Keys, Values> unique_by_key(Keys first, Keys last, Values values, Equal same = Equal()) {
  return thrust::unique_by_key_copy(first, last, values, first, values, same);
}
template <class It, class Predicate>
It stable_partition(It first, It last, Predicate predicate) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::stable_partition");
  auto p = w.out(first, n);
  std::vector<details::value_of<It>> no;
  details::size count = 0;
  for (details::size i = 0; i < (details::size)n; i++) {
    const details::value_of<It> x = p[i];
    if (predicate(x))
      p[count++] = x;
    else
      no.push_back(x);
  }
  for (std::size_t i = 0; i < no.size(); i++) p[count + (details::size)i] = no[i];
  return first + count;
}
template <class It, class Predicate>
It partition(It first, It last, Predicate predicate) {
  return thrust::stable_partition(first, last, predicate);
}
template <class In, class Yes, class No, class Predicate, CUSIM_NOT_POLICY(In)>
pair<Yes, No> partition_copy(In first, In last, Yes yes, No no, Predicate predicate) {
  return {thrust::copy_if(first, last, yes, predicate), thrust::remove_copy_if(first, last, no, predicate)};
}

// ---------------------------------------------------------------- sorting and searching

template <class It, class Less = less<>>
void stable_sort(It first, It last, Less smaller = Less()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::sort");
  auto p = w.out(first, n);
  details::use_passes<details::value_of<It>>(p, n);
  if constexpr (std::is_pointer<decltype(p)>::value) {
    std::stable_sort(p, p + n, smaller);
  } else {
    std::vector<details::value_of<It>> values;
    for (std::size_t i = 0; i < n; i++) values.push_back(p[(details::size)i]);
    std::stable_sort(values.begin(), values.end(), smaller);
    for (std::size_t i = 0; i < n; i++) p[(details::size)i] = values[i];
  }
}
template <class It, class Less = less<>>
void sort(It first, It last, Less smaller = Less()) {
  thrust::stable_sort(first, last, smaller);
}
template <class Keys, class Values, class Less = less<>, CUSIM_NOT_POLICY(Keys)>
void stable_sort_by_key(Keys first, Keys last, Values values, Less smaller = Less()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::sort_by_key");
  auto k = w.out(first, n);
  auto v = w.out(values, n);
  details::use_passes<details::value_of<Keys>>(k, n);
  details::use_passes<details::value_of<Keys>>(v, n);
  std::vector<std::pair<details::value_of<Keys>, details::value_of<Values>>> both;
  both.reserve(n);
  for (details::size i = 0; i < (details::size)n; i++) both.emplace_back(k[i], v[i]);
  std::stable_sort(both.begin(), both.end(),
                   [&](const auto &a, const auto &b) { return smaller(a.first, b.first); });
  for (details::size i = 0; i < (details::size)n; i++) {
    k[i] = both[(std::size_t)i].first;
    v[i] = both[(std::size_t)i].second;
  }
}
template <class Keys, class Values, class Less = less<>, CUSIM_NOT_POLICY(Keys)>
void sort_by_key(Keys first, Keys last, Values values, Less smaller = Less()) {
  thrust::stable_sort_by_key(first, last, values, smaller);
}
template <class It, class Less = less<>>
bool is_sorted(It first, It last, Less smaller = Less()) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::is_sorted");
  auto p = w.in(first, n);
  details::size i = 1;
  while (i < (details::size)n && !smaller(p[i], p[i - 1])) i++;
  return i >= (details::size)n;
}
template <class A, class B, class Out, class Less = less<>, CUSIM_NOT_POLICY(A)>
Out merge(A first, A last, B second, B second_last, Out to, Less smaller = Less()) {
  const std::size_t n = details::length(first, last), m = details::length(second, second_last);
  const details::work w("thrust::merge");
  auto a = w.in(first, n);
  auto b = w.in(second, m);
  auto p = w.out(to, n + m);
  details::size i = 0, j = 0, at = 0;
  while (i < (details::size)n || j < (details::size)m) {
    const bool from_b = i == (details::size)n || (j < (details::size)m && smaller(b[j], a[i]));
    if (from_b)
      p[at++] = b[j++];
    else
      p[at++] = a[i++];
  }
  return to + at;
}
#define CUSIM_SET_OPERATION(name)                                                                        \
  template <class A, class B, class Out, class Less = less<>, CUSIM_NOT_POLICY(A)>                       \
  Out name(A first, A last, B second, B second_last, Out to, Less smaller = Less()) {                    \
    const details::work w("thrust::" #name);                                                             \
    std::vector<details::value_of<A>> found;                                                             \
    const auto a = w.in(first, details::length(first, last));                                            \
    const auto b = w.in(second, details::length(second, second_last));                                   \
    std::name(a, a + (last - first), b, b + (second_last - second), std::back_inserter(found), smaller); \
    auto p = w.out(to, found.size());                                                                    \
    for (std::size_t i = 0; i < found.size(); i++) p[(details::size)i] = found[i];                       \
    return to + (details::size)found.size();                                                             \
  }
CUSIM_SET_OPERATION(set_union)
CUSIM_SET_OPERATION(set_intersection)
CUSIM_SET_OPERATION(set_difference)
CUSIM_SET_OPERATION(set_symmetric_difference)
#undef CUSIM_SET_OPERATION

// The first place whose value fails the test, of values for which it holds first and fails then.
namespace details {
template <class It, class Test>
It partition_place(It first, It last, Test test) {
  const std::size_t n = length(first, last);
  const work w("thrust::binary_search");
  auto p = w.in(first, n);
  size low = 0, high = (size)n;
  while (low < high) {
    const size middle = low + (high - low) / 2;
    if (test(p[middle]))
      low = middle + 1;
    else
      high = middle;
  }
  return first + low;
}
}  // namespace details
template <class It, class T, class Less = less<>>
It lower_bound(It first, It last, const T &value, Less smaller = Less()) {
  return details::partition_place(first, last, [&](const auto &x) { return smaller(x, value); });
}
template <class It, class T, class Less = less<>>
It upper_bound(It first, It last, const T &value, Less smaller = Less()) {
  return details::partition_place(first, last, [&](const auto &x) { return !smaller(value, x); });
}
template <class It, class T, class Less = less<>>
bool binary_search(It first, It last, const T &value, Less smaller = Less()) {
  const It place = thrust::lower_bound(first, last, value, smaller);
  return place != last && !smaller(value, *details::unwrap(place));
}
// The same for many values.
#define CUSIM_MANY(name, result)                                                                   \
  template <class It, class Values, class Out, CUSIM_NOT_POLICY(It)>                               \
  Out name(It first, It last, Values values, Values values_last, Out to) {                         \
    return thrust::transform(values, values_last, to,                                              \
                             [&](const auto &value) { return (details::value_of<Out>)(result); }); \
  }
CUSIM_MANY(lower_bound,
           std::lower_bound(details::unwrap(first), details::unwrap(last), value) - details::unwrap(first))
CUSIM_MANY(upper_bound,
           std::upper_bound(details::unwrap(first), details::unwrap(last), value) - details::unwrap(first))
CUSIM_MANY(binary_search, std::binary_search(details::unwrap(first), details::unwrap(last), value))
#undef CUSIM_MANY
template <class It, class Random>
void shuffle(It first, It last, Random &&random) {
  const std::size_t n = details::length(first, last);
  const details::work w("thrust::shuffle");
  auto p = w.out(first, n);
  for (std::size_t i = n; i > 1; i--) std::swap(p[(details::size)(i - 1)], p[(details::size)(random() % i)]);
}

CUSIM_POLICY(fill)
CUSIM_POLICY(fill_n)
CUSIM_POLICY(uninitialized_fill)
CUSIM_POLICY(sequence)
CUSIM_POLICY(tabulate)
CUSIM_POLICY(generate)
CUSIM_POLICY(generate_n)
CUSIM_POLICY(copy)
CUSIM_POLICY(copy_n)
CUSIM_POLICY(uninitialized_copy)
CUSIM_POLICY(swap_ranges)
CUSIM_POLICY(for_each)
CUSIM_POLICY(for_each_n)
CUSIM_POLICY(transform)
CUSIM_POLICY(transform_if)
CUSIM_POLICY(adjacent_difference)
CUSIM_POLICY(gather)
CUSIM_POLICY(scatter)
CUSIM_POLICY(replace)
CUSIM_POLICY(replace_if)
CUSIM_POLICY(reverse)
CUSIM_POLICY(reverse_copy)
CUSIM_POLICY(reduce)
CUSIM_POLICY(transform_reduce)
CUSIM_POLICY(inner_product)
CUSIM_POLICY(count)
CUSIM_POLICY(count_if)
CUSIM_POLICY(find)
CUSIM_POLICY(find_if)
CUSIM_POLICY(find_if_not)
CUSIM_POLICY(all_of)
CUSIM_POLICY(any_of)
CUSIM_POLICY(none_of)
CUSIM_POLICY(minmax_element)
CUSIM_POLICY(min_element)
CUSIM_POLICY(max_element)
CUSIM_POLICY(equal)
CUSIM_POLICY(mismatch)
CUSIM_POLICY(reduce_by_key)
CUSIM_POLICY(inclusive_scan)
CUSIM_POLICY(exclusive_scan)
CUSIM_POLICY(transform_inclusive_scan)
CUSIM_POLICY(transform_exclusive_scan)
CUSIM_POLICY(inclusive_scan_by_key)
CUSIM_POLICY(exclusive_scan_by_key)
CUSIM_POLICY(copy_if)
CUSIM_POLICY(remove_copy_if)
CUSIM_POLICY(remove_copy)
CUSIM_POLICY(remove_if)
CUSIM_POLICY(remove)
CUSIM_POLICY(unique)
CUSIM_POLICY(unique_copy)
CUSIM_POLICY(unique_by_key)
CUSIM_POLICY(unique_by_key_copy)
CUSIM_POLICY(partition)
CUSIM_POLICY(stable_partition)
CUSIM_POLICY(partition_copy)
CUSIM_POLICY(sort)
CUSIM_POLICY(stable_sort)
CUSIM_POLICY(sort_by_key)
CUSIM_POLICY(stable_sort_by_key)
CUSIM_POLICY(is_sorted)
CUSIM_POLICY(merge)
CUSIM_POLICY(set_union)
CUSIM_POLICY(set_intersection)
CUSIM_POLICY(set_difference)
CUSIM_POLICY(set_symmetric_difference)
CUSIM_POLICY(lower_bound)
CUSIM_POLICY(upper_bound)
CUSIM_POLICY(binary_search)
CUSIM_POLICY(shuffle)
#undef CUSIM_POLICY
#undef CUSIM_NOT_POLICY

}  // namespace thrust
#endif
