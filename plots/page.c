// SPDX-License-Identifier: MIT
// index.html: one static page.
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "page-style.h"
#include "report.h"

// ---- small pieces

static void text(FILE *out, const char *before, const char *escaped, const char *after) {
  fputs(before, out);
  hd_html(out, escaped);
  fputs(after, out);
}

static void number_cell(FILE *out, double x, const char *after) {
  char number[HD_TEXT];
  if (x >= 0 || !(x == x))
    fprintf(out, "<td class=n>%s%s</td>", hd_text_number(number, x), after);
  else
    fputs("<td class=n></td>", out);
}

// "93 %", nothing without a bound, and a warning where the row beats its bound.
static void write_share(FILE *out, const hd_result *row, const char *after) {
  if (hd_row_bound(row) > 0)
    fprintf(out, "%.*f %%%s", row->bound_fraction < 0.0995 ? 1 : 0, 100 * row->bound_fraction, after);
  else if (row->bound_fraction > HD_BEATEN)
    fprintf(out, "<span class=warn>%.1f ×%s, beaten</span>", row->bound_fraction, after);
}

static bool is_built(const hd_rung *rung) {
  return strncmp(rung->status, "needs", 5) != 0;
}

// "../../" from the folder of the page to `path`; false if the file is not there.
static bool relative_path(char *out, size_t size, const char *from, const char *path) {
  char a[4096], b[4096];
  if (realpath(from, a) == NULL || realpath(path, b) == NULL) return false;
  size_t same = 0, last = 0;
  while (a[same] && a[same] == b[same]) {
    same++;
    if ((a[same] == '/' || a[same] == '\0') && (b[same] == '/' || b[same] == '\0')) last = same;
  }
  size_t used = 0;
  *out = '\0';
  for (const char *c = a + last; *c; c++)
    if (*c == '/' && used + 4 < size) used += (size_t)snprintf(out + used, size - used, "../");
  return (size_t)snprintf(out + used, size - used, "%s", b + last + (b[last] == '/')) < size - used;
}

static void link_lesson(FILE *out, const hd_page *page, const hd_report_lesson *lesson) {
  char path[4096], link[4096];
  snprintf(path, sizeof path, "%s/lessons/%s/README.md", page->source, lesson->slug);
  if (relative_path(link, sizeof link, page->studio->out, path)) {
    text(out, "<a href=\"", link, "\">lessons/");
    text(out, "", lesson->slug, "/README.md</a>");
  } else {
    text(out, "lessons/", lesson->slug, "/README.md");
  }
}

static const char *lesson_title(char out[192], const hd_report_lesson *lesson) {
  if (lesson->number >= 0)
    snprintf(out, 192, "%02d · %s", lesson->number, lesson->title);
  else
    snprintf(out, 192, "%s", lesson->title);
  return out;
}

// ---- header

static void write_facts(FILE *out, const hd_report_run *run) {
  static const struct {
    const char *key, *label;
    double scale;  // of a number of bytes; 0: as it is
    const char *unit;
  } known[] = {{"id", "machine", 0, ""},
               {"cpu", "CPU", 0, ""},
               {"cores", "cores", 0, ""},
               {"threads", "usable CPUs", 0, ""},
               {"simd", "SIMD", 0, ""},
               {"l1d_bytes", "L1 data cache", 1024, "KiB"},
               {"l2_bytes", "L2 cache", 1048576, "MiB"},
               {"l3_bytes", "L3 cache", 1048576, "MiB"},
               {"memory_bytes", "memory", 1073741824, "GiB"},
               {"gpu", "GPU", 0, ""},
               {"gpu_count", "GPUs", 0, ""},
               {"os", "system", 0, ""},
               {"compiler", "compiler", 0, ""},
               {"git", "revision", 0, ""},
               {"date", "date", 0, ""},
               {"command", "command", 0, ""}};
  int known_count = (int)(sizeof known / sizeof known[0]);
  fputs("<div class=card><dl>\n", out);
  for (int i = 0; i < run->fact_count; i++) {
    const hd_fact *fact = &run->machine[i];
    int k = 0;
    while (k < known_count && strcmp(known[k].key, fact->key) != 0) k++;
    if (!*fact->value || strcmp(fact->value, "0") == 0) continue;  // not known, or none
    text(out, "<dt>", k < known_count ? known[k].label : fact->key, "</dt><dd>");
    if (k < known_count && known[k].scale > 0) {
      char number[HD_TEXT];
      fprintf(out, "%s %s", hd_text_number(number, atof(fact->value) / known[k].scale), known[k].unit);
    } else {
      hd_html(out, fact->value);
    }
    fputs("</dd>\n", out);
  }
  if (run->fact_count == 0) fputs("<dt>machine</dt><dd>no machine.json in this run</dd>\n", out);
  char folder[4096];
  bool resolved = realpath(run->folder, folder) != NULL;
  text(out, "<dt>results</dt><dd>", resolved ? strrchr(folder, '/') + 1 : run->folder, "");
  fprintf(out, ", %d rows, last written %s", run->row_count, run->written);
  if (*run->profile) text(out, ", profile ", run->profile, "");
  if (run->replaced > 0) fprintf(out, " (%d older rows of the same measurement left out)", run->replaced);
  fputs("</dd>\n</dl></div>\n", out);
}

