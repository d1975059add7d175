// SPDX-License-Identifier: MIT
// Break-even: the CPU against a GPU to which the data must first be brought. For lessons whose rows carry the
// figure "link", the least time that moving the data takes. The one plot in which CPU and GPU stand together:
// the caption names both clocks.
#include <math.h>
#include <string.h>

#include "choose.h"

enum { MAX_PLACES = 8 };

static double link_us(const hd_report_lesson *lesson, const hd_result *row) {
  const hd_figure_row *f = hd_lesson_figure(lesson, row, "link");
  return f != NULL ? f->value * 1e6 : NAN;
}

// What a row does with its data.
enum moving { ON_CPU, MOVES, MOVES_AND_KEEPS, HAS_THEM };

static bool is_so(const hd_report_lesson *lesson, const hd_result *row, const char *device,
                  enum moving what) {
  if (what == ON_CPU) return hd_row_is_cpu(row);
  if (strcmp(row->device, device) != 0) return false;
  const bool moves = !isnan(link_us(lesson, row));
  const hd_figure_row *stays = hd_lesson_figure(lesson, row, "stays on the GPU");
  if (what == MOVES_AND_KEEPS) return moves && stays != NULL && stays->value > 0;
  return moves == (what == MOVES);
}

// The fastest drawable row of these at this size.
static const hd_result *fastest(const hd_report_lesson *lesson, const char *device, enum moving what,
                                long size) {
  const hd_result *best = NULL;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (row->size != size || !hd_row_is_drawable(lesson, row) || !is_so(lesson, row, device, what)) continue;
    if (best == NULL || row->median_s < best->median_s) best = row;
  }
  return best;
}

static void add_point(hd_series *series, const hd_result *row) {
  const double low = row->ci_low_s > 0 ? row->ci_low_s : row->median_s,
               high = row->ci_high_s > 0 ? row->ci_high_s : row->median_s;
  if (series != NULL) hd_series_point(series, (double)row->size, row->median_s * 1e6, low * 1e6, high * 1e6);
}

// Sizes at which the device has rows.
static int sizes_of(const hd_report_lesson *lesson, const char *device, long sizes[HD_MAX_COUNTS]) {
  int count = 0;
  for (int i = 0; i < lesson->row_count; i++)
    if (strcmp(lesson->rows[i].device, device) == 0 && hd_row_is_drawable(lesson, &lesson->rows[i]))
      hd_add_count(sizes, &count, lesson->rows[i].size);
  return count;
}

static void add_curves(hd_plot *plot, const hd_report_lesson *lesson, const char *device) {
  for (int r = 0; r < lesson->rung_count; r++) {
    hd_series *series = NULL;
    for (int i = 0; i < lesson->row_count; i++) {
      const hd_result *row = &lesson->rows[i];
      if (strcmp(row->variant, lesson->rungs[r].name) != 0 || strcmp(row->device, device) != 0 ||
          !hd_row_is_drawable(lesson, row))
        continue;
      char label[96];
      snprintf(label, sizeof label, "%s%s", row->variant, hd_row_is_model(row) ? " (model)" : "");
      if (series == NULL) series = hd_plot_series(plot, HD_SERIES_CURVE, label, r + 1);
      if (series != NULL) series->open = series->dashed = hd_row_is_model(row);
      add_point(series, row);
    }
  }
}

