// SPDX-License-Identifier: MIT
// The one main of all lessons: reads the options, sweeps sizes and threads, prints and records what measure.c
// finds.
#include <errno.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "heddle/bench.h"
#include "heddle/comm.h"
#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/machine.h"
#include "heddle/progress.h"
#include "heddle/roof.h"
#include "measure.h"
#include "options.h"
#include "table.h"

static const hd_lesson *const lesson = &hd_this_lesson;

// "cpu", "sim:h200", a real GPU's name, or that and HD_SHARED.
static void write_device(char *to, size_t size, const hd_variant *v, const hd_case *c) {
  snprintf(to, size, "%s%s", hd_on_gpu(v->where) ? hd_device_name() : "cpu",
           hd_on_gpu(v->where) && c->devices > hd_device_count() ? HD_SHARED : "");
}

static bool wanted(const hd_options *o, const hd_variant *v) {
  if (!v->run || (hd_on_gpu(v->where) && hd_device_count() == 0)) return false;
  if (o->variant && strcmp(o->variant, v->name) != 0) return false;
  if (o->no_mistakes && v->wrong_on_purpose) return false;
  if (o->device == HD_DEVICE_CPU && hd_on_gpu(v->where)) return false;
  return !(o->device == HD_DEVICE_GPU && !hd_on_gpu(v->where));
}

static hd_result key_of(const hd_variant *v, const hd_case *c) {
  const hd_machine *m = hd_machine_get();
  hd_result r = {.size = c->size, .threads = c->threads, .devices = c->devices};
  snprintf(r.lesson, sizeof r.lesson, "%02d-%s", lesson->number, lesson->name);
  snprintf(r.variant, sizeof r.variant, "%s", v->name);
  write_device(r.device, sizeof r.device, v, c);
  snprintf(r.git, sizeof r.git, "%s", m->git);
  snprintf(r.machine, sizeof r.machine, "%s", m->id);
  return r;
}

static double in_unit(double seconds, const char *unit) {
  return strcmp(unit, "ns") == 0 ? seconds * 1e9 : strcmp(unit, "µs") == 0 ? seconds * 1e6 : seconds * 1e3;
}

// The lesson's rate from its declared work. Units carry the scale: GFLOP/s, GB/s, M…/s.
static double rate(const hd_case *c, double seconds) {
  double work = 1;
  switch (lesson->rate) {
    case HD_RATE_FLOPS:
      work = lesson->flops(c);
      break;
    case HD_RATE_BYTES:
      work = lesson->bytes(c);
      break;
    case HD_RATE_ITEMS:
      work = lesson->items(c);
      break;
    case HD_RATE_TIME:
      return in_unit(seconds, lesson->unit);
  }
  const char scale = lesson->unit[0];
  return work / seconds / (scale == 'G' ? 1e9 : scale == 'M' ? 1e6 : scale == 'T' ? 1e12 : 1);
}

// The first verified time of each clock and size is what speed-ups stand over.
typedef struct baseline {
  char clock[8];
  double seconds;
} baseline;

static double speedup(baseline bases[3], const hd_outcome *o) {
  if (!(o->time.median > 0)) return NAN;
  for (int i = 0; i < 3; i++) {
    if (!bases[i].clock[0]) {
      snprintf(bases[i].clock, sizeof bases[i].clock, "%s", o->clock);
      bases[i].seconds = o->time.median;
    }
    if (strcmp(bases[i].clock, o->clock) == 0) return bases[i].seconds / o->time.median;
  }
  return NAN;
}

static hd_result result_of(const hd_outcome *o, const hd_case *c, baseline bases[3]) {
  hd_result r = key_of(o->variant, c);
  snprintf(r.clock, sizeof r.clock, "%s", o->clock);
  const char *unit = o->variant->unit;
  snprintf(r.unit, sizeof r.unit, "%s", unit ? unit : lesson->unit);
  r.max_rel_error = o->error;
  r.verified = o->verified;
  r.median_s = r.ci_low_s = r.ci_high_s = r.value = r.speedup = r.bound_fraction = NAN;
  snprintf(r.mood, sizeof r.mood, "%s", hd_mood(o->ping_pong_ns));
  if (!o->verified || o->time.count == 0) return r;
  r.median_s = o->time.median;
  r.ci_low_s = o->time.low;
  r.ci_high_s = o->time.high;
  r.samples = (long)o->time.count;
  r.value = unit ? in_unit(o->time.median, unit) : rate(c, o->time.median);
  r.speedup = speedup(bases, o);
  r.bound_fraction = o->bound_s / o->time.median;
  return r;
}

