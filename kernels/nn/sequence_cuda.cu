// SPDX-License-Identifier: MIT
// Layer norm, embedding, attention and the loss of a vocabulary on a GPU. A row (of a norm, or of attention's
// scores) belongs to one warp, whose lanes add up by shuffles: no barrier of a block is needed. Sums over
// rows are made by one block per 32 columns, always in the same order.
#include <heddle/device.h>
#include <math.h>

#include "parts.h"

enum { WARP = 32, WARPS = 4, ROWS = 8, BLOCK = 128 };
#define ALL_LANES 0xffffffffu
#define NORM_EPSILON 1e-5f

static cudaStream_t stream_of(hd_ops *o) {
  return (cudaStream_t)o->stream;
}
static unsigned blocks_of(long items, long per_block) {
  return (unsigned)((items + per_block - 1) / per_block);
}

__device__ static float warp_sum(float x) {
  for (int offset = WARP / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(ALL_LANES, x, offset);
  return x;
}
__device__ static float warp_max(float x) {
  for (int offset = WARP / 2; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, offset));
  return x;
}

// ---------------------------------------------------------------- layer norm

__global__ static void norm_kernel(const float *x, const float *gain, const float *bias, float *y,
                                   float *statistics, long rows, long cols) {
  const long row = blockIdx.x * (long)WARPS + threadIdx.y;
  if (row >= rows) return;
  const float *in = x + row * cols;
  float sum = 0, squares = 0;
  for (long i = threadIdx.x; i < cols; i += WARP) sum += in[i];
  const float mean = warp_sum(sum) / (float)cols;
  for (long i = threadIdx.x; i < cols; i += WARP) squares += (in[i] - mean) * (in[i] - mean);
  const float inverse = 1 / sqrtf(warp_sum(squares) / (float)cols + NORM_EPSILON);
  for (long i = threadIdx.x; i < cols; i += WARP)
    y[row * cols + i] = gain[i] * ((in[i] - mean) * inverse) + bias[i];
  if (threadIdx.x == 0) {
    statistics[2 * row] = mean;
    statistics[2 * row + 1] = inverse;
  }
}

// With n = (x - mean)·inverse and d = gain·dy: d_x = inverse·(d - mean(d) - n·mean(d·n)).
__global__ static void norm_backward_kernel(const float *dy, const float *x, const float *gain,
                                            const float *statistics, float *d_x, long rows, long cols) {
  const long row = blockIdx.x * (long)WARPS + threadIdx.y;
  if (row >= rows) return;
  const float mean = statistics[2 * row], inverse = statistics[2 * row + 1];
  const float *d = dy + row * cols, *in = x + row * cols;
  float sum = 0, product = 0;
  for (long i = threadIdx.x; i < cols; i += WARP) {
    sum += gain[i] * d[i];
    product += gain[i] * d[i] * ((in[i] - mean) * inverse);
  }
  sum = warp_sum(sum) / (float)cols;
  product = warp_sum(product) / (float)cols;
  for (long i = threadIdx.x; i < cols; i += WARP)
    d_x[row * cols + i] = inverse * (gain[i] * d[i] - sum - (in[i] - mean) * inverse * product);
}

__global__ static void norm_sums_kernel(const float *dy, const float *x, const float *statistics,
                                        float *d_gain, float *d_bias, long rows, long cols, bool accumulate) {
  __shared__ float gains[ROWS][WARP], biases[ROWS][WARP];
  const long column = blockIdx.x * (long)WARP + threadIdx.x;
  float gain = 0, bias = 0;
  for (long r = threadIdx.y; column < cols && r < rows; r += ROWS) {
    const float d = dy[r * cols + column];
    gain += d * ((x[r * cols + column] - statistics[2 * r]) * statistics[2 * r + 1]);
    bias += d;
  }
  gains[threadIdx.y][threadIdx.x] = gain;
  biases[threadIdx.y][threadIdx.x] = bias;
  __syncthreads();
  if (threadIdx.y > 0 || column >= cols) return;
  for (int i = 1; i < ROWS; i++) {
    gain += gains[i][threadIdx.x];
    bias += biases[i][threadIdx.x];
  }
  d_gain[column] = accumulate ? d_gain[column] + gain : gain;
  d_bias[column] = accumulate ? d_bias[column] + bias : bias;
}

