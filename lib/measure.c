// SPDX-License-Identifier: MIT
#include "measure.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "heddle/clock.h"
#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/machine.h"
#include "heddle/roof.h"

enum { MOST_SAMPLES = 20000, MOST_ROOFS = 64, MOST_FLIGHTS = 64 };

bool hd_on_gpu(enum hd_where where) {
  return where == HD_GPU || where == HD_GPUS;
}

void hd_add_output(hd_case *c, const char *name, void *data, size_t count, enum hd_type type) {
  if (c->output_count == HD_MAX_OUTPUTS)
    hd_fail(HD_EXIT_FAILURE, "more than %d outputs in a lesson", HD_MAX_OUTPUTS);
  hd_output *o = &c->outputs[c->output_count++];
  *o = (hd_output){
      .name = name, .data = data, .count = count, .type = type, .expected = hd_alloc(count, sizeof(double))};
#pragma omp parallel for
  for (size_t i = 0; i < count; i++) o->expected[i] = NAN;
}

void hd_report_time(hd_case *c, double seconds) {
  c->elapsed_s = seconds;
}

void hd_figure(hd_case *c, const char *name, double value, const char *unit) {
  int i = 0;
  while (i < c->figure_count && strcmp(c->figures[i].name, name) != 0) i++;
  if (i == HD_MAX_FIGURES)
    hd_fail(HD_EXIT_FAILURE, "more than %d figures in a row; '%s' is too many", HD_MAX_FIGURES, name);
  c->figures[i].name = name;
  c->figures[i].unit = unit;
  c->figures[i].value = value;
  if (i == c->figure_count) c->figure_count++;
}

// All bytes 0xFF are NaN as float and double, -1 as an integer; 0xA5 is nobody's label. What a variant leaves
// unwritten is found by the compare.
static void poison(hd_case *c) {
  for (int i = 0; i < c->output_count; i++) {
    hd_output *o = &c->outputs[i];
    memset(o->data, o->type == HD_I32 || o->type == HD_U8 ? 0xA5 : 0xFF, o->count * hd_type_bytes(o->type));
  }
}

static void call(hd_run *f, hd_case *c) {
  if (f) f(c);
}

void hd_add_span(hd_case *c, int lane, const char *label, double start_s, double end_s) {
#pragma omp critical(hd_spans)
  {
    if (c->span_count == c->span_room) {
      c->span_room = 2 * c->span_room + 64;
      hd_span *more = hd_alloc((size_t)c->span_room, sizeof *more);
      if (c->span_count) memcpy(more, c->spans, (size_t)c->span_count * sizeof *more);
      free(c->spans);
      c->spans = more;
    }
    hd_span *s = &c->spans[c->span_count++];
    *s = (hd_span){.lane = lane, .start_s = start_s, .end_s = end_s};
    snprintf(s->label, sizeof s->label, "%s", label);
  }
}

static const char *clock_name(const hd_variant *v) {
  return !hd_on_gpu(v->where) ? "wall" : hd_device_simulated() ? "model" : "device";
}

// Mean seconds of one run under the variant's clock. `before` stands outside the time, so such runs are not
// batched.
static double timed_runs(hd_case *c, const hd_variant *v, int repeats) {
  c->elapsed_s = -1;
  c->figure_count = c->span_count = 0;
  call(v->before, c);
  double seconds;
  if (hd_on_gpu(v->where)) {
    hd_device_timer_start(c->devices);
    for (int k = 0; k < repeats; k++) v->run(c);
    seconds = hd_device_timer_stop(c->devices);
  } else {
    const double start = hd_wall();
    for (int k = 0; k < repeats; k++) v->run(c);
    seconds = hd_wall() - start;
  }
  return c->elapsed_s >= 0 ? c->elapsed_s : seconds / repeats;
}

static void keep_figures(hd_outcome *o, const hd_case *c) {
  o->figure_count = c->figure_count;
  for (int i = 0; i < c->figure_count; i++) {
    o->figures[i].name = c->figures[i].name;
    o->figures[i].unit = c->figures[i].unit;
    o->figures[i].value = c->figures[i].value;
  }
  free(o->spans);
  o->spans = NULL;
  o->span_count = c->span_count;
  if (!c->span_count) return;
  o->spans = hd_alloc((size_t)c->span_count, sizeof *o->spans);
  memcpy(o->spans, c->spans, (size_t)c->span_count * sizeof *o->spans);
}

