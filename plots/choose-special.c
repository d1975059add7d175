// SPDX-License-Identifier: MIT
// Plots made from the further figures of a lesson (<lesson>.csv): a histogram of samples, a roofline.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"

enum { MAX_PLACES = 8, BINS = 48 };

// ---- histogram

// Figures named sample_X are samples. In a unit of time, each value is one sample; otherwise the value is the
// number of samples in the bin that starts at X.
static bool is_sample(const hd_figure_row *figure) {
  return strncmp(figure->name, "sample_", 7) == 0;
}

static bool belongs(const hd_figure_row *figure, const hd_result *row) {
  return strcmp(figure->variant, row->variant) == 0 && figure->size == row->size &&
         figure->threads == row->threads && figure->devices == row->devices &&
         strcmp(figure->device, row->device) == 0;
}

static int by_edge(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

// Collects (left edge, count) pairs of a row, sorted; returns their number. Raw samples count 1 each.
static int collect_samples(const hd_report_lesson *lesson, const hd_result *row, double (*pairs)[2], int max,
                           const char **unit) {
  int count = 0;
  for (int i = 0; i < lesson->figure_count && count < max; i++) {
    const hd_figure_row *f = &lesson->figures[i];
    if (!is_sample(f) || !belongs(f, row) || !isfinite(f->value)) continue;
    bool raw = hd_unit_is_time(f->unit);
    if (raw) *unit = f->unit;
    pairs[count][0] = raw ? f->value : strtod(f->name + 7, NULL);
    pairs[count++][1] = raw ? 1 : fmax(0, f->value);
  }
  qsort(pairs, (size_t)count, sizeof *pairs, by_edge);
  return count;
}

static void add_histogram(hd_plot *plot, const char *label, int colour, double (*pairs)[2], int count) {
  double total = 0, edges[BINS + 1], sums[BINS + 1] = {0};
  double low = pairs[0][0], high = pairs[count - 1][0];
  int bins = count <= BINS ? count : BINS;
  if (!(high > low)) high = low + 1;
  for (int i = 0; i < bins; i++) edges[i] = count <= BINS ? pairs[i][0] : low + (high - low) * i / bins;
  // The last bin has no right edge: it gets the width of its neighbour, on bins that grow the ratio.
  bool grow = bins > 1 && edges[bins - 2] > 0 && edges[bins - 1] > 1.2 * edges[bins - 2];
  edges[bins] = grow       ? edges[bins - 1] * edges[bins - 1] / edges[bins - 2]
                : bins > 1 ? 2 * edges[bins - 1] - edges[bins - 2]
                           : high;
  for (int i = 0; i < count; i++) {
    int bin = bins - 1;
    while (bin > 0 && pairs[i][0] < edges[bin]) bin--;
    sums[bin] += pairs[i][1];
    total += pairs[i][1];
  }
  hd_series *series = hd_plot_series(plot, HD_SERIES_STEPS, label, colour);
  for (int i = 0; i <= bins && total > 0; i++) {
    double y = 100 * sums[i] / total;
    hd_series_point(series, edges[i], i < bins ? y : 0, y, y);
  }
}

void hd_choose_histogram(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson) {
  static double pairs[4096][2];
  hd_plot *plot = NULL;
  const hd_result *first = NULL;
  const char *unit = "ns";
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    int count = hd_row_is_drawable(lesson, row) ? collect_samples(lesson, row, pairs, 4096, &unit) : 0;
    if (count < 2) continue;
    if (plot == NULL) plot = hd_plots_add(plots, "curves");
    if (first == NULL) first = row;
    add_histogram(plot, row->variant, hd_lesson_rung(lesson, row->variant) + 1, pairs, count);
  }
  if (plot == NULL) return;
  double smallest = INFINITY, largest = 0, top = 0;
  for (int s = 0; s < plot->series_count; s++)
    for (int i = 0; i < plot->series[s].count; i++) {
      smallest = fmin(smallest, plot->series[s].points[i].x);
      largest = fmax(largest, plot->series[s].points[i].x);
      top = fmax(top, plot->series[s].points[i].low);
    }
  plot->log_x = smallest > 0 && largest > 20 * smallest;
  double bound = hd_unit_is_time(first->unit) ? hd_row_bound(first) : -1;
  if (bound > 0 && strcmp(first->unit, unit) == 0) {
    hd_series *line = hd_plot_series(plot, HD_SERIES_LINE, "bound", 0);
    hd_series_point(line, bound, 0, 0, 0);
    hd_series_point(line, bound, top, 0, 0);
  }
  char source[400];
  snprintf(plot->name, sizeof plot->name, "%s-histogram", lesson->slug);
  snprintf(plot->title, sizeof plot->title, "%s: how the samples are spread", lesson->title);
  snprintf(plot->subtitle, sizeof plot->subtitle, "measured; a narrow peak is a steady clock");
  snprintf(plot->x_title, sizeof plot->x_title, "%s per sample", unit);
  snprintf(plot->y_title, sizeof plot->y_title, "share of the samples in %%");
  hd_caption_source(source, sizeof source, run, first);
  snprintf(plot->caption, sizeof plot->caption,
           "%s Each outline is the distribution of one variant's samples. A single sample is a whole number "
           "of the "
           "clock's own steps.%s",
           source, bound > 0 ? " Grey line: the bound of their mean." : "");
}

