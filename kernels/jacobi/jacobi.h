// SPDX-License-Identifier: MIT
// A sweep of Jacobi's iteration for Laplace's equation: every cell of a block becomes the mean of its four
// neighbours. Rows lie `pitch` floats apart; `from` and `to` point to the first cell of the block, whose
// neighbours outside of it are there, too. Sums first, then one exact multiplication: the same bits from
// every compiler, on every device and in any order of the cells.
#ifndef HEDDLE_KERNELS_JACOBI_H
#define HEDDLE_KERNELS_JACOBI_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// By the calling thread.
void hd_jacobi_block(const float *from, float *to, long pitch, long rows, long columns);

// The same by the current GPU, in device memory; stream: a cudaStream_t.
void hd_jacobi_block_cuda(const float *from, float *to, long pitch, long rows, long columns, void *stream);

// A grid to start from, between 0 and 1. Neighbours differ, so that a cell or a border that is not the right
// one shows at once.
void hd_jacobi_fill(float *grid, size_t count, uint64_t seed);

// What results are checked against: `count` numbers of `initial`, and in them `sweeps` sweeps in double
// precision over a block of rows × columns cells whose first one is number `first`.
void hd_jacobi_reference(const float *initial, double *result, size_t count, size_t first, long pitch,
                         long rows, long columns, int sweeps);

#ifdef __cplusplus
}
#endif
#endif
