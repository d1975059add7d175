// SPDX-License-Identifier: MIT
#include "heddle/data.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/error.h"
#include "heddle/random.h"
#if HD_HAVE_ZLIB
#include <zlib.h>
#endif

#ifndef HD_DATASET_PATH
#define HD_DATASET_PATH "/usr/share/datasets/fashion-mnist"
#endif

enum { SIDE = 28, MAX_COUNT = 1000000, TRAIN_COUNT = 60000, TEST_COUNT = 10000 };

// Streams of random numbers drawn here; the low 48 bits hold the epoch or the row.
#define STREAM_SHUFFLE (UINT64_C(1) << 48)
#define STREAM_AUGMENT (UINT64_C(2) << 48)
#define STREAM_TEMPLATE (UINT64_C(3) << 48)
#define STREAM_NOISE (UINT64_C(4) << 48)

// One part (training or test set) as its files hold it: bytes.
typedef struct raw_set {
  size_t count;
  uint8_t *pixels, *labels;
} raw_set;

typedef struct reader {
  char path[4096];
  char *error;
  size_t error_size;
#if HD_HAVE_ZLIB
  gzFile file;
#else
  FILE *file;
#endif
} reader;

// Writes "<path>: <what>" as the error; always false, so that callers can return it.
static bool complain(const reader *r, const char *what) {
  snprintf(r->error, r->error_size, "%s: %s", r->path, what);
  return false;
}

static bool exists(const char *path) {
  FILE *f = fopen(path, "rb");
  if (f) fclose(f);
  return f != NULL;
}

#if HD_HAVE_ZLIB
// zlib reads both compressed and plain files, so the plain name is only the second one tried.
static bool open_file(reader *r, const char *folder, const char *name) {
  snprintf(r->path, sizeof r->path, "%s/%s.gz", folder, name);
  const bool compressed = exists(r->path);
  if (!compressed) snprintf(r->path, sizeof r->path, "%s/%s", folder, name);
  r->file = gzopen(r->path, "rb");
  if (!r->file) return complain(r, strerror(errno ? errno : ENOMEM));
  gzbuffer(r->file, 1 << 18);
  if (compressed && gzdirect(r->file)) {
    gzclose(r->file);
    return complain(r, "not in gzip format; the file is damaged, install or download it again");
  }
  return true;
}

// Exactly `size` bytes, or an error that tells a short file from a damaged one.
static bool read_bytes(reader *r, void *to, size_t size) {
  const int got = gzread(r->file, to, (unsigned)size);
  if (got >= 0 && (size_t)got == size) return true;
  int code = Z_OK;
  gzerror(r->file, &code);
  if (code == Z_DATA_ERROR) return complain(r, "corrupt gzip data; install or download the file again");
  return complain(r, "truncated; install or download the file again");
}

// The checksum stands behind the last byte, so only reading past the end verifies it.
static bool at_end(reader *r) {
  char extra;
  const int got = gzread(r->file, &extra, 1);
  if (got > 0) return complain(r, "longer than its header says; install or download the file again");
  int code = Z_OK;
  gzerror(r->file, &code);
  if (got == 0 && code == Z_OK) return true;
  if (code == Z_BUF_ERROR) return complain(r, "truncated; install or download the file again");
  return complain(r, "corrupt gzip data (checksum); install or download the file again");
}

static void close_file(reader *r) {
  gzclose(r->file);
}
#else
static bool open_file(reader *r, const char *folder, const char *name) {
  snprintf(r->path, sizeof r->path, "%s/%s", folder, name);
  r->file = fopen(r->path, "rb");
  if (r->file) return true;
  const int why = errno;
  char packed[sizeof r->path + 3];
  snprintf(packed, sizeof packed, "%s.gz", r->path);
  if (!exists(packed)) return complain(r, strerror(why));
  return complain(r,
                  "only the .gz is there and this build has no zlib: install zlib1g-dev and configure again, "
                  "or gunzip the files into a folder and set HEDDLE_DATA to it");
}

