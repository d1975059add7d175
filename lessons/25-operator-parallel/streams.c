// SPDX-License-Identifier: MIT
// Idea: operations of different branches in different streams of one GPU. Where one of them cannot fill the
// GPU, several run at once. An event per edge that crosses streams is all that is needed; a missing one is a
// wrong result, now and then.
//
// The host issues one kernel after the other, and if that takes it longer than they run, streams change
// nothing. A recorded step (a CUDA graph, lesson 15) is issued with one call.
#include <heddle/device.h>
#include <heddle/error.h>
#include <kernels/nn/ops.h>

#include "run.h"
#include "streams.h"

#if HD_HAVE_CUDA

typedef struct lanes {
  trial *trial;
  part *part;
  hd_ops *ops[MOST_DEVICES];  // one table per stream
  void *recording;            // of a step; NULL: every step is issued anew
  void *stream[MOST_DEVICES], *done[MOST_OPS], *begin, *end[MOST_DEVICES];
} lanes;

static void open_lanes(lanes *l) {
  const trial *t = l->trial;
  hd_device_select(0);
  hd_device_synchronize(1);  // what ranks have left there is over before the clock of this thread goes on
  for (int i = 0; i < t->plan->devices; i++) {
    l->stream[i] = stream_new();
    l->ops[i] = hd_ops_cuda(l->stream[i]);
    l->end[i] = event_new();
  }
  for (int i = 0; i < t->net->graph.count; i++) l->done[i] = event_new();
  l->begin = event_new();
}

static void close_lanes(lanes *l) {
  if (l->recording) recording_free(l->recording);
  for (int i = 0; i < l->trial->plan->devices; i++) {
    l->ops[i]->synchronize(l->ops[i]);
    event_free(l->end[i]);
  }
  for (int i = 0; i < l->trial->net->graph.count; i++) event_free(l->done[i]);
  event_free(l->begin);
  part_close(l->part);
  for (int i = 0; i < l->trial->plan->devices; i++) {
    l->ops[i]->close(l->ops[i]);
    stream_free(l->stream[i]);
  }
}

// The other streams begin after the first one's work so far, and it goes on after theirs.
static void step(lanes *l, bool marks) {
  const trial *t = l->trial;
  const graph *g = &t->net->graph;
  event_record(l->begin, l->stream[0]);
  for (int i = 0; i < t->plan->devices; i++) {
    if (i > 0) stream_await(l->stream[i], l->begin);
    if (marks) l->ops[i]->mark(l->ops[i], 0);
  }
  for (int i = 0; i < g->count; i++) {
    const int n = t->plan->order[i], lane = t->plan->device[n];
    hd_ops *o = l->ops[lane];
    for (int k = 0; k < g->ops[n].inputs; k++) {
      const int from = g->ops[n].input[k];
      if (t->plan->device[from] != lane && t->mistake != NO_EVENTS)
        stream_await(l->stream[lane], l->done[from]);
    }
    if (marks) o->mark(o, 2 * n + 1);
    part_run(l->part, o, n);
    if (marks) o->mark(o, 2 * n + 2);
    event_record(l->done[n], l->stream[lane]);
  }
  for (int i = 1; i < t->plan->devices; i++) {
    event_record(l->end[i], l->stream[i]);
    stream_await(l->stream[0], l->end[i]);
  }
}

// Behind a plain step: operations may allocate when they are first used, which cannot be recorded.
static void record_step(lanes *l) {
  step(l, false);
  part_restart(l->part);
  recording_begin(l->stream[0]);
  step(l, false);
  l->recording = recording_end(l->stream[0]);
}

static void run_step(lanes *l, bool marks) {
  if (l->recording)
    recording_run(l->recording, l->stream[0]);
  else
    step(l, marks);
}

// All of the network is in one memory, whatever stream works on it.
static part *open_part(const trial *t, plan *whole, hd_ops *ops) {
  *whole = *t->plan;
  for (int i = 0; i < t->net->graph.count; i++) whole->device[i] = 0;
  part *p = part_open(t->net, t->problem, whole, 0, ops);
  p->mistake = t->mistake;
  return p;
}

void run_streams(trial *t) {
  if (t->plan->devices < 1) hd_fail(HD_EXIT_USAGE, "a plan for %d streams: at least one", t->plan->devices);
  lanes l = {.trial = t};
  plan whole;
  open_lanes(&l);
  l.part = open_part(t, &whole, l.ops[0]);
  l.ops[0]->synchronize(l.ops[0]);
  hd_ops *o = l.ops[0];
  if (t->recorded) record_step(&l);
  run_step(&l, false);
  part_collect(l.part, t->gradient);
  if (t->timed_steps > 0) {
    o->timer_start(o);
    for (int i = 1; i <= t->timed_steps; i++) run_step(&l, t->span && i == t->timed_steps);
    t->step_s = o->timer_stop(o) / t->timed_steps;
    for (int n = 0; t->span && n < 2 * t->net->graph.count; n++) {
      hd_ops *of = l.ops[t->plan->device[n / 2]];
      t->span[n] = of->mark_time(of, n + 1);
    }
  }
  t->messages = t->bytes = 0;
  t->memory = (double)o->bytes;
  close_lanes(&l);
}

#else

void run_streams(trial *t) {
  (void)t;
  hd_fail(HD_EXIT_FAILURE, "built without CUDA: no streams (see make doctor)");
}

#endif