static void record(hd_results *file, const hd_result *r, const hd_outcome *o, const hd_case *c) {
  if (!file) return;
  hd_results_append(file, r);
  for (int i = 0; i < o->figure_count; i++)
    hd_results_figure(file, r, o->figures[i].name, o->figures[i].value, o->figures[i].unit);
  hd_results_spans(file, r, o->spans, o->span_count);
  if (lesson->flops) hd_results_figure(file, r, "flops", lesson->flops(c), "FLOP");
  if (lesson->bytes) hd_results_figure(file, r, "bytes", lesson->bytes(c), "B");
  if (o->ping_pong_ns > 0) {
    hd_results_figure(file, r, "ping_pong", o->ping_pong_ns, "ns");
    hd_results_figure(file, r, "involuntary_switches", (double)o->switches, "");
  }
}

// A check on simulated GPUs that went well: it would do so again.
typedef struct shown {
  const hd_variant *variant;
  long size;
  int devices;
} shown;

// What the whole run shares.
typedef struct run {
  const hd_options *options;
  hd_results *file;
  hd_table *table;
  int failed;   // variants that were wrong and not on purpose
  int applied;  // how often a wanted variant could run
  shown shown[HD_MAX_VARIANTS * (HD_MAX_SIZES + 1)];
  int shown_count;
} run;

static void remember(run *r, const hd_case *c, const hd_outcome *o) {
  if (!o->verified || strcmp(o->clock, "model") != 0 || r->shown_count == HD_COUNT(r->shown)) return;
  r->shown[r->shown_count++] = (shown){o->variant, c->size, c->devices};
}

static bool was_shown(const run *r, const hd_variant *v, long size, int devices) {
  for (int i = 0; i < r->shown_count; i++)
    if (r->shown[i].variant == v && r->shown[i].size == size && r->shown[i].devices == devices) return true;
  return false;
}

static unsigned place(enum hd_where where) {
  return 1u << where;
}

// Real GPUs are quieter than CPUs. Ranks that share a GPU are right or wrong, and their times say nothing: a
// few samples show that they ran. So do they in the quick profile where they share a core.
static hd_budget budget_of(const hd_case *c, unsigned places) {
  const bool core_shared = places == place(HD_RANKS) && c->threads > omp_get_num_procs();
  if (c->devices > hd_device_count() || (core_shared && !c->full)) return (hd_budget){0.02, 0.05};
  const double half_width = c->devices && !hd_device_simulated() ? 0.005 : 0.01;
  return (hd_budget){!c->full ? 0.05 : c->devices ? 0.5 : 1.0, half_width};
}

