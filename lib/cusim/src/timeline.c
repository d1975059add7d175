// SPDX-License-Identifier: MIT
// CUSIM_TIMELINE=file.json: streams, copies, kernels and host ranges in Chrome's trace format, for Perfetto.
#include "timeline.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST = -1, HOST_PID = 1000, ENGINES = SIM_HOST_RANGE + 1 };

typedef struct event {
  int device, track, engine;
  double start, end;
  bool waited;
  char track_name[48], label[80];
} event;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *file_name;
static event *events;
static size_t event_count, event_capacity;
static int host_threads;

static void export_at_exit(void) {
  sim_trace_export();
}

static void open_events(void) {
  const char *file = getenv("CUSIM_TIMELINE");
  if (!file || !*file) return;
  file_name = file;
  atexit(export_at_exit);
}

void sim_timeline_prepare(void) {
  pthread_once(&once, open_events);
}

void sim_timeline_record(const sim_timeline_event *from) {
  pthread_once(&once, open_events);
  if (!file_name) return;
  pthread_mutex_lock(&lock);
  if (event_count == event_capacity) {
    event_capacity = event_capacity ? event_capacity * 2 : 256;
    event *more = realloc(events, event_capacity * sizeof *events);
    if (!more) {
      fputs("cusim: out of memory for the timeline\n", stderr);
      exit(1);
    }
    events = more;
  }
  event *e = &events[event_count++];
  *e = (event){.device = from->device,
               .track = from->track,
               .engine = from->engine,
               .start = from->start,
               .end = from->end,
               .waited = from->waited};
  snprintf(e->track_name, sizeof e->track_name, "%s", from->track_name);
  snprintf(e->label, sizeof e->label, "%s", from->label ? from->label : "");
  pthread_mutex_unlock(&lock);
}

void sim_host_range(const char *label, double from, double to) {
  pthread_once(&once, open_events);
  if (!file_name) return;
  int *number = sim_host_number();
  if (*number < 0) {
    pthread_mutex_lock(&lock);
    *number = host_threads++;
    pthread_mutex_unlock(&lock);
  }
  sim_timeline_record(&(sim_timeline_event){.device = HOST,
                                            .track = *number,
                                            .track_name = "host thread",
                                            .engine = SIM_HOST_RANGE,
                                            .start = from,
                                            .end = to,
                                            .label = label});
}

// ---------------------------------------------------------------- writing

// The order in which host threads happened to record must not show in the file.
static int by_time(const void *left, const void *right) {
  const event *a = left, *b = right;
  if (a->device != b->device) return a->device - b->device;
  if (a->track != b->track) return a->track - b->track;
  if (a->start != b->start) return a->start < b->start ? -1 : 1;
  if (a->end != b->end) return a->end > b->end ? -1 : 1;  // ranges before what they hold
  if (a->engine != b->engine) return a->engine - b->engine;
  return strcmp(a->label, b->label);
}

static int by_end(const void *left, const void *right) {
  const event *a = *(const event *const *)left, *b = *(const event *const *)right;
  if (a->end != b->end) return a->end < b->end ? -1 : 1;
  return a < b ? -1 : 1;
}

static void put_json(FILE *file, const char *text) {
  fputc('"', file);
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\')
      fprintf(file, "\\%c", c);
    else if (c < ' ')
      fprintf(file, "\\u%04x", c);
    else
      fputc(c, file);
  }
  fputc('"', file);
}

static int pid_of(const event *e) {
  return e->device == HOST ? HOST_PID : e->device;
}

static void put_names(FILE *file, const event *e, const event *before) {
  if (!before || before->device != e->device) {
    fprintf(file,
            "%s{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%d,\"args\":{\"name\":", before ? ",\n" : "",
            pid_of(e));
    if (e->device == HOST)
      fputs("\"host\"}}", file);
    else
      fprintf(file, "\"device %d\"}}", e->device);
  }
  if (!before || before->device != e->device || before->track != e->track) {
    fprintf(file,
            ",\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":%d,\"tid\":%d,\"args\":{\"name\":", pid_of(e),
            e->track);
    put_json(file, e->track_name);
    fputs("}}", file);
  }
}

static void put_event(FILE *file, const event *e) {
  static const char *const names[ENGINES] = {"compute",   "copy H2D",      "copy D2H",
                                             "copy peer", "host function", "host range"};
  const bool mark = e->engine == SIM_HOST_RANGE && e->end == e->start;
  fprintf(file, ",\n{\"ph\":\"%s\",\"name\":", mark ? "i" : "X");
  put_json(file, e->label);
  fprintf(file, ",\"cat\":\"%s\",\"pid\":%d,\"tid\":%d,\"ts\":%.3f", names[e->engine], pid_of(e), e->track,
          e->start * 1e6);
  if (mark)
    fputs(",\"s\":\"t\"}", file);
  else
    fprintf(file, ",\"dur\":%.3f}", (e->end - e->start) * 1e6);
}

// An arrow from the operation of another stream that ended when `to`, which waited for it, began.
static void put_arrow(FILE *file, const event *to, event *const *ended, size_t id) {
  size_t low = 0, high = event_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (ended[middle]->end < to->start)
      low = middle + 1;
    else
      high = middle;
  }
  for (; low < event_count && ended[low]->end == to->start; low++) {
    const event *from = ended[low];
    if (from->engine == SIM_HOST_RANGE || (from->device == to->device && from->track == to->track) ||
        from->end == from->start)
      continue;
    fprintf(file,
            ",\n{\"ph\":\"s\",\"name\":\"wait\",\"cat\":\"event\",\"id\":%zu,\"pid\":%d,\"tid\":%d,\"ts\":%."
            "3f},\n"
            "{\"ph\":\"f\",\"bp\":\"e\",\"name\":\"wait\",\"cat\":\"event\",\"id\":%zu,\"pid\":%d,\"tid\":%d,"
            "\"ts\":%.3f}",
            id, pid_of(from), from->track, from->end * 1e6, id, pid_of(to), to->track, to->start * 1e6);
    return;
  }
}

static void write_events(FILE *file) {
  fputs("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"clock\":\"model\"},\"traceEvents\":[\n", file);
  event **ended = event_count ? malloc(event_count * sizeof *ended) : NULL;
  if (event_count) qsort(events, event_count, sizeof *events, by_time);
  for (size_t i = 0; i < event_count; i++) {
    put_names(file, &events[i], i ? &events[i - 1] : NULL);
    put_event(file, &events[i]);
    if (ended) ended[i] = &events[i];
  }
  if (ended) qsort(ended, event_count, sizeof *ended, by_end);
  for (size_t i = 0; ended && i < event_count; i++) {
    if (events[i].waited) put_arrow(file, &events[i], ended, i);
  }
  free(ended);
  fputs("\n]}\n", file);
}

void sim_trace_export(void) {
  pthread_once(&once, open_events);
  if (!file_name) return;
  FILE *file = fopen(file_name, "w");
  if (!file) {
    fprintf(stderr, "cusim: cannot write the timeline CUSIM_TIMELINE=%s\n", file_name);
    return;
  }
  pthread_mutex_lock(&lock);
  write_events(file);
  bool bad = ferror(file) != 0;
  if (fclose(file) || bad)
    fprintf(stderr, "cusim: writing the timeline CUSIM_TIMELINE=%s failed\n", file_name);
  pthread_mutex_unlock(&lock);
}
