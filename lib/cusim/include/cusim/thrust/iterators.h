// SPDX-License-Identifier: MIT
// Thrust's iterators that make their values.
#ifndef CUSIM_THRUST_ITERATORS_H
#define CUSIM_THRUST_ITERATORS_H
#include "memory.h"

namespace thrust {
namespace details {
// Random access by one function, `at(n)`: the reference n places on; and `moved(n)`.
template <class Self, class Value, class Reference>
struct made_iterator {
  using iterator_category = std::random_access_iterator_tag;
  using value_type = Value;
  using difference_type = std::ptrdiff_t;
  using pointer = void;
  using reference = Reference;
  Reference operator*() const { return self().at(0); }
  Reference operator[](std::ptrdiff_t n) const { return self().at(n); }
  Self &operator++() { return mine().move(1); }
  Self &operator--() { return mine().move(-1); }
  Self operator++(int) {
    const Self old = self();
    mine().move(1);
    return old;
  }
  Self operator--(int) {
    const Self old = self();
    mine().move(-1);
    return old;
  }
  Self &operator+=(std::ptrdiff_t n) { return mine().move(n); }
  Self &operator-=(std::ptrdiff_t n) { return mine().move(-n); }
  friend Self operator+(Self a, std::ptrdiff_t n) { return a.move(n); }
  friend Self operator+(std::ptrdiff_t n, Self a) { return a.move(n); }
  friend Self operator-(Self a, std::ptrdiff_t n) { return a.move(-n); }
  friend std::ptrdiff_t operator-(const Self &a, const Self &b) { return a.from(b); }
  friend bool operator==(const Self &a, const Self &b) { return a.from(b) == 0; }
  friend bool operator!=(const Self &a, const Self &b) { return a.from(b) != 0; }
  friend bool operator<(const Self &a, const Self &b) { return a.from(b) < 0; }
  friend bool operator>(const Self &a, const Self &b) { return a.from(b) > 0; }
  friend bool operator<=(const Self &a, const Self &b) { return a.from(b) <= 0; }
  friend bool operator>=(const Self &a, const Self &b) { return a.from(b) >= 0; }

 private:
  const Self &self() const { return static_cast<const Self &>(*this); }
  Self &mine() { return static_cast<Self &>(*this); }
};
template <class It>
using value_of = typename std::iterator_traits<It>::value_type;
template <class It>
using reference_of = typename std::iterator_traits<It>::reference;
}  // namespace details

template <class T, class... Unused>
struct counting_iterator : details::made_iterator<counting_iterator<T, Unused...>, T, T> {
  counting_iterator() = default;
  explicit counting_iterator(T value) : value_(value) {}
  T at(std::ptrdiff_t n) const { return (T)(value_ + (T)n); }
  counting_iterator &move(std::ptrdiff_t n) { return value_ = at(n), *this; }
  std::ptrdiff_t from(const counting_iterator &o) const {
    return (std::ptrdiff_t)value_ - (std::ptrdiff_t)o.value_;
  }

 private:
  T value_{};
};
template <class T>
counting_iterator<T> make_counting_iterator(T value) {
  return counting_iterator<T>(value);
}

template <class T, class... Unused>
struct constant_iterator : details::made_iterator<constant_iterator<T, Unused...>, T, T> {
  constant_iterator() = default;
  explicit constant_iterator(T value, std::ptrdiff_t place = 0) : value_(value), place_(place) {}
  T at(std::ptrdiff_t) const { return value_; }
  constant_iterator &move(std::ptrdiff_t n) { return place_ += n, *this; }
  std::ptrdiff_t from(const constant_iterator &o) const { return place_ - o.place_; }