static void write_head(FILE *out, const hd_page *page) {
  const hd_report_run *run = page->run;
  fputs(
      "<!DOCTYPE html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
      "<meta name=viewport content=\"width=device-width,initial-scale=1\">\n<title>Heddle "
      "report</title>\n<style>\n",
      out);
  fputs(page_style, out);
  fputs(
      "</style>\n</head>\n<body>\n<h1>Heddle report</h1>\n"
      "<p class=soft>One computation per lesson, from a serial loop to many devices. Every row was checked "
      "against a "
      "double-precision reference before it was timed; a row that failed is listed in red and never drawn. "
      "Numbers "
      "with the badge <span class=badge>model</span> come from a simulated GPU's virtual clock: they are "
      "modelled, "
      "not measured.</p>\n",
      out);
  if (strcmp(hd_run_fact(run, "id"), "fixture") == 0)
    fputs(
        "<p class=notice><b>This is a test fixture.</b> Its numbers were made by hand; nothing was "
        "measured.</p>\n",
        out);
  if (hd_warning_count() > 0)
    fprintf(out,
            "<p class=notice>%d damaged line%s of the results could not be read and %s left out; "
            "<code>make plots</code> names them.</p>\n",
            hd_warning_count(), hd_warning_count() == 1 ? "" : "s", hd_warning_count() == 1 ? "was" : "were");
  if (run->stopped)
    fputs(
        "<p class=notice>This run has not come to its end: <code>make bench</code> goes on where it "
        "stopped.</p>\n",
        out);
  if (*page->studio->gnuplot == '\0')
    fputs(
        "<p class=notice>gnuplot was not found, so this page has tables but no plots. Debian and Ubuntu: "
        "<code>apt install gnuplot-nox</code>, then <code>make plots</code>.</p>\n",
        out);
  write_facts(out, run);
}

// ---- summary

static const hd_result *best_row(const hd_report_lesson *lesson, bool model) {
  const hd_result *best = NULL;
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (!hd_row_is_drawable(lesson, row) || hd_row_is_model(row) != model) continue;
    bool time = hd_unit_is_time(row->unit);
    if (time != hd_unit_is_time(lesson->unit)) continue;  // of another part, with a unit of its own
    bool better = best == NULL || row->size > best->size ||
                  (row->size == best->size && (time ? row->value < best->value : row->value > best->value));
    if (better) best = row;
  }
  return best;
}

static void write_best(FILE *out, const hd_report_lesson *lesson, const hd_result *row) {
  char number[HD_TEXT], place[96], size[HD_TEXT];
  if (row == NULL) {
    fputs("<td class=soft>none</td><td></td>", out);
    return;
  }
  text(out, "<td>", row->variant, "<div class=why>");
  hd_html(out, hd_row_place(place, lesson, row));
  fprintf(out, ", %s = %s</div></td>", *lesson->size_name ? lesson->size_name : "size",
          hd_text_size(size, row->size));
  fprintf(out, "<td class=n>%s ", hd_text_number(number, row->value));
  text(out, "", row->unit, "");
  fputs("<div class=why>", out);
  write_share(out, row, " of bound");
  fputs("</div>", out);
  fputs("</td>", out);
}

