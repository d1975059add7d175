// SPDX-License-Identifier: MIT
// Image data sets and a loader. Fashion-MNIST in its IDX files (gzip or plain), or a synthetic set of the
// same shape.
#ifndef HEDDLE_DATA_H
#define HEDDLE_DATA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HD_IMAGE_PIXELS = 784, HD_CLASSES = 10 };

typedef struct hd_dataset {
  size_t count;
  float *images;     // (count, 784), scaled to mean 0 and standard deviation 1 of the training set
  uint8_t *labels;   // (count), 0 … 9
  char source[256];  // the folder, or "synthetic"
} hd_dataset;

// Reads training and test set from `where`: a folder, "synthetic", or NULL: HEDDLE_DATA, else the installed
// package's folder. On failure returns false and fills error[error_size] with one line that says what to do:
// not found, truncated, corrupt gzip, wrong magic number, counts that differ.
bool hd_dataset_load(const char *where, hd_dataset *train, hd_dataset *test, char *error, size_t error_size);
void hd_dataset_free(hd_dataset *d);

// The visiting order of one epoch: a permutation of 0 … count-1 that is a pure function of (seed, epoch), so
// every rank computes the same one and takes its own shard of each batch. order has room for count entries.
void hd_shuffle(uint32_t *order, size_t count, uint64_t seed, uint64_t epoch);

// Gathers rows order[0..n) of the set into images (n, 784) and labels (n). augment: each image is shifted by
// up to two pixels (the edge is repeated) and mirrored by chance, a pure function of (seed, epoch, row
// index), so it does not depend on the rank.
void hd_gather(const hd_dataset *d, const uint32_t *order, size_t n, float *images, uint8_t *labels,
               bool augment, uint64_t seed, uint64_t epoch);

// A loader that prepares the next batch on its own thread while the current one is used.
typedef struct hd_loader hd_loader;
// Batches of `batch` rows (of the global order) of which this rank sees [offset, offset + length) rows each.
// The last partial batch of an epoch is dropped. NULL if batch is 0 or larger than the set, or if the rows
// lie outside the batch. d must outlive the loader.
hd_loader *hd_loader_open(const hd_dataset *d, size_t batch, size_t offset, size_t length, bool augment,
                          uint64_t seed);
// The same from batch number `first` on (0, 1, … over all epochs): what a run that was interrupted after
// `first` batches would have seen next.
hd_loader *hd_loader_open_at(const hd_dataset *d, size_t batch, size_t offset, size_t length, bool augment,
                             uint64_t seed, uint64_t first);
// The next batch of rows for this rank; owned by the loader, valid until the next call. Starts a new epoch by
// itself.
void hd_loader_next(hd_loader *l, const float **images, const uint8_t **labels);
void hd_loader_close(hd_loader *l);

#ifdef __cplusplus
}
#endif
#endif
