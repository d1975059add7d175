// SPDX-License-Identifier: MIT
// What one warp request costs: sectors, shared-memory wavefronts, how many lanes share an address.
#include <string.h>

#include "observe.h"

enum { LANES = SIM_LANES };

unsigned sim_request_units(const sim_request *r, unsigned bytes, unsigned shift, uintptr_t *unit) {
  unsigned count = 0;
  for (int lane = 0; lane < LANES; lane++) {
    if (!(r->mask >> lane & 1)) continue;
    uintptr_t last = (r->address[lane] + bytes - 1) >> shift;
    for (uintptr_t u = r->address[lane] >> shift; u <= last; u++) {
      unsigned at = count;
      while (at > 0 && unit[at - 1] > u) at--;
      if (at > 0 && unit[at - 1] == u) continue;
      memmove(unit + at + 1, unit + at, (count - at) * sizeof *unit);
      unit[at] = u;
      count++;
    }
  }
  return count;
}

// Wavefronts of the lanes in `lanes`: the largest number of distinct 4-byte words in one of the 32 banks.
static unsigned bank_wavefronts(const sim_request *r, uint32_t lanes, unsigned bytes) {
  uintptr_t word[LANES * 4];
  uint8_t in_bank[LANES] = {0};
  uintptr_t largest = 0;  // words mostly come in ascending order: then none is a repetition
  unsigned count = 0, worst = 0;
  for (int lane = 0; lane < LANES; lane++) {
    if (!(lanes >> lane & 1)) continue;
    uintptr_t last = (r->address[lane] + bytes - 1) / 4;
    for (uintptr_t w = r->address[lane] / 4; w <= last; w++) {
      bool seen = false;
      for (unsigned i = count; w <= largest && i-- > 0 && !seen;) seen = word[i] == w;
      if (seen || count == LANES * 4) continue;
      if (w > largest) largest = w;
      word[count++] = w;
      unsigned depth = ++in_bank[w % LANES];
      if (depth > worst) worst = depth;
    }
  }
  return worst;
}

static uint32_t phase_lanes(int phase, int phases) {
  int width = LANES / phases;
  return (width == LANES ? UINT32_MAX : (1u << width) - 1) << phase * width;
}

static int phases_of(unsigned bytes) {
  return bytes <= 4 ? 1 : bytes <= 8 ? 2 : 4;
}

// A full warp of 4-byte words side by side, or one word for all: by far the most common requests.
static bool one_wavefront(const sim_request *r, unsigned bytes) {
  if (r->mask != UINT32_MAX || bytes != 4 || r->address[0] % 4) return false;
  intptr_t step = (intptr_t)(r->address[1] - r->address[0]);
  if (step != 0 && step != 4) return false;
  for (int lane = 2; lane < LANES; lane++) {
    if ((intptr_t)(r->address[lane] - r->address[lane - 1]) != step) return false;
  }
  return true;
}

// Each half (8 bytes) or quarter (16 bytes) of a warp is served on its own.
unsigned sim_request_wavefronts(const sim_request *r, unsigned bytes, unsigned *ideal) {
  *ideal = 1;
  if (one_wavefront(r, bytes)) return 1;
  int phases = phases_of(bytes);
  unsigned sum = 0;
  *ideal = 0;
  for (int p = 0; p < phases; p++) {
    uint32_t lanes = r->mask & phase_lanes(p, phases);
    if (!lanes) continue;
    sum += bank_wavefronts(r, lanes, bytes);
    ++*ideal;
  }
  return sum;
}

// Do all active lanes agree in address with the lane whose number differs in this bit?
static bool lanes_agree(const sim_request *r, int bit) {
  for (int lane = 0; lane < LANES; lane++) {
    int other = lane ^ bit;
    if ((r->mask >> lane & 1) && (r->mask >> other & 1) && r->address[lane] != r->address[other])
      return false;
  }
  return true;
}

unsigned sim_request_paired_wavefronts(const sim_request *r, unsigned bytes) {
  if (one_wavefront(r, bytes)) return 1;
  int phases = phases_of(bytes);
  if (phases > 1 && (lanes_agree(r, 1) || lanes_agree(r, 2))) phases /= 2;
  unsigned sum = 0;
  for (int p = 0; p < phases; p++) {
    uint32_t lanes = r->mask & phase_lanes(p, phases);
    if (lanes) sum += bank_wavefronts(r, lanes, bytes);
  }
  return sum;
}

unsigned sim_request_degree(const sim_request *r) {
  unsigned worst = 0;
  for (int lane = 0; lane < LANES; lane++) {
    if (!(r->mask >> lane & 1)) continue;
    unsigned same = 0;
    for (int other = 0; other < LANES; other++) {
      same += (r->mask >> other & 1) && r->address[other] == r->address[lane];
    }
    if (same > worst) worst = same;
  }
  return worst;
}
