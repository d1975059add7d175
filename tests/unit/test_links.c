// SPDX-License-Identifier: MIT
// Lesson 17's ways between two ranks: the data arrive, and the line through their times has the α and B of
// the simulated links.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
// cmocka needs the first four headers above before it
#include <cmocka.h>
#include <heddle/device.h>
#include <heddle/stats.h>
#include <lessons/17-links/links.h>
#include <math.h>

#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static bool arrives(void (*go)(trip *), size_t bytes) {
  unsigned char data[1009], returned[1009];
  size_t right = 0;
  for (size_t i = 0; i < bytes; i++) data[i] = (unsigned char)(i * 7 + 1);
  memset(returned, 0xa5, sizeof returned);
  trip t = {.data = data, .returned = returned, .bytes = bytes};
  go(&t);
  for (size_t i = 0; i < bytes; i++) right += returned[i] == (unsigned char)~data[i];
  return right == bytes;
}

static const size_t SIZES[] = {1, 3, 4, 33, 1009};

static void messages_arrive(void **state) {
  (void)state;
  EACH(i, SIZES) assert_true(arrives(trip_messages, SIZES[i]));
}

#if HD_HAVE_CUDA

// NVLink 4 and PCIe 5.0 x16 as the simulator has them: docs/cusim-model.md.
static const double PEER_ALPHA_S = 1.9e-6, PEER_BYTES_PER_S = 0.82 * 450e9;
static const double HOST_ALPHA_S = 2.5e-6, HOST_BYTES_PER_S = 0.82 * 63e9;

static const struct {
  const char *name;
  void (*go)(trip *);
  double hops;  // over the host's link; 0: one over the peers'
} ways[] = {{"staged", trip_staged, 2}, {"peer", trip_peer, 0}, {"managed", trip_managed, 1}};

static void data_arrive_on_gpus(void **state) {
  (void)state;
  EACH(w, ways)
  EACH(i, SIZES)
  if (!arrives(ways[w].go, SIZES[i])) fail_msg("%s: %zu bytes did not arrive", ways[w].name, SIZES[i]);
  if (hd_device_simulated()) assert_false(arrives(trip_no_wait, 1009));
}

static void lines_are_the_links(void **state) {
  (void)state;
  if (!hd_device_simulated()) skip();
  const double sizes[] = {4, 1024, 65536, 1 << 20, 1 << 24};
  unsigned char *data = calloc(1 << 24, 1), *returned = malloc(1 << 24);
  EACH(w, ways) {
    double seconds[5], alpha, rate;
    EACH(i, sizes) {
      trip t = {.data = data, .returned = returned, .bytes = (size_t)sizes[i], .timed = 2};
      ways[w].go(&t);
      seconds[i] = t.seconds;
    }
    hd_fit_alpha_beta(sizes, seconds, 5, &alpha, &rate);
    const double hops = ways[w].hops, right_alpha = hops > 0 ? hops * HOST_ALPHA_S : PEER_ALPHA_S,
                 right_rate = hops > 0 ? HOST_BYTES_PER_S / hops : PEER_BYTES_PER_S;
    if (!(fabs(alpha / right_alpha - 1) < 0.02 && fabs(rate / right_rate - 1) < 0.02))
      fail_msg("%s: α = %.3f µs, B = %.2f GB/s, not %.3f and %.2f", ways[w].name, alpha * 1e6, rate * 1e-9,
               right_alpha * 1e6, right_rate * 1e-9);
  }
  free(data);
  free(returned);
}

#endif

int main(void) {
  setenv("CUSIM_DEVICES", "2", 1);
  setenv("CUSIM_CARD", "h200", 1);
  unsetenv("CUSIM_LINK");
  unsetenv("CUSIM_HOST_LINK");
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(messages_arrive),
#if HD_HAVE_CUDA
    cmocka_unit_test(data_arrive_on_gpus),
    cmocka_unit_test(lines_are_the_links),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
