// SPDX-License-Identifier: MIT
// libcu++'s namespace cuda::std: the host's standard library serves device code, too.
#ifndef CUSIM_STD_H
#define CUSIM_STD_H
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <tuple>
#include <type_traits>
#include <utility>

namespace cuda {
namespace std {
using namespace ::std;
struct identity {
  template <class T>
  constexpr T &&operator()(T &&x) const noexcept {
    return ::std::forward<T>(x);
  }
};
}  // namespace std
}  // namespace cuda
#endif
