// SPDX-License-Identifier: MIT
// Speed-up over threads, ranks or devices, with its ideal and, for threads, Amdahl's law; or the rate itself,
// with its bound, where that is the question.
#include <math.h>
#include <string.h>

#include "choose.h"

static int workers(const hd_result *row) {
  return hd_row_is_cpu(row) ? row->threads : row->devices;
}

static const hd_result *row_with(const hd_report_lesson *lesson, const char *device, const char *variant,
                                 long size, int count) {
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (hd_at_place(lesson, row, device) && strcmp(row->variant, variant) == 0 && row->size == size &&
        workers(row) == count)
      return row;
  }
  return NULL;
}

static bool is_swept(const hd_report_lesson *lesson, const char *device, const char *variant, long size) {
  int first = 0;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (!hd_at_place(lesson, row, device) || strcmp(row->variant, variant) != 0 || row->size != size)
      continue;
    if (first != 0 && workers(row) != first) return true;
    first = workers(row);
  }
  return false;
}

// Serial part s of Amdahl's law T(p)/T(1) = s + (1 - s)/p by least squares over the points with 1 < p <=
// limit.
static double fit_serial_part(const hd_series *speedup, int limit) {
  double above = 0, below = 0;
  for (int i = 0; i < speedup->count; i++) {
    double p = speedup->points[i].x;
    if (p <= 1 || (limit > 0 && p > limit)) continue;
    double weight = 1 - 1 / p;
    above += (1 / speedup->points[i].y - 1 / p) * weight;
    below += weight * weight;
  }
  return below > 0 ? fmin(1, fmax(0, above / below)) : -1;
}

static void add_amdahl(hd_plot *plot, hd_series *curve, int limit) {
  double serial = fit_serial_part(curve, limit), last = curve->points[curve->count - 1].x;
  if (serial < 0) return;
  if (serial >= 1) {
    snprintf(curve->label + strlen(curve->label), sizeof curve->label - strlen(curve->label),
             ", no speed-up");
    return;
  }
  size_t used = strlen(curve->label);
  snprintf(curve->label + used, sizeof curve->label - used, ", f = %.1f %%", 100 * serial);
  if (limit > 0 && last > limit) last = limit;
  hd_series *fit = hd_plot_series(plot, HD_SERIES_LINE, "", curve->colour);
  if (fit == NULL) return;
  fit->dashed = true;
  for (int i = 0; i <= 40; i++) {
    double p = 1 + (last - 1) * i / 40;
    hd_series_point(fit, p, 1 / (serial + (1 - serial) / p), 0, 0);
  }
}

// The same curve as the lesson's formulas have it, where its rows tell ("step on paper").
static bool add_paper(hd_plot *plot, const hd_report_lesson *lesson, const char *device,
                      const hd_result *base, const hd_series *curve) {
  hd_series *line = NULL;
  for (int i = 0; i < curve->count; i++) {
    const hd_result *row = row_with(lesson, device, base->variant, base->size, (int)curve->points[i].x);
    const hd_figure_row *paper = row ? hd_lesson_figure(lesson, row, "step on paper") : NULL;
    if (paper == NULL || !(paper->value > 0)) continue;
    if (line == NULL) line = hd_plot_series(plot, HD_SERIES_LINE, "", curve->colour);
    if (line == NULL) return false;
    hd_series_point(line, curve->points[i].x, base->median_s / (paper->value * hd_unit_scale(paper->unit)), 0,
                    0);
  }
  return line != NULL;
}

// The bound of the rates at each of the counts.
static void add_rate_bound(hd_plot *plot, const hd_report_lesson *lesson, const char *device, long size,
                           const long *counts, int count) {
  const hd_result *rows[256];
  int row_count = 0;
  for (int i = 0; i < lesson->row_count && row_count < 256; i++)
    if (hd_at_place(lesson, &lesson->rows[i], device)) rows[row_count++] = &lesson->rows[i];
  hd_series *line = hd_plot_series(plot, HD_SERIES_LINE, "bound", 0);
  for (int i = 0; i < count; i++) {
    const double bound = hd_median_bound(rows, row_count, (int)counts[i], 0, size);
    if (bound > 0) hd_series_point(line, (double)counts[i], bound, bound, bound);
  }
}

static void add_ideal(hd_plot *plot, int cpus, double most) {
  hd_series *ideal = hd_plot_series(plot, HD_SERIES_LINE, cpus > 0 ? "ideal, up to the CPUs" : "ideal", 0);
  const double limit = cpus > 0 ? cpus : most;
  hd_series_point(ideal, 1, 1, 1, 1);
  if (limit < most && limit > 1) hd_series_point(ideal, limit, limit, limit, limit);
  hd_series_point(ideal, most, fmin(limit, most), 0, 0);
}

