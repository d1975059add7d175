// SPDX-License-Identifier: MIT
// Optimizers against answers computed by hand, learning rates, loss scaling, 16-bit training, and
// checkpoints: a run that was interrupted ends with the bits of one that was not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>
#include <heddle/bench.h>
#include <heddle/checkpoint.h>
#include <heddle/comm.h>
#include <heddle/data.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/net.h>
#include <heddle/random.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef hd_ops *make_ops(void);

static hd_ops *open_ops(void **state) {
  return (*(make_ops **)*state)();
}

// ---------------------------------------------------------------- optimizers

// theta = 1, then two steps at rate 0.1 with the gradients 0.5 and -0.25.
static void two_steps(hd_ops *o, hd_optimizer *p, float theta[2]) {
  float *t = o->alloc(o, sizeof(float)), *g = o->alloc(o, sizeof(float));
  const float start = 1, gradients[2] = {0.5f, -0.25f};
  o->upload(o, t, &start, sizeof start);
  for (int i = 0; i < 2; i++) {
    o->upload(o, g, &gradients[i], sizeof(float));
    hd_optimizer_step(p, t, g, 0.1f, 1);
    o->download(o, &theta[i], t, sizeof(float));
  }
  o->free(o, t, sizeof(float)), o->free(o, g, sizeof(float));
}

static void optimizers_give_known_answers(void **state) {
  const struct {
    enum hd_rule rule;
    float momentum, weight_decay, l1, first, second;
  } known[] = {
      {HD_SGD, 0, 0, 0, 0.95f, 0.975f},
      {HD_SGD, 0.9f, 0, 0, 0.95f, 0.93f},       // v = 0.5, then 0.45 - 0.25
      {HD_SGD, 0.9f, 0.1f, 0, 0.94f, 0.9016f},  // v = 0.6, then 0.54 - 0.25 + 0.094
      {HD_SGD, 0.9f, 0, 0.1f, 0.94f, 0.901f},   // v = 0.6, then 0.54 - 0.25 + 0.1
      {HD_ADAM, 0, 0, 0, 0.9f, 0.8733662f},     // m/√v = 1, then (0.02 / 0.19) / √(0.00031225 / 0.001999)
      {HD_ADAMW, 0, 0.1f, 0, 0.89f, 0.8544662f},  // the same steps and 0.01 of theta
      {HD_ADAM, 0, 0.1f, 0, 0.9f, 0.8544413f},    // d = 0.6, then -0.16: (0.038 / 0.19) / √(0.00038524 /
                                                  // 0.001999)
  };
  for (int k = 0; k < HD_COUNT(known); k++) {
    hd_ops *o = open_ops(state);
    hd_optimizer *p = hd_optimizer_new(o, known[k].rule, 1);
    float theta[2];
    if (known[k].rule == HD_SGD) p->momentum = known[k].momentum;
    p->weight_decay = known[k].weight_decay;
    p->l1 = known[k].l1;
    two_steps(o, p, theta);
    if (!(fabsf(theta[0] - known[k].first) < 1e-6f && fabsf(theta[1] - known[k].second) < 1e-6f))
      fail_msg("case %d: %.7f, %.7f instead of %.7f, %.7f", k, (double)theta[0], (double)theta[1],
               (double)known[k].first, (double)known[k].second);
    hd_optimizer_free(p);
    o->close(o);
  }
}