// ---- roofline

typedef struct roof {
  int workers;
  double bytes, flops;  // per second
} roof;

static int workers(const hd_result *row) {
  return hd_row_is_cpu(row) ? row->threads : row->devices;
}

static double figure_or(const hd_report_lesson *lesson, const hd_result *row, const char *name,
                        double otherwise) {
  const hd_figure_row *figure = hd_lesson_figure(lesson, row, name);
  return figure != NULL ? figure->value * hd_unit_scale(figure->unit) : otherwise;
}

// Roofs of one place: per count of threads or devices the highest that any row recorded; one that is more
// than twice as high is another unit's (tensor cores).
static int collect_roofs(const hd_report_lesson *lesson, const char *device, roof *roofs, int max) {
  int count = 0;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (strcmp(row->device, device) != 0) continue;
    double bytes = figure_or(lesson, row, "roof_bytes", -1), flops = figure_or(lesson, row, "roof_flops", -1);
    if (!(bytes > 0) || !(flops > 0)) continue;
    int j = 0;
    while (j < count &&
           (roofs[j].workers != workers(row) || flops > 2 * roofs[j].flops || roofs[j].flops > 2 * flops))
      j++;
    if (j == max) continue;
    if (j == count) roofs[count++] = (roof){.workers = workers(row)};
    roofs[j].bytes = fmax(roofs[j].bytes, bytes);
    roofs[j].flops = fmax(roofs[j].flops, flops);
  }
  return count;
}

bool hd_has_roofs(const hd_report_lesson *lesson, const char *device) {
  roof first;
  return collect_roofs(lesson, device, &first, 1) > 0;
}

static void add_roof(hd_plot *plot, const roof *r, bool cpu) {
  char label[96], flops[HD_TEXT], bytes[HD_TEXT], who[32] = "";
  if (r->workers > 0)
    snprintf(who, sizeof who, "%d %s%s: ", r->workers, cpu ? "thread" : "GPU", r->workers == 1 ? "" : "s");
  snprintf(label, sizeof label, "%s%.20s GFLOP/s, %.20s GB/s", who, hd_text_number(flops, r->flops / 1e9),
           hd_text_number(bytes, r->bytes / 1e9));
  hd_series *series = hd_plot_series(plot, HD_SERIES_LINE, label, 0);
  double ridge = r->flops / r->bytes;
  const double x[] = {plot->x_min, ridge, plot->x_max};
  for (int i = 0; i < 3; i++) {
    if (i == 1 && (ridge <= x[0] || ridge >= x[2])) continue;
    hd_series_point(series, x[i], fmin(r->flops, r->bytes * x[i]) / 1e9, 0, 0);
  }
}

