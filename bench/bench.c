// SPDX-License-Identifier: MIT
// The suite's runner: one process per lesson, so that a crash or a lesson that never ends costs that lesson
// only. A run is a folder; it holds what is done, so an interrupted run resumes where it stopped.
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
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
#include "heddle/error.h"
#include "heddle/machine.h"
#include "progress.h"

enum { PATH = 512, MOST_PASSES = 128, MOST_ARGUMENTS = 16 };

typedef struct pass {
  char program[PATH];
  char name[64];        // "22-data-parallel"
  char arguments[128];  // "--device sim:t4"
} pass;

typedef struct settings {
  const char *lessons, *results, *suite, *profile;
  double limit_s;
} settings;

static volatile sig_atomic_t interrupted;
static void interrupt(int signal) {
  interrupted = signal;
}

// ---------------------------------------------------------------- what is run

static void add_pass(pass *passes, int *count, const char *program, const char *arguments) {
  if (*count == MOST_PASSES) hd_fail(HD_EXIT_FAILURE, "more than %d passes in the suite", MOST_PASSES);
  pass *p = &passes[(*count)++];
  snprintf(p->program, sizeof p->program, "%s", program);
  snprintf(p->name, sizeof p->name, "%s", strstr(program, "/lesson-") + strlen("/lesson-"));
  snprintf(p->arguments, sizeof p->arguments, "%s", arguments);
}

// Every built lesson, each followed by its further passes of the suite file; a line that begins with this is
// for the full profile only.
#define FULL_ONLY "full "
static int read_passes(const settings *s, pass *passes) {
  char pattern[PATH];
  snprintf(pattern, sizeof pattern, "%s/lesson-[0-9][0-9]-*", s->lessons);
  glob_t found;
  if (glob(pattern, 0, NULL, &found))
    hd_fail(HD_EXIT_FAILURE, "no lesson is built in %s; run make first", s->lessons);
  int count = 0;
  for (size_t i = 0; i < found.gl_pathc; i++) {
    struct stat file;
    if (stat(found.gl_pathv[i], &file) || !S_ISREG(file.st_mode)) continue;
    add_pass(passes, &count, found.gl_pathv[i], "");
    FILE *f = fopen(s->suite, "r");
    if (!f) hd_fail(HD_EXIT_USAGE, "cannot read the suite %s: %s", s->suite, strerror(errno));
    char line[256];
    while (fgets(line, sizeof line, f)) {
      int number = 0, used = 0;
      line[strcspn(line, "#\n")] = 0;
      const bool full_only = strncmp(line, FULL_ONLY, strlen(FULL_ONLY)) == 0;
      if (full_only && strcmp(s->profile, "full") != 0) continue;
      const char *pass_of = full_only ? line + strlen(FULL_ONLY) : line;
      if (sscanf(pass_of, "%d %n", &number, &used) == 1 && number == atoi(passes[count - 1].name) &&
          pass_of[used])
        add_pass(passes, &count, found.gl_pathv[i], pass_of + used);
    }
    fclose(f);
  }
  globfree(&found);
  return count;
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

// The latest run if it is unfinished and of the same revision and profile, else a new one.
static bool open_run(const settings *s, char *run) {
  char latest[PATH + 16], link[PATH], kind[128];
  make_folders(s->results);
  snprintf(latest, sizeof latest, "%s/latest", s->results);
  snprintf(kind, sizeof kind, "%s %s", hd_machine_get()->git, s->profile);
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
  snprintf(machine, sizeof machine, "%s/machine.json", run);
  FILE *f = fopen(machine, "w");
  if (!f) hd_fail(HD_EXIT_FAILURE, "cannot write %s: %s", machine, strerror(errno));
  hd_machine_write(f, hd_machine_get());
  fclose(f);
  unlink(latest);
  if (symlink(strrchr(run, '/') + 1, latest))
    hd_fail(HD_EXIT_FAILURE, "cannot make the link %s: %s", latest, strerror(errno));
  return false;
}

// ---------------------------------------------------------------- one lesson

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

// The last line of a log, for the reason of a failure.
static void last_line(const char *run, const char *file, char *to, size_t size) {
  char path[PATH + 96], line[256];
  snprintf(path, sizeof path, "%s/%s", run, file);
  snprintf(to, size, "no message");
  FILE *f = fopen(path, "r");
  while (f && fgets(line, sizeof line, f)) {
    line[strcspn(line, "\n")] = 0;
    if (line[0]) snprintf(to, size, "%s", line);
  }
  if (f) fclose(f);
}

// Runs one pass under its time limit; an empty reason means that it went well.
static void run_pass(const settings *s, const char *run, const pass *p, progress *bar, char *reason,
                     size_t size) {
  char words[sizeof p->arguments], file[96], *arguments[MOST_ARGUMENTS + 1];
  int count = 0;
  char *fixed[] = {(char *)p->program, "--results", (char *)run, "--profile", (char *)s->profile};
  for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) arguments[count++] = fixed[i];
  snprintf(words, sizeof words, "%s", p->arguments);
  for (char *w = strtok(words, " "); w && count < MOST_ARGUMENTS; w = strtok(NULL, " "))
    arguments[count++] = w;
  arguments[count] = NULL;
  snprintf(file, sizeof file, "%s.log", p->name);
  reason[0] = 0;
  const double begin = hd_wall();
  const pid_t child = start(run, p, file, arguments);
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    const double seconds = hd_wall() - begin;
    if (interrupted || seconds > s->limit_s) {
      kill(-child, SIGKILL);
      waitpid(child, &status, 0);
      if (!interrupted)
        snprintf(reason, size, "took longer than its limit of %.0f s and was stopped", s->limit_s);
      return;
    }
    progress_draw(bar, p->name, seconds);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  }
  if (WIFSIGNALED(status))
    snprintf(reason, size, "crashed: %s", strsignal(WTERMSIG(status)));
  else if (WEXITSTATUS(status) != 0)
    last_line(run, file, reason, size);
}

