// SPDX-License-Identifier: MIT
// Rows of one run held against rows of another.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static hd_pair *add_pair(hd_pair *pairs, int *count, hd_pair pair) {
  pairs = realloc(pairs, (size_t)(*count + 1) * sizeof *pairs);
  if (pairs == NULL) {
    fputs("heddle-report: out of memory\n", stderr);
    exit(1);
  }
  pairs[(*count)++] = pair;
  return pairs;
}

static bool same_work(const hd_result *a, const hd_result *b) {
  return strcmp(a->variant, b->variant) == 0 && a->size == b->size && a->threads == b->threads &&
         (a->devices > 1 ? a->devices : 1) == (b->devices > 1 ? b->devices : 1);
}

hd_pair *hd_pairs_of_runs(const hd_report_run *run, const hd_report_run *old, int *count) {
  hd_pair *pairs = NULL;
  *count = 0;
  for (int l = 0; l < run->lesson_count; l++) {
    const hd_report_lesson *lesson = &run->lessons[l], *other = hd_run_lesson(old, lesson->id);
    for (int i = 0; other != NULL && i < lesson->row_count; i++)
      for (int j = 0; j < other->row_count; j++) {
        const hd_result *a = &lesson->rows[i], *b = &other->rows[j];
        if (same_work(a, b) && strcmp(a->device, b->device) == 0 && strcmp(a->clock, b->clock) == 0 &&
            hd_row_is_drawable(lesson, a) && hd_row_is_drawable(lesson, b))
          pairs = add_pair(pairs, count, (hd_pair){.lesson = lesson, .a = a, .b = b, .run_b = old});
      }
  }
  return pairs;
}

hd_pair *hd_pairs_of_model(const hd_report_run *run, const hd_report_run *others, int other_count,
                           int *count) {
  hd_pair *pairs = NULL;
  *count = 0;
  for (int l = 0; l < run->lesson_count; l++)
    for (int o = -1; o < other_count; o++) {
      const hd_report_run *measured = o < 0 ? run : &others[o];
      const hd_report_lesson *lesson = &run->lessons[l], *other = hd_run_lesson(measured, lesson->id);
      for (int i = 0; other != NULL && i < lesson->row_count; i++)
        for (int j = 0; j < other->row_count; j++) {
          const hd_result *a = &lesson->rows[i], *b = &other->rows[j];
          if (hd_row_is_model(a) && !hd_row_is_model(b) && same_work(a, b) &&
              hd_device_is_preset(b->device, a->device) && hd_row_is_drawable(lesson, a) &&
              hd_row_is_drawable(lesson, b))
            pairs = add_pair(pairs, count, (hd_pair){.lesson = lesson, .a = a, .b = b, .run_b = measured});
        }
    }
  return pairs;
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double hd_median_ratio(const hd_pair *pairs, int count) {
  double *ratio = malloc((size_t)(count > 0 ? count : 1) * sizeof *ratio);
  if (ratio == NULL || count == 0) {
    free(ratio);
    return NAN;
  }
  for (int i = 0; i < count; i++) ratio[i] = pairs[i].a->median_s / pairs[i].b->median_s;
  qsort(ratio, (size_t)count, sizeof *ratio, by_size);
  const double median = (ratio[(count - 1) / 2] + ratio[count / 2]) / 2;
  free(ratio);
  return median;
}

bool hd_intervals_overlap(const hd_result *a, const hd_result *b) {
  double a_low = a->ci_low_s > 0 ? a->ci_low_s : a->median_s,
         a_high = a->ci_high_s > 0 ? a->ci_high_s : a->median_s;
  double b_low = b->ci_low_s > 0 ? b->ci_low_s : b->median_s,
         b_high = b->ci_high_s > 0 ? b->ci_high_s : b->median_s;
  return a_low <= b_high && b_low <= a_high;
}

void hd_choose_model_plot(hd_plots *plots, const hd_pair *pairs, int count) {
  if (count == 0) return;
  hd_plot *plot = hd_plots_add(plots, "curves");
  double low = INFINITY, high = 0;
  for (int i = 0; i < count; i++) {
    hd_series *series = NULL;
    for (int s = 0; s < plot->series_count; s++)
      if (strcmp(plot->series[s].label, pairs[i].lesson->slug) == 0) series = &plot->series[s];
    if (series == NULL)
      series = hd_plot_series(plot, HD_SERIES_DOTS, pairs[i].lesson->slug, plot->series_count + 1);
    if (series == NULL) continue;
    series->open = true;
    double x = pairs[i].b->median_s * 1e3, y = pairs[i].a->median_s * 1e3;
    hd_series_point(series, x, y, y, y);
    low = fmin(low, fmin(x, y));
    high = fmax(high, fmax(x, y));
  }
  plot->log_x = plot->log_y = true;
  plot->x_min = plot->y_min = low / 2;
  plot->x_max = plot->y_max = high * 2;
  static const struct {
    const char *label;
    double factor;
  } lines[] = {{"model = measured", 1}, {"1.25 × too slow", 1.25}, {"1.25 × too fast", 0.8}};
  for (int i = 0; i < 3; i++) {
    hd_series *line = hd_plot_series(plot, HD_SERIES_LINE, lines[i].label, 0);
    if (line == NULL) break;
    line->dashed = i > 0;
    hd_series_point(line, fmax(low / 2, low / 2 / lines[i].factor), fmax(low / 2, low / 2 * lines[i].factor),
                    0, 0);
    hd_series_point(line, fmin(high * 2, high * 2 / lines[i].factor),
                    fmin(high * 2, high * 2 * lines[i].factor), 0, 0);
  }
  snprintf(plot->name, sizeof plot->name, "modelled-measured");
  snprintf(plot->title, sizeof plot->title, "Modelled and measured times");
  snprintf(plot->subtitle, sizeof plot->subtitle,
           "one point per variant and size; on the line the model is right");
  snprintf(plot->x_title, sizeof plot->x_title, "measured on the real card in ms");
  snprintf(plot->y_title, sizeof plot->y_title, "modelled in ms");
  snprintf(plot->caption, sizeof plot->caption,
           "Vertical: cusim's virtual clock. Horizontal: CUDA events on the card that the preset stands for. "
           "Bound: "
           "between the dashed lines the model is within a factor of 1.25.");
}
