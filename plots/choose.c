// SPDX-License-Identifier: MIT
// Which plots a lesson gets is read off its rows: several sizes give curves over sizes, several variants at
// one size a ladder, several thread or device counts a speed-up. CPU and GPU, and each GPU, have plots of
// their own.
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"

enum { MAX_PLACES = 8 };

#define BOUND_TEXT \
  "the least time that the work can take there (roofline, or the lesson's own bound: see its README)"

int hd_lesson_places(const hd_report_lesson *lesson, const char **places, int max) {
  int count = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < lesson->row_count; i++) {
      const hd_result *row = &lesson->rows[i];
      if (hd_row_is_cpu(row) != (pass == 0)) continue;
      int j = 0;
      while (j < count && strcmp(places[j], row->device) != 0) j++;
      if (j == count && count < max) places[count++] = row->device;
    }
  return count;
}

bool hd_at_place(const hd_report_lesson *lesson, const hd_result *row, const char *device) {
  return strcmp(row->device, device) == 0 && hd_row_is_drawable(lesson, row);
}

const hd_result *hd_pick_row(const hd_report_run *run, const hd_report_lesson *lesson, const char *device,
                             const char *variant, long size) {
  const hd_result *best = NULL;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (!hd_at_place(lesson, row, device) || strcmp(row->variant, variant) != 0 || row->size != size)
      continue;
    bool too_many = run->cpus > 0 && row->threads > run->cpus && hd_row_is_cpu(row);
    if (best == NULL || (!too_many && row->threads + row->devices > best->threads + best->devices))
      best = row;
  }
  return best;
}

long hd_common_size(const hd_report_lesson *lesson, const char *device) {
  long best = -1;
  int most = 0;
  for (int i = 0; i < lesson->row_count; i++) {
    long size = lesson->rows[i].size;
    if (!hd_at_place(lesson, &lesson->rows[i], device)) continue;
    int variants = 0;
    for (int r = 0; r < lesson->rung_count; r++)
      for (int j = 0; j < lesson->row_count; j++) {
        const hd_result *row = &lesson->rows[j];
        if (row->size != size || !hd_at_place(lesson, row, device) ||
            strcmp(row->variant, lesson->rungs[r].name) != 0)
          continue;
        variants++;
        break;
      }
    if (variants > most || (variants == most && size > best)) {
      most = variants;
      best = size;
    }
  }
  return best;
}

void hd_caption_source(char *out, size_t size, const hd_report_run *run, const hd_result *row) {
  char name[64];
  assert(row != NULL);
  hd_device_name(name, row->device);
  if (hd_row_is_model(row))
    snprintf(out, size, "Modelled, not measured: virtual clock of the simulated %s.", name);
  else if (hd_row_is_cpu(row))
    snprintf(out, size, "Measured, wall clock, on %.128s%s%s.",
             *hd_run_fact(run, "cpu") ? hd_run_fact(run, "cpu") : "this machine's CPU",
             *row->machine ? " · " : "", row->machine);
  else
    snprintf(out, size, "Measured, GPU clock (CUDA events), on %s%s%s.", name, *row->machine ? " · " : "",
             row->machine);
  if (hd_device_is_shared(row->device)) {
    const size_t used = strlen(out);
    snprintf(out + used, size - used, " More ranks than cards: the times say nothing about scaling.");
  }
}

// "cpu", "sim-h200": the end of a plot's file name.
void hd_name_plot(hd_plot *plot, const hd_report_lesson *lesson, const char *what, const char *device) {
  snprintf(plot->name, sizeof plot->name, "%s-%s-%s", lesson->slug, what, device);
  for (char *c = plot->name; *c; c++)
    if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", *c)) *c = '-';
}

// "measured on the CPU", "model of an H200".
const char *hd_clock_text(char out[128], const hd_result *row) {
  char name[64];
  hd_device_name(name, row->device);
  snprintf(out, 128, hd_row_is_model(row) ? "simulated %s (model)" : "measured on %s",
           hd_row_is_cpu(row) ? "the CPU" : name);
  return out;
}

const char *hd_size_name(const hd_report_lesson *lesson) {
  return *lesson->size_name ? lesson->size_name : "size";
}

static const char *direction(const char *unit) {
  return hd_unit_is_time(unit) ? "lower is better" : "higher is better";
}

bool hd_add_count(long *counts, int *count, long x) {
  int i = 0;
  while (i < *count && counts[i] < x) i++;
  if ((i < *count && counts[i] == x) || *count == HD_MAX_COUNTS) return false;
  memmove(&counts[i + 1], &counts[i], (size_t)(*count - i) * sizeof *counts);
  counts[i] = x;
  ++*count;
  return true;
}

