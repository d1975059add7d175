// SPDX-License-Identifier: MIT
// Lesson 15: its formulas against each other; and its pipelines, kernels and graphs against the formulas on
// the virtual clock.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/device.h>
#include <heddle/random.h>
#include <lessons/15-streams/relax.h>
#include <math.h>

#define EACH_OF(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static void near(const char *what, double got, double expected, double allowed) {
  if (!(fabs(got / expected - 1) <= allowed))
    fail_msg("%s: %g s, by the formula %g s (%+.2f %%)", what, got, expected, 100 * (got / expected - 1));
}

// ---------------------------------------------------------------- formulas

static piece_costs some_costs(uint64_t i) {
  return (piece_costs){.upload = hd_random_uniform(1, 0, i),
                       .kernel = hd_random_uniform(1, 1, i),
                       .download = hd_random_uniform(1, 2, i),
                       .kernel_share = 1};
}

// Three buffers are enough: fill and drain, and the slowest engine at every other moment. One is a stream.
static void the_closed_form_is_the_recurrence(void **state) {
  (void)state;
  for (uint64_t i = 0; i < 200; i++)
    for (int chunks = 1; chunks < 40; chunks += 3) {
      const piece_costs c = some_costs(i);
      near("three buffers", paper_pipeline(&c, chunks, 3), paper_bound(&c, chunks), 1e-6);
      near("eight buffers", paper_pipeline(&c, chunks, 8), paper_bound(&c, chunks), 1e-6);
      near("one buffer", paper_pipeline(&c, chunks, 1), chunks * (c.upload + c.kernel + c.download), 1e-6);
      assert_true(paper_pipeline(&c, chunks, 2) >= paper_bound(&c, chunks) * (1 - 1e-6));
    }
}

// Two half kernels at once need two buffers more.
static void halves_of_a_gpu_run_side_by_side(void **state) {
  (void)state;
  const piece_costs c = {.upload = 1, .kernel = 4, .download = 1, .kernel_share = 0.5};
  assert_int_equal(paper_width(0.5), 2);
  assert_int_equal(paper_width(0.51), 1);
  assert_int_equal(paper_width(1), 1);
  near("half kernels", paper_pipeline(&c, 101, 4), 1 + 4 * 51 + 1, 0.02);
  near("their bound", paper_bound(&c, 101), 6 + 2 * 100, 1e-9);
}

static piece_costs cut(const piece_costs *whole, int chunks) {
  piece_costs c = *whole;
  c.upload = whole->upload_alpha + (whole->upload - whole->upload_alpha) / chunks;
  c.kernel = whole->kernel_alpha + (whole->kernel - whole->kernel_alpha) / chunks;
  c.download = whole->download_alpha + (whole->download - whole->download_alpha) / chunks;
  return c;
}

static void the_best_number_of_chunks_is_the_best(void **state) {
  (void)state;
  const piece_costs wholes[] = {
      {.upload = 325e-6, .kernel = 325e-6, .download = 325e-6, .upload_alpha = 2.5e-6, .kernel_alpha = 1e-6},
      {.upload = 900e-6, .kernel = 30e-6, .download = 450e-6, .upload_alpha = 5e-6, .kernel_alpha = 2e-6},
      {.upload = 300e-6, .kernel = 6e-3, .download = 300e-6, .upload_alpha = 2e-6, .kernel_alpha = 1.3e-6},
  };
  EACH_OF(w, wholes) {
    piece_costs whole = wholes[w];
    whole.kernel_share = 1;
    whole.download_alpha = whole.upload_alpha;
    int best = 1;
    for (int m = 1; m <= 1000; m++) {
      const piece_costs now = cut(&whole, m), then = cut(&whole, best);
      if (paper_bound(&now, m) < paper_bound(&then, best)) best = m;
    }
    const piece_costs at_16 = cut(&whole, 16);
    const double predicted = paper_best_chunks(&at_16, 16);
    if (fabs(predicted - best) > 1)
      fail_msg("case %zu: %g chunks predicted, %d are best", w, predicted, best);
  }
}

// ---------------------------------------------------------------- runs

#if HD_HAVE_CUDA

static void open_case(hd_case *c, enum part part, long pieces, long elements, int steps) {
  *c = (hd_case){.size = pieces, .devices = 1, .seed = 1, .verifying = true};
  relaxation *r = c->state = calloc(1, sizeof *r);
  *r = (relaxation){.part = part, .elements = elements, .steps = steps};
  r->x = hd_new_normal((size_t)elements, 1, 0, 1);
  r->y = calloc((size_t)elements, sizeof(float));
}

static void close_case(hd_case *c) {
  relaxation *r = c->state;
  free(r->x);
  free(r->y);
  free(r);
}

static bool right(const hd_case *c) {
  const relaxation *r = c->state;
  const double kept = pow(RELAX_KEEP, r->steps);
  for (long i = 0; i < r->elements; i++)
    if (!(fabs(r->y[i] - (1 + kept * (r->x[i] - 1.0))) <= 1e-4 * (1 + fabsf(r->x[i])))) return false;
  return true;
}

static double run_here(hd_case *c, hd_run *run, hd_run *collect) {
  const relaxation *r = c->state;
  memset(r->y, 0xff, (size_t)r->elements * sizeof(float));
  c->elapsed_s = -1;
  hd_device_timer_start(1);
  run(c);
  const double seconds = hd_device_timer_stop(1);
  collect(c);
  return c->elapsed_s >= 0 ? c->elapsed_s : seconds;
}

static bool skipped(void) {
  if (hd_device_simulated()) return false;
  skip();
  return true;
}