static void adamw_without_decay_is_adam(void **state) {
  enum { N = 1001 };
  float start[N], g[N], result[2][N];
  hd_fill_normal(start, N, 1, 0);
  for (int rule = 0; rule < 2; rule++) {
    hd_ops *o = open_ops(state);
    hd_optimizer *p = hd_optimizer_new(o, rule ? HD_ADAMW : HD_ADAM, N);
    float *t = o->alloc(o, sizeof start), *d = o->alloc(o, sizeof g);
    o->upload(o, t, start, sizeof start);
    for (uint64_t step = 0; step < 3; step++) {
      hd_fill_normal(g, N, 2, step);
      o->upload(o, d, g, sizeof g);
      hd_optimizer_step(p, t, d, 0.01f, 1);
    }
    o->download(o, result[rule], t, sizeof start);
    o->free(o, t, sizeof start), o->free(o, d, sizeof g);
    hd_optimizer_free(p);
    o->close(o);
  }
  assert_memory_equal(result[0], result[1], sizeof start);
  assert_memory_not_equal(result[0], start, sizeof start);
}

static void layer_by_layer_is_all_at_once(void **state) {
  enum { N = 40000 };
  static const size_t offset[] = {0, 30000, 30000, 39999, N};
  float *start = hd_alloc(N, sizeof *start), *g = hd_alloc(N, sizeof *g), *result[2];
  hd_fill_normal(start, N, 1, 0);
  hd_fill_normal(g, N, 2, 0);
  for (int rule = HD_SGD; rule <= HD_ADAMW; rule++) {
    for (int by_layer = 0; by_layer < 2; by_layer++) {
      hd_ops *o = open_ops(state);
      hd_optimizer *p = hd_optimizer_new(o, (enum hd_rule)rule, N);
      if (by_layer) p->layer_offset = offset, p->layers = 4;
      float *t = o->alloc(o, N * sizeof *t), *d = o->alloc(o, N * sizeof *d);
      o->upload(o, t, start, N * sizeof *t);
      o->upload(o, d, g, N * sizeof *d);
      for (int step = 0; step < 2; step++) hd_optimizer_step(p, t, d, 0.01f, 1);
      result[by_layer] = hd_alloc(N, sizeof *result[by_layer]);
      o->download(o, result[by_layer], t, N * sizeof *t);
      o->free(o, t, N * sizeof *t), o->free(o, d, N * sizeof *d);
      hd_optimizer_free(p);
      o->close(o);
    }
    assert_memory_equal(result[0], result[1], N * sizeof *start);
    assert_memory_not_equal(result[0], start, N * sizeof *start);
    free(result[0]), free(result[1]);
  }
  free(start), free(g);
}

// ---------------------------------------------------------------- learning rates

static void assert_rate(const hd_schedule *s, long step, float expected) {
  if (!(fabsf(hd_rate_at(s, step) - expected) < 1e-6f))
    fail_msg("step %ld: rate %.7f instead of %.7f", step, (double)hd_rate_at(s, step), (double)expected);
}

static void rates_follow_their_schedules(void **state) {
  (void)state;
  const hd_schedule constant = {.rate = 0.5f};
  const hd_schedule stairs = {.decay = HD_RATE_STAIRS, .rate = 0.8f, .every = 10, .factor = 0.5f};
  const hd_schedule line = {.decay = HD_RATE_LINEAR, .rate = 1, .warm_up = 4, .total = 14};
  const hd_schedule cosine = {.decay = HD_RATE_COSINE, .rate = 1, .last = 0.2f, .warm_up = 10, .total = 110};
  assert_rate(&constant, 0, 0.5f), assert_rate(&constant, 1000000, 0.5f);
  assert_rate(&stairs, 9, 0.8f), assert_rate(&stairs, 10, 0.4f), assert_rate(&stairs, 29, 0.2f);
  assert_rate(&line, 0, 0.25f), assert_rate(&line, 3, 1), assert_rate(&line, 4, 1);
  assert_rate(&line, 9, 0.5f), assert_rate(&line, 14, 0), assert_rate(&line, 99, 0);
  assert_rate(&cosine, 0, 0.1f), assert_rate(&cosine, 10, 1), assert_rate(&cosine, 60, 0.6f);
  assert_rate(&cosine, 35, 0.6f + 0.4f * sqrtf(0.5f)), assert_rate(&cosine, 110, 0.2f);
  assert_true(hd_scaled_rate(0.1f, 1024, 128) == 0.8f);
}

