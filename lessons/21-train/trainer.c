// SPDX-License-Identifier: MIT
// A step of training, the same for all engines: images, gradient, optimizer.
#include "trainer.h"

#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <stdlib.h>

static const size_t PIXELS = HD_IMAGE_PIXELS * sizeof(float);
enum { FEW_IMAGES = 16 };

// Batch number `step` of the training set, to host memory, a few images at a time by all threads.
static void gather(trainer *t, long step, float *images, uint8_t *labels) {
  const task *k = t->task;
  const long epoch = step / steps_per_epoch(k), within = step % steps_per_epoch(k);
  if (epoch != t->epoch) hd_shuffle(t->order, k->train->count, k->seed, (uint64_t)epoch);
  t->epoch = epoch;
  const uint32_t *order = t->order + (size_t)within * k->batch;
#pragma omp parallel for schedule(static)
  for (size_t i = 0; i < k->batch; i += FEW_IMAGES)
    hd_gather(k->train, order + i, k->batch - i < FEW_IMAGES ? k->batch - i : FEW_IMAGES,
              images + i * HD_IMAGE_PIXELS, labels + i, t->augment, k->seed, (uint64_t)epoch);
}

static void open_images(trainer *t, long resident) {
  hd_ops *o = t->ops;
  const size_t batch = t->task->batch;
  t->x = o->alloc(o, batch * PIXELS);
  t->labels = o->alloc(o, batch);
  t->order = hd_alloc(t->task->train->count, sizeof *t->order);
  t->epoch = -1;
  if (o->on_host) return;
  t->staged = hd_alloc(batch, PIXELS);
  t->staged_labels = hd_alloc(batch, 1);
  t->resident = resident;
  t->resident_x = o->alloc(o, (size_t)resident * batch * PIXELS);
  t->resident_labels = o->alloc(o, (size_t)resident * batch);
  for (long s = 0; s < resident; s++) {
    gather(t, s, t->staged, t->staged_labels);
    o->upload(o, t->resident_x + (size_t)s * batch * HD_IMAGE_PIXELS, t->staged, batch * PIXELS);
    o->upload(o, t->resident_labels + (size_t)s * batch, t->staged_labels, batch);
  }
}

static void close_images(trainer *t) {
  hd_ops *o = t->ops;
  const size_t batch = t->task->batch;
  o->free(o, t->x, batch * PIXELS);
  o->free(o, t->labels, batch);
  o->free(o, t->resident_x, (size_t)t->resident * batch * PIXELS);
  o->free(o, t->resident_labels, (size_t)t->resident * batch);
  free(t->staged);
  free(t->staged_labels);
  free(t->order);
}

trainer *trainer_open(const task *k, const engine *e, enum hd_rule rule, long resident) {
  trainer *t = hd_alloc(1, sizeof *t);
  *t = (trainer){.task = k, .engine = e, .ops = e->open()};
  t->net = hd_net_new(t->ops, k->model.layers, k->model.count, (long)k->batch, true, e->precision);
  t->optimizer = hd_optimizer_new(t->ops, rule, t->net->parameters);
  t->optimizer->layer_offset = t->net->offset;
  t->optimizer->layers = t->net->count;
  t->optimizer->weight_decay = rule == HD_SGD ? k->model.weight_decay : k->model.adam_decay;
  t->scaler = hd_scaler_default();
  if (e->precision != HD_F16) t->scaler.scale = t->scaler.largest = 1;
  hd_net_set(t->net, k->initial);
  open_images(t, resident);
  return t;
}

void trainer_close(trainer *t) {
  if (t->engine->close) t->engine->close(t);
  close_images(t);
  hd_optimizer_free(t->optimizer);
  hd_net_free(t->net);
  t->ops->close(t->ops);
  free(t);
}

static void bring_images(trainer *t) {
  hd_ops *o = t->ops;
  const size_t batch = t->task->batch;
  if (o->on_host) {
    gather(t, t->step, t->x, t->labels);
  } else if (t->step < t->resident) {
    o->copy(o, t->x, t->resident_x + (size_t)t->step * batch * HD_IMAGE_PIXELS, batch * PIXELS);
    o->copy(o, t->labels, t->resident_labels + (size_t)t->step * batch, batch);
  } else {
    gather(t, t->step, t->staged, t->staged_labels);
    o->upload(o, t->x, t->staged, batch * PIXELS);
    o->upload(o, t->labels, t->staged_labels, batch);
  }
}

void trainer_gradient(trainer *t) {
  const size_t batch = t->task->batch;
  const float mean = batch ? 1.0f / (float)batch : 0;
  hd_net_gradient(t->net, HD_CROSS_ENTROPY, t->x, t->labels, (long)batch, mean * t->scaler.scale, false, NULL,
                  NULL);
}

void trainer_run(trainer *t, long steps) {
  for (const long end = t->step + steps; t->step < end; t->step++) {
    const float rate = learning_rate(t->task, t->optimizer->rule, t->step);
    bring_images(t);
    t->engine->gradient(t);
    if (t->engine->precision == HD_F16)  // asks the device whether all is finite, and waits for the answer
      hd_scaler_step(&t->scaler, t->optimizer, t->net->theta, t->net->gradient, rate, 1);
    else
      hd_optimizer_step(t->optimizer, t->net->theta, t->net->gradient, rate, 1);
  }
}

const engine cpu_engine = {.open = hd_ops_cpu, .gradient = trainer_gradient};

#if HD_HAVE_CUDA
static hd_ops *on_default_stream(void) {
  return hd_ops_cuda(NULL);
}

// cuBLAS for the products; then the same with 16-bit operands, which tensor cores multiply.
const engine gpu_cublas = {.open = on_default_stream, .gradient = trainer_gradient};
const engine gpu_bf16 = {.open = on_default_stream, .precision = HD_BF16, .gradient = trainer_gradient};
const engine gpu_fp16 = {.open = on_default_stream, .precision = HD_F16, .gradient = trainer_gradient};
#endif