// All wanted variants of these places at the case's counts: check each, then time them interleaved.
static void run_group(run *r, hd_case *c, unsigned places, baseline bases[3]) {
  hd_outcome outcomes[HD_MAX_VARIANTS];
  int count = 0;
  omp_set_num_threads(c->threads > 0 ? c->threads : omp_get_num_procs());
  for (int i = 0; i < lesson->variant_count; i++) {
    const hd_variant *v = &lesson->variants[i];
    if (!(places >> v->where & 1) || !wanted(r->options, v) || (v->fits && !v->fits(c))) continue;
    r->applied++;
    const hd_result key = key_of(v, c);
    if (r->file && hd_results_has(r->file, &key)) continue;
    hd_progress("checking", v->name);
    hd_check(lesson, c, v, &outcomes[count]);
    hd_progress(NULL, NULL);
    remember(r, c, &outcomes[count]);
    if (!outcomes[count].verified && !v->wrong_on_purpose) {
      r->failed++;
      fprintf(stderr, "heddle: %02d-%s: %s is wrong at %s = %ld: max rel. error %g, allowed %g\n",
              lesson->number, lesson->name, v->name, lesson->size_name, c->size, outcomes[count].error,
              outcomes[count].tolerance);
    }
    count++;
  }
  if (!r->options->verify) {
    const hd_budget budget = budget_of(c, places);
    // Variants that share a place are timed against each other; others can't be on the device at the same
    // time.
    for (int i = 0; i < count;) {
      int end = i + 1;
      while (end < count && outcomes[end].variant->at == outcomes[i].variant->at) end++;
      hd_progress("timing", end - i == 1 ? outcomes[i].variant->name : "all that runs there");
      hd_time_group(lesson, c, outcomes + i, end - i, budget);
      i = end;
    }
    hd_progress(NULL, NULL);
  }
  for (int i = 0; i < count; i++) {
    const hd_result row = result_of(&outcomes[i], c, bases);
    record(r->file, &row, &outcomes[i], c);
    hd_table_row(r->table, &row, outcomes[i].variant);
    free(outcomes[i].spans);
  }
}

static bool lesson_has(enum hd_where where) {
  for (int i = 0; i < lesson->variant_count; i++)
    if (lesson->variants[i].where == where) return true;
  return false;
}

// Every thread count, rank count and device count of one size.
static void run_counts(run *r, hd_case *c, unsigned places) {
  const hd_options *o = r->options;
  const int most = o->threads ? o->threads : omp_get_num_procs();
  baseline bases[3] = {0};
  const unsigned threaded = places & place(HD_THREADS), serial = places & place(HD_SERIAL);
  const bool sweep = lesson->sweep_threads && !o->threads;
  for (int t = 1; threaded || serial; t = 2 * t < most ? 2 * t : most) {
    c->threads = t;
    const bool now = t == most || sweep;
    if (t == 1 || now) run_group(r, c, (t == 1 ? serial : 0) | (now ? threaded : 0), bases);
    if (t == most) break;
  }
  for (int i = 0; places & place(HD_RANKS) && i < HD_MAX_SIZES; i++) {
    c->threads = o->threads ? o->threads : lesson->sweep_ranks[i];
    if (c->threads == 0 || (o->threads && i > 0)) break;
    run_group(r, c, place(HD_RANKS), bases);
  }
  c->threads = 0;
  if (places & place(HD_GPU)) {
    c->devices = 1;
    run_group(r, c, place(HD_GPU), bases);
  }
  for (int i = 0; places & place(HD_GPUS) && i < HD_MAX_SIZES; i++) {
    c->devices = o->devices ? o->devices : lesson->sweep_devices[i];
    if (c->devices == 0 || (o->devices && i > 0)) break;
    run_group(r, c, place(HD_GPUS), bases);
  }
  c->devices = 0;
}

static const unsigned CPU_PLACES = 1u << HD_SERIAL | 1u << HD_THREADS | 1u << HD_RANKS;
static const unsigned GPU_PLACES = 1u << HD_GPU | 1u << HD_GPUS;

static double available_memory(void) {
  double kilobytes = 0;
  char line[128];
  FILE *f = fopen("/proc/meminfo", "r");
  while (f && fgets(line, sizeof line, f))
    if (sscanf(line, "MemAvailable: %lf", &kilobytes) == 1) break;
  if (f) fclose(f);
  return kilobytes > 0 ? kilobytes * 1024 : INFINITY;
}

static void run_size(run *r, long size, unsigned places) {
  if (lesson->memory && lesson->memory(size) > available_memory())
    hd_fail(HD_EXIT_USAGE, "%s = %ld needs %.1f GiB of memory, %.1f GiB are free; use a smaller --size",
            lesson->size_name, size, lesson->memory(size) / 0x1p30, available_memory() / 0x1p30);
  hd_case c = {.size = size, .threads = 1, .seed = r->options->seed, .full = r->options->full};
  c.untimed = r->options->verify;
  c.reduced = c.untimed || (places & GPU_PLACES && hd_device_simulated());
  c.on_gpu = places & GPU_PLACES && r->options->device != HD_DEVICE_CPU && hd_device_count() > 0;
  omp_set_num_threads(omp_get_num_procs());
  hd_table_title(r->table, lesson, &c);
  hd_progress("computing", "the reference");
  lesson->setup(&c);
  lesson->reference(&c);
  hd_progress(NULL, NULL);
  run_counts(r, &c, places);
  lesson->teardown(&c);
  free(c.spans);
  for (int i = 0; i < c.output_count; i++) free(c.outputs[i].expected);
}

