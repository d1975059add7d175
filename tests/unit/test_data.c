// SPDX-License-Identifier: MIT
// The data set's reader on whole and damaged files, the order of visiting, augmentation, and the loader.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#if HD_HAVE_ZLIB
#include <zlib.h>
#endif

#include "heddle/data.h"

enum { TRAIN = 50, TEST = 20, IMAGE_BYTES = 16 + TRAIN * HD_IMAGE_PIXELS };

static const char *const FILES[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                    "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
static char folder[100];

static void path_of(char path[160], const char *name, const char *suffix) {
  snprintf(path, 160, "%s/%s%s", folder, name, suffix);
}

static void write_plain(const char *name, const uint8_t *bytes, size_t size) {
  char path[160];
  path_of(path, name, "");
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  assert_int_equal(fwrite(bytes, 1, size, f), size);
  assert_int_equal(fclose(f), 0);
}

static void put_word(uint8_t *to, uint32_t word) {
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(word >> (24 - 8 * i));
}

static size_t make_images(uint8_t *bytes, uint32_t count) {
  put_word(bytes, 0x803);
  put_word(bytes + 4, count);
  put_word(bytes + 8, 28);
  put_word(bytes + 12, 28);
  for (size_t i = 0; i < (size_t)count * HD_IMAGE_PIXELS; i++) bytes[16 + i] = (uint8_t)(i * 37 % 251);
  return 16 + (size_t)count * HD_IMAGE_PIXELS;
}

static size_t make_labels(uint8_t *bytes, uint32_t count) {
  put_word(bytes, 0x801);
  put_word(bytes + 4, count);
  for (uint32_t i = 0; i < count; i++) bytes[8 + i] = (uint8_t)(i % HD_CLASSES);
  return 8 + count;
}

static void remove_files(void) {
  char path[160];
  for (int i = 0; i < 4; i++) {
    path_of(path, FILES[i], "");
    unlink(path);
    path_of(path, FILES[i], ".gz");
    unlink(path);
  }
}

// A small good data set, plain.
static void write_set(void) {
  static uint8_t bytes[IMAGE_BYTES];
  remove_files();
  write_plain(FILES[0], bytes, make_images(bytes, TRAIN));
  write_plain(FILES[1], bytes, make_labels(bytes, TRAIN));
  write_plain(FILES[2], bytes, make_images(bytes, TEST));
  write_plain(FILES[3], bytes, make_labels(bytes, TEST));
}

static int make_folder(void **state) {
  (void)state;
  const char *temporary = getenv("TMPDIR");
  snprintf(folder, sizeof folder, "%s/heddle-data-XXXXXX", temporary ? temporary : "/tmp");
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  remove_files();
  return rmdir(folder);
}

// Loading must fail with one line that holds both words.
static void assert_refused(const char *first, const char *second) {
  hd_dataset train, test;
  char error[400];
  assert_false(hd_dataset_load(folder, &train, &test, error, sizeof error));
  if (!strstr(error, first) || !strstr(error, second)) fail_msg("unexpected message: %s", error);
  assert_null(strchr(error, '\n'));
  assert_null(train.images);
  assert_null(test.images);
}

static void plain_files_are_read_and_normalised(void **state) {
  (void)state;
  write_set();
  hd_dataset train, test;
  char error[400];
  assert_true(hd_dataset_load(folder, &train, &test, error, sizeof error));
  assert_int_equal(train.count, TRAIN);
  assert_int_equal(test.count, TEST);
  assert_string_equal(train.source, folder);
  double sum = 0, squares = 0;
  for (size_t i = 0; i < train.count * HD_IMAGE_PIXELS; i++) {
    sum += train.images[i];
    squares += (double)train.images[i] * train.images[i];
  }
  const double n = TRAIN * HD_IMAGE_PIXELS;
  assert_true(sum / n < 1e-6 && sum / n > -1e-6);
  assert_true(squares / n < 1 + 1e-6 && squares / n > 1 - 1e-6);
  // The test set takes the training set's scale: equal bytes become equal floats.
  assert_memory_equal(train.images, test.images, TEST * HD_IMAGE_PIXELS * sizeof(float));
  for (uint8_t i = 0; i < TRAIN; i++) assert_int_equal(train.labels[i], i % HD_CLASSES);
  hd_dataset_free(&train);
  hd_dataset_free(&test);
}

static void missing_files_are_named(void **state) {
  (void)state;
  remove_files();
  assert_refused(folder, "dataset-fashion-mnist");
  char path[160];
  write_set();
  path_of(path, FILES[3], "");
  unlink(path);
  assert_refused(FILES[3], "No such file");
}

static void damaged_plain_files_are_refused(void **state) {
  (void)state;
  static uint8_t bytes[IMAGE_BYTES + 1];
  write_set();
  size_t size = make_images(bytes, TRAIN);
  write_plain(FILES[0], bytes, size - 1);
  assert_refused(FILES[0], "truncated");
  write_plain(FILES[0], bytes, 7);
  assert_refused(FILES[0], "truncated");
  write_plain(FILES[0], bytes, 0);
  assert_refused(FILES[0], "truncated");
  write_plain(FILES[0], bytes, size + 1);
  assert_refused(FILES[0], "longer");
  bytes[3] = 1;
  write_plain(FILES[0], bytes, size);
  assert_refused(FILES[0], "magic");
  make_images(bytes, TRAIN);
  bytes[11] = 27;
  write_plain(FILES[0], bytes, size);
  assert_refused(FILES[0], "27 x 28");
  make_images(bytes, TRAIN);
  put_word(bytes + 4, UINT32_MAX);
  write_plain(FILES[0], bytes, size);
  assert_refused(FILES[0], "4294967295");
  put_word(bytes + 4, 0);
  write_plain(FILES[0], bytes, size);
  assert_refused(FILES[0], "0 items");
}

static void labels_must_fit_the_images(void **state) {
  (void)state;
  static uint8_t bytes[IMAGE_BYTES];
  write_set();
  write_plain(FILES[1], bytes, make_labels(bytes, TRAIN - 1));
  assert_refused(FILES[1], "49 labels for 50 images");
  const size_t size = make_labels(bytes, TRAIN);
  bytes[8 + 12] = 10;
  write_plain(FILES[1], bytes, size);
  assert_refused(FILES[1], "label 12 is 10");
}

static void constant_images_are_refused(void **state) {
  (void)state;
  static uint8_t bytes[IMAGE_BYTES];
  write_set();
  const size_t size = make_images(bytes, TRAIN);
  memset(bytes + 16, 5, size - 16);
  write_plain(FILES[0], bytes, size);
  assert_refused(folder, "equal");
}

#if HD_HAVE_ZLIB
// Replaces the plain training images by a compressed file; returns its size.
static long compress_images(void) {
  static uint8_t bytes[IMAGE_BYTES];
  char path[160];
  write_set();
  path_of(path, FILES[0], "");
  unlink(path);
  path_of(path, FILES[0], ".gz");
  const size_t size = make_images(bytes, TRAIN);
  gzFile z = gzopen(path, "wb9");
  assert_non_null(z);
  assert_int_equal(gzwrite(z, bytes, (unsigned)size), size);
  assert_int_equal(gzclose(z), Z_OK);
  FILE *f = fopen(path, "rb");
  fseek(f, 0, SEEK_END);
  const long compressed = ftell(f);
  fclose(f);
  return compressed;
}

static void flip(long offset) {
  char path[160];
  path_of(path, FILES[0], ".gz");
  FILE *f = fopen(path, "r+b");
  assert_non_null(f);
  fseek(f, offset, SEEK_SET);
  const int byte = fgetc(f);
  fseek(f, offset, SEEK_SET);
  fputc(byte ^ 0x10, f);
  fclose(f);
}

static void compressed_files_are_read(void **state) {
  (void)state;
  compress_images();
  hd_dataset train, test;
  char error[400];
  if (!hd_dataset_load(folder, &train, &test, error, sizeof error)) fail_msg("%s", error);
  assert_int_equal(train.count, TRAIN);
  hd_dataset_free(&train);
  hd_dataset_free(&test);
}

static void damaged_compressed_files_are_refused(void **state) {
  (void)state;
  const long size = compress_images();
  flip(0);  // the gzip signature
  assert_refused(FILES[0], "gzip");
  for (long at = 11; at < size;
       at += at < 40 || at > size - 12 ? 1 : 97) {  // a bit anywhere in data or checksum
    compress_images();
    flip(at);
    assert_refused(FILES[0], "install or download the file again");
  }
  for (long keep = 0; keep < size; keep += keep < 20 || keep > size - 12 ? 1 : 83) {
    char path[160];
    compress_images();
    path_of(path, FILES[0], ".gz");
    assert_int_equal(truncate(path, keep), 0);
    assert_refused(FILES[0], "again");
  }
}
#endif

// The nearest class mean is enough to see that the classes can be told apart.
static void synthetic_set_is_learnable_and_repeats(void **state) {
  (void)state;
  hd_dataset train, test, again, unused;
  char error[400];
  assert_true(hd_dataset_load("synthetic", &train, &test, error, sizeof error));
  assert_true(hd_dataset_load("synthetic", &again, &unused, error, sizeof error));
  assert_int_equal(train.count, 60000);
  assert_int_equal(test.count, 10000);
  assert_memory_equal(train.images, again.images, train.count * HD_IMAGE_PIXELS * sizeof(float));
  assert_memory_equal(train.labels, again.labels, train.count);
  assert_true(memcmp(train.images, test.images, 100 * HD_IMAGE_PIXELS * sizeof(float)) != 0);
  static double mean[HD_CLASSES][HD_IMAGE_PIXELS];
  size_t seen[HD_CLASSES] = {0};
  for (size_t i = 0; i < 5000; i++) {
    seen[train.labels[i]]++;
    for (size_t p = 0; p < HD_IMAGE_PIXELS; p++)
      mean[train.labels[i]][p] += train.images[i * HD_IMAGE_PIXELS + p];
  }
  size_t right = 0;
  for (size_t i = 0; i < 1000; i++) {
    int best = 0;
    double least = 1e300;
    for (int c = 0; c < HD_CLASSES; c++) {
      double distance = 0;
      for (size_t p = 0; p < HD_IMAGE_PIXELS; p++) {
        const double d = test.images[i * HD_IMAGE_PIXELS + p] - mean[c][p] / (double)seen[c];
        distance += d * d;
      }
      if (distance < least) {
        least = distance;
        best = c;
      }
    }
    right += best == test.labels[i];
  }
  assert_true(right > 600);
  hd_dataset_free(&train);
  hd_dataset_free(&test);
  hd_dataset_free(&again);
  hd_dataset_free(&unused);
}

static void shuffle_is_a_permutation_of_seed_and_epoch(void **state) {
  (void)state;
  const size_t counts[] = {0, 1, 2, 33, 1000, 60000};
  for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
    const size_t n = counts[c];
    uint32_t *order = test_calloc(n + 1, sizeof *order), *again = test_calloc(n + 1, sizeof *order);
    uint8_t *seen = test_calloc(n + 1, 1);
    hd_shuffle(order, n, 5, 3);
    hd_shuffle(again, n, 5, 3);
    assert_memory_equal(order, again, n * sizeof *order);
    for (size_t i = 0; i < n; i++) {
      assert_true(order[i] < n);
      assert_int_equal(seen[order[i]]++, 0);
    }
    if (n >= 33) {
      hd_shuffle(again, n, 5, 4);
      assert_true(memcmp(order, again, n * sizeof *order) != 0);
      hd_shuffle(again, n, 6, 3);
      assert_true(memcmp(order, again, n * sizeof *order) != 0);
    }
    test_free(order);
    test_free(again);
    test_free(seen);
  }
}

