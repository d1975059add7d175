// SPDX-License-Identifier: MIT
// What a layout of a network over devices takes, on paper: bytes exactly, seconds from the times of one block
// on one device and the formulas of lessons 18 and 22 to 24.
//
// The network: blocks y = x + GELU(x·A1 + b1)·A2, A1 (width, 4·width), and the mean of (output - target)²
// / 2.
#ifndef HEDDLE_LESSON_27_MODEL_H
#define HEDDLE_LESSON_27_MODEL_H
#include <stdbool.h>
#include <stddef.h>

// data × tensor × pipeline devices. A device is (d, p, t), number (d · pipeline + p) · tensor + t: those that
// share a block are neighbours.
typedef struct layout {
  int data, tensor, pipeline, micro_batches;
  bool checkpoint;  // keeps inputs of blocks only; backward computes the rest again
} layout;

typedef struct model model;

// What the paper asks of another network than the one above.
typedef struct network {
  size_t (*parameters)(const model *m, layout l, int stage);  // of a device of a stage
  double (*memory)(const model *m, layout l, int stage);      // bytes there
  bool (*divides)(const model *m, layout l);                  // can it be laid out so?
  int sums;           // of a block's rows among its shares, forward and again backward; 1 above
  const void *shape;  // its own
} network;

struct model {
  long width, rows;  // rows of the whole batch
  int blocks;
  const network *network;  // NULL: the blocks above
};

enum { MOST_LAYOUTS = 1024, MOST_PROFILES = 128, NAME_ROOM = 32, NODE = 8 };

// Seconds of one block on one device, without any message.
typedef struct profile {
  int tensor;
  long rows;                                // of a micro-batch
  double forward, backward, again, update;  // again: what checkpointing adds to backward
  double loss;  // of the last stage, with whatever the first and the last have besides blocks
} profile;

// What the paper knows about the machine.
typedef struct machine {
  double latency, bandwidth;  // of a message
  profile known[MOST_PROFILES];
  int count;
} machine;

// "2×4×1 m8 c": data × tensor × pipeline, micro-batches, checkpointing.
void layout_name(layout l, char name[NAME_ROOM]);
// All layouts of so many devices that divide the network evenly enough: 4·width by tensor (or what the
// network says), rows by data and micro-batches, not more stages than blocks, blocks divided among at most
// NODE neighbours. Returns how many; at most MOST_LAYOUTS.
int layouts_of(const model *m, int devices, layout *list);
// Rows of a micro-batch on one device.
long layout_rows(const model *m, layout l);
// Blocks of a stage; first: the number of the first of them.
int layout_blocks(const model *m, layout l, int stage, int *first);
// Micro-batches that a stage has room for.
int layout_slots(layout l, int stage);

// Parameters of a block that one of `tensor` devices keeps.
size_t block_parameters(long width, int tensor);
// Bytes on a device of a stage, and of the stage that needs most: parameters, gradients, momentum,
// activations.
double layout_memory_of(const model *m, layout l, int stage);
double layout_memory(const model *m, layout l);

// Seconds of one step: the pipeline's schedule with all-reduces inside, then the all-reduce of gradients,
// then the update. -1 if the machine's times do not cover the layout.
double layout_seconds(const machine *on, const model *m, layout l);
// α–β: 2(N - 1)·latency + 2(N - 1)/N · bytes / bandwidth.
double all_reduce_seconds(const machine *on, int ranks, double bytes);

typedef struct prediction {
  layout layout;
  double seconds, memory;
} prediction;

// All layouts of so many devices, those that fit into `limit` bytes first, by seconds; returns how many there
// are, fits: how many fit.
int predict(const machine *on, const model *m, int devices, double limit, prediction *list, int *fits);
#endif
