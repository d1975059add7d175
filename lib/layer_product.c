// SPDX-License-Identifier: MIT
// Layers that are matrix products: dense, and convolution as a product over the windows of the image. With a
// 16-bit precision both operands are rounded first; the sums stay fp32.
#include <heddle/net.h>
#include <heddle/random.h>
#include <math.h>
#include <string.h>

#include "layer.h"

// An operand of a product: in fp32, and rounded if the pass wants it so.
typedef struct operand {
  const float *full;
  const uint16_t *half;
  bool transposed;
  long ld;
} operand;

static void product(const hd_pass *p, long m, long n, long k, operand a, operand b, bool add, float *c) {
  hd_ops *o = p->ops;
  const float beta = add ? 1 : 0;
  if (p->precision == HD_F32)
    o->gemm(o, a.transposed, b.transposed, m, n, k, 1, a.full, a.ld, b.full, b.ld, beta, c, n);
  else
    o->gemm16(o, p->precision, a.transposed, b.transposed, m, n, k, 1, a.half, a.ld, b.half, b.ld, beta, c,
              n);
}

// x (rows, cols), with its rounded copy in `room` if the pass wants one.
static operand rounded(const hd_pass *p, const float *x, long rows, long cols, uint16_t *room) {
  if (p->precision != HD_F32) p->ops->round16(p->ops, p->precision, x, room, (size_t)(rows * cols));
  return (operand){.full = x, .half = room, .ld = cols};
}

static operand turned(operand a) {
  a.transposed = !a.transposed;
  return a;
}

static operand weights(const hd_pass *p, long out) {
  return (operand){.full = p->theta, .half = p->theta16, .ld = out};
}

static void he_initial(const hd_layer *l, uint64_t seed, uint64_t stream, float *theta) {
  const size_t n = l->parameters - (size_t)l->width;
  const float deviation = sqrtf(2.0f * (float)l->width / (float)n);
  hd_fill_normal(theta, n, seed, stream);
  for (size_t i = 0; i < n; i++) theta[i] *= deviation;
  memset(theta + n, 0, (size_t)l->width * sizeof *theta);
}

// z = x·W is made where backward wants to find it: GELU's slope needs z, ReLU's only y.
static float *before_activation(const hd_layer *l, const hd_pass *p) {
  return l->activation == HD_GELU ? p->kept : p->y;
}

// ---------------------------------------------------------------- dense

static long dense_in(const hd_layer *l) {
  return (long)l->in / l->positions;
}

static void dense_forward(const hd_layer *l, const hd_pass *p) {
  const long rows = p->samples * l->positions, in = dense_in(l);
  float *z = before_activation(l, p);
  product(p, rows, l->width, in, rounded(p, p->x, rows, in, p->work), weights(p, l->width), false, z);
  p->ops->bias_act(p->ops, z, p->theta + in * l->width, p->y, rows, l->width, l->activation);
}

static void dense_backward(const hd_layer *l, const hd_pass *p) {
  const long rows = p->samples * l->positions, in = dense_in(l);
  p->ops->bias_act_backward(p->ops, p->dy, before_activation(l, p), p->gradient + in * l->width, rows,
                            l->width, l->activation, p->accumulate);
  uint16_t *room = p->work;
  const operand x = rounded(p, p->x, rows, in, room);
  const operand dy = rounded(p, p->dy, rows, l->width, room + rows * in);
  product(p, in, l->width, rows, turned(x), dy, p->accumulate, p->gradient);
  if (p->dx) product(p, rows, in, l->width, dy, turned(weights(p, l->width)), false, p->dx);
}

hd_layer hd_dense(long positions, long in, long out, enum hd_activation activation) {
  static const hd_layer_kind kind = {"dense", he_initial, dense_forward, dense_backward};
  const size_t outputs = (size_t)(positions * out);
  return (hd_layer){.kind = &kind,
                    .in = (size_t)(positions * in),
                    .out = outputs,
                    .parameters = (size_t)((in + 1) * out),
                    .kept = activation == HD_GELU ? outputs * sizeof(float) : 0,
                    .flops = 2.0 * (double)positions * (double)in * (double)out,
                    .activation = activation,
                    .positions = positions,
                    .width = out};
}

// ---------------------------------------------------------------- convolution

// The windows of all images at once would not stay in a cache; a GPU wants large products and has the memory.
enum { CHUNK_ON_HOST = 1 << 18, CHUNK_ON_DEVICE = 1 << 25 };

static long cells(const hd_layer *l) {
  return (long)l->windows.size * l->windows.size * l->windows.channels;
}

static long chunk_of(const hd_layer *l, long samples, bool on_host) {
  const long fit = (on_host ? CHUNK_ON_HOST : CHUNK_ON_DEVICE) / (l->positions * cells(l));
  return fit < 1 ? 1 : fit < samples ? fit : samples;
}

