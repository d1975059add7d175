// SPDX-License-Identifier: MIT
// What CUSIM_CHECK asks for, the problems found, and their report when the program ends.
#include "check_problem.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_PROBLEMS = 1000, TEXT = 400, EXIT_PROBLEM = 86 };

typedef struct problem {
  const char *kind;
  uintptr_t pc[SIM_CHECK_FRAMES], other_pc;  // innermost first; other_pc 0: none
  char *kernel;                              // NULL: the host
  unsigned launch;
  uint64_t block;
  int thread;
  sim_dim3 grid, shape;
  bool warning;
  uint64_t times;
  char text[TEXT], tail[TEXT];
  char file[256];  // set for the report
  int line;
} problem;

static problem *problems;
static size_t problem_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

// ---------------------------------------------------------------- what is asked for

static const struct {
  const char *name;
  unsigned group;
} groups[] = {{"memory", SIM_CHECK_MEMORY},
              {"init", SIM_CHECK_INIT},
              {"race", SIM_CHECK_RACE},
              {"sync", SIM_CHECK_SYNC},
              {"host", SIM_CHECK_HOST},
              {"leak", SIM_CHECK_LEAK},
              {"1", ~0u},
              {"all", ~0u},
              {"0", 0},
              {"off", 0}};

unsigned sim_check_wanted;

static void read_options(void) {
  const char *given = getenv("CUSIM_CHECK");
  char *copy = given ? strdup(given) : NULL, *rest = NULL;
  for (char *word = copy ? strtok_r(copy, ",", &rest) : NULL; word; word = strtok_r(NULL, ",", &rest)) {
    size_t i = 0;
    while (i < sizeof groups / sizeof groups[0] && strcmp(groups[i].name, word) != 0) i++;
    if (i == sizeof groups / sizeof groups[0]) {
      fprintf(
          stderr,
          "cusim: CUSIM_CHECK=%s: no such check; give 1 or a list of memory, init, race, sync, host, leak\n",
          word);
      _exit(2);
    }
    sim_check_wanted |= groups[i].group;
  }
  free(copy);
}

// ---------------------------------------------------------------- collecting

static bool earlier(const sim_check_context *c, const problem *p) {
  if (c->launch != p->launch) return c->launch < p->launch;
  return c->block != p->block ? c->block < p->block : c->thread < p->thread;
}

static problem *find(const char *kind, const sim_check_context *c) {
  for (size_t i = 0; i < problem_count; i++)
    if (problems[i].pc[0] == c->pc[0] && problems[i].kind == kind &&
        memcmp(problems[i].pc, c->pc, sizeof c->pc) == 0)
      return &problems[i];
  return NULL;
}

void sim_check_problem(const char *kind, const sim_check_context *c, const char *format, ...) {
  pthread_mutex_lock(&lock);
  problem *p = find(kind, c);
  const bool fresh = !p;
  if (fresh && problem_count < MOST_PROBLEMS) {
    problem *grown = realloc(problems, (problem_count + 1) * sizeof *problems);
    if (grown) {
      problems = grown;
      p = &problems[problem_count++];
      *p = (problem){.kind = kind};
    }
  }
  if (p) {
    p->times++;
    if (fresh || earlier(c, p)) {
      free(p->kernel);
      const problem kept = *p;
      *p = (problem){.kind = kind,
                     .other_pc = c->other_pc,
                     .kernel = c->kernel ? strdup(c->kernel) : NULL,
                     .launch = c->launch,
                     .block = c->block,
                     .thread = c->thread,
                     .grid = c->grid,
                     .shape = c->shape,
                     .warning = c->warning,
                     .times = kept.times};
      memcpy(p->pc, c->pc, sizeof p->pc);
      va_list arguments;
      va_start(arguments, format);
      vsnprintf(p->text, sizeof p->text, format, arguments);
      va_end(arguments);
      if (c->tail) snprintf(p->tail, sizeof p->tail, "%s", c->tail);
    }
  }
  pthread_mutex_unlock(&lock);
}

bool sim_check_found(void) {
  pthread_mutex_lock(&lock);
  bool any = false;
  for (size_t i = 0; i < problem_count; i++) any |= !problems[i].warning;
  pthread_mutex_unlock(&lock);
  return any;
}

void sim_check_host_problem(const char *kind, const char *format, ...) {
  if (!sim_check_wants(SIM_CHECK_HOST)) return;
  sim_check_context c = {0};
  char text[TEXT];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  sim_check_backtrace(c.pc);
  sim_check_problem(kind, &c, "%s", text);
}

