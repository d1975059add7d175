// SPDX-License-Identifier: MIT
// The suite's runner: one process per lesson, so that a crash or a lesson that never ends costs that lesson
// only. A run is a folder; it holds what is done, so an interrupted run resumes where it stopped.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "heddle/clock.h"
#include "heddle/data.h"
#include "heddle/device.h"
#include "heddle/error.h"
#include "heddle/machine.h"
#include "passes.h"
#include "progress.h"

enum { PATH = PASS_PATH, MOST_ARGUMENTS = 16 };

typedef struct settings {
  const char *lessons, *results, *suite, *profile;
  double limit_s;   // of one pass
  double budget_s;  // of this call; 0: none
  bool real_gpu;
} settings;

static volatile sig_atomic_t interrupted;
static void interrupt(int signal) {
  interrupted = signal;
}

// ---------------------------------------------------------------- the run's folder

static void write_line(const char *folder, const char *file, const char *mode, const char *line) {
  char path[PATH + 64];
  snprintf(path, sizeof path, "%s/%s", folder, file);
  FILE *f = fopen(path, mode);
  if (!f || fputs(line, f) < 0 || fclose(f))
    hd_fail(HD_EXIT_FAILURE, "cannot write %s: %s; choose another folder with RESULTS=", path,
            strerror(errno));
}

static bool file_has(const char *folder, const char *file, const char *wanted) {
  char path[PATH + 64], line[512];
  snprintf(path, sizeof path, "%s/%s", folder, file);
  FILE *f = fopen(path, "r");
  bool found = false;
  while (f && !found && fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    found = strcmp(line, wanted) == 0;
  }
  if (f) fclose(f);
  return found;
}

static void make_folders(const char *path) {
  char part[PATH];
  snprintf(part, sizeof part, "%s", path);
  for (char *slash = part + 1;; slash++) {
    const bool end = *slash == 0;
    if (*slash != '/' && !end) continue;
    *slash = 0;
    if (mkdir(part, 0755) && errno != EEXIST)
      hd_fail(HD_EXIT_FAILURE, "cannot make the results folder %s: %s; choose another with RESULTS=", part,
              strerror(errno));
    if (end) return;
    *slash = '/';
  }
}

// Starts the program with its output appended to a file of the run's folder; returns its process.
static pid_t start(const char *run, const pass *p, const char *file, char **arguments) {
  char path[PATH + 96];
  snprintf(path, sizeof path, "%s/%s", run, file);
  const pid_t child = fork();
  if (child < 0) hd_fail(HD_EXIT_FAILURE, "cannot start %s: %s", p->program, strerror(errno));
  if (child == 0) {
    setpgid(0, 0);                     // so that a lesson's own children end with it
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // and the lesson with us: nobody else may append to the run
    const int out = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644), in = open("/dev/null", O_RDONLY);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0) _exit(126);
    if (!strstr(file, ".csv") && dup2(out, 2) < 0) _exit(126);
    execv(p->program, arguments);
    _exit(127);
  }
  setpgid(child, child);
  return child;
}

static void list_variants(const char *run, const pass *p) {
  char *arguments[] = {(char *)p->program, "--list", "--format", "csv", NULL};
  int status;
  while (waitpid(start(run, p, "lessons.csv", arguments), &status, 0) < 0 && errno == EINTR) {
  }
}

