// SPDX-License-Identifier: MIT
// Kernels of known speed on hardware, in the compiler's C instead of CUDA's: what simnvcc would make of them.
#ifndef OBSERVE_LADDER_H
#define OBSERVE_LADDER_H

typedef struct {
  unsigned x, y;
} index2;
extern index2 thread_index, block_index;  // of the running fiber
extern float tile_a[2048], tile_b[2048];  // __shared__, as much as the largest kernel takes
void barrier(void);

// C = A B, n x n, row by row; n is a multiple of 128.
typedef void ladder_kernel(const float *a, const float *b, float *c, int n);
ladder_kernel sgemm_naive, sgemm_coalesced, sgemm_shared, sgemm_tile1d, sgemm_tile2d, sgemm_vector,
    sgemm_warptile;
// C = A transposed, blocks of 32 x 32 threads.
ladder_kernel transpose_naive, transpose_tiled, transpose_padded;
#endif