void sim_check_call_made(sim_check_call *c) {
  if (sim_check_wants(SIM_CHECK_HOST)) sim_check_backtrace(c->pc);
}

void sim_check_call_problem(const sim_check_call *call, const char *kind, const char *format, ...) {
  if (!sim_check_wants(SIM_CHECK_HOST)) return;
  sim_check_context c = {0};
  memcpy(c.pc, call->pc, sizeof c.pc);
  char text[TEXT];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  sim_check_problem(kind, &c, "%s", text);
}

// ---------------------------------------------------------------- the report

// cusim's own headers, where the program's call is inlined into nothing else.
static bool is_ours(const char *name) {
  static const char *const headers[] = {"cuda_runtime", "cuda_runtime_api", "launch",
                                        "device",       "driver_types",     "memory",
                                        "tuple",        "invoke",           "functional"};
  const char *dot = strchr(name, '.');
  if (!dot || (strncmp(dot, ".h:", 3) != 0 && strncmp(dot, ".inl", 4) != 0)) return strchr(name, '.') == NULL;
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
    if (strlen(headers[i]) == (size_t)(dot - name) && strncmp(headers[i], name, (size_t)(dot - name)) == 0)
      return true;
  return false;
}

// The innermost frame behind the call into cusim: the last one of a function with a name of CUDA's.
static int first_own_frame(const uintptr_t pc[SIM_CHECK_FRAMES], bool host) {
  static const char *const prefixes[] = {"cuda", "cublas", "curand", "nccl", "sim_", "cusim_", "nvtx"};
  int first = 0;
  for (int i = 0; i < SIM_CHECK_FRAMES && pc[i] && host; i++) {
    char name[256];
    if (!sim_symbol_name(pc[i], name, sizeof name)) continue;
    for (size_t k = 0; k < sizeof prefixes / sizeof prefixes[0]; k++)
      if (strncmp(name, prefixes[k], strlen(prefixes[k])) == 0) first = i + 1;
  }
  return first < SIM_CHECK_FRAMES && pc[first] ? first : 0;
}

// The innermost frame that stands in the program's own source, as file:line.
static void name_place(const uintptr_t pc[SIM_CHECK_FRAMES], bool host, char *name, size_t bytes) {
  *name = 0;
  for (int i = first_own_frame(pc, host); i < SIM_CHECK_FRAMES && pc[i]; i++) {
    sim_line_name(pc[i], name, bytes);
    if (!is_ours(name) && strncmp(name, "0x", 2) != 0) break;
  }
}

void sim_check_call_name(const sim_check_call *c, char *text, size_t bytes) {
  char name[256] = "";
  if (c->pc[0]) name_place(c->pc, true, name, sizeof name);
  snprintf(text, bytes, "%s%s", *name ? " at " : "", name);
}

static void locate(problem *p) {
  char name[256];
  name_place(p->pc, !p->kernel, name, sizeof name);
  if (!p->pc[0]) snprintf(name, sizeof name, "?");
  char *colon = strrchr(name, ':');
  p->line = colon ? atoi(colon + 1) : 0;
  if (colon) *colon = 0;
  snprintf(p->file, sizeof p->file, "%s", name);
}

static int in_order(const void *a, const void *b) {
  const problem *x = a, *y = b;
  int order = strcmp(x->file, y->file);
  if (!order) order = (x->line > y->line) - (x->line < y->line);
  if (!order) order = strcmp(x->kind, y->kind);
  if (!order) order = strcmp(x->kernel ? x->kernel : "", y->kernel ? y->kernel : "");
  if (!order) order = (x->launch > y->launch) - (x->launch < y->launch);
  if (!order) order = (x->block > y->block) - (x->block < y->block);
  return order ? order : (x->thread > y->thread) - (x->thread < y->thread);
}

static bool same(const problem *x, const problem *y) {
  return strcmp(x->file, y->file) == 0 && x->line == y->line && x->kind == y->kind &&
         (x->line > 0 || x->pc[0] == y->pc[0]) &&
         strcmp(x->kernel ? x->kernel : "", y->kernel ? y->kernel : "") == 0;
}

static void merge(void) {
  for (size_t i = 0; i < problem_count; i++) locate(&problems[i]);
  if (problem_count) qsort(problems, problem_count, sizeof *problems, in_order);
  size_t kept = 0;
  for (size_t i = 0; i < problem_count; i++) {
    if (kept && same(&problems[kept - 1], &problems[i]))
      problems[kept - 1].times += problems[i].times;
    else
      problems[kept++] = problems[i];
  }
  problem_count = kept;
}

