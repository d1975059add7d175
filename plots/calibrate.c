// SPDX-License-Identifier: MIT
// heddle-calibrate: a modelled run against a measured one, and the constants of a preset that fit the
// measured run best.
//
// The constants are fitted on lessons 01, 08 and 09 only, by running these on the simulator with other
// constants; the error on all other lessons, before and after, is reported and never fitted.
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fit.h"
#include "report.h"
#include "sim.h"

enum { EXIT_USAGE = 2, PROGRAM_LIMIT_S = 300 };
extern char **environ;

static const char usage[] =
    "heddle-calibrate: a modelled run against a measured one; a preset's constants from the measured one\n"
    "  --measured DIR   a run on a real GPU: the rows with clock 'device' (bench/results/GPU)\n"
    "  --modelled DIR   a run on its simulated twin (build/results/latest)\n"
    "  --fit FILE       fit the constants, write them to FILE (for CUSIM_PRESET), report the errors before "
    "and after\n"
    "  --lessons DIR    the lessons' programs, built for the simulator (build/lessons)\n"
    "  --work DIR       where the runs of the fit go (FILE.runs)\n";

typedef struct options {
  const char *measured, *modelled, *fit, *lessons, *work;
} options;

static options read_options(int argc, char **argv) {
  options o = {NULL, "build/results/latest", NULL, "build/lessons", NULL};
  const struct {
    const char *name;
    const char **value;
  } known[] = {{"--measured", &o.measured},
               {"--modelled", &o.modelled},
               {"--fit", &o.fit},
               {"--lessons", &o.lessons},
               {"--work", &o.work}};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) {
      fputs(usage, stdout);
      exit(0);
    }
    const char **value = NULL;
    for (size_t k = 0; k < sizeof known / sizeof known[0]; k++)
      if (strcmp(argv[i], known[k].name) == 0) value = known[k].value;
    if (value == NULL || i + 1 == argc || *argv[i + 1] == '\0') {
      fprintf(stderr, "heddle-calibrate: %s '%s'\n%s", value ? "nothing given after" : "unknown option",
              argv[i], usage);
      exit(EXIT_USAGE);
    }
    *value = argv[++i];
  }
  if (o.measured == NULL) {
    fprintf(stderr, "heddle-calibrate: --measured is missing\n%s", usage);
    exit(EXIT_USAGE);
  }
  return o;
}

static void load(hd_report_run *run, const char *folder) {
  char why[2048] = "";
  if (hd_run_load(run, folder, why, sizeof why)) return;
  fprintf(stderr, "heddle-calibrate: %s\n", why);
  exit(1);
}

// ---------------------------------------------------------------- the table

static bool is_fitted(const hd_report_lesson *lesson) {
  return lesson->number == 1 || lesson->number == 8 || lesson->number == 9;
}

static void print_pairs(const hd_pair *pairs, int count) {
  printf("%-18s %-20s %12s %5s %-10s %12s %12s %8s\n", "lesson", "variant", "size", "GPUs", "preset",
         "measured", "modelled", "ratio");
  for (int i = 0; i < count; i++) {
    char measured[HD_TEXT], modelled[HD_TEXT];
    const hd_pair *p = &pairs[i];
    printf("%-18s %-20s %12ld %5d %-10s %12s %12s %8.3f\n", p->lesson->slug, p->a->variant, p->a->size,
           p->a->devices, p->a->device, hd_text_time(measured, p->b->median_s),
           hd_text_time(modelled, p->a->median_s), hd_pair_ratio(p));
  }
}

static void print_agreement(const char *name, const hd_agreement *g) {
  char order[256];
  hd_agreement_order(order, sizeof order, g);
  printf("%-18s %5d pairs, mean error x %.3f, worst %s at %ld: modelled / measured %.3f; order: %s\n", name,
         g->pairs, g->mean_error, g->worst->a->variant, g->worst->a->size, hd_pair_ratio(g->worst), order);
}

