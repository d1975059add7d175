// SPDX-License-Identifier: MIT
// A run folder in memory.
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "report.h"

// Returns the array with one more zeroed element of `size` bytes, items[*count - 1].
static void *grow(void *items, int *count, size_t size) {
  if ((*count & (*count - 1)) == 0) {
    size_t capacity = *count == 0 ? 1 : 2 * (size_t)*count;
    items = realloc(items, capacity * size);
    if (items == NULL) {
      fputs("heddle-report: out of memory\n", stderr);
      exit(1);
    }
  }
  memset((char *)items + (size_t)(*count)++ * size, 0, size);
  return items;
}

static bool copy(char *out, size_t size, const char *text) {
  return (size_t)snprintf(out, size, "%s", text) < size;
}

// ---- lessons

// Lessons and folders are named alike: what is no plain name never becomes a path.
static void make_slug(hd_report_lesson *lesson) {
  bool numbered = isdigit((unsigned char)lesson->id[0]);
  char text[64] = "";
  if (!numbered && lesson->number >= 0) snprintf(text, sizeof text, "%02d-", lesson->number % 1000);
  size_t used = strlen(text);
  snprintf(text + used, sizeof text - used, "%s", lesson->id);
  for (char *c = text; *c; c++)
    if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_') *c = '-';
  copy(lesson->slug, sizeof lesson->slug, text);
}

hd_report_lesson *hd_run_lesson(const hd_report_run *run, const char *id) {
  for (int i = 0; i < run->lesson_count; i++)
    if (strcmp(run->lessons[i].id, id) == 0) return &run->lessons[i];
  return NULL;
}

static hd_report_lesson *need_lesson(hd_report_run *run, const char *id) {
  hd_report_lesson *lesson = hd_run_lesson(run, id);
  if (lesson == NULL) {
    run->lessons = grow(run->lessons, &run->lesson_count, sizeof *lesson);
    lesson = &run->lessons[run->lesson_count - 1];
    copy(lesson->id, sizeof lesson->id, id);
    copy(lesson->title, sizeof lesson->title, id);
    lesson->number = isdigit((unsigned char)id[0]) ? (int)(strtol(id, NULL, 10) % 1000) : -1;
    make_slug(lesson);
  }
  return lesson;
}

int hd_lesson_rung(const hd_report_lesson *lesson, const char *variant) {
  int i = 0;
  while (i < lesson->rung_count && strcmp(lesson->rungs[i].name, variant) != 0) i++;
  return i;
}

bool hd_is_wrong_on_purpose(const hd_report_lesson *lesson, const char *variant) {
  int rung = hd_lesson_rung(lesson, variant);
  return rung < lesson->rung_count && strstr(lesson->rungs[rung].status, "purpose") != NULL;
}

static hd_rung *need_rung(hd_report_lesson *lesson, const char *variant) {
  int i = hd_lesson_rung(lesson, variant);
  if (i < lesson->rung_count) return &lesson->rungs[i];
  lesson->rungs = grow(lesson->rungs, &lesson->rung_count, sizeof *lesson->rungs);
  hd_rung *rung = &lesson->rungs[lesson->rung_count - 1];
  copy(rung->name, sizeof rung->name, variant);
  return rung;
}

static bool same_key(const hd_result *a, const hd_result *b) {
  return strcmp(a->variant, b->variant) == 0 && a->size == b->size && a->threads == b->threads &&
         a->devices == b->devices && strcmp(a->device, b->device) == 0;
}

const hd_figure_row *hd_lesson_figure(const hd_report_lesson *lesson, const hd_result *row,
                                      const char *name) {
  for (int i = lesson->figure_count - 1; i >= 0; i--) {
    const hd_figure_row *f = &lesson->figures[i];
    if (strcmp(f->name, name) == 0 && strcmp(f->variant, row->variant) == 0 && f->size == row->size &&
        f->threads == row->threads && f->devices == row->devices && strcmp(f->device, row->device) == 0)
      return f;
  }
  return NULL;
}

// ---- files

static bool open_in(hd_csv *csv, const hd_report_run *run, const char *name) {
  char path[2048];
  snprintf(path, sizeof path, "%s/%s", run->folder, name);
  return hd_csv_open(csv, path, name);
}

static void load_lessons(hd_report_run *run) {
  hd_csv csv;
  if (!open_in(&csv, run, "lessons.csv")) return;
  for (int count; (count = hd_csv_next(&csv)) > 0;) {
    char **f = csv.fields;
    if (csv.line == 1 && strcmp(f[0], "lesson") == 0) continue;
    long number;
    if (count < 11) {
      hd_csv_warn(&csv, "it has %d fields, not 11", count);
      continue;
    }
    hd_report_lesson *lesson = need_lesson(run, f[0]);
    if (hd_to_long(f[1], 0, 999, &number)) lesson->number = (int)number;
    make_slug(lesson);
    copy(lesson->title, sizeof lesson->title, f[2]);
    copy(lesson->unit, sizeof lesson->unit, f[3]);
    copy(lesson->size_name, sizeof lesson->size_name, f[4]);
    copy(lesson->kinds, sizeof lesson->kinds, f[5]);
    copy(lesson->lanes, sizeof lesson->lanes, f[6]);
    if (!*f[7]) continue;
    hd_rung *rung = need_rung(lesson, f[7]);
    copy(rung->where, sizeof rung->where, f[8]);
    copy(rung->why, sizeof rung->why, f[9]);
    copy(rung->status, sizeof rung->status, f[10]);
  }
  hd_csv_close(&csv);
}

