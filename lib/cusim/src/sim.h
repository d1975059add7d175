// SPDX-License-Identifier: MIT
// cusim's inner seams: what its four parts (execute, observe, time, several devices) know of each other.
// Nothing outside lib/cusim includes this file; programs see CUDA's own header names only.
//
// - execute.c, fiber.c, twin.c: run a grid, blocks over OpenMP workers, a block's threads as fibers
// - memory.c, device.c, stream.c, copy.c, runtime.c, cublas.c: the CUDA runtime API over host memory
// - hooks.c, trace.c, request.c, decode.c, lines.c: observe what a traced block did, from the compiler's
// hooks
// - card.c, model.c, clock.c, profile.c: cards, the kernel-time model, virtual timelines, reports
#ifndef CUSIM_SIM_H
#define CUSIM_SIM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../include/cusim/kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------- cards and links (card.c)

// A card's published limits and the constants of the time model. Frozen: docs/cusim-model.md names each
// source.
typedef struct sim_card {
  const char *id, *name;       // "h200", "NVIDIA H200"
  int major, minor;            // compute capability
  int sm_count, schedulers;    // per SM: warp schedulers
  int lsu_lanes;               // load/store lanes per SM
  int fp32_lanes, fp64_lanes;  // per SM
  int max_threads_sm, max_blocks_sm, max_warps_sm;
  size_t registers_sm, shared_sm, shared_block_optin, l1_bytes, l2_bytes, memory_bytes;
  double boost_hz, base_hz;
  double dram_bytes_per_s, dram_efficiency;
  double dram_latency_cycles, l2_latency_cycles;
  double l2_bytes_per_cycle_sm;  // read path of one SM
  double launch_s;               // host time of one launch call
  double kernel_overhead_s;      // fixed device time of one kernel
  double tensor_flops,           // dense half-precision peak
      mma_fraction,              // share of it that products of single warps (wmma, mma.sync) can reach
      cublas_fraction;           // share of the fp32 peak its library reaches
} sim_card;

typedef struct sim_link {  // one direction
  const char *id, *name;   // "nvlink4", "pcie3x16"
  double alpha_s, bytes_per_s;
} sim_link;

const sim_card *sim_card_find(const char *id);  // NULL if unknown
const sim_card *sim_card_at(int);               // NULL behind the last one
const char *sim_card_list(void);                // "t4 v100 a100 rtx4090 h100 h200 a6000"
const sim_link *sim_link_find(const char *id);  // NULL if unknown
// Between this card and its host: of the simulated machine if that has this card, else the usual one.
const sim_link *sim_card_host_link(const sim_card *);

// The machine simulated by this process, read once from the environment:
// CUSIM_CARD (default h200), CUSIM_DEVICES (default 1), CUSIM_LINK (peer link; default is the card's usual
// one), CUSIM_HOST_LINK, CUSIM_NODE (how many devices share a node; default: all do), CUSIM_NODE_LINK
// (between nodes; default ib-ndr), CUSIM_PRESET (a file of constants instead of the preset's, preset.c). A
// bad value ends the process with one line on stderr and exit code 2.
typedef struct sim_machine {
  const sim_card *card;
  int devices;
  const sim_link *peer, *host;
  int node;                 // devices 0 … node - 1 are in one, and so on
  const sim_link *between;  // nodes, for each device
  // Of the host link's bandwidth: what copies of pageable memory reach, and pages that move because a kernel
  // has faulted on them; and the time of the first such fault.
  double pageable_share, fault_share, fault_s;
} sim_machine;
const sim_machine *sim_machine_get(void);
// What two devices are joined by.
const sim_link *sim_link_of(const sim_machine *, int device, int other);

// Constants of the time model by name, in the units of the name (preset.c): the i-th one's name, NULL behind
// the last; its value in a machine.
const char *sim_constant_name(int);
double sim_constant_get(const sim_machine *, int);
// Takes constants from a file of lines `name = value`; # begins a comment. The card and the links are then
// copies of this machine's own. A bad line ends the process with exit code 2. NULL, "": nothing.
void sim_preset_apply(sim_machine *, const char *file);

// ---------------------------------------------------------------- chaos (schedule.c)

