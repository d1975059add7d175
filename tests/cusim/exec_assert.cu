// SPDX-License-Identifier: MIT
// assert in a kernel: the grid ends, the error stays, the program goes on.
#include <assert.h>

#include "exec_check.h"

__global__ void odd_block_fails(int *out) {
  assert(blockIdx.x != 77 || threadIdx.x != 3);
  out[blockIdx.x * blockDim.x + threadIdx.x] = 1;
}

int main() {
  int *out;
  CHECK(cudaMalloc(&out, 100 * 32 * sizeof *out));
  odd_block_fails<<<50, 32>>>(out);
  CHECK(cudaDeviceSynchronize());
  odd_block_fails<<<100, 32>>>(out);
  const cudaError_t first = cudaDeviceSynchronize(), again = cudaMemset(out, 0, 4);
  EXPECT(first == cudaErrorAssert, "%s", cudaGetErrorName(first));
  EXPECT(again == cudaErrorAssert, "%s", cudaGetErrorName(again));
  EXPECT(cudaGetLastError() == cudaErrorAssert, "not kept");
  EXPECT(cudaGetLastError() == cudaErrorAssert, "not sticky");
  FINISH();
}
