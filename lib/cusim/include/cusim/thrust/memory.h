// SPDX-License-Identifier: MIT
// Thrust's pointers into device memory and its vectors.
#ifndef CUSIM_THRUST_MEMORY_H
#define CUSIM_THRUST_MEMORY_H
#include <initializer_list>
#include <memory>
#include <new>
#include <vector>

#include "base.h"

namespace thrust {

// A reference into device memory is a plain one: it can be reached from here.
template <class T>
using device_reference = T &;

// Who looks at an element from the host waits for the device first. Algorithms take the pointer inside.
template <class T>
class device_ptr {
 public:
  using iterator_category = std::random_access_iterator_tag;
  using value_type = std::remove_cv_t<T>;
  using element_type = T;
  using difference_type = std::ptrdiff_t;
  using pointer = device_ptr;
  using reference = std::add_lvalue_reference_t<T>;
  using raw_pointer = T *;

  device_ptr() : p_(nullptr) {}
  device_ptr(std::nullptr_t) : p_(nullptr) {}
  template <class U, class = std::enable_if_t<std::is_convertible<U *, T *>::value>>
  device_ptr(U *p) : p_(p) {}
  template <class U, class = std::enable_if_t<std::is_convertible<U *, T *>::value>>
  device_ptr(const device_ptr<U> &other) : p_(other.get()) {}
  T *get() const { return p_; }
  explicit operator bool() const { return p_ != nullptr; }
  template <class U = T>
  std::add_lvalue_reference_t<U> operator*() const {
    cusim_library_touch(p_, sizeof(U));
    return *p_;
  }
  T *operator->() const {
    cusim_library_touch(p_, sizeof(T));
    return p_;
  }
  template <class U = T>
  std::add_lvalue_reference_t<U> operator[](std::ptrdiff_t i) const {
    return *(*this + i);
  }
  device_ptr &operator++() { return p_++, *this; }
  device_ptr &operator--() { return p_--, *this; }
  device_ptr operator++(int) { return device_ptr(p_++); }
  device_ptr operator--(int) { return device_ptr(p_--); }
  device_ptr &operator+=(std::ptrdiff_t n) { return p_ += n, *this; }
  device_ptr &operator-=(std::ptrdiff_t n) { return p_ -= n, *this; }
  friend device_ptr operator+(device_ptr a, std::ptrdiff_t n) { return a += n; }
  friend device_ptr operator+(std::ptrdiff_t n, device_ptr a) { return a += n; }
  friend device_ptr operator-(device_ptr a, std::ptrdiff_t n) { return a -= n; }
  friend std::ptrdiff_t operator-(const device_ptr &a, const device_ptr &b) { return a.p_ - b.p_; }
  friend bool operator==(const device_ptr &a, const device_ptr &b) { return a.p_ == b.p_; }
  friend bool operator!=(const device_ptr &a, const device_ptr &b) { return a.p_ != b.p_; }
  friend bool operator<(const device_ptr &a, const device_ptr &b) { return a.p_ < b.p_; }
  friend bool operator>(const device_ptr &a, const device_ptr &b) { return a.p_ > b.p_; }
  friend bool operator<=(const device_ptr &a, const device_ptr &b) { return a.p_ <= b.p_; }
  friend bool operator>=(const device_ptr &a, const device_ptr &b) { return a.p_ >= b.p_; }