// Is CUSIM_SCHEDULE=seed set: are legal orders other than the usual one wanted?
bool sim_schedule_shuffled(void);
// One of count choices, 0 … count - 1: the same for the same seed, place (who asks, about what) and step (for
// the how manieth time). 0, the usual order, without a seed. Thread-safe, without state.
uint64_t sim_schedule_choice(uint64_t place, uint64_t step, uint64_t count);

// ---------------------------------------------------------------- counters of traced blocks (trace.c)

// Sums over the traced blocks of one launch. Names follow Nsight Compute's metrics where one exists.
typedef struct sim_counters {
  uint64_t traced;                  // blocks that ran traced
  uint64_t blocks, warps, threads;  // that they stand for: all sums below are weighted like this
  uint64_t flop_sp_add, flop_sp_mul, flop_sp_fma;  // thread-level operations; an FMA is one here (2 FLOPs)
  uint64_t flop_dp_add, flop_dp_mul, flop_dp_fma;
  uint64_t flop_hp, flop_tensor, special;  // half ops, matrix-unit FLOPs, sqrt/div/exp…
  uint64_t flop_tensor_tf32;               // those of flop_tensor whose operands are fp32 or tf32
  uint64_t fp_warp_inst;                   // warp-level floating-point instructions
  uint64_t inst;                           // thread-level basic-block instructions (host ISA; a proxy)
  uint64_t ld_requests, ld_sectors, ld_bytes,
      ld_wavefronts;  // global loads: warp requests, 32-byte sectors, useful bytes
  uint64_t st_requests, st_sectors, st_bytes, st_lines, st_wavefronts;  // global stores; lines are 128 bytes
  uint64_t atom_requests, atom_sectors,
      atom_degree;  // global atomics; degree: sum over requests of max same-address
  uint64_t shld_requests, shld_wavefronts, shld_ideal;
  uint64_t shst_requests, shst_wavefronts, shst_ideal;
  uint64_t shatom_requests, shatom_degree;
  uint64_t barriers;                    // warps × block barriers reached
  uint64_t warp_ops;                    // shuffles, votes, …: warp-level
  uint64_t active_lanes, active_slots;  // over all memory requests: lanes active of lanes possible
  uint64_t epochs_global, epochs_shared,
      epochs;  // barrier-to-barrier spans with a global / shared access, all
  uint64_t unique_ld_sectors,
      unique_st_sectors;         // distinct sectors over the traced blocks: a floor for DRAM traffic
  uint64_t static_shared_bytes;  // of one block
  // Inputs of the time model that no profiler reports (docs/cusim-model.md).
  uint64_t fp_sp_warp_inst, fp_dp_warp_inst, special_warp_inst;  // fp_warp_inst is the sum of the first two
  uint64_t model_requests;                  // memory warp instructions after merging adjacent shared loads
  uint64_t model_lsu16, model_lsu32;        // their L1 cycles on an SM with 16 or 32 load/store lanes
  uint64_t model_joined16, model_joined32;  // those of them that a card saves which joins a warp's increments
  uint64_t load_rounds, load_chain;         // epochs with a few global loads; rounds of long load loops
  uint64_t async_waits, async_span;  // epochs that wait for asynchronous copies; epochs since their issue
  uint64_t load_serial;              // rounds of loops whose loads find their address in the load before
  uint64_t dram_ld_bytes, dram_st_bytes;  // shares of the footprint: re-reads by other blocks hit L2
  uint64_t atom_hottest;                  // sum over blocks: cycles of the KiB of memory with most atomics
  uint64_t l1_miss_sectors;               // of global loads: not read by this block a short while before
  uint64_t int_warp_inst;                 // warp-level integer, address and control instructions
  uint64_t frame_bytes;                   // largest stack frame of the kernel, summed over blocks
  uint64_t link_ld_bytes, link_st_bytes;  // of the footprint: host memory, which no cache of the device holds
  uint64_t managed_bytes;                 // of the footprint: managed memory
} sim_counters;

