// SPDX-License-Identifier: MIT
// What the theme files of the corpus share. A theme is a program of several cases; `THEME CASE bug` runs the
// planted mistake of one, `THEME CASE twin` the correct code, which also checks its own result.
//
// check.sh reads the sources. In front of a case stands
//     // CASE name: one sentence, on as many comment lines as it needs.
// and the line at which the checker must find the mistake ends in `// BUG: kind`. Where a mistake has two
// sides, as a race has, both are marked, and either will do. A program with `// LEGAL name: …` has a twin
// only.
#ifndef PLANTED_H
#define PLANTED_H
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct planted_case {
  const char *name;
  int (*run)(int bug);  // returns how many results are wrong
} planted_case;

// A call that must succeed, or the program ends: nothing after it would mean anything.
#define CHECK(call)                                                                              \
  do {                                                                                           \
    const cudaError_t error_ = (call);                                                           \
    if (error_ != cudaSuccess) {                                                                 \
      fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #call, cudaGetErrorString(error_)); \
      exit(3);                                                                                   \
    }                                                                                            \
  } while (0)

// Waits for the device, whose kernels must have ended well.
static inline void finish(void) {
  CHECK(cudaGetLastError());
  CHECK(cudaDeviceSynchronize());
}

static inline void *device_bytes(size_t bytes) {
  void *p = NULL;
  CHECK(cudaMalloc(&p, bytes));
  return p;
}

// n integers on the device: 0, 0, 0, …
static inline int *device_zeros(int n) {
  int *p = (int *)device_bytes((size_t)n * sizeof *p);
  CHECK(cudaMemset(p, 0, (size_t)n * sizeof *p));
  return p;
}

// n integers on the device: 0, 1, 2, …
static inline int *device_numbers(int n) {
  int *host = (int *)malloc((size_t)n * sizeof *host), *p = (int *)device_bytes((size_t)n * sizeof *p);
  if (!host) exit(3);
  for (int i = 0; i < n; i++) host[i] = i;
  CHECK(cudaMemcpy(p, host, (size_t)n * sizeof *p, cudaMemcpyHostToDevice));
  free(host);
  return p;
}

static inline void fetch(int *host, const int *device, int n) {
  CHECK(cudaMemcpy(host, device, (size_t)n * sizeof *host, cudaMemcpyDeviceToHost));
}

static inline int planted_main(int count, char **words, const planted_case *cases, int cases_count) {
  const int bug = count == 3 && strcmp(words[2], "bug") == 0;
  if (bug || (count == 3 && strcmp(words[2], "twin") == 0))
    for (int i = 0; i < cases_count; i++)
      if (strcmp(cases[i].name, words[1]) == 0) {
        const int wrong = cases[i].run(bug);
        printf("%s %s: %d wrong\n", words[1], words[2], wrong);
        return wrong ? 1 : 0;
      }
  fprintf(stderr, "usage: %s CASE bug|twin, where CASE is one of", words[0]);
  for (int i = 0; i < cases_count; i++) fprintf(stderr, " %s", cases[i].name);
  fprintf(stderr, "\n");
  return 2;
}

#define PLANTED_MAIN(...)                                                          \
  int main(int count, char **words) {                                              \
    static const planted_case cases[] = {__VA_ARGS__};                             \
    return planted_main(count, words, cases, (int)(sizeof cases / sizeof *cases)); \
  }
#define PLANTED(name) \
  { #name, name }

#endif