 private:
  T *p_;
};

template <class T>
T *raw_pointer_cast(const device_ptr<T> &p) {
  return p.get();
}
template <class T>
T *raw_pointer_cast(T *p) {
  return p;
}
template <class T>
T &raw_reference_cast(T &x) {
  return x;
}
template <class T>
device_ptr<T> device_pointer_cast(T *p) {
  return device_ptr<T>(p);
}
template <class T>
device_ptr<T> device_pointer_cast(const device_ptr<T> &p) {
  return p;
}

template <class T>
device_ptr<T> device_malloc(std::size_t count) {
  void *p = nullptr;
  if (count && cudaMalloc(&p, count * sizeof(T)) != cudaSuccess) throw std::bad_alloc();
  return device_ptr<T>(static_cast<T *>(p));
}
inline device_ptr<void> device_malloc(std::size_t bytes) {
  return device_ptr<void>(static_cast<void *>(device_malloc<char>(bytes).get()));
}
template <class T>
void device_free(device_ptr<T> p) {
  details::check((int)cudaFree(p.get()));
}
template <class T>
device_ptr<T> device_new(std::size_t count = 1) {
  return device_malloc<T>(count);
}
template <class T>
void device_delete(device_ptr<T> p, std::size_t = 1) {
  device_free(p);
}

namespace details {
// What an algorithm works with: device pointers without their waiting.
template <class It>
It unwrap(It it) {
  return it;
}
template <class T>
T *unwrap(device_ptr<T> p) {
  return p.get();
}
template <class It>
using unwrapped = decltype(unwrap(std::declval<It>()));

// Tells of memory that an algorithm touches, where an iterator is a pointer.
template <class It, class Count>
void use(const It &, Count, bool) {}
template <class T, class Count>
void use(T *p, Count count, bool write) {
  if constexpr (!std::is_void_v<T>) cusim_library_use(p, sizeof(T) * (std::size_t)count, write);
}

// One call of the library.
struct call {
  explicit call(const char *name, cudaStream_t stream = nullptr) { check(cusim_library_begin(name, stream)); }
  ~call() { cusim_library_end(); }
  call(const call &) = delete;
};
}  // namespace details

template <class T, class Allocator = std::allocator<T>>
class host_vector;

// What a vector's memory is: cudaMalloc's or managed.
namespace details {
template <class T, bool Managed>
class vector {
 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T &;
  using const_reference = const T &;
  using pointer = device_ptr<T>;
  using const_pointer = device_ptr<const T>;
  using iterator = device_ptr<T>;
  using const_iterator = device_ptr<const T>;
  using reverse_iterator = std::reverse_iterator<iterator>;
  using const_reverse_iterator = std::reverse_iterator<const_iterator>;

  vector() = default;
  explicit vector(std::size_t count) { resize(count); }
  vector(std::size_t count, const T &value) { resize(count, value); }
  vector(std::initializer_list<T> values) { assign(values.begin(), values.end()); }
  template <class It, class = typename std::iterator_traits<It>::iterator_category>
  vector(It first, It last) {
    assign(first, last);
  }
  vector(const vector &other) { assign(other.begin(), other.end()); }
  vector(vector &&other) noexcept { swap(other); }
  template <bool Other>
  vector(const vector<T, Other> &other) {
    assign(other.begin(), other.end());
  }
  template <class U, class Allocator>
  vector(const std::vector<U, Allocator> &other) {
    assign(other.begin(), other.end());
  }
  ~vector() { release(); }
  vector &operator=(const vector &other) {
    if (this != &other) assign(other.begin(), other.end());
    return *this;
  }
  vector &operator=(vector &&other) noexcept {
    swap(other);
    return *this;
  }
  template <class U, class Allocator>
  vector &operator=(const std::vector<U, Allocator> &other) {
    assign(other.begin(), other.end());
    return *this;
  }
  vector &operator=(std::initializer_list<T> values) {
    assign(values.begin(), values.end());
    return *this;
  }

  template <class It, class = typename std::iterator_traits<It>::iterator_category>
  void assign(It first, It last) {
    const call c("thrust::copy");
    const auto from = unwrap(first);
    const std::size_t count = (std::size_t)std::distance(first, last);
    use(from, count, false);
    make_room(count, 0);
    auto it = from;
    for (std::size_t i = 0; i < count; i++, ++it) p_[i] = static_cast<T>(*it);
    size_ = count;
    use(p_, count, true);
  }
  void assign(std::size_t count, const T &value) {
    size_ = 0;
    resize(count, value);
  }
  void resize(std::size_t count, const T &value = T()) {
    const call c("thrust::uninitialized_fill");
    make_room(count, size_);
    for (std::size_t i = size_; i < count; i++) p_[i] = value;
    if (count > size_) use(p_ + size_, count - size_, true);
    size_ = count;
  }
  void reserve(std::size_t count) {
    const call c("thrust::copy");
    make_room(count, size_);
  }
  void shrink_to_fit() {}
  void clear() { size_ = 0; }
  void push_back(const T &value) {
    if (size_ == room_) reserve(room_ ? 2 * room_ : 4);
    resize(size_ + 1, value);
  }
  void pop_back() { size_--; }
  iterator insert(iterator where, const T &value) {
    const std::ptrdiff_t at = where - begin();
    push_back(value);
    for (std::size_t i = size_ - 1; i > (std::size_t)at; i--) std::swap(p_[i], p_[i - 1]);
    return begin() + at;
  }
  iterator erase(iterator first, iterator last) {
    const call c("thrust::erase");
    const std::ptrdiff_t at = first - begin();
    T *to = first.get();
    for (T *from = last.get(); from != p_ + size_; from++) *to++ = *from;
    size_ = (std::size_t)(to - p_);
    return begin() + at;
  }
  iterator erase(iterator where) { return erase(where, where + 1); }
  void swap(vector &other) noexcept {
    std::swap(p_, other.p_);
    std::swap(size_, other.size_);
    std::swap(room_, other.room_);
  }

