// SPDX-License-Identifier: MIT
// C = A·B with A (m, k), B (k, n) and C (m, n) cut into parts, so that each matrix lies in the machine once.
// How they are cut, and what then has to travel, is the strategy: rows.c, columns.c, inner.c, summa.c.
#ifndef HEDDLE_LESSON_20_SHARDED_H
#define HEDDLE_LESSON_20_SHARDED_H
#include <heddle/comm.h>
#include <heddle/ops.h>

// The problem, the same for every rank and read-only while ranks run: whole matrices in host memory.
typedef struct problem {
  long m, n, k;
  const float *a, *b;
} problem;

// Some of `total` rows or columns. Parts are equally long but for the last ones, which may be shorter or
// empty: then what a collective with equal counts leaves is the whole matrix, with all its padding at the
// end.
typedef struct range {
  long from, count, longest;  // longest: of all parts
} range;
range part_of(long total, int parts, int index);

// ---------------------------------------------------------------- one rank

enum { MOST_PANELS = 4 * HD_MOST_RANKS, MOST_BUFFERS = 8 };

// What a step leaves out, to time the rest of it.
enum omission { NOTHING, NO_PRODUCTS, NO_MESSAGES };

typedef struct strategy strategy;

// Ranks in R rows of C each, rank = row·C + column. Along each row and each column panels are broadcast.
typedef struct grid {
  int rows, columns, row, column;  // row, column: of this rank
  hd_comm *along_row, *along_column;
  int panels;      // k is cut into so many, a multiple of rows and of columns
  long wide;       // columns of A in a panel, rows of B
  float *a_in[2];  // arriving panels of A and of B
  float *b_in[2];
} grid;

typedef struct worker {
  const problem *problem;
  const strategy *strategy;
  hd_comm *comm;
  hd_ops *ops;
  int rank, world;
  float *a, *b, *c;  // this rank's parts
  float *whole;      // a gathered matrix, or this rank's addend of all of C
  grid grid;
  enum omission omission;
  int marks;  // of the timeline: -1 if nobody draws one
  int buffer_count;
  struct {
    float *at;
    size_t bytes;
  } buffers[MOST_BUFFERS];
} worker;

// Memory of this rank, freed by worker_close. Never NULL, also for no floats at all.
float *worker_room(worker *w, long count);
// A part of a whole host matrix with rows `stride` apart, packed, into this rank's memory; or back.
void worker_upload(const worker *w, float *to, const float *whole, long stride, range rows, range columns);
void worker_download(const worker *w, float *whole, const float *from, long stride, range rows,
                     range columns);
// c (m, n) = a (m, k)·b (k, n), added to c if accumulate: unless it is left out, and noted on the timeline.
void worker_multiply(worker *w, long m, long n, long k, const float *a, long lda, const float *b, long ldb,
                     float *c, long ldc, bool accumulate);

// What a rank of `world` sends in one step, what it keeps, and how long its messages take if each costs
// alpha_s + bytes / bytes_per_s and those of one rank go out one after the other. For the busiest rank.
typedef struct paper {
  double messages, bytes, memory, messages_s;
  int hidden_panels;  // 0: messages and products take turns; else they overlap, but for one panel of so many
} paper;

struct strategy {
  const char *name;
  int (*open)(worker *w);                      // makes and fills a, b, c; -1 once the communicator has failed
  int (*step)(worker *w);                      // C = A·B; likewise
  void (*collect)(const worker *w, float *c);  // this rank's part of C into the whole, host
  paper (*on_paper)(const problem *p, int world, double alpha_s, double bytes_per_s);
};

extern const strategy by_rows, by_columns, by_inner, summa, summa_overlapped;
extern const strategy wrong_no_sum, wrong_remainder;

// The grid of `world` ranks closest to a square: 1 × 2, 1 × 3, 2 × 2, 2 × 4.
int grid_rows(int world);

worker *worker_open(const problem *p, const strategy *s, hd_comm *comm, hd_ops *ops);  // NULL: failed
void worker_close(worker *w);

// ---------------------------------------------------------------- a whole run

enum place { ON_CPU, ON_GPU };
enum fault { HEALTHY, DIES, LEAVES };

typedef struct span {
  int rank;
  double start_s, end_s;
} span;

typedef struct trial {
  const problem *problem;
  const strategy *strategy;
  enum place place;
  int world, threads, timed_steps;
  double deadline_s;               // 0: the communicator's own
  enum fault fault;                // tests: of the last rank, before its first step
  float *c;                        // of the checked step: host memory of the caller
  double step_s;                   // by the slowest rank
  double products_s, messages_s;   // steps that only multiply, or only send
  double messages, bytes, memory;  // sent per step by the busiest rank; kept by the rank that keeps most
  span *spans;  // room for world · MOST_PANELS, or NULL: when each rank multiplied, in one more step
  int span_count;
} trial;

// Runs all ranks: a step that is collected, then the timed ones. Returns 0, or -1 with hd_comm_error_text().
int run_ranks(trial *t);
#endif
