// SPDX-License-Identifier: MIT
#include "passes.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "heddle/error.h"

// A line of the suite file that begins with this is for the full profile only.
#define FULL_ONLY "full "

static pass *add(pass *passes, int *count, const char *program, const char *arguments) {
  if (*count == MOST_PASSES) hd_fail(HD_EXIT_FAILURE, "more than %d passes in the suite", MOST_PASSES);
  pass *p = &passes[(*count)++];
  *p = (pass){0};
  snprintf(p->program, sizeof p->program, "%.511s", program);
  snprintf(p->name, sizeof p->name, "%.63s", strstr(program, "/lesson-") + strlen("/lesson-"));
  snprintf(p->arguments, sizeof p->arguments, "%.127s", arguments);
  return p;
}

int passes_lessons(const pass_plan *plan, pass *lessons) {
  char pattern[PASS_PATH];
  snprintf(pattern, sizeof pattern, "%s/lesson-[0-9][0-9]-*", plan->lessons);
  glob_t found;
  if (glob(pattern, 0, NULL, &found))
    hd_fail(HD_EXIT_FAILURE, "no lesson is built in %s; run make first", plan->lessons);
  int count = 0;
  for (size_t i = 0; i < found.gl_pathc; i++) {
    struct stat file;
    if (!stat(found.gl_pathv[i], &file) && S_ISREG(file.st_mode)) add(lessons, &count, found.gl_pathv[i], "");
  }
  globfree(&found);
  return count;
}

// The suite's further passes of one lesson; `where` is added to the arguments.
static void add_further(const pass_plan *plan, const pass *lesson, const char *where, pass *passes,
                        int *count) {
  FILE *f = fopen(plan->suite, "r");
  if (!f) hd_fail(HD_EXIT_USAGE, "cannot read the suite %s: %s", plan->suite, strerror(errno));
  char line[256];
  while (fgets(line, sizeof line, f)) {
    line[strcspn(line, "#\n")] = 0;
    const bool full_only = strncmp(line, FULL_ONLY, strlen(FULL_ONLY)) == 0;
    if (full_only && !plan->full) continue;
    const char *pass_of = full_only ? line + strlen(FULL_ONLY) : line;
    char *arguments;
    const long number = strtol(pass_of, &arguments, 10);
    if (arguments == pass_of || number != strtol(lesson->name, NULL, 10)) continue;
    arguments += strspn(arguments, " ");
    if (!*arguments || (plan->real_gpu && strstr(arguments, "sim:"))) continue;  // no such card here
    char all[sizeof passes->arguments];
    snprintf(all, sizeof all, "%.100s%s", arguments, where);
    add(passes, count, lesson->program, all);
  }
  fclose(f);
}

// Where a line of the listing says that its variant runs on GPUs; the variant's name stands before it.
static char *gpu_column(char *line) {
  char *one = strstr(line, ",\"1 GPU\",");
  return one ? one : strstr(line, ",\"GPUs\",");
}

// Whether the listing has a built variant of the lesson that runs on GPUs, or one that does not. A lesson
// that could not even be listed shall say so in its passes.
static bool has_variant(const char *listing, const char *name, bool on_gpu) {
  FILE *f = fopen(listing, "r");
  char line[1024], start[80];
  snprintf(start, sizeof start, "%s,", name);
  bool listed = false, found = false;
  while (f && !found && fgets(line, sizeof line, f)) {
    if (strncmp(line, start, strlen(start)) != 0) continue;
    listed = true;
    found = !strstr(line, ",needs ") && on_gpu == (gpu_column(line) != NULL);
  }
  if (f) fclose(f);
  return found || !listed;
}

int passes_read(const pass_plan *plan, const char *listing, pass *passes) {
  static pass lessons[MOST_PASSES];
  const int lesson_count = passes_lessons(plan, lessons);
  int count = 0;
  if (!plan->real_gpu) {
    for (int i = 0; i < lesson_count; i++) {
      add(passes, &count, lessons[i].program, "");
      add_further(plan, &lessons[i], "", passes, &count);
    }
    return count;
  }
  for (int i = 0; i < lesson_count; i++)
    if (has_variant(listing, lessons[i].name, true))
      add(passes, &count, lessons[i].program, "--verify --device gpu")->verify = true;
  const int verified = count;
  for (int i = 0; i < lesson_count; i++)
    add_further(plan, &lessons[i], " --verify --device gpu", passes, &count);
  for (int i = verified; i < count; i++) passes[i].verify = true;
  for (int i = 0; i < lesson_count; i++)
    if (has_variant(listing, lessons[i].name, true)) add(passes, &count, lessons[i].program, "--device gpu");
  for (int i = 0; i < lesson_count; i++) add_further(plan, &lessons[i], " --device gpu", passes, &count);
  for (int i = 0; i < lesson_count; i++)
    if (has_variant(listing, lessons[i].name, false)) add(passes, &count, lessons[i].program, "--device cpu");
  for (int i = 0; i < lesson_count; i++) add_further(plan, &lessons[i], " --device cpu", passes, &count);
  return count;
}

int passes_again(const pass_plan *plan, const char *listing, const pass *broken, pass *passes) {
  if (!plan->real_gpu || broken->verify || broken->again || !strstr(broken->arguments, "--device gpu"))
    return 0;
  FILE *f = fopen(listing, "r");
  char line[1024], start[80], arguments[sizeof broken->arguments];
  snprintf(start, sizeof start, "%s,", broken->name);
  int count = 0;
  while (f && fgets(line, sizeof line, f)) {
    char *end = gpu_column(line);
    if (!end || strncmp(line, start, strlen(start)) != 0 || strstr(line, ",needs ")) continue;
    end[-1] = 0;  // ,"variant","1 GPU",
    snprintf(arguments, sizeof arguments, "%.80s --variant %.30s", broken->arguments, strrchr(line, '"') + 1);
    add(passes, &count, broken->program, arguments)->again = true;
  }
  if (f) fclose(f);
  return count;
}
