// SPDX-License-Identifier: MIT
#include "case.h"

#include <heddle/device.h>
#include <heddle/error.h>

#include "accountant.h"

#define DELTA 1e-5

enum { EPOCHS = 10, QUICK_STEPS = 117, TRAINED = 32 };

// Training takes seconds, so each strategy is trained once in a process, by two ranks, and remembered.
static double accuracy_of(const trial *request, long steps) {
  static struct {
    const strategy *strategy;
    enum place place;
    double accuracy;
  } done[TRAINED];
  static int count;
  for (int i = 0; i < count; i++)
    if (done[i].strategy == request->strategy && done[i].place == request->place) return done[i].accuracy;
  trial t = *request;
  t.check = false;
  t.timed_steps = 0;
  t.train_steps = steps;
  if (run_ranks(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (count < TRAINED) {
    done[count].strategy = t.strategy;
    done[count].place = t.place;
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

static void report_exchange(hd_case *c, const trial *t) {
  const strategy *s = t->strategy;
  hd_figure(c, "messages", t->messages, "");
  hd_figure(c, "bytes sent", t->bytes, "B");
  hd_figure(c, "bytes sent by formula", bytes_formula(s, t->world), "B");
  // On a CPU most of it is waiting for another rank; private gradients are exchanged as others are.
  if (t->place == ON_CPU || s->private) return;
  hd_figure(c, "packing and adding", t->packing_s, "s");
  hd_figure(c, "sending", t->sending_s, "s");
  if (t->world > hd_device_count()) return;
  double alpha, rate;
  hd_device_link(&alpha, &rate);
  hd_figure(c, "sending by formula", sending_formula(s, t->world, alpha, rate), "s");
}

// Modelled time has no noise: one step is as good as ten; and it would take minutes to train on a model.
void run_case(hd_case *c, const strategy *s, enum place place, int world, int threads) {
  const state *st = c->state;
  const bool modelled = place == ON_GPU && hd_device_simulated();
  trial t = {.task = &st->task,
             .strategy = s,
             .place = place,
             .world = world,
             .threads = threads,
             .check = true,
             .warm_steps = modelled ? 0 : 1,
             .timed_steps = c->size == 0 || (c->verifying && !modelled) ? 0
                            : modelled                                  ? 1
                                                                        : 10,
             .gradient = st->gradient};
  if (run_ranks(&t)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (!t.timed_steps) return;
  hd_report_time(c, t.step_s);
  report_exchange(c, &t);
  if (world == 2 && c->size == 128 && !modelled) report_training(c, &t);
}
