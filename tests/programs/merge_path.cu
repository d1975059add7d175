// SPDX-License-Identifier: MIT
// Merge of two sorted arrays: each thread finds its diagonal's crossing by binary search; any order, by a
// functor.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

struct Smaller {
  template <class T>
  __host__ __device__ bool operator()(const T &a, const T &b) const {
    return a < b;
  }
};
struct Greater {
  template <class T>
  __host__ __device__ bool operator()(const T &a, const T &b) const {
    return b < a;
  }
};

template <class T, class Before>
__device__ int crossing(const T *a, int na, const T *b, int nb, int diagonal, Before before) {
  int low = max(0, diagonal - nb), high = min(diagonal, na);
  while (low < high) {
    const int middle = (low + high) / 2;
    if (before(b[diagonal - 1 - middle], a[middle]))
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

template <int ITEMS, class T, class Before>
__global__ void merge(const T *a, int na, const T *b, int nb, T *out, Before before) {
  const int first = (blockIdx.x * blockDim.x + threadIdx.x) * ITEMS;
  if (first >= na + nb) return;
  int i = crossing(a, na, b, nb, first, before), j = first - i;
  for (int k = first; k < min(first + ITEMS, na + nb); k++) {
    const bool from_b = i >= na || (j < nb && before(b[j], a[i]));
    out[k] = from_b ? b[j++] : a[i++];
  }
}

template <class T, class Before>
static int test(int na, int nb, Before before) {
  std::vector<T> a(na), b(nb), exact(na + nb), found(na + nb);
  for (int i = 0; i < na; i++) a[i] = static_cast<T>(i * 37 % 101);
  for (int i = 0; i < nb; i++) b[i] = static_cast<T>(i * 53 % 97);
  std::sort(a.begin(), a.end(), before);
  std::sort(b.begin(), b.end(), before);
  std::merge(a.begin(), a.end(), b.begin(), b.end(), exact.begin(), before);
  T *d_a, *d_b, *d_out;
  cudaMalloc(&d_a, (na + 1) * sizeof(T));
  cudaMalloc(&d_b, (nb + 1) * sizeof(T));
  cudaMalloc(&d_out, (na + nb) * sizeof(T));
  cudaMemcpy(d_a, a.data(), na * sizeof(T), cudaMemcpyHostToDevice);
  cudaMemcpy(d_b, b.data(), nb * sizeof(T), cudaMemcpyHostToDevice);
  constexpr int items = 5, threads = 32;
  const int blocks = (na + nb + items * threads - 1) / (items * threads);
  merge<items><<<blocks, threads>>>(d_a, na, d_b, nb, d_out, before);
  int wrong =
      cudaMemcpy(found.data(), d_out, found.size() * sizeof(T), cudaMemcpyDeviceToHost) != cudaSuccess;
  for (size_t k = 0; k < found.size(); k++) wrong += found[k] != exact[k];
  cudaFree(d_a);
  cudaFree(d_b);
  cudaFree(d_out);
  return wrong;
}

int main() {
  const int wrong = test<int>(500, 777, Smaller()) + test<double>(0, 33, Smaller{}) +
                    test<short>(301, 1, Greater{}) + test<unsigned long long>(1024, 1024, Greater());
  std::printf("merge_path: %d wrong: %s\n", wrong, wrong ? "FAIL" : "PASS");
  return wrong ? 1 : 0;
}
