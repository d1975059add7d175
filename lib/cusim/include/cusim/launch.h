// SPDX-License-Identifier: MIT
// What the source step makes of `kernel<<<grid, block, shared, stream>>>(arguments)` and of shared variables.
#ifndef CUSIM_LAUNCH_H
#define CUSIM_LAUNCH_H
#include <cstddef>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

extern "C" {
struct cusim_dim3 {
  unsigned x, y, z;
};
int sim_launch_kernel(const char *name, const void *function, cusim_dim3 grid, cusim_dim3 block,
                      std::size_t dynamic_shared, void *stream, void (*body)(void *), void *packet,
                      unsigned long long arguments, int cooperative);
void (*cusim_traced(void (*kernel)(void)))(void);
void *cusim_dynamic_shared(void);
void cusim_note_shared(const void *base, std::size_t bytes);
}

namespace cusim {

struct configuration {
  dim3 grid, block;
  std::size_t shared;
  cudaStream_t stream;
};

inline configuration config(dim3 grid, dim3 block, std::size_t shared = 0, cudaStream_t stream = nullptr) {
  return {grid, block, shared, stream};
}

// A literal 0 among a kernel's arguments: a number or a null pointer, whichever the kernel takes.
struct zero {
  operator int() const { return 0; }
  template <class T>
  operator T *() const {
    return nullptr;
  }
};

// What a launch calls. Where it holds a pointer and nothing else, the kernel was launched through that
// pointer: the traced compilation calls the kernel's twin.
template <class Call>
Call called(Call call) {
#ifdef CUSIM_TRACED_PASS
  void (*kernel)();
  if constexpr (!std::is_empty_v<Call> && std::is_trivially_copyable_v<Call> &&
                sizeof call == sizeof kernel) {
    std::memcpy(&kernel, &call, sizeof kernel);
    kernel = cusim_traced(kernel);
    std::memcpy(static_cast<void *>(&call), &kernel, sizeof kernel);
  }
#endif
  return call;
}

// One launch site with its argument types. `run` executes one thread; its mangled name, unique by TU and
// SITE, pairs the plain with the traced compilation.
template <unsigned long long TU, int SITE, class Call, class... Arguments>
struct body {
  struct packet {
    Call call;
    std::tuple<Arguments...> arguments;
  };
  static void run(void *p) {
    const packet *k = static_cast<const packet *>(p);
    std::apply(cusim::called(k->call), k->arguments);
  }
};

// Whole numbers decide how much a kernel does: launches that differ in them are observed apart. Not so
// pointers and reals, which differ from launch to launch.
template <class T>
unsigned long long whole_number(const T &value) {
  if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) return static_cast<unsigned long long>(value);
  return 0;
}

template <class... Arguments>
unsigned long long hash_numbers(const Arguments &...arguments) {
  unsigned long long hash = 1469598103934665603u;
  ((hash = (hash ^ whole_number(arguments)) * 1099511628211u), ...);
  return hash;
}

// Arguments are taken by value: a kernel sees copies, as on a device.
template <unsigned long long TU, int SITE, class Call, class... Arguments>
void launch(const char *name, Call call, configuration c, Arguments... arguments) {
  using site = body<TU, SITE, Call, Arguments...>;
  typename site::packet packet{call, std::tuple<Arguments...>(arguments...)};
  sim_launch_kernel(name, reinterpret_cast<const void *>(&site::run), {c.grid.x, c.grid.y, c.grid.z},
                    {c.block.x, c.block.y, c.block.z}, c.shared, c.stream, &site::run, &packet,
                    hash_numbers(arguments...), 0);
}

// A kernel by its address: the traced compilation finds the kernel's twin.
template <class... Parameters>
struct by_address {
  void (*kernel)(Parameters...);
  void operator()(Parameters... parameters) const {
#ifdef CUSIM_TRACED_PASS
    using any = void (*)();
    reinterpret_cast<void (*)(Parameters...)>(cusim_traced(reinterpret_cast<any>(kernel)))(parameters...);
#else
    kernel(parameters...);
#endif
  }
};

template <class... Parameters, std::size_t... Index>
cudaError_t launch_address(void (*kernel)(Parameters...), configuration c, void **arguments, int cooperative,
                           std::index_sequence<Index...>) {
  using site = body<0, 0, by_address<Parameters...>, std::decay_t<Parameters>...>;
  (void)arguments;
  typename site::packet packet{
      {kernel},
      std::tuple<std::decay_t<Parameters>...>(*static_cast<std::decay_t<Parameters> *>(arguments[Index])...)};
  const unsigned long long numbers =
      hash_numbers(*static_cast<std::decay_t<Parameters> *>(arguments[Index])...);
  return static_cast<cudaError_t>(sim_launch_kernel(
      nullptr, reinterpret_cast<const void *>(kernel), {c.grid.x, c.grid.y, c.grid.z},
      {c.block.x, c.block.y, c.block.z}, c.shared, c.stream, &site::run, &packet, numbers, cooperative));
}

template <class T>
inline void note_shared(const T &variable) {
#ifdef CUSIM_TRACED_PASS
  cusim_note_shared(const_cast<const void *>(static_cast<const volatile void *>(&variable)), sizeof variable);
#else
  (void)variable;
#endif
}

// `extern __shared__ T name[];` at file scope.
template <class T>
struct dynamic_shared {
  operator T *() const { return static_cast<T *>(cusim_dynamic_shared()); }
};

}  // namespace cusim

// Kernels arrive with their types: the source step takes the casts to void * away.
template <class... Parameters>
inline cudaError_t cudaLaunchKernel(void (*kernel)(Parameters...), dim3 grid, dim3 block, void **arguments,
                                    std::size_t shared = 0, cudaStream_t stream = nullptr) {
  return cusim::launch_address(kernel, {grid, block, shared, stream}, arguments, 0,
                               std::index_sequence_for<Parameters...>());
}
template <class... Parameters>
inline cudaError_t cudaLaunchCooperativeKernel(void (*kernel)(Parameters...), dim3 grid, dim3 block,
                                               void **arguments, std::size_t shared = 0,
                                               cudaStream_t stream = nullptr) {
  return cusim::launch_address(kernel, {grid, block, shared, stream}, arguments, 1,
                               std::index_sequence_for<Parameters...>());
}
#endif