static bool read_bytes(reader *r, void *to, size_t size) {
  if (fread(to, 1, size, r->file) == size) return true;
  return complain(r, "truncated; install or download the file again");
}

static bool at_end(reader *r) {
  if (fgetc(r->file) == EOF) return true;
  return complain(r, "longer than its header says; install or download the file again");
}

static void close_file(reader *r) {
  fclose(r->file);
}
#endif

static uint32_t big_endian(const uint8_t *b) {
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

// IDX header: magic number 0x0000 08 <dimensions> (08: unsigned bytes), then each dimension as a big-endian
// word. http://yann.lecun.com/exdb/mnist. Returns the count, 0 on error.
static size_t read_header(reader *r, uint32_t dimensions) {
  uint8_t header[16];
  if (!read_bytes(r, header, 4 + 4 * (size_t)dimensions)) return 0;
  char what[160];
  const uint32_t magic = big_endian(header), wanted = 0x800 + dimensions;
  if (magic != wanted) {
    snprintf(what, sizeof what, "magic number is 0x%08x, not 0x%08x: not an IDX file of %s", magic, wanted,
             dimensions == 3 ? "images" : "labels");
    return complain(r, what);
  }
  const uint32_t count = big_endian(header + 4);
  if (count == 0 || count > MAX_COUNT) {
    snprintf(what, sizeof what, "holds %u items; 1 to %d are supported", count, MAX_COUNT);
    return complain(r, what);
  }
  if (dimensions == 3 && (big_endian(header + 8) != SIDE || big_endian(header + 12) != SIDE)) {
    snprintf(what, sizeof what, "images are %u x %u, not 28 x 28", big_endian(header + 8),
             big_endian(header + 12));
    return complain(r, what);
  }
  return count;
}

// One IDX file into *bytes (count × width, to be freed). Returns the count; 0 and *bytes NULL on error.
static size_t read_idx(const char *folder, const char *name, uint32_t dimensions, uint8_t **bytes,
                       char *error, size_t error_size) {
  reader r = {.error = error, .error_size = error_size};
  const size_t width = dimensions == 3 ? HD_IMAGE_PIXELS : 1;
  *bytes = NULL;
  if (!open_file(&r, folder, name)) return 0;
  size_t count = read_header(&r, dimensions);
  if (count > 0) {
    *bytes = hd_alloc(count, width);
    if (!read_bytes(&r, *bytes, count * width) || !at_end(&r)) {
      free(*bytes);
      *bytes = NULL;
      count = 0;
    }
  }
  close_file(&r);
  return count;
}

static void raw_free(raw_set *raw) {
  free(raw->pixels);
  free(raw->labels);
  *raw = (raw_set){0};
}

static bool raw_read(const char *folder, const char *part, raw_set *raw, char *error, size_t error_size) {
  char images[64], labels[64];
  snprintf(images, sizeof images, "%s-images-idx3-ubyte", part);
  snprintf(labels, sizeof labels, "%s-labels-idx1-ubyte", part);
  raw->count = read_idx(folder, images, 3, &raw->pixels, error, error_size);
  if (raw->count == 0) return false;
  const size_t label_count = read_idx(folder, labels, 1, &raw->labels, error, error_size);
  bool good = label_count > 0;
  if (good && label_count != raw->count) {
    snprintf(error, error_size, "%s/%s: %zu labels for %zu images; the files do not belong together", folder,
             labels, label_count, raw->count);
    good = false;
  }
  for (size_t i = 0; good && i < raw->count; i++) {
    if (raw->labels[i] < HD_CLASSES) continue;
    snprintf(error, error_size, "%s/%s: label %zu is %d, not 0 to 9; the file is damaged", folder, labels, i,
             raw->labels[i]);
    good = false;
  }
  if (!good) raw_free(raw);
  return good;
}

// A smooth pattern per class: a random sum of the lowest cosines, in about [-1, 1].
static void make_templates(float templates[HD_CLASSES][SIDE][SIDE]) {
  enum { WAVES = 4 };
  for (int c = 0; c < HD_CLASSES; c++)
    for (int y = 0; y < SIDE; y++)
      for (int x = 0; x < SIDE; x++) {
        float sum = 0;
        for (int u = 0; u < WAVES; u++)
          for (int v = 0; v < WAVES; v++) {
            const uint64_t index = ((uint64_t)c * WAVES + (uint64_t)u) * WAVES + (uint64_t)v;
            sum += hd_random_normal(0, STREAM_TEMPLATE, index) * cosf(0.112f * (float)u * ((float)x + 0.5f)) *
                   cosf(0.112f * (float)v * ((float)y + 0.5f));
          }
        templates[c][y][x] = 0.35f * sum;
      }
}

static int clamp(int value, int low, int high) {
  return value < low ? low : value > high ? high : value;
}

// The pattern of the label, moved by up to two pixels, over a fainter one of another class, and noise. Item i
// of the stream is a pure function of i, so the set is the same everywhere.
static void make_synthetic(size_t count, uint64_t first, raw_set *raw) {
  static float templates[HD_CLASSES][SIDE][SIDE];
  make_templates(templates);
  raw->count = count;
  raw->pixels = hd_alloc(count, HD_IMAGE_PIXELS);
  raw->labels = hd_alloc(count, 1);
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < count; i++) {
    const uint64_t stream = STREAM_NOISE + first + i;
    const hd_random4 choice = hd_philox(0, stream, HD_IMAGE_PIXELS);
    const int label = (int)(choice.v[0] % HD_CLASSES);
    const int other = (label + 1 + (int)(choice.v[1] % (HD_CLASSES - 1))) % HD_CLASSES;
    const int dx = (int)(choice.v[2] % 5) - 2, dy = (int)(choice.v[3] % 5) - 2;
    raw->labels[i] = (uint8_t)label;
    for (int p = 0; p < HD_IMAGE_PIXELS; p += 16) {  // one draw holds 16 bytes of noise
      const hd_random4 noise = hd_philox(0, stream, (uint64_t)(p / 16));
      for (int b = 0; b < 16; b++) {
        const int y = clamp((p + b) / SIDE + dy, 0, SIDE - 1), x = clamp((p + b) % SIDE + dx, 0, SIDE - 1);
        const float pattern = 50.0f * templates[label][y][x] + 35.0f * templates[other][y][x];
        const int random = (int)(noise.v[b / 4] >> (8 * (b % 4)) & 255);
        raw->pixels[i * HD_IMAGE_PIXELS + (size_t)(p + b)] =
            (uint8_t)clamp(64 + (int)lrintf(pattern) + random / 2, 0, 255);
      }
    }
  }
}