// The latest run if it is unfinished and of the same revision, profile and GPU, else a new one.
static bool open_run(const settings *s, const pass_plan *plan, char *run) {
  char latest[PATH + 16], link[PATH], kind[128];
  make_folders(s->results);
  snprintf(latest, sizeof latest, "%s/latest", s->results);
  const hd_machine *m = hd_machine_get();
  snprintf(kind, sizeof kind, "%.60s %s %.60s", m->git, s->profile, m->gpu);
  if (file_has(latest, "run.txt", kind) && !file_has(latest, "run.txt", "complete")) {
    const ssize_t length = readlink(latest, link, sizeof link - 1);
    if (length > 0) {
      link[length] = 0;
      snprintf(run, PATH, "%.200s/%.200s", s->results, link);
      return true;
    }
  }
  char name[64];
  const time_t now = time(NULL);
  strftime(name, sizeof name, "%Y%m%d-%H%M%S", localtime(&now));
  snprintf(run, PATH, "%.200s/%s", s->results, name);
  for (int again = 2; mkdir(run, 0755); again++) {
    if (errno != EEXIST)
      hd_fail(HD_EXIT_FAILURE, "cannot make %s: %s; choose another folder with RESULTS=", run,
              strerror(errno));
    snprintf(run, PATH, "%.200s/%s-%d", s->results, name, again);
  }
  char line[160], machine[PATH + 64];
  snprintf(line, sizeof line, "%s\n", kind);
  write_line(run, "run.txt", "w", line);
  write_line(run, "lessons.csv", "w",
             "lesson,number,title,unit,size_name,kinds,lanes,variant,where,why,status\n");
  write_line(run, "skipped.csv", "w", "lesson,reason\n");
  if (s->real_gpu) write_line(run, "verify.csv", "w", "lesson,seconds,result\n");
  snprintf(machine, sizeof machine, "%s/machine.json", run);
  FILE *f = fopen(machine, "w");
  if (!f) hd_fail(HD_EXIT_FAILURE, "cannot write %s: %s", machine, strerror(errno));
  hd_machine_write(f, m);
  fclose(f);
  static pass lessons[MOST_PASSES];
  const int lesson_count = passes_lessons(plan, lessons);
  for (int i = 0; i < lesson_count; i++) list_variants(run, &lessons[i]);
  unlink(latest);
  if (symlink(strrchr(run, '/') + 1, latest))
    hd_fail(HD_EXIT_FAILURE, "cannot make the link %s: %s", latest, strerror(errno));
  return false;
}

// ---------------------------------------------------------------- one lesson

// Why a pass failed: the last message in what it appended to its log, or the last line.
static void find_reason(const char *run, const char *file, off_t from, char *to, size_t size) {
  char path[PATH + 96], line[256];
  bool message = false;
  snprintf(path, sizeof path, "%s/%s", run, file);
  snprintf(to, size, "no message");
  FILE *f = fopen(path, "r");
  if (f && fseeko(f, from, SEEK_SET) == 0)
    while (fgets(line, sizeof line, f)) {
      line[strcspn(line, "\n")] = 0;
      const bool is_message = strncmp(line, "heddle: ", strlen("heddle: ")) == 0;
      if (line[0] && (is_message || !message)) snprintf(to, size, "%s", line);
      message = message || is_message;
    }
  if (f) fclose(f);
}

static off_t size_of(const char *run, const char *file) {
  char path[PATH + 96];
  struct stat s;
  snprintf(path, sizeof path, "%s/%s", run, file);
  return stat(path, &s) ? 0 : s.st_size;
}

static void read_arguments(const settings *s, const char *run, const pass *p, char *words, char **arguments) {
  int count = 0;
  arguments[count++] = (char *)p->program;
  if (!p->verify) {
    char *measured[] = {"--results", (char *)run, "--profile", (char *)s->profile};
    for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++) arguments[count++] = measured[i];
  }
  for (char *w = strtok(words, " "); w && count < MOST_ARGUMENTS; w = strtok(NULL, " "))
    arguments[count++] = w;
  arguments[count] = NULL;
}

// A real GPU's minutes are few: no lesson may take them from the others.
static double limit_of(const settings *s, const pass *p) {
  enum { ON_REAL_GPU = 120, ONE_VARIANT = 40 };
  if (s->limit_s > 0) return s->limit_s;
  if (p->again) return ONE_VARIANT;
  if (s->real_gpu && strstr(p->arguments, "--device gpu")) return ON_REAL_GPU;
  return strcmp(s->profile, "full") == 0 ? 600 : 90;
}