// Scratch of a chunk: its windows in fp32, then rounded copies of them and of dy.
typedef struct chunk {
  long first, count, rows;
  float *columns;
  uint16_t *columns16, *dy16;
} chunk;

static chunk chunk_from(const hd_layer *l, const hd_pass *p, long first) {
  const long most = chunk_of(l, p->samples, p->ops->on_host);
  chunk c = {.first = first, .count = p->samples - first < most ? p->samples - first : most};
  c.rows = c.count * l->positions;
  c.columns = p->work;
  c.columns16 = (uint16_t *)(c.columns + c.rows * cells(l));
  c.dy16 = c.columns16 + c.rows * cells(l);
  return c;
}

static operand windows_of(const hd_layer *l, const hd_pass *p, chunk c) {
  p->ops->unfold(p->ops, p->x + (size_t)c.first * l->in, c.columns, c.count, l->windows);
  return rounded(p, c.columns, c.rows, cells(l), c.columns16);
}

// The CPU multiplies windows where they lie; all others, and rounded operands, take the detour.
static bool direct(const hd_layer *l, const hd_pass *p) {
  return p->ops->convolve && p->precision == HD_F32 && l->windows.padding < l->windows.size;
}

static void convolution_forward(const hd_layer *l, const hd_pass *p) {
  float *z = before_activation(l, p);
  if (direct(l, p) && l->activation != HD_GELU) {
    p->ops->convolve(p->ops, p->x, p->theta, p->theta + cells(l) * l->width, p->y, p->samples, l->windows,
                     l->width, l->activation == HD_RELU);
    return;
  }
  for (long first = 0; first < p->samples; first += chunk_of(l, p->samples, p->ops->on_host)) {
    const chunk c = chunk_from(l, p, first);
    product(p, c.rows, l->width, cells(l), windows_of(l, p, c), weights(p, l->width), false,
            z + (size_t)first * l->out);
  }
  p->ops->bias_act(p->ops, z, p->theta + cells(l) * l->width, p->y, p->samples * l->positions, l->width,
                   l->activation);
}

static void convolution_backward(const hd_layer *l, const hd_pass *p) {
  p->ops->bias_act_backward(p->ops, p->dy, before_activation(l, p), p->gradient + cells(l) * l->width,
                            p->samples * l->positions, l->width, l->activation, p->accumulate);
  if (direct(l, p)) {
    p->ops->convolve_filters(p->ops, p->x, p->dy, p->gradient, p->samples, l->windows, l->width,
                             p->accumulate);
    if (p->dx) p->ops->convolve_images(p->ops, p->dy, p->theta, p->dx, p->samples, l->windows, l->width);
    return;
  }
  for (long first = 0; first < p->samples; first += chunk_of(l, p->samples, p->ops->on_host)) {
    const chunk c = chunk_from(l, p, first);
    const operand dy = rounded(p, p->dy + (size_t)first * l->out, c.rows, l->width, c.dy16);
    product(p, cells(l), l->width, c.rows, turned(windows_of(l, p, c)), dy, p->accumulate || first > 0,
            p->gradient);
    if (!p->dx) continue;
    product(p, c.rows, cells(l), l->width, dy, turned(weights(p, l->width)), false, c.columns);
    p->ops->fold(p->ops, c.columns, p->dx + (size_t)first * l->in, c.count, l->windows);
  }
}

static const hd_layer_kind convolution = {"convolution", he_initial, convolution_forward,
                                          convolution_backward};

hd_layer hd_convolution(hd_windows windows, long channels, enum hd_activation activation) {
  hd_layer l = {.kind = &convolution,
                .in = (size_t)windows.height * (size_t)windows.width * (size_t)windows.channels,
                .activation = activation,
                .positions = hd_windows_down(windows) * hd_windows_across(windows),
                .width = channels,
                .windows = windows};
  l.out = (size_t)(l.positions * channels);
  l.parameters = (size_t)((cells(&l) + 1) * channels);
  l.kept = activation == HD_GELU ? l.out * sizeof(float) : 0;
  l.flops = 2.0 * (double)l.positions * (double)cells(&l) * (double)channels;
  return l;
}

size_t hd_product_work(const hd_layer *l, long samples, bool on_host, enum hd_type precision) {
  const size_t halves = precision == HD_F32 ? 0 : sizeof(uint16_t);
  if (l->kind != &convolution) return (size_t)samples * (l->in + l->out) * halves;
  const size_t rows = (size_t)(chunk_of(l, samples, on_host) * l->positions);
  return rows * (size_t)cells(l) * (sizeof(float) + halves) + rows * (size_t)l->width * halves;
}
