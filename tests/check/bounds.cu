// SPDX-License-Identifier: MIT
// Addresses that are wrong: outside of an allocation, not aligned to the access, not the device's at all.
#include "planted.h"

enum { THREADS = 64, N = 200, WIDTH = 30, HEIGHT = 12, BLOCKS = (N + THREADS - 1) / THREADS };

// A kernel from n numbers to n results.
typedef void map(const int *in, int *out, int n);
static int wrong_of(map *kernel, int blocks, int (*expected)(int)) {
  int *in = device_numbers(N), *out = device_zeros(N), host[N], wrong = 0;
  kernel<<<blocks, THREADS>>>(in, out, N);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) wrong += host[i] != expected(i);
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}
static int same(int i) {
  return i;
}
static int successor(int i) {
  return i + 1 < N ? i + 1 : i;
}
static int predecessor(int i) {
  return i > 0 ? i - 1 : 0;
}

// CASE no_guard: The grid is rounded up to whole blocks, so the last one has threads behind the end of the
// array: without `if (i < n)` they read and write there.
static __global__ void no_guard_bug(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  (void)n;
  out[i] = in[i];  // BUG: out-of-bounds
}
static __global__ void no_guard_twin(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i];
}
static int no_guard(int bug) {
  return wrong_of(bug ? no_guard_bug : no_guard_twin, BLOCKS, same);
}

// CASE less_or_equal: `i <= n` lets one thread too many through: n elements end at index n - 1.
static __global__ void less_or_equal_bug(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i <= n) out[i] = in[i];  // BUG: out-of-bounds
}
static __global__ void less_or_equal_twin(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i <= n - 1) out[i] = in[i];
}
static int less_or_equal(int bug) {
  return wrong_of(bug ? less_or_equal_bug : less_or_equal_twin, BLOCKS, same);
}

// CASE right_edge: The stencil reads its right neighbour, and the last element has none.
static __global__ void right_edge_bug(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i + 1];  // BUG: out-of-bounds
}
static __global__ void right_edge_twin(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i + 1 < n ? i + 1 : i];
}
static int right_edge(int bug) {
  return wrong_of(bug ? right_edge_bug : right_edge_twin, BLOCKS, successor);
}

// CASE left_edge: Element 0 has no left neighbour: index -1 lies in front of the array.
static __global__ void left_edge_bug(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i - 1];  // BUG: out-of-bounds
}
static __global__ void left_edge_twin(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i > 0 ? i - 1 : 0];
}
static int left_edge(int bug) {
  return wrong_of(bug ? left_edge_bug : left_edge_twin, BLOCKS, predecessor);
}

// CASE unsigned_underflow: threadIdx.x is unsigned, so 0 - 1 is 4294967295 and max(i - 1, 0u) holds nothing
// back.
static __global__ void unsigned_underflow_bug(const int *in, int *out, int n) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < (unsigned)n) out[i] = in[max(i - 1, 0u)];  // BUG: out-of-bounds|illegal-address
}
static __global__ void unsigned_underflow_twin(const int *in, int *out, int n) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < (unsigned)n) out[i] = in[max(i, 1u) - 1];
}
static int unsigned_underflow(int bug) {
  return wrong_of(bug ? unsigned_underflow_bug : unsigned_underflow_twin, BLOCKS, predecessor);
}

