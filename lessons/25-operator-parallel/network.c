// SPDX-License-Identifier: MIT
// The network as a graph. Backward is cut in two: nobody but the optimizer waits for the weights' gradients,
// so a plan may put them off.
#include "network.h"

const int branch_layers[BRANCHES] = {3, 1, 3, 2};

typedef struct builder {
  network *n;
  double layer, vector, bytes;  // GFLOP of a product and of a pass over one result; bytes of it
} builder;

static int add(const builder *b, int group, enum work work, int layer, double seconds, double bytes) {
  const int op = graph_add(&b->n->graph, group, seconds, bytes);
  b->n->task[op] = (task){work, layer};
  return op;
}

// Forward through a branch; returns the last layer's operation. forward: per layer.
static int branch_forward(const builder *b, int group, int layer, int count, int from, int *forward) {
  for (int l = layer; l < layer + count; l++) {
    forward[l] = add(b, group, FORWARD, l, b->layer + b->vector, b->bytes);
    if (from >= 0) graph_input(&b->n->graph, forward[l], from);
    from = forward[l];
  }
  return from;
}

// One layer back: dy is the operation that gives its output's gradient, x the one that gave its input (-1:
// the batch, whose gradient nobody needs).
static int layer_backward(const builder *b, int group, int layer, int dy, int x, const int *forward) {
  graph *g = &b->n->graph;
  const int back =
      add(b, group, BACKWARD, layer, (x < 0 ? 0 : b->layer) + 2 * b->vector, x < 0 ? 0 : b->bytes);
  graph_input(g, back, dy);
  graph_input(g, back, forward[layer]);
  const int weights = add(b, group, WEIGHTS, layer, b->layer, 0);
  graph_input(g, weights, back);
  if (x >= 0) graph_input(g, weights, x);
  return back;
}

// Layers are numbered in the order of the initial parameters, branch by branch. A branch is a group; so are
// the first layer, and each sum of branches with the sum of gradients that comes back to it.
network network_of(long rows, long width) {
  const double elements = (double)rows * (double)width;
  network n = {.graph = {.bandwidth = 0}};
  builder b = {&n, 2e-9 * elements * (double)width, 1e-8 * elements, 4 * elements};
  int forward[LAYERS], join[BLOCKS + 1], layer = 1;
  join[0] = branch_forward(&b, 0, 0, 1, -1, forward);
  for (int k = 0; k < BLOCKS; k++) {
    int last[BRANCHES];
    for (int i = 0; i < BRANCHES; i++) {
      last[i] = branch_forward(&b, 1 + k * (BRANCHES + 1) + i, layer, branch_layers[i], join[k], forward);
      layer += branch_layers[i];
    }
    join[k + 1] = add(&b, (k + 1) * (BRANCHES + 1), JOIN, 0, b.vector, b.bytes);
    for (int i = 0; i < BRANCHES; i++) graph_input(&n.graph, join[k + 1], last[i]);
  }
  int dy = add(&b, BLOCKS * (BRANCHES + 1), LOSS, 0, b.vector, b.bytes);
  graph_input(&n.graph, dy, join[BLOCKS]);
  for (int k = BLOCKS - 1; k >= 0; k--) {
    int back[BRANCHES];
    layer = 1 + k * BLOCK_LAYERS;
    for (int i = 0; i < BRANCHES; i++) {
      back[i] = dy;
      for (int l = layer + branch_layers[i] - 1; l >= layer; l--)
        back[i] = layer_backward(&b, 1 + k * (BRANCHES + 1) + i, l, back[i],
                                 l > layer ? forward[l - 1] : join[k], forward);
      layer += branch_layers[i];
    }
    dy = add(&b, k * (BRANCHES + 1), GATHER, 0, b.vector, b.bytes);
    for (int i = 0; i < BRANCHES; i++) graph_input(&n.graph, dy, back[i]);
  }
  layer_backward(&b, 0, 0, dy, -1, forward);
  return n;
}
