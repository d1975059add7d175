// SPDX-License-Identifier: MIT
// How a rank's gradient becomes the sum of all, for each way that ranks can be started.
#ifndef HEDDLE_LESSON_29_SUM_H
#define HEDDLE_LESSON_29_SUM_H
#include <lessons/18-collectives/all_reduce.h>

#include "cluster.h"

typedef struct summer {
  enum way way;
  member member;         // of lesson 18's all-reduces between GPUs
  struct hd_nccl *nccl;  // of processes that have GPUs
} summer;

// Joins the ranks that sum together; chooses the GPU of a process. -1 once the communicator has failed.
int summer_join(summer *s, enum way way, hd_comm *comm);
// Room in the memory of ops for the sums of `count` floats; to be given back.
void summer_open(summer *s, hd_ops *ops, size_t count);
void summer_close(summer *s, size_t count);
// x = the sum of all ranks' x.
int summer_sum(summer *s, float *x, size_t count);
// What this rank has sent in all.
hd_traffic summer_traffic(const summer *s);
#endif
