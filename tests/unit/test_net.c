// SPDX-License-Identifier: MIT
// Every layer and loss against central differences of a double-precision twin, on every side of the operation
// table, at odd sizes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>
#include <heddle/bench.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/net.h>
#include <heddle/random.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "net_reference.h"

typedef hd_ops *make_ops(void);

static hd_ops *open_ops(void **state) {
  return (*(make_ops **)*state)();
}

static void *upload(hd_ops *o, const void *from, size_t bytes) {
  void *p = o->alloc(o, bytes);
  o->upload(o, p, from, bytes);
  return p;
}

// A batch for a list of layers: inputs, targets and parameters that no term of a gradient vanishes for.
enum { SAMPLES = 3, MOST = 4096 };
typedef struct batch {
  const hd_layer *layers;
  int count;
  enum hd_loss loss;
  bool tokens;
  size_t in, out, parameters;
  float theta[MOST], x[MOST], targets[MOST];
  int32_t words[MOST];
  uint8_t labels[MOST];
  double theta64[MOST], x64[MOST];
} batch;

static batch *batch_of(const hd_layer *layers, int count, enum hd_loss loss) {
  batch *b = test_calloc(1, sizeof *b);
  const hd_layer *last = &layers[count - 1];
  b->layers = layers;
  b->count = count;
  b->loss = loss;
  b->tokens = layers[0].vocabulary > 0;
  b->in = SAMPLES * layers[0].in;
  b->out = SAMPLES * last->out;
  b->parameters = hd_net_count(layers, count);
  assert_true(b->in <= MOST && b->out <= MOST && b->parameters <= MOST);
  hd_net_initial(layers, count, 3, b->theta);
  float noise[MOST];
  hd_fill_normal(noise, MOST, 4, 0);
  for (size_t i = 0; i < b->parameters; i++) b->theta[i] += 0.3f * noise[i];
  hd_fill_normal(b->x, b->in, 5, 0);
  hd_fill_normal(b->targets, b->out, 6, 0);
  for (size_t i = 0; i < b->in && b->tokens; i++)
    b->words[i] = (int32_t)(hd_philox(7, 0, i).v[0] % (uint32_t)layers[0].vocabulary);
  for (long i = 0; i < SAMPLES * last->positions; i++)
    b->labels[i] = (uint8_t)(hd_philox(7, 1, (uint64_t)i).v[0] % (uint32_t)last->width);
  for (size_t i = 0; i < MOST; i++) {
    b->theta64[i] = (double)b->theta[i];
    b->x64[i] = (double)b->x[i];
  }
  return b;
}

static const void *targets_of(const batch *b) {
  return b->loss == HD_CROSS_ENTROPY ? (const void *)b->labels : b->targets;
}

static double loss_of(const batch *b) {
  return reference_loss(b->layers, b->count, b->theta64, b->x64, b->tokens ? b->words : NULL, targets_of(b),
                        b->loss, SAMPLES);
}

// d loss / d v[i] for all i, where v is a part of the batch.
static double *differences(const batch *b, double *v, size_t count) {
  const double h = 1e-6;
  double *slope = test_malloc(count * sizeof *slope);
  for (size_t i = 0; i < count; i++) {
    const double here = v[i];
    v[i] = here + h;
    const double above = loss_of(b);
    v[i] = here - h;
    slope[i] = (above - loss_of(b)) / (2 * h);
    v[i] = here;
  }
  return slope;
}

