// SPDX-License-Identifier: MIT
// Virtual time: what overlaps and what does not, to the last bit, for one host thread and for several.
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
// cmocka needs setjmp to stdint
#include <cmocka.h>

#include "observe_memory.h"
#include "sim.h"

static bool near(double a, double b) {
  return fabs(a - b) < 1e-12;
}

// Every test takes a device of its own: clocks of devices are independent.
static void two_streams_overlap_copy_and_compute(void **state) {
  (void)state;
  sim_timeline *a = sim_timeline_create(1, "a"), *b = sim_timeline_create(1, "b");
  double start = sim_host_now();
  assert_true(near(sim_timeline_push(a, SIM_COPY_H2D, 1, 1, 1, "in a"), start + 1));
  assert_true(near(sim_timeline_push(a, SIM_COMPUTE, 1, 2, 1, "k a"), start + 3));
  assert_true(
      near(sim_timeline_push(b, SIM_COPY_H2D, 1, 1, 1, "in b"), start + 2));  // one engine per direction
  assert_true(
      near(sim_timeline_push(b, SIM_COMPUTE, 1, 2, 1, "k b"), start + 5));  // the SMs are taken until 3
  assert_true(near(sim_timeline_push(a, SIM_COPY_D2H, 1, 1, 1, "out a"), start + 4));
  assert_true(near(sim_timeline_push(b, SIM_COPY_D2H, 1, 1, 1, "out b"), start + 6));
  assert_true(sim_host_now() == start);  // the host has not waited
  sim_host_wait(sim_timeline_tail(b));
  assert_true(near(sim_host_now(), start + 6));
  sim_host_wait(start);
  assert_true(near(sim_host_now(), start + 6));
  sim_timeline_destroy(a);
  sim_timeline_destroy(b);
}

static void host_issue_counts(void **state) {
  (void)state;
  sim_timeline *a = sim_timeline_create(2, "a");
  double start = sim_host_now();
  for (int i = 0; i < 10; i++) {
    sim_host_spend(2);  // launches slower than the kernels
    sim_timeline_push(a, SIM_COMPUTE, 2, 1, 1, "k");
  }
  assert_true(near(sim_timeline_tail(a), start + 21));
  assert_true(near(sim_timeline_push_at(a, SIM_COMPUTE, 2, start, 1, 1, "issued long ago"), start + 22));
  sim_timeline_destroy(a);
}

static void events_order_streams_and_others_pass(void **state) {
  (void)state;
  sim_timeline *a = sim_timeline_create(3, "a"), *b = sim_timeline_create(3, "b"),
               *c = sim_timeline_create(3, "c");
  double start = sim_host_now();
  double event = sim_timeline_push(a, SIM_COMPUTE, 3, 5, 0.5, "producer");
  sim_timeline_wait(b, event);
  assert_true(near(sim_timeline_push(b, SIM_COPY_D2H, 3, 1, 1, "waits"), start + 6));
  assert_true(
      near(sim_timeline_push(c, SIM_COPY_D2H, 3, 1, 1, "is ready"), start + 1));  // issued later, runs first
  assert_true(near(sim_timeline_push(c, SIM_COPY_D2H, 3, 4.5, 1, "does not fit before"), start + 10.5));
  sim_timeline_destroy(a);
  sim_timeline_destroy(b);
  sim_timeline_destroy(c);
}

static void kernels_share_the_sms(void **state) {
  (void)state;
  sim_timeline *s[3];
  for (int i = 0; i < 3; i++) s[i] = sim_timeline_create(4, "s");
  double start = sim_host_now();
  assert_true(near(sim_timeline_push(s[0], SIM_COMPUTE, 4, 4, 0.5, "half"), start + 4));
  assert_true(near(sim_timeline_push(s[1], SIM_COMPUTE, 4, 2, 0.5, "other half"), start + 2));
  assert_true(near(sim_timeline_push(s[2], SIM_COMPUTE, 4, 1, 0.25, "waits for room"), start + 3));
  assert_true(near(sim_timeline_push(s[1], SIM_COMPUTE, 4, 1, 1, "waits for all"), start + 5));
  for (int i = 0; i < 3; i++) sim_timeline_destroy(s[i]);
}

static void peer_copy_costs_alpha_and_bytes(void **state) {
  (void)state;
  const sim_link *link = sim_link_find("nvlink3");
  sim_timeline *a = sim_timeline_create(5, "a");
  double start = sim_host_now(), cost = link->alpha_s + 1e9 / link->bytes_per_s;
  assert_true(near(sim_timeline_push(a, SIM_COPY_PEER, 5, sim_copy_seconds(link, 1000000000), 1, "peer"),
                   start + cost));
  sim_timeline_destroy(a);
}

// Long runs forget the distant past, but never let two operations have one engine at once.
static void many_operations(void **state) {
  (void)state;
  sim_timeline *a = sim_timeline_create(6, "a"), *b = sim_timeline_create(6, "b");
  double start = sim_host_now(), busy = 0;
  for (int i = 0; i < 20000; i++) {
    sim_host_wait(start + 0.5 * i);  // gaps, so that spans cannot be joined
    sim_timeline_push(i % 2 ? a : b, SIM_COMPUTE, 6, 0.25, 1, "k");
    busy += 0.25;
  }
  double end = sim_timeline_tail(a) > sim_timeline_tail(b) ? sim_timeline_tail(a) : sim_timeline_tail(b);
  assert_true(near(end, start + 0.5 * 19999 + 0.25));
  assert_true(end - start >= busy);
  sim_timeline_destroy(a);
  sim_timeline_destroy(b);
}

