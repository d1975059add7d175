// SPDX-License-Identifier: MIT
// Libraries in headers (Thrust, CUB's device-wide functions) work on device memory from the host. They tell
// here what they touch: work that was issued before is done first, the checker hears of it, and the time of a
// kernel that moves as many bytes passes.
#include "thrust.h"

#include "exec.h"
#include "stream.h"

static __thread struct {
  cudaStream_t stream;
  const char *name;
  unsigned op;
  size_t bytes;
} call;

int cusim_library_begin(const char *name, void *stream) {
  if (sim_inside_kernel()) return 0;
  sim_stream_reach(stream);
  const sim_check_stream checked = sim_stream_checked(stream);
  call.stream = stream;
  call.name = name;
  call.bytes = 0;
  call.op = sim_check_op_begin(&checked, name, false);
  return (int)sim_sticky_error();
}

void cusim_library_use(const void *memory, size_t bytes, int write) {
  sim_allocation found;
  if (sim_inside_kernel() || !bytes || !sim_memory_find(memory, &found)) return;
  sim_check_rows(call.op, memory, bytes, bytes, 1, write);
  call.bytes += bytes;
}

void cusim_library_end(void) {
  if (sim_inside_kernel()) return;
  sim_check_op_end(call.op);
  const sim_card *card = sim_machine_get()->card;
  if (call.bytes)
    sim_stream_push(
        call.stream, SIM_COMPUTE,
        card->kernel_overhead_s + (double)call.bytes / (card->dram_bytes_per_s * card->dram_efficiency), 1,
        call.name);
}

void cusim_library_touch(const void *memory, size_t bytes) {
  if (sim_inside_kernel()) return;
  cusim_library_begin("host access", NULL);
  cusim_library_use(memory, bytes, 1);
  sim_check_op_end(call.op);
  const sim_check_stream checked = sim_stream_checked(NULL);
  sim_check_host_waits_stream(&checked);
}