// ---------------------------------------------------------------- 16 bits and loss scaling

// Every fp16 number there and back, and the roundings between them.
static void halves_convert(void **state) {
  (void)state;
  for (uint32_t i = 0; i < 65536; i++) {
    const float x = hd_f16_to_float((uint16_t)i);
    const uint32_t magnitude = i & 0x7fff;
    if (magnitude > 0x7c00) {
      assert_true(x != x && (hd_f16_from_float(x) & 0x7fff) > 0x7c00);
      continue;
    }
    assert_int_equal(hd_f16_from_float(x), i);
    if (magnitude >= 0x7c00) {
      assert_true(isinf(x));
      continue;
    }
    const double expected = ldexp(magnitude < 0x400 ? (double)magnitude : (double)(magnitude & 0x3ff) + 0x400,
                                  magnitude < 0x400 ? -24 : (int)(magnitude >> 10) - 25);
    assert_true((double)fabsf(x) == expected);
    // Half way to the next one goes to the even one, a little more goes up.
    const float next = magnitude == 0x7bff ? 65536 : hd_f16_to_float((uint16_t)(magnitude + 1));
    const float middle = (fabsf(x) + next) / 2;
    assert_int_equal(hd_f16_from_float(middle), magnitude + (magnitude & 1));
    assert_int_equal(hd_f16_from_float(nextafterf(middle, INFINITY)), magnitude + 1);
    assert_int_equal(hd_f16_from_float(nextafterf(middle, 0)), magnitude);
  }
}

static void tables_round_alike(void **state) {
  enum { N = 3001 };
  float x[N];
  uint16_t got[N];
  hd_fill_normal(x, N, 8, 0);
  for (int i = 0; i < N; i++) x[i] = ldexpf(x[i], i % 60 - 40);
  hd_ops *o = open_ops(state);
  float *from = o->alloc(o, sizeof x);
  uint16_t *to = o->alloc(o, sizeof got);
  o->upload(o, from, x, sizeof x);
  for (int k = 0; k < 2; k++) {
    const enum hd_type type = k ? HD_F16 : HD_BF16;
    o->round16(o, type, from, to, N);
    o->download(o, got, to, sizeof got);
    for (int i = 0; i < N; i++) assert_int_equal(got[i], hd_half_from_float(type, x[i]));
  }
  o->free(o, from, sizeof x), o->free(o, to, sizeof got);
  o->close(o);
}

static void overflow_skips_the_step(void **state) {
  enum { N = 777 };
  float theta[N], g[N], after[N];
  hd_fill_normal(theta, N, 1, 0);
  hd_fill_normal(g, N, 2, 0);
  hd_ops *o = open_ops(state);
  hd_optimizer *p = hd_optimizer_new(o, HD_ADAM, N);
  hd_scaler s = hd_scaler_default();
  s.every = 3;
  float *t = o->alloc(o, sizeof theta), *d = o->alloc(o, sizeof g);
  o->upload(o, t, theta, sizeof theta);
  const float bad[] = {INFINITY, -INFINITY, NAN};
  for (int k = 0; k < 3; k++) {
    const float kept = g[N - 1 - k];
    g[N - 1 - k] = bad[k];
    o->upload(o, d, g, sizeof g);
    g[N - 1 - k] = kept;
    assert_false(hd_scaler_step(&s, p, t, d, 0.1f, 1));
    o->download(o, after, t, sizeof after);
    assert_memory_equal(theta, after, sizeof theta);
    assert_int_equal(p->steps, 0);
    assert_true(s.scale == ldexpf(65536, -k - 1));
    assert_int_equal(s.skipped, k + 1);
  }
  o->upload(o, d, g, sizeof g);
  for (int k = 0; k < 6; k++) assert_true(hd_scaler_step(&s, p, t, d, 0.1f, 1));
  assert_true(s.scale == 32768);  // doubled after the third and the sixth
  assert_int_equal(p->steps, 6);
  s.scale = s.largest, s.good = 0;
  for (int k = 0; k < 3; k++) hd_scaler_step(&s, p, t, d, 0.1f, 1);
  assert_true(s.scale == s.largest);
  o->download(o, after, t, sizeof after);
  assert_memory_not_equal(theta, after, sizeof theta);
  o->free(o, t, sizeof theta), o->free(o, d, sizeof g);
  hd_optimizer_free(p);
  o->close(o);
}

