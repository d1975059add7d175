// SPDX-License-Identifier: MIT
// Training on every side of the operation table: each test runs on the CPU and, where there is one, on a GPU.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/random.h>
#include <heddle/train.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 6, L = 3, IN = 12, OUT = 5 };
static const int WIDTH[L + 1] = {IN, 9, 7, OUT};

typedef hd_ops *make_ops(void);

static hd_ops *open_ops(void **state) {
  return (*(make_ops **)*state)();
}

static float *upload(hd_ops *o, const void *from, size_t bytes) {
  void *p = o->alloc(o, bytes);
  o->upload(o, p, from, bytes);
  return p;
}

typedef struct problem {
  hd_ops *ops;
  hd_mlp *net;
  size_t count;
  float theta[400], x[ROWS * IN], gradient[400];
  uint8_t labels[ROWS];
  float *device_x;
  uint8_t *device_labels;
} problem;

static problem *open_problem(void **state) {
  problem *p = test_calloc(1, sizeof *p);
  p->ops = open_ops(state);
  p->count = hd_mlp_count(WIDTH, L);
  hd_mlp_initial(WIDTH, L, 3, p->theta);
  for (int l = 0; l < L; l++) {  // biases start at zero; give them values so that their use is seen
    float *bias = p->theta + hd_mlp_count(WIDTH, l) + WIDTH[l] * WIDTH[l + 1];
    hd_fill_normal(bias, (size_t)WIDTH[l + 1], 4, (uint64_t)l);
  }
  hd_fill_normal(p->x, ROWS * IN, 5, 0);
  for (int r = 0; r < ROWS; r++) p->labels[r] = (uint8_t)(r % OUT);
  p->net = hd_mlp_new(p->ops, WIDTH, L, ROWS, true);
  hd_mlp_set(p->net, p->theta);
  p->device_x = upload(p->ops, p->x, sizeof p->x);
  p->device_labels = (uint8_t *)upload(p->ops, p->labels, sizeof p->labels);
  return p;
}

static void close_problem(problem *p) {
  p->ops->free(p->ops, p->device_x, sizeof p->x);
  p->ops->free(p->ops, p->device_labels, sizeof p->labels);
  hd_mlp_free(p->net);
  assert_int_equal(p->ops->bytes, 0);  // everything that was allocated was freed
  p->ops->close(p->ops);
  test_free(p);
}

static void get_gradient(problem *p) {
  p->ops->download(p->ops, p->gradient, p->net->gradient, p->count * sizeof(float));
}

// The loss in double, straight from the definition and independent of train.c.
static double loss(const double *theta, const float *x, const uint8_t *labels) {
  double total = 0;
  for (int r = 0; r < ROWS; r++) {
    double a[16], z[16];
    for (int i = 0; i < IN; i++) a[i] = (double)x[r * IN + i];
    const double *w = theta;
    for (int l = 0; l < L; l++) {
      for (int j = 0; j < WIDTH[l + 1]; j++) {
        z[j] = w[WIDTH[l] * WIDTH[l + 1] + j];
        for (int i = 0; i < WIDTH[l]; i++) z[j] += a[i] * w[i * WIDTH[l + 1] + j];
      }
      for (int j = 0; j < WIDTH[l + 1]; j++) a[j] = l + 1 < L && z[j] < 0 ? 0 : z[j];
      w += (WIDTH[l] + 1) * WIDTH[l + 1];
    }
    double sum = 0;
    for (int j = 0; j < OUT; j++) sum += exp(a[j]);
    total += log(sum) - a[labels[r]];
  }
  return total;
}

static void gradient_is_that_of_central_differences(void **state) {
  problem *p = open_problem(state);
  double theta[400], expected[400];
  for (size_t i = 0; i < p->count; i++) theta[i] = (double)p->theta[i];
  for (size_t i = 0; i < p->count; i++) {
    const double h = 1e-6, here = theta[i];
    theta[i] = here + h;
    const double above = loss(theta, p->x, p->labels);
    theta[i] = here - h;
    expected[i] = (above - loss(theta, p->x, p->labels)) / (2 * h);
    theta[i] = here;
  }
  hd_mlp_gradient(p->net, p->device_x, p->device_labels, ROWS, 1, false, NULL, NULL);
  get_gradient(p);
  assert_true(hd_compare(p->gradient, HD_F32, expected, p->count) < 5e-6);
  double sum;
  hd_mlp_result(p->net, ROWS, &sum, NULL);
  assert_true(fabs(sum - loss(theta, p->x, p->labels)) < 1e-5 * sum);
  p->gradient[7] += 1e-3f;  // the check can fail
  assert_false(hd_compare(p->gradient, HD_F32, expected, p->count) < 5e-6);
  close_problem(p);
}

