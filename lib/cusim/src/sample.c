// SPDX-License-Identifier: MIT
// Which blocks to trace, and what is known of a kernel from its last trace.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"
#include "trace.h"

enum { USAGE = 2 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static uint64_t volume(sim_dim3 d) {
  return (uint64_t)d.x * d.y * d.z;
}

// ---------------------------------------------------------------- what to trace, and what was traced

// What traces told, blocks == 0 until they are back; which of them serves a launch; and of the launches of
// one kernel and shape on one device, how many there are.
static sim_counters *known;
static size_t known_count, known_capacity;
static key_table by_launch, by_shape;

static uint64_t mixed(uint64_t key, uint64_t more) {
  key = (key ^ more) * 0x9e3779b97f4a7c15u;
  key ^= key >> 32;
  return key ? key : 1;  // a table's key
}

static uint64_t shape_key(const sim_launch *l) {
  const uint64_t parts[] = {l->grid.x,  l->grid.y,  l->grid.z,         l->block.x,
                            l->block.y, l->block.z, l->dynamic_shared, (uint64_t)l->device};
  uint64_t key = mixed(1, (uint64_t)(uintptr_t)l->function);
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) key = mixed(key, parts[i]);
  return key;
}

// An argument that counts launches would be traced each time: of more than MOST_ARGUMENTS the last one seen
// by then serves all others.
static sim_counters *find_known(const sim_launch *l) {
  enum { MOST_ARGUMENTS = 128 };
  const uint64_t shape = shape_key(l);
  uint32_t at, count;
  if (sim_table_find(&by_launch, mixed(shape, l->arguments), &at)) return &known[at];
  if (!sim_table_find(&by_shape, shape, &count) || count < MOST_ARGUMENTS) return NULL;
  return sim_table_find(&by_launch, shape, &at) ? &known[at] : NULL;
}

static sim_counters *add_known(const sim_launch *l) {
  if (known_count == known_capacity) {
    known_capacity = known_capacity ? known_capacity * 2 : 64;
    known = sim_profile_need(realloc(known, known_capacity * sizeof *known));
  }
  bool fresh;
  const uint64_t shape = shape_key(l);
  known[known_count] = (sim_counters){0};
  *sim_table_at(&by_launch, mixed(shape, l->arguments), &fresh) = (uint32_t)known_count;
  *sim_table_at(&by_launch, shape, &fresh) = (uint32_t)known_count;  // the last one
  ++*sim_table_at(&by_shape, shape, &fresh);
  return &known[known_count++];
}

enum trace_mode { TRACE_AUTO, TRACE_ALL, TRACE_OFF };
static enum trace_mode mode;
static pthread_once_t mode_once = PTHREAD_ONCE_INIT;

static void read_mode(void) {
  const char *value = getenv("CUSIM_TRACE");
  if (!value || !*value || strcmp(value, "auto") == 0) {
    mode = TRACE_AUTO;
  } else if (strcmp(value, "all") == 0) {
    mode = TRACE_ALL;
  } else if (strcmp(value, "off") == 0) {
    mode = TRACE_OFF;
  } else {
    fprintf(stderr, "cusim: CUSIM_TRACE=%s is not known; it must be auto, all or off\n", value);
    exit(USAGE);
  }
}

enum { MOST_SAMPLED = 3 };  // the middle block, the first, the last

int sim_trace_plan(const sim_launch *launch, uint64_t *blocks, int most) {
  pthread_once(&mode_once, read_mode);
  uint64_t grid = volume(launch->grid);
  if (mode == TRACE_OFF || most <= 0 || grid == 0) return 0;
  if (mode == TRACE_ALL) return -1;
  pthread_mutex_lock(&lock);
  bool fresh = !find_known(launch);
  if (fresh) add_known(launch);
  pthread_mutex_unlock(&lock);
  if (!fresh) return 0;
  const uint64_t sample[] = {grid / 2, 0, grid - 1};
  int count = 0;
  for (int i = 0; i < 3 && count < most && (uint64_t)count < grid; i++) blocks[count++] = sample[i];
  return count;
}

uint64_t sim_trace_weight(const sim_launch *launch, uint64_t block, bool alone) {
  pthread_once(&mode_once, read_mode);
  uint64_t grid = volume(launch->grid);
  if (mode != TRACE_AUTO || grid <= MOST_SAMPLED || block != grid / 2) return 1;
  return alone ? grid : grid - (MOST_SAMPLED - 1);
}

bool sim_trace_sampling(const sim_launch *launch) {
  pthread_once(&mode_once, read_mode);
  return mode == TRACE_AUTO && volume(launch->grid) > MOST_SAMPLED && !launch->cooperative;
}

// ---------------------------------------------------------------- registers

// CUSIM_REGISTERS: the number for all kernels, or kernel=number, separated by commas.
static const char *registers_setting;
static pthread_once_t registers_once = PTHREAD_ONCE_INIT;

static void bad_registers(void) {
  fprintf(stderr,
          "cusim: CUSIM_REGISTERS=%s is not known; it must be a number from 1 to 255 or kernel=number,...\n",
          registers_setting);
  exit(USAGE);
}

static int register_number(const char *text, const char **end) {
  char *rest;
  long number = strtol(text, &rest, 10);
  if (rest == text || number < 1 || number > 255 || (*rest && *rest != ',')) bad_registers();
  *end = rest;
  return (int)number;
}

static void read_registers(void) {
  registers_setting = getenv("CUSIM_REGISTERS");
  if (!registers_setting) return;
  for (const char *at = registers_setting; *at; at += *at == ',') {
    const char *equals = at + strcspn(at, "=,");
    register_number(*equals == '=' ? equals + 1 : at, &at);
  }
}

// What the user says of this kernel, or 0.
int sim_registers_of(const char *kernel) {
  pthread_once(&registers_once, read_registers);
  int all = 0;
  for (const char *at = registers_setting; at && *at; at += *at == ',') {
    const char *equals = at + strcspn(at, "=,");
    if (*equals != '=') {
      all = register_number(at, &at);
      continue;
    }
    size_t length = (size_t)(equals - at);
    bool ours = kernel && strlen(kernel) == length && strncmp(kernel, at, length) == 0;
    int number = register_number(equals + 1, &at);
    if (ours) return number;
  }
  return all;
}

// ---------------------------------------------------------------- one launch

sim_estimate sim_observe_launch(const sim_launch *launched, const sim_counters *traced) {
  sim_launch launch = *launched;
  sim_counters counters = {0};
  int registers = sim_registers_of(launch.kernel);
  if (registers) launch.registers = registers;
  pthread_mutex_lock(&lock);
  sim_counters *k = find_known(&launch);
  if (traced && traced->blocks) {
    if (!k) k = add_known(&launch);
    *k = *traced;
  }
  if (k) counters = *k;
  pthread_mutex_unlock(&lock);
  sim_estimate estimate = sim_model_kernel(sim_machine_get()->card, &launch, &counters);
  sim_profile_launch(&launch, &counters, &estimate);
  return estimate;
}

sim_estimate sim_observe_gemm(const char *name, int64_t m, int64_t n, int64_t k, int element_bytes,
                              bool tensor) {
  const sim_gemm gemm = {name, m, n, k, element_bytes, tensor};
  sim_estimate estimate = sim_model_gemm(sim_machine_get()->card, m, n, k, element_bytes, tensor);
  sim_profile_gemm(&gemm, &estimate);
  return estimate;
}
