// SPDX-License-Identifier: MIT
#include "heddle/error.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

void hd_fail(int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fflush(stdout);
  fputs("heddle: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(code);
}

void *hd_alloc(size_t count, size_t size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
    hd_fail(HD_EXIT_FAILURE, "an array of %zu elements of %zu bytes cannot be addressed; use a smaller size",
            count, size);
  // Whole huge pages for large arrays: fewer TLB misses, and first touch still decides the NUMA node.
  const size_t huge = (size_t)2 << 20, alignment = bytes >= huge ? huge : 64;
  const size_t rounded = bytes == 0 ? alignment : (bytes + alignment - 1) / alignment * alignment;
  void *p = aligned_alloc(alignment, rounded);
  if (!p)
    hd_fail(HD_EXIT_FAILURE, "not enough memory for %.1f MiB; use a smaller size", (double)bytes / 1048576.0);
  if (bytes >= huge) madvise(p, rounded, MADV_HUGEPAGE);
  return p;
}
