// SPDX-License-Identifier: MIT
// One row: from fields to numbers, and what can be asked of it.
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static bool copy(char *out, size_t size, const char *text) {
  return (size_t)snprintf(out, size, "%s", text) < size;
}

bool hd_to_long(const char *text, long low, long high, long *out) {
  char *end;
  errno = 0;
  *out = strtol(text, &end, 10);
  return end != text && *end == '\0' && errno == 0 && *out >= low && *out <= high;
}

bool hd_to_double(const char *text, double *out) {
  char *end;
  *out = -1;
  if (*text == '\0') return true;
  *out = strtod(text, &end);
  return *end == '\0';
}

bool hd_to_row(char **f, int count, hd_result *row, const char **problem) {
  if (count != 20) return *problem = "it has not 20 fields", false;
  long threads = 0, devices = 0;
  bool fits = copy(row->lesson, sizeof row->lesson, f[0]) && copy(row->variant, sizeof row->variant, f[1]) &&
              copy(row->device, sizeof row->device, f[5]) && copy(row->clock, sizeof row->clock, f[6]) &&
              copy(row->unit, sizeof row->unit, f[12]) && copy(row->mood, sizeof row->mood, f[17]) &&
              copy(row->git, sizeof row->git, f[18]) && copy(row->machine, sizeof row->machine, f[19]);
  if (!fits) return *problem = "a field is too long", false;
  if (!*row->lesson || !*row->variant || !*row->device)
    return *problem = "lesson, variant or device is empty", false;
  if (!hd_to_long(f[2], 0, LONG_MAX, &row->size)) return *problem = "its size is no whole number", false;
  if ((*f[3] && !hd_to_long(f[3], 0, INT_MAX, &threads)) ||
      (*f[4] && !hd_to_long(f[4], 0, INT_MAX, &devices)))
    return *problem = "its threads or devices are no whole numbers", false;
  row->threads = (int)threads;
  row->devices = (int)devices;
  if (strcmp(row->clock, "wall") != 0 && strcmp(row->clock, "device") != 0 &&
      strcmp(row->clock, "model") != 0)
    return *problem = "its clock is not wall, device or model", false;
  bool numbers = hd_to_double(f[7], &row->median_s) && hd_to_double(f[8], &row->ci_low_s) &&
                 hd_to_double(f[9], &row->ci_high_s) && hd_to_double(f[11], &row->value) &&
                 hd_to_double(f[13], &row->speedup) && hd_to_double(f[14], &row->bound_fraction) &&
                 hd_to_double(f[15], &row->max_rel_error);
  if (!numbers || (*f[10] && !hd_to_long(f[10], 0, LONG_MAX, &row->samples)))
    return *problem = "a number cannot be read", false;
  row->verified = strcmp(f[16], "yes") == 0;
  if (!row->verified && strcmp(f[16], "no") != 0) return *problem = "verified is not yes or no", false;
  return true;
}

bool hd_row_is_model(const hd_result *row) {
  return strcmp(row->clock, "model") == 0;
}

bool hd_row_is_cpu(const hd_result *row) {
  return strcmp(row->device, "cpu") == 0;
}

bool hd_row_is_drawable(const hd_report_lesson *lesson, const hd_result *row) {
  bool numbers = isfinite(row->value) && row->value > 0 && isfinite(row->median_s) && row->median_s > 0;
  return row->verified && numbers && !hd_is_wrong_on_purpose(lesson, row->variant);
}

double hd_row_bound(const hd_result *row) {
  if (!(row->bound_fraction > 0) || row->bound_fraction > HD_BEATEN) return -1;
  return hd_unit_is_time(row->unit) ? row->value * row->bound_fraction : row->value / row->bound_fraction;
}

void hd_row_interval(const hd_result *row, double *low, double *high) {
  *low = *high = row->value;
  if (!(row->ci_low_s > 0) || !(row->ci_high_s >= row->ci_low_s) || !isfinite(row->ci_high_s)) return;
  bool time = hd_unit_is_time(row->unit);
  *low = row->value * (time ? row->ci_low_s / row->median_s : row->median_s / row->ci_high_s);
  *high = row->value * (time ? row->ci_high_s / row->median_s : row->median_s / row->ci_low_s);
}

const char *hd_device_name(char out[64], const char *device) {
  bool preset = strncmp(device, "sim:", 4) == 0;
  snprintf(out, 64, "%s", strcmp(device, "cpu") == 0 ? "CPU" : preset ? device + 4 : device);
  for (char *c = out; preset && *c && *c != ' '; c++) *c = (char)toupper((unsigned char)*c);
  return out;
}

bool hd_device_is_shared(const char *device) {
  const char *word = strrchr(device, ' ');
  return word && strcmp(word, HD_SHARED) == 0;
}

bool hd_device_is_preset(const char *real, const char *preset) {
  char name[64];
  return strncmp(preset, "sim:", 4) == 0 && strncmp(real, "sim:", 4) != 0 &&
         strcasestr(real, hd_device_name(name, preset)) != NULL && !hd_device_is_shared(real);
}

const char *hd_row_place(char out[96], const hd_report_lesson *lesson, const hd_result *row) {
  if (hd_row_is_cpu(row)) {
    int rung = hd_lesson_rung(lesson, row->variant);
    bool ranks = rung < lesson->rung_count && strstr(lesson->rungs[rung].where, "rank") != NULL;
    int threads = row->threads > 0 ? row->threads : 1;
    snprintf(out, 96, "%d %s%s", threads,
             ranks          ? "rank"
             : threads == 1 ? "core"
                            : "thread",
             threads == 1 ? "" : "s");
  } else {
    char name[64];
    hd_device_name(name, row->device);
    const char *model = hd_row_is_model(row) ? " (model)" : "";
    if (row->devices > 1)
      snprintf(out, 96, "%d × %s%s", row->devices, name, model);
    else
      snprintf(out, 96, "%s%s", name, model);
  }
  return out;
}