static void write_status(FILE *out, const hd_report_lesson *lesson) {
  int failed = 0, purpose = 0, missing = 0;
  for (int i = 0; i < lesson->row_count; i++)
    if (!lesson->rows[i].verified) {
      if (hd_is_wrong_on_purpose(lesson, lesson->rows[i].variant))
        purpose++;
      else
        failed++;
    }
  for (int i = 0; i < lesson->rung_count; i++) missing += !is_built(&lesson->rungs[i]);
  fputs("<td class=wrap>", out);
  if (*lesson->skipped) text(out, "<span class=bad>skipped: ", lesson->skipped, "</span>");
  if (failed > 0)
    fprintf(out, "%s<span class=bad>%d row%s not verified</span>", *lesson->skipped ? "<br>" : "", failed,
            failed == 1 ? "" : "s");
  if (lesson->row_count == 0 && !*lesson->skipped) fputs("<span class=warn>not measured</span>", out);
  if (!*lesson->skipped && failed == 0 && lesson->row_count > 0) fputs("all verified", out);
  if (purpose > 0) fprintf(out, "<br><span class=soft>%d wrong on purpose</span>", purpose);
  if (missing > 0)
    fprintf(out, "<br><span class=soft>%d variant%s not built</span>", missing, missing == 1 ? "" : "s");
  fputs("</td>", out);
}

static void write_summary(FILE *out, const hd_page *page) {
  fputs(
      "<h2 id=summary>Summary</h2>\n<div class=card><table>\n<tr><th>lesson</th><th>best measured</th>"
      "<th class=n>value</th><th>best modelled <span class=badge>model</span></th><th class=n>value</th>"
      "<th>status</th></tr>\n",
      out);
  for (int i = 0; i < page->run->lesson_count; i++) {
    const hd_report_lesson *lesson = &page->run->lessons[i];
    char title[192];
    text(out, "<tr><td class=wrap><a href=\"#", lesson->slug, "\">");
    text(out, "", lesson_title(title, lesson), "</a></td>");
    write_best(out, lesson, best_row(lesson, false));
    write_best(out, lesson, best_row(lesson, true));
    write_status(out, lesson);
    fputs("</tr>\n", out);
  }
  fputs(
      "</table></div>\n<p class=soft>Best value at the largest size. “Of bound” is the share of the least "
      "time the "
      "work can take on that machine or card. A bound that a result beats by more than a tenth bounds "
      "nothing and is "
      "not drawn: the data stayed in a cache, or something else ran while the roof was measured.</p>\n",
      out);
}

// True for the first of the variants that miss the same thing.
static bool is_first_unbuilt(const hd_report_lesson *lesson, int rung) {
  if (is_built(&lesson->rungs[rung])) return false;
  for (int r = 0; r < rung; r++)
    if (strcmp(lesson->rungs[r].status, lesson->rungs[rung].status) == 0) return false;
  return true;
}

static void write_unbuilt(FILE *out, const hd_report_lesson *lesson, const char *status) {
  const char *comma = "";
  for (int r = 0; r < lesson->rung_count; r++) {
    if (strcmp(lesson->rungs[r].status, status) != 0) continue;
    text(out, comma, lesson->rungs[r].name, "");
    comma = ", ";
  }
}

static void write_skipped(FILE *out, const hd_report_run *run) {
  int lines = 0;
  fputs("<h2 id=skipped>What was skipped and why</h2>\n", out);
  for (int i = 0; i < run->lesson_count; i++) {
    const hd_report_lesson *lesson = &run->lessons[i];
    char title[192];
    lesson_title(title, lesson);
    if (*lesson->skipped) {
      fputs(lines++ ? "" : "<div class=card><dl>\n", out);
      text(out, "<dt>", title, "</dt>");
      text(out, "<dd class=bad>", lesson->skipped, "</dd>\n");
    } else if (lesson->row_count == 0) {
      fputs(lines++ ? "" : "<div class=card><dl>\n", out);
      text(out, "<dt>", title, "</dt><dd class=warn>no results in this run</dd>\n");
    }
    for (int r = 0; r < lesson->rung_count; r++) {
      if (!is_first_unbuilt(lesson, r)) continue;
      fputs(lines++ ? "" : "<div class=card><dl>\n", out);
      text(out, "<dt>", title, "</dt><dd>");
      text(out, "not built, it ", lesson->rungs[r].status, ": ");
      write_unbuilt(out, lesson, lesson->rungs[r].status);
      fputs("</dd>\n", out);
    }
  }
  fputs(lines ? "</dl></div>\n" : "<p class=soft>Nothing: every lesson and every variant ran.</p>\n", out);
}