// The rate over threads instead of the speed-up: one core may use up what all share.
static void describe_rates(hd_plot *plot, const hd_report_run *run, const hd_report_lesson *lesson,
                           const hd_result *first, long size) {
  char clock[128], source[400], text[HD_TEXT];
  snprintf(plot->title, sizeof plot->title, "%s: %s over threads at %s = %s", lesson->title, first->unit,
           hd_size_name(lesson), hd_text_size(text, size));
  snprintf(plot->subtitle, sizeof plot->subtitle, "%s, higher is better", hd_clock_text(clock, first));
  snprintf(plot->x_title, sizeof plot->x_title, "threads");
  snprintf(plot->y_title, sizeof plot->y_title, "%s", first->unit);
  hd_caption_source(source, sizeof source, run, first);
  snprintf(
      plot->caption, sizeof plot->caption,
      "%s Points are medians, bars their 95 %% confidence intervals. Grey line: the bound, the roof that as "
      "many threads reached in the same run.",
      source);
}

void hd_choose_sweep(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                     const char *device) {
  long size = -1, counts[HD_MAX_COUNTS];
  int count = 0;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (hd_at_place(lesson, row, device) && row->size > size &&
        is_swept(lesson, device, row->variant, row->size))
      size = row->size;
  }
  if (size < 0) return;
  hd_plot *plot = hd_plots_add(plots, "curves");
  const hd_result *first = NULL;
  bool ranks = false, cpu = strcmp(device, "cpu") == 0, shared_base = false, paper = false;
  const bool rates = lesson->number == 4 && cpu;
  for (int i = 0; i < lesson->row_count; i++)
    if (hd_at_place(lesson, &lesson->rows[i], device) && lesson->rows[i].size == size &&
        is_swept(lesson, device, lesson->rows[i].variant, size))
      hd_add_count(counts, &count, workers(&lesson->rows[i]));
  for (int r = 0; r < lesson->rung_count; r++) {
    const char *variant = lesson->rungs[r].name;
    if (!is_swept(lesson, device, variant, size)) continue;
    const hd_result *base = row_with(lesson, device, variant, size, 1);
    if (base == NULL) {  // it cannot run on one worker: compare with the first rung there
      for (int i = 0; i < lesson->rung_count && base == NULL; i++)
        base = row_with(lesson, device, lesson->rungs[i].name, size, 1);
      shared_base |= base != NULL;
    }
    if (base == NULL) continue;
    ranks |= strstr(lesson->rungs[r].where, "rank") != NULL;
    char label[96];
    snprintf(label, sizeof label, "%s%s", variant, hd_row_is_model(base) ? " (model)" : "");
    hd_series *series = hd_plot_series(plot, HD_SERIES_CURVE, label, r + 1);
    if (series == NULL) break;
    series->open = series->dashed = hd_row_is_model(base);
    for (int i = 0; i < count; i++) {
      const hd_result *row = row_with(lesson, device, variant, size, (int)counts[i]);
      if (row == NULL) continue;
      double low, high;
      bool time = hd_unit_is_time(row->unit);
      hd_row_interval(row, &low, &high);
      if (first == NULL) first = row;
      if (rates) {
        hd_series_point(series, (double)counts[i], row->value, low, high);
        continue;
      }
      hd_series_point(series, (double)counts[i], time ? base->value / row->value : row->value / base->value,
                      time ? base->value / high : low / base->value,
                      time ? base->value / low : high / base->value);
    }
    if (rates) continue;
    if (cpu && !ranks) add_amdahl(plot, series, run->cpus);
    paper |= add_paper(plot, lesson, device, base, series);
  }
  if (first == NULL) {
    hd_plots_drop_last(plots);
    return;
  }
  const double most = (double)counts[count - 1];
  if (rates)
    add_rate_bound(plot, lesson, device, size, counts, count);
  else
    add_ideal(plot, cpu ? run->cpus : 0, most);
  plot->log_x = most > 16;
  plot->log_y = plot->log_x && !rates;
  hd_plot_set_tics(plot, counts, count, false);
  const char *what = !cpu ? "devices" : ranks ? "ranks" : "threads";
  hd_name_plot(plot, lesson, what, device);
  if (rates) {
    describe_rates(plot, run, lesson, first, size);
    return;
  }
  char clock[128], source[400], text[HD_TEXT];
  snprintf(plot->title, sizeof plot->title, "%s: speed-up over %s at %s = %s", lesson->title, what,
           hd_size_name(lesson), hd_text_size(text, size));
  snprintf(plot->subtitle, sizeof plot->subtitle, "%s, higher is better", hd_clock_text(clock, first));
  snprintf(plot->x_title, sizeof plot->x_title, "%s", what);
  snprintf(plot->y_title, sizeof plot->y_title, "speed-up over one of the %s", what);
  hd_caption_source(source, sizeof source, run, first);
  snprintf(plot->caption, sizeof plot->caption,
           "%s Each variant against itself on one of the %s%s. Grey line, the bound: as many times faster as "
           "there are "
           "%s%s.%s%s",
           source, what, shared_base ? " (a variant that cannot run on one: against the first rung)" : "",
           what, cpu && run->cpus > 0 ? ", up to the CPUs of the machine" : "",
           cpu && !ranks
               ? " Dashed lines: Amdahl's law 1 / (f + (1 − f) / p), its serial part f fitted by least "
                 "squares to the points up to the CPUs of the machine."
               : "",
           paper ? " Plain lines of the same colours: the lesson's formulas." : "");
}
