// SPDX-License-Identifier: MIT
#include "case.h"

#include <heddle/error.h>

#include "accountant.h"

#define DELTA 1e-5

enum { EPOCHS = 10, QUICK_STEPS = 117, TRAINED = 32 };

// Training takes seconds, so each strategy is trained once in a process, by two ranks, and remembered.
static double accuracy_of(const trial *request, long steps) {
  static struct {
    const strategy *strategy;
    double accuracy;
  } done[TRAINED];
  static int count;
  for (int i = 0; i < count; i++)
    if (done[i].strategy == request->strategy) return done[i].accuracy;
  trial t = *request;
  t.check = false;
  t.timed_steps = 0;
  t.train_steps = steps;
  if (run_ranks(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (count < TRAINED) {
    done[count].strategy = t.strategy;
    done[count++].accuracy = t.accuracy;
  }
  return t.accuracy;
}

static void report_training(hd_case *c, const trial *t) {
  const double rate = (double)t->task->batch / (double)t->task->train->count;
  const long steps = c->full ? (long)(EPOCHS / rate) : QUICK_STEPS;
  hd_figure(c, "trained", (double)steps, "steps");
  hd_figure(c, "accuracy", accuracy_of(t, steps), "");
  hd_figure(c, "bytes of the training", t->bytes * (double)steps, "B");
  if (t->strategy->private && t->strategy->noise > 0)
    hd_figure(c, "epsilon", privacy_spent(rate, (double)t->strategy->noise, steps, DELTA), "");
}

void run_case(hd_case *c, const strategy *s, int world, int threads) {
  const state *st = c->state;
  trial t = {.task = &st->task,
             .strategy = s,
             .world = world,
             .threads = threads,
             .check = true,
             .timed_steps = c->verifying || c->size == 0 ? 0 : 10,
             .gradient = st->gradient};
  if (run_ranks(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (!t.timed_steps) return;
  hd_report_time(c, t.step_s);
  hd_figure(c, "messages", t.messages, "");
  hd_figure(c, "bytes sent", t.bytes, "B");
  hd_figure(c, "bytes sent by formula", bytes_formula(s, world), "B");
  if (world == 2 && c->size == 128) report_training(c, &t);
}