// Tics at the counts or sizes themselves; of two that lie too close for their texts, the first keeps its
// text.
void hd_plot_set_tics(hd_plot *plot, const long *x, int count, bool sizes) {
  size_t used = (size_t)snprintf(plot->x_tics, sizeof plot->x_tics, "(");
  double low = (double)x[0],
         range = plot->log_x ? log((double)x[count - 1] / low) : (double)x[count - 1] - low;
  double previous = -1;
  for (int i = 0; i < count && used + 96 < sizeof plot->x_tics; i++) {
    char text[HD_TEXT];
    double at = range > 0 ? (plot->log_x ? log((double)x[i] / low) : (double)x[i] - low) / range : 0;
    if (sizes)
      hd_text_size(text, x[i]);
    else
      snprintf(text, sizeof text, "%ld", x[i]);
    if (at - previous < 0.015 + 0.011 * hd_text_width(text))
      strcpy(text, " ");
    else
      previous = at;
    used += (size_t)snprintf(plot->x_tics + used, sizeof plot->x_tics - used, "%s'%s' %ld", i ? ", " : "",
                             text, x[i]);
  }
  snprintf(plot->x_tics + used, sizeof plot->x_tics - used, ")");
}

static bool wide(const hd_plot *plot, double ratio) {
  double low = INFINITY, high = 0;
  for (int s = 0; s < plot->series_count; s++)
    for (int i = 0; i < plot->series[s].count; i++) {
      low = fmin(low, plot->series[s].points[i].y);
      high = fmax(high, plot->series[s].points[i].y);
    }
  return high > ratio * low;
}

// ---- bounds

double hd_median_bound(const hd_result **rows, int count, int threads, int devices, long size) {
  double bounds[64];
  int used = 0;
  for (int i = 0; i < count && used < 64; i++) {
    if (rows[i]->threads != threads || rows[i]->devices != devices || rows[i]->size != size) continue;
    double bound = hd_row_bound(rows[i]);
    if (!(bound > 0)) continue;
    int at = used++;
    for (; at > 0 && bounds[at - 1] > bound; at--) bounds[at] = bounds[at - 1];
    bounds[at] = bound;
  }
  if (used == 0) return -1;
  return used % 2 ? bounds[used / 2] : (bounds[used / 2 - 1] + bounds[used / 2]) / 2;
}

static bool same_points(const hd_series *a, const hd_series *b) {
  if (a->count != b->count) return false;
  for (int i = 0; i < a->count; i++)
    if (a->points[i].x != b->points[i].x || fabs(a->points[i].y / b->points[i].y - 1) > 0.01) return false;
  return true;
}

// Drops the last line if it has no points or repeats one from number `first` on.
static void keep_if_new(hd_plot *plot, int first) {
  hd_series *line = &plot->series[plot->series_count - 1];
  bool repeats = line->count == 0;
  for (int j = first; j < plot->series_count - 1; j++) repeats |= same_points(&plot->series[j], line);
  if (repeats) memset(&plot->series[--plot->series_count], 0, sizeof *line);
}

// A variant with a bound of its own, far above that of the others, has its own line. (Roofs measured in other
// moods of a machine differ by up to a factor of two, and are no bounds of their own.)
static void add_own_bounds(hd_plot *plot, const hd_result **rows, int count, int first) {
  for (int i = 0; i < count; i++) {
    const hd_result *row = rows[i];
    const double others = hd_median_bound(rows, count, row->threads, row->devices, row->size);
    bool seen = hd_unit_is_time(row->unit) || !(others > 0 && hd_row_bound(row) > 2.5 * others);
    for (int j = 0; j < i; j++)
      seen |= strcmp(rows[j]->variant, row->variant) == 0 && hd_row_bound(rows[j]) > 0;
    if (seen) continue;
    char label[96];
    snprintf(label, sizeof label, "bound of %.80s", row->variant);
    hd_series *line = hd_plot_series(plot, HD_SERIES_LINE, label, 0);
    if (line == NULL) return;
    for (int j = i; j < count; j++) {
      const double bound = hd_row_bound(rows[j]);
      if (strcmp(rows[j]->variant, row->variant) == 0 && bound > 0)
        hd_series_point(line, (double)rows[j]->size, bound, bound, bound);
    }
    if (line->count == 1) line->kind = HD_SERIES_DOTS;
    keep_if_new(plot, first);
  }
}