static void choose_roofline(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                            const char *device) {
  roof roofs[8];
  int roof_count = collect_roofs(lesson, device, roofs, 8);
  if (roof_count == 0) return;
  hd_plot *plot = hd_plots_add(plots, "curves");
  const hd_result *first = NULL;
  double low = 0.1, high = 10;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (strcmp(row->device, device) != 0 || !hd_row_is_drawable(lesson, row)) continue;
    double flops = figure_or(lesson, row, "flops", -1), bytes = figure_or(lesson, row, "bytes", -1);
    double intensity = figure_or(lesson, row, "intensity", flops / bytes);
    if (!(flops > 0) || !(intensity > 0) ||
        (!(bytes > 0) && hd_lesson_figure(lesson, row, "intensity") == NULL))
      continue;
    // Rows come by variant, then by size: a larger size at the same intensity replaces the smaller one.
    char label[96], place[96];
    snprintf(label, sizeof label, "%.40s, %.40s", row->variant, hd_row_place(place, lesson, row));
    hd_series *series = NULL;
    for (int s = 0; s < plot->series_count; s++)
      if (strcmp(plot->series[s].label, label) == 0) series = &plot->series[s];
    if (series == NULL)
      series = hd_plot_series(plot, HD_SERIES_DOTS, label, hd_lesson_rung(lesson, row->variant) + 1);
    if (series == NULL) break;
    series->open = hd_row_is_model(row);
    int last = series->count - 1;
    if (last >= 0 && fabs(series->points[last].x / intensity - 1) < 0.02) series->count--;
    hd_series_point(series, intensity, flops / row->median_s / 1e9, flops / row->ci_high_s / 1e9,
                    flops / row->ci_low_s / 1e9);
    low = fmin(low, intensity);
    high = fmax(high, intensity);
    first = row;
  }
  if (first == NULL) {
    hd_plots_drop_last(plots);
    return;
  }
  for (int r = 0; r < roof_count; r++) high = fmax(high, 3 * roofs[r].flops / roofs[r].bytes);
  plot->log_x = plot->log_y = true;
  plot->x_min = low / 2;
  plot->x_max = high * 2;
  bool cpu = hd_row_is_cpu(first);
  for (int r = 0; r < roof_count; r++) add_roof(plot, &roofs[r], cpu);
  char name[64], source[400];
  hd_device_name(name, device);
  hd_name_plot(plot, lesson, "roofline", device);
  snprintf(plot->title, sizeof plot->title, "%s: the roofline of %s", lesson->title, cpu ? "this CPU" : name);
  snprintf(plot->subtitle, sizeof plot->subtitle,
           hd_row_is_model(first) ? "simulated %s (model)" : "measured on %s", cpu ? "the CPU" : name);
  snprintf(plot->x_title, sizeof plot->x_title, "arithmetic intensity in FLOP/byte");
  snprintf(plot->y_title, sizeof plot->y_title, "GFLOP/s");
  hd_caption_source(source, sizeof source, run, first);
  snprintf(plot->caption, sizeof plot->caption,
           "%s Grey lines, the bound: the bandwidth roof (slanted) and the arithmetic roof (flat), %s. A "
           "point on the "
           "slanted part can only get faster by moving fewer bytes.",
           source, hd_row_is_model(first) ? "as the preset states them" : "measured in the same run");
}

void hd_choose_rooflines(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson) {
  const char *places[MAX_PLACES];
  int count = hd_lesson_places(lesson, places, MAX_PLACES);
  for (int i = 0; i < count; i++) choose_roofline(plots, run, lesson, places[i]);
}
