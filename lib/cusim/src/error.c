// SPDX-License-Identifier: MIT
#include <stdatomic.h>

#include "stream.h"

static _Thread_local cudaError_t last;
static _Atomic int sticky;

cudaError_t sim_error(cudaError_t error) {
  if (error != cudaSuccess) last = error;
  return error;
}

void sim_sticky(cudaError_t error) {
  int none = cudaSuccess;
  atomic_compare_exchange_strong(&sticky, &none, (int)error);
}

cudaError_t sim_sticky_error(void) {
  return (cudaError_t)atomic_load(&sticky);
}

// ---------------------------------------------------------------- launches that nobody asked about

// <<< >>> returns nothing: who does not ask for the last error never learns that a kernel did not start.
static _Thread_local struct {
  sim_check_call call;
  const char *kernel;  // NULL: there is none
  cudaError_t error;
} unasked;

void sim_launch_refused(const char *kernel, cudaError_t error, uintptr_t site) {
  if (!sim_check_on()) return;
  sim_launch_unasked();
  unasked.call = (sim_check_call){.pc = {site}};
  unasked.kernel = kernel;
  unasked.error = error;
}

void sim_launch_unasked(void) {
  if (!unasked.kernel) return;
  sim_check_call_problem(
      &unasked.call, "launch-failed",
      "kernel %s did not start (%s), and the program went on without asking cudaGetLastError()",
      unasked.kernel, cudaGetErrorString(unasked.error));
  unasked.kernel = NULL;
}

cudaError_t cudaPeekAtLastError(void) {
  unasked.kernel = NULL;
  return sim_sticky_error() ? sim_sticky_error() : last;
}

cudaError_t cudaGetLastError(void) {
  const cudaError_t error = cudaPeekAtLastError();
  last = cudaSuccess;
  return error;
}

static const struct {
  int number;
  const char *name, *text;
} errors[] = {
#define ROW(number, name, text) {number, #name, text},
    CUSIM_ERRORS(ROW)
#undef ROW
};

static size_t row_of(cudaError_t error) {
  const size_t count = sizeof errors / sizeof errors[0];
  for (size_t i = 0; i < count; i++)
    if (errors[i].number == (int)error) return i;
  return count;
}

const char *cudaGetErrorName(cudaError_t error) {
  const size_t i = row_of(error);
  return i < sizeof errors / sizeof errors[0] ? errors[i].name : "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error) {
  const size_t i = row_of(error);
  return i < sizeof errors / sizeof errors[0] ? errors[i].text : "unrecognized error code";
}
