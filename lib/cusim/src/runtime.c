// SPDX-License-Identifier: MIT
// One kernel launch: checked as a driver checks it, executed, observed, placed in virtual time.
#include "exec.h"
#include "stream.h"

static cudaError_t check(const sim_launch *l, const sim_card *c) {
  const sim_dim3 g = l->grid, b = l->block;
  if (!g.x || !g.y || !g.z || !b.x || !b.y || !b.z) return cudaErrorInvalidConfiguration;
  if (g.x > 2147483647u || g.y > 65535 || g.z > 65535) return cudaErrorInvalidConfiguration;
  if (b.x > 1024 || b.y > 1024 || b.z > 64) return cudaErrorInvalidConfiguration;
  if ((uint64_t)b.x * b.y * b.z > 1024) return cudaErrorInvalidConfiguration;
  if (l->dynamic_shared > c->shared_block_optin) return cudaErrorInvalidValue;
  if (l->cooperative) {
    const char *limiter;
    const int threads = (int)(b.x * b.y * b.z),
              resident = sim_occupancy_blocks(c, threads, 32, l->dynamic_shared, &limiter);
    if ((uint64_t)g.x * g.y * g.z > (uint64_t)resident * (uint64_t)c->sm_count)
      return cudaErrorCooperativeLaunchTooLarge;
  }
  return cudaSuccess;
}

int sim_launch_kernel(const char *name, const void *function, sim_dim3 grid, sim_dim3 block,
                      size_t dynamic_shared, void *stream, sim_body *body, void *packet,
                      unsigned long long arguments, int cooperative) {
  const sim_card *card = sim_machine_get()->card;
  if (sim_sticky_error()) return (int)sim_error(sim_sticky_error());
  const char *known = name ? name : sim_function_name(function);
  sim_launch launch = {.kernel = known ? known : "kernel",
                       .function = function,
                       .grid = grid,
                       .block = block,
                       .dynamic_shared = dynamic_shared,
                       .device = sim_stream_device(stream),
                       .cooperative = cooperative != 0,
                       .arguments = arguments};
  if (launch.device != sim_current_device()) return (int)sim_error(cudaErrorInvalidResourceHandle);
  const cudaError_t wrong = check(&launch, card);
  if (wrong) return (int)sim_error(wrong);
  sim_counters counters;
  const sim_check_stream checked = sim_stream_checked(stream);
  launch.check_op = sim_check_op_begin(&checked, launch.kernel, true);
  const enum sim_run_status status = sim_execute(&launch, body, packet, &counters);
  sim_check_op_end(launch.check_op);
  switch (status) {
    case SIM_RUN_OK:
      break;
    case SIM_RUN_NO_MEMORY:
      return (int)sim_error(cudaErrorLaunchOutOfResources);
    case SIM_RUN_DEADLOCK:
    case SIM_RUN_GRID:
      sim_sticky(cudaErrorLaunchFailure);
      return (int)sim_error(cudaErrorLaunchFailure);
    case SIM_RUN_ILLEGAL_ADDRESS:
      sim_sticky(cudaErrorIllegalAddress);
      return (int)sim_error(cudaErrorIllegalAddress);
    case SIM_RUN_MISALIGNED:
      sim_sticky(cudaErrorMisalignedAddress);
      return (int)sim_error(cudaErrorMisalignedAddress);
    case SIM_RUN_ASSERT:
      sim_sticky(cudaErrorAssert);
      return (int)sim_error(cudaErrorAssert);
  }
  const sim_estimate estimate = sim_observe_launch(&launch, &counters);
  sim_stream_push(stream, SIM_COMPUTE, estimate.seconds, estimate.share, launch.kernel);
  return cudaSuccess;
}
