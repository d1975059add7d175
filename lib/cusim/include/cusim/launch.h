// SPDX-License-Identifier: MIT
// What the source step makes of `kernel<<<grid, block, shared, stream>>>(arguments)` and of shared variables.
#ifndef CUSIM_LAUNCH_H
#define CUSIM_LAUNCH_H
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "kernel.h"

extern "C" {
void *cusim_dynamic_shared(void);
void cusim_note_shared(const void *base, std::size_t bytes);
bool sim_inside_kernel(void) __attribute__((const));
extern __thread unsigned cusim_row_end;
}

// The source step makes of
//     __global__ __launch_bounds__(64) void k(int *a, float b) { BODY }
// the kernel's stub, a host function of the same name, type and address, as nvcc does:
//     void k(int *a, float b) {
//       struct cusim_kernel_TU { static void cusim_thread(int *a, float b) { BODY } };
//       static sim_kernel cusim_entry = cusim::describe<cusim_kernel_TU>("k", 64);
//       cusim::body<cusim_kernel_TU>::launch(&cusim_entry, a, b);
//     }
// and of `k<<<grid, block>>>(x, y)` a call of the stub: (cusim::configure(grid, block) ? (void)0 : k(x, y)).
// Overloads, conversions, default arguments and pointers to kernels are then the compiler's own business.

// Where a thread is, as the body of its kernel sees it: in the plain compilation cusim_thread is a member
// function of a struct that has these members, unless the body holds something that would not see them. Once
// that is inlined they are in registers, and no store of the kernel can change them as it could the
// variables.
struct cusim_place {
  const uint3 threadIdx, blockIdx, blockDim, gridDim;
};