hd_outcome hd_checked_before(const hd_variant *v) {
  return (hd_outcome){.variant = v, .clock = clock_name(v), .bound_s = NAN, .verified = true};
}

void hd_check(const hd_lesson *lesson, hd_case *c, const hd_variant *v, hd_outcome *o) {
  *o = (hd_outcome){.variant = v, .clock = clock_name(v), .bound_s = NAN};
  poison(c);
  if (v->at) call(v->at->place, c);
  c->verifying = true;
  double seconds = timed_runs(c, v, 1);
  c->verifying = false;
  if (v->at) {
    call(v->at->collect, c);
    call(v->at->release, c);
  }
  o->tolerance = v->tolerance ? v->tolerance(c) : lesson->tolerance(c);
  for (int i = 0; i < c->output_count; i++) {
    const hd_output *out = &c->outputs[i];
    const double error = hd_compare(out->data, out->type, out->expected, out->count);
    if (!(error <= o->error)) o->error = error;
  }
  o->verified = o->error <= o->tolerance;
  // A modelled time is the same every time: the checked run is the measurement.
  if (strcmp(o->clock, "model") == 0) o->time = hd_summarize(&seconds, 1);
  keep_figures(o, c);
}

// The roofline as a time: work cannot end before the slower of its arithmetic and its memory traffic. The
// memory roof is none for what stays in the caches.
static double roofline(const hd_lesson *lesson, const hd_case *c, double flops_per_s, double bytes_per_s) {
  double bound = 0;
  const double cached = c->devices ? 0 : 2.0 * (double)hd_machine_get()->l3;
  if (lesson->flops && flops_per_s > 0) bound = lesson->flops(c) / flops_per_s;
  if (lesson->bytes && bytes_per_s > 0 && lesson->bytes(c) > cached)
    bound = fmax(bound, lesson->bytes(c) / bytes_per_s);
  return bound > 0 ? bound : NAN;
}

// On a GPU the arithmetic roof is that of the variant's own operands.
static double bound(const hd_lesson *lesson, const hd_case *c, const hd_variant *v, double flops_per_s,
                    double bytes_per_s) {
  if (v->bound_s) return v->bound_s(c, v->where);
  if (lesson->bound_s) return lesson->bound_s(c, v->where);
  if (hd_on_gpu(v->where)) flops_per_s = hd_device_product_peak(v->operands);
  return roofline(lesson, c, flops_per_s, bytes_per_s);
}

double hd_perfect_scaling_s(const hd_case *c, enum hd_where where, double flops) {
  if (where != HD_GPU && where != HD_GPUS) return flops / hd_roof_flops_best(c->threads);
  double peak, bytes;
  hd_device_peaks(&peak, &bytes);
  return flops / (peak * c->devices);
}

void hd_model_sampled(const hd_lesson *lesson, hd_case *c, const hd_variant *v, hd_outcome *o) {
  double flops, bytes;
  setenv("CUSIM_EXECUTE", "sampled", 1);
  if (v->at) call(v->at->place, c);
  double seconds = timed_runs(c, v, 1);
  if (v->at) call(v->at->release, c);
  unsetenv("CUSIM_EXECUTE");
  hd_device_peaks(&flops, &bytes);
  o->time = hd_summarize(&seconds, 1);
  o->error = NAN;
  o->bound_s = bound(lesson, c, v, flops, bytes);
  keep_figures(o, c);
}

// The roofs of a number of threads: the best the machine did in this process, for a sample that was disturbed
// is no lower roof. Sampled all through its groups.
typedef struct roofs {
  int threads;
  bool reads;
  double bytes, flops, taken_at;
} roofs;

static roofs *roofs_of(const hd_lesson *lesson, const hd_case *c) {
  static roofs known[MOST_ROOFS];
  static int count;
  const bool reads = lesson->only_reads && lesson->only_reads(c);
  for (int i = 0; i < count; i++)
    if (known[i].threads == c->threads && known[i].reads == reads) return &known[i];
  roofs *r = &known[count < MOST_ROOFS ? count++ : MOST_ROOFS - 1];
  *r = (roofs){.threads = c->threads, .reads = reads, .taken_at = -INFINITY};
  return r;
}

// What is older than a second is sampled again: it takes the better part of a tenth.
static void sample_roofs(roofs *r) {
  if (hd_wall() - r->taken_at < 1) return;
  r->bytes = fmax(r->bytes, r->reads ? hd_roof_read(r->threads) : hd_roof_bytes(r->threads));
  r->flops = fmax(r->flops, hd_roof_flops(r->threads));
  r->taken_at = hd_wall();
}