// From which size on the GPU wins; and how often the work must be done on data that have been moved once.
static void describe(char *out, size_t size, const hd_report_lesson *lesson, const char *device,
                     const long *sizes, int count) {
  const hd_result *cpu = NULL;
  long from = -1;
  for (int i = 0; i < count; i++) {
    const hd_result *c = fastest(lesson, device, ON_CPU, sizes[i]),
                    *m = fastest(lesson, device, MOVES, sizes[i]);
    if (c == NULL || m == NULL) continue;
    cpu = c;
    if (m->median_s >= c->median_s)
      from = -1;
    else if (from < 0)
      from = sizes[i];
  }
  if (cpu == NULL) {
    snprintf(out, size, "The run holds no CPU row at these sizes.");
    return;
  }
  char text[HD_TEXT];
  const char *name = hd_size_name(lesson);
  int used = from < 0 ? snprintf(out, size, "Done once, data moved, the GPU wins at no size up to %s = %s.",
                                 name, hd_text_size(text, cpu->size))
                      : snprintf(out, size, "Done once, data moved, the GPU wins from %s = %s on.", name,
                                 hd_text_size(text, from));
  const hd_result *moved = fastest(lesson, device, MOVES_AND_KEEPS, cpu->size),
                  *stays = fastest(lesson, device, HAS_THEM, cpu->size);
  if (moved == NULL || stays == NULL || stays->median_s >= cpu->median_s || used >= (int)size) return;
  // k times on the GPU: moved + (k - 1) · stays.
  const double k = (moved->median_s - stays->median_s) / (cpu->median_s - stays->median_s);
  snprintf(out + used, size - (size_t)used,
           " Done k times on data that stay there (%s, then %s), it wins at %s = %s from k = %.0f on.",
           moved->variant, stays->variant, name, hd_text_size(text, cpu->size), fmax(1, floor(k) + 1));
}

static void choose(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                   const char *device) {
  long sizes[HD_MAX_COUNTS];
  const int count = sizes_of(lesson, device, sizes);
  const hd_result *shown = count > 1 ? fastest(lesson, device, MOVES, sizes[count - 1]) : NULL;
  if (shown == NULL) return;
  hd_plot *plot = hd_plots_add(plots, "curves");
  hd_series *cpu = NULL;
  for (int i = 0; i < count; i++) {
    const hd_result *row = fastest(lesson, device, ON_CPU, sizes[i]);
    if (row == NULL) continue;
    if (cpu == NULL) cpu = hd_plot_series(plot, HD_SERIES_CURVE, "CPU, its fastest variant (measured)", 1);
    add_point(cpu, row);
  }
  add_curves(plot, lesson, device);
  hd_series *link = hd_plot_series(plot, HD_SERIES_LINE, "the link: all data moved once", 0);
  for (int i = 0; i < count && link != NULL; i++) {
    const hd_result *row = fastest(lesson, device, MOVES, sizes[i]);
    if (row != NULL) hd_series_point(link, (double)sizes[i], link_us(lesson, row), 0, 0);
  }
  plot->log_x = plot->log_y = true;
  hd_plot_set_tics(plot, sizes, count, true);
  hd_name_plot(plot, lesson, "break-even", device);
  char name[64], source[400], says[500];
  hd_device_name(name, device);
  describe(says, sizeof says, lesson, device, sizes, count);
  snprintf(plot->title, sizeof plot->title, "%s: when does the GPU pay?", lesson->title);
  snprintf(plot->subtitle, sizeof plot->subtitle, "CPU measured, %s %s; lower is better", name,
           hd_row_is_model(shown) ? "simulated (model)" : "measured");
  snprintf(plot->x_title, sizeof plot->x_title, "%s", hd_size_name(lesson));
  snprintf(plot->y_title, sizeof plot->y_title, "time in µs");
  hd_caption_source(source, sizeof source, run, shown);
  snprintf(plot->caption, sizeof plot->caption,
           "%s The CPU: measured, wall clock. %s Grey line, the bound of the rungs that move their data: "
           "latency and "
           "bandwidth of the link between CPU and GPU.",
           source, says);
}

void hd_choose_break_even(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson) {
  const char *places[MAX_PLACES];
  const int count = hd_lesson_places(lesson, places, MAX_PLACES);
  for (int i = 0; i < count; i++)
    if (strcmp(places[i], "cpu") != 0) choose(plots, run, lesson, places[i]);
}
