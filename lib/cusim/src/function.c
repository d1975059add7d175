// SPDX-License-Identifier: MIT
// Kernels as the host asks about them. Registers are not known without ptxas: 32 are assumed, as the model
// does.
#include "exec.h"
#include "stream.h"

enum { ASSUMED_REGISTERS = 32, MOST_THREADS = 1024 };

cudaError_t cudaFuncSetAttribute(const void *function, cudaFuncAttribute attribute, int value) {
  if (!function) return sim_error(cudaErrorInvalidDeviceFunction);
  const bool fits = attribute != cudaFuncAttributeMaxDynamicSharedMemorySize ||
                    (value >= 0 && (size_t)value <= sim_machine_get()->card->shared_block_optin);
  return fits ? cudaSuccess : sim_error(cudaErrorInvalidValue);
}

cudaError_t cudaFuncSetCacheConfig(const void *function, cudaFuncCache config) {
  (void)config;  // the model splits shared memory and cache as each kernel needs it
  return function ? cudaSuccess : sim_error(cudaErrorInvalidDeviceFunction);
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *attributes, const void *function) {
  if (!attributes || !function) return sim_error(cudaErrorInvalidDeviceFunction);
  const sim_card *c = sim_machine_get()->card;
  const int version = 10 * c->major + c->minor;
  *attributes = (cudaFuncAttributes){.maxThreadsPerBlock = MOST_THREADS,
                                     .numRegs = ASSUMED_REGISTERS,
                                     .ptxVersion = version,
                                     .binaryVersion = version,
                                     .maxDynamicSharedSizeBytes = 48 << 10};
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *function, int threads,
                                                          size_t shared) {
  if (!blocks || !function || threads < 1) return sim_error(cudaErrorInvalidValue);
  const char *limiter;
  *blocks = sim_occupancy_blocks(sim_machine_get()->card, threads, ASSUMED_REGISTERS, shared, &limiter);
  return cudaSuccess;
}

// The block size with the most resident threads, the larger one where several have as many.
cudaError_t cudaOccupancyMaxPotentialBlockSize(int *blocks, int *threads, const void *function, size_t shared,
                                               int limit) {
  if (!blocks || !threads || !function) return sim_error(cudaErrorInvalidValue);
  const sim_card *c = sim_machine_get()->card;
  if (limit <= 0 || limit > MOST_THREADS) limit = MOST_THREADS;
  int most = 0;
  for (int size = (limit + 31) / 32 * 32; size > 0; size -= 32) {
    const char *limiter;
    const int tried = size < limit ? size : limit;
    const int resident = sim_occupancy_blocks(c, tried, ASSUMED_REGISTERS, shared, &limiter);
    if (resident * tried <= most) continue;
    most = resident * tried;
    *threads = tried;
    *blocks = resident * c->sm_count;
  }
  return most ? cudaSuccess : sim_error(cudaErrorInvalidValue);
}
