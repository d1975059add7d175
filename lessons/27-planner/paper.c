// SPDX-License-Identifier: MIT
#include "paper.h"

#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/random.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "case.h"

// Times do not depend on numbers: one block's parameters and one batch do.
static machine *timed(model m, int least, int most) {
  static machine on;
  const size_t n = (size_t)(m.rows * m.width);
  float *batch = hd_new_normal(n, 1, 0, 1),
        *initial = hd_new_normal(block_parameters(m.width, 1), 1, 1, 0.01f);
  const problem p = {.model = m, .input = batch, .target = batch, .initial = initial};
  const bool gpu = hd_device_count() > 0;
  const bool sampled = getenv("CUSIM_EXECUTE") != NULL;
  if (gpu && !sampled) setenv("CUSIM_EXECUTE", "sampled", 1);
  if (probe(&on, &p, gpu, least, most, 1)) hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
  if (gpu && !sampled) unsetenv("CUSIM_EXECUTE");
  free(batch);
  free(initial);
  return &on;
}

void print_grid(int devices, long width) {
  const model m = {.width = width, .rows = 256, .blocks = 8};
  const machine *on = timed(m, devices, devices);
  prediction *list = hd_alloc(MOST_LAYOUTS, sizeof *list);
  int fits;
  const int count = predict(on, &m, devices, limit_of(&m, devices), list, &fits);
  printf("layout,predicted_s,memory_bytes,limit_bytes,fits,clock\n");
  for (int i = 0; i < count; i++) {
    char name[NAME_ROOM];
    layout_name(list[i].layout, name);
    printf("%s,%.6g,%.0f,%.0f,%s,model\n", name, list[i].seconds, list[i].memory, limit_of(&m, devices),
           i < fits ? "yes" : "no");
  }
  free(list);
}

static model large_model(long width) {
  return (model){.width = width, .rows = 4096, .blocks = 32};
}

void what_if(long width, double seconds[WHAT_IF_SIZES]) {
  const model m = large_model(width);
  const machine *on = timed(m, 1, 1 << (WHAT_IF_SIZES - 1));
  prediction *list = hd_alloc(MOST_LAYOUTS, sizeof *list);
  for (int i = 0; i < WHAT_IF_SIZES; i++) {
    int fits;
    seconds[i] = predict(on, &m, 1 << i, INFINITY, list, &fits) ? list[0].seconds : NAN;
  }
  free(list);
}

static double fastest(const prediction *list, int count) {
  double seconds = INFINITY;
  for (int i = 0; i < count; i++) seconds = fmin(seconds, list[i].seconds);
  return seconds;
}

// Speed-ups are over one device without a limit, so that they can be compared with and without one.
void print_what_if(int most, long width) {
  const model m = large_model(width);
  const machine *on = timed(m, 1, most);
  const double limit = memory_limit > 0 ? memory_limit : INFINITY;
  prediction *list = hd_alloc(MOST_LAYOUTS, sizeof *list);
  printf("devices,best,predicted_s,speedup,memory_bytes,data_only_s,clock\n");
  double one = 0;
  for (int devices = 1; devices <= most; devices *= 2) {
    int fits;
    const int count = predict(on, &m, devices, limit, list, &fits);
    if (count == 0) break;
    if (devices == 1) one = fastest(list, count);
    const layout data = {devices, 1, 1, 1, false};
    const bool possible = m.rows % devices == 0 && layout_memory(&m, data) <= limit;
    const double replicas = possible ? layout_seconds(on, &m, data) : NAN;
    char name[NAME_ROOM] = "none fits";
    if (fits) layout_name(list[0].layout, name);
    printf("%d,%s,%.6g,%.4g,%.0f,%.6g,model\n", devices, name, fits ? list[0].seconds : NAN,
           fits ? one / list[0].seconds : NAN, fits ? list[0].memory : NAN, replicas);
  }
  free(list);
}
