// SPDX-License-Identifier: MIT
// What a rank keeps and sends, from the strategy alone; tests hold the run against it, byte by byte.
#include "sharding.h"

enum { LINE = 32, FLOAT = 4 };

size_t layer_parameters(long width) {
  return (size_t)width * (size_t)width + (size_t)width;
}

size_t shard_length(long width, int world) {
  const size_t shards = (size_t)world, lines = (layer_parameters(width) + LINE - 1) / LINE;
  return (lines + shards - 1) / shards * LINE;
}

bytes_kept bytes_formula(const strategy *s, long width, long rows, int world) {
  const double shard = FLOAT * (double)shard_length(width, world), layer = shard * world;
  const int segments = (LAYERS + s->every - 1) / s->every;
  bytes_kept b = {.parameters = LAYERS * (s->shards_parameters ? shard : layer) + s->buffers * layer,
                  .gradient = s->shards_gradient ? LAYERS * shard + layer : LAYERS * layer,
                  .optimizer = 2 * LAYERS * (s->shards_optimizer ? shard : layer)};
  // A checkpoint per segment; outputs and sums of the layers of one; two gradients; the target; the losses.
  const double matrix = FLOAT * (double)rows * (double)width;
  b.activations = (segments + 2 * s->every + 2 + 1) * matrix + FLOAT * (double)rows;
  return b;
}

hd_traffic traffic_formula(const strategy *s, long width, int world) {
  const int last = LAYERS % s->every ? LAYERS % s->every : s->every, again = LAYERS - last;
  // In units of a reduce-scatter or an all-gather of one layer.
  const int gathers = s->shards_parameters ? 2 * LAYERS + again : LAYERS;
  const uint64_t moves = (uint64_t)(gathers + LAYERS) * (uint64_t)(world - 1);
  return (hd_traffic){moves, moves * shard_length(width, world) * FLOAT};
}