// ---- lessons

static void write_row(FILE *out, const hd_report_lesson *lesson, const hd_result *row, bool with_why) {
  char place[96], size[HD_TEXT], time[HD_TEXT];
  fprintf(out, "<tr%s>", !row->verified ? " class=failed" : hd_row_is_model(row) ? " class=model" : "");
  text(out, "<td>", row->variant, "");
  int rung = hd_lesson_rung(lesson, row->variant);
  if (with_why && rung < lesson->rung_count && *lesson->rungs[rung].why)
    text(out, "<div class=why>", lesson->rungs[rung].why, "</div>");
  text(out, "</td><td>", hd_row_place(place, lesson, row), "</td>");
  fprintf(out, "<td class=n>%s</td><td class=n>%s</td>", hd_text_size(size, row->size),
          row->median_s >= 0 ? hd_text_time(time, row->median_s) : "");
  if (hd_row_is_model(row))
    fputs("<td><span class=badge>model</span></td>", out);
  else
    text(out, "<td>", row->clock, "</td>");
  char unit[HD_TEXT] = "";  // of its own
  if (strcmp(row->unit, lesson->unit) != 0) snprintf(unit, sizeof unit, " %.16s", row->unit);
  number_cell(out, row->value, unit);
  number_cell(out, row->speedup, "");
  fputs("<td class=n>", out);
  write_share(out, row, "");
  fputs("</td>", out);
  char error[HD_TEXT];
  if (row->max_rel_error >= 0 && row->max_rel_error < 1e-3 && row->max_rel_error > 0)
    fprintf(out, "<td class=n>%.1e</td>", row->max_rel_error);
  else
    fprintf(out, "<td class=n>%s</td>",
            row->max_rel_error < 0 ? "" : hd_text_number(error, row->max_rel_error));
  fprintf(out, "<td>%s</td></tr>\n",
          row->verified                                  ? "yes"
          : hd_is_wrong_on_purpose(lesson, row->variant) ? "<b>no</b>, on purpose"
                                                         : "<b>no</b>");
}

static void write_table_head(FILE *out, const hd_report_lesson *lesson) {
  fputs("<div class=card><table>\n<tr><th>variant</th><th>runs on</th>", out);
  text(out, "<th class=n>", *lesson->size_name ? lesson->size_name : "size",
       "</th><th class=n>time</th><th>clock</th>");
  text(out, "<th class=n>", lesson->unit, "</th><th class=n>speed-up</th><th class=n>of bound</th>");
  fputs("<th class=n>max. rel. error</th><th>verified</th></tr>\n", out);
}

static void write_table(FILE *out, const hd_report_lesson *lesson) {
  int shown = 0;
  const char *previous = "";
  write_table_head(out, lesson);
  for (int i = 0; i < lesson->row_count; i++) {
    const hd_result *row = &lesson->rows[i];
    if (row->verified && row->size != hd_common_size(lesson, row->device)) continue;
    write_row(out, lesson, row, strcmp(row->variant, previous) != 0);
    previous = row->variant;
    shown++;
  }
  fputs("</table></div>\n", out);
  if (shown == lesson->row_count) return;
  fprintf(out, "<details><summary>All %d rows, every size</summary>\n", lesson->row_count);
  write_table_head(out, lesson);
  for (int i = 0; i < lesson->row_count; i++) write_row(out, lesson, &lesson->rows[i], false);
  fputs("</table></div></details>\n", out);
}

