// SPDX-License-Identifier: MIT
// What this machine is: the record that stands beside every result.
#ifndef HEDDLE_MACHINE_H
#define HEDDLE_MACHINE_H
#include <stdbool.h>
#include <stdio.h>

typedef struct hd_machine {
  char id[32];  // short and stable: "amd-epyc-2c-1a2b"; no host name
  char cpu[128];
  int cores, threads;  // physical cores and CPUs usable by this process (affinity, cgroup)
  long l1d, l2, l3;    // bytes, per instance; 0 unknown
  double memory_bytes;
  char os[128], compiler[128], git[32];
  char gpu[128];
  int gpu_count;
} hd_machine;

// Read once; hwloc where it was found at build time, /proc and /sys otherwise. Never NULL.
const hd_machine *hd_machine_get(void);

// Writes the record as a JSON object with a trailing newline.
void hd_machine_write(FILE *out, const hd_machine *m);

#endif