typedef struct rank {
  int device;
  double end;
} rank;

static void *drive_device(void *argument) {
  rank *r = argument;
  sim_timeline *compute = sim_timeline_create(r->device, "compute"),
               *copy = sim_timeline_create(r->device, "copy");
  for (int i = 0; i < 2000; i++) {
    sim_host_spend(2.5e-6);
    double done = sim_timeline_push(compute, SIM_COMPUTE, r->device, 1e-5 + 1e-7 * (i % 13), 0.75, "k");
    sim_timeline_wait(copy, done);
    sim_timeline_push(copy, SIM_COPY_PEER, r->device, 7e-6, 1, "p");
  }
  sim_host_wait(sim_timeline_tail(copy));
  r->end = sim_host_now();
  sim_timeline_destroy(compute);
  sim_timeline_destroy(copy);
  return NULL;
}

// The same times, bit for bit, however the host threads of several devices interleave.
static void threads_do_not_disturb_each_other(void **state) {
  (void)state;
  enum { RANKS = 8 };
  rank together[RANKS], alone[RANKS];
  pthread_t threads[RANKS];
  for (int i = 0; i < RANKS; i++) {
    alone[i] = (rank){.device = 10 + i};
    assert_int_equal(pthread_create(&threads[i], NULL, drive_device, &alone[i]), 0);
    pthread_join(threads[i], NULL);
  }
  for (int i = 0; i < RANKS; i++) {
    together[i] = (rank){.device = 20 + i};
    assert_int_equal(pthread_create(&threads[i], NULL, drive_device, &together[i]), 0);
  }
  for (int i = 0; i < RANKS; i++) pthread_join(threads[i], NULL);
  for (int i = 0; i < RANKS; i++) assert_memory_equal(&together[i].end, &alone[i].end, sizeof alone[i].end);
}

static void *use_prepared_device(void *argument) {
  rank *r = argument;
  sim_timeline *t = sim_timeline_create(r->device, "t");
  r->end = sim_timeline_push(t, SIM_COMPUTE, r->device, 1, 1, "k");
  sim_timeline_destroy(t);
  return NULL;
}

// A new host thread does not start before the work that another thread gave the device first.
static void a_new_thread_follows_its_device(void **state) {
  (void)state;
  sim_timeline *t = sim_timeline_create(7, "main");
  sim_host_spend(100);
  double prepared = sim_timeline_push(t, SIM_COPY_H2D, 7, 1, 1, "in") - 1;
  rank r = {.device = 7};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, use_prepared_device, &r), 0);
  pthread_join(thread, NULL);
  assert_true(near(r.end, prepared + 1));
  sim_timeline_destroy(t);
}

static void chrome_trace(void **state) {
  (void)state;
  char name[] = "observe_clock_XXXXXX";
  int file = mkstemp(name);
  assert_true(file >= 0);
  close(file);
  pid_t child = fork();
  if (child == 0) {  // the environment is read once per process
    setenv("CUSIM_TIMELINE", name, 1);
    sim_timeline *t = sim_timeline_create(0, "a \"quoted\" stream");
    sim_timeline_push(t, SIM_COMPUTE, 0, 1e-3, 1, "kernel\\1");
    sim_timeline_push(t, SIM_COPY_D2H, 0, 2e-3, 1, "out");
    sim_timeline *other = sim_timeline_create(0, "other");
    sim_timeline_wait(other, sim_timeline_tail(t));
    sim_timeline_push(other, SIM_COMPUTE, 0, 1e-3, 1, "after out");
    sim_host_range("outer", 0, 5e-3);
    sim_host_range("mark", 1e-3, 1e-3);
    sim_trace_export();
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  FILE *in = fopen(name, "r");
  assert_non_null(in);
  char text[4096];
  text[fread(text, 1, sizeof text - 1, in)] = 0;
  fclose(in);
  unlink(name);
  assert_non_null(strstr(text, "\"a \\\"quoted\\\" stream\""));
  assert_non_null(strstr(text, "\"name\":\"kernel\\\\1\",\"cat\":\"compute\",\"pid\":0,\"tid\":0,"));
  assert_non_null(strstr(text, "\"dur\":2000.000}"));
  assert_non_null(strstr(text, "\"process_name\""));
  assert_non_null(strstr(
      text, "\"name\":\"outer\",\"cat\":\"host range\",\"pid\":1000,\"tid\":0,\"ts\":0.000,\"dur\":5"));
  assert_non_null(strstr(text, "{\"ph\":\"i\",\"name\":\"mark\""));
  assert_non_null(
      strstr(text, "\"pid\":0,\"tid\":0,\"ts\":3000.000},\n{\"ph\":\"f\""));  // an arrow from the copy
  assert_null(strstr(strstr(text, "\"ph\":\"f\"") + 1, "\"ph\":\"f\""));      // and no other
  assert_string_equal(text + strlen(text) - 4, "\n]}\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chrome_trace),  // first: it must fork before this process has read its environment
      cmocka_unit_test(two_streams_overlap_copy_and_compute),
      cmocka_unit_test(host_issue_counts),
      cmocka_unit_test(events_order_streams_and_others_pass),
      cmocka_unit_test(kernels_share_the_sms),
      cmocka_unit_test(peer_copy_costs_alpha_and_bytes),
      cmocka_unit_test(many_operations),
      cmocka_unit_test(threads_do_not_disturb_each_other),
      cmocka_unit_test(a_new_thread_follows_its_device),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