// The variants of a place that this case wants and that are not measured yet.
static int left_of(run *r, const hd_case *c, enum hd_where where, const hd_variant **left) {
  int count = 0;
  for (int i = 0; i < lesson->variant_count; i++) {
    const hd_variant *v = &lesson->variants[i];
    if (v->where != where || !wanted(r->options, v) || (v->fits && !v->fits(c))) continue;
    r->applied++;
    const hd_result key = key_of(v, c);
    if (!r->file || !hd_results_has(r->file, &key)) left[count++] = v;
  }
  return count;
}

// Checks at the small size, where this run has not done so already, then models.
static void model_group(run *r, hd_case *small, hd_case *c, enum hd_where where, baseline bases[3]) {
  hd_outcome outcomes[HD_MAX_VARIANTS];
  const hd_variant *left[HD_MAX_VARIANTS];
  const int count = left_of(r, c, where, left);
  small->devices = c->devices;
  for (int i = 0; i < count; i++) {
    if (was_shown(r, left[i], small->size, small->devices))
      outcomes[i] = hd_checked_before(left[i]);
    else
      hd_check(lesson, small, left[i], &outcomes[i]);
  }
  for (int i = 0; i < count; i++) {
    hd_progress("modelling", left[i]->name);
    if (outcomes[i].verified) hd_model_sampled(lesson, c, left[i], &outcomes[i]);
    hd_progress(NULL, NULL);
    const hd_result row = result_of(&outcomes[i], c, bases);
    record(r->file, &row, &outcomes[i], c);
    hd_table_row(r->table, &row, left[i]);
    free(outcomes[i].spans);
  }
}

// How many GPUs the i-th group of a sampled size uses: one for the variants on one GPU, then the sweep; 0
// ends.
static int sampled_devices(const hd_options *o, int i, enum hd_where *where) {
  *where = i ? HD_GPUS : HD_GPU;
  if (i == 0) return 1;
  return o->devices ? (i == 1 ? o->devices : 0) : i <= HD_MAX_SIZES ? lesson->sweep_devices[i - 1] : 0;
}

// A size that is too large to execute on simulated GPUs: checked whole at a smaller one, modelled from a few
// blocks.
static void run_sampled(run *r, long size) {
  baseline bases[3] = {0};
  hd_case small = {.size = lesson->sim_quick[0] ? lesson->sim_quick[0] : size,
                   .seed = r->options->seed,
                   .reduced = true,
                   .on_gpu = true};
  hd_case c = {.size = size, .seed = r->options->seed, .full = r->options->full, .on_gpu = true};
  const hd_variant *unused[HD_MAX_VARIANTS];
  enum hd_where where;
  int left = 0;
  for (int i = 0; (c.devices = sampled_devices(r->options, i, &where)) > 0; i++)
    left += left_of(r, &c, where, unused);
  if (!left) return;
  lesson->setup(&small);
  lesson->reference(&small);
  lesson->setup(&c);
  hd_table_title(r->table, lesson, &c);
  for (int i = 0; (c.devices = sampled_devices(r->options, i, &where)) > 0; i++)
    model_group(r, &small, &c, where, bases);
  lesson->teardown(&c);
  lesson->teardown(&small);
  free(small.spans);
  free(c.spans);
  for (int i = 0; i < c.output_count; i++) free(c.outputs[i].expected), free(small.outputs[i].expected);
}

static bool contains(const long *list, long size) {
  for (int i = 0; i < HD_MAX_SIZES && list[i]; i++)
    if (list[i] == size) return true;
  return false;
}