static void write_plots(FILE *out, const hd_plots *plots) {
  for (int i = 0; i < plots->count; i++) {
    const hd_plot *plot = plots->plots[i];
    if (!plot->drawn) continue;
    const char *name = plot->name;
    fprintf(out,
            "<figure>\n<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"plots/%s-dark.svg\">",
            name);
    fprintf(out, "<img src=\"plots/%s.svg\" loading=lazy alt=\"", name);
    hd_html(out, plot->title);
    text(out, "; ", plot->subtitle, "\"></picture>\n<figcaption>");
    hd_html(out, plot->caption);
    fprintf(out,
            " <a href=\"plots/%s.svg\">SVG</a> · <a href=\"plots/%s.png\">PNG</a> · "
            "<a href=\"plots/data/%s.dat\">data</a></figcaption>\n</figure>\n",
            name, name, name);
  }
}

static void write_lesson(FILE *out, const hd_page *page, int index) {
  const hd_report_lesson *lesson = &page->run->lessons[index];
  char title[192];
  text(out, "<h2 id=\"", lesson->slug, "\">");
  text(out, "", lesson_title(title, lesson), "</h2>\n<p class=soft>");
  link_lesson(out, page, lesson);
  fputs("</p>\n", out);
  if (*lesson->skipped) text(out, "<p class=bad>Skipped: ", lesson->skipped, "</p>\n");
  if (lesson->row_count == 0) {
    fputs("<p class=warn>This run holds no results of this lesson.</p>\n", out);
    return;
  }
  write_table(out, lesson);
  write_plots(out, &page->lesson_plots[index]);
}

// ---- runs against each other

static void write_model_section(FILE *out, const hd_page *page) {
  fputs("<h2 id=modelled-measured>Modelled and measured</h2>\n", out);
  if (page->model_pair_count == 0) {
    fputs(
        "<p class=soft>None yet: no committed run holds a real GPU's result for a variant and size that was "
        "modelled "
        "here. A machine with a GPU adds one: <code>make bench DEVICE=cuda</code>, then commit the run under "
        "<code>bench/results/</code>.</p>\n",
        out);
    return;
  }
  fputs(
      "<div class=card><table>\n<tr><th>lesson</th><th class=n>pairs</th><th class=n>mean error</th>"
      "<th>worst</th><th class=n>model / measured</th><th>order of the ladder</th></tr>\n",
      out);
  for (int l = 0; l < page->run->lesson_count; l++) {
    const hd_report_lesson *lesson = &page->run->lessons[l];
    const hd_agreement g = hd_agreement_of(page->model_pairs, page->model_pair_count, lesson);
    if (g.pairs == 0) continue;
    char order[256], size[HD_TEXT];
    hd_agreement_order(order, sizeof order, &g);
    text(out, "<tr><td>", lesson->slug, "</td>");
    fprintf(out, "<td class=n>%d</td><td class=n>× %.2f</td>", g.pairs, g.mean_error);
    text(out, "<td>", g.worst->a->variant, "");
    fprintf(out, ", %s = %s</td><td class=n>%.2f</td>", *lesson->size_name ? lesson->size_name : "size",
            hd_text_size(size, g.worst->a->size), hd_pair_ratio(g.worst));
    text(out, g.reversed > 0 ? "<td class=\"bad wrap\">" : "<td>", order, "</td></tr>\n");
  }
  fputs("</table></div>\n", out);
  fputs(
      "<div class=card><table>\n<tr><th>lesson</th><th>variant</th><th class=n>size</th><th>preset</th>"
      "<th class=n>modelled</th><th>measured on</th><th class=n>measured</th><th class=n>model / "
      "measured</th></tr>\n",
      out);
  for (int i = 0; i < page->model_pair_count; i++) {
    const hd_pair *pair = &page->model_pairs[i];
    char size[HD_TEXT], a[HD_TEXT], b[HD_TEXT], name[64];
    double ratio = hd_pair_ratio(pair);
    text(out, "<tr><td>", pair->lesson->slug, "</td>");
    text(out, "<td>", pair->a->variant, "</td>");
    fprintf(out, "<td class=n>%s</td>", hd_text_size(size, pair->a->size));
    text(out, "<td>", hd_device_name(name, pair->a->device), " <span class=badge>model</span></td>");
    fprintf(out, "<td class=n>%s</td>", hd_text_time(a, pair->a->median_s));
    text(out, "<td>", pair->b->device, "</td>");
    fprintf(out, "<td class=n>%s</td><td class=n>%.2f</td></tr>\n", hd_text_time(b, pair->b->median_s),
            ratio);
  }
  const hd_agreement all = hd_agreement_of(page->model_pairs, page->model_pair_count, NULL);
  fprintf(
      out,
      "</table></div>\n<p>%d pairs: median of model / measured %.2f, geometric mean error a factor of %.2f, "
      "worst %.2f.</p>\n",
      page->model_pair_count, hd_median_ratio(page->model_pairs, page->model_pair_count), all.mean_error,
      exp(fabs(log(hd_pair_ratio(all.worst)))));
  write_plots(out, page->model_plots);
}

