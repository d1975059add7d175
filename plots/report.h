// SPDX-License-Identifier: MIT
// heddle-report: reads one run folder (and others to hold it against), draws its plots, writes one page.
//
//   csv.c, text.c   reading lines of fields; numbers, times and escapes as text
//   run.c           a run folder in memory: lessons, their rungs, rows and figures
//   row.c           one row; machine.c  machine.json
//   choose*.c       which plots the data of a lesson ask for
//   plot.c          one plot: its data file, its driver for plots/*.gp
//   studio.c        the folders of plots, and gnuplot
//   compare.c       two runs against each other; modelled rows against measured ones
//   agreement.c     how well modelled times agree with measured ones
//   page.c          index.html
//   report.c        main
//
// heddle-calibrate (calibrate.c, fit.c) reads the same runs.
#ifndef HEDDLE_REPORT_H
#define HEDDLE_REPORT_H
#include <stdbool.h>
#include <stdio.h>

#include "heddle/result.h"

// ---- csv.c

enum { HD_CSV_FIELDS = 32 };

typedef struct hd_csv {
  FILE *file;
  const char *name;  // of the file, for messages
  int line;          // number of the line read last, from 1
  char *text;        // the line, cut into fields in place
  size_t capacity;
  char *fields[HD_CSV_FIELDS];
} hd_csv;

// Opens a file of comma-separated values; false if it cannot be read. `name` must outlive the reader.
bool hd_csv_open(hd_csv *csv, const char *path, const char *name);
void hd_csv_close(hd_csv *csv);

// Reads the next line into csv->fields, in which "quoted" fields are unquoted, and bytes that are no
// printable UTF-8 are replaced by '?'. Returns the number of fields, 0 at the end of the file. A line that is
// no complete line of fields (a write that was killed, an open quote) is skipped with a warning.
int hd_csv_next(hd_csv *csv);

// Prints "heddle-report: warning: <file> line <n>: <message>; line skipped" and counts it.
__attribute__((format(printf, 2, 3))) void hd_csv_warn(const hd_csv *csv, const char *format, ...);
int hd_warning_count(void);

// ---- text.c

// Three or four significant digits, thousands grouped, millions as M. Returns `out`.
enum { HD_TEXT = 48 };
const char *hd_text_number(char out[HD_TEXT], double x);
const char *hd_text_tic(char out[HD_TEXT], double x);         // a round number, as short as it is
const char *hd_text_time(char out[HD_TEXT], double seconds);  // "1.23 ms"
const char *hd_text_size(char out[HD_TEXT], long size);       // "4 096", "64 Mi"
void hd_html(FILE *out, const char *text);                    // text with & < > " ' escaped
int hd_text_width(const char *text);                          // characters, not bytes
// True if smaller values of this unit are better (a time), so that a bound is below the values.
bool hd_unit_is_time(const char *unit);
// The factor of a unit's prefix: "GB/s" and "GFLOP" 1e9, "B/s" 1.
double hd_unit_scale(const char *unit);

// ---- run.c

typedef struct hd_rung {
  char name[48], where[16], why[256], status[128];
} hd_rung;

typedef struct hd_figure_row {
  char variant[48], device[64], name[64], unit[16];
  long size;
  int threads, devices;
  double value;
} hd_figure_row;

// A stretch of work on a lane of a row's timeline.
typedef struct hd_span_row {
  char variant[48], device[64], label[16];
  long size, set, lane;
  int threads, devices;
  double start_s, end_s;
} hd_span_row;

typedef struct hd_report_lesson {
  char id[48];    // as in results.csv
  char slug[64];  // "07-gemm-cpu": the lesson's folder and the start of its file names
  char title[128], unit[16], size_name[32];
  char kinds[256], lanes[64];  // of its timeline, see hd_lesson
  int number;                  // -1 unknown
  hd_rung *rungs;
  int rung_count;
  hd_result *rows;  // in ladder order; of rows with the same key only the last one
  int row_count;
  hd_figure_row *figures;
  int figure_count;
  hd_span_row *spans;
  int span_count;
  char skipped[512];  // why it was skipped, or ""
} hd_report_lesson;

enum { HD_MAX_FACTS = 64 };

typedef struct hd_fact {
  char key[64], value[512];
} hd_fact;

typedef struct hd_report_run {
  char folder[1024];
  hd_report_lesson *lessons;  // by number
  int lesson_count;
  hd_fact machine[HD_MAX_FACTS];  // the fields of machine.json in their order
  int fact_count;
  int cpus;  // usable by that run; 0 unknown
  int row_count, replaced;
  char profile[16];  // "quick" or "full"; "" unknown
  bool stopped;      // run.txt says that the run has not come to its end
  char written[32];  // when results.csv was last written, UTC
} hd_report_run;

// Loads a run folder. Returns false and says why in `why` if it holds no results.
bool hd_run_load(hd_report_run *run, const char *folder, char *why, size_t why_size);
void hd_run_free(hd_report_run *run);

