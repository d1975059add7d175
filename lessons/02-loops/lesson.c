// SPDX-License-Identifier: MIT
// 02 · Loops: what is compared, and what each thread had to do. Read schedules.c for how.
#include <stdio.h>
#include <stdlib.h>

#include "heddle/clock.h"
#include "heddle/error.h"
#include "heddle/simd.h"
#include "mandelbrot.h"

// Those that draw by rows: they tell who drew which.
enum { SERIAL, STATIC, CYCLIC, DYNAMIC, DYNAMIC_64, GUIDED, TASKLOOP, SIMD, INTERLEAVED, BY_ROWS };
static draw *const draws[BY_ROWS] = {draw_serial,     draw_static, draw_cyclic,   draw_dynamic,  //
                                     draw_dynamic_64, draw_guided, draw_taskloop, draw_simd,
                                     draw_interleaved};

// Groups of pixels that advance together.
enum { OF_VECTOR, OF_VECTORS, OF_WARP, OF_TILE, GROUPS };
static const long group_columns[GROUPS] = {HD_WIDTH, VECTORS *HD_WIDTH, WARP, TILE_COLUMNS};
static const long group_rows[GROUPS] = {1, 1, 1, TILE_ROWS};

// Larger pictures would have more boxes in a timeline than it has pixels.
enum { MOST_SHOWN_ROWS = 512 };

typedef struct state {
  picture picture;  // first: the .cu file knows only this
  int32_t *expected;
  double iterations, escaped;    // of all pixels; pixels that leave
  double lanes_at_work[GROUPS];  // see there
  double alone_s[BY_ROWS];       // the shortest run by one thread; 0: none yet
} state;

static void setup(hd_case *c) {
  state *s = c->state = hd_alloc(1, sizeof *s);
  setenv("CUSIM_TRACE", "all", 0);  // three blocks, as usual, say nothing of blocks that all differ
  const long n = c->size;
  const size_t pixels = 2 * (size_t)n * (size_t)n;
  *s = (state){.picture = {.rows = n, .columns = 2 * n, .step = n > 0 ? (float)(WIDTH / 2 / (double)n) : 0},
               .expected = hd_alloc(pixels, sizeof s->expected[0])};
  picture *p = &s->picture;
  p->counts = hd_alloc(pixels, sizeof p->counts[0]);
  p->marks = hd_alloc((size_t)n, sizeof p->marks[0]);
  reference_counts(p, s->expected);
  for (size_t i = 0; i < pixels; i++) {
    s->iterations += s->expected[i];
    s->escaped += s->expected[i] < LIMIT;
  }
  for (int g = 0; g < GROUPS; g++)
    s->lanes_at_work[g] = lanes_at_work(p, s->expected, group_columns[g], group_rows[g]);
  hd_add_output(c, "steps", p->counts, pixels, HD_I32);
}

static void teardown(hd_case *c) {
  state *s = c->state;
  free(s->picture.counts);
  free(s->picture.marks);
  free(s->expected);
  free(s);
}

static void reference(hd_case *c) {
  const state *s = c->state;
  for (size_t i = 0; i < c->outputs[0].count; i++) c->outputs[0].expected[i] = s->expected[i];
}

// Counts, and the same roundings in the same order by everyone.
static double tolerance(const hd_case *c) {
  (void)c;
  return 0;
}

// A step is 7 and a test 3; a pixel that leaves has been tested once more. 5 to find out where a pixel is.
static double flops(const hd_case *c) {
  const state *s = c->state;
  return 10 * s->iterations + 3 * s->escaped + 5.0 * (double)c->size * 2 * (double)c->size;
}

// The picture, as it must be, as it is compared; rows' marks.
static double memory(long n) {
  return 2.0 * (double)n * (double)n * (4 + 4 + 8) + (double)n * sizeof(row_mark);
}

static void show_rows(hd_case *c, double began_s) {
  const picture *p = &((state *)c->state)->picture;
  for (int thread = 0; thread < c->threads; thread++)
    for (long row = 0; row < p->rows; row++) {
      if (p->marks[row].thread != thread) continue;
      long last = row;
      while (last + 1 < p->rows && p->marks[last + 1].thread == thread) last++;
      char label[16];
      snprintf(label, sizeof label, "R%d", (int)row);
      hd_add_span(c, thread, label, p->marks[row].start_s - began_s, p->marks[last].end_s - began_s);
      row = last;
    }
}

