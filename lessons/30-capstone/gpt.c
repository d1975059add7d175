// SPDX-License-Identifier: MIT
#include "gpt.h"

#include <heddle/error.h>
#include <stdlib.h>
#include <string.h>

gpt_part gpt_whole(const gpt_shape *s) {
  return (gpt_part){.blocks = s->blocks, .begins = true, .ends = true, .tensor = 1};
}

// x + f(norm(x)), twice. `x`: the layer that gives x, -1 if it is the network's input; returns the number of
// layers.
static int block_layers(const gpt_shape *s, const gpt_part *p, int block, int x, hd_layer *list) {
  const long t = p->cache ? 1 : s->length, w = s->width, mine = w / p->tensor, heads = s->heads / p->tensor;
  const hd_layer attention = p->cache ? gpt_attention_at(&p->cache->past[block], heads, w / s->heads)
                                      : hd_attention(t, heads, w / s->heads);
  const hd_layer block_list[GPT_BLOCK_LAYERS] = {hd_layer_norm(t, w),
                                                 gpt_columns(t, w, 3 * mine, HD_LINEAR, p->sum),
                                                 attention,
                                                 gpt_rows(t, mine, w, p->sum),
                                                 hd_addition((size_t)(t * w), x),
                                                 hd_layer_norm(t, w),
                                                 gpt_columns(t, w, 4 * mine, HD_GELU, p->sum),
                                                 gpt_rows(t, 4 * mine, w, p->sum),
                                                 hd_addition((size_t)(t * w), x + 5)};
  memcpy(list, block_list, sizeof block_list);
  return GPT_BLOCK_LAYERS;
}

static hd_layer embedding(const gpt_shape *s, const gpt_part *p) {
  if (p->cache) return gpt_embedding_at(s, p->cache);
  const hd_layer l = hd_embedding(s->length, s->vocabulary, s->width);
  return s->tied ? hd_tied(l) : l;
}

int gpt_layers(const gpt_shape *s, const gpt_part *p, hd_layer *list) {
  const long t = p->cache ? 1 : s->length;
  int n = 0;
  if (s->width % s->heads || s->heads % p->tensor || s->blocks > GPT_MOST_BLOCKS)
    hd_fail(HD_EXIT_USAGE, "a GPT of %d blocks of width %ld with %ld heads cannot be divided by %d",
            s->blocks, s->width, s->heads, p->tensor);
  if (p->begins) list[n++] = embedding(s, p);
  for (int b = 0; b < p->blocks; b++) n += block_layers(s, p, b, n - 1, list + n);
  if (!p->ends) return n;
  list[n++] = hd_layer_norm(t, s->width);
  list[n] = s->tied ? hd_unembedding(t, s->vocabulary, s->width, hd_net_count(list, n))
                    : hd_dense(t, s->width, s->vocabulary, HD_LINEAR);
  return n + 1;
}

size_t gpt_parameters(const gpt_shape *s, const gpt_part *p) {
  hd_layer *list = hd_alloc(GPT_MOST_LAYERS, sizeof *list);
  const size_t count = hd_net_count(list, gpt_layers(s, p, list));
  free(list);
  return count;
}

// A matrix with its bias as one more row: columns are divided within each of `groups` (queries, keys,
// values); of divided rows each share has the bias.
static void copy_layer(const hd_layer *mine, const hd_layer *whole, int share, int groups, float *part,
                       float *all, bool to_whole) {
  if (mine->parameters == whole->parameters) {
    memcpy(to_whole ? all : part, to_whole ? part : all, mine->parameters * sizeof *all);
    return;
  }
  const long rows = (long)mine->in / mine->positions, all_rows = (long)whole->in / whole->positions,
             run = mine->width / groups, all_run = whole->width / groups;
  const long row = rows < all_rows ? share * rows : 0, column = run < all_run ? share * run : 0;
  for (long r = 0; r <= rows; r++)
    for (int g = 0; g < groups; g++) {
      float *here = part + r * mine->width + g * run,
            *there = all + (r < rows ? row + r : all_rows) * whole->width + g * all_run + column;
      memcpy(to_whole ? there : here, to_whole ? here : there, (size_t)run * sizeof *here);
    }
}

void gpt_copy_part(const gpt_shape *s, const gpt_part *p, float *part, float *whole, bool to_whole) {
  const gpt_part all = gpt_whole(s);
  gpt_part mine = *p;
  mine.cache = NULL;
  hd_layer *list = hd_alloc(GPT_MOST_LAYERS, sizeof *list),
           *all_list = hd_alloc(GPT_MOST_LAYERS, sizeof *list);
  const int count = gpt_layers(s, &mine, list);
  gpt_layers(s, &all, all_list);
  for (int l = 0; l < count; l++) {
    const int behind = l - p->begins;  // the embedding
    const int there = behind < 0 ? 0 : behind + 1 + GPT_BLOCK_LAYERS * p->first;
    copy_layer(&list[l], &all_list[there], p->share, behind % GPT_BLOCK_LAYERS == 1 ? 3 : 1, part,
               whole + hd_net_count(all_list, there), to_whole);
    part += list[l].parameters;
  }
  free(list);
  free(all_list);
}
