// SPDX-License-Identifier: MIT
// The CUDA side of the operation table: cuBLAS for the products, a kernel each for the rest. Elements are
// visited with strides of the whole grid, so that a grid of a few blocks per multiprocessor does for any
// size.
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <heddle/device.h>
#include <heddle/error.h>

#include "gelu.h"
#include "ops.h"
#include "parts.h"

enum {
  WARP = 32,
  ROWS = 8,              // rows of a block of WARP × ROWS threads
  ROWS_PER_BLOCK = 128,  // of a column sum: 16 for each thread
  MOST_PARTS = 256,      // partial column sums kept
  BLOCK = 256,
  MOST_BLOCKS = 528,  // four for each multiprocessor of the largest card
};

typedef struct cuda_state {
  cublasHandle_t cublas;
  cudaEvent_t start, stop, *marks;
  int mark_count;
  float *parts;  // partial column sums, (MOST_PARTS, part_columns)
  long part_columns;
  int *finite;  // in device memory
} cuda_state;

static cuda_state *state_of(hd_ops *o) {
  return (cuda_state *)o->state;
}
static cudaStream_t stream_of(hd_ops *o) {
  return (cudaStream_t)o->stream;
}

static void check_cublas(cublasStatus_t status, const char *call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    hd_fail(HD_EXIT_FAILURE, "%s failed with cuBLAS status %d", call, (int)status);
}

static long divide_up(long a, long b) {
  return (a + b - 1) / b;
}
static long smaller(long a, long b) {
  return a < b ? a : b;
}
static int blocks_for(size_t n) {
  return (int)smaller(divide_up((long)n, BLOCK), MOST_BLOCKS);
}

// ---------------------------------------------------------------- kernels

// A thread keeps its column's bias in a register while it walks down the rows; a warp touches 32 neighbours
// of a row.
__global__ static void bias_act_kernel(float *z, const float *bias, float *y, long rows, long cols,
                                       enum hd_activation act) {
  const long column = blockIdx.x * (long)WARP + threadIdx.x;
  if (column >= cols) return;
  const float b = bias[column];
  for (long r = blockIdx.y * (long)ROWS + threadIdx.y; r < rows; r += (long)gridDim.y * ROWS) {
    const float sum = z[r * cols + column] + b;
    if (act == HD_GELU) z[r * cols + column] = sum;
    y[r * cols + column] = act == HD_RELU && sum <= 0 ? 0 : act == HD_GELU ? hd_gelu(sum) : sum;
  }
}

// Block (x, y) sums WARP columns over its part of the rows: each thread every ROWS-th row of it, then one
// warp the ROWS partial sums, always in the same order. With one part the result is final.
__global__ static void bias_act_backward_kernel(float *dy, const float *kept, float *sums, long rows,
                                                long cols, enum hd_activation act, bool accumulate) {
  __shared__ float partial[ROWS][WARP];
  const long column = blockIdx.x * (long)WARP + threadIdx.x;
  float sum = 0;
  if (column < cols) {
    for (long r = blockIdx.y * (long)ROWS + threadIdx.y; r < rows; r += (long)gridDim.y * ROWS) {
      float d = dy[r * cols + column];
      if (act == HD_RELU && !(kept[r * cols + column] > 0)) {
        d = 0;
        dy[r * cols + column] = 0;
      }
      if (act == HD_GELU) dy[r * cols + column] = d *= hd_gelu_slope(kept[r * cols + column]);
      sum += d;
    }
  }
  partial[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || column >= cols) return;
  for (int i = 1; i < ROWS; i++) sum += partial[i][threadIdx.x];
  float *to = sums + blockIdx.y * cols + column;
  *to = accumulate ? *to + sum : sum;
}

__global__ static void add_parts_kernel(const float *parts, int count, float *sums, long cols,
                                        bool accumulate) {
  const long column = blockIdx.x * (long)BLOCK + threadIdx.x;
  if (column >= cols) return;
  float sum = accumulate ? sums[column] : 0;
  for (int i = 0; i < count; i++) sum += parts[i * cols + column];
  sums[column] = sum;
}