// Runs one pass under its time limit; an empty reason means that it went well. False if it was stopped
// because this call ends: it is not done then, and what it measured is kept.
static bool run_pass(const settings *s, const char *run, const pass *p, progress *bar, char *reason,
                     size_t size) {
  char words[sizeof p->arguments], file[96], *arguments[MOST_ARGUMENTS + 1];
  snprintf(words, sizeof words, "%s", p->arguments);
  read_arguments(s, run, p, words, arguments);
  snprintf(file, sizeof file, "%s.log", p->name);
  reason[0] = 0;
  const double begin = hd_wall(), limit = limit_of(s, p);
  const off_t from = size_of(run, file);
  const pid_t child = start(run, p, file, arguments);
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    const double seconds = hd_wall() - begin;
    const bool ends = interrupted || (s->budget_s > 0 && progress_seconds(bar) > s->budget_s);
    if (ends || seconds > limit) {
      kill(-child, SIGKILL);
      waitpid(child, &status, 0);
      if (!ends) snprintf(reason, size, "took longer than its limit of %.0f s and was stopped", limit);
      return !ends;
    }
    progress_draw(bar, p->name, seconds);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  }
  if (WIFSIGNALED(status))
    snprintf(reason, size, "crashed: %s", strsignal(WTERMSIG(status)));
  else if (WEXITSTATUS(status) != 0)
    find_reason(run, file, from, reason, size);
  for (char *c = reason; *c; c++)
    if (*c == '"') *c = '\'';
  return true;
}

// Tells how a pass went.
static void record(const char *run, const pass *p, double seconds, const char *reason) {
  char line[700];
  const bool failed = reason[0];
  if (p->verify) {
    snprintf(line, sizeof line, "%s,%.1f,\"%s\"\n", p->name, seconds, failed ? reason : "ok");
    write_line(run, "verify.csv", "a", line);
  }
  if (failed) {
    snprintf(line, sizeof line, "%s,\"%s%s%s\"\n", p->name, p->arguments, p->arguments[0] ? ": " : "",
             reason);
    write_line(run, "skipped.csv", "a", line);
    printf("%s %s: %s\n", p->name, p->arguments, reason);
  } else {
    printf("%5.1f s  %s %s\n", seconds, p->name, p->arguments);
  }
}

// Training lessons need images; where there are none their speed can still be measured.
static void choose_data(const char *run, bool resumed) {
  hd_dataset train, test;
  char why[512], line[600];
  if (getenv("HEDDLE_DATA")) return;
  if (hd_dataset_load(NULL, &train, &test, why, sizeof why)) {
    hd_dataset_free(&train);
    hd_dataset_free(&test);
    return;
  }
  setenv("HEDDLE_DATA", "synthetic", 1);
  printf("training on synthetic images, whose accuracies say nothing about real ones: %s\n", why);
  if (resumed) return;
  for (char *c = why; *c; c++)
    if (*c == '"') *c = '\'';
  snprintf(line, sizeof line, "real images,\"the training lessons ran on synthetic ones: %s\"\n", why);
  write_line(run, "skipped.csv", "a", line);
}

// ---------------------------------------------------------------- the suite

static double seconds(const char *option, const char *value) {
  char *end;
  const double s = strtod(value, &end);
  if (end == value || *end || !(s >= 0)) hd_fail(HD_EXIT_USAGE, "%s %s: seconds are needed", option, value);
  return s;
}

static settings read_settings(int argc, char **argv) {
  settings s = {.lessons = "build/lessons",
                .results = "build/results",
                .suite = "bench/suite.txt",
                .profile = "quick",
                .real_gpu = hd_device_count() > 0 && !hd_device_simulated()};
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (strcmp(argv[i], "--help") == 0) {
      puts(
          "heddle-bench [--lessons DIR] [--results DIR] [--suite FILE] [--profile quick|full]\n"
          "  --limit SECONDS   the most that one pass may take\n"
          "  --budget SECONDS  end after so long; the same command then goes on (0: no end)\n"
          "  --plan PLAN       real: verify all on the GPU, then measure there, then the rest; lessons: one "
          "after\n"
          "                    the other. Default: real where there is a real GPU");
      exit(0);
    }
    if (!value) hd_fail(HD_EXIT_USAGE, "%s: unknown, or its value is missing; see --help", argv[i]);
    if (strcmp(argv[i], "--lessons") == 0)
      s.lessons = value;
    else if (strcmp(argv[i], "--results") == 0)
      s.results = value;
    else if (strcmp(argv[i], "--suite") == 0)
      s.suite = value;
    else if (strcmp(argv[i], "--profile") == 0)
      s.profile = value;
    else if (strcmp(argv[i], "--limit") == 0)
      s.limit_s = seconds(argv[i], value);
    else if (strcmp(argv[i], "--budget") == 0)
      s.budget_s = seconds(argv[i], value);
    else if (strcmp(argv[i], "--plan") == 0 && (strcmp(value, "real") == 0 || strcmp(value, "lessons") == 0))
      s.real_gpu = strcmp(value, "real") == 0;
    else
      hd_fail(HD_EXIT_USAGE, "%s: unknown; see --help", argv[i]);
    i++;
  }
  if (strcmp(s.profile, "full") != 0 && strcmp(s.profile, "quick") != 0)
    hd_fail(HD_EXIT_USAGE, "--profile %s: must be quick or full", s.profile);
  return s;
}

