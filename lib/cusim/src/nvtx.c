// SPDX-License-Identifier: MIT
// NVTX's ranges: kept until they end, then recorded on the host's timeline.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "nvtx3/nvToolsExt.h"
#include "queue.h"

enum { DEEPEST = 64, NAME = 64 };
typedef struct range {
  nvtxRangeId_t id;
  char name[NAME];
  double from;
  struct range *next;
} range;

static range *open_ranges;  // of nvtxRangeStart: may end in another thread
static nvtxRangeId_t last_id;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static const char *text_of(const nvtxEventAttributes_t *a) {
  return a && a->messageType == NVTX_MESSAGE_TYPE_ASCII && a->message.ascii ? a->message.ascii : "range";
}

// The host's time may be known later only: what a range needs is then done.
static void note_begin(const void *r) {
  (*(range *const *)r)->from = sim_host_now();
}
static void note_end(const void *r) {
  range *ended = *(range *const *)r;
  sim_host_range(ended->name, ended->from, sim_host_now());
  free(ended);
}

static range *begin(const char *name) {
  range *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  snprintf(r->name, sizeof r->name, "%s", name ? name : "range");
  sim_host_when_known(note_begin, &r, sizeof(range *));
  return r;
}
static void end(range *r) {
  if (r) sim_host_when_known(note_end, &r, sizeof(range *));
}

static _Thread_local range *stack[DEEPEST];
static _Thread_local int depth;

int nvtxRangePushA(const char *message) {
  if (depth < DEEPEST) stack[depth] = begin(message);
  return depth++;
}
int nvtxRangePushEx(const nvtxEventAttributes_t *attributes) {
  return nvtxRangePushA(text_of(attributes));
}
int nvtxRangePop(void) {
  if (depth == 0) return -1;
  if (--depth < DEEPEST) end(stack[depth]);
  return depth;
}

nvtxRangeId_t nvtxRangeStartA(const char *message) {
  range *r = begin(message);
  if (!r) return 0;
  pthread_mutex_lock(&lock);
  const nvtxRangeId_t id = r->id = ++last_id;
  r->next = open_ranges;
  open_ranges = r;
  pthread_mutex_unlock(&lock);
  return id;
}
nvtxRangeId_t nvtxRangeStartEx(const nvtxEventAttributes_t *attributes) {
  return nvtxRangeStartA(text_of(attributes));
}
void nvtxRangeEnd(nvtxRangeId_t id) {
  pthread_mutex_lock(&lock);
  range **link = &open_ranges;
  while (*link && (*link)->id != id) link = &(*link)->next;
  range *r = *link;
  if (r) *link = r->next;
  pthread_mutex_unlock(&lock);
  end(r);
}

void nvtxMarkA(const char *message) {
  end(begin(message ? message : "mark"));
}
void nvtxMarkEx(const nvtxEventAttributes_t *attributes) {
  nvtxMarkA(text_of(attributes));
}

// Domains share one track.
nvtxDomainHandle_t nvtxDomainCreateA(const char *name) {
  (void)name;
  return NULL;
}
void nvtxDomainDestroy(nvtxDomainHandle_t domain) {
  (void)domain;
}
int nvtxDomainRangePushEx(nvtxDomainHandle_t domain, const nvtxEventAttributes_t *attributes) {
  (void)domain;
  return nvtxRangePushEx(attributes);
}
int nvtxDomainRangePop(nvtxDomainHandle_t domain) {
  (void)domain;
  return nvtxRangePop();
}
void nvtxNameOsThreadA(uint32_t thread, const char *name) {
  (void)thread, (void)name;
}
