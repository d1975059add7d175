// SPDX-License-Identifier: MIT
#include "roofs.h"

#include <math.h>

#include "heddle/clock.h"
#include "heddle/device.h"
#include "heddle/roof.h"

// The roofs of one size and count; another size or count starts anew. A roof is the best that was seen:
// whatever else runs on the machine can hide it, but not raise it.
static struct {
  const void *state;
  int threads, devices;
  double flops, bytes, taken_at;
} roofs;

static void sample(const hd_case *c) {
  double flops, bytes;
  if (c->devices > 0) {
    hd_device_peaks(&flops, &bytes);
  } else {
    // Threads that share a core with something else wait for each other, but one of them alone does not.
    flops = fmax(hd_roof_flops(c->threads), hd_roof_flops(1));
    bytes = hd_roof_bytes(c->threads);
  }
  roofs.flops = fmax(roofs.flops, flops);
  roofs.bytes = fmax(roofs.bytes, bytes);
  roofs.taken_at = hd_wall();
}

void roofs_measure(hd_case *c) {
  enum { AT_FIRST = 5 };
  if (c->untimed) return;
  if (roofs.state != c->state || roofs.threads != c->threads || roofs.devices != c->devices) {
    roofs.state = c->state;
    roofs.threads = c->threads;
    roofs.devices = c->devices;
    roofs.flops = roofs.bytes = 0;
    for (int i = 0; i < AT_FIRST; i++) sample(c);
  } else if (hd_wall() - roofs.taken_at > 0.2) {
    sample(c);
  }
  hd_figure(c, "roof_flops", roofs.flops, "FLOP/s");
  hd_figure(c, "roof_bytes", roofs.bytes, "B/s");
}

double roofs_bound_s(const hd_case *c, double flops, double bytes) {
  if (roofs.state != c->state || roofs.threads != c->threads || roofs.devices != c->devices) return NAN;
  return fmax(flops / roofs.flops, bytes / roofs.bytes);
}