enum outcome { WENT_WELL, FAILED, BROKE_DOWN, STOPPED };

// One pass, unless it was run before. STOPPED: this call ends.
static enum outcome settle(const settings *s, const char *run, const pass *p, progress *bar) {
  static const char *const words[] = {[WENT_WELL] = "done", [FAILED] = "failed", [BROKE_DOWN] = "broke"};
  char reason[300], line[256];
  for (enum outcome o = WENT_WELL; o <= BROKE_DOWN; o++) {
    snprintf(line, sizeof line, "%s %s %s", words[o], p->name, p->arguments);
    if (file_has(run, "run.txt", line)) return o;
  }
  const double begin = progress_seconds(bar);
  if (interrupted || (s->budget_s > 0 && begin > s->budget_s)) return STOPPED;
  const bool ended = run_pass(s, run, p, bar, reason, sizeof reason);
  progress_clear(bar);
  if (!ended) return STOPPED;
  record(run, p, progress_seconds(bar) - begin, reason);
  // A wrong variant was reported, and the lesson went on to its end.
  const enum outcome o = !reason[0] ? WENT_WELL : strstr(reason, " is wrong at ") ? FAILED : BROKE_DOWN;
  snprintf(line, sizeof line, "%s %s %s\n", words[o], p->name, p->arguments);
  write_line(run, "run.txt", "a", line);
  return o;
}

// Runs what is left of the passes; how many are done and how many of those failed.
static void run_passes(const settings *s, const char *run, const pass_plan *plan, const char *listing,
                       progress *bar, int *done, int *failed) {
  static pass passes[MOST_PASSES], variants[MOST_PASSES];
  const int count = passes_read(plan, listing, passes);
  *done = *failed = 0;
  for (*bar = progress_start(count); *done < count; progress_step(bar), ++*done) {
    enum outcome o = settle(s, run, &passes[*done], bar);
    *failed += o == FAILED || o == BROKE_DOWN;
    const int again = o == BROKE_DOWN ? passes_again(plan, listing, &passes[*done], variants) : 0;
    for (int v = 0; v < again && o != STOPPED; v++) o = settle(s, run, &variants[v], bar);
    if (o == STOPPED) return;
  }
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  settings s = read_settings(argc, argv);
  if (strcmp(HD_GPU_KIND, "cuda") == 0 && hd_device_count() == 0)
    hd_fail(HD_EXIT_FAILURE,
            "this was built for a real GPU (DEVICE=cuda) and the CUDA driver finds none here; measure where "
            "nvidia-smi lists one, or use DEVICE=sim or DEVICE=cpu with another BUILD=folder");
  const pass_plan plan = {s.lessons, s.suite, strcmp(s.profile, "full") == 0, s.real_gpu};
  char run[PATH], listing[PATH + 16];
  int done, failed;
  const bool resumed = open_run(&s, &plan, run);
  snprintf(listing, sizeof listing, "%s/lessons.csv", run);
  signal(SIGINT, interrupt);
  signal(SIGTERM, interrupt);
  if (resumed) printf("resuming %s\n", run);
  choose_data(run, resumed);
  progress bar;
  run_passes(&s, run, &plan, listing, &bar, &done, &failed);
  if (interrupted)
    hd_fail(128 + interrupted,
            "interrupted; what was measured is in %s, and the next make bench goes on from there", run);
  if (done < bar.steps) {
    printf("bench: the %.0f s are over with %d of %d passes done; the same command goes on; results in %s\n",
           s.budget_s, done, bar.steps, run);
    return 0;
  }
  write_line(run, "run.txt", "a", "complete\n");
  printf("bench: %d of %d passes went well in %.0f s; results in %s\n", done - failed, done,
         progress_seconds(&bar), run);
  return failed == done ? HD_EXIT_FAILURE : 0;
}
