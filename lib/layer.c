// SPDX-License-Identifier: MIT
// Layers that are one operation of the table: pooling, layer norm, embedding, attention, addition.
#include "layer.h"

#include <heddle/random.h>

static hd_heads heads_of(const hd_layer *l, long samples) {
  return (hd_heads){
      .samples = samples, .length = l->positions, .heads = l->heads, .width = l->width / l->heads};
}

static void pool_forward(const hd_layer *l, const hd_pass *p) {
  p->ops->max_pool(p->ops, p->x, p->y, p->kept, p->samples, l->windows);
}

static void pool_backward(const hd_layer *l, const hd_pass *p) {
  if (p->dx) p->ops->max_pool_backward(p->ops, p->dy, p->kept, p->dx, p->samples, l->windows);
}

hd_layer hd_max_pool(hd_windows windows) {
  static const hd_layer_kind kind = {"max-pool", NULL, pool_forward, pool_backward};
  hd_layer l = {.kind = &kind,
                .in = (size_t)windows.height * (size_t)windows.width * (size_t)windows.channels,
                .positions = hd_windows_down(windows) * hd_windows_across(windows),
                .width = windows.channels,
                .windows = windows};
  l.out = (size_t)(l.positions * l.width);
  l.kept = l.out * sizeof(int32_t);
  return l;
}

static void norm_initial(const hd_layer *l, uint64_t seed, uint64_t stream, float *theta) {
  (void)seed, (void)stream;
  for (long i = 0; i < l->width; i++) {
    theta[i] = 1;
    theta[l->width + i] = 0;
  }
}

static void norm_forward(const hd_layer *l, const hd_pass *p) {
  p->ops->layer_norm(p->ops, p->x, p->theta, p->theta + l->width, p->y, p->kept, p->samples * l->positions,
                     l->width);
}

static void norm_backward(const hd_layer *l, const hd_pass *p) {
  p->ops->layer_norm_backward(p->ops, p->dy, p->x, p->theta, p->kept, p->dx, p->gradient,
                              p->gradient + l->width, p->samples * l->positions, l->width, p->accumulate);
}

hd_layer hd_layer_norm(long positions, long width) {
  static const hd_layer_kind kind = {"layer-norm", norm_initial, norm_forward, norm_backward};
  const size_t count = (size_t)(positions * width);
  return (hd_layer){.kind = &kind,
                    .in = count,
                    .out = count,
                    .parameters = 2 * (size_t)width,
                    .kept = 2 * (size_t)positions * sizeof(float),
                    .positions = positions,
                    .width = width};
}

static void embedding_initial(const hd_layer *l, uint64_t seed, uint64_t stream, float *theta) {
  hd_fill_normal(theta, l->parameters, seed, stream);
  for (size_t i = 0; i < l->parameters; i++) theta[i] *= 0.02f;
}

static void embedding_forward(const hd_layer *l, const hd_pass *p) {
  p->ops->embed(p->ops, (const int32_t *)(const void *)p->x, p->theta, p->theta + l->vocabulary * l->width,
                p->y, p->samples * l->positions, l->positions, l->width);
}

static void embedding_backward(const hd_layer *l, const hd_pass *p) {
  float *places = p->gradient + l->vocabulary * l->width;
  if (l->tied && !p->accumulate)
    p->ops->zero(p->ops, places, (size_t)(l->positions * l->width) * sizeof *places);
  p->ops->embed_backward(p->ops, (const int32_t *)(const void *)p->x, p->dy, p->gradient, places,
                         p->samples * l->positions, l->positions, l->width, l->vocabulary,
                         p->accumulate || l->tied);
}

hd_layer hd_embedding(long positions, long vocabulary, long width) {
  static const hd_layer_kind kind = {"embedding", embedding_initial, embedding_forward, embedding_backward};
  return (hd_layer){.kind = &kind,
                    .in = (size_t)positions,
                    .out = (size_t)(positions * width),
                    .parameters = (size_t)((vocabulary + positions) * width),
                    .positions = positions,
                    .width = width,
                    .vocabulary = vocabulary};
}

hd_layer hd_tied(hd_layer embedding) {
  embedding.tied = true;
  return embedding;
}

static void unembedding_forward(const hd_layer *l, const hd_pass *p) {
  const long width = (long)l->in / l->positions;
  p->ops->gemm(p->ops, false, true, p->samples * l->positions, l->width, width, 1, p->x, width,
               p->theta - l->before, width, 0, p->y, l->width);
}

static void unembedding_backward(const hd_layer *l, const hd_pass *p) {
  const long width = (long)l->in / l->positions, rows = p->samples * l->positions;
  p->ops->gemm(p->ops, true, false, l->width, width, rows, 1, p->dy, l->width, p->x, width,
               p->accumulate ? 1 : 0, p->gradient - l->before, width);
  if (p->dx)
    p->ops->gemm(p->ops, false, false, rows, width, l->width, 1, p->dy, l->width, p->theta - l->before, width,
                 0, p->dx, width);
}

static const hd_layer_kind unembedding = {"unembedding", NULL, unembedding_forward, unembedding_backward};

hd_layer hd_unembedding(long positions, long vocabulary, long width, size_t before) {
  return (hd_layer){.kind = &unembedding,
                    .in = (size_t)(positions * width),
                    .out = (size_t)(positions * vocabulary),
                    .flops = 2.0 * (double)positions * (double)width * (double)vocabulary,
                    .positions = positions,
                    .width = vocabulary,
                    .before = before};
}

static void attention_forward(const hd_layer *l, const hd_pass *p) {
  p->ops->attention(p->ops, p->x, p->kept, p->y, heads_of(l, p->samples));
}

static void attention_backward(const hd_layer *l, const hd_pass *p) {
  if (p->dx)
    p->ops->attention_backward(p->ops, p->x, p->kept, p->dy, p->dx, p->work, heads_of(l, p->samples));
}

static const hd_layer_kind attention = {"attention", NULL, attention_forward, attention_backward};

hd_layer hd_attention(long positions, long heads, long width) {
  const size_t out = (size_t)(positions * heads * width);
  return (hd_layer){.kind = &attention,
                    .in = 3 * out,
                    .out = out,
                    .kept = (size_t)(heads * positions * positions) * sizeof(float),
                    // q·k and p·v over the past: two products of positions·(positions + 1) / 2 rows
                    .flops = 2.0 * (double)out * (double)(positions + 1),
                    .positions = positions,
                    .width = heads * width,
                    .heads = heads};
}

// y = x; what is added to it lies in another layer's output, which the network knows.
static void addition_forward(const hd_layer *l, const hd_pass *p) {
  p->ops->copy(p->ops, p->y, p->x, (size_t)p->samples * l->out * sizeof(float));
}

static void addition_backward(const hd_layer *l, const hd_pass *p) {
  if (p->dx) p->ops->copy(p->ops, p->dx, p->dy, (size_t)p->samples * l->out * sizeof(float));
}

static const hd_layer_kind addition = {"addition", NULL, addition_forward, addition_backward};

hd_layer hd_addition(size_t count, int from) {
  return (hd_layer){
      .kind = &addition, .in = count, .out = count, .positions = 1, .width = (long)count, .from = from};
}

bool hd_is_addition(const hd_layer *l) {
  return l->kind == &addition;
}

size_t hd_layer_work(const hd_layer *l, long samples, bool on_host, enum hd_type precision) {
  if (l->kind == &attention) return (size_t)samples * l->kept;
  if (l->kind == &unembedding) return 0;
  return l->flops > 0 ? hd_product_work(l, samples, on_host, precision) : 0;
}
