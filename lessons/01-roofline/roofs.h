// SPDX-License-Identifier: MIT
// The two roofs, measured between the runs: what this machine can do now, not what a data sheet says. On a
// GPU they are the data sheet's (its attributes).
#ifndef ROOFS_H
#define ROOFS_H
#include "heddle/bench.h"

// Measures both roofs with the threads of the case, unless it did within the last 0.2 s, and reports the best
// so far as figures roof_flops and roof_bytes (per second). Untimed: a variant's `before`.
void roofs_measure(hd_case *c);

// The roofline as a time: the slower of `flops` at the arithmetic roof and `bytes` at the memory roof. NaN if
// nothing was measured.
double roofs_bound_s(const hd_case *c, double flops, double bytes);

#endif
