// SPDX-License-Identifier: MIT
// Inside the harness: checking and timing the variants of one case. main.c decides what, this does it.
#ifndef HEDDLE_MEASURE_H
#define HEDDLE_MEASURE_H
#include "heddle/bench.h"
#include "heddle/result.h"
#include "heddle/stats.h"

typedef struct hd_budget {
  double seconds;     // to spend on one variant's samples
  double half_width;  // stop when the relative half-width of the median's interval is below
} hd_budget;

// One variant at one case: what came of it.
typedef struct hd_outcome {
  const hd_variant *variant;
  double error, tolerance;  // infinity if NaN
  bool verified;
  const char *clock;    // "wall", "device", "model"
  hd_summary time;      // seconds of one run; count 0: not timed
  double bound_s;       // lower bound of the time from roofs of the same minutes; NaN unknown
  double ping_pong_ns;  // 0 unknown
  long switches;        // involuntary context switches while it was timed
  int figure_count;
  struct {
    const char *name, *unit;
    double value;
  } figures[HD_MAX_FIGURES];
  hd_span *spans;  // of the last run; freed by whoever stores the outcome
  int span_count;
} hd_outcome;

// The outcome of a variant whose check has gone well before, in this process and at the same size and counts.
hd_outcome hd_checked_before(const hd_variant *v);

// Runs the variant once on poisoned outputs and compares with c->outputs[].expected.
void hd_check(const hd_lesson *lesson, hd_case *c, const hd_variant *v, hd_outcome *o);

// Models the variant on the simulated GPU from a few executed blocks: a time without results. o->verified
// says whether the variant was right at the size that was executed whole.
void hd_model_sampled(const hd_lesson *lesson, hd_case *c, const hd_variant *v, hd_outcome *o);

// Times all verified outcomes of one place interleaved (A B A B …) until each has its samples or its budget
// is spent.
void hd_time_group(const hd_lesson *lesson, hd_case *c, hd_outcome *outcomes, int count, hd_budget budget);

bool hd_on_gpu(enum hd_where where);
#endif
