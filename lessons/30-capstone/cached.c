// SPDX-License-Identifier: MIT
// Idea: of a sequence that grows by one symbol only the last row is new. All that it needs of the others are
// their keys and values, which do not change: they are kept, and a pass is one row instead of `length`.
#include "gpt.h"

static void embedding_forward(const hd_layer *l, const hd_pass *p) {
  const gpt_cache *cache = l->context;
  const float *places = p->theta + (l->vocabulary + cache->position) * l->width;
  p->ops->embed(p->ops, (const int32_t *)(const void *)p->x, p->theta, places, p->y, p->samples, 1, l->width);
}

hd_layer gpt_embedding_at(const gpt_shape *s, gpt_cache *cache) {
  static const hd_layer_kind kind = {"embedding-at", NULL, embedding_forward, NULL};
  hd_layer l = hd_embedding(1, s->vocabulary, s->width);
  l.kind = &kind;
  l.parameters = (size_t)((s->vocabulary + s->length) * s->width);
  l.context = cache;
  return l;
}

static void attention_forward(const hd_layer *l, const hd_pass *p) {
  const gpt_past *past = l->context;
  const hd_heads h = {p->samples, past->cache->length, l->heads, l->width / l->heads};
  p->ops->attention_cached(p->ops, p->x, past->data, p->kept, p->y, h, past->cache->position);
}

hd_layer gpt_attention_at(gpt_past *past, long heads, long width) {
  static const hd_layer_kind kind = {"attention-at", NULL, attention_forward, NULL};
  hd_layer l = hd_attention(1, heads, width);
  l.kind = &kind;
  l.kept = (size_t)(heads * past->cache->length) * sizeof(float);
  l.flops = 0;
  l.context = past;
  return l;
}
