// SPDX-License-Identifier: MIT
// What the files that choose plots share.
#ifndef HEDDLE_CHOOSE_H
#define HEDDLE_CHOOSE_H
#include "report.h"

enum { HD_MAX_COUNTS = 64 };

bool hd_at_place(const hd_report_lesson *lesson, const hd_result *row, const char *device);  // and drawable
void hd_name_plot(hd_plot *plot, const hd_report_lesson *lesson, const char *what, const char *device);
const char *hd_clock_text(char out[128],
                          const hd_result *row);  // "measured on the CPU", "simulated H200 (model)"
const char *hd_size_name(const hd_report_lesson *lesson);

// Adds x to a sorted list of at most HD_MAX_COUNTS, unless it is there already.
bool hd_add_count(long *counts, int *count, long x);

// Tics at the counts or sizes themselves, once plot->log_x is set; texts that would overlap are left out.
void hd_plot_set_tics(hd_plot *plot, const long *x, int count, bool sizes);

// The median of the bounds of those of `rows` that have these counts and this size, in their unit; -1: none.
double hd_median_bound(const hd_result **rows, int count, int threads, int devices, long size);

void hd_choose_sweep(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                     const char *device);
void hd_choose_figures(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                       const char *device);

#endif
