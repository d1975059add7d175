// SPDX-License-Identifier: MIT
// One kernel launch: checked as a driver checks it, issued, executed, observed, placed in virtual time.
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

typedef struct launch_op {
  sim_op op;
  sim_check_stream checked;
  sim_launch launch;
  sim_kernel *kernel;
  void *packet;
  bool failed;
  sim_counters counters;
} launch_op;

static cudaError_t error_of(enum sim_run_status status) {
  switch (status) {
    case SIM_RUN_OK:
      return cudaSuccess;
    case SIM_RUN_NO_MEMORY:
      return cudaErrorMemoryAllocation;
    case SIM_RUN_ILLEGAL_ADDRESS:
      return cudaErrorIllegalAddress;
    case SIM_RUN_MISALIGNED:
      return cudaErrorMisalignedAddress;
    case SIM_RUN_STACK:
      return cudaErrorHardwareStackError;
    case SIM_RUN_TIMEOUT:
      return cudaErrorLaunchTimeout;
    case SIM_RUN_ASSERT:
      return cudaErrorAssert;
    case SIM_RUN_DEADLOCK:
    case SIM_RUN_GRID:
    case SIM_RUN_TRAP:
      break;
  }
  return cudaErrorLaunchFailure;
}

// Arguments may have destructors, which may call this API: not with the queue's lock held, if it can be
// helped.
static void release_packet(launch_op *l) {
  if (l->packet) l->kernel->release(l->packet);
  l->packet = NULL;
}

static void run_launch(sim_op *op) {
  launch_op *l = (launch_op *)op;
  l->launch.check_op = sim_check_op_begin(&l->checked, l->launch.kernel, true);
  const enum sim_run_status status = sim_execute(&l->launch, l->kernel->run, l->packet, &l->counters);
  sim_check_op_end(l->launch.check_op);
  l->failed = status != SIM_RUN_OK;
  if (l->failed) sim_sticky(error_of(status));
  release_packet(l);
}

static void place_launch(sim_op *op) {
  const launch_op *l = (const launch_op *)op;
  if (op->skipped || l->failed) {
    op->skipped = true;
  } else {
    const sim_estimate estimate = sim_observe_launch(&l->launch, &l->counters);
    op->seconds = estimate.seconds;
    op->share = estimate.share;
  }
  sim_stream_place(op);
}

static void discard_launch(sim_op *op) {
  release_packet((launch_op *)op);
}

// Takes the packet, unless it returns an error.
static cudaError_t issue(sim_kernel *kernel, sim_launch *launch, cudaStream_t stream, void *packet) {
  if (sim_sticky_error()) return sim_sticky_error();
  if (!packet) return cudaErrorMemoryAllocation;
  launch->device = sim_stream_device(stream);
  if (launch->device != sim_current_device()) return cudaErrorInvalidResourceHandle;
  launch->arguments = kernel->numbers(packet);
  const cudaError_t wrong = check(launch, kernel, sim_machine_get()->card);
  if (wrong) return wrong;
  launch_op *l = sim_op_new(sizeof *l);
  if (!l) return cudaErrorMemoryAllocation;
  // Which launch of a kernel is traced hangs on the order of issue, not of execution.
  if (sim_twin(kernel->run)) launch->traced_count = sim_trace_plan(launch, launch->traced, SIM_MOST_TRACED);
  launch->only_sampled = sim_only_sampled();
  l->checked = sim_stream_checked(stream);
  l->launch = *launch;
  l->kernel = kernel;
  l->packet = packet;
  l->op.run = run_launch;
  l->op.place = place_launch;
  l->op.discard = discard_launch;
  l->op.engine = SIM_COMPUTE;
  l->op.label = launch->kernel;
  sim_stream_issue(stream, &l->op);
  return cudaSuccess;
}

int sim_launch_kernel(sim_kernel *kernel, sim_dim3 grid, sim_dim3 block, size_t dynamic_shared, void *stream,
                      void *packet, int cooperative) {
  if (!sim_stream_known(stream)) {
    if (packet) kernel->release(packet);
    return (int)sim_error(cudaErrorInvalidResourceHandle);
  }
  cudaGraphNode_t node;
  if (packet && sim_capture_node(stream, cudaGraphNodeTypeKernel, &node)) {
    if (node)
      node->does.kernel = (sim_kernel_call){kernel, grid, block, dynamic_shared, cooperative, packet};
    else
      kernel->release(packet);
    return node ? cudaSuccess : (int)sim_error(cudaErrorStreamCaptureInvalidated);
  }
  sim_launch launch = {.kernel = sim_kernel_name(kernel),
                       .function = (const void *)kernel->run,
                       .grid = grid,
                       .block = block,
                       .dynamic_shared = dynamic_shared,
                       .registers_most = sim_kernel_most_registers(kernel),
                       .cooperative = cooperative != 0};
  const cudaError_t error = issue(kernel, &launch, stream, packet);
  if (error && packet) kernel->release(packet);
  return (int)(error ? sim_error(error) : cudaSuccess);
}
