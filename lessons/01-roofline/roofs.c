// SPDX-License-Identifier: MIT
#include "roofs.h"

#include <math.h>
#include <string.h>

#include "heddle/clock.h"
#include "heddle/device.h"
#include "heddle/roof.h"
#include "heddle/stats.h"

enum { MOST_SAMPLES = 200 };

// Samples of the current size and count; a new one starts a new set.
static struct {
  const void *state;
  int threads, devices;
  size_t count;
  double flops[MOST_SAMPLES], bytes[MOST_SAMPLES], taken_at;
} roofs;

static double median(const double *samples, size_t count) {
  double sorted[MOST_SAMPLES];
  memcpy(sorted, samples, count * sizeof sorted[0]);
  return hd_summarize(sorted, count).median;
}

void roofs_measure(hd_case *c) {
  if (roofs.state != c->state || roofs.threads != c->threads || roofs.devices != c->devices) {
    roofs.state = c->state;
    roofs.threads = c->threads;
    roofs.devices = c->devices;
    roofs.count = 0;
  }
  if (roofs.count == 0 || (hd_wall() - roofs.taken_at > 0.2 && roofs.count < MOST_SAMPLES)) {
    double *flops = &roofs.flops[roofs.count], *bytes = &roofs.bytes[roofs.count];
    if (c->devices > 0) {
      hd_device_peaks(flops, bytes);  // a GPU's data sheet: its attributes
    } else {
      *flops = hd_roof_flops(c->threads);
      *bytes = hd_roof_bytes(c->threads);
    }
    roofs.count++;
    roofs.taken_at = hd_wall();
  }
  hd_figure(c, "roof_flops", median(roofs.flops, roofs.count), "FLOP/s");
  hd_figure(c, "roof_bytes", median(roofs.bytes, roofs.count), "B/s");
}

double roofs_bound_s(const hd_case *c, double flops, double bytes) {
  if (roofs.count == 0 || roofs.threads != c->threads || roofs.devices != c->devices) return NAN;
  return fmax(flops / median(roofs.flops, roofs.count), bytes / median(roofs.bytes, roofs.count));
}
