// SPDX-License-Identifier: MIT
// What the observing half of cusim shares inside itself: hooks.c feeds trace.c, which asks decode.c what a
// basic block holds and hands its sites to profile.c, which asks lines.c where they are in the source.
#ifndef CUSIM_OBSERVE_H
#define CUSIM_OBSERVE_H
#include "sim.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---------------------------------------------------------------- request.c

enum { SIM_LANES = 32 };
// One memory instruction of one warp: the lanes in mask touch these addresses, all with the same number of
// bytes.
typedef struct sim_request {
  uintptr_t address[SIM_LANES];
  uint32_t mask;
} sim_request;

// Distinct values of `address >> shift` over all bytes touched, in ascending order into unit[0 … 2 ·
// SIM_LANES - 1]: 32-byte sectors with shift 5, 128-byte lines with 7. Returns how many.
unsigned sim_request_units(const sim_request *, unsigned bytes, unsigned shift, uintptr_t *unit);
// Shared-memory wavefronts as a profiler counts them, and what they would be without bank conflicts.
unsigned sim_request_wavefronts(const sim_request *, unsigned bytes, unsigned *ideal);
// Wavefronts as the time model counts them: phases whose lanes repeat each other's addresses are served
// together.
unsigned sim_request_paired_wavefronts(const sim_request *, unsigned bytes);
// The largest number of lanes with the same address.
unsigned sim_request_degree(const sim_request *);

// SIM_INCREMENT: an atomic that adds the constant 1. In shared memory it is an instruction of its own.
enum sim_access { SIM_LOAD, SIM_STORE, SIM_ATOMIC, SIM_INCREMENT };

// ---------------------------------------------------------------- trace.c, called by hooks.c

typedef struct sim_trace sim_trace;  // one worker's log of the block it traces

// Non-NULL while this worker is inside a traced block. Hooks test it first: outside they cost one load and a
// branch.
extern _Thread_local sim_trace *sim_trace_current __attribute__((tls_model("initial-exec")));

void sim_trace_access(uintptr_t pc, const void *address, size_t bytes, enum sim_access access);
void sim_trace_basic_block(const void *pc);
void sim_trace_frame(size_t bytes);  // stack bytes of a function that was just entered

// Called with every basic block of a traced thread, that it may give way to others. (block.c)
void sim_traced_step(void);
// (block.c) The running thread is about to touch volatile memory. If that is shared memory, the other lanes
// of its warp come to their next such access first: programs from before __syncwarp() rely on lanes that run
// in step.
void sim_lanes_in_step(const void *address);

// ---------------------------------------------------------------- decode.c

// What one execution of a basic block does, by one thread.
typedef struct sim_block_work {
  unsigned sp_add, sp_mul, sp_fma, dp_add, dp_mul, dp_fma;  // lanes of packed instructions counted one by one
  unsigned special;                                         // division, square root, reciprocal
  unsigned fp_sp, fp_dp;                                    // floating-point instructions of the six kinds
  unsigned integer;                                         // integer, address and control instructions
  unsigned logic;  // those of them that count no loop and make no address: products, shifts, bits
  unsigned instructions;
} sim_block_work;

// pc: what __sanitizer_cov_trace_pc returns to. Without capstone all counts are zero.
sim_block_work sim_decode_block(const void *pc);
bool sim_decode_available(void);
bool sim_decode_incomplete(void);  // an instruction that capstone does not know has ended a block early

// ---------------------------------------------------------------- called.c

// The name of the function that a call to this address runs, or NULL.
const char *sim_called_name(uintptr_t target);
// Adds what a GPU does for it; false if it is none of the math library's.
bool sim_called_work(const char *name, sim_block_work *);

// ---------------------------------------------------------------- lines.c

// Writes "file.cu:12" (the file's last path component) into text, or "0x1234" where there is no debug
// information.
void sim_line_name(uintptr_t pc, char *text, size_t bytes);
// The function that pc returns into, as it is called in the symbol table; false if that is not known.
bool sim_symbol_name(uintptr_t pc, char *text, size_t bytes);
bool sim_lines_available(void);

// ---------------------------------------------------------------- profile.c

// One access site of the traced blocks of one kernel.
typedef struct sim_site {
  uintptr_t pc;
  enum sim_space space;
  enum sim_access access;
  unsigned bytes;                                                // per lane
  uint64_t requests, sectors, wavefronts, ideal, lanes, degree;  // degree: of atomics
} sim_site;

bool sim_profile_wants_sites(void);
// Processor time in which a block was traced, for the report of what tracing costs.
void sim_profile_traced(double seconds);
void sim_profile_sites(const char *kernel, const sim_site *sites, size_t count);  // adds; thread-safe

#ifdef __cplusplus
}
#endif
#endif
