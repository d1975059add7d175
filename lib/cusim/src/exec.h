// SPDX-License-Identifier: MIT
// Inside the executing half of cusim: who calls whom between the headers, the engine, the runtime API and the
// source step.
//
// Source step (simnvcc): a kernel's definition becomes a host stub, a launch calls it (cusim/launch.h). The
// stub describes its kernel by a sim_kernel (cusim/kernel.h) and hands a packet of arguments to cusim_launch.
// Its run is `cusim::body<…>::run`, with the kernel's name and a hash of the file's path in its mangled name,
// so that it is unique in the program. Each file is compiled twice (plain and traced). The traced object's
// functions are made local and its initialisers dropped, so the program holds two symbols of every run:
// sim_twin finds the traced one by its name. Device variables become weak symbols named cusimvar_<tu>_<name>
// that both passes share; sim_symbols finds them, with their sizes, in the program's own symbol table.
#ifndef CUSIM_EXEC_H
#define CUSIM_EXEC_H
#include "sim.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------- engine (execute.c, block.c, fiber.c,
// twin.c)

// GRID: blocks waited for each other in vain. ILLEGAL_ADDRESS, MISALIGNED: found by the checker.
enum sim_run_status {
  SIM_RUN_OK,
  SIM_RUN_DEADLOCK,
  SIM_RUN_NO_MEMORY,
  SIM_RUN_ASSERT,
  SIM_RUN_GRID,
  SIM_RUN_ILLEGAL_ADDRESS,
  SIM_RUN_MISALIGNED,
  SIM_RUN_STACK,    // a thread needs more stack than cudaLimitStackSize grants
  SIM_RUN_TIMEOUT,  // no progress for CUSIM_DEADLINE seconds
  SIM_RUN_TRAP      // an instruction that cannot be executed
};
// Is the address storage of the engine that kernels read (exchanged values)?
bool sim_block_owns(const void *address);
// May device `from` touch memory of device `to`? (device.c)
bool sim_peer_enabled(int from, int to);
void sim_peer_allow(int from, int to, bool may);
// Ends the grid from inside a kernel; does not return.
void sim_block_fail(enum sim_run_status status) __attribute__((noreturn));
// Runs the whole grid and returns when it is done: blocks over OpenMP workers, the planned blocks through the
// traced twin with *counters as their sum (zeroed first). One grid at a time in the process.
enum sim_run_status sim_execute(const sim_launch *launch, sim_body *body, void *packet,
                                sim_counters *counters);

// CUSIM_EXECUTE=sampled: blocks that are not traced, and libraries, only take their modelled time.
bool sim_only_sampled(void);

// The traced twin of a plain body or kernel, or NULL: not compiled for it, or the program is stripped.
sim_body *sim_twin(sim_body *body);
// The kernel whose host stub is at this address, or NULL.
sim_kernel *sim_kernel_find(const void *stub);
// The same kernel as the plain code has it, of one that the traced code names.
sim_kernel *sim_kernel_plain(sim_kernel *kernel);
// A kernel's readable name.
const char *sim_kernel_name(sim_kernel *kernel);
// Bytes of the kernel's own __shared__ variables.
size_t sim_kernel_shared(sim_kernel *kernel);

// ---------------------------------------------------------------- what a kernel takes (function.c)

int sim_kernel_most_registers(const sim_kernel *kernel);  // by __launch_bounds__ and __maxnreg__
int sim_kernel_registers(sim_kernel *kernel);             // known or assumed, as occupancy calls count
size_t sim_kernel_most_shared(sim_kernel *kernel);        // static and dynamic, as the program asked for
int sim_kernel_resident(sim_kernel *kernel, int threads, size_t dynamic_shared);  // blocks per SM

// ---------------------------------------------------------------- the program's device variables (twin.c)
// Calls visit for every device variable of the program.
void sim_symbols(void (*visit)(const char *name, void *address, size_t bytes, void *arg), void *arg);

// ---------------------------------------------------------------- each device's variables (variables.c)

// Are there variables of which each device has its own?
bool sim_variables_differ(void);
// Kernels that start now are this device's: no other grid runs.
void sim_variables_bind(int device);
// Where the device's value of what is at this address is; until the lock is given back. Other addresses stay
// as they are.
void sim_variables_lock(void);
void *sim_variables_at(const void *address, int device);
void sim_variables_unlock(void);

// ---------------------------------------------------------------- whose turn it is (gate.c)
// A grid starts when no other runs, or when the one that runs seems to wait for it.
void sim_gate_enter(const sim_launch *launch);
void sim_gate_leave(void);

// Is this address in a function of the program's .cu files? May be called by a signal handler, once sim_twin
// has been called.
bool sim_is_device_code(const void *address);

// Is the calling thread inside a kernel? (Device code must not call the host API.)
bool sim_inside_kernel(void);

