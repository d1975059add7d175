// SPDX-License-Identifier: MIT
// Idea: let the communicator do it. On CPU ranks it has no messages at all: the ranks share memory, so rank r
// reads the r-th part of every vector, and writes the sum into all of them, in one pass. On GPUs it pushes
// parts through all links at once; or NCCL does.
#include "all_reduce.h"

int all_reduce_library(const member *m, float *x, size_t count) {
  return hd_all_reduce(m->comm, x, count, HD_F32, HD_SUM);
}

void add_inbox(const member *m, float *x, size_t count) {
  if (count > 0) m->ops->axpy(m->ops, 1, m->inbox, x, count);
}