static void check_gradients(void **state, const hd_layer *layers, int count, enum hd_loss loss) {
  batch *b = batch_of(layers, count, loss);
  double *d_theta = differences(b, b->theta64, b->parameters), *d_x = differences(b, b->x64, b->in);
  hd_ops *o = open_ops(state);
  hd_net *n = hd_net_new(o, layers, count, SAMPLES + 1, true, HD_F32);
  hd_net_set(n, b->theta);
  void *x = upload(o, b->tokens ? (const void *)b->words : b->x, b->in * sizeof(float));
  void *targets = upload(o, targets_of(b), b->out * (loss == HD_CROSS_ENTROPY ? 1 : sizeof(float)));
  float *dy = o->alloc(o, b->out * sizeof(float)), *dx = o->alloc(o, b->in * sizeof(float));
  float gradient[MOST], input[MOST];

  const float *y = hd_net_forward(n, n->tape, x, SAMPLES);
  hd_net_loss(n, loss, y, targets, SAMPLES, dy, 1);
  double sum;
  hd_net_result(n, loss, SAMPLES, &sum, NULL);
  assert_true(fabs(sum - loss_of(b)) < 3e-6 * fabs(sum));
  hd_net_backward(n, n->tape, x, SAMPLES, dy, b->tokens ? NULL : dx, false, NULL, NULL);
  o->download(o, gradient, n->gradient, b->parameters * sizeof(float));
  o->download(o, input, dx, b->in * sizeof(float));
  const double error = hd_compare(gradient, HD_F32, d_theta, b->parameters);
  const double input_error = b->tokens ? 0 : hd_compare(input, HD_F32, d_x, b->in);
  if (!(error < 1e-5 && input_error < 1e-5))
    fail_msg("%s first: gradient off by %g, that of the input by %g", layers[0].kind->name, error,
             input_error);

  // The same in one call, added to half of it: three halves of the gradient.
  hd_net_gradient(n, loss, x, targets, SAMPLES, 0.5f, false, NULL, NULL);
  hd_net_gradient(n, loss, x, targets, SAMPLES, 1, true, NULL, NULL);
  o->download(o, gradient, n->gradient, b->parameters * sizeof(float));
  for (size_t i = 0; i < b->parameters; i++) d_theta[i] *= 1.5;
  assert_true(hd_compare(gradient, HD_F32, d_theta, b->parameters) < 1e-5);

  o->free(o, x, b->in * sizeof(float));
  o->free(o, targets, b->out * (loss == HD_CROSS_ENTROPY ? 1 : sizeof(float)));
  o->free(o, dy, b->out * sizeof(float));
  o->free(o, dx, b->in * sizeof(float));
  hd_net_free(n);
  assert_int_equal(o->bytes, 0);
  o->close(o);
  test_free(d_theta), test_free(d_x), test_free(b);
}