// CASE wrong_stride: Columns are addressed with the number of rows as the stride: an image that is not square
// is left at its end.
static __global__ void wrong_stride_bug(const int *in, int *out, int width, int height) {
  const int x = threadIdx.x, y = blockIdx.x;
  if (x < width && y < height) out[y * width + x] = in[x * width + y];  // BUG: out-of-bounds
}
static __global__ void wrong_stride_twin(const int *in, int *out, int width, int height) {
  const int x = threadIdx.x, y = blockIdx.x;
  if (x < width && y < height) out[y * width + x] = in[x * height + y];
}
// CASE guard_on_x_only: The grid is rounded up in both directions, the guard looks at one of them: rows below
// the image are written.
static __global__ void guard_on_x_only_bug(const int *in, int *out, int width, int height) {
  const int x = threadIdx.x, y = blockIdx.x;
  if (x < width) out[y * width + x] = in[x * height + y % height];  // BUG: out-of-bounds
}
static __global__ void guard_on_x_only_twin(const int *in, int *out, int width, int height) {
  const int x = threadIdx.x, y = blockIdx.x;
  if (x < width && y < height) out[y * width + x] = in[x * height + y];
}
static int wrong_of_transpose(void (*kernel)(const int *, int *, int, int)) {
  int *in = device_numbers(WIDTH * HEIGHT), *out = device_zeros(WIDTH * HEIGHT), host[WIDTH * HEIGHT];
  int wrong = 0;
  kernel<<<HEIGHT + 4, 32>>>(in, out, WIDTH, HEIGHT);
  finish();
  fetch(host, out, WIDTH * HEIGHT);
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) wrong += host[y * WIDTH + x] != x * HEIGHT + y;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}
static int wrong_stride(int bug) {
  return wrong_of_transpose(bug ? wrong_stride_bug : wrong_stride_twin);
}
static int guard_on_x_only(int bug) {
  return wrong_of_transpose(bug ? guard_on_x_only_bug : guard_on_x_only_twin);
}

// CASE short_index: A 16-bit index ends at 32767; the next element gets index -32768, far in front of the
// array.
static __global__ void short_index_bug(int *data, int n) {
  for (short i = (short)(blockIdx.x * blockDim.x + threadIdx.x); i < n;) {
    data[i] += 1;  // BUG: out-of-bounds
    break;
  }
}
static __global__ void short_index_twin(int *data, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) data[i] += 1;
}
static int short_index(int bug) {
  void (*kernel)(int *, int) = bug ? short_index_bug : short_index_twin;
  enum { MANY = 33000 };
  static int host[MANY];
  int *data = device_numbers(MANY), wrong = 0;
  kernel<<<bug ? MANY / 256 + 1 : 16, 256>>>(data, MANY);
  finish();
  fetch(host, data, MANY);
  for (int i = 0; i < MANY; i++) wrong += host[i] != i + 1;
  CHECK(cudaFree(data));
  return wrong;
}

// CASE shared_end: The tile has room for the block's own elements but not for the right halo, which the last
// thread stores behind the tile's end.
static __global__ void shared_end_bug(const int *in, int *out, int n) {
  __shared__ int tile[THREADS];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  if (i < n) tile[t] = in[i];
  if (t + 1 == (int)blockDim.x && i + 1 < n) tile[t + 1] = in[i + 1];  // BUG: out-of-bounds
  __syncthreads();
  if (i < n) out[i] = i + 1 < n ? tile[t + 1] : in[i];  // BUG: out-of-bounds
}
static __global__ void shared_end_twin(const int *in, int *out, int n) {
  __shared__ int tile[THREADS + 1];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  if (i < n) tile[t] = in[i];
  if (t + 1 == (int)blockDim.x && i + 1 < n) tile[t + 1] = in[i + 1];
  __syncthreads();
  if (i < n) out[i] = i + 1 < n ? tile[t + 1] : in[i];
}
static int shared_end(int bug) {
  return wrong_of(bug ? shared_end_bug : shared_end_twin, BLOCKS, successor);
}