// One thread per row: right for ten classes; lesson 14 does it for a vocabulary.
__global__ static void softmax_loss_kernel(const float *logits, const uint8_t *labels, float *d_logits,
                                           float *loss, float *correct, long rows, long classes,
                                           float scale) {
  for (long r = blockIdx.x * (long)blockDim.x + threadIdx.x; r < rows; r += (long)gridDim.x * blockDim.x) {
    const float *z = logits + r * classes;
    const int label = labels[r];
    int best = 0;
    for (int i = 1; i < classes; i++) best = z[i] > z[best] ? i : best;
    const float top = z[best], own = z[label];
    float sum = 0;
    for (int i = 0; i < classes; i++) sum += expf(z[i] - top);
    loss[r] = logf(sum) - (own - top);
    correct[r] = best == label ? 1 : 0;
    for (int i = 0; d_logits && i < classes; i++)
      d_logits[r * classes + i] = scale * (expf(z[i] - top) / sum - (i == label ? 1.0f : 0.0f));
  }
}

__device__ static float sign(float x) {
  return (float)((x > 0) - (x < 0));
}

__device__ static void sgd_one(float *theta, float *v, float g, hd_sgd_rule rule) {
  *v = rule.momentum * *v + (rule.scale * g + rule.weight_decay * *theta + rule.l1 * sign(*theta));
  *theta -= rule.rate * *v;
}

// Four parameters at a time: a third of the instructions, and wider requests to memory. The last n % 4 go one
// by one.
__global__ static void sgd_kernel(float *theta, float *v, const float *g, size_t n, size_t quads,
                                  hd_sgd_rule rule) {
  const size_t first = blockIdx.x * (size_t)blockDim.x + threadIdx.x, step = (size_t)gridDim.x * blockDim.x;
  float4 *theta4 = (float4 *)theta, *v4 = (float4 *)v;
  const float4 *g4 = (const float4 *)g;
  for (size_t i = first; i < quads; i += step) {
    float4 t = theta4[i], m = v4[i];
    const float4 d = g4[i];
    sgd_one(&t.x, &m.x, d.x, rule);
    sgd_one(&t.y, &m.y, d.y, rule);
    sgd_one(&t.z, &m.z, d.z, rule);
    sgd_one(&t.w, &m.w, d.w, rule);
    theta4[i] = t;
    v4[i] = m;
  }
  for (size_t i = 4 * quads + first; i < n; i += step) sgd_one(&theta[i], &v[i], g[i], rule);
}

__global__ static void adam_kernel(float *theta, float *m, float *v, const float *g, size_t n,
                                   hd_adam_rule rule) {
  for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x) {
    const float gradient = rule.scale * g[i] + rule.weight_decay * theta[i] + rule.l1 * sign(theta[i]);
    const float first = rule.beta1 * m[i] + (1 - rule.beta1) * gradient;
    const float second = rule.beta2 * v[i] + (1 - rule.beta2) * gradient * gradient;
    const float step = first / rule.correction1 / (sqrtf(second / rule.correction2) + rule.epsilon);
    m[i] = first;
    v[i] = second;
    theta[i] -= rule.rate * (step + rule.decoupled_decay * theta[i]);
  }
}

__global__ static void axpy_kernel(float a, const float *x, float *y, size_t n) {
  for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x)
    y[i] += a * x[i];
}

__global__ static void scale_kernel(float a, float *x, size_t n) {
  for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x)
    x[i] *= a;
}

__global__ static void finite_kernel(const float *x, size_t n, int *finite) {
  bool good = true;
  for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x)
    good = good && isfinite(x[i]);
  if (!good) atomicExch(finite, 0);
}

// A warp per row.
__global__ static void squared_error_kernel(const float *y, const float *target, float *d_y, float *loss,
                                            long rows, long cols, float scale) {
  const long row = blockIdx.x * (long)ROWS + threadIdx.y;
  if (row >= rows) return;
  float sum = 0;
  for (long i = threadIdx.x; i < cols; i += WARP) {
    const float difference = y[row * cols + i] - target[row * cols + i];
    sum += difference * difference;
    if (d_y) d_y[row * cols + i] = scale * 2 / (float)cols * difference;
  }
  for (int offset = WARP / 2; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, offset);
  if (threadIdx.x == 0) loss[row] = sum / (float)cols;
}

__global__ static void to_bf16_kernel(const float *x, __nv_bfloat16 *y, size_t n) {
  for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x)
    y[i] = __float2bfloat16_rn(x[i]);
}

__global__ static void to_f16_kernel(const float *x, __half *y, size_t n) {
  for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n; i += (size_t)gridDim.x * blockDim.x)
    y[i] = __float2half_rn(x[i]);
}