static void micro_batches_accumulate_to_the_batch(void **state) {
  problem *p = open_problem(state);
  double whole[400];
  hd_mlp_gradient(p->net, p->device_x, p->device_labels, ROWS, 0.5f, false, NULL, NULL);
  get_gradient(p);
  for (size_t i = 0; i < p->count; i++) whole[i] = (double)p->gradient[i];
  const long cuts[] = {0, 1, 1, 4, ROWS};  // the second cut is empty
  for (int k = 0; k < 4; k++)
    hd_mlp_gradient(p->net, p->device_x + cuts[k] * IN, p->device_labels + cuts[k], cuts[k + 1] - cuts[k],
                    0.5f, k > 0, NULL, NULL);
  get_gradient(p);
  assert_true(hd_compare(p->gradient, HD_F32, whole, p->count) < 1e-6);
  close_problem(p);
}

static void an_empty_batch_has_a_zero_gradient(void **state) {
  problem *p = open_problem(state);
  hd_mlp_gradient(p->net, p->device_x, p->device_labels, ROWS, 1, false, NULL, NULL);
  hd_mlp_gradient(p->net, p->device_x, p->device_labels, 0, 1, false, NULL, NULL);
  get_gradient(p);
  for (size_t i = 0; i < p->count; i++) assert_true(p->gradient[i] == 0);
  close_problem(p);
}

typedef struct seen {
  int layers[2 * L], count;
  size_t lowest;
} seen;

static void note_layer(void *context, int layer, size_t offset, size_t count) {
  seen *s = context;
  assert_int_equal(offset + count, s->lowest);
  s->lowest = offset;
  s->layers[s->count++] = layer;
}

static void layers_are_ready_in_reverse_order(void **state) {
  problem *p = open_problem(state);
  for (long rows = 0; rows <= ROWS; rows += ROWS) {
    seen s = {.lowest = p->count};
    hd_mlp_gradient(p->net, p->device_x, p->device_labels, rows, 1, false, note_layer, &s);
    assert_int_equal(s.count, L);
    for (int i = 0; i < L; i++) assert_int_equal(s.layers[i], L - 1 - i);
    assert_int_equal(s.lowest, 0);
  }
  close_problem(p);
}

static void large_logits_do_not_overflow(void **state) {
  hd_ops *o = open_ops(state);
  const float logits[] = {1000, -1000, 0, /**/ -1e4f, -1e4f, -1e4f, /**/ 2, 3, 3};
  const uint8_t labels[] = {1, 2, 1};
  float *z = upload(o, logits, sizeof logits), *d = o->alloc(o, sizeof logits),
        *out = o->alloc(o, 6 * sizeof(float));
  uint8_t *y = (uint8_t *)upload(o, labels, sizeof labels);
  o->softmax_loss(o, z, y, d, out, out + 3, 3, 3, 1);
  float result[6], gradient[9];
  o->download(o, result, out, sizeof result);
  o->download(o, gradient, d, sizeof gradient);
  assert_true(fabsf(result[0] - 2000) < 1e-3f);
  assert_true(fabsf(result[1] - logf(3)) < 1e-6f);
  assert_true(result[3] == 0 && result[4] == 0 && result[5] == 1);  // the first of equal logits counts
  for (int r = 0; r < 3; r++)
    assert_true(fabsf(gradient[3 * r] + gradient[3 * r + 1] + gradient[3 * r + 2]) < 1e-6f);
  o->free(o, z, sizeof logits);
  o->free(o, d, sizeof logits);
  o->free(o, out, 6 * sizeof(float));
  o->free(o, y, sizeof labels);
  o->close(o);
}