// CASE dynamic_in_elements: The size of dynamic shared memory is in bytes; given in elements, it holds a
// quarter of the tile.
static __global__ void dynamic_in_elements_any(const int *in, int *out, int n) {
  extern __shared__ int tile_of_any_size[];
  const int t = threadIdx.x, i = blockIdx.x * THREADS + t;
  tile_of_any_size[t] = i < n ? in[i] : 0;  // BUG: out-of-bounds
  __syncthreads();
  if (i < n) out[i] = tile_of_any_size[t];
}
static int dynamic_in_elements(int bug) {
  const size_t bytes = bug ? (size_t)THREADS : THREADS * sizeof(int);
  int *in = device_numbers(N), *out = device_zeros(N), host[N], wrong = 0;
  dynamic_in_elements_any<<<BLOCKS, THREADS, bytes>>>(in, out, N);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) wrong += host[i] != i;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE vector_tail: Four elements at a time, rounded up: the last vector reaches over the end of an array
// whose size is no multiple of four.
static __global__ void vector_tail_bug(const int *in, int *out, int n) {
  const int i = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) *(int4 *)&out[i] = *(const int4 *)&in[i];  // BUG: out-of-bounds
}
static __global__ void vector_tail_twin(const int *in, int *out, int n) {
  const int i = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
  if (i + 3 < n)
    *(int4 *)&out[i] = *(const int4 *)&in[i];
  else
    for (int k = i; k < n; k++) out[k] = in[k];
}
static int vector_tail(int bug) {
  map *kernel = bug ? vector_tail_bug : vector_tail_twin;
  const int n = N - 2;
  int *in = device_numbers(n), *out = device_zeros(n), host[N], wrong = 0;
  kernel<<<1, THREADS>>>(in, out, n);
  finish();
  fetch(host, out, n);
  for (int i = 0; i < n; i++) wrong += host[i] != i;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE misaligned_vector: A float4 access needs an address divisible by 16; one that starts at element 1 of
// an array has not.
static __global__ void misaligned_vector_bug(const float *in, float *out) {
  const int t = threadIdx.x;
  const float4 v = *(const float4 *)&in[4 * t + 1];  // BUG: misaligned
  out[t] = v.x + v.y + v.z + v.w;
}
static __global__ void misaligned_vector_twin(const float *in, float *out) {
  const int t = threadIdx.x;
  const float4 v = *(const float4 *)&in[4 * t];
  out[t] = v.y + v.z + v.w + in[4 * t + 4];
}
static int misaligned_vector(int bug) {
  void (*kernel)(const float *, float *) = bug ? misaligned_vector_bug : misaligned_vector_twin;
  float *in = (float *)device_bytes((4 * THREADS + 4) * sizeof *in), host[4 * THREADS + 4];
  float *out = (float *)device_bytes(THREADS * sizeof *out);
  int wrong = 0;
  for (int i = 0; i < 4 * THREADS + 4; i++) host[i] = (float)i;
  CHECK(cudaMemcpy(in, host, sizeof host, cudaMemcpyHostToDevice));
  kernel<<<1, THREADS>>>(in, out);
  finish();
  CHECK(cudaMemcpy(host, out, THREADS * sizeof *out, cudaMemcpyDeviceToHost));
  for (int t = 0; t < THREADS; t++) wrong += host[t] != 16.0f * (float)t + 10;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE misaligned_record: A double behind a 4-byte header in a byte buffer sits at an address that is no
// multiple of 8: it must be copied out byte by byte, or the record padded.
static __global__ void misaligned_record_bug(const unsigned char *records, double *out) {
  const int t = threadIdx.x;
  out[t] = *(const double *)(records + 12 * t + 4);  // BUG: misaligned
}
static __global__ void misaligned_record_twin(const unsigned char *records, double *out) {
  const int t = threadIdx.x;
  double value;
  unsigned char *bytes = (unsigned char *)&value;
  for (int k = 0; k < 8; k++) bytes[k] = records[12 * t + 4 + k];
  out[t] = value;
}
static int misaligned_record(int bug) {
  void (*kernel)(const unsigned char *, double *) = bug ? misaligned_record_bug : misaligned_record_twin;
  unsigned char host[12 * THREADS] = {0}, *records = (unsigned char *)device_bytes(sizeof host);
  double results[THREADS], *out = (double *)device_bytes(sizeof results);
  int wrong = 0;
  for (int t = 0; t < THREADS; t++) {
    const double value = 0.5 * t;
    memcpy(host + 12 * t + 4, &value, sizeof value);
  }
  CHECK(cudaMemcpy(records, host, sizeof host, cudaMemcpyHostToDevice));
  kernel<<<1, THREADS>>>(records, out);
  finish();
  CHECK(cudaMemcpy(results, out, sizeof results, cudaMemcpyDeviceToHost));
  for (int t = 0; t < THREADS; t++) wrong += results[t] != 0.5 * t;
  CHECK(cudaFree(records));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE constant_table: The table in constant memory has one entry less than the index can name.
static __constant__ int constant_table_values[8];
static __global__ void constant_table_bug(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = constant_table_values[in[i] % 9];  // BUG: out-of-bounds
}
static __global__ void constant_table_twin(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = constant_table_values[in[i] % 8];
}
static int squared(int i) {
  return i % 8 * (i % 8);
}
static int constant_table(int bug) {
  int squares[8];
  for (int i = 0; i < 8; i++) squares[i] = i * i;
  CHECK(cudaMemcpyToSymbol(constant_table_values, squares, sizeof squares));
  return wrong_of(bug ? constant_table_bug : constant_table_twin, BLOCKS, squared);
}

// CASE device_array: A __device__ array is as long as it was declared, whatever n the kernel is told.
static __device__ int device_array_log[60];
static __global__ void device_array_bug(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) device_array_log[i] = in[i];  // BUG: out-of-bounds
  if (i < n) out[i] = in[i];
}
static __global__ void device_array_twin(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < 60) device_array_log[i] = in[i];
  if (i < n) out[i] = i < 60 ? device_array_log[i] : in[i];
}
static int device_array(int bug) {
  return wrong_of(bug ? device_array_bug : device_array_twin, BLOCKS, same);
}

// CASE null_pointer: The allocation failed or was forgotten, nobody looked, and the kernel gets a null
// pointer.
static __global__ void null_pointer_any(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i];  // BUG: null-pointer
}
static int null_pointer(int bug) {
  int *in = device_numbers(N), *out = NULL, host[N], wrong = 0;
  if (!bug) CHECK(cudaMalloc(&out, N * sizeof *out));
  null_pointer_any<<<BLOCKS, THREADS>>>(in, out, N);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) wrong += host[i] != i;
  CHECK(cudaFree(in));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE host_pointer: A pointer from malloc() means nothing to the device: the kernel needs device, managed or
