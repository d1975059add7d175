// SPDX-License-Identifier: MIT
// The memory that ranks in processes share: HD_GROUP_BYTES of what they show each other, then a tray of two
// halves for each rank in each lane.
#ifndef HD_COMM_PROCESSES_H
#define HD_COMM_PROCESSES_H
#include "comm_internal.h"

// Half a tray: small enough that those of a few ranks stay in a cache, and long enough that meeting costs
// little.
enum { HD_TRAY_BYTES = 128 << 10 };

static inline size_t hd_shared_bytes(int world) {
  return HD_GROUP_BYTES + (size_t)HD_LANES * (size_t)world * 2 * HD_TRAY_BYTES;
}
#endif