static void load_skipped(hd_report_run *run) {
  hd_csv csv;
  if (!open_in(&csv, run, "skipped.csv")) return;
  for (int count; (count = hd_csv_next(&csv)) > 0;) {
    if (csv.line == 1 && strcmp(csv.fields[0], "lesson") == 0) continue;
    if (count < 2) {
      hd_csv_warn(&csv, "it has %d fields, not 2", count);
      continue;
    }
    hd_report_lesson *lesson = need_lesson(run, csv.fields[0]);
    size_t used = strlen(lesson->skipped);
    if (strstr(lesson->skipped, csv.fields[1]) == NULL)
      snprintf(lesson->skipped + used, sizeof lesson->skipped - used, "%s%s", used ? "; " : "",
               csv.fields[1]);
  }
  hd_csv_close(&csv);
}

static bool load_rows(hd_report_run *run, char *why, size_t why_size) {
  hd_csv csv;
  if (!open_in(&csv, run, "results.csv"))
    return snprintf(why, why_size, "%s/results.csv cannot be read (%s); `make bench` writes it", run->folder,
                    strerror(errno)),
           false;
  char header[sizeof HD_RESULT_HEADER + 64] = "";
  int count = hd_csv_next(&csv);
  for (int i = 0; i < count; i++) {
    size_t used = strlen(header);
    snprintf(header + used, sizeof header - used, "%s%s", i ? "," : "", csv.fields[i]);
  }
  if (count > 0 && strcmp(header, HD_RESULT_HEADER) != 0) {
    hd_csv_close(&csv);
    return snprintf(why, why_size, "%s/results.csv line 1 is not the header of this version: %s", run->folder,
                    HD_RESULT_HEADER),
           false;
  }
  while (count > 0 && (count = hd_csv_next(&csv)) > 0) {
    hd_result row = {0};
    const char *problem = "";
    if (!hd_to_row(csv.fields, count, &row, &problem)) {
      hd_csv_warn(&csv, "%s", problem);
      continue;
    }
    hd_report_lesson *lesson = need_lesson(run, row.lesson);
    need_rung(lesson, row.variant);
    if (!*lesson->unit) copy(lesson->unit, sizeof lesson->unit, row.unit);
    hd_result *place = NULL;
    for (int i = 0; i < lesson->row_count; i++)
      if (same_key(&lesson->rows[i], &row)) place = &lesson->rows[i];
    if (place != NULL) {
      run->replaced++;
    } else {
      run->row_count++;
      lesson->rows = grow(lesson->rows, &lesson->row_count, sizeof row);
      place = &lesson->rows[lesson->row_count - 1];
    }
    *place = row;
  }
  hd_csv_close(&csv);
  if (run->row_count == 0)
    return snprintf(why, why_size, "%s/results.csv holds no results; `make bench` measures them",
                    run->folder),
           false;
  return true;
}

static void load_figures(hd_report_run *run, hd_report_lesson *lesson) {
  char name[128];
  hd_csv csv;
  if (strchr(lesson->id, '/') != NULL || lesson->id[0] == '.') return;
  snprintf(name, sizeof name, "%s.csv", lesson->id);
  if (!open_in(&csv, run, name)) return;
  for (int count; (count = hd_csv_next(&csv)) > 0;) {
    char **f = csv.fields;
    if (csv.line == 1 && strcmp(f[0], "variant") == 0) continue;
    hd_figure_row row = {0};
    long threads = 0, devices = 0;
    if (count != 8 || !hd_to_long(f[1], 0, LONG_MAX, &row.size) ||
        (*f[2] && !hd_to_long(f[2], 0, INT_MAX, &threads)) ||
        (*f[3] && !hd_to_long(f[3], 0, INT_MAX, &devices)) || !*f[6] || !hd_to_double(f[6], &row.value)) {
      hd_csv_warn(&csv, "it is not variant,size,threads,devices,device,figure,value,unit");
      continue;
    }
    row.threads = (int)threads;
    row.devices = (int)devices;
    copy(row.variant, sizeof row.variant, f[0]);
    copy(row.device, sizeof row.device, f[4]);
    copy(row.name, sizeof row.name, f[5]);
    copy(row.unit, sizeof row.unit, f[7]);
    lesson->figures = grow(lesson->figures, &lesson->figure_count, sizeof row);
    lesson->figures[lesson->figure_count - 1] = row;
  }
  hd_csv_close(&csv);
}

