// SPDX-License-Identifier: MIT
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/error.h"
#include "heddle/json.h"

struct hd_table {
  enum hd_format format;
  bool verify, header_due, shared;
  const hd_lesson *lesson;
  long size;
  uint64_t seed;
  int rows;
};

hd_table *hd_table_open(enum hd_format format, bool verify) {
  hd_table *t = calloc(1, sizeof *t);
  if (!t) hd_fail(HD_EXIT_FAILURE, "not enough memory");
  t->format = format;
  t->verify = verify;
  if (format == HD_CSV) puts(HD_RESULT_HEADER);
  if (format == HD_JSON) putchar('[');
  return t;
}

void hd_table_title(hd_table *t, const hd_lesson *lesson, const hd_case *c) {
  t->lesson = lesson;
  t->size = c->size;
  t->seed = c->seed;
  t->header_due = true;
}

// Pads UTF-8 text to a width in characters, which printf cannot.
static void cell(const char *text, int width) {
  int characters = 0;
  for (const char *p = text; *p; p++) characters += (*p & 0xC0) != 0x80;
  const int pad = abs(width) > characters ? abs(width) - characters : 0;
  if (width > 0)
    printf("%*s%s", pad, "", text);
  else
    printf("%s%*s", text, pad, "");
}

static void write_time(char *to, size_t size, double s) {
  if (!(s > 0))
    snprintf(to, size, "–");
  else if (s < 1e-6)
    snprintf(to, size, "%.3g ns", s * 1e9);
  else if (s < 1e-3)
    snprintf(to, size, "%.4g µs", s * 1e6);
  else if (s < 1)
    snprintf(to, size, "%.4g ms", s * 1e3);
  else
    snprintf(to, size, "%.4g s", s);
}

static void write_number(char *to, size_t size, const char *format, double value) {
  if (isnan(value))
    snprintf(to, size, "–");
  else
    snprintf(to, size, format, value);
}

static void write_place(char *to, size_t size, const hd_result *r, const hd_variant *v) {
  if (v->where == HD_RANKS)
    snprintf(to, size, "%d rank%s", r->threads, r->threads == 1 ? "" : "s");
  else if (r->threads > 0)
    snprintf(to, size, "%d core%s", r->threads, r->threads == 1 ? "" : "s");
  else if (v->where == HD_GPUS)
    snprintf(to, size, "%d× %s", r->devices, r->device);
  else
    snprintf(to, size, "%s", r->device);
}

static void csv_row(const hd_result *r) {
  printf("%s,%s,%ld,", r->lesson, r->variant, r->size);
  r->threads > 0 ? printf("%d,", r->threads) : printf(",");
  r->devices > 0 ? printf("%d,", r->devices) : printf(",");
  printf("%s,%s,", r->device, r->clock);
  const double numbers[] = {r->median_s, r->ci_low_s, r->ci_high_s, r->samples ? (double)r->samples : NAN,
                            r->value};
  for (int i = 0; i < 5; i++) isnan(numbers[i]) ? printf(",") : printf("%.9g,", numbers[i]);
  printf("%s,", r->unit);
  const double ratios[] = {r->speedup, r->bound_fraction, r->max_rel_error};
  for (int i = 0; i < 3; i++) isnan(ratios[i]) ? printf(",") : printf("%.4g,", ratios[i]);
  printf("%s,%s,%s,%s\n", r->verified ? "yes" : "no", r->mood, r->git, r->machine);
}

static void json_number(const char *name, double value) {
  if (isfinite(value))
    printf("\"%s\":%.9g,", name, value);
  else
    printf("\"%s\":null,", name);
}

static void json_row(const hd_table *t, const hd_result *r) {
  printf("%s\n{", t->rows ? "," : "");
  const struct {
    const char *name, *value;
  } texts[] = {{"lesson", r->lesson}, {"variant", r->variant}, {"device", r->device},
               {"clock", r->clock},   {"unit", r->unit},       {"mood", r->mood},
               {"git", r->git},       {"machine", r->machine}};
  for (int i = 0; i < HD_COUNT(texts); i++) {
    printf("\"%s\":", texts[i].name);
    hd_json_string(stdout, texts[i].value);
    putchar(',');
  }
  printf("\"size\":%ld,\"threads\":%d,\"devices\":%d,\"samples\":%ld,", r->size, r->threads, r->devices,
         r->samples);
  json_number("median_s", r->median_s);
  json_number("ci_low_s", r->ci_low_s);
  json_number("ci_high_s", r->ci_high_s);
  json_number("value", r->value);
  json_number("speedup", r->speedup);
  json_number("bound_fraction", r->bound_fraction);
  json_number("max_rel_error", r->max_rel_error);
  printf("\"verified\":%s}", r->verified ? "true" : "false");
}