// ---------------------------------------------------------------- the table

static void *cuda_alloc(hd_ops *o, size_t bytes) {
  void *p = NULL;
  const cudaError_t status = cudaMalloc(&p, bytes ? bytes : 1);
  if (status != cudaSuccess)
    hd_fail(HD_EXIT_FAILURE, "no %.1f MiB of GPU memory: %s; use a smaller batch", (double)bytes / 0x1p20,
            cudaGetErrorString(status));
  o->bytes += bytes;
  return p;
}

static void cuda_free(hd_ops *o, void *p, size_t bytes) {
  if (!p) return;
  HD_CUDA(cudaStreamSynchronize(stream_of(o)));
  HD_CUDA(cudaFree(p));
  o->bytes -= bytes;
}

static void cuda_upload(hd_ops *o, void *to, const void *from, size_t bytes) {
  if (bytes == 0) return;
  HD_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(o)));
  HD_CUDA(cudaStreamSynchronize(stream_of(o)));
}

static void cuda_download(hd_ops *o, void *to, const void *from, size_t bytes) {
  if (bytes == 0) return;
  HD_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(o)));
  HD_CUDA(cudaStreamSynchronize(stream_of(o)));
}

static void cuda_zero(hd_ops *o, void *p, size_t bytes) {
  HD_CUDA(cudaMemsetAsync(p, 0, bytes, stream_of(o)));
}

static void cuda_synchronize(hd_ops *o) {
  HD_CUDA(cudaStreamSynchronize(stream_of(o)));
}

static void cuda_timer_start(hd_ops *o) {
  HD_CUDA(cudaEventRecord(state_of(o)->start, stream_of(o)));
}

static double cuda_timer_stop(hd_ops *o) {
  cuda_state *s = state_of(o);
  float ms = 0;
  HD_CUDA(cudaEventRecord(s->stop, stream_of(o)));
  HD_CUDA(cudaEventSynchronize(s->stop));
  HD_CUDA(cudaEventElapsedTime(&ms, s->start, s->stop));
  return (double)ms * 1e-3;
}

static void cuda_mark(hd_ops *o, int index) {
  cuda_state *s = state_of(o);
  if (index >= s->mark_count) {
    const int count = 2 * index + 64;
    cudaEvent_t *marks = (cudaEvent_t *)hd_alloc((size_t)count, sizeof *marks);
    for (int i = 0; i < count; i++) {
      if (i < s->mark_count)
        marks[i] = s->marks[i];
      else
        HD_CUDA(cudaEventCreate(&marks[i]));
    }
    free(s->marks);
    s->marks = marks;
    s->mark_count = count;
  }
  HD_CUDA(cudaEventRecord(s->marks[index], stream_of(o)));
}

static double cuda_mark_time(hd_ops *o, int index) {
  const cuda_state *s = state_of(o);
  float ms = 0;
  HD_CUDA(cudaEventSynchronize(s->marks[index]));
  HD_CUDA(cudaEventElapsedTime(&ms, s->marks[0], s->marks[index]));
  return (double)ms * 1e-3;
}

// cuBLAS thinks in columns: a row-major matrix is its transpose there, and (A·B)ᵀ = Bᵀ·Aᵀ.
static void cuda_gemm(hd_ops *o, bool trans_a, bool trans_b, long m, long n, long k, float alpha,
                      const float *a, long lda, const float *b, long ldb, float beta, float *c, long ldc) {
  if (m == 0 || n == 0) return;
  check_cublas(cublasSgemm(state_of(o)->cublas, trans_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                           trans_a ? CUBLAS_OP_T : CUBLAS_OP_N, (int)n, (int)m, (int)k, &alpha, b, (int)ldb,
                           a, (int)lda, &beta, c, (int)ldc),
               "cublasSgemm");
}

static void cuda_bias_act(hd_ops *o, float *z, const float *bias, float *y, long rows, long cols,
                          enum hd_activation act) {
  if (rows == 0) return;
  const dim3 block(WARP, ROWS);
  const dim3 grid((unsigned)divide_up(cols, WARP), (unsigned)smaller(divide_up(rows, 4 * ROWS), MOST_PARTS));
  bias_act_kernel<<<grid, block, 0, stream_of(o)>>>(z, bias, y, rows, cols, act);
  HD_LAUNCHED();
}