static void cuda_layer_norm(hd_ops *o, const float *x, const float *gain, const float *bias, float *y,
                            float *statistics, long rows, long cols) {
  if (rows == 0) return;
  norm_kernel<<<blocks_of(rows, WARPS), dim3(WARP, WARPS), 0, stream_of(o)>>>(x, gain, bias, y, statistics,
                                                                              rows, cols);
  HD_LAUNCHED();
}

static void cuda_layer_norm_backward(hd_ops *o, const float *dy, const float *x, const float *gain,
                                     const float *statistics, float *d_x, float *d_gain, float *d_bias,
                                     long rows, long cols, bool accumulate) {
  norm_sums_kernel<<<blocks_of(cols, WARP), dim3(WARP, ROWS), 0, stream_of(o)>>>(
      dy, x, statistics, d_gain, d_bias, rows, cols, accumulate);
  HD_LAUNCHED();
  if (!d_x || rows == 0) return;
  norm_backward_kernel<<<blocks_of(rows, WARPS), dim3(WARP, WARPS), 0, stream_of(o)>>>(
      dy, x, gain, statistics, d_x, rows, cols);
  HD_LAUNCHED();
}

// ---------------------------------------------------------------- embedding

__global__ static void embed_kernel(const int32_t *tokens, const float *table, const float *positions,
                                    float *y, long rows, long length, long width) {
  for (long i = blockIdx.x * (long)BLOCK + threadIdx.x; i < rows * width; i += (long)gridDim.x * BLOCK) {
    const long row = i / width, column = i % width;
    y[i] = table[tokens[row] * width + column] + positions[row % length * width + column];
  }
}

// A thread owns a column and walks down the rows: atomics would add in another order each time.
__global__ static void embed_backward_kernel(const int32_t *tokens, const float *dy, float *d_table,
                                             float *d_positions, long rows, long length, long width) {
  const long column = blockIdx.x * (long)WARP + threadIdx.x;
  if (column >= width) return;
  for (long r = 0; r < rows; r++) {
    const float d = dy[r * width + column];
    d_table[tokens[r] * width + column] += d;
    d_positions[r % length * width + column] += d;
  }
}

static void cuda_embed(hd_ops *o, const int32_t *tokens, const float *table, const float *positions, float *y,
                       long rows, long length, long width) {
  if (rows == 0) return;
  embed_kernel<<<blocks_of(rows * width, 4 * BLOCK), BLOCK, 0, stream_of(o)>>>(tokens, table, positions, y,
                                                                               rows, length, width);
  HD_LAUNCHED();
}

static void cuda_embed_backward(hd_ops *o, const int32_t *tokens, const float *dy, float *d_table,
                                float *d_positions, long rows, long length, long width, long vocabulary,
                                bool accumulate) {
  if (!accumulate) {
    o->zero(o, d_table, (size_t)(vocabulary * width) * sizeof(float));
    o->zero(o, d_positions, (size_t)(length * width) * sizeof(float));
  }
  embed_backward_kernel<<<blocks_of(width, WARP), WARP, 0, stream_of(o)>>>(tokens, dy, d_table, d_positions,
                                                                           rows, length, width);
  HD_LAUNCHED();
}

// ---------------------------------------------------------------- attention

// Where row `t` of head `number` of a sample lies: `at` in qkv (keys and values are heads·width and twice
// that behind), `out` in y, and `p` in probabilities, each its first value.
typedef struct place {
  long t, at, out, p, qkv_row, y_row;
} place;

__device__ static place place_of(long row, hd_heads h) {
  const long all = h.heads * h.width, t = row % h.length, number = row / h.length % h.heads,
             sample = row / h.length / h.heads;
  place a;
  a.t = t;
  a.qkv_row = 3 * all;
  a.y_row = all;
  a.at = (sample * h.length + t) * 3 * all + number * h.width;
  a.out = (sample * h.length + t) * all + number * h.width;
  a.p = row * h.length;
  return a;
}

