// SPDX-License-Identifier: MIT
// Plots of a lesson's further figures (<lesson>.csv) against each other. A lesson gets those whose names it
// uses:
//   memory over devices        "memory" and "memory by formula"
//   accuracy against its price "accuracy" and "bytes of the training", "accuracy" and "epsilon"
//   exchange over devices      "packing and adding" and "sending", in seconds per step
//   predicted against run      "predicted", in seconds
//   what if                    "what-if N": seconds per step on N GPUs, on paper
//   time over the GPU's share  "run at N %" and "predicted at N %", in seconds
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"

static double figure(const hd_report_lesson *lesson, const hd_result *row, const char *name) {
  const hd_figure_row *f = hd_lesson_figure(lesson, row, name);
  return f ? f->value * hd_unit_scale(f->unit) : NAN;
}

// The curve of a variant in this plot, new if there is none yet.
static hd_series *curve_of(hd_plot *plot, const hd_report_lesson *lesson, const hd_result *row,
                           enum hd_series_kind kind) {
  char label[96];
  snprintf(label, sizeof label, "%s%s", row->variant, hd_row_is_model(row) ? " (model)" : "");
  for (int i = 0; i < plot->series_count; i++)
    if (strcmp(plot->series[i].label, label) == 0) return &plot->series[i];
  hd_series *series = hd_plot_series(plot, kind, label, hd_lesson_rung(lesson, row->variant) + 1);
  if (series) series->open = series->dashed = hd_row_is_model(row);
  return series;
}

static void finish(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                   const hd_result *shown, const char *what, const char *device, const char *explained) {
  hd_plot *plot = plots->plots[plots->count - 1];
  char clock[128], source[400];
  hd_name_plot(plot, lesson, what, device);
  snprintf(plot->subtitle, sizeof plot->subtitle, "%s", hd_clock_text(clock, shown));
  hd_caption_source(source, sizeof source, run, shown);
  snprintf(plot->caption, sizeof plot->caption, "%s %s", source, explained);
}

static int workers(const hd_result *row) {
  return hd_row_is_cpu(row) ? row->threads : row->devices;
}

// The largest size here at which a row with this figure stands; -1 without one.
static long largest_with(const hd_report_lesson *lesson, const char *device, const char *name) {
  long size = -1;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (hd_at_place(lesson, row, device) && row->size > size && !isnan(figure(lesson, row, name)))
      size = row->size;
  }
  return size;
}

// What is drawn over the number of workers: `value` of the rows at the largest size with `figure`, from
// `first` workers on.
typedef struct over_devices {
  const char *figure;
  double (*value)(const hd_report_lesson *lesson, const hd_result *row);  // NaN: no point
  int first;
  bool log_y;
  const char *what, *y_title, *name, *explained;
} over_devices;

static void choose_over_devices(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                                const char *device, const over_devices *o) {
  const long size = largest_with(lesson, device, o->figure);
  if (size < 0) return;
  hd_plot *plot = hd_plots_add(plots, "curves");
  const hd_result *shown = NULL;
  long counts[HD_MAX_COUNTS];
  int count = 0;
  // By count first: a curve's points stand in the order of its rows, and those of a place go up.
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    const double y = o->value(lesson, row);
    if (!hd_at_place(lesson, row, device) || row->size != size || isnan(y) || workers(row) < o->first)
      continue;
    hd_series *series = curve_of(plot, lesson, row, HD_SERIES_CURVE);
    if (!series) continue;
    hd_series_point(series, workers(row), y, y, y);
    hd_add_count(counts, &count, workers(row));
    shown = row;
  }
  if (count < 2) {
    hd_plots_drop_last(plots);
    return;
  }
  char text[HD_TEXT];
  plot->log_x = true;
  plot->log_y = o->log_y;
  hd_plot_set_tics(plot, counts, count, false);
  snprintf(plot->title, sizeof plot->title, "%s: %s, %s = %s", lesson->title, o->what, hd_size_name(lesson),
           hd_text_size(text, size));
  snprintf(plot->x_title, sizeof plot->x_title, "%s", hd_row_is_cpu(shown) ? "ranks" : "devices");
  snprintf(plot->y_title, sizeof plot->y_title, "%s", o->y_title);
  finish(plots, run, lesson, shown, o->name, device, o->explained);
}

static double megabytes(const hd_report_lesson *lesson, const hd_result *row) {
  return isnan(figure(lesson, row, "memory by formula")) ? NAN : figure(lesson, row, "memory") / 1e6;
}

