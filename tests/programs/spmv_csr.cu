// SPDX-License-Identifier: MIT
// Sparse matrix times vector, CSR: one thread per row, and a group of lanes per row as a template parameter.
#include <cmath>
#include <cstdio>
#include <vector>

template <typename T>
struct CsrView {
  int rows;
  const int *begin, *column;
  const T *value;
};

template <typename T>
__global__ void scalar_rows(CsrView<T> a, const T *__restrict__ x, T *__restrict__ y) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  if (row < a.rows) {
    T sum{};
    for (int k = a.begin[row]; k < a.begin[row + 1]; ++k) sum += a.value[k] * x[a.column[k]];
    y[row] = sum;
  }
}

template <int LANES, typename T>
__global__ void vector_rows(CsrView<T> a, const T *__restrict__ x, T *__restrict__ y) {
  const int row = (blockIdx.x * blockDim.x + threadIdx.x) / LANES, lane = threadIdx.x % LANES;
  T sum{};
  if (row < a.rows)
    for (int k = a.begin[row] + lane; k < a.begin[row + 1]; k += LANES) sum += a.value[k] * x[a.column[k]];
#pragma unroll
  for (int d = LANES / 2; d > 0; d /= 2) sum += __shfl_down_sync(0xffffffff, sum, d, LANES);
  if (row < a.rows && lane == 0) y[row] = sum;
}

template <typename T>
static T *upload(const std::vector<T> &host) {
  T *p;
  cudaMalloc(&p, sizeof(T) * host.size());
  cudaMemcpy(p, host.data(), sizeof(T) * host.size(), cudaMemcpyDefault);
  return p;
}

int main() {
  const int rows = 777, columns = 555;
  std::vector<int> begin{0}, column;
  std::vector<double> value, x(columns), y(rows);
  for (int i = 0; i < rows; i++) {
    for (int k = 0; k < i * i % 41; k++)
      column.push_back((i * 7 + k * 13) % columns), value.push_back(1.0 / (1 + (i + k) % 9));
    begin.push_back(static_cast<int>(column.size()));
  }
  for (int i = 0; i < columns; i++) x[i] = i % 10 - 4.5;
  const int *d_begin = upload(begin), *d_column = upload(column);
  const double *d_value = upload(value), *d_x = upload(x);
  double *d_y = upload(y);
  const CsrView<double> a{rows, d_begin, d_column, d_value};
  double worst = 0;
  for (int version = 0; version < 3; version++) {
    cudaMemset(d_y, 0xff, rows * sizeof(double));
    switch (version) {
      case 0:
        scalar_rows<<<(rows + 95) / 96, 96>>>(a, d_x, d_y);
        break;
      case 1:
        vector_rows<8><<<(rows * 8 + 127) / 128, 128>>>(a, d_x, d_y);
        break;
      default:
        vector_rows<32, double><<<(rows * 32 + 255) / 256, 256>>>(a, d_x, d_y);
        break;
    }
    cudaMemcpy(y.data(), d_y, rows * sizeof(double), cudaMemcpyDeviceToHost);
    for (int i = 0; i < rows; i++) {
      double exact = 0;
      for (int k = begin[i]; k < begin[i + 1]; k++) exact += value[k] * x[column[k]];
      const double error = std::fabs(exact - y[i]);
      if (!(error <= worst)) worst = error;
    }
  }
  for (const void *p : {(const void *)d_begin, (const void *)d_column, (const void *)d_value,
                        (const void *)d_x, (const void *)d_y})
    cudaFree(const_cast<void *>(p));
  const bool good = worst < 1e-12 && cudaGetLastError() == cudaSuccess;
  std::printf("spmv_csr: max error %g: %s\n", worst, good ? "PASS" : "FAIL");
  return good ? 0 : 1;
}