static void write_place(FILE *f, const problem *p, const char *format) {
  const sim_dim3 g = p->grid, s = p->shape;
  const unsigned t = (unsigned)p->thread;
  fprintf(f, format, p->kernel, (unsigned)(p->block % g.x), (unsigned)(p->block / g.x % g.y),
          (unsigned)(p->block / g.x / g.y), t % s.x, t / s.x % s.y, t / s.x / s.y);
}

static void write_sentence(FILE *f, const problem *p) {
  char other[256] = "";
  if (p->other_pc) sim_line_name(p->other_pc, other, sizeof other);
  fprintf(f, "%s%s%s%s", p->text, *other ? " at " : "", other, p->tail);
}

static void write_text(const problem *p) {
  fprintf(stderr, "cusim-check: %s", p->file);
  if (p->line) fprintf(stderr, ":%d", p->line);
  fprintf(stderr, ": %s%s: ", p->warning ? "warning: " : "", p->kind);
  if (p->kernel)
    write_place(stderr, p, "kernel %s, block (%u,%u,%u), thread (%u,%u,%u): ");
  else
    fputs("host: ", stderr);
  write_sentence(stderr, p);
  if (p->times > 1) fprintf(stderr, " (%llu times)", (unsigned long long)p->times);
  fputc('\n', stderr);
}

static void write_json(const char *path) {
  FILE *f = fopen(path, "w");
  if (!f) {
    fprintf(stderr, "cusim: CUSIM_CHECK_FILE=%s: cannot be written\n", path);
    return;
  }
  fputs("[", f);
  for (size_t i = 0; i < problem_count; i++) {
    const problem *p = &problems[i];
    char *sentence = NULL;
    size_t length = 0;
    FILE *text = open_memstream(&sentence, &length);
    if (!text) break;
    write_sentence(text, p);
    fclose(text);
    for (char *c = sentence; *c; c++)
      if (*c == '"' || *c == '\\') *c = '\'';
    fprintf(f, "%s\n  {\"file\": \"%s\", \"line\": %d, \"kind\": \"%s\", \"warning\": %s, \"times\": %llu",
            i ? "," : "", p->file, p->line, p->kind, p->warning ? "true" : "false",
            (unsigned long long)p->times);
    if (p->kernel)
      write_place(f, p, ", \"kernel\": \"%s\", \"block\": [%u, %u, %u], \"thread\": [%u, %u, %u]");
    fprintf(f, ", \"text\": \"%s\"}", sentence);
    free(sentence);
  }
  fputs("\n]\n", f);
  if (fclose(f)) fprintf(stderr, "cusim: CUSIM_CHECK_FILE=%s: cannot be written\n", path);
}

static void write_summary(void) {
  size_t count = 0;
  for (size_t i = 0; i < problem_count; i++) count += !problems[i].warning;
  fprintf(stderr, "cusim-check: %zu problem%s", count, count == 1 ? "" : "s");
  const char *separator = " (";
  for (size_t i = 0; i < problem_count; i++) {
    bool first = !problems[i].warning;
    for (size_t j = 0; j < i; j++) first &= problems[j].kind != problems[i].kind || problems[j].warning;
    if (!first) continue;
    size_t of_kind = 0;
    for (size_t j = i; j < problem_count; j++)
      of_kind += problems[j].kind == problems[i].kind && !problems[j].warning;
    fprintf(stderr, "%s%zu %s", separator, of_kind, problems[i].kind);
    separator = ", ";
  }
  fputs(count ? ")\n" : "\n", stderr);
}

bool sim_check_write_report(void) {
  fflush(stdout);
  merge();
#if !HD_HAVE_LIBDW
  if (problem_count) fputs("cusim-check: built without libdw: addresses instead of source lines\n", stderr);
#endif
  for (size_t i = 0; i < problem_count; i++) write_text(&problems[i]);
  write_summary();
  const char *json = getenv("CUSIM_CHECK_FILE");
  if (json && *json) write_json(json);
  bool any = false;
  for (size_t i = 0; i < problem_count; i++) any |= !problems[i].warning;
  return any;
}

// Registered first, so that it runs after whatever the program and the other reports have registered.
static void at_exit(void) {
  sim_launch_unasked();
  sim_check_report_leaks();
  if (!sim_check_write_report()) return;
  fflush(NULL);
  sim_modules_remove();
  _exit(EXIT_PROBLEM);
}

__attribute__((constructor(101))) static void begin(void) {
  read_options();
  if (sim_check_on()) atexit(at_exit);
}
