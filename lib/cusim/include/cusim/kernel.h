/* SPDX-License-Identifier: MIT */
/* What the source step tells the runtime of each kernel, and how a launch is handed over. Plain C: read by
 * the runtime's own sources and by what simnvcc makes of a .cu file. */
#ifndef CUSIM_KERNEL_H
#define CUSIM_KERNEL_H
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  unsigned x, y, z;
} sim_dim3;

typedef void sim_body(void *packet); /* runs one thread of a kernel with the packed arguments */

/* Where a parameter stands in a block of bytes: behind the one before it, aligned. */
typedef struct sim_parameter {
  unsigned bytes, alignment;
} sim_parameter;

/* One kernel, or one instantiation of a kernel template; static storage in the kernel's host stub. */
typedef struct sim_kernel {
  sim_body *run;
  void *(*pack)(
      void **arguments); /* a new packet; argument i is read through arguments[i]. NULL: no memory */
  void *(*copy)(const void *packet); /* a new packet with the same arguments. NULL: no memory */
  void (*release)(void *packet);     /* frees what pack, copy or a launch made */
  unsigned long long (*numbers)(const void *packet); /* hash of the arguments but reals */
  const char *spelled;         /* the name as written, without namespaces and template arguments */
  int max_threads, min_blocks; /* __launch_bounds__; 0: none */
  int max_registers;           /* __maxnreg__; 0: none */
  size_t parameter_bytes;
  const sim_parameter *parameters;
  int parameter_count;
  /* Kept by the runtime. */
  const char *name;   /* readable and complete, once somebody asked */
  int dynamic_shared; /* cudaFuncAttributeMaxDynamicSharedMemorySize; 0: not set */
  long static_shared; /* bytes of __shared__ variables plus 1; 0: not counted yet */
} sim_kernel;

/* What stands in <<< >>>. Pushed by the launch, popped by the kernel's stub: between the two the arguments
 * are evaluated, which may launch kernels of its own. */
typedef struct sim_call {
  sim_dim3 grid, block;
  size_t dynamic_shared;
  void *stream;
} sim_call;
void cusim_push_call(const sim_call *call);

/* Called by the stub with a new packet (NULL: no memory), which the runtime releases when the kernel is done.
 * Errors are kept for cudaGetLastError. */
void cusim_launch(sim_kernel *kernel, void *packet);

/* What tells launches with this pointer, or with this object (padding zero), from others: 0 for NULL, and for
 * what points to device memory how it is aligned and how large the allocation is. */
unsigned long long cusim_pointer_number(const void *pointer);
unsigned long long cusim_object_number(const void *object, size_t bytes);

/* The same in device code, with the packet on the thread's stack. */
void cusim_launch_inside(sim_kernel *kernel, const void *packet);

#ifdef __cplusplus
}
#endif
#endif
