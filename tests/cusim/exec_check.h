// SPDX-License-Identifier: MIT
// What the exec_* programs share: each prints a line per failed expectation, then PASS or FAIL, and exits
// with it.
#ifndef CUSIM_EXEC_CHECK_H
#define CUSIM_EXEC_CHECK_H
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>

static int exec_failures;

// A call that must succeed, or the program ends: nothing after it would mean anything.
#define CHECK(call)                                                                          \
  do {                                                                                       \
    const cudaError_t error_ = (call);                                                       \
    if (error_ != cudaSuccess) {                                                             \
      printf("FAIL %s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(error_)); \
      exit(1);                                                                               \
    }                                                                                        \
  } while (0)

#define EXPECT(condition, ...)                                    \
  do {                                                            \
    if (!(condition)) {                                           \
      printf("FAIL %s:%d: %s: ", __FILE__, __LINE__, #condition); \
      printf(__VA_ARGS__);                                        \
      printf("\n");                                               \
      exec_failures++;                                            \
    }                                                             \
  } while (0)

#define FINISH()                                                  \
  do {                                                            \
    printf("%s %s\n", exec_failures ? "FAIL" : "PASS", __FILE__); \
    return exec_failures ? 1 : 0;                                 \
  } while (0)

#endif