  std::size_t size() const { return size_; }
  std::size_t capacity() const { return room_; }
  bool empty() const { return size_ == 0; }
  iterator begin() { return iterator(p_); }
  iterator end() { return iterator(p_ + size_); }
  const_iterator begin() const { return const_iterator(p_); }
  const_iterator end() const { return const_iterator(p_ + size_); }
  const_iterator cbegin() const { return begin(); }
  const_iterator cend() const { return end(); }
  reverse_iterator rbegin() { return reverse_iterator(end()); }
  reverse_iterator rend() { return reverse_iterator(begin()); }
  pointer data() { return begin(); }
  const_pointer data() const { return begin(); }
  T &operator[](std::size_t i) { return begin()[(std::ptrdiff_t)i]; }
  const T &operator[](std::size_t i) const { return begin()[(std::ptrdiff_t)i]; }
  T &front() { return (*this)[0]; }
  T &back() { return (*this)[size_ - 1]; }
  const T &front() const { return (*this)[0]; }
  const T &back() const { return (*this)[size_ - 1]; }
  friend bool operator==(const vector &a, const vector &b) {
    const call c("thrust::equal");
    bool same = a.size_ == b.size_;
    for (std::size_t i = 0; same && i < a.size_; i++) same = a.p_[i] == b.p_[i];
    return same;
  }
  friend bool operator!=(const vector &a, const vector &b) { return !(a == b); }

 private:
  void make_room(std::size_t count, std::size_t kept) {
    if (count <= room_) return;
    void *fresh = nullptr;
    const std::size_t bytes = count * sizeof(T);
    if ((Managed ? cudaMallocManaged(&fresh, bytes) : cudaMalloc(&fresh, bytes)) != cudaSuccess) {
      cudaGetLastError();
      throw std::bad_alloc();
    }
    for (std::size_t i = 0; i < kept; i++) static_cast<T *>(fresh)[i] = p_[i];
    use(static_cast<T *>(fresh), kept, true);
    release();
    p_ = static_cast<T *>(fresh);
    room_ = count;
  }
  void release() {
    if (p_) cudaFree((void *)p_);
    p_ = nullptr;
    room_ = 0;
  }
  T *p_ = nullptr;
  std::size_t size_ = 0, room_ = 0;
};
}  // namespace details

template <class T>
struct device_allocator {
  using value_type = T;
};
template <class T, class Allocator = device_allocator<T>>
class device_vector : public details::vector<T, false> {
 public:
  using details::vector<T, false>::vector;
  using details::vector<T, false>::operator=;
  device_vector() = default;
  template <class U, class Other>
  device_vector(const host_vector<U, Other> &other) : details::vector<T, false>(other.begin(), other.end()) {}
  template <class U, class Other>
  device_vector(const device_vector<U, Other> &other)
      : details::vector<T, false>(other.begin(), other.end()) {}
};
template <class T>
class universal_vector : public details::vector<T, true> {
 public:
  using details::vector<T, true>::vector;
  using details::vector<T, true>::operator=;
  universal_vector() = default;
};

template <class T, class Allocator>
class host_vector : public std::vector<T, Allocator> {
 public:
  using std::vector<T, Allocator>::vector;
  using std::vector<T, Allocator>::operator=;
  host_vector() = default;
  template <class U, bool Managed>
  host_vector(const details::vector<U, Managed> &other) {
    take(other);
  }
  template <class U, bool Managed>
  host_vector &operator=(const details::vector<U, Managed> &other) {
    take(other);
    return *this;
  }

 private:
  template <class U, bool Managed>
  void take(const details::vector<U, Managed> &other) {
    const details::call c("thrust::copy");
    const U *p = other.data().get();
    details::use(p, other.size(), false);
    this->assign(p, p + other.size());
  }
};
template <class T>
bool operator==(const host_vector<T> &a, const device_vector<T> &b) {
  return a == host_vector<T>(b);
}
template <class T>
bool operator==(const device_vector<T> &a, const host_vector<T> &b) {
  return b == a;
}

}  // namespace thrust
#endif