static void print_lessons(const hd_report_run *run, const hd_pair *pairs, int count) {
  putchar('\n');
  for (int l = 0; l < run->lesson_count; l++) {
    const hd_agreement g = hd_agreement_of(pairs, count, &run->lessons[l]);
    if (g.pairs > 0) print_agreement(run->lessons[l].slug, &g);
  }
  const hd_agreement all = hd_agreement_of(pairs, count, NULL);
  print_agreement("all", &all);
}

// ---------------------------------------------------------------- running lessons with other constants

// The constants that lessons 01, 08 and 09 determine, and what they may be.
static const struct {
  const char *name;
  double low, high;
} fitted[] = {
    {"dram_efficiency", 0.3, 1}, {"launch_us", 0.2, 50},       {"kernel_overhead_us", 0.1, 50},
    {"host_alpha_us", 0.1, 200}, {"host_gb_per_s", 0.5, 2000}, {"pageable_share", 0.02, 1},
    {"fault_share", 0.02, 1},    {"fault_us", 0.5, 5000},
};
enum { FITTED = sizeof fitted / sizeof fitted[0], LAUNCH_US = 1 };

typedef struct trial {
  const options *o;
  const char *work, *card;
  const hd_pair *pairs;  // what to predict
  int count, runs;
} trial;

static void make_folder(const char *path) {
  if (mkdir(path, 0755) == 0 || errno == EEXIST) return;
  fprintf(stderr, "heddle-calibrate: cannot make the folder %s: %s\n", path, strerror(errno));
  exit(1);
}

static void write_preset(const char *path, const double *numbers, const char *comment) {
  FILE *out = fopen(path, "w");
  if (out != NULL) {
    fprintf(out, "# %s\n", comment);
    for (int i = 0; i < FITTED; i++) fprintf(out, "%s = %.6g\n", fitted[i].name, numbers[i]);
  }
  if (out == NULL || fclose(out) != 0) {
    fprintf(stderr, "heddle-calibrate: cannot write %s: %s\n", path, strerror(errno));
    exit(1);
  }
}

