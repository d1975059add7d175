// SPDX-License-Identifier: MIT
#include <pthread.h>
#include <stdlib.h>

#include "heddle/data.h"
#include "heddle/error.h"

struct hd_loader {
  const hd_dataset *set;
  size_t batch, offset, length;
  bool augment;
  uint64_t seed;
  uint32_t *order;
  float *images[2];  // double buffer: batch number b lies in half b % 2
  uint8_t *labels[2];
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  uint64_t first;            // number of the first batch
  uint64_t prepared, taken;  // up to which batch; under the lock
  bool closing;
};

// May batch `next` be written? Its half is free once the batch after the one it held was asked for.
static bool half_free(const hd_loader *l, uint64_t next) {
  return next < l->first + 2 || l->taken >= next;
}

static void prepare(hd_loader *l, uint64_t number) {
  const uint64_t per_epoch = l->set->count / l->batch;
  const uint64_t epoch = number / per_epoch, step = number % per_epoch;
  if (step == 0 || number == l->first) hd_shuffle(l->order, l->set->count, l->seed, epoch);
  hd_gather(l->set, l->order + step * l->batch + l->offset, l->length, l->images[number % 2],
            l->labels[number % 2], l->augment, l->seed, epoch);
}

static void *prefetch(void *arg) {
  hd_loader *l = arg;
  for (uint64_t next = l->first;; next++) {
    pthread_mutex_lock(&l->lock);
    while (!l->closing && !half_free(l, next)) pthread_cond_wait(&l->changed, &l->lock);
    const bool closing = l->closing;
    pthread_mutex_unlock(&l->lock);
    if (closing) return NULL;
    prepare(l, next);
    pthread_mutex_lock(&l->lock);
    l->prepared = next + 1;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->lock);
  }
}

static void release(hd_loader *l) {
  for (int half = 0; half < 2; half++) {
    free(l->images[half]);
    free(l->labels[half]);
  }
  free(l->order);
  pthread_cond_destroy(&l->changed);
  pthread_mutex_destroy(&l->lock);
  free(l);
}

hd_loader *hd_loader_open_at(const hd_dataset *d, size_t batch, size_t offset, size_t length, bool augment,
                             uint64_t seed, uint64_t first) {
  if (batch == 0 || batch > d->count || length > batch || offset > batch - length) return NULL;
  hd_loader *l = hd_alloc(1, sizeof *l);
  *l = (hd_loader){
      .set = d, .batch = batch, .offset = offset, .length = length, .augment = augment, .seed = seed};
  l->first = l->prepared = l->taken = first;
  l->order = hd_alloc(d->count, sizeof *l->order);
  for (int half = 0; half < 2; half++) {
    l->images[half] = hd_alloc(length * HD_IMAGE_PIXELS, sizeof(float));
    l->labels[half] = hd_alloc(length, 1);
  }
  pthread_mutex_init(&l->lock, NULL);
  pthread_cond_init(&l->changed, NULL);
  if (pthread_create(&l->thread, NULL, prefetch, l) != 0) {
    release(l);
    return NULL;
  }
  return l;
}

hd_loader *hd_loader_open(const hd_dataset *d, size_t batch, size_t offset, size_t length, bool augment,
                          uint64_t seed) {
  return hd_loader_open_at(d, batch, offset, length, augment, seed, 0);
}

void hd_loader_next(hd_loader *l, const float **images, const uint8_t **labels) {
  pthread_mutex_lock(&l->lock);
  const uint64_t number = l->taken++;  // taking this batch gives the previous one's half back
  pthread_cond_broadcast(&l->changed);
  while (l->prepared <= number) pthread_cond_wait(&l->changed, &l->lock);
  pthread_mutex_unlock(&l->lock);
  *images = l->images[number % 2];
  *labels = l->labels[number % 2];
}

void hd_loader_close(hd_loader *l) {
  if (!l) return;
  pthread_mutex_lock(&l->lock);
  l->closing = true;
  pthread_cond_broadcast(&l->changed);
  pthread_mutex_unlock(&l->lock);
  pthread_join(l->thread, NULL);
  release(l);
}
