// SPDX-License-Identifier: MIT
// Kernels as the host asks about them and launches them by address. Registers are not known without ptxas: 32
// are assumed unless CUSIM_REGISTERS says how many, and never more than __launch_bounds__ or __maxnreg__
// leave.
#include <stdio.h>
#include <stdlib.h>

#include "exec.h"
#include "stream.h"

enum {
  ASSUMED_REGISTERS = 32,
  MOST_REGISTERS = 255,
  REGISTER_STEP = 8,
  MOST_THREADS = 1024,
  WARP = 32,
  DEFAULT_SHARED = 48 << 10,  // static and dynamic together, unless the program asks for more
  MOST_CALLS = 64
};

// ---------------------------------------------------------------- what a kernel takes

int sim_kernel_most_registers(const sim_kernel *kernel) {
  int most = kernel->max_registers > 0 ? kernel->max_registers : MOST_REGISTERS;
  if (kernel->max_threads > 0) {
    const int warps = (kernel->max_threads + WARP - 1) / WARP,
              blocks = kernel->min_blocks > 0 ? kernel->min_blocks : 1;
    const int left =
        (int)sim_machine_get()->card->registers_sm / (warps * WARP * blocks) / REGISTER_STEP * REGISTER_STEP;
    if (left > 0 && left < most) most = left;
  }
  return most;
}

int sim_kernel_registers(sim_kernel *kernel) {
  const int known = sim_registers_of(sim_kernel_name(kernel)), most = sim_kernel_most_registers(kernel);
  if (known) return known;
  return ASSUMED_REGISTERS < most ? ASSUMED_REGISTERS : most;
}

static size_t shared_limit(const sim_kernel *kernel) {
  return kernel->dynamic_shared > 0 ? (size_t)kernel->dynamic_shared : 0;
}

size_t sim_kernel_most_shared(sim_kernel *kernel) {
  const size_t asked = shared_limit(kernel) + sim_kernel_shared(kernel);
  return asked > DEFAULT_SHARED ? asked : DEFAULT_SHARED;
}

int sim_kernel_resident(sim_kernel *kernel, int threads, size_t dynamic_shared) {
  const char *limiter;
  return sim_occupancy_blocks(sim_machine_get()->card, threads, sim_kernel_registers(kernel),
                              dynamic_shared + sim_kernel_shared(kernel), &limiter);
}

// ---------------------------------------------------------------- attributes and occupancy

static cudaError_t set_attribute(sim_kernel *kernel, cudaFuncAttribute attribute, int value) {
  if ((unsigned)attribute < cudaFuncAttributeMaxDynamicSharedMemorySize || attribute >= cudaFuncAttributeMax)
    return cudaErrorInvalidValue;
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize) return cudaSuccess;  // hints
  const size_t most = sim_machine_get()->card->shared_block_optin;
  if (value < 0 || (size_t)value + sim_kernel_shared(kernel) > most) return cudaErrorInvalidValue;
  kernel->dynamic_shared = value;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *function, cudaFuncAttribute attribute, int value) {
  sim_kernel *kernel = sim_kernel_find(function);
  if (!kernel) return sim_error(cudaErrorInvalidDeviceFunction);
  return sim_error(set_attribute(kernel, attribute, value));
}

cudaError_t cudaFuncSetCacheConfig(const void *function, cudaFuncCache config) {
  (void)config;  // the model splits shared memory and cache as each kernel needs it
  return sim_error(sim_kernel_find(function) ? cudaSuccess : cudaErrorInvalidDeviceFunction);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *attributes, const void *function) {
  sim_kernel *kernel = sim_kernel_find(function);
  if (!attributes) return sim_error(cudaErrorInvalidValue);
  if (!kernel) return sim_error(cudaErrorInvalidDeviceFunction);
  const sim_card *c = sim_machine_get()->card;
  const int version = 10 * c->major + c->minor;
  const size_t taken = sim_kernel_shared(kernel), asked = shared_limit(kernel);
  *attributes = (cudaFuncAttributes){
      .sharedSizeBytes = taken,
      .maxThreadsPerBlock = kernel->max_threads > 0 ? kernel->max_threads : MOST_THREADS,
      .numRegs = sim_kernel_registers(kernel),
      .ptxVersion = version,
      .binaryVersion = version,
      .maxDynamicSharedSizeBytes = (int)(asked                    ? asked
                                         : taken < DEFAULT_SHARED ? DEFAULT_SHARED - taken
                                                                  : 0)};
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *function, int threads,
                                                          size_t shared) {
  if (!blocks || threads < 1) return sim_error(cudaErrorInvalidValue);
  sim_kernel *kernel = sim_kernel_find(function);
  if (!kernel) return sim_error(cudaErrorInvalidDeviceFunction);
  *blocks = sim_kernel_resident(kernel, threads, shared);
  return cudaSuccess;
}