static const over_devices memory = {
    .figure = "memory by formula",
    .value = megabytes,
    .log_y = true,
    .what = "memory of the rank that keeps most",
    .y_title = "MB",
    .name = "memory",
    .explained =
        "Counted by the allocator; it equals the lesson's formula at every point. Both axes are "
        "logarithmic: what is divided among the ranks falls along a straight line."};

static double microseconds_of_exchange(const hd_report_lesson *lesson, const hd_result *row) {
  return 1e6 * (figure(lesson, row, "packing and adding") + figure(lesson, row, "sending"));
}

static const over_devices exchange = {
    .figure = "packing and adding",
    .value = microseconds_of_exchange,
    .first = 2,  // one has nobody to send to
    .what = "what a step's exchange takes",
    .y_title = "µs per step",
    .name = "exchange",
    .explained = "Packing a gradient, sending it, adding up what comes: without the arithmetic of the step."};

// Largest count of workers only: dots of the same variant at other counts would say the same again.
static void accuracy_against(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                             const char *device, const char *price, const char *name, const char *x_title,
                             double scale, const char *explained) {
  hd_plot *plot = hd_plots_add(plots, "curves");
  const hd_result *shown = NULL;
  double least = 100, most = 0;
  int dots = 0;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    const double x = figure(lesson, row, price), y = figure(lesson, row, "accuracy");
    if (!hd_at_place(lesson, row, device) || !(x > 0) || !isfinite(x) || isnan(y)) continue;
    hd_series *series = curve_of(plot, lesson, row, HD_SERIES_DOTS);
    if (!series) continue;
    series->count = 0;
    hd_series_point(series, x / scale, 100 * y, 100 * y, 100 * y);
    least = fmin(least, 100 * y);
    most = fmax(most, 100 * y);
    shown = row;
    dots++;
  }
  if (dots < 2) {
    hd_plots_drop_last(plots);
    return;
  }
  plot->log_x = true;
  plot->y_min = fmax(0, 5 * floor(least / 5 - 1));
  plot->y_max = fmin(100, 5 * ceil(most / 5 + 1));
  snprintf(plot->title, sizeof plot->title, "%s: accuracy against %s", lesson->title, name);
  snprintf(plot->x_title, sizeof plot->x_title, "%s", x_title);
  snprintf(plot->y_title, sizeof plot->y_title, "accuracy in %%");
  finish(plots, run, lesson, shown, name, device, explained);
}

static void predicted_against_run(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                                  const char *device) {
  hd_plot *plot = hd_plots_add(plots, "curves");
  const hd_result *shown = NULL;
  double least = INFINITY, most = 0;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    const double paper = figure(lesson, row, "predicted");
    if (!hd_at_place(lesson, row, device) || !(paper > 0)) continue;
    hd_series *series = curve_of(plot, lesson, row, HD_SERIES_DOTS);
    if (!series) continue;
    hd_series_point(series, 1e3 * paper, 1e3 * row->median_s, 1e3 * row->median_s, 1e3 * row->median_s);
    least = fmin(least, 1e3 * fmin(paper, row->median_s));
    most = fmax(most, 1e3 * fmax(paper, row->median_s));
    shown = row;
  }
  hd_series *equal = shown ? hd_plot_series(plot, HD_SERIES_LINE, "run = predicted", 0) : NULL;
  if (!equal) {
    hd_plots_drop_last(plots);
    return;
  }
  hd_series_point(equal, least, least, 0, 0);
  hd_series_point(equal, most, most, 0, 0);
  plot->log_x = plot->log_y = true;
  snprintf(plot->title, sizeof plot->title, "%s: predicted and run", lesson->title);
  snprintf(plot->x_title, sizeof plot->x_title, "predicted, ms");
  snprintf(plot->y_title, sizeof plot->y_title, "run, ms");
  finish(plots, run, lesson, shown, "predicted", device,
         "One dot per size and number of devices. Above the line the run took longer than the paper said.");
}

