// SPDX-License-Identifier: MIT
// The inputs of the three computations, and their results in double precision.
#ifndef FUSION_CASE_H
#define FUSION_CASE_H
#include "fusion.h"

// Rows of c->size numbers, about `elements` in all.
void setup_rows(hd_case *c, enum part part, long elements);
hd_run teardown_rows;
hd_run reference_softmax, reference_norm;

// As many heads of n queries and keys.
void setup_attention(hd_case *c, long heads, long n);
hd_run teardown_attention, reference_attention;
#endif
