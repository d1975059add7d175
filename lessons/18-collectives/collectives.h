// SPDX-License-Identifier: MIT
// Runs an all-reduce on all ranks, checks it, times it; and what the run should be on paper.
#ifndef HEDDLE_LESSON_18_COLLECTIVES_H
#define HEDDLE_LESSON_18_COLLECTIVES_H
#include "all_reduce.h"

// Rank r of N holds the sum of the parts r, r + N, … of PARTS, so that the sum of all ranks is the same for
// every N. Parts are small multiples of 1/256, whose sums are exact in any order: every algorithm must give
// the same bits.
enum { PARTS = 8 };
float contribution(int rank, int world, size_t i);

enum fault { NO_FAULT, DIES, STALLS, OTHER_CALL, OTHER_SIZE };

typedef struct trial {
  algorithm *run;
  enum hd_backend backend;
  int world;
  size_t count;
  int repeats;        // timed all-reduces after the checked one; 0: none
  double deadline_s;  // 0: the communicator's own
  enum fault fault;   // tests: what rank `faulty` does instead of its second all-reduce
  int faulty;
  const float *input;              // tests: (world, count) instead of the contributions; NULL
  float *sum;                      // the result of all ranks; NaN where they differ
  double seconds;                  // of one all-reduce, by the slowest rank
  hd_traffic sent[HD_MOST_RANKS];  // by each rank in one all-reduce
  double memory;                   // bytes of the vector and of what arrives, of the rank that keeps most
} trial;

// Returns 0, or -1 with hd_comm_error_text().
int run_trial(trial *t);

// What a rank sends, and how long the links need for all of it, S = 4·count bytes. NULL run: the library.
hd_traffic sent_on_paper(algorithm *run, int rank, int world, size_t count);
double links_on_paper(algorithm *run, int world, size_t count, double alpha_s, double bytes_per_s);

// No algorithm is faster: a vector's influence reaches twice as many ranks per message, and a rank must send
// and receive 2(N-1)/N of its vector.
double fastest_on_paper(int world, size_t count, double alpha_s, double bytes_per_s);
#endif
