// SPDX-License-Identifier: MIT
// The same training in double precision: dense layers, convolutions and pooling written as their formulas
// stand, with no code in common with what they check (but for the order of the images and the initial
// weights).
#include "reference.h"

#include <heddle/error.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// Whether ReLU cuts off a sum this close to zero depends on rounding.
#define NEAR 5e-6

enum { MOST_SEEN = 4096 };  // values under one window, or of a dense layer's input

// One sample on its way: what each layer gave (before its activation in sum), and the gradient of it.
typedef struct sample {
  double *sum[MOST_LAYERS], *out[MOST_LAYERS + 1], *d[MOST_LAYERS + 1];  // out[0]: the image
  long *place[MOST_LAYERS];  // pooling: the pixel that was largest
} sample;

static double *numbers(size_t count) {
  double *x = hd_alloc(count, sizeof *x);
  memset(x, 0, count * sizeof *x);
  return x;
}

static void sample_open(sample *s, const model *m) {
  for (int l = 0; l <= m->count; l++) {
    const size_t size = l ? m->layers[l - 1].out : m->layers[0].in;
    s->out[l] = numbers(size);
    s->d[l] = numbers(size);
    if (l == m->count) break;
    s->sum[l] = numbers(m->layers[l].out);
    s->place[l] = hd_alloc(m->layers[l].out, sizeof **s->place);
  }
}

static void sample_close(sample *s, const model *m) {
  for (int l = 0; l <= m->count; l++) {
    free(s->out[l]), free(s->d[l]);
    if (l < m->count) free(s->sum[l]), free(s->place[l]);
  }
}

// A dense layer is a convolution with one window over the whole: the pixels a window sees, as offsets into
// the image, or -1 outside. Returns their number.
static long window(const hd_layer *l, long position, long *seen) {
  const hd_windows w = l->windows;
  long count = 0;
  if (w.size == 0) {
    for (long i = 0; i < (long)l->in; i++) seen[count++] = i;
    return count;
  }
  const long across = (w.width + 2 * w.padding - w.size) / w.stride + 1;
  const long top = position / across * w.stride - w.padding, left = position % across * w.stride - w.padding;
  for (long y = top; y < top + w.size; y++)
    for (long x = left; x < left + w.size; x++)
      for (long c = 0; c < w.channels; c++)
        seen[count++] =
            y < 0 || y >= w.height || x < 0 || x >= w.width ? -1 : (y * w.width + x) * w.channels + c;
  return count;
}

static void pool(const hd_layer *l, const double *x, double *y, long *place) {
  long seen[MOST_SEEN];
  for (long p = 0; p < l->positions; p++) {
    const long count = window(l, p, seen);
    for (long c = 0; c < l->width; c++) {
      long best = -1;
      for (long i = c; i < count; i += l->width)
        if (seen[i] >= 0 && (best < 0 || x[seen[i]] > x[best])) best = seen[i];
      y[p * l->width + c] = x[best];
      place[p * l->width + c] = best;
    }
  }
}

static void products(const hd_layer *l, const double *theta, const double *x, double *sum, double *y) {
  long seen[MOST_SEEN];
  for (long p = 0; p < l->positions; p++) {
    const long count = window(l, p, seen);
    double *row = sum + p * l->width;
    memcpy(row, theta + count * l->width, (size_t)l->width * sizeof *row);
    for (long i = 0; i < count; i++) {
      if (seen[i] < 0) continue;
#pragma omp simd
      for (long j = 0; j < l->width; j++) row[j] += x[seen[i]] * theta[i * l->width + j];
    }
    for (long j = 0; j < l->width; j++)
      y[p * l->width + j] = l->activation == HD_RELU && row[j] < 0 ? 0 : row[j];
  }
}

// Adds to the gradient of the layer, and passes d on.
static void products_back(const hd_layer *l, const double *theta, const double *x, const double *d,
                          double *d_x, double *gradient) {
  long seen[MOST_SEEN];
  for (long p = 0; p < l->positions; p++) {
    const long count = window(l, p, seen);
    const double *row = d + p * l->width;
    for (long j = 0; j < l->width; j++) gradient[count * l->width + j] += row[j];
    for (long i = 0; i < count; i++) {
      if (seen[i] < 0) continue;
      double sum = 0;
#pragma omp simd reduction(+ : sum)
      for (long j = 0; j < l->width; j++) {
        gradient[i * l->width + j] += x[seen[i]] * row[j];
        sum += theta[i * l->width + j] * row[j];
      }
      d_x[seen[i]] += sum;
    }
  }
}

static void forward(const model *m, const double *theta, sample *s) {
  for (int l = 0; l < m->count; theta += m->layers[l++].parameters) {
    if (m->layers[l].parameters)
      products(&m->layers[l], theta, s->out[l], s->sum[l], s->out[l + 1]);
    else
      pool(&m->layers[l], s->out[l], s->out[l + 1], s->place[l]);
  }
}