// One line per distinct thread and device count of the rows drawn, over `x` (their sizes).
static void add_bounds(hd_plot *plot, const hd_result **rows, int count, const long *sizes, int size_count) {
  int first = plot->series_count;
  for (int i = 0; i < count; i++) {
    const hd_result *row = rows[i];
    bool seen = false;
    for (int j = 0; j < i; j++) seen |= rows[j]->threads == row->threads && rows[j]->devices == row->devices;
    if (seen) continue;
    char label[96] = "bound";
    int n = hd_row_is_cpu(row) ? row->threads : row->devices;
    if (n > 0 && hd_row_is_cpu(row))
      snprintf(label, sizeof label, "bound, %d thread%s", n, n == 1 ? "" : "s");
    if (n > 1 && !hd_row_is_cpu(row)) snprintf(label, sizeof label, "bound, %d GPUs", n);
    hd_series *line = hd_plot_series(plot, HD_SERIES_LINE, label, 0);
    if (line == NULL) return;
    for (int s = 0; s < size_count; s++) {
      double bound = hd_median_bound(rows, count, row->threads, row->devices, sizes[s]);
      if (bound > 0) hd_series_point(line, (double)sizes[s], bound, bound, bound);
    }
    if (line->count == 1) line->kind = HD_SERIES_DOTS;  // a line through one point cannot be seen
    keep_if_new(plot, first);
  }
  add_own_bounds(plot, rows, count, first);
}

// ---- value over size

static void add_row_point(hd_series *series, const hd_result *row, double x) {
  double low, high;
  hd_row_interval(row, &low, &high);
  hd_series_point(series, x, row->value, low, high);
}

// Measured rows of committed runs that belong to the preset `device`: solid, in the colour of the modelled
// curve.
static int add_committed(hd_plot *plot, const hd_report_lesson *lesson, const char *device,
                         const char *variant, int colour, const hd_report_run *committed,
                         int committed_count) {
  int added = 0;
  for (int c = 0; c < committed_count; c++) {
    const hd_report_lesson *other = hd_run_lesson(&committed[c], lesson->id);
    if (other == NULL) continue;
    char label[96];
    snprintf(label, sizeof label, "%s (measured)", variant);
    hd_series *series = NULL;
    for (int i = 0; i < other->row_count; i++) {
      const hd_result *row = &other->rows[i];
      if (strcmp(row->variant, variant) != 0 || !hd_row_is_drawable(other, row) || hd_row_is_model(row) ||
          row->devices > 1 || !hd_device_is_preset(row->device, device))
        continue;
      if (series == NULL) series = hd_plot_series(plot, HD_SERIES_CURVE, label, colour);
      if (series != NULL) add_row_point(series, row, (double)row->size);
      added = 1;
    }
  }
  return added;
}

static void choose_sizes(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                         const char *device, const hd_report_run *committed, int committed_count) {
  long sizes[HD_MAX_COUNTS];
  int size_count = 0, row_count = 0, measured = 0;
  for (int i = 0; i < lesson->row_count; i++)
    if (hd_at_place(lesson, &lesson->rows[i], device)) hd_add_count(sizes, &size_count, lesson->rows[i].size);
  if (size_count < 2) return;
  hd_plot *plot = hd_plots_add(plots, "curves");
  const hd_result *rows[512];
  for (int r = 0; r < lesson->rung_count; r++) {
    const char *variant = lesson->rungs[r].name;
    hd_series *series = NULL;
    for (int s = 0; s < size_count; s++) {
      const hd_result *row = hd_pick_row(run, lesson, device, variant, sizes[s]);
      if (row == NULL) continue;
      char label[96];
      snprintf(label, sizeof label, "%s%s", variant, hd_row_is_model(row) ? " (model)" : "");
      if (series == NULL) series = hd_plot_series(plot, HD_SERIES_CURVE, label, r + 1);
      if (series == NULL) break;
      series->open = series->dashed = hd_row_is_model(row);
      add_row_point(series, row, (double)sizes[s]);
      if (row_count < 512) rows[row_count++] = row;
    }
    if (series != NULL)
      measured += add_committed(plot, lesson, device, variant, r + 1, committed, committed_count);
  }
  int curves = plot->series_count;
  const char *places[2];
  bool lone_reference = curves == 1 && hd_lesson_places(lesson, places, 2) > 1;
  if (row_count < 2 || lone_reference) {
    hd_plots_drop_last(plots);
    return;
  }
  add_bounds(plot, rows, row_count, sizes, size_count);
  plot->log_x = size_count >= 3 && sizes[0] > 0 && sizes[size_count - 1] >= 4 * sizes[0];
  plot->log_y = wide(plot, 12);
  hd_plot_set_tics(plot, sizes, size_count, true);
  hd_name_plot(plot, lesson, "sizes", device);
  char clock[128], source[400];
  snprintf(plot->title, sizeof plot->title, "%s: %s over %s", lesson->title, rows[0]->unit,
           hd_size_name(lesson));
  snprintf(plot->subtitle, sizeof plot->subtitle, "%s, %s", hd_clock_text(clock, rows[0]),
           direction(rows[0]->unit));
  snprintf(plot->x_title, sizeof plot->x_title, "%s", hd_size_name(lesson));
  snprintf(plot->y_title, sizeof plot->y_title, "%s", rows[0]->unit);
  hd_caption_source(source, sizeof source, run, rows[0]);
  snprintf(plot->caption, sizeof plot->caption,
           "%s Each variant at its largest useful count of threads or devices. %s%s %s%s.", source,
           hd_row_is_model(rows[0]) ? "Open points and dashed lines are modelled."
                                    : "Points are medians, bars their 95 % confidence intervals.",
           measured > 0 ? " Solid lines are measured on the real card (committed runs)." : "",
           plot->series_count > curves ? "Grey lines: the bound, " : "This lesson has no bound here",
           plot->series_count > curves ? BOUND_TEXT : "");
}