// Sums of integers: exact, and so the same on every machine.
static void mean_and_deviation(const raw_set *raw, double *mean, double *deviation) {
  const size_t n = raw->count * HD_IMAGE_PIXELS;
  uint64_t sum = 0, squares = 0;
#pragma omp parallel for simd reduction(+ : sum, squares) schedule(static)
  for (size_t i = 0; i < n; i++) {
    const uint32_t p = raw->pixels[i];
    sum += p;
    squares += (uint64_t)(p * p);
  }
  *mean = (double)sum / (double)n;
  *deviation = sqrt((double)squares / (double)n - *mean * *mean);
}

static void normalise(raw_set *raw, double mean, double deviation, const char *source, hd_dataset *set) {
  float scaled[256];
  for (int p = 0; p < 256; p++) scaled[p] = (float)((p - mean) / deviation);
  set->count = raw->count;
  set->images = hd_alloc(raw->count * HD_IMAGE_PIXELS, sizeof(float));
  set->labels = raw->labels;
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < raw->count * HD_IMAGE_PIXELS; i++) set->images[i] = scaled[raw->pixels[i]];
  snprintf(set->source, sizeof set->source, "%s", source);
  raw->labels = NULL;
  raw_free(raw);
}

static const char *choose_source(const char *where) {
  if (where) return where;
  const char *asked = getenv("HEDDLE_DATA");
  return asked && asked[0] ? asked : HD_DATASET_PATH;
}