// 32 updates of a 4096th each: one by one they vanish in bf16, which has 8 bits; an fp32 master adds them up.
static void masters_keep_what_16_bits_lose(void **state) {
  hd_ops *o = open_ops(state);
  float *t = o->alloc(o, sizeof *t), *g = o->alloc(o, sizeof *g), theta;
  uint16_t *half = o->alloc(o, sizeof *half), rounded;
  const float start = 1, down = -1;
  o->upload(o, g, &down, sizeof down);
  for (int with_master = 0; with_master < 2; with_master++) {
    hd_optimizer *p = hd_optimizer_new(o, HD_SGD, 1);
    p->momentum = 0;
    o->upload(o, t, &start, sizeof start);
    for (int step = 0; step < 32; step++) {
      hd_optimizer_step(p, t, g, 0x1p-12f, 1);
      o->round16(o, HD_BF16, t, half, 1);
      o->download(o, &rounded, half, sizeof rounded);
      theta = hd_bf16_to_float(rounded);
      if (!with_master) o->upload(o, t, &theta, sizeof theta);
    }
    assert_true(theta == (with_master ? 1 + 0x1p-7f : 1));
    hd_optimizer_free(p);
  }
  o->free(o, t, sizeof *t), o->free(o, g, sizeof *g), o->free(o, half, sizeof *half);
  o->close(o);
}

enum { MOST_WORLD = 8, SKIPPING_STEPS = 3 };

typedef struct skipping {
  bool on_gpu;
  float theta[MOST_WORLD], scale[MOST_WORLD];
  long skipped[MOST_WORLD];
} skipping;

// The last rank's second gradient overflows.
static void skipping_body(hd_comm *comm, void *arg) {
  skipping *k = arg;
  const int rank = hd_comm_rank(comm), world = hd_comm_world(comm);
  hd_ops *o = hd_ops_open(k->on_gpu, hd_comm_stream(comm));
  hd_optimizer *p = hd_optimizer_new(o, HD_ADAM, 1);
  hd_scaler s = hd_scaler_default();
  float *t = o->alloc(o, sizeof *t), *g = o->alloc(o, sizeof *g), theta = 1;
  o->upload(o, t, &theta, sizeof theta);
  for (int step = 0; step < SKIPPING_STEPS; step++) {
    const float own = step == 1 && rank == world - 1 ? INFINITY : s.scale * (float)(rank + step);
    o->upload(o, g, &own, sizeof own);
    if (hd_all_reduce(comm, g, 1, HD_F32, HD_SUM)) break;
    hd_scaler_step(&s, p, t, g, 0.1f, 1.0f / (float)world);
  }
  o->download(o, &k->theta[rank], t, sizeof theta);
  k->scale[rank] = s.scale;
  k->skipped[rank] = s.skipped;
  o->free(o, t, sizeof *t), o->free(o, g, sizeof *g);
  hd_optimizer_free(p);
  o->close(o);
}

// Each rank decides for itself, and all alike: the sum is infinite for everybody.
static void all_ranks_skip_the_same_step(void **state) {
  hd_ops *o = open_ops(state);
  skipping k = {.on_gpu = !o->on_host};
  o->close(o);
  const int worlds[] = {1, 2, 3, 4, 8};
  for (int w = 0; w < HD_COUNT(worlds); w++) {
    if (hd_comm_run(worlds[w], k.on_gpu ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK, 1, 0, skipping_body,
                    &k))
      fail_msg("%s", hd_comm_error_text());
    for (int r = 0; r < worlds[w]; r++) {
      assert_int_equal(k.skipped[r], 1);
      assert_true(k.scale[r] == 32768 && k.theta[r] == k.theta[0] && k.theta[r] < 1);
    }
  }
}