static void cut(const hd_layer *l, const double *sum, double *d, bool *doubtful) {
  if (l->activation != HD_RELU) return;
  const long rows = (long)l->parameters / l->width;
  for (long i = 0; i < (long)l->out; i++) {
    for (long k = 0; l->windows.size == 0 && fabs(sum[i]) < NEAR && k < rows; k++)
      doubtful[k * l->width + i] = true;
    if (sum[i] <= 0) d[i] = 0;
  }
}

static void backward(const model *m, const double *theta, sample *s, int label, double scale,
                     double *gradient, bool *doubtful) {
  const double *z = s->out[m->count];
  double top = z[0], total = 0;
  for (int c = 1; c < HD_CLASSES; c++) top = fmax(top, z[c]);
  for (int c = 0; c < HD_CLASSES; c++) total += exp(z[c] - top);
  for (int c = 0; c < HD_CLASSES; c++) s->d[m->count][c] = scale * (exp(z[c] - top) / total - (c == label));
  size_t at = hd_net_count(m->layers, m->count);
  for (int l = m->count - 1; l >= 0; l--) {
    const hd_layer *layer = &m->layers[l];
    at -= layer->parameters;
    memset(s->d[l], 0, layer->in * sizeof(double));
    if (layer->parameters) {
      cut(layer, s->sum[l], s->d[l + 1], doubtful + at);
      products_back(layer, theta + at, s->out[l], s->d[l + 1], s->d[l], gradient + at);
    } else {
      for (size_t i = 0; i < layer->out; i++) s->d[l][s->place[l][i]] += s->d[l + 1][i];
    }
  }
}

// The mean gradient of batch number `step`, samples divided among the threads.
static void batch_gradient(const task *t, const double *theta, long step, double *gradient, bool *doubtful) {
  const model *m = &t->model;
  const size_t count = hd_net_count(m->layers, m->count);
  uint32_t *order = hd_alloc(t->train->count, sizeof *order);
  hd_shuffle(order, t->train->count, t->seed, 0);
  memset(gradient, 0, count * sizeof *gradient);
#pragma omp parallel
  {
    sample s;
    sample_open(&s, m);
    double *own = numbers(count);
    bool *doubt = hd_alloc(count, sizeof *doubt);
    memset(doubt, 0, count * sizeof *doubt);
#pragma omp for schedule(static)
    for (size_t i = 0; i < t->batch; i++) {
      const size_t row = order[(size_t)step * t->batch + i];
      for (size_t p = 0; p < HD_IMAGE_PIXELS; p++)
        s.out[0][p] = (double)t->train->images[row * HD_IMAGE_PIXELS + p];
      forward(m, theta, &s);
      backward(m, theta, &s, t->train->labels[row], 1 / (double)t->batch, own, doubt);
    }
#pragma omp critical
    for (size_t i = 0; i < count; i++) {
      gradient[i] += own[i];
      doubtful[i] = doubtful[i] || doubt[i];
    }
    free(own), free(doubt);
    sample_close(&s, m);
  }
  free(order);
}

void reference_update(const task *t, enum hd_rule rule, float epsilon, long steps, double *update,
                      bool *doubtful) {
  const size_t count = hd_net_count(t->model.layers, t->model.count);
  const double decay = (double)(rule == HD_SGD ? t->model.weight_decay : t->model.adam_decay);
  double *theta = numbers(count), *gradient = numbers(count), *first = numbers(count),
         *second = numbers(count);
  for (size_t i = 0; i < count; i++) theta[i] = (double)t->initial[i], doubtful[i] = false;
  for (long s = 0; s < steps; s++) {
    const double rate = (double)learning_rate(t, rule, s);
    batch_gradient(t, theta, s, gradient, doubtful);
    for (size_t i = 0; i < count; i++) {
      if (rule == HD_SGD) {
        first[i] = 0.9 * first[i] + gradient[i] + decay * theta[i];
        theta[i] -= rate * first[i];
      } else {
        first[i] = 0.9 * first[i] + 0.1 * gradient[i];
        second[i] = 0.999 * second[i] + 0.001 * gradient[i] * gradient[i];
        const double root = sqrt(second[i] / (1 - pow(0.999, (double)(s + 1))));
        const double step = first[i] / (1 - pow(0.9, (double)(s + 1))) / (root + (double)epsilon);
        theta[i] -= rate * (step + decay * theta[i]);
      }
    }
  }
  for (size_t i = 0; i < count; i++) update[i] = theta[i] - (double)t->initial[i];
  free(theta), free(gradient), free(first), free(second);
}