static void load_spans(hd_report_run *run, hd_report_lesson *lesson) {
  char name[128];
  hd_csv csv;
  if (strchr(lesson->id, '/') != NULL || lesson->id[0] == '.') return;
  snprintf(name, sizeof name, "%s-spans.csv", lesson->id);
  if (!open_in(&csv, run, name)) return;
  for (int count; (count = hd_csv_next(&csv)) > 0;) {
    char **f = csv.fields;
    if (csv.line == 1 && strcmp(f[0], "variant") == 0) continue;
    hd_span_row row = {0};
    long threads = 0, devices = 0;
    if (count != 10 || !hd_to_long(f[1], 0, LONG_MAX, &row.size) ||
        (*f[2] && !hd_to_long(f[2], 0, INT_MAX, &threads)) ||
        (*f[3] && !hd_to_long(f[3], 0, INT_MAX, &devices)) || !hd_to_long(f[5], 0, LONG_MAX, &row.set) ||
        !hd_to_long(f[6], 0, 4095, &row.lane) || !*f[8] || !hd_to_double(f[8], &row.start_s) || !*f[9] ||
        !hd_to_double(f[9], &row.end_s)) {
      hd_csv_warn(&csv, "it is not variant,size,threads,devices,device,set,lane,label,start_s,end_s");
      continue;
    }
    row.threads = (int)threads;
    row.devices = (int)devices;
    copy(row.variant, sizeof row.variant, f[0]);
    copy(row.device, sizeof row.device, f[4]);
    copy(row.label, sizeof row.label, f[7]);
    lesson->spans = grow(lesson->spans, &lesson->span_count, sizeof row);
    lesson->spans[lesson->span_count - 1] = row;
  }
  hd_csv_close(&csv);
}

// run.txt is the runner's own: first its revision and profile, at the end "complete".
static void load_progress(hd_report_run *run) {
  char path[2048], line[256];
  snprintf(path, sizeof path, "%s/run.txt", run->folder);
  FILE *file = fopen(path, "r");
  if (file == NULL) return;
  if (fgets(line, sizeof line, file) != NULL) sscanf(line, "%*s %15s", run->profile);
  run->stopped = true;
  while (fgets(line, sizeof line, file) != NULL)
    if (strcmp(line, "complete\n") == 0) run->stopped = false;
  fclose(file);
}

// ---- the run

static int by_number(const void *a, const void *b) {
  const hd_report_lesson *x = a, *y = b;
  if (x->number != y->number) return x->number < 0 ? 1 : y->number < 0 ? -1 : x->number - y->number;
  return strcmp(x->id, y->id);
}

static const hd_report_lesson *sorted_lesson;  // qsort has no room for it

static int by_ladder(const void *a, const void *b) {
  const hd_result *x = a, *y = b;
  int rungs = hd_lesson_rung(sorted_lesson, x->variant) - hd_lesson_rung(sorted_lesson, y->variant);
  if (rungs != 0) return rungs;
  if (hd_row_is_cpu(x) != hd_row_is_cpu(y)) return hd_row_is_cpu(x) ? -1 : 1;
  int devices = strcmp(x->device, y->device);
  if (devices != 0) return devices;
  if (x->size != y->size) return x->size < y->size ? -1 : 1;
  return x->threads != y->threads ? x->threads - y->threads : x->devices - y->devices;
}

bool hd_run_load(hd_report_run *run, const char *folder, char *why, size_t why_size) {
  *run = (hd_report_run){0};
  copy(run->folder, sizeof run->folder, folder);
  struct stat info;
  if (stat(folder, &info) != 0 || !S_ISDIR(info.st_mode))
    return snprintf(why, why_size, "the results folder %s does not exist; `make bench` makes it", folder),
           false;
  load_lessons(run);
  load_skipped(run);
  bool rows = load_rows(run, why, why_size);
  hd_run_load_machine(run);
  load_progress(run);
  run->cpus = atoi(hd_run_fact(run, "threads"));
  for (int i = 0; i < run->lesson_count; i++) {
    load_figures(run, &run->lessons[i]);
    load_spans(run, &run->lessons[i]);
    sorted_lesson = &run->lessons[i];
    if (run->lessons[i].row_count > 0)
      qsort(run->lessons[i].rows, (size_t)run->lessons[i].row_count, sizeof(hd_result), by_ladder);
  }
  if (run->lesson_count > 0) qsort(run->lessons, (size_t)run->lesson_count, sizeof *run->lessons, by_number);
  char path[2048];
  snprintf(path, sizeof path, "%s/results.csv", folder);
  if (stat(path, &info) == 0)
    strftime(run->written, sizeof run->written, "%Y-%m-%d %H:%M UTC", gmtime(&info.st_mtime));
  return rows;
}

void hd_run_free(hd_report_run *run) {
  for (int i = 0; i < run->lesson_count; i++) {
    free(run->lessons[i].rungs);
    free(run->lessons[i].rows);
    free(run->lessons[i].figures);
    free(run->lessons[i].spans);
  }
  free(run->lessons);
}
