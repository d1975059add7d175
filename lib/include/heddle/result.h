// SPDX-License-Identifier: MIT
// One measured (or modelled) row, and the files of a run: <run>/machine.json, results.csv, <lesson>.csv.
#ifndef HEDDLE_RESULT_H
#define HEDDLE_RESULT_H
#include <stdbool.h>
#include <stddef.h>

#include "bench.h"

#define HD_RESULT_HEADER                                                                                     \
  "lesson,variant,size,threads,devices,device,clock,median_s,ci_low_s,ci_high_s,samples,value,unit,speedup," \
  "bound_fraction,max_rel_error,verified,mood,git,machine"

// Ends the device's name where there are more ranks than cards: right, but its times say nothing about
// scaling.
#define HD_SHARED " shared"

// A field that does not apply is negative (numbers) or "" (strings); NaN is written as an empty field too.
typedef struct hd_result {
  char lesson[48], variant[48];
  long size;
  int threads, devices;
  char device[64], clock[8];
  double median_s, ci_low_s, ci_high_s;
  long samples;
  double value;
  char unit[16];
  double speedup, bound_fraction, max_rel_error;
  bool verified;
  char mood[8], git[32], machine[32];
} hd_result;

// The file of results in folder `run`: opened for appending, with the header written if it is new; an
// unterminated last line (a killed run) is cut off. Ends the process if the folder cannot be written.
typedef struct hd_results hd_results;
hd_results *hd_results_open(const char *run);
void hd_results_close(hd_results *r);

// True if the run already holds this lesson, variant, size, threads, devices and device at the same git
// revision.
bool hd_results_has(const hd_results *r, const hd_result *key);

// Appends one row in a single write, or nothing at all: a short write (full disk) is undone and ends the
// process.
void hd_results_append(hd_results *r, const hd_result *row);

// Appends a figure of a row to <run>/<lesson>.csv: variant,size,threads,devices,device,figure,value,unit.
void hd_results_figure(hd_results *r, const hd_result *row, const char *name, double value, const char *unit);

// Appends the timeline of a row to <run>/<lesson>-spans.csv:
// variant,size,threads,devices,device,set,lane,label,start_s,end_s. set grows from call to call, so that a
// reader takes the last timeline of a row that was measured twice.
void hd_results_spans(hd_results *r, const hd_result *row, const hd_span *spans, int count);

#endif
