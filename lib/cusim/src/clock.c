// SPDX-License-Identifier: MIT
// Virtual time: one clock per host thread, one tail per stream, and per device the engines with what they are
// busy with. An operation starts at the earliest moment at which the host has issued it, its stream has come
// to it, and its engine has room for its whole length, so a ready operation passes one that waits for an
// event, as on hardware. All state belongs to a device, so threads that drive different devices cannot
// disturb each other's times.
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timeline.h"

enum { ENGINES = SIM_HOST_RANGE, MOST_DEVICES = 64, MOST_SPANS = 4096 };

typedef struct span {  // a stretch of time in which this share of an engine is used
  double start, end, share;
} span;

typedef struct engine {
  span *spans;  // in order of time, not overlapping
  size_t count, capacity;
  double horizon;  // nothing new starts before it: older spans are forgotten
} engine;

typedef struct device_clock {
  pthread_mutex_t lock;
  engine engines[ENGINES];
  double last_issue;  // the latest host time at which any thread gave this device work or had waited for it
  int streams;        // made so far
} device_clock;

struct sim_timeline {
  int device, number;
  char name[48];
  double tail, earliest;
};

static device_clock devices[MOST_DEVICES];
static pthread_once_t devices_once = PTHREAD_ONCE_INIT;

struct sim_host {
  double clock;
  uint64_t devices;  // bit d: this thread has given work to device d
  int number;        // on the timeline, or -1
  sim_host *next;
};
static sim_host
    *_Atomic hosts;  // of the process; kept, as what a thread issued may be placed when it has ended
static _Thread_local sim_host *host;

static void *need(void *memory) {
  if (!memory) {
    fputs("cusim: out of memory for the virtual clock\n", stderr);
    exit(1);
  }
  return memory;
}

static void make_devices(void) {
  for (int d = 0; d < MOST_DEVICES; d++) pthread_mutex_init(&devices[d].lock, NULL);
}

static device_clock *device_at(int device) {
  pthread_once(&devices_once, make_devices);
  return &devices[device < 0 || device >= MOST_DEVICES ? 0 : device];
}

// ---------------------------------------------------------------- host threads

sim_host *sim_host_self(void) {
  if (host) return host;
  host = need(calloc(1, sizeof *host));
  host->number = -1;
  host->next = atomic_load(&hosts);
  while (!atomic_compare_exchange_weak(&hosts, &host->next, host)) {
  }
  return host;
}

void sim_host_act_as(sim_host *other) {
  host = other;
}

int *sim_host_number(void) {
  return &sim_host_self()->number;
}

double sim_host_latest(void) {
  double latest = 0;
  for (const sim_host *h = atomic_load(&hosts); h; h = h->next)
    if (h->clock > latest) latest = h->clock;
  return latest;
}

// ---------------------------------------------------------------- engines

static void insert_span(engine *e, size_t at, span s) {
  if (e->count == e->capacity) {
    e->capacity = e->capacity ? e->capacity * 2 : 64;
    e->spans = need(realloc(e->spans, e->capacity * sizeof *e->spans));
  }
  assert(e->spans != NULL);
  if (e->count > at) memmove(e->spans + at + 1, e->spans + at, (e->count - at) * sizeof *e->spans);
  e->spans[at] = s;
  e->count++;
}

