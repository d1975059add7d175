// SPDX-License-Identifier: MIT
// A lesson whose rows tell what they did when (<lesson>-spans.csv) gets a timeline: its variants one above
// the other on one axis of time, at the largest count at which most of them have one.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "choose.h"

static bool of_row(const hd_span_row *s, const hd_result *row) {
  return strcmp(s->variant, row->variant) == 0 && s->size == row->size && s->threads == row->threads &&
         s->devices == row->devices && strcmp(s->device, row->device) == 0;
}

// The last timeline that was written for a row, or -1.
static long last_set(const hd_report_lesson *lesson, const hd_result *row) {
  long set = -1;
  for (int i = 0; i < lesson->span_count; i++)
    if (of_row(&lesson->spans[i], row) && lesson->spans[i].set > set) set = lesson->spans[i].set;
  return set;
}

static bool same_case(const hd_result *a, const hd_result *b) {
  return a->size == b->size && a->threads == b->threads && a->devices == b->devices &&
         strcmp(a->device, b->device) == 0;
}

// A row whose case has the most variants with timelines, several ranks before one; of equals the one with
// more ranks, then the larger. More than four ranks a variant are too many to read.
static const hd_result *fullest_case(const hd_report_lesson *lesson, const char *device) {
  const hd_result *best = NULL;
  int most = 0, best_ranks = 0;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    const int ranks = row->threads + row->devices;
    if (!hd_at_place(lesson, row, device)) continue;
    int variants = 0;
    for (int j = 0; j < lesson->row_count; j++)
      variants += same_case(&lesson->rows[j], row) && hd_at_place(lesson, &lesson->rows[j], device) &&
                  last_set(lesson, &lesson->rows[j]) >= 0;
    if (variants == 0 || variants * ranks > HD_MAX_LANES || ranks > 4) continue;
    const bool alone = ranks == 1, best_alone = best_ranks <= 1;
    const bool better = alone != best_alone   ? best_alone
                        : variants != most    ? variants > most
                        : ranks != best_ranks ? ranks > best_ranks
                                              : row->size > best->size;
    if (!better) continue;
    most = variants;
    best_ranks = ranks;
    best = row;
  }
  return best;
}

// Part `index` of a list as lessons write it, "one, two", to text; false if there is none.
static bool part_of(const char *list, int index, char *text, size_t size) {
  for (; list && index > 0; index--) list = strstr(list, ", ") ? strstr(list, ", ") + 2 : NULL;
  if (!list || !*list) return false;
  const char *end = strstr(list, ", ");
  snprintf(text, size, "%.*s", (int)(end ? end - list : (long)strlen(list)), list);
  return true;
}

// The first letter of a label is its kind; kinds are coloured in the order in which they turn up.
static int colour_of(hd_plot *plot, const hd_report_lesson *lesson, char kind) {
  static const int order[HD_MAX_KINDS] = {1, 3, 4, 2, 5, 6, 7, 8};
  for (int i = 0; i < plot->kind_count; i++)
    if (plot->kinds[i].text[0] == kind) return plot->kinds[i].colour;
  if (plot->kind_count == HD_MAX_KINDS) return order[HD_MAX_KINDS - 1];
  const int known = plot->kind_count++;
  char *text = plot->kinds[known].text;
  for (int i = 0; part_of(lesson->kinds, i, text, sizeof plot->kinds[0].text) && text[0] != kind; i++) {
  }
  if (text[0] != kind) snprintf(text, sizeof plot->kinds[0].text, "%c", kind);
  return plot->kinds[known].colour = order[known];
}

// "1", or "1 sums" where a rank has several lanes; of a single rank, "sums".
static void name_lane(const hd_report_lesson *lesson, const hd_result *row, int lane, char *name,
                      size_t size) {
  int each = 0;
  char text[20];
  while (part_of(lesson->lanes, each, text, sizeof text)) each++;
  if (each == 0)
    snprintf(name, size, "%d", lane);
  else if (part_of(lesson->lanes, lane % each, text, sizeof text) && row->threads + row->devices <= 1)
    snprintf(name, size, "%s", text);
  else
    snprintf(name, size, "%d %s", lane / each, text);
}

static void add_row(hd_plot *plot, const hd_report_lesson *lesson, const hd_result *row, double scale) {
  const long set = last_set(lesson, row);
  const int first = plot->lane_count;
  for (int i = 0; i < lesson->span_count; i++) {
    const hd_span_row *s = &lesson->spans[i];
    const int lane = first + (int)s->lane;
    if (!of_row(s, row) || s->set != set || lane >= HD_MAX_LANES || plot->box_count == HD_MAX_BOXES) continue;
    hd_box *box = &plot->boxes[plot->box_count++];
    *box = (hd_box){.lane = lane, .start = scale * s->start_s, .end = scale * s->end_s};
    box->colour = colour_of(plot, lesson, s->label[0]);
    snprintf(box->label, sizeof box->label, "%s", s->label);
    for (; plot->lane_count <= lane; plot->lane_count++)
      name_lane(lesson, row, plot->lane_count - first, plot->lanes[plot->lane_count].name,
                sizeof plot->lanes[0].name);
  }
  snprintf(plot->lanes[first].group, sizeof plot->lanes[first].group, "%s", row->variant);
}

void hd_choose_timeline(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                        const char *device) {
  const hd_result *shown = fullest_case(lesson, device);
  if (shown == NULL) return;
  hd_plot *plot = hd_plots_add(plots, "timeline");
  plot->boxes = calloc(HD_MAX_BOXES, sizeof *plot->boxes);
  if (plot->boxes == NULL) {
    hd_plots_drop_last(plots);
    return;
  }
  double longest = 0;
  for (int i = 0; i < lesson->span_count; i++)
    for (int j = 0; j < lesson->row_count; j++)
      if (same_case(&lesson->rows[j], shown) && of_row(&lesson->spans[i], &lesson->rows[j]))
        longest = fmax(longest, lesson->spans[i].end_s);
  const bool micro = longest < 2e-3, milli = longest < 2;
  char place[96], source[400], text[HD_TEXT], clock[128];
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (same_case(row, shown) && hd_at_place(lesson, row, device) && last_set(lesson, row) >= 0)
      add_row(plot, lesson, row, micro ? 1e6 : milli ? 1e3 : 1);
  }
  snprintf(plot->title, sizeof plot->title, "%s: who did what when, %s = %s", lesson->title,
           hd_size_name(lesson), hd_text_size(text, shown->size));
  hd_row_place(place, lesson, shown);
  snprintf(plot->subtitle, sizeof plot->subtitle, hd_row_is_model(shown) ? "%s" : "%s, %s", place,
           hd_clock_text(clock, shown));
  snprintf(plot->x_title, sizeof plot->x_title, "time in %s", micro ? "µs" : milli ? "ms" : "s");
  hd_name_plot(plot, lesson, "timeline", device);
  hd_caption_source(source, sizeof source, run, shown);
  snprintf(plot->caption, sizeof plot->caption,
           "%s One line per rank, or for each of its streams. The letter of a box is its kind of work, the "
           "number what it worked on; white is waiting.",
           source);
}