static void write_comparison(FILE *out, const hd_page *page) {
  if (page->compared == NULL) return;
  text(out, "<h2 id=compare>Compared with ", page->compared->folder, "</h2>\n");
  text(out, "<p class=soft>Ratios of medians, new / old: below 1 is faster. The old run: ",
       *hd_run_fact(page->compared, "id") ? hd_run_fact(page->compared, "id") : "machine not recorded",
       ", revision ");
  text(out, "", *hd_run_fact(page->compared, "git") ? hd_run_fact(page->compared, "git") : "not recorded",
       ".");
  if (strcmp(hd_run_fact(page->compared, "id"), hd_run_fact(page->run, "id")) != 0)
    fputs(" <b class=warn>The two runs come from different machines.</b>", out);
  fputs("</p>\n", out);
  if (page->compare_pair_count == 0) {
    fputs("<p>The two runs have no verified row in common.</p>\n", out);
    return;
  }
  fputs(
      "<div class=card><table>\n<tr><th>lesson</th><th>variant</th><th>runs on</th><th class=n>size</th>"
      "<th class=n>new</th><th class=n>old</th><th class=n>new / old</th><th></th></tr>\n",
      out);
  for (int i = 0; i < page->compare_pair_count; i++) {
    const hd_pair *pair = &page->compare_pairs[i];
    char size[HD_TEXT], a[HD_TEXT], b[HD_TEXT], place[96];
    bool overlap = hd_intervals_overlap(pair->a, pair->b), faster = pair->a->median_s < pair->b->median_s;
    text(out, "<tr><td>", pair->lesson->slug, "</td>");
    text(out, "<td>", pair->a->variant, "</td>");
    text(out, "<td>", hd_row_place(place, pair->lesson, pair->a), "</td>");
    fprintf(
        out,
        "<td class=n>%s</td><td class=n>%s</td><td class=n>%s</td><td class=n>%.3f</td><td%s>%s</td></tr>\n",
        hd_text_size(size, pair->a->size), hd_text_time(a, pair->a->median_s),
        hd_text_time(b, pair->b->median_s), pair->a->median_s / pair->b->median_s,
        overlap  ? " class=soft"
        : faster ? ""
                 : " class=bad",
        overlap  ? "intervals overlap"
        : faster ? "faster"
                 : "slower");
  }
  fputs("</table></div>\n", out);
}

// ---- the page

static void write_page(FILE *out, const hd_page *page) {
  write_head(out, page);
  write_summary(out, page);
  write_skipped(out, page->run);
  for (int i = 0; i < page->run->lesson_count; i++) write_lesson(out, page, i);
  write_model_section(out, page);
  write_comparison(out, page);
  fputs("</body>\n</html>\n", out);
}

void hd_page_write(const hd_page *page) {
  char path[1100], unfinished[1120];
  snprintf(path, sizeof path, "%s/index.html", page->studio->out);
  snprintf(unfinished, sizeof unfinished, "%s.unfinished", path);
  FILE *out = fopen(unfinished, "w");
  bool written = out != NULL;
  if (written) {
    write_page(out, page);
    bool error = ferror(out) != 0;
    written = fclose(out) == 0 && !error && rename(unfinished, path) == 0;
  }
  if (!written) {
    fprintf(stderr, "heddle-report: cannot write %s: %s\n", path, strerror(errno));
    unlink(unfinished);
    exit(1);
  }
}
