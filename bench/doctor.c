// SPDX-License-Identifier: MIT
// What this machine has, what is missing, and which variants each missing piece costs.
#include <glob.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "found.h"
#include "heddle/blas.h"
#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/machine.h"
#include "heddle/roof.h"

static int threads_really_used(void) {
  int got = 0;
#pragma omp parallel
#pragma omp single
  got = omp_get_num_threads();
  return got;
}

static void print_gpu(void) {
  if (strcmp(HD_GPU_KIND, "off") == 0)
    puts("GPU            none: built with HEDDLE_GPU=off (DEVICE=cpu); all GPU variants are left out");
  else if (hd_device_count() == 0)
    puts("GPU            none found; built for a real one");
  else
    printf("GPU            %d × %s%s\n", hd_device_count(), hd_device_name(),
           hd_device_simulated() ? "  (simulated: its times come from a model)" : "");
}

static void print_blas(const char *label, enum hd_blas_kind kind) {
  const hd_blas *blas = hd_blas_open(kind);
  if (blas) printf("%-14s core type %s\n", label, hd_blas_core_name(blas));
}

// The variants that were not built, by asking each lesson. Returns how many.
static int print_missing_variants(const char *lessons) {
  char pattern[512], command[700], line[1024];
  int missing = 0;
  glob_t programs;
  snprintf(pattern, sizeof pattern, "%s/lesson-*", lessons);
  if (glob(pattern, 0, NULL, &programs)) return 0;
  for (size_t i = 0; i < programs.gl_pathc; i++) {
    snprintf(command, sizeof command, "'%s' --list --format table", programs.gl_pathv[i]);
    FILE *f = popen(command, "r");
    while (f && fgets(line, sizeof line, f)) {
      if (!strstr(line, " needs ")) continue;
      printf("  %-22s %s", strstr(programs.gl_pathv[i], "lesson-") + 7, line);
      missing++;
    }
    if (f) pclose(f);
  }
  globfree(&programs);
  return missing;
}

int main(int argc, char **argv) {
  if (argc != 3 || strcmp(argv[1], "--lessons") != 0)
    hd_fail(HD_EXIT_USAGE, "usage: heddle-doctor --lessons DIR");
  const hd_machine *m = hd_machine_get();
  printf("CPU            %s, %d cores, %d usable CPUs, caches %ld KiB / %ld KiB / %ld MiB\n", m->cpu,
         m->cores, m->threads, m->l1d >> 10, m->l2 >> 10, m->l3 >> 20);
  printf("memory         %.1f GiB\n", m->memory_bytes / 0x1p30);
  printf("system         %s, %s\n", m->os, m->compiler);
  printf("OpenMP         %d threads asked for, %d got\n", omp_get_max_threads(), threads_really_used());
  printf("SIMD           %s\n", hd_simd());
  const double ping = hd_ping_pong_ns();
  if (ping > 0) printf("ping-pong      %.0f ns between two threads now: %s\n", ping, hd_mood(ping));
  print_gpu();
  print_blas("OpenBLAS", HD_BLAS_OPENBLAS);
  print_blas("  at its best", HD_BLAS_OPENBLAS_BEST);
  print_blas("BLIS", HD_BLAS_BLIS);
  print_blas("  at its best", HD_BLAS_BLIS_BEST);
  puts("\nfound at configure time");
  int missing = 0;
  for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
    if (found[i][1][0])
      printf("  %-10s %s\n", found[i][0], found[i][1]);
    else
      missing++;
  }
  if (missing) puts("\nmissing");
  for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
    if (!found[i][1][0]) printf("  %-10s install %s; it adds: %s\n", found[i][0], found[i][2], found[i][3]);
  puts("\nvariants left out here");
  if (print_missing_variants(argv[2]) == 0) puts("  none");
  return 0;
}