// ---- the ladder

// The variant's error at the largest size where one was found: sampled rows of simulated cards have none.
static const hd_result *row_with_error(const hd_report_lesson *lesson, const hd_result *of) {
  const hd_result *best = NULL;
  if (isfinite(of->max_rel_error) && of->max_rel_error >= 0) return of;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (strcmp(row->variant, of->variant) != 0 || strcmp(row->device, of->device) != 0) continue;
    if (!hd_row_is_drawable(lesson, row) || !isfinite(row->max_rel_error) || row->max_rel_error < 0) continue;
    if (best == NULL || row->size > best->size) best = row;
  }
  return best;
}

static void choose_ladder(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                          const char *device) {
  long size = hd_common_size(lesson, device);
  hd_plot *plot = hd_plots_add(plots, lesson->number == 3 || lesson->number == 13 ? "panels" : "ladder");
  const hd_result *first = NULL;
  bool bounds = false, shares = hd_has_roofs(lesson, device);
  long error_size = 0;
  for (int r = 0; r < lesson->rung_count && plot->bar_count < HD_MAX_BARS; r++) {
    const hd_result *row = hd_pick_row(run, lesson, device, lesson->rungs[r].name, size);
    if (row == NULL) continue;
    if (first == NULL) first = row;
    hd_bar *bar = &plot->bars[plot->bar_count++];
    char place[96];
    hd_row_place(place, lesson, row);
    snprintf(bar->label, sizeof bar->label, "%.40s, %.48s", row->variant, place);
    bar->value = row->value;
    hd_row_interval(row, &bar->low, &bar->high);
    bar->bound = hd_row_bound(row);
    const hd_result *known = row_with_error(lesson, row);
    bar->error = known ? known->max_rel_error : -1;
    if (known && known != row) error_size = known->size;
    bar->open = hd_row_is_model(row);
    hd_text_number(bar->value_text, row->value);
    bounds |= bar->bound > 0;
    if (bar->bound > 0)
      snprintf(bar->share, sizeof bar->share, "%.*f %%", row->bound_fraction < 0.0995 ? 1 : 0,
               100 * row->bound_fraction);
    // Rungs of unlike work have nothing in common but their bounds.
    if (shares && bar->bound > 0) {
      double scale = 100 / (hd_unit_is_time(row->unit) ? row->value / row->bound_fraction : bar->bound);
      bar->low *= scale;
      bar->high *= scale;
      bar->value *= scale;
      bar->bound = 100;
    } else if (shares) {
      plot->bar_count--;
    }
  }
  if (plot->bar_count < 2) {  // a single rung (the serial reference of a GPU lesson) is no ladder
    hd_plots_drop_last(plots);
    return;
  }
  bool panels = strcmp(plot->script, "panels") == 0;
  char clock[128], source[400], text[HD_TEXT];
  snprintf(plot->title, sizeof plot->title, "%s: %s at %s = %s", lesson->title,
           !panels                        ? "the ladder"
           : hd_unit_is_time(first->unit) ? "time and error"
                                          : "speed and error",
           hd_size_name(lesson), hd_text_size(text, size));
  snprintf(plot->subtitle, sizeof plot->subtitle, "%s, %s", hd_clock_text(clock, first),
           direction(first->unit));
  snprintf(plot->value_title, sizeof plot->value_title, "%s", first->unit);
  snprintf(plot->x_title, sizeof plot->x_title, "%s%s", shares ? "share of its own bound in %" : first->unit,
           bounds && panels ? " (grey: the bound)" : "");
  if (panels) snprintf(plot->y_title, sizeof plot->y_title, "max. relative error");
  if (panels && error_size)
    snprintf(plot->y_title, sizeof plot->y_title, "max. relative error, found at %s = %s",
             hd_size_name(lesson), hd_text_size(text, error_size));
  hd_name_plot(plot, lesson, panels ? "time-error" : "ladder", device);
  hd_caption_source(source, sizeof source, run, first);
  size_t used = (size_t)snprintf(
      plot->caption, sizeof plot->caption, "%s From the first rung (top) to the last. %s%s%s.", source,
      hd_row_is_model(first) ? "Pale bars are modelled. " : "",
      bounds ? "Grey lines: the bound, " : "This lesson has no bound here", bounds ? BOUND_TEXT : "");
  for (int i = 0; i < lesson->row_count && panels; i++) {
    const hd_result *row = &lesson->rows[i];
    if (hd_row_is_drawable(lesson, row) || row->size != size || strcmp(row->device, device) != 0) continue;
    if (used < sizeof plot->caption)
      used += (size_t)snprintf(plot->caption + used, sizeof plot->caption - used,
                               row->verified ? " Not drawn: %s, wrong on purpose."
                                             : " Not drawn because its result is wrong: %s, error %s.",
                               row->variant, hd_text_number(text, row->max_rel_error));
  }
}

