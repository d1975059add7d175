// SPDX-License-Identifier: MIT
// One plot: its data file and its driver for plots/*.gp. Drivers and data files stay beside the
// pictures and name no folder of this machine, so that a reader can take them and draw the plot again.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum { WIDTH = 900, LABEL_HEIGHT = 17, TOP = 76, LEGEND = 22, BOTTOM = 62 };

// ---- lists

static void *need(void *memory) {
  if (memory == NULL) {
    fputs("heddle-report: out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

hd_plot *hd_plots_add(hd_plots *plots, const char *script) {
  plots->plots = need(realloc(plots->plots, (size_t)(plots->count + 1) * sizeof *plots->plots));
  hd_plot *plot = need(calloc(1, sizeof *plot));
  plot->script = script;
  plot->series = need(calloc(HD_MAX_SERIES, sizeof *plot->series));
  plot->bars = need(calloc(HD_MAX_BARS, sizeof *plot->bars));
  return plots->plots[plots->count++] = plot;
}

void hd_plots_drop_last(hd_plots *plots) {
  hd_plot *plot = plots->plots[--plots->count];
  free(plot->series);
  free(plot->bars);
  free(plot->boxes);
  free(plot);
}

void hd_plots_free(hd_plots *plots) {
  while (plots->count > 0) hd_plots_drop_last(plots);
  free(plots->plots);
}

hd_series *hd_plot_series(hd_plot *plot, enum hd_series_kind kind, const char *label, int colour) {
  if (plot->series_count == HD_MAX_SERIES) return NULL;
  hd_series *series = &plot->series[plot->series_count++];
  series->kind = kind;
  series->colour = colour;
  snprintf(series->label, sizeof series->label, "%s", label);
  return series;
}

void hd_series_point(hd_series *series, double x, double y, double low, double high) {
  if (series == NULL || series->count == HD_MAX_POINTS || !isfinite(x) || !isfinite(y)) return;
  int i = series->count++;
  series->points[i].x = x;
  series->points[i].y = y;
  series->points[i].low = low;
  series->points[i].high = high;
}

// ---- ranges and labels

static double to_axis(bool log, double x) {
  return log ? log10(x) : x;
}

static double from_axis(bool log, double x) {
  return log ? pow(10, x) : x;
}

static void set_ranges(hd_plot *plot) {
  double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
  for (int s = 0; s < plot->series_count; s++)
    for (int i = 0; i < plot->series[s].count; i++) {
      x0 = fmin(x0, plot->series[s].points[i].x);
      x1 = fmax(x1, plot->series[s].points[i].x);
      y0 = fmin(y0, plot->series[s].points[i].y);
      y1 = fmax(y1, plot->series[s].points[i].y);
    }
  if (plot->x_min == plot->x_max) {
    double low = to_axis(plot->log_x, x0), high = to_axis(plot->log_x, x1);
    double edge = high > low ? 0.04 * (high - low) : plot->log_x ? 0.3 : 0.5;
    plot->x_min = from_axis(plot->log_x, low - edge);
    plot->x_max = from_axis(plot->log_x, high + edge);
  }
  if (plot->y_min == plot->y_max) {
    double low = plot->log_y ? log10(y0) : fmin(0, y0), high = to_axis(plot->log_y, y1);
    double edge = 0.07 * (high > low ? high - low : 1);
    plot->y_min = from_axis(plot->log_y, plot->log_y ? low - edge : low);
    plot->y_max = from_axis(plot->log_y, high + edge);
  }
}

typedef struct label {
  const hd_series *series;
  int point;     // the one it is joined to
  double at, y;  // height of that point and of the label, as a part of the axis
} label;

// A label belongs to the last point of its series; of a histogram, to its peak.
static int labelled_point(const hd_series *series) {
  int best = series->count - 1;
  for (int i = 0; i < series->count && series->kind == HD_SERIES_STEPS; i++)
    if (series->points[i].y > series->points[best].y) best = i;
  return best;
}

static int by_height(const void *a, const void *b) {
  const label *x = a, *y = b;
  return x->at < y->at ? -1 : x->at > y->at;
}

// Puts a label for every series in the right margin, at the height of its point, and pushes labels apart
// that would overlap. Returns their number.
static int place_labels(const hd_plot *plot, label *labels, int height) {
  int count = 0;
  double low = to_axis(plot->log_y, plot->y_min), high = to_axis(plot->log_y, plot->y_max);
  for (int s = 0; s < plot->series_count; s++) {
    const hd_series *series = &plot->series[s];
    if (series->count == 0 || !*series->label) continue;
    int point = labelled_point(series);
    double at = (to_axis(plot->log_y, series->points[point].y) - low) / (high - low);
    labels[count++] = (label){.series = series, .point = point, .at = at, .y = at};
  }
  qsort(labels, (size_t)count, sizeof *labels, by_height);
  double gap = (double)LABEL_HEIGHT / (height - TOP - BOTTOM);
  for (int i = 0; i < count; i++) {
    double floor = i == 0 ? 0 : labels[i - 1].y + gap;
    labels[i].y = fmax(labels[i].y, floor);
  }
  for (int i = count - 1; i >= 0; i--) {
    double ceiling = i == count - 1 ? 1 : labels[i + 1].y - gap;
    labels[i].y = fmin(labels[i].y, ceiling);
  }
  return count;
}

// ---- drivers

// A single-quoted gnuplot string: in it only the quote is special.
static void quote(FILE *out, const char *text) {
  fputc('\'', out);
  for (; *text; text++) {
    if (*text == '\'') fputc('\'', out);
    fputc(*text, out);
  }
  fputc('\'', out);
}

static void define(FILE *out, const char *name, const char *text) {
  fprintf(out, "%s = ", name);
  quote(out, text);
  fputc('\n', out);
}

static void define_strings(FILE *out, const char *name, int count, const char *first, size_t stride) {
  fprintf(out, "array %s[%d]\n", name, count > 0 ? count : 1);
  for (int i = 0; i < count; i++) {
    fprintf(out, "%s[%d] = ", name, i + 1);
    quote(out, first + (size_t)i * stride);
    fputc('\n', out);
  }
}

// Tics of a logarithmic axis as long as `share` of a whole one: 1, 2, 5 of each decade with a text where
// there are few decades, and every decade else.
static void write_log_tics(FILE *out, double share, double low, double high) {
  double decades = log10(high / low);
  int step = (int)ceil(decades / 9), first = (int)floor(log10(low)), last = (int)ceil(log10(high));
  const char *comma = "";
  for (int d = first; d <= last; d++)
    for (int m = 1; m < 10; m++) {
      double x = m * pow(10, d);
      char text[HD_TEXT];
      if (x < low || x > high || (decades > 6 && m > 1)) continue;
      bool major = m == 1 ? (d - first) % step == 0 : decades < 2.2 * share && (m == 2 || m == 5);
      fprintf(out, major ? "%s'%s' %.9g" : "%s'%.0s' %.9g 1", comma, hd_text_tic(text, x), x);
      comma = ", ";
    }
}

static void write_linear_tics(FILE *out, double low, double high) {
  double step = pow(10, floor(log10((high - low) / 4)));
  while ((high - low) / step > 8) step *= (high - low) / step > 20 ? 5 : 2;
  const char *comma = "";
  for (double i = ceil(low / step); i * step <= high; i++) {
    char text[HD_TEXT];
    fprintf(out, "%s'%s' %.9g", comma, hd_text_tic(text, i * step), i * step);
    comma = ", ";
  }
}

static void define_tics(FILE *out, const char *name, bool log, double low, double high) {
  const double few_decades = 0.6;  // 1, 2, 5 would leave one tic or none
  fprintf(out, "%s = \"(", name);
  if (log && log10(high / low) > few_decades)
    write_log_tics(out, 1, low, high);
  else
    write_linear_tics(out, low, high);
  fputs(")\"\n", out);
}

static void write_curves(hd_plot *plot, FILE *data, FILE *driver, int *height) {
  set_ranges(plot);
  if (*height < plot->series_count * LABEL_HEIGHT + TOP + BOTTOM)
    *height = plot->series_count * LABEL_HEIGHT + TOP + BOTTOM;
  label labels[HD_MAX_SERIES];
  int label_count = place_labels(plot, labels, *height), widest = 8, number = 0;
  for (int kind = HD_SERIES_LINE; kind <= HD_SERIES_STEPS; kind++)
    for (int s = 0; s < plot->series_count; s++) {
      const hd_series *series = &plot->series[s];
      if (series->kind != (enum hd_series_kind)kind || series->count == 0) continue;
      number++;
      fprintf(data, "# %s\n", series->label);
      for (int i = 0; i < series->count; i++)
        fprintf(data, "%.9g %.9g %.9g %.9g\n", series->points[i].x, series->points[i].y,
                series->points[i].low, series->points[i].high);
      fputs("\n\n", data);
      fprintf(driver, "kind_%d = %d; colour_%d = %d; dash_%d = %d; open_%d = %d\n", number, kind, number,
              series->colour, number, series->dashed ? 2 : 1, number, series->open);
    }
  fprintf(driver, "series = %d\n", number);
  fprintf(driver, "log_x = %d; log_y = %d\nx_min = %.9g; x_max = %.9g; y_min = %.9g; y_max = %.9g\n",
          plot->log_x, plot->log_y, plot->x_min, plot->x_max, plot->y_min, plot->y_max);
  if (*plot->x_tics)
    define(driver, "x_tics", plot->x_tics);
  else
    define_tics(driver, "x_tics", plot->log_x, plot->x_min, plot->x_max);
  define_tics(driver, "y_tics", plot->log_y, plot->y_min, plot->y_max);
  fprintf(driver, "labels = %d\narray label_text[%d]; array label_y[%d]; array label_from_x[%d]\n",
          label_count, label_count + 1, label_count + 1, label_count + 1);
  fprintf(driver, "array label_from_y[%d]; array label_colour[%d]; array label_mark[%d]\n", label_count + 1,
          label_count + 1, label_count + 1);
  for (int i = 0; i < label_count; i++) {
    const hd_series *series = labels[i].series;
    int last = labels[i].point;
    int mark = series->kind == HD_SERIES_LINE ? -1 : series->kind == HD_SERIES_STEPS ? 2 : series->open;
    fprintf(driver, "label_mark[%d] = %d; label_text[%d] = ", i + 1, mark, i + 1);
    quote(driver, series->label);
    fprintf(driver,
            "; label_y[%d] = %.6f; label_colour[%d] = %d; label_from_x[%d] = %.9g; label_from_y[%d] = %.9g\n",
            i + 1, labels[i].y, i + 1, series->colour, i + 1, series->points[last].x, i + 1,
            series->points[last].y);
    if (hd_text_width(series->label) > widest) widest = hd_text_width(series->label);
  }
  fprintf(driver, "right_margin = %.4f\n", fmin(0.45, (widest * 7.6 + 54) / WIDTH));
}

static void write_bars(const hd_plot *plot, FILE *data, FILE *driver, int *height) {
  int left = 6, values = hd_text_width(plot->value_title), shares = 8;
  double largest = 0, smallest = INFINITY, largest_bound = 0, largest_error = 0, smallest_error = INFINITY;
  for (int i = 0; i < plot->bar_count; i++) {
    const hd_bar *bar = &plot->bars[i];
    fprintf(data, "%d %.9g %.9g %.9g %.9g %.9g %d %d\n", i + 1, bar->value, bar->low, bar->high,
            bar->bound > 0 ? bar->bound : NAN, bar->error >= 0 ? bar->error : NAN, bar->colour, bar->open);
    if (hd_text_width(bar->label) > left) left = hd_text_width(bar->label);
    if (hd_text_width(bar->value_text) > values) values = hd_text_width(bar->value_text);
    largest = fmax(largest, fmax(bar->value, bar->high));
    smallest = fmin(smallest, bar->value);
    if (bar->bound > 0) {
      largest_bound = fmax(largest_bound, bar->bound);
      smallest = fmin(smallest, bar->bound);
    }
    if (bar->error > 0) {
      largest_error = fmax(largest_error, bar->error);
      smallest_error = fmin(smallest_error, bar->error);
    }
  }
  // A bound far above every bar would leave nothing to see of the bars.
  bool bound_fits = largest_bound > 0 && largest_bound <= 25 * largest;
  *height = (plot->bar_count > 3 ? plot->bar_count : 3) * 34 + TOP + BOTTOM;
  define_strings(driver, "bar_label", plot->bar_count, plot->bars[0].label, sizeof plot->bars[0]);
  define_strings(driver, "bar_value", plot->bar_count, plot->bars[0].value_text, sizeof plot->bars[0]);
  define_strings(driver, "bar_share", plot->bar_count, plot->bars[0].share, sizeof plot->bars[0]);
  define(driver, "value_title", plot->value_title);
  define(driver, "share_title", largest_bound > 0 ? "of bound" : "");
  fprintf(driver, "bars = %d\nbound_x = %.9g\n", plot->bar_count, bound_fits ? plot->bars[0].bound : -1.0);
  fprintf(driver, "left_margin = %.4f\nright_margin = %.4f\n", fmin(0.4, (left * 7.8 + 24) / WIDTH),
          fmin(0.4, ((values + (largest_bound > 0 ? shares + 2 : 0)) * 7.8 + 34) / WIDTH));
  fprintf(driver, "share_width = %.4f\n", largest_bound > 0 ? (shares + 2) * 7.8 / WIDTH : 0.0);
  double end = 1.06 * (bound_fits ? fmax(largest, largest_bound) : largest);
  fprintf(driver, "x_max = %.9g\n", end);
  define_tics(driver, "x_tics", false, 0, end);
  fputs("log_tics = \"(", driver);
  write_log_tics(driver, 0.5, smallest / 2, fmax(largest, largest_bound) * 2);
  fputs(")\"\n", driver);
  fprintf(driver, "log_min = %.9g; log_max = %.9g\n", smallest / 2, fmax(largest, largest_bound) * 2);
  bool errors = largest_error > 0;
  fprintf(driver, "error_min = %.9g; error_max = %.9g\n", errors ? smallest_error / 20 : 1e-18,
          errors ? largest_error * 20 : 1e-14);
}

// One line per box: its place, its colour, and its label where the box is wide enough for it.
static void write_boxes(const hd_plot *plot, FILE *data, FILE *driver, int *height) {
  double end = 0;
  int left = 6;
  for (int i = 0; i < plot->box_count; i++) end = fmax(end, plot->boxes[i].end);
  for (int i = 0; i < plot->box_count; i++) {
    const hd_box *box = &plot->boxes[i];
    const bool wide = (box->end - box->start) / end > 0.011 * hd_text_width(box->label);
    fprintf(data, "%.9g %.9g %d %d %s\n", box->start, box->end, box->lane, box->colour,
            wide && *box->label ? box->label : "-");
  }
  for (int i = 0; i < plot->lane_count; i++) {
    const int width = hd_text_width(plot->lanes[i].group) + hd_text_width(plot->lanes[i].name) + 2;
    if (width > left) left = width;
  }
  *height = plot->lane_count * 22 + TOP + LEGEND + BOTTOM;
  define_strings(driver, "kind_name", plot->kind_count, plot->kinds[0].text, sizeof plot->kinds[0]);
  fprintf(driver, "kinds = %d; array kind_colour[%d]\n", plot->kind_count, HD_MAX_KINDS);
  for (int i = 0; i < plot->kind_count; i++)
    fprintf(driver, "kind_colour[%d] = %d\n", i + 1, plot->kinds[i].colour);
  define_strings(driver, "lane_group", plot->lane_count, plot->lanes[0].group, sizeof plot->lanes[0]);
  define_strings(driver, "lane_name", plot->lane_count, plot->lanes[0].name, sizeof plot->lanes[0]);
  fprintf(driver, "lanes = %d\nx_max = %.9g\nleft_margin = %.4f\n", plot->lane_count, 1.01 * end,
          fmin(0.4, (left * 7.8 + 24) / WIDTH));
  define_tics(driver, "x_tics", false, 0, 1.01 * end);
}

static FILE *create(const hd_studio *studio, const char *name, const char *ending) {
  char path[1400];
  snprintf(path, sizeof path, "%s/plots/data/%s.%s", studio->out, name, ending);
  FILE *file = fopen(path, "w");
  if (file == NULL) hd_cannot("write", path);
  return file;
}

static void finish(FILE *file, const char *name) {
  if (ferror(file) | fclose(file)) hd_cannot("write the data of plot", name);
}

void hd_plot_draw(hd_studio *studio, hd_plot *plot) {
  int height = 470;
  FILE *data = create(studio, plot->name, "dat"), *driver = create(studio, plot->name, "gp");
  fprintf(driver, "# Draw again, in the folder above: gnuplot -e \"scripts = 'plots'\" data/%s.gp\n",
          plot->name);
  if (plot->box_count > 0)
    write_boxes(plot, data, driver, &height);
  else if (plot->bar_count > 0)
    write_bars(plot, data, driver, &height);
  else
    write_curves(plot, data, driver, &height);
  fprintf(driver, "width = %d; height = %d\ndata = 'data/%s.dat'\n", WIDTH, height, plot->name);
  define(driver, "plot_title", plot->title);
  define(driver, "plot_subtitle", plot->subtitle);
  define(driver, "x_title", plot->x_title);
  define(driver, "y_title", plot->y_title);
  static const char *const kinds[][2] = {{"light", ".svg"}, {"dark", "-dark.svg"}, {"light", ".png"}};
  for (int i = 0; i < 3; i++)
    fprintf(driver, "theme = '%s'; picture = '%s%s'; load scripts.'/%s.gp'\n", kinds[i][0], plot->name,
            kinds[i][1], plot->script);
  finish(data, plot->name);
  finish(driver, plot->name);
  if (*studio->gnuplot == '\0') return;
  plot->drawn = hd_run_gnuplot(studio, plot->name);
  if (plot->drawn)
    studio->drawn++;
  else
    studio->failed++;
  if (!plot->drawn) fprintf(stderr, "heddle-report: warning: gnuplot could not draw %s\n", plot->name);
}
