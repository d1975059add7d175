// SPDX-License-Identifier: MIT
// Constant and device variables, with exec_symbols_other.cu: static variables of the same name are apart.
#include "exec_check.h"

#include "exec_symbols.h"

struct settings {
  float scale;
  int offset;
};

__constant__ settings chosen;
__constant__ float weights[5] = {1, 2, 3, 4, 5};
__device__ int counter = 40, second = 2;
__device__ double table[3][4];
static __device__ int shared_name = 11;
namespace deep {
__device__ unsigned inside[2] = {7, 8};
}

template <class T>
__constant__ T window[3];
template <class T, int N>
__device__ T sums[N] = {1};
template <>
__device__ double sums<double, 2>[2] = {5, 6};
namespace deep {
template <class T>
__device__ const T half_of = T(1) / 2;  // no memory of the device's
}

template <class T>
__global__ void use_templates() {
  __shared__ T part[(int)(4 * deep::half_of<T>)];
  part[1] = window<T>[2] + deep::half_of<T>;
  sums<T, 2>[1] += part[1];
}

template <class T>
static void check_templates(double first, double second) {
  const T host[3] = {1, 2, 3};
  T back[2];
  size_t bytes;
  void *address;
  CHECK(cudaMemcpyToSymbol(window<T>, host, sizeof host));
  use_templates<T><<<1, 1>>>();
  CHECK(cudaMemcpyFromSymbol(back, (sums<T, 2>), sizeof back));
  EXPECT(back[0] == (T)first && back[1] == (T)second, "%f %f", (double)back[0], (double)back[1]);
  CHECK(cudaGetSymbolSize(&bytes, window<T>));
  EXPECT(bytes == sizeof host, "%zu", bytes);
  CHECK(cudaGetSymbolAddress(&address, (sums<T, 2>)));
}

__global__ void use_symbols(float *out) {
  const int t = threadIdx.x;
  out[t] = weights[t] * chosen.scale + chosen.offset;
  if (t == 0) atomicAdd(&counter, second);
  if (t < 3) table[t][3] = t + 0.5;
  if (t == 0) deep::inside[1] += deep::inside[0];
  if (t == 0) shared_name++;
}

int main(void) {
  const settings s = {2.0f, -1};
  float host[5], *out, weight = 50, back = 0;
  int count = 0, mine = 0;
  CHECK(cudaMalloc(&out, sizeof host));
  CHECK(cudaMemcpyToSymbol(chosen, &s, sizeof s));
  CHECK(cudaMemcpyToSymbol(weights, &weight, sizeof weight, 4 * sizeof weight));
  use_symbols<<<1, 5>>>(out);
  CHECK(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost));
  for (int i = 0; i < 5; i++) EXPECT(host[i] == (i == 4 ? 50 : i + 1) * 2 - 1, "[%d] is %f", i, host[i]);
  CHECK(cudaMemcpyFromSymbol(&back, weights, sizeof back, 4 * sizeof back));
  EXPECT(back == 50, "%f", back);
  CHECK(cudaMemcpyFromSymbol(&count, counter, sizeof count));
  EXPECT(count == 42, "%d", count);

  double rows[3][4];
  void *address;
  size_t bytes;
  CHECK(cudaMemcpyFromSymbol(rows, table, sizeof rows));
  CHECK(cudaGetSymbolAddress(&address, table));
  CHECK(cudaGetSymbolSize(&bytes, table));
  EXPECT(bytes == sizeof rows, "%zu", bytes);
  for (int i = 0; i < 3; i++) EXPECT(rows[i][3] == i + 0.5 && rows[i][0] == 0, "[%d] is %f", i, rows[i][3]);
  CHECK(cudaMemset(address, 0, sizeof rows));
  CHECK(cudaMemcpyFromSymbol(rows, table, sizeof rows));
  EXPECT(rows[2][3] == 0, "%f", rows[2][3]);
  unsigned inside[2];
  CHECK(cudaMemcpyFromSymbol(inside, deep::inside, sizeof inside));
  EXPECT(inside[1] == 15, "%u", inside[1]);

  CHECK(cudaMemcpyFromSymbol(&mine, shared_name, sizeof mine));
  const int others = bump_other();
  EXPECT(mine == 12 && others == 32, "%d %d", mine, others);

  check_templates<float>(1, 3.5);
  check_templates<double>(5, 9.5);

  EXPECT(cudaMemcpyToSymbol(weights, &weight, sizeof weight, 5 * sizeof weight) == cudaErrorInvalidValue,
         "past the end");
  (void)cudaGetLastError();
  FINISH();
}
