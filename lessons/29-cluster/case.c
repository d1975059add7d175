// SPDX-License-Identifier: MIT
#include "case.h"

#include <heddle/clock.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "paper.h"

enum { TIMED_STEPS = 20, TRAINING_IMAGES = 60000 };

long steps_of(const hd_case *c) {
  return c->size > 256 ? 1 : 3;
}

static job job_of(const hd_case *c, enum way way, int world) {
  const plan *p = c->state;
  const bool modelled = c->devices && hd_device_simulated();
  job j = p->job;
  j.way = way;
  j.world = world;
  j.steps = steps_of(c);
  j.timed_steps = modelled ? 1 : c->verifying ? 0 : TIMED_STEPS;
  j.measured = !c->verifying && world > 1;
  if (way != BY_PROCESSES && way != BY_MPI) j.misfortune = NONE;  // it would be ours
  if (j.misfortune && (j.unlucky >= world || j.at_step >= j.steps))
    hd_fail(HD_EXIT_USAGE, "--kill %d:%ld: there are ranks 0 to %d and steps 0 to %ld", j.unlucky, j.at_step,
            world - 1, j.steps - 1);
  return j;
}

// Both ways of summing the gradients over the links of this machine and, between nodes, InfiniBand NDR.
static void paper(hd_case *c, int world) {
  const int each = world < NODE && world > 0 ? world : NODE;
  const link_cost between = {4e-6, 0.92 * 50e9};
  link_cost inside;
  hd_device_link(&inside.alpha_s, &inside.bytes_per_s);
  const double bytes = (double)c->outputs[0].count * sizeof(float);
  hd_figure(c, "flat on paper", flat_on_paper(world / each, each, bytes, inside, between), "s");
  hd_figure(c, "hierarchical on paper", hierarchical_on_paper(world / each, each, bytes, inside, between),
            "s");
}

static void report(hd_case *c, const job *j, const result *r) {
  const plan *p = c->state;
  for (size_t i = 0; i < c->outputs[0].count; i++) {
    const float expected = (float)c->outputs[0].expected[i];
    p->first[i] = p->doubtful[i] ? expected : r->first[i] - p->initial[i];
    p->other[i] = p->doubtful[i] ? expected : r->other[i] - p->initial[i];
  }
  hd_figure(c, "ranks apart", r->apart, "");
  if (!j->timed_steps) return;
  double step_s = 0, messages = 0, bytes = 0, kept = 0;
  for (int i = 0; i < j->world; i++) {
    const outcome *o = &r->ranks[i];
    if (o->step_s > step_s) step_s = o->step_s;
    if (o->messages > messages) messages = o->messages;
    if (o->bytes > bytes) bytes = o->bytes;
    if (o->memory > kept) kept = o->memory;
  }
  hd_report_time(c, step_s);
  hd_figure(c, "messages", messages, "");
  hd_figure(c, "bytes sent", bytes, "B");
  hd_figure(c, "memory", kept, "B");
  if (c->devices) {
    paper(c, j->world);
    return;
  }
  hd_figure(c, "start-up", r->start_s, "s");
  hd_figure(c, "loading", r->load_s, "s");
  if (!j->measured) return;
  hd_figure(c, "all-reduce of a float", r->ranks[0].latency_s, "s");
  hd_figure(c, "bus bandwidth", r->ranks[0].bytes_per_s, "B/s");
}

static result room_for(const hd_case *c) {
  const size_t n = c->outputs[0].count;
  return (result){.first = hd_alloc(n, sizeof(float)), .other = hd_alloc(n, sizeof(float))};
}

static double accuracy_of(const plan *p, const job *j, const float *theta) {
  hd_ops *o = hd_ops_cpu();
  hd_mlp *net = hd_mlp_new(o, j->width, LAYERS, (long)j->batch, false);
  hd_mlp_set(net, theta);
  const double accuracy = hd_accuracy(net, p->test->images, p->test->labels, p->test->count);
  hd_mlp_free(net);
  o->close(o);
  return accuracy;
}

// A whole training: Adam, L1 and L2 regularization, shifted and mirrored images. What it has learnt, and how
// long that took with everything: starting, loading, the slowest rank. Once for each way; later samples tell
// the same.
static void train_whole(hd_case *c, const job *one_step, result *r) {
  static struct {
    long size;
    double seconds, accuracy;
  } done[BY_NCCL_PROCESSES + 1][HD_MOST_RANKS + 1], *now;
  const plan *p = c->state;
  now = &done[one_step->way][one_step->world];
  if (now->size != c->size) {
    job j = *one_step;
    j.rule = HD_ADAM;
    j.l1 = 1e-6f;
    j.augment = true;
    j.steps = p->epochs * (TRAINING_IMAGES / (long)j.batch);
    j.timed_steps = 0;
    j.measured = false;
    const double start = hd_wall();
    if (run_job(&j, r)) hd_fail(HD_EXIT_FAILURE, "%s", r->error);
    now->seconds = hd_wall() - start;
    now->accuracy = accuracy_of(p, &j, r->first);
    now->size = c->size;
  }
  hd_figure(c, "training", now->seconds, "s");
  hd_figure(c, "accuracy", now->accuracy, "");
}

void run_way(hd_case *c, enum way way, int world) {
  const job j = job_of(c, way, world);
  result r = room_for(c);
  if (run_job(&j, &r)) hd_fail(HD_EXIT_FAILURE, "%s", r.error);
  report(c, &j, &r);
  if (((const plan *)c->state)->epochs && j.timed_steps == TIMED_STEPS) train_whole(c, &j, &r);
  free(r.first);
  free(r.other);
}

void run_restarted(hd_case *c) {
  job j = job_of(c, BY_PROCESSES, c->threads);
  result r = room_for(c);
  char command[PATH + 16];
  const char *where = getenv("TMPDIR");
  snprintf(j.folder, sizeof j.folder, "%s/heddle-checkpoint-XXXXXX", where && where[0] ? where : "/tmp");
  if (!mkdtemp(j.folder)) hd_fail(HD_EXIT_FAILURE, "cannot make %s; set TMPDIR", j.folder);
  j.misfortune = KILLED;
  j.unlucky = j.world - 1;
  j.at_step = j.steps - 1;
  const bool died = run_job(&j, &r) != 0;
  j.resumed = true;
  const bool finished = run_job(&j, &r) == 0;
  snprintf(command, sizeof command, "rm -rf '%s'", j.folder);
  if (system(command) != 0) fprintf(stderr, "heddle: %s is left behind\n", j.folder);
  if (!died) hd_fail(HD_EXIT_FAILURE, "a job whose rank %d was killed did not fail", j.unlucky);
  if (!finished) hd_fail(HD_EXIT_FAILURE, "%s", r.error);
  report(c, &j, &r);
  free(r.first);
  free(r.other);
}