// The first span that ends after this moment, or count: spans before it cannot matter.
static size_t first_after(const engine *e, double moment) {
  size_t low = 0, high = e->count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (e->spans[middle].end <= moment)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// The earliest start not before `ready` at which `share` fits for `seconds`.
static double find_start(const engine *e, double ready, double seconds, double share) {
  const double full = 1 + 1e-9;
  double start = ready > e->horizon ? ready : e->horizon;
  for (size_t i = first_after(e, start); i < e->count && e->spans[i].start < start + seconds; i++) {
    if (e->spans[i].share + share > full) start = e->spans[i].end;
  }
  return start;
}

static void forget_oldest(engine *e) {
  size_t forget = e->count / 2;
  e->horizon = e->spans[forget - 1].end;
  memmove(e->spans, e->spans + forget, (e->count - forget) * sizeof *e->spans);
  e->count -= forget;
}

static void occupy(engine *e, double start, double end, double share) {
  size_t i = first_after(e, start);
  const size_t first = i > 0 ? i - 1 : 0;
  double at = start;
  while (at < end) {
    span *s = i < e->count ? &e->spans[i] : NULL;
    if (!s || s->start >= end) {  // free until the end
      insert_span(e, i, (span){at, end, share});
      i++;
      break;
    }
    if (s->start > at) {  // free until the next span
      double until = s->start;
      insert_span(e, i, (span){at, until, share});
      at = until;
      i++;
      continue;
    }
    if (s->start < at) {  // cut the span where we begin
      span before = {s->start, at, s->share};
      s->start = at;
      insert_span(e, i, before);
      i++;
      continue;
    }
    if (s->end > end) {  // and where we end
      span after = {end, s->end, s->share};
      s->end = end;
      insert_span(e, i + 1, after);
      s = &e->spans[i];
    }
    s->share += share;
    at = s->end;
    i++;
  }
  // Neighbours with the same share are one span, so that a busy engine stays short. Only those from the one
  // before our start to the one behind our end can have become equal.
  if (e->count == 0) return;
  const size_t last = i < e->count ? i : e->count - 1;
  size_t kept = first;
  for (size_t k = first + 1; k <= last; k++) {
    if (e->spans[k].start == e->spans[kept].end && e->spans[k].share == e->spans[kept].share)
      e->spans[kept].end = e->spans[k].end;
    else
      e->spans[++kept] = e->spans[k];
  }
  memmove(e->spans + kept + 1, e->spans + last + 1, (e->count - last - 1) * sizeof *e->spans);
  e->count -= last - kept;
  if (e->count > MOST_SPANS) forget_oldest(e);
}

// ---------------------------------------------------------------- streams

sim_timeline *sim_timeline_create(int device, const char *name) {
  sim_timeline *t = need(calloc(1, sizeof *t));
  device_clock *d = device_at(device);
  t->device = device;
  pthread_mutex_lock(&d->lock);
  t->number = d->streams++;
  pthread_mutex_unlock(&d->lock);
  snprintf(t->name, sizeof t->name, "%s", name ? name : "stream");
  return t;
}

void sim_timeline_destroy(sim_timeline *t) {
  free(t);
}
double sim_host_now(void) {
  return sim_host_self()->clock;
}
void sim_host_spend(double seconds) {
  if (seconds > 0) sim_host_self()->clock += seconds;
}
void sim_host_wait(double until) {
  if (until > sim_host_now()) host->clock = until;
}
void sim_host_wait_device(int device, double until) {
  device_clock *d = device_at(device);
  sim_host_wait(until);
  pthread_mutex_lock(&d->lock);
  if (host->clock > d->last_issue) d->last_issue = host->clock;
  pthread_mutex_unlock(&d->lock);
}
// An event waited for belongs to the stream's past even if no operation has followed yet.
double sim_timeline_tail(const sim_timeline *t) {
  return t->tail > t->earliest ? t->tail : t->earliest;
}
void sim_timeline_wait(sim_timeline *t, double until) {
  if (until > t->earliest) t->earliest = until;
}

double sim_copy_seconds(const sim_link *link, size_t bytes) {
  return link->alpha_s + (double)bytes / link->bytes_per_s;
}

double sim_timeline_push_at(sim_timeline *t, enum sim_engine kind, int device, double issued, double seconds,
                            double share, const char *label) {
  device_clock *d = device_at(device);
  pthread_mutex_lock(&d->lock);
  // A thread that turns to a device another thread has prepared comes after that preparation.
  uint64_t bit = (uint64_t)1 << (d - devices);
  if (!(sim_host_self()->devices & bit)) {
    host->devices |= bit;
    if (issued < d->last_issue) issued = d->last_issue;
    sim_host_wait(issued);
  }
  if (issued > d->last_issue) d->last_issue = issued;
  double start = issued > t->tail ? issued : t->tail;
  if (t->earliest > start) start = t->earliest;
  if (seconds > 0) {
    engine *e = &d->engines[kind];
    start = find_start(e, start, seconds, share);
    occupy(e, start, start + seconds, share);
  }
  pthread_mutex_unlock(&d->lock);
  t->tail = seconds > 0 ? start + seconds : start;
  sim_timeline_record(&(sim_timeline_event){.device = device,
                                            .track = t->number,
                                            .track_name = t->name,
                                            .engine = kind,
                                            .start = start,
                                            .end = t->tail,
                                            .waited = start > issued && start == t->earliest,
                                            .label = label});
  return t->tail;
}

double sim_timeline_push(sim_timeline *t, enum sim_engine kind, int device, double seconds, double share,
                         const char *label) {
  return sim_timeline_push_at(t, kind, device, sim_host_now(), seconds, share, label);
}