// mapped memory.
static __global__ void host_pointer_any(const int *in, int *out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = in[i] + 1;  // BUG: host-memory
}
static int host_pointer(int bug) {
  int *in = NULL, *out = device_zeros(N), host[N], wrong = 0;
  if (bug)
    in = (int *)malloc(N * sizeof *in);
  else
    CHECK(cudaMallocHost(&in, N * sizeof *in));
  for (int i = 0; i < N; i++) in[i] = i;
  host_pointer_any<<<BLOCKS, THREADS>>>(in, out, N);
  finish();
  fetch(host, out, N);
  for (int i = 0; i < N; i++) wrong += host[i] != i + 1;
  if (bug)
    free(in);
  else
    CHECK(cudaFreeHost(in));
  CHECK(cudaFree(out));
  return wrong;
}

PLANTED_MAIN(PLANTED(no_guard), PLANTED(less_or_equal), PLANTED(right_edge), PLANTED(left_edge),
             PLANTED(unsigned_underflow), PLANTED(wrong_stride), PLANTED(guard_on_x_only),
             PLANTED(short_index), PLANTED(shared_end), PLANTED(dynamic_in_elements), PLANTED(vector_tail),
             PLANTED(misaligned_vector), PLANTED(misaligned_record), PLANTED(constant_table),
             PLANTED(device_array), PLANTED(null_pointer), PLANTED(host_pointer))
