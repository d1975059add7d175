// SPDX-License-Identifier: MIT
// The one kernel of collectives between GPUs.
#include <cuda_bf16.h>

#include "comm_cuda.h"
#include "heddle/device.h"

enum {
  BLOCK = 256,
  MOST_BLOCKS = 1056,  // eight for each multiprocessor of the largest card: all the threads it holds
};

// How an element is summed: bf16 in fp32, whole numbers without sign, so that they wrap.
__device__ static inline float to_sum(float x) {
  return x;
}
__device__ static inline unsigned to_sum(int x) {
  return (unsigned)x;
}
__device__ static inline float to_sum(__nv_bfloat16 x) {
  return __bfloat162float(x);
}
__device__ static inline void from_sum(float *to, float sum) {
  *to = sum;
}
__device__ static inline void from_sum(int *to, unsigned sum) {
  *to = (int)sum;
}
__device__ static inline void from_sum(__nv_bfloat16 *to, float sum) {
  *to = __float2bfloat16(sum);
}
__device__ static inline bool greater(float a, float b) {
  return a > b;
}
__device__ static inline bool greater(unsigned a, unsigned b) {
  return (int)a > (int)b;
}

// out[i] = rank 0's [i] op rank 1's [i] op …: bitwise what one processor would compute. A NaN is kept.
// Plain arguments, not hd_gpu_terms: the simulator tells launches apart by their whole numbers.
template <class T>
__global__ static void __launch_bounds__(BLOCK, 4)
    add_ranks(const T *others, const T *own, size_t slot, int rank, int world, T *out, size_t count,
              enum hd_reduce_op op) {
  const size_t stride = (size_t)gridDim.x * blockDim.x;
  for (size_t i = (size_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride) {
    auto sum = to_sum(rank == 0 ? own[i] : others[i]);
    for (int r = 1; r < world; r++) {
      const auto x = to_sum(r == rank ? own[i] : others[(size_t)r * slot + i]);
      if (op == HD_SUM)
        sum += x;
      else if (op == HD_MAX)
        sum = greater(x, sum) || x != x ? x : sum;
      else
        sum = greater(sum, x) || x != x ? x : sum;
    }
    from_sum(&out[i], sum);
  }
}

template <class T>
static void launch(const hd_gpu_terms *t, T *out, size_t count, enum hd_reduce_op op, cudaStream_t stream) {
  const size_t needed = (count + BLOCK - 1) / BLOCK, most = MOST_BLOCKS;
  const unsigned blocks = (unsigned)(needed < most ? needed : most);
  add_ranks<<<blocks, BLOCK, 0, stream>>>((const T *)t->others, (const T *)t->own, t->slot, t->rank, t->world,
                                          out, count, op);
  HD_LAUNCHED();
}

void hd_gpu_add(hd_gpu_terms t, void *out, size_t count, enum hd_reduce_op op, cudaStream_t stream) {
  if (count == 0 || (t.world == 1 && t.own == out)) return;
  if (t.type == HD_F32)
    launch(&t, (float *)out, count, op, stream);
  else if (t.type == HD_I32)
    launch(&t, (int *)out, count, op, stream);
  else
    launch(&t, (__nv_bfloat16 *)out, count, op, stream);
}
