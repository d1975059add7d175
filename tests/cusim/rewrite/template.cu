// SPDX-License-Identifier: MIT
// A variable template in device memory that no other file could mean, and what only looks like one.
template <class T, int N = 3>
__device__ T same(T x) { return x; }
namespace {
template <class T>
__constant__ T table[10];
}
template <class T>
struct less {
  __device__ bool operator<(const less &) const { return false; }
};
__global__ void k(float *x) { x[0] = table<float>[1] + same(2.0f); }
