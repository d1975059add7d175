// SPDX-License-Identifier: MIT
// One kernel launch: checked as a driver checks it, issued, executed, observed, placed in virtual time.
#include <stdlib.h>

#include "child.h"
#include "graph.h"
#include "managed.h"

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
  sim_managed_use managed;
  struct child_run *children;  // what they launched, and so on; in turn
  size_t child_count, child_room;
} launch_op;

// A kernel that a kernel launched, when it is done.
typedef struct child_run {
  sim_launch launch;
  sim_counters counters;
  int depth;
} child_run;

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

static sim_launch describe(sim_kernel *kernel, sim_dim3 grid, sim_dim3 block, size_t dynamic_shared) {
  return (sim_launch){.kernel = sim_kernel_name(kernel),
                      .function = (const void *)kernel->run,
                      .grid = grid,
                      .block = block,
                      .dynamic_shared = dynamic_shared,
                      .registers_most = sim_kernel_most_registers(kernel)};
}

static void note_child(launch_op *l, const child_run *run) {
  if (l->child_count == l->child_room) {
    const size_t room = l->child_room ? 2 * l->child_room : 16;
    child_run *grown = realloc(l->children, room * sizeof *grown);
    if (!grown) return;  // its time is lost, not its work
    l->children = grown;
    l->child_room = room;
  }
  l->children[l->child_count++] = *run;
}

// Runs the grid, then what it has launched, each with what that has launched. Launches that a device would
// refuse do nothing: their errors are for the thread that launched them.
static enum sim_run_status run_family(launch_op *l, const sim_launch *launch, sim_kernel *kernel,
                                      void *packet, sim_counters *counters, int depth) {
  enum sim_run_status status = sim_execute(launch, kernel->run, packet, counters);
  for (sim_child c; sim_child_take(launch, &c); c.kernel->release(c.packet)) {
    child_run run = {.launch = describe(c.kernel, c.call.grid, c.call.block, c.call.dynamic_shared),
                     .depth = depth + 1};
    sim_launch *child = &run.launch;
    if (status != SIM_RUN_OK || depth == SIM_DEEPEST_CHILD || check(child, c.kernel, sim_machine_get()->card))
      continue;
    child->device = launch->device;
    child->arguments = c.kernel->numbers(c.packet);
    if (sim_twin(c.kernel->run)) child->traced_count = sim_trace_plan(child, child->traced, SIM_MOST_TRACED);
    child->only_sampled = launch->only_sampled;
    child->check_op = sim_check_op_begin(&l->checked, child->kernel, true);
    status = run_family(l, child, c.kernel, c.packet, &run.counters, depth + 1);
    sim_check_op_end(child->check_op);
    if (status == SIM_RUN_OK) note_child(l, &run);
  }
  return status;
}

static void run_launch(sim_op *op) {
  launch_op *l = (launch_op *)op;
  l->launch.check_op = sim_check_op_begin(&l->checked, l->launch.kernel, true);
  const enum sim_run_status status = run_family(l, &l->launch, l->kernel, l->packet, &l->counters, 0);
  sim_check_op_end(l->launch.check_op);
  l->failed = status != SIM_RUN_OK;
  if (l->failed) sim_sticky(error_of(status));
  release_packet(l);
}

// Children of one depth share the device: together they take as long as the longest of them, or as their
// shares of it add up to.
static double children_seconds(const launch_op *l) {
  double longest[SIM_DEEPEST_CHILD + 1] = {0}, work[SIM_DEEPEST_CHILD + 1] = {0}, seconds = 0;
  for (size_t i = 0; i < l->child_count; i++) {
    const child_run *run = &l->children[i];
    const sim_estimate e = sim_observe_launch(&run->launch, &run->counters);
    work[run->depth] += e.seconds * e.share;
    if (e.seconds > longest[run->depth]) longest[run->depth] = e.seconds;
  }
  for (int d = 0; d <= SIM_DEEPEST_CHILD; d++) seconds += work[d] > longest[d] ? work[d] : longest[d];
  return seconds;
}

static void place_launch(sim_op *op) {
  const launch_op *l = (const launch_op *)op;
  if (op->skipped || l->failed) {
    op->skipped = true;
  } else {
    const sim_estimate estimate = sim_observe_launch(&l->launch, &l->counters);
    op->seconds = estimate.seconds + children_seconds(l);
    op->seconds += sim_managed_fault(&l->managed, l->launch.device, estimate.managed_bytes);
    op->share = estimate.share;
  }
  sim_stream_place(op);
}

static void discard_launch(sim_op *op) {
  launch_op *l = (launch_op *)op;
  release_packet(l);
  free(l->children);
}

// Takes the packet, unless it returns an error.
static cudaError_t issue(sim_kernel *kernel, sim_launch *launch, cudaStream_t stream, void *packet) {
  if (sim_sticky_error()) return sim_sticky_error();
  if (!packet) return cudaErrorMemoryAllocation;
  launch->device = sim_stream_device(stream);
  if (launch->device != sim_current_device()) return cudaErrorInvalidResourceHandle;
  sim_managed_use managed = {.count = 0};
  sim_managed_collect(&managed);
  launch->arguments = kernel->numbers(packet);
  sim_managed_collect(NULL);
  const cudaError_t wrong = check(launch, kernel, sim_machine_get()->card);
  if (wrong) return wrong;
  launch_op *l = sim_op_new(sizeof *l);
  if (!l) return cudaErrorMemoryAllocation;
  // Which launch of a kernel is traced hangs on the order of issue, not of execution.
  if (sim_twin(kernel->run)) launch->traced_count = sim_trace_plan(launch, launch->traced, SIM_MOST_TRACED);
  launch->only_sampled = sim_only_sampled();
  l->checked = sim_stream_checked(stream);
  l->launch = *launch;
  l->managed = managed;
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
  sim_launch launch = describe(kernel, grid, block, dynamic_shared);
  launch.cooperative = cooperative != 0;
  const cudaError_t error = issue(kernel, &launch, stream, packet);
  if (error && packet) kernel->release(packet);
  return (int)(error ? sim_error(error) : cudaSuccess);
}
