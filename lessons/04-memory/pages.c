// SPDX-License-Identifier: MIT
// Memory from the operating system, without a library in between: addresses first, pages later.
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "heddle/error.h"
#include "memory.h"

static size_t whole(size_t bytes) {
  return (bytes / HUGE_PAGE + 1) * HUGE_PAGE;
}

// A huge page starts at a multiple of its size, which mmap doesn't promise: ask for one more, give back what
// sticks out.
void *pages_map(size_t bytes, enum pages kind) {
  const size_t length = whole(bytes);
  char *p = mmap(NULL, length + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED)
    hd_fail(HD_EXIT_FAILURE, "not enough memory for %.1f MiB; use a smaller size", (double)length / 0x1p20);
  const size_t before = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
  if (before) munmap(p, before);
  munmap(p + before + length, HUGE_PAGE - before);
  // Many systems give huge pages only to those who ask (madvise), some always: so both ask. A kernel without
  // them refuses, and all pages are small.
  madvise(p + before, length, kind == HUGE_PAGES ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  return p + before;
}

void pages_unmap(void *p, size_t bytes) {
  if (p) munmap(p, whole(bytes));
}

long page_faults(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

int numa_nodes(void) {
  int count = 0;
  char path[64];
  for (int i = 0; i < 64; i++) {
    snprintf(path, sizeof path, "/sys/devices/system/node/node%d", i);
    count += access(path, F_OK) == 0;
  }
  return count > 0 ? count : 1;
}