// The ping-pongs of a group.
typedef struct flights {
  double ns[MOST_FLIGHTS], taken_at;
  int count;
} flights;

static void sample_flights(flights *f) {
  if (f->count == MOST_FLIGHTS || (f->count && hd_wall() - f->taken_at < 0.3)) return;
  f->ns[f->count++] = hd_ping_pong_ns();
  f->taken_at = hd_wall();
}

static bool done(const double *samples, int count, double spent, hd_budget budget) {
  if (count >= MOST_SAMPLES || (count >= 4 && spent >= 2 * budget.seconds) || spent >= 12 * budget.seconds)
    return true;
  if (count < 10 || spent < budget.seconds) return false;
  double copy[MOST_SAMPLES];
  memcpy(copy, samples, (size_t)count * sizeof copy[0]);
  const hd_summary s = hd_summarize(copy, (size_t)count);
  return spent >= 2 * budget.seconds || hd_relative_half_width(&s) < budget.half_width;
}

void hd_time_group(const hd_lesson *lesson, hd_case *c, hd_outcome *outcomes, int count, hd_budget budget) {
  double *samples[HD_MAX_VARIANTS] = {0}, spent[HD_MAX_VARIANTS] = {0};
  int taken[HD_MAX_VARIANTS] = {0}, repeats[HD_MAX_VARIANTS] = {0}, left = 0;
  bool live[HD_MAX_VARIANTS] = {0};
  const hd_place *at = NULL;
  const bool gpu = count > 0 && hd_on_gpu(outcomes[0].variant->where);
  for (int i = 0; i < count; i++) {
    const hd_outcome *o = &outcomes[i];
    live[i] = o->verified && o->time.count == 0;
    if (!live[i]) continue;
    at = o->variant->at;
    left++;
    samples[i] = hd_alloc(MOST_SAMPLES, sizeof(double));
  }
  roofs *const r = gpu ? NULL : roofs_of(lesson, c);
  flights flown = {0};
  if (left && at) call(at->place, c);
  if (left && !gpu) sample_roofs(r), sample_flights(&flown);
  for (int i = 0; i < count; i++) {
    if (!live[i]) continue;
    // A sample of at least 50 µs, so that the clock's own cost stays under a thousandth.
    const double start = hd_wall(), once = timed_runs(c, outcomes[i].variant, 1), took = hd_wall() - start;
    if (took > budget.seconds / 4) {  // long enough to need no other run to warm it up
      samples[i][taken[i]++] = once;
      keep_figures(&outcomes[i], c);
      spent[i] = took;
    }
    repeats[i] = outcomes[i].variant->before || c->elapsed_s >= 0 || once >= 5e-5
                     ? 1
                     : (int)(5e-5 / fmax(once, 1e-8)) + 1;
  }
  while (left) {
    for (int i = 0; i < count; i++) {
      if (!live[i]) continue;
      const hd_variant *v = outcomes[i].variant;
      struct rusage before, after;
      getrusage(RUSAGE_SELF, &before);
      const double start = hd_wall();
      samples[i][taken[i]++] = timed_runs(c, v, repeats[i]);
      keep_figures(&outcomes[i], c);
      spent[i] += hd_wall() - start;
      getrusage(RUSAGE_SELF, &after);
      outcomes[i].switches += after.ru_nivcsw - before.ru_nivcsw;
      if (done(samples[i], taken[i], spent[i], budget)) {
        live[i] = false;
        left--;
      }
    }
    if (left && !gpu) sample_roofs(r), sample_flights(&flown);
  }
  double flops = 0, bytes = 0, ping = 0;
  if (gpu) {
    hd_device_peaks(&flops, &bytes);
  } else if (flown.count) {
    flops = r->flops;
    bytes = r->bytes;
    ping = hd_summarize(flown.ns, (size_t)flown.count).median;
  }
  if (at) call(at->release, c);
  for (int i = 0; i < count; i++) {
    hd_outcome *o = &outcomes[i];
    if (taken[i]) o->time = hd_summarize(samples[i], (size_t)taken[i]);
    o->bound_s = bound(lesson, c, o->variant, flops, bytes);
    o->ping_pong_ns = ping;
    free(samples[i]);
  }
}