// Three items: each of the six orders comes up about equally often.
static void shuffle_is_fair(void **state) {
  (void)state;
  int seen[27] = {0};
  for (uint64_t epoch = 0; epoch < 6000; epoch++) {
    uint32_t o[3];
    hd_shuffle(o, 3, 1, epoch);
    seen[o[0] * 9 + o[1] * 3 + o[2]]++;
  }
  const int orders[] = {5, 7, 11, 15, 19, 21};
  for (int i = 0; i < 6; i++) assert_in_range(seen[orders[i]], 880, 1120);
}

// A set whose pixels tell row and place.
static hd_dataset make_set(size_t count) {
  hd_dataset d = {.count = count};
  d.images = calloc(count * HD_IMAGE_PIXELS, sizeof(float));
  d.labels = calloc(count, 1);
  for (size_t i = 0; i < count * HD_IMAGE_PIXELS; i++) d.images[i] = (float)i;
  for (size_t i = 0; i < count; i++) d.labels[i] = (uint8_t)(i % HD_CLASSES);
  return d;
}

static void augmentation_depends_on_the_row_only(void **state) {
  (void)state;
  enum { N = 64 };
  hd_dataset d = make_set(N);
  uint32_t order[N];
  float *whole = test_malloc(N * HD_IMAGE_PIXELS * sizeof(float)),
        *half = test_malloc(N * HD_IMAGE_PIXELS * sizeof(float));
  uint8_t labels[N];
  hd_shuffle(order, N, 1, 0);
  hd_gather(&d, order, N, whole, labels, true, 1, 0);
  hd_gather(&d, order + N / 2, N / 2, half, labels, true, 1, 0);
  assert_memory_equal(whole + N / 2 * HD_IMAGE_PIXELS, half, N / 2 * HD_IMAGE_PIXELS * sizeof(float));
  int changed = 0;
  for (size_t i = 0; i < N; i++) {
    const float base = (float)(order[i] * HD_IMAGE_PIXELS);
    changed +=
        memcmp(whole + i * HD_IMAGE_PIXELS, d.images + order[i] * HD_IMAGE_PIXELS, 784 * sizeof(float)) != 0;
    for (size_t p = 0; p < HD_IMAGE_PIXELS; p++) {
      const float value = whole[i * HD_IMAGE_PIXELS + p];
      assert_true(value >= base && value < base + HD_IMAGE_PIXELS);
    }
    // The middle pixel came from at most two rows and two columns (or their mirror images) away.
    const int from = (int)(whole[i * HD_IMAGE_PIXELS + 14 * 28 + 14] - base), x = from % 28, y = from / 28;
    assert_true(y >= 12 && y <= 16 && x >= 11 && x <= 16);
  }
  assert_true(changed > N / 2);
  hd_gather(&d, order, N, half, labels, true, 1, 1);
  assert_true(memcmp(whole, half, N * HD_IMAGE_PIXELS * sizeof(float)) != 0);
  test_free(whole);
  test_free(half);
  hd_dataset_free(&d);
}