enum { IMAGES = 24, BATCH = 7, MOST_PARAMETERS = 8192 };

// A data set small enough to learn by heart.
static hd_dataset small_set(void) {
  hd_dataset d = {.count = IMAGES};
  d.images = test_malloc(IMAGES * HD_IMAGE_PIXELS * sizeof(float));
  d.labels = test_malloc(IMAGES);
  hd_fill_normal(d.images, IMAGES * HD_IMAGE_PIXELS, 11, 0);
  for (int i = 0; i < IMAGES; i++) d.labels[i] = (uint8_t)(i % HD_CLASSES);
  return d;
}

static void small_set_free(hd_dataset *d) {
  test_free(d->images), test_free(d->labels);
}

// A training of some kind on the small set, from its first step or from a file.
typedef struct trainer {
  hd_ops *ops;
  hd_net *net;
  hd_optimizer *optimizer;
  hd_scaler scaler;
  hd_training training;
  hd_loader *loader;
  float *x;
  uint8_t *labels;
  float gradient_scale;
} trainer;

static trainer *trainer_new(void **state, const hd_dataset *d, enum hd_type precision, enum hd_rule rule,
                            const char *file) {
  const hd_layer layers[] = {hd_convolution((hd_windows){28, 28, 1, 5, 3, 0}, 3, HD_RELU),
                             hd_max_pool((hd_windows){8, 8, 3, 2, 2, 0}), hd_dense(1, 48, 17, HD_GELU),
                             hd_dense(1, 17, HD_CLASSES, HD_LINEAR)};
  float theta[MOST_PARAMETERS];
  trainer *t = test_calloc(1, sizeof *t);
  t->ops = open_ops(state);
  t->net = hd_net_new(t->ops, layers, 4, BATCH, true, precision);
  hd_net_initial(layers, 4, 1, theta);
  hd_net_set(t->net, theta);
  t->optimizer = hd_optimizer_new(t->ops, rule, t->net->parameters);
  t->optimizer->weight_decay = 1e-3f;
  t->scaler = hd_scaler_default();
  t->scaler.every = 4;
  t->gradient_scale = 1.0f / BATCH;
  t->training = (hd_training){t->net->theta, t->optimizer, &t->scaler, .seed = 5};
  char why[256] = "";
  if (file && !hd_training_load(file, &t->training, why, sizeof why)) fail_msg("%s", why);
  t->loader = hd_loader_open_at(d, BATCH, 0, BATCH, true, 5, t->training.batches);
  t->x = t->ops->alloc(t->ops, BATCH * HD_IMAGE_PIXELS * sizeof(float));
  t->labels = t->ops->alloc(t->ops, BATCH);
  return t;
}

static void trainer_free(trainer *t) {
  hd_loader_close(t->loader);
  t->ops->free(t->ops, t->x, BATCH * HD_IMAGE_PIXELS * sizeof(float));
  t->ops->free(t->ops, t->labels, BATCH);
  hd_optimizer_free(t->optimizer);
  hd_net_free(t->net);
  assert_int_equal(t->ops->bytes, 0);
  t->ops->close(t->ops);
  test_free(t);
}

static void train(trainer *t, int steps) {
  for (int i = 0; i < steps; i++) {
    const float *images;
    const uint8_t *labels;
    hd_loader_next(t->loader, &images, &labels);
    t->training.batches++;
    t->ops->upload(t->ops, t->x, images, BATCH * HD_IMAGE_PIXELS * sizeof(float));
    t->ops->upload(t->ops, t->labels, labels, BATCH);
    hd_net_gradient(t->net, HD_CROSS_ENTROPY, t->x, t->labels, BATCH, t->gradient_scale * t->scaler.scale,
                    false, NULL, NULL);
    hd_scaler_step(&t->scaler, t->optimizer, t->net->theta, t->net->gradient, 0.01f, 1);
  }
}