#define CHECK(loss, ...)                                           \
  do {                                                             \
    const hd_layer layers_[] = {__VA_ARGS__};                      \
    check_gradients(state, layers_, HD_COUNT(layers_), HD_##loss); \
  } while (0)

static void dense(void **state) {
  CHECK(SQUARED_ERROR, hd_dense(1, 7, 5, HD_LINEAR));
  CHECK(SQUARED_ERROR, hd_dense(3, 5, 4, HD_GELU));
  CHECK(CROSS_ENTROPY, hd_dense(3, 5, 9, HD_RELU), hd_dense(3, 9, 4, HD_LINEAR));
}

static void convolution(void **state) {
  CHECK(SQUARED_ERROR, hd_convolution((hd_windows){5, 7, 3, 3, 1, 1}, 5, HD_RELU));
  CHECK(SQUARED_ERROR, hd_convolution((hd_windows){7, 6, 1, 5, 1, 2}, 3, HD_LINEAR));
  CHECK(SQUARED_ERROR, hd_convolution((hd_windows){9, 7, 2, 3, 2, 0}, 4, HD_GELU));
  CHECK(SQUARED_ERROR, hd_convolution((hd_windows){6, 5, 2, 5, 3, 2}, 1, HD_LINEAR));
  CHECK(SQUARED_ERROR,
        hd_convolution((hd_windows){3, 3, 2, 1, 2, 0}, 3, HD_LINEAR));  // pixels no window sees
  CHECK(SQUARED_ERROR,
        hd_convolution((hd_windows){3, 4, 2, 2, 1, 2}, 3, HD_RELU));  // windows that see no pixel
}

static void pooling(void **state) {
  CHECK(SQUARED_ERROR, hd_dense(35, 2, 3, HD_LINEAR), hd_max_pool((hd_windows){5, 7, 3, 2, 2, 0}));
  CHECK(SQUARED_ERROR, hd_dense(42, 1, 2, HD_LINEAR), hd_max_pool((hd_windows){6, 7, 2, 3, 2, 1}));
  CHECK(SQUARED_ERROR, hd_dense(42, 1, 2, HD_LINEAR), hd_max_pool((hd_windows){6, 7, 2, 3, 1, 0}));
}

static void layer_norm(void **state) {
  CHECK(SQUARED_ERROR, hd_layer_norm(3, 7));
  CHECK(SQUARED_ERROR, hd_layer_norm(1, 131));
}

static void embedding(void **state) {
  CHECK(SQUARED_ERROR, hd_embedding(5, 11, 7));
  CHECK(CROSS_ENTROPY, hd_embedding(7, 3, 37), hd_dense(7, 37, 3, HD_LINEAR));
}

static void attention(void **state) {
  CHECK(SQUARED_ERROR, hd_attention(5, 1, 3));
  CHECK(SQUARED_ERROR, hd_attention(7, 3, 5));
  CHECK(SQUARED_ERROR, hd_dense(37, 3, 6, HD_LINEAR), hd_attention(37, 1, 2));
}

static void addition(void **state) {
  CHECK(SQUARED_ERROR, hd_dense(1, 5, 7, HD_RELU), hd_dense(1, 7, 7, HD_GELU), hd_addition(7, 0));
  CHECK(SQUARED_ERROR, hd_dense(1, 7, 7, HD_RELU), hd_addition(7, -1), hd_dense(1, 7, 7, HD_LINEAR),
        hd_addition(7, 0), hd_addition(7, 0), hd_dense(1, 7, 3, HD_LINEAR));
}

static void small_cnn(void **state) {
  CHECK(
      CROSS_ENTROPY, hd_convolution((hd_windows){9, 9, 1, 3, 1, 1}, 3, HD_RELU),
      hd_max_pool((hd_windows){9, 9, 3, 2, 2, 0}), hd_convolution((hd_windows){4, 4, 3, 3, 1, 1}, 5, HD_RELU),
      hd_max_pool((hd_windows){4, 4, 5, 2, 2, 0}), hd_dense(1, 20, 7, HD_RELU), hd_dense(1, 7, 5, HD_LINEAR));
}

static void small_transformer(void **state) {
  enum { T = 5, C = 6 };
  CHECK(CROSS_ENTROPY, hd_embedding(T, 7, C), hd_layer_norm(T, C), hd_dense(T, C, 3 * C, HD_LINEAR),
        hd_attention(T, 2, C / 2), hd_dense(T, C, C, HD_LINEAR), hd_addition(T * C, 0), hd_layer_norm(T, C),
        hd_dense(T, C, 9, HD_GELU), hd_dense(T, 9, C, HD_LINEAR), hd_addition(T * C, 5),
        hd_dense(T, C, 7, HD_LINEAR));
}

// Cut in the middle, with the gradient handed over: the parameters' gradients of the whole, bit for bit. Two
// micro-batches are under way at once, each on a tape of its own.
static void stages_make_the_whole(void **state) {
  enum { WIDTH = 7, LAYERS = 4, CUT = 2 };
  const hd_layer layers[] = {hd_dense(1, WIDTH, WIDTH, HD_GELU), hd_addition(WIDTH, -1),
                             hd_dense(1, WIDTH, WIDTH, HD_RELU), hd_addition(WIDTH, -1)};
  const hd_layer whole_layers[] = {layers[0], layers[1], layers[2], hd_addition(WIDTH, 1)};
  hd_ops *o = open_ops(state);
  batch *b = batch_of(whole_layers, LAYERS, HD_SQUARED_ERROR);
  const size_t bytes = SAMPLES * WIDTH * sizeof(float), first = hd_net_count(layers, CUT);
  hd_net *whole = hd_net_new(o, whole_layers, LAYERS, SAMPLES, true, HD_F32);
  hd_net *stage[2] = {hd_net_new(o, layers, CUT, SAMPLES, true, HD_F32),
                      hd_net_new(o, layers + CUT, LAYERS - CUT, SAMPLES, true, HD_F32)};
  hd_net_set(whole, b->theta);
  hd_net_set(stage[0], b->theta);
  hd_net_set(stage[1], b->theta + first);
  float *x = upload(o, b->x, bytes), *target = upload(o, b->targets, bytes), *dx = o->alloc(o, bytes),
        *dy = o->alloc(o, bytes), all[MOST], parts[MOST];
  hd_net_gradient(whole, HD_SQUARED_ERROR, x, target, 2, 1, false, NULL, NULL);
  hd_net_gradient(whole, HD_SQUARED_ERROR, x + 2 * WIDTH, target + 2 * WIDTH, 1, 1, true, NULL, NULL);
  o->download(o, all, whole->gradient, whole->parameters * sizeof(float));
  hd_tape *tape[2][2];
  for (int m = 0; m < 2; m++)
    for (int s = 0; s < 2; s++) tape[m][s] = hd_tape_new(stage[s]);
  for (int m = 0; m < 2; m++)
    hd_net_forward(stage[1], tape[m][1], hd_net_forward(stage[0], tape[m][0], x + 2 * m * WIDTH, 2 - m),
                   2 - m);
  for (int m = 0; m < 2; m++) {
    const long rows = 2 - m;
    hd_net_loss(stage[1], HD_SQUARED_ERROR, tape[m][1]->y[LAYERS - CUT - 1], target + 2 * m * WIDTH, rows, dy,
                1);
    hd_net_backward(stage[1], tape[m][1], tape[m][0]->y[CUT - 1], rows, dy, dx, m > 0, NULL, NULL);
    hd_net_backward(stage[0], tape[m][0], x + 2 * m * WIDTH, rows, dx, NULL, m > 0, NULL, NULL);
  }
  o->download(o, parts, stage[0]->gradient, stage[0]->parameters * sizeof(float));
  o->download(o, parts + first, stage[1]->gradient, stage[1]->parameters * sizeof(float));
  assert_memory_equal(all, parts, whole->parameters * sizeof(float));
  for (int m = 0; m < 2; m++)
    for (int s = 0; s < 2; s++) hd_tape_free(stage[s], tape[m][s]);
  o->free(o, x, bytes), o->free(o, target, bytes), o->free(o, dx, bytes), o->free(o, dy, bytes);
  hd_net_free(whole), hd_net_free(stage[0]), hd_net_free(stage[1]);
  assert_int_equal(o->bytes, 0);
  o->close(o);
  test_free(b);
}

// Images enough for a convolution to be cut into chunks on the CPU: the sum over single images.
static void chunks_of_images_add_up(void **state) {
  enum { IMAGES = 7, IN = 14 * 14 * 16 };
  const hd_layer layers[] = {hd_convolution((hd_windows){14, 14, 16, 3, 1, 1}, 5, HD_RELU),
                             hd_convolution((hd_windows){14, 14, 5, 5, 1, 2}, 16, HD_RELU),
                             hd_max_pool((hd_windows){14, 14, 16, 2, 2, 0}), hd_dense(1, 784, 10, HD_LINEAR)};
  const size_t n = hd_net_count(layers, 4), bytes = n * sizeof(float);
  float *theta = test_malloc(bytes), *whole = test_malloc(bytes),
        *images = test_malloc(IMAGES * IN * sizeof(float));
  double *single = test_malloc(n * sizeof *single);
  const uint8_t labels[IMAGES] = {0, 3, 9, 1, 1, 7, 2};
  hd_net_initial(layers, 4, 1, theta);
  hd_fill_normal(images, IMAGES * IN, 2, 0);
  hd_ops *o = open_ops(state);
  hd_net *net = hd_net_new(o, layers, 4, IMAGES, true, HD_F32);
  hd_net_set(net, theta);
  float *x = upload(o, images, IMAGES * IN * sizeof(float));
  uint8_t *y = upload(o, labels, IMAGES);
  for (int i = 0; i < IMAGES; i++)
    hd_net_gradient(net, HD_CROSS_ENTROPY, x + (size_t)i * IN, y + i, 1, 1, i > 0, NULL, NULL);
  o->download(o, whole, net->gradient, bytes);
  for (size_t i = 0; i < n; i++) single[i] = (double)whole[i];
  hd_net_gradient(net, HD_CROSS_ENTROPY, x, y, IMAGES, 1, false, NULL, NULL);
  o->download(o, whole, net->gradient, bytes);
  assert_true(hd_compare(whole, HD_F32, single, n) < 3e-6);
  o->free(o, x, IMAGES * IN * sizeof(float)), o->free(o, y, IMAGES);
  hd_net_free(net);
  o->close(o);
  test_free(theta), test_free(whole), test_free(images), test_free(single);
}

// Convolving in place against the product over windows in memory, at widths beside those of the tiles; and by
// any number of threads the same, bit for bit.
static void in_place_and_unfolded_agree(void **state) {
  enum { IMAGES = 19, IN = 15 * 13 * 3 };
  const hd_layer layers[] = {hd_convolution((hd_windows){15, 13, 3, 3, 1, 1}, 37, HD_RELU),
                             hd_convolution((hd_windows){15, 13, 37, 5, 2, 2}, 64, HD_RELU),
                             hd_max_pool((hd_windows){8, 7, 64, 2, 2, 0}),
                             hd_convolution((hd_windows){4, 3, 64, 1, 1, 0}, 17, HD_GELU),
                             hd_dense(1, 4 * 3 * 17, 10, HD_LINEAR)};
  const size_t n = hd_net_count(layers, HD_COUNT(layers)), bytes = n * sizeof(float);
  float *theta = test_malloc(bytes), *got = test_malloc(bytes), *first = test_malloc(bytes);
  float *images = test_malloc(IMAGES * IN * sizeof(float));
  double *unfolded = test_malloc(n * sizeof *unfolded);
  uint8_t labels[IMAGES];
  for (int i = 0; i < IMAGES; i++) labels[i] = (uint8_t)(i % 10);
  hd_net_initial(layers, HD_COUNT(layers), 1, theta);
  hd_fill_normal(images, IMAGES * IN, 2, 0);
  hd_ops *o = open_ops(state), all = *o;
  const int threads = omp_get_max_threads();
  for (int run = 0; run < 4; run++) {
    omp_set_num_threads(run ? run : 1);
    o->convolve = run ? all.convolve : NULL;
    hd_net *net = hd_net_new(o, layers, HD_COUNT(layers), IMAGES, true, HD_F32);
    hd_net_set(net, theta);
    hd_net_gradient(net, HD_CROSS_ENTROPY, images, labels, IMAGES, 1, false, NULL, NULL);
    hd_net_gradient(net, HD_CROSS_ENTROPY, images, labels, IMAGES, 0.5f, true, NULL, NULL);
    memcpy(got, net->gradient, bytes);
    for (size_t i = 0; run == 0 && i < n; i++) unfolded[i] = (double)got[i];
    const double error = hd_compare(got, HD_F32, unfolded, n);
    if (!(error < 2e-5)) fail_msg("%d threads: off by %g", run, error);
    if (run == 1) memcpy(first, got, bytes);
    if (run > 1) assert_memory_equal(got, first, bytes);
    hd_net_free(net);
  }
  omp_set_num_threads(threads);
  o->close(o);
  test_free(theta), test_free(got), test_free(first), test_free(images), test_free(unfolded);
}

// Operands rounded to 8 or 11 bits: the gradient is that of fp32 up to a few roundings, and not equal to it.
// All layers are smooth: where a ReLU's input is zero up to rounding, either side is right.
static void sixteen_bits_are_close(void **state) {
  const hd_layer layers[] = {hd_convolution((hd_windows){9, 9, 1, 3, 2, 0}, 8, HD_GELU),
                             hd_layer_norm(1, 128), hd_dense(1, 128, 16, HD_GELU),
                             hd_dense(1, 16, 5, HD_LINEAR)};
  batch *b = batch_of(layers, 4, HD_CROSS_ENTROPY);
  hd_ops *o = open_ops(state);
  float *x = upload(o, b->x, b->in * sizeof(float)), got[MOST];
  uint8_t *labels = upload(o, b->labels, SAMPLES);
  double full[MOST];
  const struct {
    enum hd_type precision;
    double most, least;
  } expected[] = {{HD_F32, 0, 0}, {HD_BF16, 6e-2, 1e-3}, {HD_F16, 8e-3, 1e-4}};
  for (int k = 0; k < 3; k++) {
    hd_net *n = hd_net_new(o, layers, 4, SAMPLES, true, expected[k].precision);
    hd_net_set(n, b->theta);
    hd_net_gradient(n, HD_CROSS_ENTROPY, x, labels, SAMPLES, 1, false, NULL, NULL);
    o->download(o, got, n->gradient, b->parameters * sizeof(float));
    for (size_t i = 0; k == 0 && i < b->parameters; i++) full[i] = (double)got[i];
    const double error = hd_compare(got, HD_F32, full, b->parameters);
    if (!(error <= expected[k].most && error >= expected[k].least))
      fail_msg("type %d: gradient differs by %g", (int)expected[k].precision, error);
    hd_net_free(n);
  }
  o->free(o, x, b->in * sizeof(float)), o->free(o, labels, SAMPLES);
  assert_int_equal(o->bytes, 0);
  o->close(o);
  test_free(b);
}

static void note_layer(void *context, int layer, size_t offset, size_t count) {
  size_t *lowest = context;
  (void)layer;
  assert_int_equal(offset + count, *lowest);
  *lowest = offset;
}

static void empty_batches_have_zero_gradients(void **state) {
  const hd_layer layers[] = {hd_dense(1, 5, 7, HD_GELU), hd_layer_norm(1, 7), hd_dense(1, 7, 3, HD_LINEAR)};
  batch *b = batch_of(layers, 3, HD_CROSS_ENTROPY);
  hd_ops *o = open_ops(state);
  hd_net *n = hd_net_new(o, layers, 3, SAMPLES, true, HD_F32);
  hd_net_set(n, b->theta);
  void *x = upload(o, b->x, b->in * sizeof(float)), *labels = upload(o, b->labels, SAMPLES);
  float gradient[MOST];
  for (long rows = SAMPLES; rows >= 0; rows -= SAMPLES) {
    size_t lowest = b->parameters;
    hd_net_gradient(n, HD_CROSS_ENTROPY, x, labels, rows, 1, false, note_layer, &lowest);
    assert_int_equal(lowest, 0);
  }
  o->download(o, gradient, n->gradient, b->parameters * sizeof(float));
  for (size_t i = 0; i < b->parameters; i++) assert_true(gradient[i] == 0);
  assert_true(isnan(hd_net_accuracy(n, b->x, b->labels, 0)));
  o->free(o, x, b->in * sizeof(float)), o->free(o, labels, SAMPLES);
  hd_net_free(n);
  o->close(o);
  test_free(b);
}

// Hand-counted.
static void layers_know_their_size(void **state) {
  (void)state;
  const hd_layer l = hd_convolution((hd_windows){28, 28, 3, 5, 2, 2}, 16, HD_RELU);
  assert_int_equal(l.parameters, 5 * 5 * 3 * 16 + 16);
  assert_int_equal(l.out, 14 * 14 * 16);
  assert_true(l.flops == 2.0 * 14 * 14 * 75 * 16);
  assert_int_equal(hd_max_pool((hd_windows){28, 28, 16, 3, 2, 1}).out, 14 * 14 * 16);
  assert_true(hd_dense(3, 10, 7, HD_RELU).flops == 2.0 * 3 * 70);
  assert_int_equal(hd_embedding(8, 100, 16).parameters, 108 * 16);
  assert_int_equal(hd_layer_norm(8, 16).parameters, 32);
  assert_true(hd_attention(3, 2, 5).flops == 2 * 2.0 * (1 + 2 + 3) * 2 * 5);
  const hd_layer two[] = {hd_dense(1, 784, 128, HD_RELU), hd_dense(1, 128, 10, HD_LINEAR)};
  assert_true(hd_net_training_flops(two, 2) == 4.0 * 784 * 128 + 6.0 * 128 * 10);
}

static make_ops *cpu = hd_ops_cpu;
#if HD_HAVE_CUDA
static hd_ops *default_stream(void) {
  return hd_ops_cuda(NULL);
}
static make_ops *cuda = default_stream;
#endif

#define ON(place)                                                                                           \
  {#place ": dense", dense, NULL, NULL, &place}, {#place ": convolution", convolution, NULL, NULL, &place}, \
      {#place ": pooling", pooling, NULL, NULL, &place},                                                    \
      {#place ": layer norm", layer_norm, NULL, NULL, &place},                                              \
      {#place ": embedding", embedding, NULL, NULL, &place},                                                \
      {#place ": attention", attention, NULL, NULL, &place},                                                \
      {#place ": addition", addition, NULL, NULL, &place},                                                  \
      {#place ": small CNN", small_cnn, NULL, NULL, &place},                                                \
      {#place ": small transformer", small_transformer, NULL, NULL, &place},                                \
      {#place ": stages", stages_make_the_whole, NULL, NULL, &place},                                       \
      {#place ": chunks", chunks_of_images_add_up, NULL, NULL, &place},                                     \
      {#place ": 16 bits", sixteen_bits_are_close, NULL, NULL, &place}, {                                   \
#place ": empty batches", empty_batches_have_zero_gradients, NULL, NULL, &place                         \
  }

int main(void) {
  const struct CMUnitTest on_cpu[] = {
      ON(cpu),
      {"cpu: convolution in place", in_place_and_unfolded_agree, NULL, NULL, &cpu},
      cmocka_unit_test(layers_know_their_size),
  };
  int failed = cmocka_run_group_tests_name("layers on the CPU", on_cpu, NULL, NULL);
#if HD_HAVE_CUDA
  const struct CMUnitTest on_gpu[] = {ON(cuda)};
  if (hd_device_count() > 0) failed += cmocka_run_group_tests_name("layers on a GPU", on_gpu, NULL, NULL);
#endif
  return failed;
}
