// SPDX-License-Identifier: MIT
// What a run of the suite consists of: one pass is one process, a lesson with some arguments.
#ifndef PASSES_H
#define PASSES_H
#include <stdbool.h>

enum { PASS_PATH = 512, MOST_PASSES = 192 };

typedef struct pass {
  char program[PASS_PATH];
  char name[64];        // "22-data-parallel"
  char arguments[128];  // "--device sim:t4"
  bool verify;          // only checks, and leaves no rows
  bool again;           // one variant of a lesson that broke down
} pass;

// Which passes there are, and in which order.
typedef struct pass_plan {
  const char *lessons;  // folder of the built programs
  const char *suite;    // file of further passes
  bool full;
  // On a real GPU its minutes are the scarce thing: every lesson is verified there first, then measured
  // there, and what needs no GPU comes last.
  bool real_gpu;
} pass_plan;

// The programs of the lessons, one pass without arguments each; returns how many.
int passes_lessons(const pass_plan *plan, pass *lessons);

// All passes in their order, into `passes` with room for MOST_PASSES. `listing` is the file where the
// variants of all lessons are listed (lessons.csv): it tells where a lesson runs.
int passes_read(const pass_plan *plan, const char *listing, pass *passes);

// A lesson broke down on a real GPU: the same pass for each of its variants there, so that only the one at
// fault is lost. Returns how many; none for passes that are no measurement on a real GPU.
int passes_again(const pass_plan *plan, const char *listing, const pass *broken, pass *passes);
#endif
