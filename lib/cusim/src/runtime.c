// SPDX-License-Identifier: MIT
// One kernel launch: checked as a driver checks it, executed, observed, placed in virtual time.
#include "graph.h"

static cudaError_t check(const sim_launch *l, sim_kernel *kernel, const sim_card *c) {
  const sim_dim3 g = l->grid, b = l->block;
  if (!g.x || !g.y || !g.z || !b.x || !b.y || !b.z) return cudaErrorInvalidConfiguration;
  if (g.x > 2147483647u || g.y > 65535 || g.z > 65535) return cudaErrorInvalidConfiguration;
  if (b.x > 1024 || b.y > 1024 || b.z > 64) return cudaErrorInvalidConfiguration;
  const uint64_t threads = (uint64_t)b.x * b.y * b.z;
  if (threads > 1024) return cudaErrorInvalidConfiguration;
  if (kernel->max_threads > 0 && threads > (uint64_t)kernel->max_threads) return cudaErrorInvalidValue;
  if ((uint64_t)sim_kernel_registers(kernel) * threads > c->registers_sm)
    return cudaErrorLaunchOutOfResources;
  if (l->dynamic_shared + sim_kernel_shared(kernel) > sim_kernel_most_shared(kernel))
    return cudaErrorInvalidValue;
  if (l->cooperative) {
    const uint64_t resident = (uint64_t)sim_kernel_resident(kernel, (int)threads, l->dynamic_shared);
    if ((uint64_t)g.x * g.y * g.z > resident * (uint64_t)c->sm_count)
      return cudaErrorCooperativeLaunchTooLarge;
  }
  return cudaSuccess;
}

static cudaError_t launch_packet(sim_kernel *kernel, sim_launch launch, void *stream, void *packet) {
  if (sim_sticky_error()) return sim_sticky_error();
  if (!packet) return cudaErrorMemoryAllocation;
  launch.device = sim_stream_device(stream);
  if (launch.device != sim_current_device()) return cudaErrorInvalidResourceHandle;
  launch.arguments = kernel->numbers(packet);
  const cudaError_t wrong = check(&launch, kernel, sim_machine_get()->card);
  if (wrong) return wrong;
  sim_counters counters;
  const sim_check_stream checked = sim_stream_checked(stream);
  launch.check_op = sim_check_op_begin(&checked, launch.kernel, true);
  const enum sim_run_status status = sim_execute(&launch, kernel->run, packet, &counters);
  sim_check_op_end(launch.check_op);
  switch (status) {
    case SIM_RUN_OK:
      break;
    case SIM_RUN_NO_MEMORY:
      return cudaErrorMemoryAllocation;
    case SIM_RUN_DEADLOCK:
    case SIM_RUN_GRID:
      sim_sticky(cudaErrorLaunchFailure);
      return cudaErrorLaunchFailure;
    case SIM_RUN_ILLEGAL_ADDRESS:
      sim_sticky(cudaErrorIllegalAddress);
      return cudaErrorIllegalAddress;
    case SIM_RUN_MISALIGNED:
      sim_sticky(cudaErrorMisalignedAddress);
      return cudaErrorMisalignedAddress;
    case SIM_RUN_STACK:
      sim_sticky(cudaErrorHardwareStackError);
      return cudaErrorHardwareStackError;
    case SIM_RUN_TIMEOUT:
      sim_sticky(cudaErrorLaunchTimeout);
      return cudaErrorLaunchTimeout;
    case SIM_RUN_TRAP:
      sim_sticky(cudaErrorLaunchFailure);
      return cudaErrorLaunchFailure;
    case SIM_RUN_ASSERT:
      sim_sticky(cudaErrorAssert);
      return cudaErrorAssert;
  }
  const sim_estimate estimate = sim_observe_launch(&launch, &counters);
  sim_stream_push(stream, SIM_COMPUTE, estimate.seconds, estimate.share, launch.kernel);
  return cudaSuccess;
}

int sim_launch_kernel(sim_kernel *kernel, sim_dim3 grid, sim_dim3 block, size_t dynamic_shared, void *stream,
                      void *packet, int cooperative) {
  cudaGraphNode_t node;
  if (packet && sim_capture_node(stream, cudaGraphNodeTypeKernel, &node)) {
    if (node)
      node->does.kernel = (sim_kernel_call){kernel, grid, block, dynamic_shared, cooperative, packet};
    else
      kernel->release(packet);
    return node ? cudaSuccess : (int)sim_error(cudaErrorStreamCaptureInvalidated);
  }
  const sim_launch launch = {.kernel = sim_kernel_name(kernel),
                             .function = (const void *)kernel->run,
                             .grid = grid,
                             .block = block,
                             .dynamic_shared = dynamic_shared,
                             .registers_most = sim_kernel_most_registers(kernel),
                             .cooperative = cooperative != 0};
  const cudaError_t error = launch_packet(kernel, launch, stream, packet);
  if (packet) kernel->release(packet);
  return (int)(error ? sim_error(error) : cudaSuccess);
}
