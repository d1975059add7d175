// SPDX-License-Identifier: MIT
// The time model's constants by name, so that others can be tried, or taken from measurements, without
// another build.
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

enum { USAGE = 2 };

// Where a constant stands, and how many of its own units the named one is.
static const struct {
  const char *name;
  enum { OF_MACHINE, OF_CARD, OF_HOST, OF_PEER } of;
  size_t offset;
  double unit, low, high;  // in the named unit
} constants[] = {
#define IN(type, field) offsetof(type, field)
    {"dram_efficiency", OF_CARD, IN(sim_card, dram_efficiency), 1, 0.05, 1},
    {"dram_latency_cycles", OF_CARD, IN(sim_card, dram_latency_cycles), 1, 1, 1e5},
    {"l2_latency_cycles", OF_CARD, IN(sim_card, l2_latency_cycles), 1, 1, 1e5},
    {"cublas_fraction", OF_CARD, IN(sim_card, cublas_fraction), 1, 0.05, 1.2},
    {"boost_mhz", OF_CARD, IN(sim_card, boost_hz), 1e6, 100, 1e4},
    {"base_mhz", OF_CARD, IN(sim_card, base_hz), 1e6, 100, 1e4},
    {"launch_us", OF_CARD, IN(sim_card, launch_s), 1e-6, 0, 1e3},
    {"kernel_overhead_us", OF_CARD, IN(sim_card, kernel_overhead_s), 1e-6, 0, 1e3},
    {"host_alpha_us", OF_HOST, IN(sim_link, alpha_s), 1e-6, 0, 1e4},
    {"host_gb_per_s", OF_HOST, IN(sim_link, bytes_per_s), 1e9, 0.01, 1e4},
    {"peer_alpha_us", OF_PEER, IN(sim_link, alpha_s), 1e-6, 0, 1e4},
    {"peer_gb_per_s", OF_PEER, IN(sim_link, bytes_per_s), 1e9, 0.01, 1e4},
    {"pageable_share", OF_MACHINE, IN(sim_machine, pageable_share), 1, 0.01, 1},
    {"fault_share", OF_MACHINE, IN(sim_machine, fault_share), 1, 0.01, 1},
    {"fault_us", OF_MACHINE, IN(sim_machine, fault_s), 1e-6, 0, 1e5},
};
enum { CONSTANTS = sizeof constants / sizeof constants[0] };

static const char *part_of(const sim_machine *m, int i) {
  switch (constants[i].of) {
    case OF_CARD:
      return (const char *)m->card;
    case OF_HOST:
      return (const char *)m->host;
    case OF_PEER:
      return (const char *)m->peer;
    case OF_MACHINE:
      break;
  }
  return (const char *)m;
}

const char *sim_constant_name(int i) {
  return i >= 0 && i < CONSTANTS ? constants[i].name : NULL;
}

double sim_constant_get(const sim_machine *m, int i) {
  double value;
  memcpy(&value, part_of(m, i) + constants[i].offset, sizeof value);
  return value / constants[i].unit;
}

static void set(sim_machine *m, int i, double value) {
  const double own = value * constants[i].unit;
  memcpy((char *)(uintptr_t)part_of(m, i) + constants[i].offset, &own, sizeof own);
}

static _Noreturn void bad_line(const char *file, int line, const char *text, const char *why) {
  fprintf(stderr, "cusim: CUSIM_PRESET=%s line %d: '%s' %s\n", file, line, text, why);
  exit(USAGE);
}

static void read_line(sim_machine *m, const char *file, int number, char *line) {
  char name[64], rest[2];
  double value;
  line[strcspn(line, "#\r\n")] = '\0';
  if (line[strspn(line, " \t")] == '\0') return;
  if (sscanf(line, " %63[a-z0-9_] = %lf %1s", name, &value, rest) != 2)
    bad_line(file, number, line, "is not 'name = value'");
  for (int i = 0; i < CONSTANTS; i++) {
    if (strcmp(constants[i].name, name) != 0) continue;
    if (!(value >= constants[i].low && value <= constants[i].high)) {
      char why[96];
      snprintf(why, sizeof why, "is out of range; it must be from %g to %g", constants[i].low,
               constants[i].high);
      bad_line(file, number, line, why);
    }
    set(m, i, value);
    return;
  }
  bad_line(file, number, line, "names no constant; docs/cusim-model.md lists them");
}

void sim_preset_apply(sim_machine *m, const char *file) {
  static sim_card card;
  static sim_link host, peer;
  if (!file || !*file) return;
  FILE *in = fopen(file, "r");
  if (!in) {
    fprintf(stderr, "cusim: CUSIM_PRESET=%s cannot be read: %s\n", file, strerror(errno));
    exit(USAGE);
  }
  card = *m->card;
  host = *m->host;
  peer = *m->peer;
  m->card = &card;
  m->host = &host;
  m->peer = &peer;
  char line[256];
  for (int number = 1; fgets(line, sizeof line, in); number++) read_line(m, file, number, line);
  fclose(in);
}