static void get_theta(const trainer *t, float *theta) {
  hd_net_get(t->net, theta);
}

// A power of two passes through fp32 without a trace, bit for bit.
static void scaling_changes_nothing_without_overflow(void **state) {
  hd_dataset d = small_set();
  float theta[2][MOST_PARAMETERS];
  size_t count = 0;
  for (int k = 0; k < 2; k++) {
    trainer *t = trainer_new(state, &d, HD_F32, HD_SGD, NULL);
    if (k == 0) t->scaler.scale = t->scaler.largest = 1;
    train(t, 6);
    get_theta(t, theta[k]);
    count = t->net->parameters;
    trainer_free(t);
  }
  assert_memory_equal(theta[0], theta[1], count * sizeof(float));
  small_set_free(&d);
}

// Gradients of 1e-9 are zero in fp16, unless scaled; gradients of 1e9 are infinite until the scale has come
// down. bf16 has fp32's range and needs neither.
static void scaling_saves_small_gradients_of_fp16(void **state) {
  hd_dataset d = small_set();
  const struct {
    enum hd_type precision;
    float scale;
    bool learns;
  } cases[] = {{HD_F16, 1, false}, {HD_F16, 0x1p24f, true}, {HD_BF16, 1, true}};
  for (int k = 0; k < 3; k++) {
    trainer *t = trainer_new(state, &d, cases[k].precision, HD_SGD, NULL);
    float gradient[MOST_PARAMETERS], largest = 0;
    t->gradient_scale = 1e-9f;
    t->scaler.scale = t->scaler.largest = cases[k].scale;
    train(t, 1);
    t->ops->download(t->ops, gradient, t->net->gradient, t->net->parameters * sizeof(float));
    for (int i = 0; i < 75; i++) largest = fmaxf(largest, fabsf(gradient[i]));  // the convolution's weights
    if ((largest > 0) != cases[k].learns) fail_msg("case %d: largest gradient %g", k, (double)largest);
    trainer_free(t);
  }
  trainer *t = trainer_new(state, &d, HD_F16, HD_SGD, NULL);
  t->scaler.largest = t->scaler.scale = 0x1p24f;
  train(t, 12);
  assert_in_range(t->scaler.skipped, 3, 11);
  assert_true(t->scaler.scale < 0x1p22f);
  assert_int_equal(t->optimizer->steps + t->scaler.skipped, 12);
  trainer_free(t);
  small_set_free(&d);
}

static void sixteen_bit_training_learns(void **state) {
  hd_dataset d = small_set();
  const enum hd_type types[] = {HD_F32, HD_BF16, HD_F16};
  for (int k = 0; k < 3; k++) {
    trainer *t = trainer_new(state, &d, types[k], HD_ADAMW, NULL);
    double first, last;
    train(t, 1);
    hd_net_result(t->net, HD_CROSS_ENTROPY, BATCH, &first, NULL);
    train(t, 59);
    hd_net_result(t->net, HD_CROSS_ENTROPY, BATCH, &last, NULL);
    if (!(last < 0.6 * first)) fail_msg("type %d: loss %g after %g", (int)types[k], last, first);
    trainer_free(t);
  }
  small_set_free(&d);
}

// ---------------------------------------------------------------- checkpoints

static char folder[] = "/tmp/heddle-checkpoint-XXXXXX", file[64], beside[64];

static int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/heddle-checkpoint-XXXXXX");
  if (!mkdtemp(folder)) return -1;
  snprintf(file, sizeof file, "%s/run", folder);
  snprintf(beside, sizeof beside, "%s/run.new", folder);
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  unlink(file), unlink(beside), rmdir(beside);
  return rmdir(folder);
}