// What the threads had to do, in steps of pixels: time would measure the machine as well. If only this
// counted the busiest thread would decide: `step on paper` is its share of what one thread took for all.
static void tell_loads(hd_case *c, int which, double began_s, double took_s) {
  state *s = c->state;
  double busiest = 0, all = 0;
  for (int thread = 0; thread < c->threads; thread++) {
    double load = 0;
    for (long row = 0; row < s->picture.rows; row++)
      if (s->picture.marks[row].thread == thread) load += s->picture.marks[row].iterations;
    busiest = load > busiest ? load : busiest;
    all += load;
  }
  if (!(all > 0)) return;
  if (c->threads == 1 && !(s->alone_s[which] > 0 && s->alone_s[which] < took_s)) s->alone_s[which] = took_s;
  hd_figure(c, "busiest thread's share", busiest / all, "");
  hd_figure(c, "busiest thread over mean", busiest / all * c->threads, "");
  if (s->alone_s[which] > 0) hd_figure(c, "step on paper", s->alone_s[which] * busiest / all, "s");
  if (s->picture.rows <= MOST_SHOWN_ROWS) show_rows(c, began_s);
}

static void run_by_rows(hd_case *c, int which) {
  state *s = c->state;
  const double start = hd_wall();
  draws[which](&s->picture);
  tell_loads(c, which, start, hd_wall() - start);
}

#define BY_ROWS_RUN(name, which)       \
  static void run_##name(hd_case *c) { \
    run_by_rows(c, which);             \
  }
BY_ROWS_RUN(serial, SERIAL)
BY_ROWS_RUN(static, STATIC)
BY_ROWS_RUN(cyclic, CYCLIC)
BY_ROWS_RUN(dynamic, DYNAMIC)
BY_ROWS_RUN(dynamic_64, DYNAMIC_64)
BY_ROWS_RUN(guided, GUIDED)
BY_ROWS_RUN(taskloop, TASKLOOP)

static void run_shared(hd_case *c) {
  draw_shared(&((state *)c->state)->picture);
}
static void run_pixels(hd_case *c) {
  draw_pixels(&((state *)c->state)->picture);
}

static void tell_lanes(hd_case *c, int group) {
  hd_figure(c, "lanes at work", ((state *)c->state)->lanes_at_work[group], "");
}
static void run_simd(hd_case *c) {
  run_by_rows(c, SIMD);
  tell_lanes(c, OF_VECTOR);
}
static void run_interleaved(hd_case *c) {
  run_by_rows(c, INTERLEAVED);
  tell_lanes(c, OF_VECTORS);
}

#if HD_HAVE_CUDA
static void run_rows_on_gpu(hd_case *c) {
  run_gpu_rows(c);
  tell_lanes(c, OF_WARP);
}
static void run_tiles_on_gpu(hd_case *c) {
  run_gpu_tiles(c);
  tell_lanes(c, OF_TILE);
}
#endif

#define ON_GPU .at = HD_WITH_CUDA(&picture_on_gpu), .needs = "CUDA"

static const hd_variant variants[] = {
    {"serial", HD_SERIAL, run_serial, "one thread, row by row: the baseline"},
    {"wrong-shared", HD_THREADS, run_shared, "a variable of the row that all threads share",
     .wrong_on_purpose = true},
    {"static", HD_THREADS, run_static, "a block of rows for each thread"},
    {"cyclic", HD_THREADS, run_cyclic, "static,1: rows dealt like cards"},
    {"dynamic", HD_THREADS, run_dynamic, "dynamic,1: whoever is done takes the next row"},
    {"dynamic-64", HD_THREADS, run_dynamic_64, "64 rows at a time: fewer trips, worse balance"},
    {"guided", HD_THREADS, run_guided, "large chunks first, small ones at the end"},
    {"taskloop", HD_THREADS, run_taskloop, "a task for four rows"},
    {"pixels", HD_THREADS, run_pixels, "collapse(2), dynamic,1: a trip to the counter for each pixel"},
    {"simd", HD_THREADS, run_simd, "a vector of pixels at a time, until its last has left"},
    {"interleaved", HD_THREADS, run_interleaved, "four vectors in turn, so that none waits for its own step"},
    {"gpu-rows", HD_GPU, HD_WITH_CUDA(run_rows_on_gpu), "a thread per pixel, a warp along a row", ON_GPU},
    {"gpu-tiles", HD_GPU, HD_WITH_CUDA(run_tiles_on_gpu), "a warp as a tile: pixels that leave together",
     ON_GPU},
};

const hd_lesson hd_this_lesson = {
    .number = 2,
    .name = "loops",
    .title = "Loops: the Mandelbrot set",
    .size_name = "rows",
    .unit = "GFLOP/s",
    .kinds = "R rows",
    .flops = flops,
    .rate = HD_RATE_FLOPS,
    .quick = {400},
    .full = {400, 1600},
    .gpu_quick = {2048},
    .gpu_full = {1024, 2048, 4096},
    .sim_quick = {400},
    .verify = {0, 1, 33, 64, 127, -1},
    .sweep_threads = true,
    .memory = memory,
    .setup = setup,
    .teardown = teardown,
    .reference = reference,
    .tolerance = tolerance,
    .variants = variants,
    .variant_count = HD_COUNT(variants),
};
