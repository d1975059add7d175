// SPDX-License-Identifier: MIT
// Each device has its own copy of the program's __device__ and __constant__ variables. The one whose kernels
// run has its values where the program has the variables; the others' are kept aside. __managed__ variables
// are one for all.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

enum { MOST_DEVICES = 64 };

typedef struct variable {
  char *address;
  size_t bytes;
  char *first;                // its value when the program starts; NULL: zeros
  char *aside[MOST_DEVICES];  // NULL: still as when the program starts
} variable;

static variable *variables;
static size_t count;
static int resident;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;  // held while a value moves

static char *need(size_t bytes) {
  char *memory = malloc(bytes);
  if (!memory) {
    fputs("cusim: out of memory for the devices' copies of variables\n", stderr);
    exit(1);
  }
  return memory;
}

static bool is_zero(const char *p, size_t bytes) {
  return bytes == 0 || (p[0] == 0 && memcmp(p, p + 1, bytes - 1) == 0);
}

static void add(const char *name, void *address, size_t bytes, void *unused) {
  (void)unused;
  if (bytes == 0 || strncmp(name, "cusimvar_managed_", 17) == 0) return;
  variable *more = realloc(variables, (count + 1) * sizeof *more);
  if (!more) return;
  variables = more;
  variable *v = &variables[count++];
  *v = (variable){.address = address, .bytes = bytes};
  if (!is_zero(address, bytes)) v->first = memcpy(need(bytes), address, bytes);
}

static void begin(void) {
  if (sim_machine_get()->devices > 1) sim_symbols(add, NULL);
}

bool sim_variables_differ(void) {
  pthread_once(&once, begin);
  return count > 0;
}

// The value of a device whose kernels do not run.
static char *kept(variable *v, int device) {
  char **aside = &v->aside[device];
  if (*aside) return *aside;
  *aside = need(v->bytes);
  if (v->first)
    memcpy(*aside, v->first, v->bytes);
  else
    memset(*aside, 0, v->bytes);
  return *aside;
}

void sim_variables_bind(int device) {
  if (!sim_variables_differ() || device == resident) return;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < count; i++) {
    variable *v = &variables[i];
    memcpy(kept(v, resident), v->address, v->bytes);
    memcpy(v->address, kept(v, device), v->bytes);
  }
  resident = device;
  pthread_mutex_unlock(&lock);
}

void sim_variables_lock(void) {
  if (sim_variables_differ()) pthread_mutex_lock(&lock);
}
void sim_variables_unlock(void) {
  if (sim_variables_differ()) pthread_mutex_unlock(&lock);
}

void *sim_variables_at(const void *address, int device) {
  for (size_t i = 0; i < count && device != resident; i++) {
    const size_t offset = (uintptr_t)address - (uintptr_t)variables[i].address;
    if (offset < variables[i].bytes) return kept(&variables[i], device) + offset;
  }
  return (void *)(uintptr_t)address;
}