__device__ static float dot(const float *a, const float *b, long n) {
  float sum = 0;
  for (long i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

// A warp per query over the first `seen` keys and values, whose rows lie `stride` apart: its lanes share the
// keys, then the columns of the values. p: the weights.
__device__ static void attend(const float *q, const float *k, const float *v, long stride, long seen,
                              float *p, float *y, long width) {
  float top = -INFINITY, sum = 0;
  const float scale = 1 / sqrtf((float)width);
  for (long s = threadIdx.x; s < seen; s += WARP) {
    p[s] = scale * dot(q, k + s * stride, width);
    top = fmaxf(top, p[s]);
  }
  top = warp_max(top);
  for (long s = threadIdx.x; s < seen; s += WARP) sum += p[s] = expf(p[s] - top);
  sum = warp_sum(sum);
  for (long s = threadIdx.x; s < seen; s += WARP) p[s] /= sum;
  __syncwarp();
  for (long i = threadIdx.x; i < width; i += WARP) {
    float out = 0;
    for (long s = 0; s < seen; s++) out += p[s] * v[s * stride + i];
    y[i] = out;
  }
}

__global__ static void attention_kernel(const float *qkv, float *probabilities, float *y, hd_heads h) {
  const long row = blockIdx.x * (long)WARPS + threadIdx.y;
  if (row >= h.samples * h.heads * h.length) return;
  const place a = place_of(row, h);
  const float *q = qkv + a.at, *k = q + a.y_row - a.t * a.qkv_row;
  float *p = probabilities + a.p;
  for (long s = a.t + 1 + threadIdx.x; s < h.length; s += WARP) p[s] = 0;
  attend(q, k, k + a.y_row, a.qkv_row, a.t + 1, p, y + a.out, h.width);
}

// The newest position's key and value join those of the past, then it attends to all of them.
__global__ static void attention_cached_kernel(const float *qkv, float *cache, float *work, float *y,
                                               hd_heads h, long t) {
  const long row = blockIdx.x * (long)WARPS + threadIdx.y, all = h.heads * h.width;
  if (row >= h.samples * h.heads) return;
  const long sample = row / h.heads, column = row % h.heads * h.width;
  const float *q = qkv + sample * 3 * all + column;
  float *keys = cache + sample * h.length * 2 * all + column, *now = keys + t * 2 * all;
  for (long i = threadIdx.x; i < h.width; i += WARP) {
    now[i] = q[all + i];
    now[all + i] = q[2 * all + i];
  }
  __syncwarp();
  attend(q, keys, keys + all, 2 * all, t + 1, work + row * h.length, y + sample * all + column, h.width);
}

// The gradient of the scores of one query into `work`, and that of the query itself.
__global__ static void attention_query_kernel(const float *qkv, const float *probabilities, const float *dy,
                                              float *d_qkv, float *work, hd_heads h) {
  const long row = blockIdx.x * (long)WARPS + threadIdx.y;
  if (row >= h.samples * h.heads * h.length) return;
  const place a = place_of(row, h);
  const float *k = qkv + a.at + a.y_row - a.t * a.qkv_row, *v = k + a.y_row, *p = probabilities + a.p;
  float *scores = work + a.p, mean = 0;
  const float scale = 1 / sqrtf((float)h.width);
  for (long s = threadIdx.x; s <= a.t; s += WARP) {
    scores[s] = dot(dy + a.out, v + s * a.qkv_row, h.width);
    mean += p[s] * scores[s];
  }
  mean = warp_sum(mean);
  for (long s = threadIdx.x; s <= a.t; s += WARP) scores[s] = scale * p[s] * (scores[s] - mean);
  __syncwarp();
  for (long i = threadIdx.x; i < h.width; i += WARP) {
    float d = 0;
    for (long s = 0; s <= a.t; s++) d += scores[s] * k[s * a.qkv_row + i];
    d_qkv[a.at + i] = d;
  }
}

// A warp per key and value, which all later queries have seen.
__global__ static void attention_key_kernel(const float *qkv, const float *probabilities, const float *dy,
                                            float *d_qkv, const float *work, hd_heads h) {
  const long row = blockIdx.x * (long)WARPS + threadIdx.y;
  if (row >= h.samples * h.heads * h.length) return;
  const place a = place_of(row, h);
  for (long i = threadIdx.x; i < h.width; i += WARP) {
    float d_k = 0, d_v = 0;
    for (long t = a.t; t < h.length; t++) {
      const long later = t - a.t, seen = a.p + later * h.length + a.t;
      d_k += work[seen] * qkv[a.at + later * a.qkv_row + i];
      d_v += probabilities[seen] * dy[a.out + later * a.y_row + i];
    }
    d_qkv[a.at + a.y_row + i] = d_k;
    d_qkv[a.at + 2 * a.y_row + i] = d_v;
  }
}

static void cuda_attention(hd_ops *o, const float *qkv, float *probabilities, float *y, hd_heads h) {
  const long rows = h.samples * h.heads * h.length;
  if (rows == 0) return;
  attention_kernel<<<blocks_of(rows, WARPS), dim3(WARP, WARPS), 0, stream_of(o)>>>(qkv, probabilities, y, h);
  HD_LAUNCHED();
}

static void cuda_attention_cached(hd_ops *o, const float *qkv, float *cache, float *work, float *y,
                                  hd_heads h, long t) {
  if (h.samples == 0) return;
  attention_cached_kernel<<<blocks_of(h.samples * h.heads, WARPS), dim3(WARP, WARPS), 0, stream_of(o)>>>(
      qkv, cache, work, y, h, t);
  HD_LAUNCHED();
}

static void cuda_attention_backward(hd_ops *o, const float *qkv, const float *probabilities, const float *dy,
                                    float *d_qkv, float *work, hd_heads h) {
  const long rows = h.samples * h.heads * h.length;
  if (rows == 0) return;
  const dim3 block(WARP, WARPS);
  attention_query_kernel<<<blocks_of(rows, WARPS), block, 0, stream_of(o)>>>(qkv, probabilities, dy, d_qkv,
                                                                             work, h);
  HD_LAUNCHED();
  attention_key_kernel<<<blocks_of(rows, WARPS), block, 0, stream_of(o)>>>(qkv, probabilities, dy, d_qkv,
                                                                           work, h);
  HD_LAUNCHED();
}

// ---------------------------------------------------------------- loss

// All threads of the block get the largest, or the sum, of their values.
__device__ static float block_value(float mine, float *of_warp, bool largest) {
  mine = largest ? warp_max(mine) : warp_sum(mine);
  __syncthreads();  // the last value has been read
  if (threadIdx.x % WARP == 0) of_warp[threadIdx.x / WARP] = mine;
  __syncthreads();
  float all = of_warp[0];
  for (int w = 1; w < BLOCK / WARP; w++) all = largest ? fmaxf(all, of_warp[w]) : all + of_warp[w];
  return all;
}

// A block per row; d_logits may be logits.
__global__ static void token_loss_kernel(const float *logits, const int32_t *labels, float *d_logits,
                                         float *loss, long classes, float scale) {
  __shared__ float of_warp[BLOCK / WARP];
  const float *z = logits + blockIdx.x * classes;
  const int label = labels[blockIdx.x];
  const float own = z[label];
  float top = -INFINITY, sum = 0;
  for (long i = threadIdx.x; i < classes; i += BLOCK) top = fmaxf(top, z[i]);
  top = block_value(top, of_warp, true);
  for (long i = threadIdx.x; i < classes; i += BLOCK) sum += expf(z[i] - top);
  sum = block_value(sum, of_warp, false);
  if (threadIdx.x == 0) loss[blockIdx.x] = logf(sum) - (own - top);
  for (long i = threadIdx.x; d_logits && i < classes; i += BLOCK)
    d_logits[blockIdx.x * classes + i] = scale * (expf(z[i] - top) / sum - (i == label ? 1.0f : 0.0f));
}

static void cuda_token_loss(hd_ops *o, const float *logits, const int32_t *labels, float *d_logits,
                            float *loss, long rows, long classes, float scale) {
  if (rows == 0) return;
  token_loss_kernel<<<(unsigned)rows, BLOCK, 0, stream_of(o)>>>(logits, labels, d_logits, loss, classes,
                                                                scale);
  HD_LAUNCHED();
}

void hd_cuda_sequence_operations(hd_ops *o) {
  o->layer_norm = cuda_layer_norm;
  o->layer_norm_backward = cuda_layer_norm_backward;
  o->embed = cuda_embed;
  o->embed_backward = cuda_embed_backward;
  o->attention = cuda_attention;
  o->attention_backward = cuda_attention_backward;
  o->attention_cached = cuda_attention_cached;
  o->token_loss = cuda_token_loss;
}