// Interrupted in the middle of an epoch, with a scale that has moved.
static void a_resumed_run_is_the_uninterrupted_one(void **state) {
  hd_dataset d = small_set();
  float whole[MOST_PARAMETERS], resumed[MOST_PARAMETERS];
  char why[256];
  make_folder(state);
  for (int rule = HD_SGD; rule <= HD_ADAMW; rule++) {
    trainer *t = trainer_new(state, &d, HD_F16, (enum hd_rule)rule, NULL);
    train(t, 17);
    get_theta(t, whole);
    const hd_scaler scaler = t->scaler;
    trainer_free(t);

    t = trainer_new(state, &d, HD_F16, (enum hd_rule)rule, NULL);
    train(t, 7);
    if (!hd_training_save(file, &t->training, why, sizeof why)) fail_msg("%s", why);
    train(t, 3);  // lost
    trainer_free(t);
    t = trainer_new(state, &d, HD_F16, (enum hd_rule)rule, file);
    assert_int_equal(t->training.batches, 7);
    train(t, 10);
    get_theta(t, resumed);
    assert_memory_equal(whole, resumed, t->net->parameters * sizeof(float));
    assert_true(t->scaler.scale == scaler.scale && t->scaler.good == scaler.good);

    t->training.seed = 6;  // another training's file is refused
    assert_false(hd_training_load(file, &t->training, why, sizeof why));
    assert_non_null(strstr(why, "seed 5"));
    trainer_free(t);
  }
  remove_folder(state);
  small_set_free(&d);
}

typedef struct small_parts {
  char words[5];
  double numbers[3];
  hd_part parts[3];
} small_parts;

static void fill(small_parts *s, const char *words, double number) {
  memcpy(s->words, words, 5);
  for (int i = 0; i < 3; i++) s->numbers[i] = number + i;
  s->parts[0] = (hd_part){"words", s->words, 5};
  s->parts[1] = (hd_part){"nothing", NULL, 0};
  s->parts[2] = (hd_part){"numbers", s->numbers, sizeof s->numbers};
}

static size_t slurp(char *bytes, size_t room) {
  FILE *f = fopen(file, "rb");
  const size_t n = f ? fread(bytes, 1, room, f) : 0;
  if (f) fclose(f);
  return n;
}

static void spill(const char *bytes, size_t n) {
  FILE *f = fopen(file, "wb");
  assert_int_equal(fwrite(bytes, 1, n, f), n);
  fclose(f);
}

static void expect_refusal(small_parts *s, const char *because) {
  char why[256] = "";
  const small_parts before = *s;
  assert_false(hd_checkpoint_read(file, s->parts, 3, why, sizeof why));
  if (because && !strstr(why, because)) fail_msg("\"%s\" does not say \"%s\"", why, because);
  assert_true(strncmp(why, file, strlen(file)) == 0);
  assert_memory_equal(before.words, s->words, 5);
  assert_memory_equal(before.numbers, s->numbers, sizeof s->numbers);
}

static void damaged_files_are_refused(void **state) {
  (void)state;
  small_parts one, two;
  char bytes[4096], why[256];
  fill(&one, "alpha", 1.5);
  fill(&two, "other", 7.5);
  expect_refusal(&two, "No such file");
  assert_true(hd_checkpoint_write(file, one.parts, 3, why, sizeof why));
  const size_t n = slurp(bytes, sizeof bytes);
  for (size_t cut = 0; cut < n; cut += cut < 16 ? 1 : 7) {
    spill(bytes, cut);
    expect_refusal(&two, cut < 8 ? "not a checkpoint" : "truncated");
  }
  for (size_t i = 0; i < n; i += 3) {
    bytes[i] ^= 1 << i % 8;
    spill(bytes, n);
    expect_refusal(&two, i < 8 ? "not a checkpoint" : i < 12 ? "version" : "damaged");
    bytes[i] ^= 1 << i % 8;
  }
  bytes[n] = 0;
  spill(bytes, n + 1);
  expect_refusal(&two, "longer");
  spill(bytes, n);
  two.parts[2].bytes -= 8;
  expect_refusal(&two, "numbers, 24 bytes, not numbers, 16 bytes");
  two.parts[2].bytes += 8;
  assert_true(hd_checkpoint_read(file, two.parts, 3, why, sizeof why));
  assert_memory_equal(one.words, two.words, 5);
  assert_memory_equal(one.numbers, two.numbers, sizeof one.numbers);
}