bool hd_dataset_load(const char *where, hd_dataset *train, hd_dataset *test, char *error, size_t error_size) {
  const char *source = choose_source(where);
  raw_set raw_train = {0}, raw_test = {0};
  *train = *test = (hd_dataset){0};
  if (error_size > 0) error[0] = '\0';
  if (strcmp(source, "synthetic") == 0) {
    make_synthetic(TRAIN_COUNT, 0, &raw_train);
    make_synthetic(TEST_COUNT, TRAIN_COUNT, &raw_test);
  } else {
    char first[4096];
    snprintf(first, sizeof first, "%s/train-images-idx3-ubyte.gz", source);
    bool found = exists(first);
    first[strlen(first) - 3] = '\0';
    if (!found && !exists(first)) {
      snprintf(
          error, error_size,
          "no Fashion-MNIST in %s: install dataset-fashion-mnist, set HEDDLE_DATA to a folder with its four "
          "IDX files, or ask for --data synthetic",
          source);
      return false;
    }
    if (!raw_read(source, "train", &raw_train, error, error_size)) return false;
    if (!raw_read(source, "t10k", &raw_test, error, error_size)) {
      raw_free(&raw_train);
      return false;
    }
  }
  double mean, deviation;
  mean_and_deviation(&raw_train, &mean, &deviation);
  if (!(deviation > 0)) {
    snprintf(error, error_size, "%s: all pixels of the training set are equal; the files are damaged",
             source);
    raw_free(&raw_train);
    raw_free(&raw_test);
    return false;
  }
  normalise(&raw_train, mean, deviation, source, train);
  normalise(&raw_test, mean, deviation, source, test);
  return true;
}

void hd_dataset_free(hd_dataset *d) {
  free(d->images);
  free(d->labels);
  *d = (hd_dataset){0};
}

void hd_shuffle(uint32_t *order, size_t count, uint64_t seed, uint64_t epoch) {
  for (size_t i = 0; i < count; i++) order[i] = (uint32_t)i;
  for (size_t i = count; i > 1; i--) {  // Fisher and Yates: swap the last with any one up to it
    const uint32_t word = hd_philox(seed, STREAM_SHUFFLE + epoch, i / 4).v[i % 4];
    const size_t j = (size_t)(((uint64_t)word * i) >> 32);
    const uint32_t last = order[i - 1];
    order[i - 1] = order[j];
    order[j] = last;
  }
}

// One image moved by (dx, dy) and perhaps mirrored; pixels from outside repeat the edge.
static void augment_image(const float *from, float *to, int dx, int dy, bool mirror) {
  for (int y = 0; y < SIDE; y++) {
    const float *row = from + SIDE * clamp(y + dy, 0, SIDE - 1);
    for (int x = 0; x < SIDE; x++)
      to[SIDE * y + x] = row[clamp((mirror ? SIDE - 1 - x : x) + dx, 0, SIDE - 1)];
  }
}

void hd_gather(const hd_dataset *d, const uint32_t *order, size_t n, float *images, uint8_t *labels,
               bool augment, uint64_t seed, uint64_t epoch) {
  for (size_t i = 0; i < n; i++) {
    const size_t row = order[i];
    const float *from = d->images + row * HD_IMAGE_PIXELS;
    float *to = images + i * HD_IMAGE_PIXELS;
    labels[i] = d->labels[row];
    if (augment) {
      const hd_random4 r = hd_philox(seed, STREAM_AUGMENT + epoch, row);
      augment_image(from, to, (int)(r.v[0] % 5) - 2, (int)(r.v[1] % 5) - 2, r.v[2] & 1);
    } else {
      memcpy(to, from, HD_IMAGE_PIXELS * sizeof(float));
    }
  }
}
