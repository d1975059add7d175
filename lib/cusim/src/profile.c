// SPDX-License-Identifier: MIT
// Sums per kernel and per access site, for the report at exit.
#include "profile.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { USAGE = 2 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t report_once = PTHREAD_ONCE_INIT;
static sim_profile profile;
static const char *report_file;
static bool reporting;
static double tracing_s, before_tracing_s;  // processor time

void *sim_profile_need(void *memory) {
  if (!memory) {
    fputs("cusim: out of memory for the profile\n", stderr);
    exit(1);
  }
  return memory;
}

bool sim_same_shape(sim_dim3 a, sim_dim3 b) {
  return a.x == b.x && a.y == b.y && a.z == b.z;
}

static double processor_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n > m && strcmp(text + n - m, end) == 0;
}

static void report(void) {
  pthread_mutex_lock(&lock);
  sim_report(&profile, report_file);
  if (!report_file && tracing_s > 0)
    fprintf(stderr, "tracing took %.2f s of the %.2f s of processor time since the first traced block\n",
            tracing_s, processor_time() - before_tracing_s);
  pthread_mutex_unlock(&lock);
}

static bool is_on(const char *name) {
  const char *value = getenv(name);
  if (!value || !*value || strcmp(value, "0") == 0) return false;
  if (strcmp(value, "1") == 0) return true;
  fprintf(stderr, "cusim: %s=%s is not known; it must be 0 or 1\n", name, value);
  exit(USAGE);
}

static void read_report(void) {
  const char *value = getenv("CUSIM_PROFILE");
  if (!value || !*value || strcmp(value, "0") == 0) return;
  if (strcmp(value, "1") != 0) {
    if (!ends_with(value, ".csv") && !ends_with(value, ".json")) {
      fprintf(stderr,
              "cusim: CUSIM_PROFILE=%s is not known; it must be 1 or a file name ending in .csv or .json\n",
              value);
      exit(USAGE);
    }
    report_file = value;
  }
  reporting = true;
  profile.lines = is_on("CUSIM_PROFILE_LINES");
  profile.cards = is_on("CUSIM_PROFILE_CARDS");
  atexit(report);
}

bool sim_profile_wants_sites(void) {
  pthread_once(&report_once, read_report);
  return profile.lines;
}

void sim_profile_traced(double seconds) {
  pthread_mutex_lock(&lock);
  if (tracing_s == 0) before_tracing_s = processor_time() - seconds;
  tracing_s += seconds;
  pthread_mutex_unlock(&lock);
}

// ---------------------------------------------------------------- kernels

// The row of a kernel, a shape and its shared memory, made if it is new. With the lock held.
static sim_kernel_row *row_of(const char *name, sim_dim3 grid, sim_dim3 block, size_t shared) {
  for (size_t i = 0; i < profile.rows; i++) {
    sim_kernel_row *r = &profile.row[i];
    if (strncmp(r->name, name, SIM_NAME - 1) == 0 && sim_same_shape(r->grid, grid) &&
        sim_same_shape(r->block, block) && r->shared == shared)
      return r;
  }
  if (profile.rows == profile.row_capacity) {
    profile.row_capacity = profile.row_capacity ? profile.row_capacity * 2 : 32;
    profile.row = sim_profile_need(realloc(profile.row, profile.row_capacity * sizeof *profile.row));
  }
  sim_kernel_row *fresh = &profile.row[profile.rows++];
  memset(fresh, 0, sizeof *fresh);
  snprintf(fresh->name, SIM_NAME, "%s", name);
  fresh->grid = grid;
  fresh->block = block;
  fresh->shared = shared;
  return fresh;
}

static void add_estimate(sim_kernel_row *row, const sim_estimate *estimate) {
  row->launches++;
  row->seconds += estimate->seconds;
  row->low_s += estimate->low_s;
  row->high_s += estimate->high_s;
  row->estimate = *estimate;
}

void sim_profile_launch(const sim_launch *launch, const sim_counters *counters,
                        const sim_estimate *estimate) {
  pthread_once(&report_once, read_report);
  if (!reporting) return;
  size_t shared = launch->dynamic_shared + (size_t)counters->static_shared_bytes;
  pthread_mutex_lock(&lock);
  sim_kernel_row *row = row_of(launch->kernel ? launch->kernel : "?", launch->grid, launch->block, shared);
  add_estimate(row, estimate);
  row->traced_blocks = counters->traced;
  const sim_card *card;
  for (int c = 0; profile.cards && (card = sim_card_at(c)); c++)
    row->on_card[c] += sim_model_kernel(card, launch, counters).seconds;
  if (counters->blocks) {
    double grid = (double)launch->grid.x * launch->grid.y * launch->grid.z;
    double scale = grid / (double)counters->blocks;
    const uint64_t *from = (const uint64_t *)counters;
    for (size_t c = 0; c < SIM_COUNTERS; c++) row->counts[c] += (double)from[c] * scale;
  }
  pthread_mutex_unlock(&lock);
}

void sim_profile_gemm(const sim_gemm *g, const sim_estimate *estimate) {
  pthread_once(&report_once, read_report);
  if (!reporting) return;
  const sim_dim3 shape = {(unsigned)g->m, (unsigned)g->n, (unsigned)g->k}, none = {0, 0, 0};
  pthread_mutex_lock(&lock);
  sim_kernel_row *row = row_of(g->name, shape, none, 0);
  row->library = true;
  row->flops += 2.0 * (double)g->m * (double)g->n * (double)g->k;
  add_estimate(row, estimate);
  const sim_card *card;
  for (int c = 0; profile.cards && (card = sim_card_at(c)); c++)
    row->on_card[c] += sim_model_gemm(card, g->m, g->n, g->k, g->element_bytes, g->tensor).seconds;
  pthread_mutex_unlock(&lock);
}

// ---------------------------------------------------------------- access sites

void sim_profile_sites(const char *kernel, const sim_site *from, size_t count) {
  pthread_mutex_lock(&lock);
  for (size_t s = 0; s < count; s++) {
    const sim_site *site = &from[s];
    if (!site->requests) continue;
    size_t i = 0;
    while (i < profile.sites &&
           (profile.site[i].site.pc != site->pc || profile.site[i].site.space != site->space ||
            profile.site[i].site.access != site->access || profile.site[i].site.bytes != site->bytes)) {
      i++;
    }
    if (i == profile.sites) {
      if (profile.sites == profile.site_capacity) {
        profile.site_capacity = profile.site_capacity ? profile.site_capacity * 2 : 64;
        profile.site = sim_profile_need(realloc(profile.site, profile.site_capacity * sizeof *profile.site));
      }
      profile.site[profile.sites++] = (sim_site_row){.site = *site};
      snprintf(profile.site[i].kernel, SIM_NAME, "%s", kernel ? kernel : "?");
      continue;
    }
    sim_site *to = &profile.site[i].site;
    to->requests += site->requests;
    to->sectors += site->sectors;
    to->wavefronts += site->wavefronts;
    to->ideal += site->ideal;
    to->lanes += site->lanes;
    to->degree += site->degree;
  }
  pthread_mutex_unlock(&lock);
}
