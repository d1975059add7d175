// SPDX-License-Identifier: MIT
// Sums of a program's kernels and access sites, kept by profile.c and written by report.c.
#ifndef CUSIM_PROFILE_H
#define CUSIM_PROFILE_H
#include "observe.h"

enum { SIM_NAME = 128, SIM_COUNTERS = sizeof(sim_counters) / sizeof(uint64_t), SIM_MOST_CARDS = 16 };

typedef struct sim_kernel_row {
  char name[SIM_NAME];
  sim_dim3 grid, block;
  size_t shared;
  bool library;  // a library's kernel: nothing is counted but FLOPs and time
  uint64_t launches, traced_blocks;
  double counts[SIM_COUNTERS];  // sim_counters, scaled from the traced blocks to the grids
  double flops;                 // of a library's kernel
  double seconds, low_s, high_s;
  double on_card[SIM_MOST_CARDS];  // seconds on each card of sim_card_list, if CUSIM_PROFILE_CARDS asks
  sim_estimate estimate;           // of the last launch
} sim_kernel_row;

typedef struct sim_site_row {
  char kernel[SIM_NAME];
  sim_site site;
} sim_site_row;

typedef struct sim_profile {
  sim_kernel_row *row;
  size_t rows, row_capacity;
  sim_site_row *site;
  size_t sites, site_capacity;
  bool lines, cards;  // asked for by CUSIM_PROFILE_LINES, CUSIM_PROFILE_CARDS
} sim_profile;

#define SIM_COUNT(row, field) ((row)->counts[offsetof(sim_counters, field) / sizeof(uint64_t)])

// To stderr, or to a file whose name ends in .csv or .json. Sorts the rows.
void sim_report(sim_profile *, const char *file);

typedef struct sim_gemm {
  const char *name;
  int64_t m, n, k;
  int element_bytes;
  bool tensor;
} sim_gemm;
void sim_profile_gemm(const sim_gemm *, const sim_estimate *);
bool sim_same_shape(sim_dim3, sim_dim3);
void *sim_profile_need(void *memory);  // ends the program with one line on stderr if it is NULL

#endif
