// SPDX-License-Identifier: MIT
// The command line of a lesson.
#ifndef HEDDLE_OPTIONS_H
#define HEDDLE_OPTIONS_H
#include "heddle/bench.h"

enum hd_device_choice { HD_DEVICE_ALL, HD_DEVICE_CPU, HD_DEVICE_GPU };
enum hd_format { HD_TABLE, HD_CSV, HD_JSON };

typedef struct hd_options {
  bool verify, full, list, size_given, no_mistakes;
  long size;
  int threads, devices;  // 0: the lesson's own sweep
  uint64_t seed;
  const char *variant, *results;  // NULL: all, none
  enum hd_device_choice device;
  enum hd_format format;
} hd_options;

// Reads and checks the command line; prints help and exits 0 for --help, or one line and exits 2 for a bad
// value.
hd_options hd_options_read(const hd_lesson *lesson, int argc, char **argv);
#endif