namespace cusim {

// Which body of a __host__ __device__ function that asks for __CUDA_ARCH__?
inline bool on_device() {
  return sim_inside_kernel();
}

// Always false, so that the kernel's stub is called.
inline bool configure(dim3 grid, dim3 block, std::size_t shared = 0, cudaStream_t stream = nullptr) {
  const sim_call call = {{grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared, stream};
  cusim_push_call(&call);
  return false;
}

// What decides how much a kernel does: launches that differ in it are observed apart. That is whole numbers,
// and of pointers what kind of array they point to; not reals, which differ from launch to launch.
template <class T>
unsigned long long deciding_number(const T &value) {
  if constexpr (std::is_integral<T>::value || std::is_enum<T>::value) {
    return static_cast<unsigned long long>(value);
  } else if constexpr (std::is_pointer<T>::value && !std::is_function<std::remove_pointer_t<T>>::value) {
    return cusim_pointer_number(const_cast<const void *>(static_cast<const volatile void *>(value)));
  } else if constexpr (std::is_trivially_copyable<T>::value && !std::is_pointer<T>::value &&
                       !std::is_floating_point<T>::value) {
    alignas(T) unsigned char bytes[sizeof(T)];
    __builtin_memcpy(bytes, static_cast<const void *>(__builtin_addressof(value)), sizeof bytes);
    __builtin_clear_padding(reinterpret_cast<T *>(bytes));
    return cusim_object_number(bytes, sizeof bytes);
  } else {
    return 0;
  }
}

// A device gets a parameter's bytes: nobody there copies it by its constructor or destroys it. Types that
// have such members are passed by the address of a temporary, so the bytes are put there and no constructor
// is called.
template <class T>
constexpr bool passed_by_address =
    !std::is_trivially_copy_constructible<T>::value || !std::is_trivially_move_constructible<T>::value ||
    !std::is_trivially_destructible<T>::value;

template <std::size_t, class T, bool = passed_by_address<T>>
struct argument {
  T value;
  using passed = T;
  explicit argument(const T &from) : value(from) {}
  passed pass() { return value; }
  unsigned long long number() const { return deciding_number(value); }
};
template <std::size_t I, class T>
struct argument<I, T, true> {
  alignas(T) unsigned char bytes[sizeof(T)];
  using passed = unsigned char *;
  explicit argument(const T &from) {
    __builtin_memcpy(bytes, static_cast<const void *>(__builtin_addressof(from)), sizeof bytes);
  }
  passed pass() { return bytes; }
  unsigned long long number() const { return deciding_number(*reinterpret_cast<const T *>(bytes)); }
};
template <class Indices, class... Types>
struct argument_list;
template <std::size_t... Index, class... Types>
struct argument_list<std::index_sequence<Index...>, Types...> : argument<Index, Types>... {
  explicit argument_list(const Types &...values) : argument<Index, Types>(values)... {}

  static argument_list *pack(void **from) {
    (void)from;
    return new (std::nothrow) argument_list(*static_cast<std::remove_reference_t<Types> *>(from[Index])...);
  }
  template <class Function>
  void pass(Function function) {
    if constexpr ((passed_by_address<Types> || ...)) {
      argument_list own(*this);  // a thread may change its parameters
      using called = void (*)(typename argument<Index, Types>::passed...);
      reinterpret_cast<called>(reinterpret_cast<void (*)()>(function))(
          static_cast<argument<Index, Types> *>(&own)->pass()...);
    } else {
      function(static_cast<argument<Index, Types> *>(this)->value...);
    }
  }
  // The same to a member function of the kernel at a place.
  template <class Kernel>
  void pass_at(Kernel kernel) {
    if constexpr ((passed_by_address<Types> || ...)) {
      argument_list own(*this);
      using called = void (Kernel::*)(typename argument<Index, Types>::passed...);
      (kernel.*reinterpret_cast<called>(reinterpret_cast<void (Kernel::*)()>(&Kernel::cusim_thread)))(
          static_cast<argument<Index, Types> *>(&own)->pass()...);
    } else {
      kernel.cusim_thread(static_cast<argument<Index, Types> *>(this)->value...);
    }
  }
  unsigned long long hash() const {
    unsigned long long h = 1469598103934665603u;
    const unsigned long long numbers[] = {0, static_cast<const argument<Index, Types> *>(this)->number()...};
    for (std::size_t i = 1; i < sizeof numbers / sizeof *numbers; i++) h = (h ^ numbers[i]) * 1099511628211u;
    return h;
  }
};

// The threads of a row, as long as none of them waits. Volatile: a signal may end the row, too, and must find
// which thread has begun.
template <class Thread>
__attribute__((always_inline)) inline void run_row(Thread thread) {
  const cusim_place first = {threadIdx, blockIdx, blockDim, gridDim};
  unsigned x = first.threadIdx.x;
  volatile unsigned *now = &threadIdx.x, *end = &cusim_row_end;
  // Addresses from here on, not thread-local variables: gcc may keep a variable's offset in a vector
  // register, which it reads from where the linker cannot put a constant.
  __asm__("" : "+r"(now), "+r"(end));
  do {
    thread({{x, first.threadIdx.y, first.threadIdx.z}, first.blockIdx, first.blockDim, first.gridDim});
    *now = ++x;
  } while (x < *end);
}

template <class Function>
struct signature;
template <class... Parameters>
struct signature<void (*)(Parameters...)> {
  using type = void(Parameters...);
};
template <class Kernel, class... Parameters>
struct signature<void (Kernel::*)(Parameters...)> {
  using type = void(Parameters...);
};

// The packet of a kernel: copies of its arguments, as a device would get them. The mangled name of run pairs
// the plain with the traced compilation.
template <class Kernel, class Signature = typename signature<decltype(&Kernel::cusim_thread)>::type>
struct body;
template <class Kernel, class... Parameters>
struct body<Kernel, void(Parameters...)> {
  using packet = argument_list<std::index_sequence_for<Parameters...>, Parameters...>;
  static constexpr int parameter_count = (int)sizeof...(Parameters);
  static constexpr sim_parameter parameters[] = {{(unsigned)sizeof(std::remove_reference_t<Parameters>),
                                                  (unsigned)alignof(std::remove_reference_t<Parameters>)}...,
                                                 {0, 1}};

  static void run(void *p) {
#ifdef CUSIM_TRACED_PASS
    static_cast<packet *>(p)->pass(Kernel::cusim_thread);
#else
    // A row has a copy, if it is small, that no store of the kernel can change.
    constexpr bool small = sizeof(packet) <= 256;
    std::conditional_t<small, packet, packet &> arguments = *static_cast<packet *>(p);
    if constexpr (std::is_base_of_v<cusim_place, Kernel>)
      run_row([&arguments](const cusim_place &place) { arguments.pass_at(Kernel{place}); });
    else
      run_row([&arguments](const cusim_place &) { arguments.pass(Kernel::cusim_thread); });
#endif
  }
  static void *pack(void **arguments) {
    return packet::pack(arguments);
  }
  static void *copy(const void *p) {
    return new (std::nothrow) packet(*static_cast<const packet *>(p));
  }
  static void release(void *p) {
    delete static_cast<packet *>(p);
  }
  static unsigned long long numbers(const void *p) {
    return static_cast<const packet *>(p)->hash();
  }
  static void launch(
      sim_kernel *kernel,
      std::conditional_t<passed_by_address<Parameters>, const Parameters &, Parameters>... arguments) {
    if (sim_inside_kernel()) {
      const packet own(arguments...);
      cusim_launch_inside(kernel, &own);
      return;
    }
    cusim_launch(kernel, new (std::nothrow) packet(arguments...));
  }
};

template <class Kernel>
constexpr sim_kernel describe(const char *spelled, long long max_threads = 0, long long min_blocks = 0,
                              long long max_registers = 0) {
  using kind = body<Kernel>;
  static_assert(sizeof(typename kind::packet) <= 32764, "a kernel's parameters may take 32764 bytes");
  return {kind::run,
          kind::pack,
          kind::copy,
          kind::release,
          kind::numbers,
          spelled,
          static_cast<int>(max_threads),
          static_cast<int>(min_blocks),
          static_cast<int>(max_registers),
          sizeof(typename kind::packet),
          kind::parameters,
          kind::parameter_count,
          nullptr,
          0,
          0};
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

// Kernels by their address, typed or not, as CUDA declares it.
template <class T>
inline cudaError_t cudaLaunchKernel(T *kernel, dim3 grid, dim3 block, void **arguments,
                                    std::size_t shared = 0, cudaStream_t stream = nullptr) {
  return cudaLaunchKernel((const void *)kernel, grid, block, arguments, shared, stream);
}
template <class T>
inline cudaError_t cudaLaunchCooperativeKernel(T *kernel, dim3 grid, dim3 block, void **arguments,
                                               std::size_t shared = 0, cudaStream_t stream = nullptr) {
  return cudaLaunchCooperativeKernel((const void *)kernel, grid, block, arguments, shared, stream);
}
template <class... Parameters, class... Arguments>
inline cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t *config, void (*kernel)(Parameters...),
                                      Arguments &&...arguments) {
  // As a call would: each argument becomes the parameter's type.
  return [&](Parameters... converted) {
    void *pointers[] = {(void *)&converted..., nullptr};
    return cudaLaunchKernelExC(config, (const void *)kernel, pointers);
  }(std::forward<Arguments>(arguments)...);
}
#endif