// ---------------------------------------------------------------- the suite

static settings read_settings(int argc, char **argv) {
  settings s = {
      .lessons = "build/lessons", .results = "build/results", .suite = "bench/suite.txt", .profile = "quick"};
  for (int i = 1; i < argc; i++) {
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (strcmp(argv[i], "--help") == 0) {
      puts(
          "heddle-bench [--lessons DIR] [--results DIR] [--suite FILE] [--profile quick|full] [--limit "
          "SECONDS]");
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
      s.limit_s = atof(value);
    else
      hd_fail(HD_EXIT_USAGE, "%s: unknown; see --help", argv[i]);
    i++;
  }
  const bool full = strcmp(s.profile, "full") == 0;
  if (!full && strcmp(s.profile, "quick") != 0)
    hd_fail(HD_EXIT_USAGE, "--profile %s: must be quick or full", s.profile);
  if (s.limit_s <= 0) s.limit_s = full ? 600 : 90;
  return s;
}

int main(int argc, char **argv) {
  const settings s = read_settings(argc, argv);
  static pass passes[MOST_PASSES];
  const int count = read_passes(&s, passes);
  char run[PATH], reason[300], line[600];
  const bool resumed = open_run(&s, run);
  signal(SIGINT, interrupt);
  signal(SIGTERM, interrupt);
  if (resumed) printf("resuming %s\n", run);
  progress bar = progress_start(count);
  int failed = 0;
  for (int i = 0; i < count && !interrupted; i++) {
    const pass *p = &passes[i];
    snprintf(line, sizeof line, "done %s %s", p->name, p->arguments);
    if (!file_has(run, "run.txt", line)) {
      if (!p->arguments[0]) list_variants(run, p);
      const double begin = progress_seconds(&bar);
      run_pass(&s, run, p, &bar, reason, sizeof reason);
      if (interrupted) break;
      progress_clear(&bar);
      if (!reason[0]) {
        printf("%5.1f s  %s %s\n", progress_seconds(&bar) - begin, p->name, p->arguments);
      } else {
        failed++;
        printf("%s %s: %s\n", p->name, p->arguments, reason);
        for (char *c = reason; *c; c++)
          if (*c == '"') *c = '\'';
        snprintf(line, sizeof line, "%s,\"%s%s%s\"\n", p->name, p->arguments, p->arguments[0] ? ": " : "",
                 reason);
        write_line(run, "skipped.csv", "a", line);
      }
      snprintf(line, sizeof line, "done %s %s\n", p->name, p->arguments);
      write_line(run, "run.txt", "a", line);
    }
    progress_step(&bar);
  }
  progress_clear(&bar);
  if (interrupted)
    hd_fail(128 + interrupted,
            "interrupted; what was measured is in %s, and the next make bench goes on from there", run);
  write_line(run, "run.txt", "a", "complete\n");
  printf("bench: %d of %d passes went well in %.0f s; results in %s\n", count - failed, count,
         progress_seconds(&bar), run);
  return failed == count ? HD_EXIT_FAILURE : 0;
}