// The value of a field of machine.json, "" if there is none.
const char *hd_run_fact(const hd_report_run *run, const char *key);
hd_report_lesson *hd_run_lesson(const hd_report_run *run, const char *id);

// Position of a variant in the ladder.
int hd_lesson_rung(const hd_report_lesson *lesson, const char *variant);
const hd_figure_row *hd_lesson_figure(const hd_report_lesson *lesson, const hd_result *row, const char *name);

// True if lessons.csv says that a variant shows a mistake: reported, never drawn, wherever its result came
// out right.
bool hd_is_wrong_on_purpose(const hd_report_lesson *lesson, const char *variant);

// ---- row.c, machine.c

void hd_run_load_machine(hd_report_run *run);

// A whole number from low to high; a number, -1 (does not apply) if the text is empty; the 20 fields of a
// row. All return false if the text is something else; the last one says what in *problem.
bool hd_to_long(const char *text, long low, long high, long *out);
bool hd_to_double(const char *text, double *out);
bool hd_to_row(char **fields, int count, hd_result *row, const char **problem);

bool hd_row_is_model(const hd_result *row);
bool hd_row_is_cpu(const hd_result *row);
// Verified, a number, and not wrong on purpose: nothing else is ever drawn.
bool hd_row_is_drawable(const hd_report_lesson *lesson, const hd_result *row);
// The bound in the unit of the value; negative if the lesson has none, or if the row beats it by more than a
// tenth: then the data stayed in a cache, or something disturbed the roof while it was measured, and it
// bounds nothing.
#define HD_BEATEN 1.1
double hd_row_bound(const hd_result *row);
// The 95 % confidence interval of the median in the unit of the value; both are the value if it is not known.
void hd_row_interval(const hd_result *row, double *low, double *high);
// "2 threads", "4 ranks", "8 × H200 (model)".
const char *hd_row_place(char out[96], const hd_report_lesson *lesson, const hd_result *row);
// "H200" of "sim:h200"; other names as they are.
const char *hd_device_name(char out[64], const char *device);
// True of "NVIDIA H200 shared": ranks outnumbered the cards, so that times say nothing about scaling.
bool hd_device_is_shared(const char *device);
// True if a real GPU's name is the card that a preset stands for ("NVIDIA H200", "sim:h200").
bool hd_device_is_preset(const char *real, const char *preset);

// ---- studio.c

// Where plots are made: <out>/plots, with the scripts in `scripts`; gnuplot is "" if there is none.
typedef struct hd_studio {
  char out[1024], scripts[1024], gnuplot[1024];
  int drawn, failed;
} hd_studio;

// Finds gnuplot in PATH and empties <out>/plots of earlier plots. Ends the process if the folder cannot be
// made.
void hd_studio_open(hd_studio *studio, const char *out, const char *scripts);

// Runs gnuplot on <out>/plots/data/NAME.gp; true if it succeeded within its time.
bool hd_run_gnuplot(const hd_studio *studio, const char *name);

// Ends the process with 1: "heddle-report: cannot <what> <path>: <errno as text>".
_Noreturn void hd_cannot(const char *what, const char *path);

// ---- plot.c

enum hd_series_kind {
  HD_SERIES_LINE,   // a line without points: bound, ideal, fit
  HD_SERIES_CURVE,  // a line with points and error bars
  HD_SERIES_DOTS,   // points alone
  HD_SERIES_STEPS,  // a histogram: x is the left edge of a bin
};

enum { HD_MAX_SERIES = 48, HD_MAX_POINTS = 160, HD_MAX_BARS = 48 };

typedef struct hd_series {
  enum hd_series_kind kind;
  char label[96];
  int colour;  // 0 the colour of text (bounds), 1 … the palette, repeated
  bool dashed, open;
  int count;
  struct {
    double x, y, low, high;
  } points[HD_MAX_POINTS];
} hd_series;

typedef struct hd_bar {
  char label[96];                  // left of the bar
  char value_text[48], share[48];  // right of the bar: its value, its share of the bound
  double value, low, high, bound, error;
  int colour;
  bool open;  // modelled
} hd_bar;

typedef struct hd_box {  // a span on a lane of a timeline; lanes are counted from 0, the top one
  int lane, colour;
  double start, end;
  char label[16];
} hd_box;

enum { HD_MAX_LANES = 64, HD_MAX_BOXES = 4096, HD_MAX_KINDS = 8 };

typedef struct hd_plot {
  const char *script;  // "curves", "ladder", "panels", "timeline"
  char name[128];      // file name without its ending
  char title[256], subtitle[200], x_title[96], y_title[96];
  char caption[1200];
  bool log_x, log_y;
  double x_min, x_max, y_min, y_max;  // both 0: from the data
  char x_tics[1024];                  // what follows gnuplot's `set xtics`; "": gnuplot chooses
  hd_series *series;                  // HD_MAX_SERIES of them
  int series_count;
  hd_bar *bars;  // HD_MAX_BARS of them
  int bar_count;
  char value_title[32];  // above the column of values beside bars
  hd_box *boxes;         // HD_MAX_BOXES of them, or NULL
  int box_count;
  struct {
    char group[96], name[32];  // the group's name is written at its first lane
  } lanes[HD_MAX_LANES];
  int lane_count;
  struct {
    char text[48];
    int colour;
  } kinds[HD_MAX_KINDS];  // what a timeline's colours mean
  int kind_count;
  bool drawn;
} hd_plot;