static void what_if(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                    const char *device) {
  hd_plot *plot = hd_plots_add(plots, "curves");
  const hd_result *shown = NULL;
  long counts[HD_MAX_COUNTS];
  int count = 0;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    const double alone = figure(lesson, row, "what-if 1");
    if (!hd_at_place(lesson, row, device) || !(alone > 0)) continue;
    hd_series *series = curve_of(plot, lesson, row, HD_SERIES_CURVE);
    if (!series) continue;
    series->count = 0;
    for (int gpus = 1; gpus <= 1 << 20; gpus *= 2) {
      char name[32];
      snprintf(name, sizeof name, "what-if %d", gpus);
      const double seconds = figure(lesson, row, name);
      if (!(seconds > 0)) continue;
      hd_series_point(series, gpus, alone / seconds, alone / seconds, alone / seconds);
      hd_add_count(counts, &count, gpus);
    }
    shown = row;
  }
  hd_series *ideal = count > 1 ? hd_plot_series(plot, HD_SERIES_LINE, "ideal", 0) : NULL;
  if (!ideal) {
    hd_plots_drop_last(plots);
    return;
  }
  for (int i = 0; i < count; i++) hd_series_point(ideal, (double)counts[i], (double)counts[i], 0, 0);
  plot->log_x = plot->log_y = true;
  hd_plot_set_tics(plot, counts, count, false);
  snprintf(plot->title, sizeof plot->title, "%s: what if there were more devices", lesson->title);
  snprintf(plot->x_title, sizeof plot->x_title, "devices");
  snprintf(plot->y_title, sizeof plot->y_title, "speed-up over one device");
  finish(plots, run, lesson, shown, "what-if", device,
         "On paper only: formulas of the lesson, fed with one block and one message. Nothing here was run on "
         "that many "
         "devices.");
  snprintf(plot->subtitle, sizeof plot->subtitle, "on paper only: not run, and not simulated");
}

// The largest size's row; a curve of what was run, a line of what was predicted, and one where that is
// lowest.
static void over_shares(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                        const char *device) {
  const long size = largest_with(lesson, device, "run at 100 %");
  if (size < 0) return;
  hd_plot *plot = hd_plots_add(plots, "curves");
  const hd_result *shown = NULL;
  for (int i = 0; i < lesson->row_count && !shown; i++) {
    const hd_result *row = &lesson->rows[i];
    if (hd_at_place(lesson, row, device) && row->size == size && !isnan(figure(lesson, row, "run at 100 %")))
      shown = row;
  }
  hd_series *ran = hd_plot_series(plot, HD_SERIES_CURVE, hd_row_is_model(shown) ? "run (model)" : "run", 1);
  hd_series *paper = hd_plot_series(plot, HD_SERIES_LINE, "predicted", 2);
  ran->open = ran->dashed = hd_row_is_model(shown);
  const double best = 100 * figure(lesson, shown, "best share on paper"),
               at_best = 1e3 * figure(lesson, shown, "predicted at the best share");
  double least = INFINITY, most = 0, last = -1;
  for (int percent = 0; percent <= 100; percent++) {
    char name[32];
    snprintf(name, sizeof name, "run at %d %%", percent);
    const double y = 1e3 * figure(lesson, shown, name);
    snprintf(name, sizeof name, "predicted at %d %%", percent);
    const double predicted = 1e3 * figure(lesson, shown, name);
    if (!(y > 0) || !(predicted > 0)) continue;
    hd_series_point(ran, percent, y, y, y);
    if (percent > best && last < best) hd_series_point(paper, best, at_best, 0, 0);
    last = percent;
    hd_series_point(paper, percent, predicted, 0, 0);
    least = fmin(least, fmin(y, predicted));
    most = fmax(most, fmax(y, predicted));
  }
  hd_series *where = best > 0 ? hd_plot_series(plot, HD_SERIES_LINE, "best on paper", 0) : NULL;
  if (where) {
    hd_series_point(where, best, fmin(least, at_best), 0, 0);
    hd_series_point(where, best, most, 0, 0);
  }
  plot->x_max = 100;
  char text[HD_TEXT];
  plot->log_y = most > 5 * least;
  snprintf(plot->title, sizeof plot->title, "%s: time over the GPU's share, %s = %s", lesson->title,
           hd_size_name(lesson), hd_text_size(text, size));
  snprintf(plot->x_title, sizeof plot->x_title, "the GPU's share of the work in %%");
  snprintf(plot->y_title, sizeof plot->y_title, "ms");
  finish(
      plots, run, lesson, shown, "share", device,
      "To the left of the lowest point the GPU is done first and waits, to the right the CPU. A split is as "
      "good as it is near that point.");
}

void hd_choose_figures(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                       const char *device) {
  choose_over_devices(plots, run, lesson, device, &memory);
  accuracy_against(
      plots, run, lesson, device, "bytes of the training", "bytes", "MB sent by a rank in the training", 1e6,
      "The price of a variant's accuracy: the bytes that a rank sends until the training has ended.");
  accuracy_against(plots, run, lesson, device, "epsilon", "epsilon", "ε (at the lesson's δ)", 1,
                   "Further left is more private.");
  choose_over_devices(plots, run, lesson, device, &exchange);
  predicted_against_run(plots, run, lesson, device);
  what_if(plots, run, lesson, device);
  over_shares(plots, run, lesson, device);
}