// The part of its lesson that a variant "PART/NAME" belongs to: several computations of one lesson share no
// plot.
static size_t part_length(const char *variant) {
  const char *slash = strchr(variant, '/');
  return slash ? (size_t)(slash - variant) : 0;
}

static bool same_part(const char *a, const char *b) {
  return part_length(a) == part_length(b) && strncmp(a, b, part_length(a)) == 0;
}

// Of a lesson, what the part of the rung `first` holds; the rest of the rungs and rows are left out.
static hd_report_lesson part_of(const hd_report_lesson *lesson, int first) {
  const char *name = lesson->rungs[first].name;
  const int length = (int)part_length(name);
  hd_report_lesson part = *lesson;
  part.rungs = calloc((size_t)lesson->rung_count, sizeof *part.rungs);
  part.rows = calloc((size_t)lesson->row_count + 1, sizeof *part.rows);
  if (!part.rungs || !part.rows) hd_cannot("hold the lesson", lesson->id);
  part.rung_count = part.row_count = 0;
  for (int r = 0; r < lesson->rung_count; r++)
    if (same_part(lesson->rungs[r].name, name)) part.rungs[part.rung_count++] = lesson->rungs[r];
  for (int i = 0; i < lesson->row_count; i++)
    if (same_part(lesson->rows[i].variant, name)) part.rows[part.row_count++] = lesson->rows[i];
  if (length) {
    snprintf(part.slug, sizeof part.slug, "%.48s-%.*s", lesson->slug, length, name);
    snprintf(part.title, sizeof part.title, "%.80s, %.*s", lesson->title, length, name);
  }
  return part;
}

static void choose_part(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                        const hd_report_run *committed, int committed_count) {
  const char *places[MAX_PLACES];
  int count = hd_lesson_places(lesson, places, MAX_PLACES);
  hd_choose_histogram(plots, run, lesson);
  hd_choose_rooflines(plots, run, lesson);
  hd_choose_break_even(plots, run, lesson);
  for (int i = 0; i < count; i++) {
    choose_ladder(plots, run, lesson, places[i]);
    choose_sizes(plots, run, lesson, places[i], committed, committed_count);
    hd_choose_sweep(plots, run, lesson, places[i]);
    hd_choose_timeline(plots, run, lesson, places[i]);
    hd_choose_figures(plots, run, lesson, places[i]);
  }
}

void hd_choose_plots(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                     const hd_report_run *committed, int committed_count) {
  for (int first = 0; first < lesson->rung_count; first++) {
    bool chosen = false;
    for (int r = 0; r < first; r++) chosen |= same_part(lesson->rungs[r].name, lesson->rungs[first].name);
    if (chosen) continue;
    hd_report_lesson part = part_of(lesson, first);
    choose_part(plots, run, &part, committed, committed_count);
    free(part.rungs);
    free(part.rows);
  }
}