// 33,001 parameters: more than a grid holds at once, and not a multiple of four.
static void optimizers_follow_their_formulas(void **state) {
  enum { N = 33001, STEPS = 5 };
  float *start = test_malloc(N * sizeof(float)), *g = test_malloc(N * sizeof(float));
  double *theta = test_malloc(N * sizeof(double));
  hd_fill_normal(start, N, 1, 0);
  for (int rule = HD_SGD; rule <= HD_ADAMW; rule++) {
    hd_ops *o = open_ops(state);
    float *t = upload(o, start, N * sizeof(float)), *device_g = o->alloc(o, N * sizeof(float));
    hd_optimizer *p = hd_optimizer_new(o, (enum hd_rule)rule, N);
    p->weight_decay = 0.01f;
    p->l1 = 0.002f;
    double *m = test_calloc(N, sizeof(double)), *v = test_calloc(N, sizeof(double));
    for (int i = 0; i < N; i++) theta[i] = (double)start[i];
    for (int step = 1; step <= STEPS; step++) {
      hd_fill_normal(g, N, 2, (uint64_t)step);
      o->upload(o, device_g, g, N * sizeof(float));
      hd_optimizer_step(p, t, device_g, 0.01f, 0.5f);
      for (int i = 0; i < N; i++) {
        const double coupled = rule == HD_ADAMW ? 0 : 0.01 * theta[i];
        const double d = 0.5 * (double)g[i] + coupled + (theta[i] > 0 ? 0.002 : -0.002);
        if (rule == HD_SGD) {
          m[i] = 0.9 * m[i] + d;
          theta[i] -= 0.01 * m[i];
        } else {
          m[i] = 0.9 * m[i] + 0.1 * d;
          v[i] = 0.999 * v[i] + 0.001 * d * d;
          const double unbiased = m[i] / (1 - pow(0.9, step)), square = v[i] / (1 - pow(0.999, step));
          const double decay = rule == HD_ADAMW ? 0.01 * theta[i] : 0;
          theta[i] -= 0.01 * (unbiased / (sqrt(square) + 1e-8) + decay);
        }
      }
    }
    float *end = test_malloc(N * sizeof(float));
    o->download(o, end, t, N * sizeof(float));
    assert_true(hd_compare(end, HD_F32, theta, N) < 1e-6);
    hd_optimizer_free(p);
    o->free(o, t, N * sizeof(float));
    o->free(o, device_g, N * sizeof(float));
    assert_int_equal(o->bytes, 0);
    o->close(o);
    test_free(m), test_free(v), test_free(end);
  }
  test_free(start), test_free(g), test_free(theta);
}

static void vector_operations_work_at_any_length(void **state) {
  hd_ops *o = open_ops(state);
  for (size_t n = 0; n <= 1000; n += 333) {
    float x[1000], y[1000], out[1000];
    hd_fill_normal(x, 1000, 1, 0);
    hd_fill_normal(y, 1000, 2, 0);
    float *dx = upload(o, x, sizeof x), *dy = upload(o, y, sizeof y);
    o->axpy(o, 2, dx, dy, n);
    o->scale(o, 0.5f, dy, n);
    o->download(o, out, dy, sizeof out);
    for (size_t i = 0; i < 1000; i++)
      assert_true(fabsf(out[i] - (i < n ? 0.5f * (y[i] + 2 * x[i]) : y[i])) < 1e-6f);
    o->zero(o, dy, n * sizeof(float));
    o->download(o, out, dy, n * sizeof(float));
    for (size_t i = 0; i < n; i++) assert_true(out[i] == 0);
    o->free(o, dx, sizeof x);
    o->free(o, dy, sizeof y);
  }
  o->close(o);
}

// Shapes that are no multiple of any block, one of them so tall that a GPU sums it in parts.
static void bias_gradients_are_column_sums(void **state) {
  const long shapes[][2] = {{1, 1}, {7, 33}, {130, 70}, {1000, 10}};
  for (int s = 0; s < 4; s++) {
    const long rows = shapes[s][0], cols = shapes[s][1];
    const size_t n = (size_t)(rows * cols), bytes = n * sizeof(float),
                 sum_bytes = (size_t)cols * sizeof(float);
    float *dy = test_malloc(bytes), *y = test_malloc(bytes), *sums = test_malloc(sum_bytes);
    double *expected = test_calloc((size_t)cols, sizeof *expected);
    hd_fill_normal(dy, n, 1, 0);
    hd_fill_normal(y, n, 2, 0);
    for (size_t i = 0; i < n; i++)
      if (y[i] > 0) expected[i % (size_t)cols] += 2 * (double)dy[i];
    hd_ops *o = open_ops(state);
    float *d = upload(o, dy, bytes), *out = upload(o, y, bytes), *bias = o->alloc(o, sum_bytes);
    o->bias_act_backward(o, d, out, bias, rows, cols, HD_RELU, false);
    o->bias_act_backward(o, d, out, bias, rows, cols, HD_RELU, true);
    o->download(o, sums, bias, sum_bytes);
    assert_true(hd_compare(sums, HD_F32, expected, (size_t)cols) < 1e-5);
    o->free(o, d, bytes);
    o->free(o, out, bytes);
    o->free(o, bias, sum_bytes);
    o->close(o);
    test_free(dy), test_free(y), test_free(sums), test_free(expected);
  }
}

