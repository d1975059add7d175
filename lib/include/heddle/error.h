// SPDX-License-Identifier: MIT
// How Heddle ends on bad input: one line on stderr that says what was wrong, which value, what would be
// right.
#ifndef HEDDLE_ERROR_H
#define HEDDLE_ERROR_H
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HD_EXIT_FAILURE = 1, HD_EXIT_USAGE = 2 };

// Prints "heddle: <message>" on stderr and exits with `code` (HD_EXIT_FAILURE or HD_EXIT_USAGE).
__attribute__((noreturn, format(printf, 2, 3))) void hd_fail(int code, const char *format, ...);

// malloc for arrays of `count` elements of `size` bytes, 64-byte aligned, transparent huge pages asked for
// when large. Ends the process with a clear message when there is not enough memory. count 0 gives a valid
// pointer. Free with free().
void *hd_alloc(size_t count, size_t size);

#ifdef __cplusplus
}
#endif
#endif