// A folder in the way of the new file, then a disk that is full after 100 bytes.
static void a_failed_write_keeps_the_previous_file(void **state) {
  (void)state;
  small_parts one, two;
  char why[256];
  fill(&one, "alpha", 1.5);
  fill(&two, "other", 7.5);
  assert_true(hd_checkpoint_write(file, one.parts, 3, why, sizeof why));
  for (int k = 0; k < 2; k++) {
    struct rlimit before, full;
    getrlimit(RLIMIT_FSIZE, &before);
    full = before;
    full.rlim_cur = 100;
    if (k == 0) mkdir(beside, 0755);
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    if (k == 1) setrlimit(RLIMIT_FSIZE, &full);
    const bool good = hd_checkpoint_write(file, two.parts, 3, why, sizeof why);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, old);
    if (k == 0) rmdir(beside);
    assert_false(good);
    assert_non_null(strstr(why, "the previous one is kept"));
    assert_int_equal(access(beside, F_OK), -1);
    small_parts read;
    fill(&read, "-----", 0);
    assert_true(hd_checkpoint_read(file, read.parts, 3, why, sizeof why));
    assert_memory_equal(read.words, "alpha", 5);
  }
}

static make_ops *cpu = hd_ops_cpu;
#if HD_HAVE_CUDA
static hd_ops *default_stream(void) {
  return hd_ops_cuda(NULL);
}
static make_ops *cuda = default_stream;
#endif

#define ON_ONE(place, name, function) \
  { #place ": " name, function, NULL, NULL, &place }
#define ON(place)                                                                                        \
  ON_ONE(place, "known answers", optimizers_give_known_answers),                                         \
      ON_ONE(place, "adamw and adam", adamw_without_decay_is_adam),                                      \
      ON_ONE(place, "layer by layer", layer_by_layer_is_all_at_once),                                    \
      ON_ONE(place, "rounding", tables_round_alike), ON_ONE(place, "overflow", overflow_skips_the_step), \
      ON_ONE(place, "masters", masters_keep_what_16_bits_lose),                                          \
      ON_ONE(place, "skipped steps", all_ranks_skip_the_same_step),                                      \
      ON_ONE(place, "scaling", scaling_changes_nothing_without_overflow),                                \
      ON_ONE(place, "small gradients", scaling_saves_small_gradients_of_fp16),                           \
      ON_ONE(place, "16-bit training", sixteen_bit_training_learns),                                     \
      ON_ONE(place, "resume", a_resumed_run_is_the_uninterrupted_one)

int main(void) {
  const struct CMUnitTest on_cpu[] = {
      ON(cpu), cmocka_unit_test(rates_follow_their_schedules), cmocka_unit_test(halves_convert),
      cmocka_unit_test_setup_teardown(damaged_files_are_refused, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(a_failed_write_keeps_the_previous_file, make_folder, remove_folder)};
  int failed = cmocka_run_group_tests_name("training on the CPU", on_cpu, NULL, NULL);
#if HD_HAVE_CUDA
  const struct CMUnitTest on_gpu[] = {ON(cuda)};
  if (hd_device_count() > 0) failed += cmocka_run_group_tests_name("training on a GPU", on_gpu, NULL, NULL);
#endif
  return failed;
}
