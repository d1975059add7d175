// SPDX-License-Identifier: MIT
// What the source step makes of `kernel<<<grid, block, shared, stream>>>(arguments)` and of shared variables.
#ifndef CUSIM_LAUNCH_H
#define CUSIM_LAUNCH_H
#include <cstddef>
#include <tuple>

extern "C" {
struct cusim_dim3 {
  unsigned x, y, z;
};
int sim_launch_kernel(const char *name, const void *function, cusim_dim3 grid, cusim_dim3 block,
                      std::size_t dynamic_shared, void *stream, void (*body)(void *), void *packet);
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
    std::apply(k->call, k->arguments);
  }
};

// Arguments are taken by value: a kernel sees copies, as on a device.
template <unsigned long long TU, int SITE, class Call, class... Arguments>
void launch(const char *name, Call call, configuration c, Arguments... arguments) {
  using site = body<TU, SITE, Call, Arguments...>;
  typename site::packet packet{call, std::tuple<Arguments...>(arguments...)};
  sim_launch_kernel(name, reinterpret_cast<const void *>(&site::run), {c.grid.x, c.grid.y, c.grid.z},
                    {c.block.x, c.block.y, c.block.z}, c.shared, c.stream, &site::run, &packet);
}

template <class T>
inline void note_shared(const T &variable) {
#ifdef CUSIM_TRACED_PASS
  cusim_note_shared(&variable, sizeof variable);
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
#endif
