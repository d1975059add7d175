// SPDX-License-Identifier: MIT
// What a message between two ranks takes, measured: latency + bytes / bandwidth.
#ifndef HEDDLE_KERNELS_NN_LINK_H
#define HEDDLE_KERNELS_NN_LINK_H
#include <stdbool.h>
#include <stddef.h>

// From round trips of one float and of `count` ≥ 2 floats between two ranks: seconds, and bytes per second.
// Returns 0, or -1 with hd_comm_error_text().
int hd_link_cost(bool on_gpu, size_t count, double *latency, double *bandwidth);
#endif
