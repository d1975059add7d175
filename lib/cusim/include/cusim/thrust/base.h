// SPDX-License-Identifier: MIT
// Thrust under its own names, as far as teaching code uses it: what all of its headers share. Algorithms run
// on the host, over device memory, behind the work that was issued before.
#ifndef CUSIM_THRUST_BASE_H
#define CUSIM_THRUST_BASE_H
#include <climits>
#include <cstddef>
#include <functional>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include "../../cuda_runtime.h"

#define THRUST_VERSION 200800
#define THRUST_MAJOR_VERSION 2
#define THRUST_MINOR_VERSION 8
#define THRUST_SUBMINOR_VERSION 0

extern "C" {
int cusim_library_begin(const char *name, void *stream);
void cusim_library_use(const void *memory, std::size_t bytes, int write);
void cusim_library_end(void);
void cusim_library_touch(const void *memory, std::size_t bytes);
}

namespace thrust {

using std::advance;
using std::distance;
using std::get;
using std::make_pair;
using std::make_tuple;
using std::next;
using std::pair;
using std::prev;
using std::swap;
using std::system_error;
using std::tie;
using std::tuple;
using std::tuple_element;
using std::tuple_size;
template <class It>
using iterator_value = std::iterator_traits<It>;
template <class It>
using iterator_difference = std::iterator_traits<It>;
template <class It>
using iterator_traits = std::iterator_traits<It>;

namespace system {
using std::system_error;
namespace cuda {
inline const std::error_category &category() {
  return std::generic_category();
}
}  // namespace cuda
}  // namespace system
inline const std::error_category &cuda_category() {
  return std::generic_category();
}

namespace details {
inline void check(int error) {
  if (error)
    throw system_error(std::error_code(error, std::generic_category()),
                       cudaGetErrorString((cudaError_t)error));
}
}  // namespace details

// ---------------------------------------------------------------- where and in which stream

// Policies differ in the stream only: all memory can be reached from the host.
struct execution_policy_base {
  cudaStream_t stream = nullptr;
};
template <class Derived = void>
struct execution_policy : execution_policy_base {};
template <class Derived = void>
struct device_execution_policy : execution_policy_base {};
template <class Derived = void>
struct host_execution_policy : execution_policy_base {};
struct any_policy : execution_policy_base {
  any_policy on(cudaStream_t where) const {
    any_policy p;
    p.stream = where;
    return p;
  }
  template <class Allocator>
  any_policy operator()(Allocator &&) const {
    return *this;
  }
};
struct device_system_tag : execution_policy_base {};
struct host_system_tag : execution_policy_base {};
inline const any_policy device, host, seq;
namespace cuda {
inline const any_policy par, par_nosync;
}
namespace cuda_cub {
using cuda::par;
}
namespace omp {
inline const any_policy par;
}
namespace tbb {
inline const any_policy par;
}
namespace cpp {
inline const any_policy par;
}
namespace system {
namespace omp {
using thrust::omp::par;
}
namespace cpp {
using thrust::cpp::par;
}
namespace cuda {
using thrust::cuda::par;
}
}  // namespace system

namespace details {
template <class T>
using if_policy = std::enable_if_t<std::is_base_of<execution_policy_base, std::decay_t<T>>::value>;
}

// ---------------------------------------------------------------- functions

using std::bit_and;
using std::bit_or;
using std::bit_xor;
using std::divides;
using std::equal_to;
using std::greater;
using std::greater_equal;
using std::less;
using std::less_equal;
using std::logical_and;
using std::logical_not;
using std::logical_or;
using std::minus;
using std::modulus;
using std::multiplies;
using std::negate;
using std::not_equal_to;
using std::plus;

template <class Argument, class Result>
struct unary_function {
  using argument_type = Argument;
  using result_type = Result;
};
template <class First, class Second, class Result>
struct binary_function {
  using first_argument_type = First;
  using second_argument_type = Second;
  using result_type = Result;
};
template <class T = void>
struct identity {
  const T &operator()(const T &x) const { return x; }
};
template <>
struct identity<void> {
  template <class T>
  constexpr T &&operator()(T &&x) const {
    return std::forward<T>(x);
  }
};
template <class T>
struct square {
  T operator()(const T &x) const { return x * x; }
};
template <class T = void>
struct maximum {
  T operator()(const T &a, const T &b) const { return a < b ? b : a; }
};
template <class T = void>
struct minimum {
  T operator()(const T &a, const T &b) const { return b < a ? b : a; }
};
template <>
struct maximum<void> {
  template <class T>
  T operator()(const T &a, const T &b) const {
    return a < b ? b : a;
  }
};
template <>
struct minimum<void> {
  template <class T>
  T operator()(const T &a, const T &b) const {
    return b < a ? b : a;
  }
};
template <class A, class B = A>
struct project1st {
  A operator()(const A &a, const B &) const { return a; }
};
template <class A, class B = A>
struct project2nd {
  B operator()(const A &, const B &b) const { return b; }
};
template <class Predicate>
auto not_fn(Predicate predicate) {
  return std::not_fn(predicate);
}
template <class Predicate>
auto not1(Predicate predicate) {
  return std::not_fn(predicate);
}
// A function of a tuple from a function of its parts.
template <class Function>
auto make_zip_function(Function function) {
  return [function](const auto &parts) { return std::apply(function, parts); };
}

// ---------------------------------------------------------------- _1 * 2 + _2

namespace details {
template <class Function>
struct expression {
  Function function;
  template <class... Arguments>
  auto operator()(const Arguments &...arguments) const {
    return function(arguments...);
  }
};
template <class Function>
expression<Function> make_expression(Function function) {
  return {function};
}
template <class T>
struct is_expression : std::false_type {};
template <class Function>
struct is_expression<expression<Function>> : std::true_type {};
template <class Function>
const expression<Function> &as_expression(const expression<Function> &e) {
  return e;
}
template <class T>
auto as_expression(const T &value) {
  return make_expression([value](const auto &...) { return value; });
}
template <class A, class B>
using if_expression = std::enable_if_t<is_expression<A>::value || is_expression<B>::value>;

#define CUSIM_EXPRESSION(sign)                                                                       \
  template <class A, class B, class = if_expression<A, B>>                                           \
  auto operator sign(const A &a, const B &b) {                                                       \
    const auto left = as_expression(a);                                                              \
    const auto right = as_expression(b);                                                             \
    return make_expression([left, right](const auto &...x) { return left(x...) sign right(x...); }); \
  }
CUSIM_EXPRESSION(+)
CUSIM_EXPRESSION(-)
CUSIM_EXPRESSION(*)
CUSIM_EXPRESSION(/)
CUSIM_EXPRESSION(%)
CUSIM_EXPRESSION(<)
CUSIM_EXPRESSION(>)
CUSIM_EXPRESSION(<=)
CUSIM_EXPRESSION(>=)
CUSIM_EXPRESSION(==)
CUSIM_EXPRESSION(!=)
CUSIM_EXPRESSION(&)
CUSIM_EXPRESSION(|)
CUSIM_EXPRESSION(^)
CUSIM_EXPRESSION(&&)
CUSIM_EXPRESSION(||)
#undef CUSIM_EXPRESSION
template <class Function>
auto operator-(const expression<Function> &e) {
  return make_expression([e](const auto &...x) { return -e(x...); });
}
template <class Function>
auto operator!(const expression<Function> &e) {
  return make_expression([e](const auto &...x) { return !e(x...); });
}
template <std::size_t I>
struct argument {
  template <class... Arguments>
  auto operator()(const Arguments &...arguments) const {
    return std::get<I>(std::tie(arguments...));
  }
};
}  // namespace details
namespace placeholders {
inline const details::expression<details::argument<0>> _1;
inline const details::expression<details::argument<1>> _2;
inline const details::expression<details::argument<2>> _3;
}  // namespace placeholders

}  // namespace thrust
#endif