 private:
  T value_{};
  std::ptrdiff_t place_ = 0;
};
template <class T>
constant_iterator<T> make_constant_iterator(T value, std::ptrdiff_t place = 0) {
  return constant_iterator<T>(value, place);
}

namespace details {
struct nowhere {
  template <class T>
  const nowhere &operator=(T &&) const {
    return *this;
  }
};
}  // namespace details
template <class... Unused>
struct discard_iterator
    : details::made_iterator<discard_iterator<Unused...>, details::nowhere, details::nowhere> {
  discard_iterator(std::ptrdiff_t place = 0) : place_(place) {}
  details::nowhere at(std::ptrdiff_t) const { return {}; }
  discard_iterator &move(std::ptrdiff_t n) { return place_ += n, *this; }
  std::ptrdiff_t from(const discard_iterator &o) const { return place_ - o.place_; }

 private:
  std::ptrdiff_t place_;
};
inline discard_iterator<> make_discard_iterator(std::ptrdiff_t place = 0) {
  return {place};
}

template <class Function, class It, class... Unused>
struct transform_iterator
    : details::made_iterator<transform_iterator<Function, It, Unused...>,
                             std::decay_t<std::invoke_result_t<Function, details::reference_of<It>>>,
                             std::invoke_result_t<Function, details::reference_of<It>>> {
  transform_iterator(It it, Function function) : it_(it), function_(function) {}
  explicit transform_iterator(It it) : it_(it), function_() {}
  decltype(auto) at(std::ptrdiff_t n) const { return function_(details::unwrap(it_)[n]); }
  transform_iterator &move(std::ptrdiff_t n) { return it_ += n, *this; }
  std::ptrdiff_t from(const transform_iterator &o) const { return it_ - o.it_; }
  const It &base() const { return it_; }
  // A copy is assigned part by part where the function cannot be.
  transform_iterator(const transform_iterator &) = default;
  transform_iterator &operator=(const transform_iterator &other) {
    it_ = other.it_;
    return *this;
  }

 private:
  It it_;
  Function function_;
};
template <class Function, class It>
transform_iterator<Function, It> make_transform_iterator(It it, Function function) {
  return {it, function};
}

template <class It, class Map>
struct permutation_iterator : details::made_iterator<permutation_iterator<It, Map>, details::value_of<It>,
                                                     details::reference_of<It>> {
  permutation_iterator(It it, Map map) : it_(it), map_(map) {}
  details::reference_of<It> at(std::ptrdiff_t n) const {
    return details::unwrap(it_)[(std::ptrdiff_t)details::unwrap(map_)[n]];
  }
  permutation_iterator &move(std::ptrdiff_t n) { return map_ += n, *this; }
  std::ptrdiff_t from(const permutation_iterator &o) const { return map_ - o.map_; }

 private:
  It it_;
  Map map_;
};
template <class It, class Map>
permutation_iterator<It, Map> make_permutation_iterator(It it, Map map) {
  return {it, map};
}

template <class Tuple>
struct zip_iterator;
template <class... Its>
struct zip_iterator<std::tuple<Its...>>
    : details::made_iterator<zip_iterator<std::tuple<Its...>>, std::tuple<details::value_of<Its>...>,
                             std::tuple<details::reference_of<Its>...>> {
  zip_iterator() = default;
  zip_iterator(const std::tuple<Its...> &its) : its_(its) {}
  template <class... Others>
  zip_iterator(const zip_iterator<std::tuple<Others...>> &other) : its_(other.get_iterator_tuple()) {}
  std::tuple<details::reference_of<Its>...> at(std::ptrdiff_t n) const {
    return std::apply(
        [n](const auto &...it) {
          return std::tuple<details::reference_of<Its>...>(details::unwrap(it)[n]...);
        },
        its_);
  }
  zip_iterator &move(std::ptrdiff_t n) {
    std::apply([n](auto &...it) { ((it += n), ...); }, its_);
    return *this;
  }
  std::ptrdiff_t from(const zip_iterator &o) const { return std::get<0>(its_) - std::get<0>(o.its_); }
  const std::tuple<Its...> &get_iterator_tuple() const { return its_; }

 private:
  std::tuple<Its...> its_;
};
template <class... Its>
zip_iterator<std::tuple<Its...>> make_zip_iterator(const std::tuple<Its...> &its) {
  return zip_iterator<std::tuple<Its...>>(its);
}
template <class First, class... Its, class = typename std::iterator_traits<First>::iterator_category>
zip_iterator<std::tuple<First, Its...>> make_zip_iterator(First first, Its... its) {
  return zip_iterator<std::tuple<First, Its...>>(std::make_tuple(first, its...));
}

template <class It>
using reverse_iterator = std::reverse_iterator<It>;
template <class It>
reverse_iterator<It> make_reverse_iterator(It it) {
  return reverse_iterator<It>(it);
}
}  // namespace thrust
#endif