static float *parts_for(hd_ops *o, long cols) {
  cuda_state *s = state_of(o);
  if (cols > s->part_columns) {
    HD_CUDA(cudaStreamSynchronize(stream_of(o)));
    HD_CUDA(cudaFree(s->parts));
    HD_CUDA(cudaMalloc((void **)&s->parts, (size_t)(MOST_PARTS * cols) * sizeof(float)));
    s->part_columns = cols;
  }
  return s->parts;
}

static void cuda_bias_act_backward(hd_ops *o, float *dy, const float *kept, float *d_bias, long rows,
                                   long cols, enum hd_activation act, bool accumulate) {
  const dim3 block(WARP, ROWS);
  const long parts = rows ? smaller(divide_up(rows, ROWS_PER_BLOCK), MOST_PARTS) : 1;
  const dim3 grid((unsigned)divide_up(cols, WARP), (unsigned)parts);
  float *sums = parts > 1 ? parts_for(o, cols) : d_bias;
  bias_act_backward_kernel<<<grid, block, 0, stream_of(o)>>>(dy, kept, sums, rows, cols, act,
                                                             accumulate && parts == 1);
  HD_LAUNCHED();
  if (parts == 1) return;
  add_parts_kernel<<<(unsigned)divide_up(cols, BLOCK), BLOCK, 0, stream_of(o)>>>(sums, (int)parts, d_bias,
                                                                                 cols, accumulate);
  HD_LAUNCHED();
}

static void cuda_softmax_loss(hd_ops *o, const float *logits, const uint8_t *labels, float *d_logits,
                              float *loss, float *correct, long rows, long classes, float scale) {
  if (rows == 0) return;
  softmax_loss_kernel<<<blocks_for((size_t)rows), BLOCK, 0, stream_of(o)>>>(logits, labels, d_logits, loss,
                                                                            correct, rows, classes, scale);
  HD_LAUNCHED();
}

static void cuda_sgd(hd_ops *o, float *theta, float *v, const float *g, size_t n, hd_sgd_rule rule) {
  if (n == 0) return;
  // A slice of the parameters may start anywhere; float4 needs 16-byte addresses.
  const bool aligned = (((uintptr_t)theta | (uintptr_t)v | (uintptr_t)g) & 15) == 0;
  sgd_kernel<<<blocks_for((n + 3) / 4), BLOCK, 0, stream_of(o)>>>(theta, v, g, n, aligned ? n / 4 : 0, rule);
  HD_LAUNCHED();
}

static void cuda_adam(hd_ops *o, float *theta, float *m, float *v, const float *g, size_t n,
                      hd_adam_rule rule) {
  if (n == 0) return;
  adam_kernel<<<blocks_for(n), BLOCK, 0, stream_of(o)>>>(theta, m, v, g, n, rule);
  HD_LAUNCHED();
}

static void cuda_axpy(hd_ops *o, float a, const float *x, float *y, size_t n) {
  if (n == 0) return;
  axpy_kernel<<<blocks_for(n), BLOCK, 0, stream_of(o)>>>(a, x, y, n);
  HD_LAUNCHED();
}

static void cuda_scale(hd_ops *o, float a, float *x, size_t n) {
  if (n == 0) return;
  scale_kernel<<<blocks_for(n), BLOCK, 0, stream_of(o)>>>(a, x, n);
  HD_LAUNCHED();
}

static void cuda_copy(hd_ops *o, void *to, const void *from, size_t bytes) {
  if (bytes == 0) return;
  HD_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_of(o)));
}

static void cuda_copy_block(hd_ops *o, float *to, long ld_to, const float *from, long ld_from, long rows,
                            long cols) {
  if (rows == 0 || cols == 0) return;
  HD_CUDA(cudaMemcpy2DAsync(to, (size_t)ld_to * sizeof *to, from, (size_t)ld_from * sizeof *from,
                            (size_t)cols * sizeof *to, (size_t)rows, cudaMemcpyDeviceToDevice, stream_of(o)));
}

static bool cuda_all_finite(hd_ops *o, const float *x, size_t n) {
  int finite = 1;
  if (n == 0) return true;
  cuda_upload(o, state_of(o)->finite, &finite, sizeof finite);
  finite_kernel<<<blocks_for(n), BLOCK, 0, stream_of(o)>>>(x, n, state_of(o)->finite);
  HD_LAUNCHED();
  cuda_download(o, &finite, state_of(o)->finite, sizeof finite);
  return finite != 0;
}