// The block size with the most resident threads, the larger one where several have as many.
cudaError_t cudaOccupancyMaxPotentialBlockSize(int *blocks, int *threads, const void *function, size_t shared,
                                               int limit) {
  if (!blocks || !threads) return sim_error(cudaErrorInvalidValue);
  sim_kernel *kernel = sim_kernel_find(function);
  if (!kernel) return sim_error(cudaErrorInvalidDeviceFunction);
  const int own = kernel->max_threads > 0 ? kernel->max_threads : MOST_THREADS;
  if (limit <= 0 || limit > own) limit = own;
  int most = 0;
  for (int size = (limit + WARP - 1) / WARP * WARP; size > 0; size -= WARP) {
    const int tried = size < limit ? size : limit, resident = sim_kernel_resident(kernel, tried, shared);
    if (resident * tried <= most) continue;
    most = resident * tried;
    *threads = tried;
    *blocks = resident * sim_machine_get()->card->sm_count;
  }
  return sim_error(most ? cudaSuccess : cudaErrorInvalidValue);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, const void *function,
                                                                   int threads, size_t shared,
                                                                   unsigned flags) {
  if (flags > cudaOccupancyDisableCachingOverride) return sim_error(cudaErrorInvalidValue);
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, threads, shared);
}

// The most dynamic shared memory of a block with which so many are resident.
cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t *bytes, const void *function, int blocks,
                                                      int threads) {
  if (!bytes || blocks < 1 || threads < 1) return sim_error(cudaErrorInvalidValue);
  sim_kernel *kernel = sim_kernel_find(function);
  if (!kernel) return sim_error(cudaErrorInvalidDeviceFunction);
  if (sim_kernel_resident(kernel, threads, 0) < blocks) return sim_error(cudaErrorInvalidValue);
  const size_t most = sim_machine_get()->card->shared_block_optin - sim_kernel_shared(kernel);
  size_t fits = 0;
  for (size_t step = (size_t)1 << 20; step >= 128; step /= 2)
    while (fits + step <= most && sim_kernel_resident(kernel, threads, fits + step) >= blocks) fits += step;
  *bytes = fits;
  return cudaSuccess;
}

cudaError_t cudaFuncGetName(const char **name, const void *function) {
  sim_kernel *kernel = sim_kernel_find(function);
  if (!name) return sim_error(cudaErrorInvalidValue);
  if (!kernel) return sim_error(cudaErrorInvalidDeviceFunction);
  *name = sim_kernel_name(kernel);
  return cudaSuccess;
}

// ---------------------------------------------------------------- launches

static _Thread_local struct {
  sim_call call[MOST_CALLS];
  uintptr_t site[MOST_CALLS];
  int count;
} pending;

void cusim_push_call(const sim_call *call) {
  if (pending.count == MOST_CALLS) {
    fprintf(stderr, "cusim: kernel launches nested more than %d deep in each other's arguments\n",
            MOST_CALLS);
    abort();
  }
  pending.site[pending.count] = (uintptr_t)__builtin_return_address(0);
  pending.call[pending.count++] = *call;
}

bool sim_call_take(sim_call *call) {
  if (pending.count == 0) return false;
  *call = pending.call[--pending.count];
  return true;
}

void cusim_launch(sim_kernel *kernel, void *packet) {
  sim_call call;
  if (!sim_call_take(&call)) {  // called like a function
    sim_error(cudaErrorMissingConfiguration);
    if (packet) kernel->release(packet);
    return;
  }
  const uintptr_t site = pending.site[pending.count];
  const int error =
      sim_launch_kernel(kernel, call.grid, call.block, call.dynamic_shared, call.stream, packet, 0);
  if (error && !sim_sticky_error()) sim_launch_refused(sim_kernel_name(kernel), (cudaError_t)error, site);
}

static cudaError_t launch_address(const void *function, dim3 grid, dim3 block, void **arguments,
                                  size_t shared, cudaStream_t stream, int cooperative) {
  sim_kernel *kernel = sim_kernel_find(function);
  if (!kernel) return sim_error(cudaErrorInvalidDeviceFunction);
  if (!arguments && kernel->parameter_bytes > 1) return sim_error(cudaErrorInvalidValue);
  return (cudaError_t)sim_launch_kernel(kernel, (sim_dim3){grid.x, grid.y, grid.z},
                                        (sim_dim3){block.x, block.y, block.z}, shared, stream,
                                        kernel->pack(arguments), cooperative);
}

cudaError_t cudaLaunchKernel(const void *function, dim3 grid, dim3 block, void **arguments, size_t shared,
                             cudaStream_t stream) {
  return launch_address(function, grid, block, arguments, shared, stream, 0);
}

cudaError_t cudaLaunchCooperativeKernel(const void *function, dim3 grid, dim3 block, void **arguments,
                                        size_t shared, cudaStream_t stream) {
  return launch_address(function, grid, block, arguments, shared, stream, 1);
}

cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *function, void **arguments) {
  if (!config || (config->numAttrs && !config->attrs)) return sim_error(cudaErrorInvalidValue);
  int cooperative = 0;
  for (unsigned i = 0; i < config->numAttrs; i++) {
    const cudaLaunchAttribute *a = &config->attrs[i];
    if (a->id == cudaLaunchAttributeCooperative) cooperative = a->val.cooperative;
    const bool cluster = a->id == cudaLaunchAttributeClusterDimension &&
                         a->val.clusterDim.x * a->val.clusterDim.y * a->val.clusterDim.z > 1;
    if (!cluster) continue;
    fprintf(stderr, "cusim: cudaLaunchKernelEx: cusim does not support clusters of blocks\n");
    return sim_error(cudaErrorNotSupported);
  }
  return launch_address(function, config->gridDim, config->blockDim, arguments, config->dynamicSmemBytes,
                        config->stream, cooperative);
}