static void loader_gives_every_rank_its_rows(void **state) {
  (void)state;
  enum { COUNT = 103, BATCH = 10, OFFSET = 3, LENGTH = 4, EPOCHS = 3 };
  hd_dataset d = make_set(COUNT);
  for (int augment = 0; augment < 2; augment++) {
    hd_loader *l = hd_loader_open(&d, BATCH, OFFSET, LENGTH, augment, 9);
    assert_non_null(l);
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
      uint32_t order[COUNT];
      hd_shuffle(order, COUNT, 9, epoch);
      for (size_t b = 0; b < COUNT / BATCH; b++) {
        float expected[LENGTH * HD_IMAGE_PIXELS];
        uint8_t expected_labels[LENGTH];
        const float *images;
        const uint8_t *labels;
        hd_gather(&d, order + b * BATCH + OFFSET, LENGTH, expected, expected_labels, augment, 9, epoch);
        hd_loader_next(l, &images, &labels);
        if (b % 3 == 0) usleep(200);  // the next one is being prepared meanwhile
        assert_memory_equal(images, expected, sizeof expected);
        assert_memory_equal(labels, expected_labels, sizeof expected_labels);
      }
    }
    hd_loader_close(l);
  }
  hd_dataset_free(&d);
}

// Opened in the middle, also of a later epoch: the batches an uninterrupted loader gives from there on.
static void loader_goes_on_where_it_was_left(void **state) {
  (void)state;
  enum { COUNT = 23, BATCH = 5, PER_EPOCH = COUNT / BATCH, MOST = 3 * PER_EPOCH };
  hd_dataset d = make_set(COUNT);
  for (uint64_t first = 0; first < MOST; first++) {
    hd_loader *whole = hd_loader_open(&d, BATCH, 1, 3, true, 9);
    hd_loader *late = hd_loader_open_at(&d, BATCH, 1, 3, true, 9, first);
    for (uint64_t b = 0; b < MOST + 3; b++) {
      const float *images, *late_images;
      const uint8_t *labels, *late_labels;
      hd_loader_next(whole, &images, &labels);
      if (b < first) continue;
      hd_loader_next(late, &late_images, &late_labels);
      assert_memory_equal(images, late_images, 3 * HD_IMAGE_PIXELS * sizeof(float));
      assert_memory_equal(labels, late_labels, 3);
    }
    hd_loader_close(whole), hd_loader_close(late);
  }
  hd_dataset_free(&d);
}

