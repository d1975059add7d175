// SPDX-License-Identifier: MIT
// A GPT (Radford et al. 2019) as a list of layers, whole or a part of it: some blocks (a pipeline's stage),
// of each some heads and columns (a tensor share), for whole sequences or for one new position beside a
// cache.
//
//   x = table[token] + place            u = x + attention(norm(x)·Wqkv)·Wo
//   logits = norm(y)·W                  y = u + GELU(norm(u)·A1)·A2          (every product with its bias)
#ifndef HEDDLE_LESSON_30_GPT_H
#define HEDDLE_LESSON_30_GPT_H
#include <heddle/comm.h>
#include <heddle/net.h>

typedef struct gpt_shape {
  long batch, length, width, heads, vocabulary;  // batch: sequences of `length` symbols; width: of a row
  int blocks;
  bool tied;  // W is the table, transposed, without a bias (as in GPT-2); only for the whole network
} gpt_shape;

enum { GPT_BLOCK_LAYERS = 9, GPT_MOST_BLOCKS = 64, GPT_MOST_LAYERS = 9 * GPT_MOST_BLOCKS + 3 };

// What one position after the other leaves for the next: keys and values of every block.
typedef struct gpt_cache gpt_cache;
typedef struct gpt_past {
  const gpt_cache *cache;
  float *data;  // (sequences, length, 2·width of this share), in ops memory
} gpt_past;
struct gpt_cache {
  long length, position;  // room; the position that comes next
  gpt_past past[GPT_MOST_BLOCKS];
};

typedef struct gpt_part {
  int first, blocks;
  bool begins, ends;  // with the embedding; with the last norm and the logits
  int tensor, share;  // this share of so many
  hd_comm *sum;       // of those who share; NULL: nobody is asked
  gpt_cache *cache;   // one position at a time; NULL: whole sequences
} gpt_part;

// The whole network on one device.
gpt_part gpt_whole(const gpt_shape *s);
// Layers of a part, at most GPT_MOST_LAYERS; returns how many.
int gpt_layers(const gpt_shape *s, const gpt_part *p, hd_layer *list);
size_t gpt_parameters(const gpt_shape *s, const gpt_part *p);
// Between the parameters (or gradients) of a part and those of the whole network, both host memory.
void gpt_copy_part(const gpt_shape *s, const gpt_part *p, float *part, float *whole, bool to_whole);

// Layers whose matrices are divided (lesson 23): the columns of a dense layer, whose input's gradient is the
// sum of all shares', and the rows of one, whose output is. The bias behind that sum belongs to everybody.
hd_layer gpt_columns(long positions, long in, long out, enum hd_activation activation, hd_comm *sum);
hd_layer gpt_rows(long positions, long in, long out, hd_comm *sum);
// Layers for one position, whose number the cache tells.
hd_layer gpt_embedding_at(const gpt_shape *s, gpt_cache *cache);
hd_layer gpt_attention_at(gpt_past *past, long heads, long width);

// Loss (the mean over all positions) and, unless NULL, its gradient and the logits of every position in
// double precision, with no code in common with what they check.
double gpt_reference(const gpt_shape *s, const double *theta, const int32_t *tokens, const int32_t *targets,
                     double *gradient, double *logits);
#endif
