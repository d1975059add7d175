// SPDX-License-Identifier: MIT
// What of a launch's arguments decides how much the kernel does, as one number: a part of the key under which
// its trace is known. Launches with the same numbers must take the same time, whichever of them was traced.
#include <string.h>

#include "exec.h"
#include "managed.h"

// Where requests fall into sectors and lines, how much of an array there is for a grid to read, and in which
// memory.
static unsigned long long number_of(uintptr_t pointer, const sim_allocation *a) {
  enum { LINE = 128 };
  const unsigned long long far = a->kind == SIM_PINNED || a->kind == SIM_MANAGED ? (unsigned)a->kind : 0;
  return 1 + pointer % LINE + LINE * (unsigned long long)a->bytes + (far << 56);
}

unsigned long long cusim_pointer_number(const void *pointer) {
  sim_allocation a;
  if (!pointer) return 0;
  if (!sim_memory_find(pointer, &a)) return 1;
  sim_managed_note(&a);
  return number_of((uintptr_t)pointer, &a);
}

// Reals differ from launch to launch and are left out. In a structure only their bits tell them: those of
// 2^-40 to 2^40. A double's lower half looks like a number and is taken for one.
static bool looks_real(uint32_t word) {
  const uint32_t exponent = word >> 23 & 0xff;
  return exponent >= 127 - 40 && exponent <= 127 + 40;
}

unsigned long long cusim_object_number(const void *object, size_t bytes) {
  unsigned long long h = 1469598103934665603u;
  const unsigned char *from = object;
  for (size_t at = 0, step; at < bytes; at += step) {
    uint64_t pointer = 0;
    uint32_t word = 0;
    sim_allocation a;
    step = sizeof pointer;
    if (at + step <= bytes) {
      memcpy(&pointer, from + at, step);
      if (pointer >> 32 && sim_memory_find((const void *)(uintptr_t)pointer, &a)) {
        sim_managed_note(&a);
        h = (h ^ number_of((uintptr_t)pointer, &a)) * 1099511628211u;
        continue;
      }
    }
    step = bytes - at < sizeof word ? bytes - at : sizeof word;
    memcpy(&word, from + at, step);
    h = (h ^ (looks_real(word) ? 0 : word)) * 1099511628211u;
  }
  return h;
}