static void loader_closes_at_any_moment(void **state) {
  (void)state;
  hd_dataset d = make_set(50);
  for (int taken = 0; taken < 60; taken++) {
    hd_loader *l = hd_loader_open(&d, 7, 0, 7, true, 1);
    for (int i = 0; i < taken % 12; i++) {
      const float *images;
      const uint8_t *labels;
      hd_loader_next(l, &images, &labels);
    }
    hd_loader_close(l);
  }
  hd_loader_close(NULL);
  hd_dataset_free(&d);
}

static void loader_refuses_what_does_not_fit(void **state) {
  (void)state;
  hd_dataset d = make_set(20);
  assert_null(hd_loader_open(&d, 0, 0, 0, false, 1));
  assert_null(hd_loader_open(&d, 21, 0, 21, false, 1));
  assert_null(hd_loader_open(&d, 10, 6, 5, false, 1));
  assert_null(hd_loader_open(&d, 10, SIZE_MAX, 5, false, 1));
  hd_loader *empty = hd_loader_open(&d, 10, 10, 0, false, 1);  // more ranks than rows
  assert_non_null(empty);
  const float *images;
  const uint8_t *labels;
  hd_loader_next(empty, &images, &labels);
  hd_loader_close(empty);
  hd_dataset_free(&d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(plain_files_are_read_and_normalised),
    cmocka_unit_test(missing_files_are_named),
    cmocka_unit_test(damaged_plain_files_are_refused),
    cmocka_unit_test(labels_must_fit_the_images),
    cmocka_unit_test(constant_images_are_refused),
#if HD_HAVE_ZLIB
    cmocka_unit_test(compressed_files_are_read),
    cmocka_unit_test(damaged_compressed_files_are_refused),
#endif
    cmocka_unit_test(synthetic_set_is_learnable_and_repeats),
    cmocka_unit_test(shuffle_is_a_permutation_of_seed_and_epoch),
    cmocka_unit_test(shuffle_is_fair),
    cmocka_unit_test(augmentation_depends_on_the_row_only),
    cmocka_unit_test(loader_gives_every_rank_its_rows),
    cmocka_unit_test(loader_goes_on_where_it_was_left),
    cmocka_unit_test(loader_closes_at_any_moment),
    cmocka_unit_test(loader_refuses_what_does_not_fit),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