// ---------------------------------------------------------------- runtime (runtime.c), called by the headers

// What stood in the last <<< >>>; false: there was none.
bool sim_call_take(sim_call *call);

// Checks the configuration, executes, models and logs one launch on a stream (NULL: the default stream).
// Releases the packet when the kernel is done with it. Errors are kept for cudaGetLastError; the returned
// number is that cudaError_t. cooperative: the blocks may wait for each other.
int sim_launch_kernel(sim_kernel *kernel, sim_dim3 grid, sim_dim3 block, size_t dynamic_shared, void *stream,
                      void *packet, int cooperative);

// ---------------------------------------------------------------- device code, called by the headers
// (block.c) A thread is the fiber running on this OS thread.

typedef struct {
  unsigned x, y, z;
} sim_index;
extern __thread sim_index cusim_thread_idx, cusim_block_idx, cusim_block_dim, cusim_grid_dim;

// The stack of a thread, as cudaLimitStackSize has it; false: more than can be had.
size_t sim_stack_limit(void);
bool sim_stack_set_limit(size_t bytes);

void cusim_sync_threads(void);
// A thread that may be waiting for another one by polling lets others run: at once (__nanosleep), or when its
// atomics and fences have used up cusim_patience.
void cusim_yield(void);
extern __thread unsigned cusim_patience;
// The loop over threads in a kernel's run goes on while threadIdx.x is below it.
extern __thread unsigned cusim_row_end;
void cusim_sync_grid(void);                   // every thread of every block of a cooperative launch
int cusim_sync_threads_count(int predicate);  // threads whose predicate is not 0; and = (count == all)
int cusim_live_threads(void);                 // of the block: what __syncthreads_and compares with
// Exchanges up to 16 bytes per lane within mask: every live lane of mask calls it with its value; on return,
// (*all)[0..31] holds the values of the lanes that took part (others are unspecified) and the first four
// bytes of
// (*all)[32] the mask of those lanes. It points to storage of the warp that stays valid until this lane's
// next exchange.
typedef unsigned char cusim_slot[16];
enum { CUSIM_PART = 256 };  // added to bytes: the exchange is a part of an instruction, not one of its own
void cusim_exchange(unsigned mask, const void *value, size_t bytes, const cusim_slot **all);
// (tile.c) The same for a tile of several warps: size is a power of two from 64 on. gather returns where the
// values of the tile's threads stand, NULL for those who do not take part; they stay there until release.
void cusim_sync_tile(unsigned size);
const void *const *cusim_tile_gather(unsigned size, const void *value);
void cusim_tile_release(unsigned size);
void sim_tiles_reset(void);               // a block begins
bool sim_tiles_own(const void *address);  // is it among these addresses of values?
unsigned cusim_lane(void);
unsigned cusim_active_mask(unsigned line);  // lanes of the warp that come to this line of the source together
// (intrinsic.c) Cycles of the block: the same on every run; sleeping adds to them.
long long cusim_clock(void);
void cusim_sleep(unsigned nanoseconds);
void sim_clock_reset(void);  // a block begins
void cusim_trap(void) __attribute__((noreturn));
int cusim_address_space(const void *address);  // 0 local, 1 global, 2 shared
void *cusim_dynamic_shared(void);
// A static __shared__ variable of the running block; does anything only in traced blocks.
void cusim_note_shared(const void *base, size_t bytes);
// Marks the atomic that follows for the tracer and the checker, with the line of the kernel that makes it (a
// no-op outside traced blocks). increment: it adds the constant 1.
void cusim_note_atomic(const void *address, size_t bytes, bool increment, const void *line);
// The barrier or warp operation that follows stands at the caller's line; for the checker.
void cusim_note_site(void);
// malloc and free of kernels.
void *cusim_device_malloc(size_t bytes);
void cusim_device_free(void *p);
// The shuffle that follows takes the value of this lane, which should be one of mask.
void cusim_note_source(unsigned mask, unsigned lane);
// Counts arithmetic on half or bfloat16, whose code the tracer does not see.
void cusim_note_half(unsigned long long operations);
// FLOPs of the matrix units on operands of so many bytes.
void cusim_note_tensor(unsigned long long operations, unsigned operand_bytes);
// cp.async and what CUDA builds on it: the thread's loads until the end of a copy are not waited for; those
// since the last commit are a group; the thread waits until at most `pending` groups are under way.
void cusim_note_copy(bool begins);
void cusim_note_commit(void);
void cusim_note_wait(unsigned pending);
// What assert calls in a .cu file: in a kernel it ends the grid with cudaErrorAssert, elsewhere the program.
void cusim_assert_fail(const char *expression, const char *file, unsigned line, const char *function);

#ifdef __cplusplus
}
#endif
#endif