static double gelu(double z) {
  return 0.5 * z * (1 + tanh(sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
}

// Forward against the formula, backward against its central differences.
static void gelu_and_its_slope(void **state) {
  enum { R = 37, C = 5, N = R * C };
  float z[N], dy[N], bias[C], kept[N], y[N], d_bias[C];
  double expected_y[N], expected_dy[N], expected_bias[C] = {0};
  hd_fill_normal(z, N, 6, 0);
  hd_fill_normal(dy, N, 6, 1);
  hd_fill_normal(bias, C, 6, 2);
  for (int i = 0; i < N; i++) {
    const double at = (double)(z[i] + bias[i % C]), h = 1e-6;
    expected_y[i] = gelu(at);
    expected_dy[i] = (double)dy[i] * (gelu(at + h) - gelu(at - h)) / (2 * h);
    expected_bias[i % C] += expected_dy[i];
  }
  hd_ops *o = open_ops(state);
  float *pz = upload(o, z, sizeof z), *pd = upload(o, dy, sizeof dy), *pb = upload(o, bias, sizeof bias);
  float *py = o->alloc(o, sizeof y), *ps = o->alloc(o, sizeof d_bias);
  o->bias_act(o, pz, pb, py, R, C, HD_GELU);
  o->bias_act_backward(o, pd, pz, ps, R, C, HD_GELU, false);
  o->download(o, y, py, sizeof y);
  o->download(o, kept, pd, sizeof kept);
  o->download(o, d_bias, ps, sizeof d_bias);
  assert_true(hd_compare(y, HD_F32, expected_y, N) < 1e-6);
  assert_true(hd_compare(kept, HD_F32, expected_dy, N) < 2e-6);
  assert_true(hd_compare(d_bias, HD_F32, expected_bias, C) < 2e-6);
  o->free(o, pz, sizeof z), o->free(o, pd, sizeof dy), o->free(o, pb, sizeof bias);
  o->free(o, py, sizeof y), o->free(o, ps, sizeof d_bias);
  o->close(o);
}

static void marks_follow_the_work(void **state) {
  hd_ops *o = open_ops(state);
  const size_t n = 1 << 20;
  float *x = o->alloc(o, n * sizeof *x);
  o->zero(o, x, n * sizeof *x);
  o->mark(o, 0);
  o->mark(o, 1);
  for (int i = 0; i < 4; i++) o->scale(o, 2, x, n);
  o->mark(o, 2);
  o->mark(o, 300);
  assert_true(o->mark_time(o, 0) == 0);
  assert_true(o->mark_time(o, 1) >= 0);
  assert_true(o->mark_time(o, 2) > o->mark_time(o, 1));
  assert_true(o->mark_time(o, 300) >= o->mark_time(o, 2));
  o->free(o, x, n * sizeof *x);
  o->close(o);
}

// The mistake "no no_grad": what evaluation must not do is tested in test_data_parallel; here, that ours does
// not.
static void inference_keeps_no_gradient_state(void **state) {
  problem *p = open_problem(state);
  float before[400];
  hd_mlp_gradient(p->net, p->device_x, p->device_labels, ROWS, 1, false, NULL, NULL);
  get_gradient(p);
  memcpy(before, p->gradient, sizeof before);
  const size_t bytes = p->ops->bytes;
  const double accuracy = hd_accuracy(p->net, p->x, p->labels, ROWS);
  get_gradient(p);
  assert_memory_equal(before, p->gradient, p->count * sizeof(float));
  assert_int_equal(p->ops->bytes, bytes);

  hd_ops *o = open_ops(state);
  hd_mlp *lean = hd_mlp_new(o, WIDTH, L, 2, false);  // six images in three chunks
  hd_mlp_set(lean, p->theta);
  assert_null(lean->gradient);
  assert_true(o->bytes < bytes / 2);
  assert_true(hd_accuracy(lean, p->x, p->labels, ROWS) == accuracy);
  assert_true(isnan(hd_accuracy(lean, p->x, p->labels, 0)));
  hd_mlp_free(lean);
  assert_int_equal(o->bytes, 0);
  o->close(o);
  close_problem(p);
}

static void training_fits_six_images(void **state) {
  for (int rule = HD_SGD; rule <= HD_ADAM; rule++) {
    problem *p = open_problem(state);
    hd_optimizer *opt = hd_optimizer_new(p->ops, (enum hd_rule)rule, p->count);
    for (int step = 0; step < 100; step++) {
      hd_mlp_gradient(p->net, p->device_x, p->device_labels, ROWS, 1, false, NULL, NULL);
      hd_optimizer_step(opt, p->net->theta, p->net->gradient, rule == HD_SGD ? 0.05f : 0.02f, 1.0f / ROWS);
    }
    double sum;
    long correct;
    hd_mlp_result(p->net, ROWS, &sum, &correct);
    assert_int_equal(correct, ROWS);
    assert_true(sum < 0.1);
    assert_true(hd_accuracy(p->net, p->x, p->labels, ROWS) == 1);
    hd_optimizer_free(opt);
    close_problem(p);
  }
}

static void initial_weights_are_the_same_everywhere(void **state) {
  (void)state;
  static const int width[] = {300, 200, 10};
  const size_t n = hd_mlp_count(width, 2);
  assert_int_equal(n, 300 * 200 + 200 + 200 * 10 + 10);
  float *one = test_malloc(n * sizeof(float)), *two = test_malloc(n * sizeof(float));
  omp_set_num_threads(1);
  hd_mlp_initial(width, 2, 7, one);
  omp_set_num_threads(3);
  hd_mlp_initial(width, 2, 7, two);
  assert_memory_equal(one, two, n * sizeof(float));
  double squares = 0;
  for (int i = 0; i < 300 * 200; i++) squares += (double)one[i] * (double)one[i];
  assert_true(fabs(squares / (300 * 200) * 300 / 2 - 1) < 0.02);  // He: variance 2 / 300
  for (int i = 0; i < 200; i++) assert_true(one[300 * 200 + i] == 0);
  hd_mlp_initial(width, 2, 8, two);
  assert_memory_not_equal(one, two, n * sizeof(float));
  test_free(one), test_free(two);
}

static make_ops *cpu = hd_ops_cpu;
#if HD_HAVE_CUDA
static hd_ops *default_stream(void) {
  return hd_ops_cuda(NULL);
}
static make_ops *cuda = default_stream;
#endif

#define ON(place)                                                                               \
  {#place ": gradient", gradient_is_that_of_central_differences, NULL, NULL, &place},           \
      {#place ": micro-batches", micro_batches_accumulate_to_the_batch, NULL, NULL, &place},    \
      {#place ": empty batch", an_empty_batch_has_a_zero_gradient, NULL, NULL, &place},         \
      {#place ": order of layers", layers_are_ready_in_reverse_order, NULL, NULL, &place},      \
      {#place ": large logits", large_logits_do_not_overflow, NULL, NULL, &place},              \
      {#place ": optimizers", optimizers_follow_their_formulas, NULL, NULL, &place},            \
      {#place ": vector operations", vector_operations_work_at_any_length, NULL, NULL, &place}, \
      {#place ": bias gradients", bias_gradients_are_column_sums, NULL, NULL, &place},          \
      {#place ": gelu", gelu_and_its_slope, NULL, NULL, &place},                                \
      {#place ": marks", marks_follow_the_work, NULL, NULL, &place},                            \
      {#place ": inference", inference_keeps_no_gradient_state, NULL, NULL, &place}, {          \
#place ": training", training_fits_six_images, NULL, NULL, &place                           \
  }

int main(void) {
  const struct CMUnitTest on_cpu[] = {ON(cpu), cmocka_unit_test(initial_weights_are_the_same_everywhere)};
  int failed = cmocka_run_group_tests_name("train on the CPU", on_cpu, NULL, NULL);
#if HD_HAVE_CUDA
  const struct CMUnitTest on_gpu[] = {ON(cuda)};
  if (hd_device_count() > 0) failed += cmocka_run_group_tests_name("train on a GPU", on_gpu, NULL, NULL);
#endif
  return failed;
}