typedef struct hd_plots {  // all plots of a page
  hd_plot **plots;
  int count;
} hd_plots;

// A new empty plot at the end of the list, and its next series; NULL if there is no room for another series.
hd_plot *hd_plots_add(hd_plots *plots, const char *script);
void hd_plots_drop_last(hd_plots *plots);
void hd_plots_free(hd_plots *plots);
hd_series *hd_plot_series(hd_plot *plot, enum hd_series_kind kind, const char *label, int colour);
void hd_series_point(hd_series *series, double x, double y, double low, double high);

// Writes the plot's data and driver below <out>/plots/data and runs gnuplot, which makes NAME.svg,
// NAME-dark.svg and NAME.png. Sets plot->drawn.
void hd_plot_draw(hd_studio *studio, hd_plot *plot);

// ---- choose.c, choose-special.c

// Adds the plots that a lesson's data ask for. `committed` are runs on real GPUs, drawn beside modelled rows.
void hd_choose_plots(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                     const hd_report_run *committed, int committed_count);
void hd_choose_rooflines(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson);
// The CPU against each GPU, where rows carry the figure "link": the least time that moving their data takes.
void hd_choose_break_even(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson);
// True if the rows there carry roofs (figures roof_bytes and roof_flops): work of unlike intensity.
bool hd_has_roofs(const hd_report_lesson *lesson, const char *device);
// A timeline of the variants that tell what they did when, side by side at the same place and count.
void hd_choose_timeline(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson,
                        const char *device);
void hd_choose_histogram(hd_plots *plots, const hd_report_run *run, const hd_report_lesson *lesson);

// What clock and which machine or device a set of rows has, as the start of a caption.
void hd_caption_source(char *out, size_t size, const hd_report_run *run, const hd_result *row);
// The size at which most variants of a place have a drawable row, and the largest such; -1 if there is none.
long hd_common_size(const hd_report_lesson *lesson, const char *device);
// The drawable row of a variant at its largest useful count of threads (not above the CPUs of the run) and
// devices.
const hd_result *hd_pick_row(const hd_report_run *run, const hd_report_lesson *lesson, const char *device,
                             const char *variant, long size);
// The places of a lesson: distinct devices, "cpu" first. Returns their number, at most `max`.
int hd_lesson_places(const hd_report_lesson *lesson, const char **places, int max);

// ---- compare.c

typedef struct hd_pair {
  const hd_report_lesson *lesson;
  const hd_result *a, *b;
  const hd_report_run *run_b;
} hd_pair;

// Rows of `run` with the same key in `old`: a is new, b is old. Free with free().
hd_pair *hd_pairs_of_runs(const hd_report_run *run, const hd_report_run *old, int *count);
// Modelled rows of `run` (a) with a measured twin (b) in it or in `others`. Free with free().
hd_pair *hd_pairs_of_model(const hd_report_run *run, const hd_report_run *others, int other_count,
                           int *count);
// The median of a / b; NAN where there is no pair.
double hd_median_ratio(const hd_pair *pairs, int count);
bool hd_intervals_overlap(const hd_result *a, const hd_result *b);
void hd_choose_model_plot(hd_plots *plots, const hd_pair *pairs, int count);

// ---- agreement.c

typedef struct hd_agreement {
  int pairs;
  double mean_error;     // geometric mean of the larger of a / b and b / a; NAN without pairs
  const hd_pair *worst;  // NULL without pairs
  // Of two variants at one size, of which one is clearly faster on the card: how many such twos, and how many
  // the model has the other way round; one of these.
  int compared, reversed;
  const hd_pair *slower, *faster;
} hd_agreement;

// The pairs of one lesson; NULL: all.
hd_agreement hd_agreement_of(const hd_pair *pairs, int count, const hd_report_lesson *lesson);
// "right", or what is wrong with the order.
void hd_agreement_order(char *out, size_t size, const hd_agreement *g);
double hd_pair_ratio(const hd_pair *pair);  // a / b

// ---- page.c

typedef struct hd_page {
  const hd_report_run *run, *committed, *compared;  // compared may be NULL
  int committed_count;
  const hd_studio *studio;
  hd_plots *lesson_plots;  // one list per lesson of the run
  hd_plots *model_plots;
  const hd_pair *model_pairs, *compare_pairs;
  int model_pair_count, compare_pair_count;
  const char *source;  // the repository root, for links to the lessons
} hd_page;

// Writes <out>/index.html, complete or not at all. Ends the process if that cannot be done.
void hd_page_write(const hd_page *page);

#endif
