// SPDX-License-Identifier: MIT
// Splits that are decided before anything is computed: the GPU takes the dense end, the CPU the thin one.
#include "gpu.cuh"
#include "heddle/error.h"

static pair_of_workers *workers(const hd_case *c) {
  return (pair_of_workers *)((const cloud *)c->state)->gpu;
}

// The GPU's part is issued first and goes on by itself: the host has its hands free for its own.
static void split(pair_of_workers *w, long gpu_tiles) {
  issue_chunks(w, gpu_tiles);
  compute_here(w, gpu_tiles, w->shared.tiles);
}

static double work_share(const cloud *c, long gpu_tiles) {
  return c->tiles ? cloud_pairs(c, 0, gpu_tiles) / cloud_pairs(c, 0, c->tiles) : 0;
}

static void run_split(hd_case *c, long gpu_tiles) {
  const cloud *s = (const cloud *)c->state;
  run_shared(c, split, gpu_tiles);
  if (!s->tiles) return;
  const double share = work_share(s, gpu_tiles);
  hd_figure(c, "the GPU's share", share, "");
  hd_figure(c, "predicted", paper_time(&s->speed, share), "s");
}

// ---------------------------------------------------------------- one alone

void run_cpu(hd_case *c) {
  run_split(c, 0);
}

static void in_one_piece(pair_of_workers *w, long gpu_tiles) {
  issue_chunk(w, 0, gpu_tiles, 0);
}

void run_gpu(hd_case *c) {
  run_shared(c, in_one_piece, ((const cloud *)c->state)->tiles);
}

void run_gpu_chunks(hd_case *c) {
  run_split(c, ((const cloud *)c->state)->tiles);
}

// ---------------------------------------------------------------- by rows

void run_half(hd_case *c) {
  run_split(c, ((const cloud *)c->state)->tiles / 2);
}

static long rows_for_gpu(const cloud *s, double share) {
  return (long)(share * (double)s->tiles + 0.5);
}

// What the data sheets promise: FLOP/s of the one to FLOP/s of both.
void run_nominal(hd_case *c) {
  run_split(c, rows_for_gpu((const cloud *)c->state, workers(c)->nominal));
}

// What each has shown on the same few tiles. Which ones, it did not ask.
void run_measured(hd_case *c) {
  const cloud *s = (const cloud *)c->state;
  run_split(c, s->tiles ? rows_for_gpu(s, s->speed.gpu / (s->speed.gpu + s->speed.cpu)) : 0);
}

// ---------------------------------------------------------------- by work

// The same rates, but of pairs, and with the copies: where paper.c says that both end at the same time.
void run_by_work(hd_case *c) {
  const cloud *s = (const cloud *)c->state;
  run_split(c, s->tiles ? cloud_tile_at(s, paper_best_share(&s->speed)) : 0);
}

// No rates and no formula: every split is tried, before the clock starts. Its figures are the curve of time
// over the GPU's share.
#define TRIED(each) each(0) each(20) each(40) each(60) each(70) each(80) each(90) each(95) each(98) each(100)
#define PERCENT(p) p,
#define RUN_AT(p) "run at " #p " %",
#define PREDICTED_AT(p) "predicted at " #p " %",
static const int tried[] = {TRIED(PERCENT)};
static const char *const run_at[] = {TRIED(RUN_AT)};
static const char *const predicted_at[] = {TRIED(PREDICTED_AT)};
enum { TRIALS = HD_COUNT(tried) };
static double trial_s[TRIALS];  // of the case that is placed

void search_place(hd_case *c) {
  const cloud *s = (const cloud *)c->state;
  gpu_place(c);
  for (int i = 0; i < TRIALS; i++)
    trial_s[i] = time_shared(workers(c), split, cloud_tile_at(s, tried[i] / 100.0));
  poison_shared(workers(c), s);
}

void run_searched(hd_case *c) {
  const cloud *s = (const cloud *)c->state;
  int best = 0;
  for (int i = 1; i < TRIALS; i++)
    if (trial_s[i] < trial_s[best]) best = i;
  run_shared(c, split, cloud_tile_at(s, tried[best] / 100.0));
  for (int i = 0; i < TRIALS && s->tiles; i++) {
    hd_figure(c, run_at[i], trial_s[i], "s");
    hd_figure(c, predicted_at[i], paper_time(&s->speed, tried[i] / 100.0), "s");
  }
  if (!s->tiles) return;
  hd_figure(c, "best share on paper", paper_best_share(&s->speed), "");
  hd_figure(c, "predicted at the best share", paper_time(&s->speed, paper_best_share(&s->speed)), "s");
}

// ---------------------------------------------------------------- slow, and wrong

// The same split with the copies that one learns first. Each returns when it is done, so the thread that
// should compute waits for kernels and links.
static void split_blocking(pair_of_workers *w, long gpu_tiles) {
  w->waits = true;
  split(w, gpu_tiles);
  w->waits = false;
}

void run_blocking(hd_case *c) {
  const cloud *s = (const cloud *)c->state;
  run_shared(c, split_blocking, s->tiles ? cloud_tile_at(s, paper_best_share(&s->speed)) : 0);
}

// The GPU's results come back as the whole array, over the rows that the CPU has computed meanwhile.
static void split_and_copy_all(pair_of_workers *w, long gpu_tiles) {
  split(w, gpu_tiles);
  HD_CUDA(
      cudaMemcpy(w->shared.density, w->density, (size_t)w->shared.n * sizeof(float), cudaMemcpyDeviceToHost));
}

void run_wrong_seam(hd_case *c) {
  run_shared(c, split_and_copy_all, ((const cloud *)c->state)->tiles / 2);
}