// 128 chunks are more than the host can issue in the time, 64 and more have kernels that leave SMs idle.
static void pipelines_take_what_the_formula_says(void **state) {
  (void)state;
  static const long CHUNKS[] = {1, 2, 7, 16, 64, 128};
  static const struct {
    const char *name;
    hd_run *run;
    int buffers;
  } ways[] = {{"one-stream", run_one_stream, 1},
              {"streams-2", run_streams_2, 2},
              {"streams-3", run_streams_3, 3},
              {"streams-4", run_streams_4, 4},
              {"by-engine", run_by_engine, 3}};
  if (skipped()) return;
  EACH_OF(n, CHUNKS) {
    hd_case c;
    open_case(&c, PIPELINE, CHUNKS[n], 500009, 150);
    pipeline_place(&c);
    const relaxation *r = c.state;
    EACH_OF(w, ways) {
      const double seconds = run_here(&c, ways[w].run, pipeline_collect);
      if (!right(&c)) fail_msg("%s, %ld chunks: wrong", ways[w].name, CHUNKS[n]);
      // A stream of their own keeps kernels one after the other.
      if (ways[w].run != run_by_engine || r->cost.kernel_share == 1)
        near(ways[w].name, seconds, paper_pipeline(&r->cost, (int)c.size, ways[w].buffers), 0.02);
      assert_true(seconds >= paper_bound(&r->cost, (int)c.size) * 0.98);
    }
    pipeline_release(&c);
    close_case(&c);
  }
}

// What destroys the overlap: memory that is not pinned, and the default stream.
static void overlap_can_be_lost(void **state) {
  (void)state;
  if (skipped()) return;
  hd_case c;
  open_case(&c, PIPELINE, 6, 1 << 20, 300);
  pipeline_place(&c);
  const relaxation *r = c.state;
  const double alone = run_here(&c, run_one_stream, pipeline_collect),
               three = run_here(&c, run_streams_3, pipeline_collect),
               rounds = run_here(&c, run_breadth_first, pipeline_collect),
               joined = run_here(&c, run_default_stream, pipeline_collect);
  assert_true(right(&c));
  near("breadth first", rounds, three, 0.02);
  assert_true(three < joined && joined < alone);
  const double pageable = run_here(&c, run_pageable, pipeline_collect);
  assert_true(right(&c));
  // Nothing overlaps, and the link is slower.
  assert_true(pageable > 6 * (r->cost.upload + r->cost.kernel + r->cost.download));
  pipeline_release(&c);
  close_case(&c);
}

static void mistakes_are_wrong(void **state) {
  (void)state;
  if (skipped()) return;
  static hd_run *const wrong[] = {run_wrong_no_event, run_wrong_one_buffer};
  EACH_OF(w, wrong) {
    hd_case c;
    open_case(&c, PIPELINE, 6, 5000, 10);
    pipeline_place(&c);
    run_here(&c, wrong[w], pipeline_collect);
    assert_false(right(&c));
    pipeline_release(&c);
    close_case(&c);
  }
}

static void kernels_run_side_by_side(void **state) {
  (void)state;
  if (skipped()) return;
  static const struct {
    hd_run *run;
    int streams;
  } ways[] = {{run_kernels_1, 1}, {run_kernels_2, 2}, {run_kernels_8, 8}, {run_kernels_32, 32}};
  hd_case c;
  open_case(&c, KERNELS, 20, 20 * ARRAY, 1200);
  arrays_place(&c);
  const relaxation *r = c.state;
  const int room = paper_width(relax_share(ARRAY));
  EACH_OF(w, ways) {
    const double seconds = run_here(&c, ways[w].run, arrays_collect);
    assert_true(right(&c));
    near("kernels", seconds, paper_kernels(&r->cost, 20, room < ways[w].streams ? room : ways[w].streams),
         0.02);
    assert_true(seconds >= 0.98 * r->cost.joined);
  }
  arrays_release(&c);
  close_case(&c);
}

// The public figures: 2.5 µs by stream, 1.3 µs by graph.
static void a_graph_costs_one_launch(void **state) {
  (void)state;
  if (skipped()) return;
  static hd_run *const ways[] = {run_graph, run_updated};
  hd_case c;
  open_case(&c, GRAPH, 50, TINY, 50);
  arrays_place(&c);
  prepare_graph(&c);
  const relaxation *r = c.state;
  near("one by one", run_here(&c, run_chain, arrays_collect), paper_kernels(&r->cost, 50, 1), 0.02);
  assert_true(right(&c));
  EACH_OF(w, ways) {
    near("graph", run_here(&c, ways[w], arrays_collect), r->cost.issue + 50 * r->cost.kernel, 0.02);
    assert_true(right(&c));
  }
  assert_true(r->cost.empty_launch > 2.4e-6 && r->cost.empty_launch < 2.6e-6);
  assert_true(r->cost.empty_node > 1.2e-6 && r->cost.empty_node < 1.5e-6);
  arrays_release(&c);
  close_case(&c);
}

#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_closed_form_is_the_recurrence),
    cmocka_unit_test(halves_of_a_gpu_run_side_by_side),
    cmocka_unit_test(the_best_number_of_chunks_is_the_best),
#if HD_HAVE_CUDA
    cmocka_unit_test(pipelines_take_what_the_formula_says),
    cmocka_unit_test(overlap_can_be_lost),
    cmocka_unit_test(mistakes_are_wrong),
    cmocka_unit_test(kernels_run_side_by_side),
    cmocka_unit_test(a_graph_costs_one_launch),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
