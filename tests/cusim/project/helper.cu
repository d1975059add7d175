// SPDX-License-Identifier: MIT
__device__ int helper(int a) {
  return a + 100;
}
