// SPDX-License-Identifier: MIT
// Checkpoints: a training written to one file and taken up again, bit for bit. A file is written beside its
// place, flushed to the disk and then renamed, so that a crash at any moment leaves the previous checkpoint
// whole; it holds checksums, so that a damaged one is found and not used.
#ifndef HEDDLE_CHECKPOINT_H
#define HEDDLE_CHECKPOINT_H
#include "schedule.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { HD_CHECKPOINT_NAME = 24, HD_CHECKPOINT_PARTS = 16 };

// A named piece of host memory.
typedef struct hd_part {
  const char *name;  // fewer than HD_CHECKPOINT_NAME characters
  void *data;
  size_t bytes;
} hd_part;

// A number that a flipped bit anywhere changes (FNV-1a over words of eight bytes).
uint64_t hd_checksum(const void *data, size_t bytes);

// Writes the parts (at most HD_CHECKPOINT_PARTS). On failure returns false, fills error[error_size] with one
// line and leaves the file that was there as it was.
bool hd_checkpoint_write(const char *path, const hd_part *parts, int count, char *error, size_t error_size);

// Reads a file of exactly these parts, in this order and of these sizes. On failure (no file, no checkpoint,
// another version, other parts, truncated, damaged) returns false, fills error, and leaves the parts alone.
bool hd_checkpoint_read(const char *path, const hd_part *parts, int count, char *error, size_t error_size);

// A training: what a checkpoint has to hold so that the next step is the one that would have come. The
// hyper-parameters are the program's.
typedef struct hd_training {
  float *theta;  // in the memory of optimizer->ops
  hd_optimizer *optimizer;
  hd_scaler *scaler;  // NULL: none
  uint64_t seed;      // of shuffling and augmentation
  uint64_t batches;   // taken from the loader so far: where hd_loader_open_at goes on
} hd_training;

// As the two above. Loading sets batches, the state of the optimizer and of the scaler; the seed, the rule
// and the number of parameters must be those of the file.
bool hd_training_save(const char *path, const hd_training *t, char *error, size_t error_size);
bool hd_training_load(const char *path, hd_training *t, char *error, size_t error_size);

#ifdef __cplusplus
}
#endif
#endif