enum { SIM_MOST_TRACED = 3 };
typedef struct sim_launch {
  const char *kernel;    // readable name
  const void *function;  // host address of the plain (untraced) kernel
  sim_dim3 grid, block;
  size_t dynamic_shared;
  int device;
  int registers;       // per thread, 0: unknown (CUSIM_REGISTERS)
  int registers_most;  // per thread, what __launch_bounds__ or -maxrregcount allow; 0: no bound
  bool barriers;       // the kernel was seen to use block barriers
  bool cooperative;    // all blocks live at once and may wait for each other
  uint64_t arguments;  // hash of the arguments but reals; a part of the trace's key (arguments.c)
  unsigned check_op;   // the checker's number of this operation
  bool only_sampled;   // CUSIM_EXECUTE=sampled when it was issued
  int traced_count;    // what sim_trace_plan said
  uint64_t traced[SIM_MOST_TRACED];
} sim_launch;

// Registers per thread that CUSIM_REGISTERS gives this kernel, or 0 (sample.c).
int sim_registers_of(const char *kernel);

// One traced block on one worker thread. The executor calls open, then switch for every change of fiber
// (thread is the linear index in the block, -1 between fibers), the event functions, then close, which adds
// to *sum. Thread-safe: several workers may trace different blocks; all state is per worker. open returns
// false if there is no need to trace this block: it may run as any other.
bool sim_trace_open(const sim_launch *launch, uint64_t block, void *dynamic_shared, size_t dynamic_bytes);
void sim_trace_switch(int thread);
void sim_trace_shared(const void *base, size_t bytes);  // a static __shared__ variable of this block
void sim_trace_barrier(int thread);                     // __syncthreads reached
void sim_trace_warp_op(void);                           // all lanes that take part have come to it
void sim_trace_exit(int thread);                        // the thread returned; optional, bounds the log
// To be called before the atomic, whose hooks are then one. increment: it adds the constant 1.
void sim_trace_atomic(int thread, uintptr_t pc, const void *address, size_t bytes, bool increment);
void sim_trace_flops(int thread, int kind,
                     uint64_t count);  // for what is not inline code: half, tensor (kinds below)
// Asynchronous copies of a thread (see cusim_note_copy).
void sim_trace_copy(int thread, bool begins);
void sim_trace_commit(int thread);
void sim_trace_wait(int thread, unsigned pending);
void sim_trace_close(sim_counters *sum);
bool sim_trace_active(void);  // is this worker inside a traced block?
enum { SIM_FLOP_HALF, SIM_FLOP_TENSOR, SIM_FLOP_TENSOR_TF32, SIM_FLOP_SPECIAL };  // TF32: also TENSOR

// ---------------------------------------------------------------- memory (memory.c), asked by the observer

enum sim_space { SIM_SPACE_OTHER, SIM_SPACE_GLOBAL, SIM_SPACE_SHARED };
typedef struct sim_allocation {
  uintptr_t base;
  size_t bytes;
  int device;       // -1: host memory that devices may touch (pinned, mapped)
  int kind;         // enum sim_memory_kind
  bool freed;       // by cudaFreeAsync, whose stream has not come to it
  bool pooled;      // by cudaMallocAsync
  bool registered;  // the program's own memory, by cudaHostRegister
  unsigned flags;   // of host memory
} sim_allocation;
enum sim_memory_kind {
  SIM_DEVICE,
  SIM_PINNED,
  SIM_MANAGED,
  SIM_SYMBOL,
  SIM_HEAP
};  // SIM_HEAP: malloc in a kernel
// The live allocation holding the address, or false. May be called inside kernels.
bool sim_memory_find(const void *address, sim_allocation *found);
// A module was loaded: its device variables are found from now on. (check_memory.c: by the checker.)
void sim_memory_read_symbols(void);

// ---------------------------------------------------------------- the kernel-time model (model.c)

typedef struct sim_estimate {
  double seconds;                 // device time of the kernel, without queueing
  double low_s, high_s;           // range over clock and unroll assumptions
  const char *limiter;            // "issue", "L1", "L2", "latency", "DRAM", "link", "launch", …
  double occupancy;               // resident warps / maximum
  const char *occupancy_limiter;  // "registers", "shared", "threads", "blocks"
  int sms_used;
  double share;          // of the device while it runs: what kernels of other streams cannot have
  int registers;         // per thread, as known or guessed
  double managed_bytes;  // of managed memory that it touches; negative: not known
} sim_estimate;

