// SPDX-License-Identifier: MIT
// heddle-report: one run folder in, one page with its plots out.
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: heddle-report [--results DIR] [--out DIR] [--committed DIR] [--compare DIR] [--source DIR]\n"
    "  --results DIR    the run to report (build/results/latest)\n"
    "  --out DIR        where index.html and plots/ are written (build/report)\n"
    "  --committed DIR  folder of runs on real GPUs, drawn beside modelled results (bench/results)\n"
    "  --compare DIR    an older run: adds a table of time ratios, new / old\n"
    "  --source DIR     the root of the repository, for links to the lessons (.)\n"
    "  --scripts DIR    gnuplot scripts (those of the source tree)\n";

typedef struct options {
  const char *results, *out, *committed, *compare, *source, *scripts;
} options;

static options read_options(int argc, char **argv) {
  options o = {"build/results/latest", "build/report", "bench/results", NULL, ".", HEDDLE_PLOTS_DIR};
  const struct {
    const char *name;
    const char **value;
  } known[] = {{"--results", &o.results}, {"--out", &o.out},       {"--committed", &o.committed},
               {"--compare", &o.compare}, {"--source", &o.source}, {"--scripts", &o.scripts}};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) {
      fputs(usage, stdout);
      exit(0);
    }
    const char **value = NULL;
    for (int k = 0; k < (int)(sizeof known / sizeof known[0]); k++)
      if (strcmp(argv[i], known[k].name) == 0) value = known[k].value;
    if (value == NULL || i + 1 == argc || *argv[i + 1] == '\0') {
      fprintf(stderr, "heddle-report: %s '%s'\n%s", value ? "no folder given after" : "unknown option",
              argv[i], usage);
      exit(EXIT_USAGE);
    }
    *value = argv[++i];
  }
  return o;
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

// Loads every run below `folder`, in the order of their names; a folder that is not there holds none.
static hd_report_run *load_committed(const char *folder, int *count) {
  struct dirent **names = NULL;
  hd_report_run *runs = NULL;
  int found = scandir(folder, &names, NULL, by_name);
  *count = 0;
  for (int i = 0; i < found; i++) {
    char path[1400], why[2048];
    snprintf(path, sizeof path, "%s/%s/results.csv", folder, names[i]->d_name);
    if (names[i]->d_name[0] != '.' && access(path, R_OK) == 0) {
      *strrchr(path, '/') = '\0';
      hd_report_run *more = realloc(runs, (size_t)(*count + 1) * sizeof *runs);
      if (more == NULL) break;
      runs = more;
      if (hd_run_load(&runs[*count], path, why, sizeof why)) {
        ++*count;
      } else {
        fprintf(stderr, "heddle-report: warning: %s; left out\n", why);
        hd_run_free(&runs[*count]);
      }
    }
    free(names[i]);
  }
  free(names);
  return runs;
}

static void load(hd_report_run *run, const char *folder) {
  char why[2048] = "";
  if (hd_run_load(run, folder, why, sizeof why)) return;
  fprintf(stderr, "heddle-report: %s\n", why);
  exit(1);
}

static void print_comparison(const hd_pair *pairs, int count) {
  printf("%-20s %-20s %10s %8s %-14s %9s  %s\n", "lesson", "variant", "size", "workers", "device", "new/old",
         "");
  for (int i = 0; i < count; i++) {
    const hd_result *a = pairs[i].a, *b = pairs[i].b;
    printf("%-20s %-20s %10ld %8d %-14s %9.3f  %s\n", pairs[i].lesson->slug, a->variant, a->size,
           hd_row_is_cpu(a) ? a->threads : a->devices, a->device, a->median_s / b->median_s,
           hd_intervals_overlap(a, b)  ? "(intervals overlap)"
           : a->median_s < b->median_s ? "faster"
                                       : "slower");
  }
  if (count == 0) puts("the two runs have no verified row in common");
}

static void draw(hd_studio *studio, const hd_plots *plots, int *done, int total) {
  for (int i = 0; i < plots->count; i++) {
    if (isatty(STDERR_FILENO) && *studio->gnuplot) fprintf(stderr, "\rplots %d/%d ", ++*done, total);
    hd_plot_draw(studio, plots->plots[i]);
  }
}

int main(int argc, char **argv) {
  options o = read_options(argc, argv);
  hd_report_run run, old = {0};
  load(&run, o.results);
  if (o.compare != NULL) load(&old, o.compare);
  int committed_count = 0, model_count = 0, compare_count = 0, total = 0, done = 0;
  hd_report_run *committed = load_committed(o.committed, &committed_count);
  hd_pair *model_pairs = hd_pairs_of_model(&run, committed, committed_count, &model_count);
  hd_pair *compare_pairs = o.compare ? hd_pairs_of_runs(&run, &old, &compare_count) : NULL;

  hd_studio studio;
  hd_studio_open(&studio, o.out, o.scripts);
  hd_plots *plots = calloc((size_t)run.lesson_count + 1, sizeof *plots);
  if (plots == NULL) return 1;
  for (int i = 0; i < run.lesson_count; i++) {
    hd_choose_plots(&plots[i], &run, &run.lessons[i], committed, committed_count);
    total += plots[i].count;
  }
  hd_plots *model_plots = &plots[run.lesson_count];
  hd_choose_model_plot(model_plots, model_pairs, model_count);
  total += model_plots->count;
  for (int i = 0; i <= run.lesson_count; i++) draw(&studio, &plots[i], &done, total);
  if (done > 0) fputs("\r                 \r", stderr);

  hd_page_write(&(hd_page){.run = &run,
                           .committed = committed,
                           .compared = o.compare ? &old : NULL,
                           .committed_count = committed_count,
                           .studio = &studio,
                           .lesson_plots = plots,
                           .model_plots = model_plots,
                           .model_pairs = model_pairs,
                           .compare_pairs = compare_pairs,
                           .model_pair_count = model_count,
                           .compare_pair_count = compare_count,
                           .source = o.source});
  if (o.compare) print_comparison(compare_pairs, compare_count);
  if (*studio.gnuplot == '\0')
    fputs(
        "heddle-report: gnuplot was not found: the page has tables but no plots (Debian: apt install "
        "gnuplot-nox)\n",
        stderr);
  printf("%s/index.html: %d lessons, %d results, %d plots", o.out, run.lesson_count, run.row_count,
         studio.drawn);
  printf(hd_warning_count() > 0 ? ", %d lines skipped\n" : "\n", hd_warning_count());
  bool failed = studio.failed > 0;

  for (int i = 0; i <= run.lesson_count; i++) hd_plots_free(&plots[i]);
  for (int i = 0; i < committed_count; i++) hd_run_free(&committed[i]);
  free(plots);
  free(committed);
  free(model_pairs);
  free(compare_pairs);
  hd_run_free(&run);
  hd_run_free(&old);
  return failed ? 1 : 0;
}
