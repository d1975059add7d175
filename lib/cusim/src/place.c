// SPDX-License-Identifier: MIT
// Where a block is said to run: blocks go round the multiprocessors, as inline PTX (%smid) asks.
#include "exec.h"

unsigned cusim_sms(void) {
  return (unsigned)sim_machine_get()->card->sm_count;
}

unsigned cusim_sm(void) {
  const sim_index b = cusim_block_idx, grid = cusim_grid_dim;
  return (b.x + grid.x * (b.y + grid.y * b.z)) % cusim_sms();
}