// counters: sums over counters->blocks traced blocks, scaled here to the grid.
sim_estimate sim_model_kernel(const sim_card *card, const sim_launch *launch, const sim_counters *counters);
// A library matrix product (cuBLAS): no traced blocks, a roofline with the card's measured library fraction.
sim_estimate sim_model_gemm(const sim_card *card, int64_t m, int64_t n, int64_t k, int element_bytes,
                            bool tensor);
int sim_occupancy_blocks(const sim_card *card, int threads, int registers, size_t shared,
                         const char **limiter);

// ---------------------------------------------------------------- virtual time (clock.c)

// All times are seconds since the process started, in virtual time; each host thread has its own host clock.
// Every function is deterministic in the order of calls of one host thread. A stream's operations are serial;
// kernels of one device overlap only across streams and share its SMs; each device has one engine per
// direction of copy and one for outgoing peer traffic.
enum sim_engine { SIM_COMPUTE, SIM_COPY_H2D, SIM_COPY_D2H, SIM_COPY_PEER, SIM_HOST_FUNCTION, SIM_HOST_RANGE };
typedef struct sim_timeline sim_timeline;  // one stream

sim_timeline *sim_timeline_create(int device, const char *name);
void sim_timeline_destroy(sim_timeline *);
double sim_host_now(void);            // this host thread's clock
void sim_host_spend(double seconds);  // the host does something for that long (a launch call, say)
void sim_host_wait(double until);     // the host waits: clock becomes at least `until`
// The same for work of a device: threads that turn to the device later come after it (a thread started when
// this one has ended, say).
void sim_host_wait_device(int device, double until);
double sim_timeline_tail(const sim_timeline *);        // when the last operation ends
void sim_timeline_wait(sim_timeline *, double until);  // the next operation starts no earlier (event wait)
// Appends one operation that becomes ready when the host has issued it and the stream's tail is done, and
// returns its end. share: fraction of the device that the kernel takes (1 for copies).
double sim_timeline_push(sim_timeline *, enum sim_engine, int device, double seconds, double share,
                         const char *label);
// The same for an operation that the host issued at `issued` and that runs now (streams that run lazily).
double sim_timeline_push_at(sim_timeline *, enum sim_engine, int device, double issued, double seconds,
                            double share, const char *label);
double sim_copy_seconds(const sim_link *, size_t bytes);
// A range of this host thread in virtual time (NVTX) or, with from == to, a mark: for the timeline only.
void sim_host_range(const char *label, double from, double to);
void sim_trace_export(void);  // CUSIM_TIMELINE=file.json: Chrome trace, written at exit

// ---------------------------------------------------------------- reports (profile.c)

// Called once per launch with the scaled-up view of it; prints at exit if CUSIM_PROFILE is set
// (1: table on stderr; a name ending in .csv or .json: that file).
void sim_profile_launch(const sim_launch *, const sim_counters *, const sim_estimate *);

// The same with the bookkeeping done: counters of a launch that was traced now (NULL or blocks == 0: not
// traced, so those of the last traced launch of the same kernel and shape are used), modelled, and recorded
// for the report.
sim_estimate sim_observe_launch(const sim_launch *, const sim_counters *traced);

// The same for a library's matrix product, which nothing traces.
sim_estimate sim_observe_gemm(const char *name, int64_t m, int64_t n, int64_t k, int element_bytes,
                              bool tensor);

// How many and which blocks of a grid to trace: CUSIM_TRACE=auto|all|off. Fills up to `most` block indices,
// returns how many. auto: the middle, first and last block, once per (kernel, grid, block, shared, device)
// key. Returns -1 for every block of the grid (all).
int sim_trace_plan(const sim_launch *, uint64_t *blocks, int most);
// How many blocks of the grid a traced one stands for: with auto, the middle one for all but the first and
// the last, or, where it was traced alone, for all.
uint64_t sim_trace_weight(const sim_launch *, uint64_t block, bool alone);
// Are blocks of this grid sampled, the middle one first? Then the rest may be left out if that one is long.
bool sim_trace_sampling(const sim_launch *);

#ifdef __cplusplus
}
#endif
#endif