static void cuda_squared_error(hd_ops *o, const float *y, const float *target, float *d_y, float *loss,
                               long rows, long cols, float scale) {
  if (rows == 0) return;
  squared_error_kernel<<<(unsigned)divide_up(rows, ROWS), dim3(WARP, ROWS), 0, stream_of(o)>>>(
      y, target, d_y, loss, rows, cols, scale);
  HD_LAUNCHED();
}

static void cuda_round16(hd_ops *o, enum hd_type type, const float *x, uint16_t *y, size_t n) {
  if (n == 0) return;
  if (type == HD_F16)
    to_f16_kernel<<<blocks_for(n), BLOCK, 0, stream_of(o)>>>(x, (__half *)y, n);
  else
    to_bf16_kernel<<<blocks_for(n), BLOCK, 0, stream_of(o)>>>(x, (__nv_bfloat16 *)y, n);
  HD_LAUNCHED();
}

static void cuda_gemm16(hd_ops *o, enum hd_type type, bool trans_a, bool trans_b, long m, long n, long k,
                        float alpha, const uint16_t *a, long lda, const uint16_t *b, long ldb, float beta,
                        float *c, long ldc) {
  if (m == 0 || n == 0) return;
  const cudaDataType_t kind = type == HD_F16 ? CUDA_R_16F : CUDA_R_16BF;
  check_cublas(
      cublasGemmEx(state_of(o)->cublas, trans_b ? CUBLAS_OP_T : CUBLAS_OP_N,
                   trans_a ? CUBLAS_OP_T : CUBLAS_OP_N, (int)n, (int)m, (int)k, &alpha, b, kind, (int)ldb, a,
                   kind, (int)lda, &beta, c, CUDA_R_32F, (int)ldc, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
      "cublasGemmEx");
}

static void cuda_close(hd_ops *o) {
  cuda_state *s = state_of(o);
  HD_CUDA(cudaStreamSynchronize(stream_of(o)));
  HD_CUDA(cudaFree(s->parts));
  HD_CUDA(cudaFree(s->finite));
  HD_CUDA(cudaEventDestroy(s->start));
  HD_CUDA(cudaEventDestroy(s->stop));
  for (int i = 0; i < s->mark_count; i++) HD_CUDA(cudaEventDestroy(s->marks[i]));
  free(s->marks);
  check_cublas(cublasDestroy(s->cublas), "cublasDestroy");
  free(s);
  free(o);
}

hd_ops *hd_ops_cuda(void *stream) {
  cuda_state *s = (cuda_state *)hd_alloc(1, sizeof *s);
  s->parts = NULL;
  s->part_columns = 0;
  s->marks = NULL;
  s->mark_count = 0;
  HD_CUDA(cudaMalloc((void **)&s->finite, sizeof *s->finite));
  HD_CUDA(cudaEventCreate(&s->start));
  HD_CUDA(cudaEventCreate(&s->stop));
  check_cublas(cublasCreate(&s->cublas), "cublasCreate");
  check_cublas(cublasSetStream(s->cublas, (cudaStream_t)stream), "cublasSetStream");

  hd_ops *o = (hd_ops *)hd_alloc(1, sizeof *o);
  o->name = "cuda";
  o->on_host = false;
  o->stream = stream;
  o->state = s;
  o->bytes = 0;
  o->alloc = cuda_alloc;
  o->free = cuda_free;
  o->upload = cuda_upload;
  o->download = cuda_download;
  o->zero = cuda_zero;
  o->synchronize = cuda_synchronize;
  o->timer_start = cuda_timer_start;
  o->timer_stop = cuda_timer_stop;
  o->mark = cuda_mark;
  o->mark_time = cuda_mark_time;
  o->gemm = cuda_gemm;
  o->bias_act = cuda_bias_act;
  o->bias_act_backward = cuda_bias_act_backward;
  o->softmax_loss = cuda_softmax_loss;
  o->sgd = cuda_sgd;
  o->adam = cuda_adam;
  o->axpy = cuda_axpy;
  o->scale = cuda_scale;
  o->copy = cuda_copy;
  o->copy_block = cuda_copy_block;
  o->all_finite = cuda_all_finite;
  o->squared_error = cuda_squared_error;
  o->round16 = cuda_round16;
  o->gemm16 = cuda_gemm16;
  hd_cuda_image_operations(o);
  hd_cuda_sequence_operations(o);
  o->close = cuda_close;
  return o;
}