static void table_row(hd_table *t, const hd_result *r, const hd_variant *v) {
  char text[96];
  if (t->header_due) {  // only now: not every size has rows
    printf("%s%02d · %s   %s = %ld, seed %llu\n", t->rows ? "\n" : "", t->lesson->number, t->lesson->title,
           t->lesson->size_name, t->size, (unsigned long long)t->seed);
    cell("variant", -22), cell("runs on", -22);
    if (!t->verify)
      cell("time", 10), cell("", -8), cell(r->unit, 12), cell("speed-up", 10), cell("of bound", 10);
    cell("max rel. error", 16);
    putchar('\n');
    t->header_due = false;
  }
  cell(r->variant, -22);
  write_place(text, sizeof text, r, v);
  cell(text, -22);
  if (!t->verify) {
    write_time(text, sizeof text, r->median_s);
    cell(text, 10);
    snprintf(text, sizeof text, "  %s", r->clock);
    cell(text, -8);
    write_number(text, sizeof text, "%.4g", r->value);
    cell(text, 12);
    write_number(text, sizeof text, "%.2f", r->speedup);
    cell(text, 10);
    write_number(text, sizeof text, "%.0f %%", 100 * r->bound_fraction);
    cell(text, 10);
  }
  write_number(text, sizeof text, "%.1e", r->max_rel_error);
  cell(text, 16);
  if (!r->verified) printf(v->wrong_on_purpose ? "  wrong, as it should teach" : "  WRONG");
  putchar('\n');
  fflush(stdout);
}

void hd_table_row(hd_table *t, const hd_result *r, const hd_variant *v) {
  switch (t->format) {
    case HD_TABLE:
      table_row(t, r, v);
      break;
    case HD_CSV:
      csv_row(r);
      break;
    case HD_JSON:
      json_row(t, r);
      break;
  }
  t->rows++;
  t->shared |= strstr(r->device, HD_SHARED) != NULL;
}

void hd_table_close(hd_table *t) {
  if (t->format == HD_JSON) puts("\n]");
  if (t->format == HD_TABLE && t->lesson) {
    for (int i = 0; i < t->lesson->variant_count; i++)
      if (!t->lesson->variants[i].run)
        printf("skipped: %s, needs %s\n", t->lesson->variants[i].name, t->lesson->variants[i].needs);
    if (t->shared)
      puts("shared: more ranks than cards; the results are right, the times say nothing about scaling");
  }
  free(t);
}

static void csv_text(const char *text) {
  putchar('"');
  for (; *text; text++) *text == '"' ? printf("\"\"") : putchar(*text);
  printf("\",");
}

void hd_table_list(const hd_lesson *lesson, enum hd_format format) {
  static const char *const places[] = {[HD_SERIAL] = "1 core",
                                       [HD_THREADS] = "threads",
                                       [HD_RANKS] = "ranks",
                                       [HD_GPU] = "1 GPU",
                                       [HD_GPUS] = "GPUs"};
  if (format == HD_TABLE) printf("%02d · %s\n", lesson->number, lesson->title);
  if (format == HD_JSON) putchar('[');
  for (int i = 0; i < lesson->variant_count; i++) {
    const hd_variant *v = &lesson->variants[i];
    char status[64] = "built";
    if (!v->run)
      snprintf(status, sizeof status, "needs %s", v->needs);
    else if (v->wrong_on_purpose)
      snprintf(status, sizeof status, "wrong on purpose");
    if (format == HD_TABLE) {
      cell(v->name, -22), cell(places[v->where], -10), cell(v->run ? "" : status, -16);
      puts(v->why);
    } else if (format == HD_CSV) {
      printf("%02d-%s,%d,", lesson->number, lesson->name, lesson->number);
      csv_text(lesson->title), csv_text(lesson->unit), csv_text(lesson->size_name);
      csv_text(lesson->kinds ? lesson->kinds : ""), csv_text(lesson->lanes ? lesson->lanes : "");
      csv_text(v->name), csv_text(places[v->where]), csv_text(v->why);
      printf("%s\n", status);
    } else {
      printf("%s\n{\"variant\":", i ? "," : "");
      hd_json_string(stdout, v->name);
      printf(",\"where\":\"%s\",\"status\":\"%s\",\"why\":", places[v->where], status);
      hd_json_string(stdout, v->why);
      putchar('}');
    }
  }
  if (format == HD_JSON) puts("\n]");
}
