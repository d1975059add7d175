// SPDX-License-Identifier: MIT
// What cusim's libraries in headers call (include/cusim/thrust, include/cub). Inside a kernel all of it does
// nothing.
#ifndef CUSIM_SRC_THRUST_H
#define CUSIM_SRC_THRUST_H
#include <stddef.h>

// Around one call in a stream's order (NULL: the default stream). Returns a cudaError_t.
int cusim_library_begin(const char *name, void *stream);
// Device memory that the call reads or writes.
void cusim_library_use(const void *memory, size_t bytes, int write);
void cusim_library_end(void);
// The host looks at an element of device memory, or sets it, and waits for the device first.
void cusim_library_touch(const void *memory, size_t bytes);
#endif
