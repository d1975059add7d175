// SPDX-License-Identifier: MIT
// The CPU's measured roofs, taken again and again between measurements: on a shared machine only ratios of
// the same run mean anything.
#ifndef HEDDLE_ROOF_H
#define HEDDLE_ROOF_H

// Bytes/s of the faster of two ways to stream through arrays far larger than the caches, 12 bytes an element
// either way: STREAM's triad with streaming stores, and an update in place. By `threads` threads, the best of
// a few short passes (~20 ms).
double hd_roof_bytes(int threads);

// The same for work that only reads: bytes/s of loads alone, over arrays as large.
double hd_roof_read(int threads);

// fp32 FLOP/s of independent fused multiply-adds in registers, by `threads` threads (~5 ms).
double hd_roof_flops(int threads);

// The same, the best of three samples and of all earlier calls: a neighbour on the machine can only make a
// roof look lower. Threads beyond the cores add nothing.
double hd_roof_flops_best(int threads);

// One-way latency in nanoseconds of a cache line bounced between two threads for about 2 ms; 0 on one CPU.
double hd_ping_pong_ns(void);

// The name of what a ping-pong tells of the minute it was taken in: "SAME" (below 100 ns: the two cores share
// a last-level cache), "CROSS" (they don't), "BUSY" (above 1 µs: the cores were not ours alone), "" for 0.
const char *hd_mood(double ping_pong_ns);

// The SIMD extension the roofs and kernels were compiled for: "AVX-512", "AVX2", "NEON", "SSE2", "none".
const char *hd_simd(void);

#endif