// Waits until the program has ended, at most PROGRAM_LIMIT_S.
static bool ended_well(pid_t child, const char *what) {
  const struct timespec pause = {0, 20000000};
  const time_t until = time(NULL) + PROGRAM_LIMIT_S;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (time(NULL) > until) {
      fprintf(stderr, "heddle-calibrate: %s took longer than %d s\n", what, PROGRAM_LIMIT_S);
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return false;
    }
    nanosleep(&pause, NULL);
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// One lesson at one size into the folder; its own table goes nowhere. A variant that fails leaves no row.
static bool run_lesson(const trial *t, const hd_result *row, const char *folder) {
  char program[1200], size[32], devices[16], device[80];
  snprintf(program, sizeof program, "%s/lesson-%s", t->o->lessons, row->lesson);
  snprintf(size, sizeof size, "%ld", row->size);
  snprintf(devices, sizeof devices, "%d", row->devices > 1 ? row->devices : 1);
  snprintf(device, sizeof device, "sim:%s", t->card);
  char *words[] = {program,  "--device",  device,
                   "--size", size,        "--devices",
                   devices,  "--results", (char *)(uintptr_t)folder,
                   NULL};
  posix_spawn_file_actions_t actions;
  pid_t child;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  const int error = posix_spawn(&child, program, &actions, NULL, words, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return ended_well(child, program);
  fprintf(stderr, "heddle-calibrate: cannot run %s: %s\n", program, strerror(error));
  return false;
}

static bool same_work(const hd_result *a, const hd_result *b) {
  return strcmp(a->lesson, b->lesson) == 0 && a->size == b->size && a->devices == b->devices;
}

// A fresh folder with the modelled times of what the pairs name.
static bool run_all(trial *t, const double *numbers, char *folder, size_t folder_size) {
  char preset[1200];
  bool any = false;
  snprintf(folder, folder_size, "%s/%d-%d", t->work, (int)getpid(), t->runs++);
  make_folder(folder);
  snprintf(preset, sizeof preset, "%s/preset", folder);
  write_preset(preset, numbers, "a trial");
  setenv("CUSIM_PRESET", preset, 1);
  for (int i = 0; i < t->count; i++) {
    bool seen = false;
    for (int j = 0; j < i && !seen; j++) seen = same_work(t->pairs[i].a, t->pairs[j].a);
    if (seen) continue;
    any |= run_lesson(t, t->pairs[i].a, folder);
    fputc('.', stderr);
  }
  unsetenv("CUSIM_PRESET");
  return any;
}

// What is shorter than this is measured on a card as a batch of runs, launch behind launch, and modelled as
// one. For a single kernel, which is what the fitted lessons launch, the one tells the other: in a batch a
// launch is hidden behind the kernel before it, or the kernel behind the launch. Lesson 08's rungs that move
// data (they tell the time of the link) wait for the GPU in each run and are the same in both.
static double as_measured(const hd_pair *p, double seconds, double launch_s) {
  static const double BATCHED_S = 50e-6;
  if (!is_fitted(p->lesson) || p->b->median_s > BATCHED_S ||
      hd_lesson_figure(p->lesson, p->a, "link") != NULL)
    return seconds;
  return fmax(launch_s, seconds - launch_s);
}

// A hd_predict.
static bool predict(const double *numbers, double *predicted, int count, void *arg) {
  trial *t = arg;
  char folder[1100], why[2048];
  hd_report_run run;
  if (!run_all(t, numbers, folder, sizeof folder) || !hd_run_load(&run, folder, why, sizeof why))
    return false;
  for (int i = 0; i < count; i++) {
    const hd_result *wanted = t->pairs[i].a;
    const hd_report_lesson *lesson = hd_run_lesson(&run, wanted->lesson);
    predicted[i] = NAN;
    for (int r = 0; lesson != NULL && r < lesson->row_count; r++) {
      const hd_result *row = &lesson->rows[r];
      if (same_work(row, wanted) && strcmp(row->variant, wanted->variant) == 0 && hd_row_is_model(row) &&
          hd_row_is_drawable(lesson, row))
        predicted[i] = as_measured(&t->pairs[i], row->median_s, numbers[LAUNCH_US] * 1e-6);
    }
  }
  hd_run_free(&run);
  return true;
}

// ---------------------------------------------------------------- the fit

// The simulator executes what it models: sizes beyond these take it minutes and tell the constants nothing
// new.
static bool is_affordable(const hd_pair *p) {
  const long most = p->lesson->number == 1 ? 32 : p->lesson->number == 8 ? 1 << 24 : 8192;
  return p->a->size <= most;
}

// Those pairs that are fitted, or the others. Of one preset, as constants belong to one card.
static hd_pair *choose(const hd_pair *pairs, int count, bool fit, const char *device, int *chosen) {
  hd_pair *some = malloc((size_t)(count > 0 ? count : 1) * sizeof *some);
  *chosen = 0;
  if (some == NULL) exit(1);
  for (int i = 0; i < count; i++)
    if (is_fitted(pairs[i].lesson) == fit && strcmp(pairs[i].a->device, device) == 0 &&
        (!fit || is_affordable(&pairs[i])))
      some[(*chosen)++] = pairs[i];
  return some;
}

// The pairs' modelled sides replaced by what the constants give, where that can be had. `room` holds the
// rows.
static int remodel(trial *t, const double *numbers, hd_pair *out, hd_result *room) {
  double *times = malloc((size_t)(t->count > 0 ? t->count : 1) * sizeof *times);
  int known = 0;
  if (times == NULL) exit(1);
  if (t->count > 0 && predict(numbers, times, t->count, t)) {
    for (int i = 0; i < t->count; i++) {
      if (isnan(times[i])) continue;
      room[known] = *t->pairs[i].a;
      room[known].median_s = times[i];
      out[known] = t->pairs[i];
      out[known].a = &room[known];
      known++;
    }
  }
  free(times);
  return known;
}

// Error of the same pairs with the old constants and with the new ones.
static void print_before_after(trial *t, const char *name, const double *old, const double *fresh) {
  const size_t room = (size_t)(t->count > 0 ? t->count : 1);
  hd_pair *before = malloc(room * sizeof *before), *after = malloc(room * sizeof *after);
  hd_result *rows = malloc(2 * room * sizeof *rows);
  if (before == NULL || after == NULL || rows == NULL) exit(1);
  const int counts[] = {remodel(t, old, before, rows), remodel(t, fresh, after, rows + room)};
  fputc('\r', stderr);
  for (int k = 0; k < 2; k++) {
    char label[64];
    const hd_agreement g = hd_agreement_of(k ? after : before, counts[k], NULL);
    snprintf(label, sizeof label, "%s, %s", name, k ? "after" : "before");
    if (counts[k] > 0)
      print_agreement(label, &g);
    else
      printf("%-18s no pairs: nothing is known of the error there\n", label);
  }
  free(before);
  free(after);
  free(rows);
}

static int constant_index(const char *name) {
  int i = 0;
  while (sim_constant_name(i) != NULL && strcmp(sim_constant_name(i), name) != 0) i++;
  return i;
}

static void fit_constants(const options *o, const hd_pair *pairs, int count) {
  const char *device = pairs[0].a->device,
             *card = strchr(device, ':') != NULL ? strchr(device, ':') + 1 : device;
  char work[1024];
  snprintf(work, sizeof work, "%s%s", o->work != NULL ? o->work : o->fit, o->work != NULL ? "" : ".runs");
  make_folder(work);
  setenv("CUSIM_CARD", card, 1);
  hd_fit fit = {.numbers = FITTED};
  double old[FITTED];
  for (int i = 0; i < FITTED; i++) {
    fit.value[i] = old[i] = sim_constant_get(sim_machine_get(), constant_index(fitted[i].name));
    fit.low[i] = fitted[i].low;
    fit.high[i] = fitted[i].high;
  }
  int fit_count, other_count;
  hd_pair *on = choose(pairs, count, true, device, &fit_count),
          *others = choose(pairs, count, false, device, &other_count);
  trial t = {.o = o, .work = work, .card = card, .pairs = on, .count = fit_count};
  double *observed = malloc((size_t)(fit_count > 0 ? fit_count : 1) * sizeof *observed);
  if (fit_count < FITTED || observed == NULL) {
    fprintf(stderr, "heddle-calibrate: %d pairs of lessons 01, 08 and 09 are too few to fit %d constants\n",
            fit_count, FITTED);
    exit(1);
  }
  for (int i = 0; i < fit_count; i++) observed[i] = on[i].b->median_s;
  if (!hd_fit_logs(&fit, observed, fit_count, predict, &t)) {
    fprintf(stderr, "\nheddle-calibrate: the lessons in %s cannot be run\n", o->lessons);
    exit(1);
  }
  fprintf(stderr, "\r");
  printf("\nconstants of %s, fitted on %d rows of lessons 01, 08 and 09 (%s):\n", card, fit_count,
         on[0].b->device);
  for (int i = 0; i < FITTED; i++)
    printf("  %-20s %10.4g -> %-10.4g %s%.1f rows hang on it\n", fitted[i].name, old[i], fit.value[i],
           fit.influence[i] < 0.5 ? "(not determined) " : "", fit.influence[i]);
  write_preset(o->fit, fit.value, "fitted on lessons 01, 08 and 09");
  printf("written to %s; try it with CUSIM_PRESET=%s\n\n", o->fit, o->fit);
  print_before_after(&t, "fitted lessons", old, fit.value);
  t.pairs = others;
  t.count = other_count;
  print_before_after(&t, "all others", old, fit.value);
  free(observed);
  free(on);
  free(others);
}

int main(int argc, char **argv) {
  const options o = read_options(argc, argv);
  hd_report_run measured, modelled;
  load(&measured, o.measured);
  load(&modelled, o.modelled);
  int count = 0;
  hd_pair *pairs = hd_pairs_of_model(&modelled, &measured, 1, &count);
  if (count == 0) {
    fprintf(stderr, "heddle-calibrate: %s holds no measured row of a card, variant and size that %s models\n",
            o.measured, o.modelled);
    return 1;
  }
  print_pairs(pairs, count);
  print_lessons(&modelled, pairs, count);
  if (o.fit != NULL) fit_constants(&o, pairs, count);
  free(pairs);
  hd_run_free(&measured);
  hd_run_free(&modelled);
  return 0;
}