static void run_sizes(run *r) {
  const hd_options *o = r->options;
  if (o->size_given) {
    if (contains(lesson->sim_sampled, o->size) && o->device == HD_DEVICE_GPU && hd_device_simulated() &&
        !o->verify)
      run_sampled(r, o->size);
    else
      run_size(r, o->size, CPU_PLACES | (o->device == HD_DEVICE_CPU ? 0 : GPU_PLACES));
    return;
  }
  if (o->verify) {
    for (int i = 0; i < HD_MAX_SIZES && lesson->verify[i] >= 0; i++)
      run_size(r, lesson->verify[i], CPU_PLACES | GPU_PLACES);
    return;
  }
  const long *cpu = o->full ? lesson->full : lesson->quick;
  const long *gpu = o->full ? lesson->gpu_full : lesson->gpu_quick;
  const long *sim = o->full ? lesson->sim_full : lesson->sim_quick;
  if (!gpu[0]) gpu = cpu;
  if (hd_device_simulated() && (sim[0] || lesson->sim_sampled[0])) gpu = sim;
  const bool cpu_wanted = o->device != HD_DEVICE_GPU,
             gpu_wanted = o->device != HD_DEVICE_CPU && hd_device_count() > 0 &&
                          (lesson_has(HD_GPU) || lesson_has(HD_GPUS));
  for (int i = 0; cpu_wanted && i < HD_MAX_SIZES && cpu[i]; i++)
    run_size(r, cpu[i], CPU_PLACES | (gpu_wanted && contains(gpu, cpu[i]) ? GPU_PLACES : 0));
  for (int i = 0; gpu_wanted && i < HD_MAX_SIZES && gpu[i]; i++)
    if (!cpu_wanted || !contains(cpu, gpu[i])) run_size(r, gpu[i], GPU_PLACES);
  for (int i = 0; gpu_wanted && hd_device_simulated() && i < HD_MAX_SIZES && lesson->sim_sampled[i]; i++)
    run_sampled(r, lesson->sim_sampled[i]);
}

// OpenMP that silently runs on fewer threads makes every number a lie: ask for them once and count.
static void require_threads(int asked) {
  int got = 0;
#pragma omp parallel num_threads(asked)
#pragma omp single
  got = omp_get_num_threads();
  if (got < asked)
    hd_fail(HD_EXIT_FAILURE, "asked OpenMP for %d threads and got %d; check OMP_THREAD_LIMIT and OMP_DYNAMIC",
            asked, got);
}

int main(int argc, char **argv) {
  const hd_options o = hd_options_read(lesson, argc, argv);
  if (o.list) {
    hd_table_list(lesson, o.format);
    return 0;
  }
  if (lesson_has(HD_RANKS) && o.threads > HD_MOST_RANKS)
    hd_fail(HD_EXIT_USAGE, "--threads %d: at most %d ranks in lesson %02d", o.threads, HD_MOST_RANKS,
            lesson->number);
  if (lesson->node) {
    char node[16];
    snprintf(node, sizeof node, "%d", lesson->node);
    setenv("CUSIM_NODE", node, 0);
  }
  // KiB: before Hopper cuBLAS takes 4 MiB and slower kernels.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":32768:2", 0);
  require_threads(o.threads && !lesson_has(HD_RANKS) ? o.threads : omp_get_num_procs());
  run r = {.options = &o};
  if (o.results) {
    if (mkdir(o.results, 0755) && errno != EEXIST)
      hd_fail(HD_EXIT_FAILURE, "cannot make the results folder %s: %s", o.results, strerror(errno));
    r.file = hd_results_open(o.results);
  }
  r.table = hd_table_open(o.format, o.verify);
  run_sizes(&r);
  hd_table_close(r.table);
  hd_results_close(r.file);
  if (!r.applied && o.variant)
    hd_fail(HD_EXIT_USAGE,
            "--variant %s: does not apply to these sizes, counts, devices and options; see --list",
            o.variant);
  if (!r.applied)
    hd_fail(HD_EXIT_USAGE, "no variant applies to these sizes, counts, devices and options; see --list");
  return r.failed ? HD_EXIT_FAILURE : 0;
}
