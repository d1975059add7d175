// SPDX-License-Identifier: MIT
#include "heddle/result.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "heddle/error.h"

enum { LINE = 1024 };

struct hd_results {
  char folder[512], path[600];
  int file;
  char *held;  // the rows the run had when it was opened, for resuming
};

// A line under construction; what does not fit is cut, and 1 KiB is several times the longest row.
static void add(char *line, const char *cell) {
  const size_t used = strlen(line);
  snprintf(line + used, LINE - used, "%s,", cell);
}

static void number(char *line, const char *format, double value) {
  char cell[48] = "";
  if (isfinite(value) && value >= 0) snprintf(cell, sizeof cell, format, value);
  if (value == INFINITY) snprintf(cell, sizeof cell, "inf");
  add(line, cell);
}

static void text(char *line, const char *value) {
  char cell[128];
  snprintf(cell, sizeof cell, strpbrk(value, ",\"") ? "\"%s\"" : "%s", value);
  add(line, cell);
}

// "lesson,variant,size,threads,devices,device,": what identifies a row within a run.
static void write_key(char *line, const hd_result *r) {
  line[0] = 0;
  text(line, r->lesson);
  text(line, r->variant);
  number(line, "%.0f", (double)r->size);
  number(line, "%.0f", r->threads > 0 ? r->threads : -1.0);
  number(line, "%.0f", r->devices > 0 ? r->devices : -1.0);
  text(line, r->device);
}

// Opens a file for whole-line appends; writes the header if it is new and cuts an unterminated last line off.
static int open_lines(const char *path, const char *header, char **contents) {
  const int file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  struct stat s;
  if (file < 0 || fstat(file, &s))
    hd_fail(HD_EXIT_FAILURE, "cannot write %s: %s; choose a writable folder with --results", path,
            strerror(errno));
  char *held = calloc(1, (size_t)s.st_size + 1);
  if (!held || pread(file, held, (size_t)s.st_size, 0) != s.st_size)
    hd_fail(HD_EXIT_FAILURE, "cannot read %s: %s", path, strerror(errno));
  char *last = strrchr(held, '\n');
  const off_t whole = last ? last + 1 - held : 0;
  held[whole] = 0;
  if (ftruncate(file, whole)) hd_fail(HD_EXIT_FAILURE, "cannot repair %s: %s", path, strerror(errno));
  const size_t length = strlen(header);
  if (whole == 0 && write(file, header, length) != (ssize_t)length)
    hd_fail(HD_EXIT_FAILURE, "cannot write %s: %s", path, strerror(errno ? errno : ENOSPC));
  if (contents)
    *contents = held;
  else
    free(held);
  return file;
}

static void append_line(int file, const char *path, const char *line) {
  const size_t length = strlen(line);
  const off_t before = lseek(file, 0, SEEK_END);
  const ssize_t written = write(file, line, length);
  if (written == (ssize_t)length) return;
  const int reason = written < 0 ? errno : ENOSPC;
  if (written > 0 && ftruncate(file, before)) perror("heddle: truncate");
  hd_fail(HD_EXIT_FAILURE,
          "cannot write a row to %s: %s; rows already measured are kept, the next run resumes", path,
          strerror(reason));
}

hd_results *hd_results_open(const char *run) {
  hd_results *r = calloc(1, sizeof *r);
  if (!r) hd_fail(HD_EXIT_FAILURE, "not enough memory");
  snprintf(r->folder, sizeof r->folder, "%s", run);
  snprintf(r->path, sizeof r->path, "%s/results.csv", run);
  r->file = open_lines(r->path, HD_RESULT_HEADER "\n", &r->held);
  return r;
}

void hd_results_close(hd_results *r) {
  if (!r) return;
  close(r->file);
  free(r->held);
  free(r);
}

bool hd_results_has(const hd_results *r, const hd_result *row) {
  char key[LINE] = "\n", tail[128];
  write_key(key + 1, row);
  snprintf(tail, sizeof tail, ",%s,%s\n", row->git, row->machine);
  for (const char *at = r->held; (at = strstr(at, key)); at++) {
    const char *end = strchr(at + 1, '\n');
    if (end && (size_t)(end + 1 - at) > strlen(tail) &&
        strncmp(end + 1 - strlen(tail), tail, strlen(tail)) == 0)
      return true;
  }
  return false;
}

void hd_results_append(hd_results *r, const hd_result *row) {
  char line[LINE];
  write_key(line, row);
  text(line, row->clock);
  number(line, "%.9g", row->median_s);
  number(line, "%.9g", row->ci_low_s);
  number(line, "%.9g", row->ci_high_s);
  number(line, "%.0f", (double)row->samples);
  number(line, "%.6g", row->value);
  text(line, row->unit);
  number(line, "%.4g", row->speedup);
  number(line, "%.4g", row->bound_fraction);
  number(line, "%.3g", row->max_rel_error);
  text(line, row->verified ? "yes" : "no");
  text(line, row->mood);
  text(line, row->git);
  text(line, row->machine);
  line[strlen(line) - 1] = '\n';
  append_line(r->file, r->path, line);
}

void hd_results_figure(hd_results *r, const hd_result *row, const char *name, double value,
                       const char *unit) {
  char path[700], line[LINE], *body;
  if (!isfinite(value)) return;  // a figure without a value is no figure
  snprintf(path, sizeof path, "%s/%s.csv", r->folder, row->lesson);
  const int file = open_lines(path, "variant,size,threads,devices,device,figure,value,unit\n", NULL);
  write_key(line, row);
  body = line + strlen(row->lesson) + 1;
  text(body, name);
  char cell[64];
  snprintf(cell, sizeof cell, "%.9g,%s\n", value, unit);
  strncat(body, cell, 128);
  append_line(file, path, body);
  close(file);
}

void hd_results_spans(hd_results *r, const hd_result *row, const hd_span *spans, int count) {
  char path[700], line[LINE], *body;
  if (count == 0) return;
  snprintf(path, sizeof path, "%s/%s-spans.csv", r->folder, row->lesson);
  const int file =
      open_lines(path, "variant,size,threads,devices,device,set,lane,label,start_s,end_s\n", NULL);
  const off_t set = lseek(file, 0, SEEK_END);  // a file only grows
  for (int i = 0; i < count; i++) {
    write_key(line, row);
    body = line + strlen(row->lesson) + 1;
    char cells[128];
    snprintf(cells, sizeof cells, "%lld,%d,%s,%.9g,%.9g\n", (long long)set, spans[i].lane, spans[i].label,
             spans[i].start_s, spans[i].end_s);
    strcat(body, cells);  // a key leaves room: a line is 1 KiB
    append_line(file, path, body);
  }
  close(file);
}
