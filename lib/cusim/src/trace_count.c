// SPDX-License-Identifier: MIT
// What complete warp requests, and a block as a whole, add to the counters.
#include "trace.h"

void sim_model_request(sim_trace *t, unsigned cycles) {
  t->sum.model_requests++;
  t->sum.model_lsu32 += cycles > 1 ? cycles : 1;
  t->sum.model_lsu16 += cycles > 2 ? cycles : 2;
}

// Threads are traced one after the other, on the GPU they run side by side: how long ago a sector was read is
// told by the epoch and the execution of the load, not by the order of the log. Within WINDOW executions of a
// loop it stays in L1.
static uint32_t window_of(const sim_trace *t, const request *r) {
  enum { WINDOW = 64, MOST = 0xff, EPOCHS = 0xfff };
  uint32_t turn = r->k / WINDOW < MOST ? r->k / WINDOW : MOST;
  return ((t->warp_epoch[r->warp] & EPOCHS) << 8 | turn) + 1;
}

static void count_load_sector(sim_trace *t, uintptr_t sector, uint32_t *last, uint32_t window, bool fresh) {
  if (!fresh && *last == window) return;
  *last = window;
  bool fresh_window;
  sim_table_at(&t->load_windows, (uint64_t)sector << 20 | (window & 0xfffff), &fresh_window);
  t->sum.l1_miss_sectors += fresh_window;
}

static void count_unique(sim_trace *t, const request *r, const uintptr_t *sector, unsigned count,
                         bool store) {
  uint32_t window = window_of(t, r);
  for (unsigned i = 0; i < count; i++) {
    bool fresh;
    uint32_t *last = sim_table_at(&t->sectors, (uint64_t)sector[i] << 1 | store, &fresh);
    if (!store) count_load_sector(t, sector[i], last, window, fresh);
    if (!fresh) continue;
    touched *a = &t->allocation[r->allocation];
    if (store) {
      t->sum.unique_st_sectors++;
      a->store_sectors++;
    } else {
      t->sum.unique_ld_sectors++;
      a->load_sectors++;
    }
  }
}

// A slice of L2 takes the atomics of one sector at a time, and of those on one address one after the other.
// Neighbouring sectors lie in one slice.
static void count_hot(sim_trace *t, const request *r, const uintptr_t *sector, unsigned count) {
  enum { PIECE_SHIFT = 10 };
  for (unsigned i = 0; i < count; i++) {
    sim_request within = r->lanes;
    for (int lane = 0; lane < LANES; lane++)
      if ((r->lanes.mask >> lane & 1) && within.address[lane] >> 5 != sector[i]) within.mask &= ~(1u << lane);
    bool fresh;
    *sim_table_at(&t->hot, sector[i] >> (PIECE_SHIFT - 5), &fresh) += sim_request_degree(&within);
  }
}

static void count_global(sim_trace *t, const request *r, sim_site *site) {
  uintptr_t unit[LANES * 2 + 1];
  unsigned sectors = sim_request_units(&r->lanes, site->bytes, 5, unit), ideal,
           waves = sim_request_wavefronts(&r->lanes, site->bytes, &ideal);
  count_unique(t, r, unit, sectors, site->access != SIM_LOAD);
  site->sectors += sectors;
  site->wavefronts += waves;
  site->ideal += ideal;
  uint64_t useful = (uint64_t)__builtin_popcount(r->lanes.mask) * site->bytes;
  sim_counters *c = &t->sum;
  switch (site->access) {
    case SIM_LOAD:
      c->ld_requests++;
      c->ld_sectors += sectors;
      c->ld_bytes += useful;
      c->ld_wavefronts += waves;
      break;
    case SIM_STORE:
      c->st_requests++;
      c->st_sectors += sectors;
      c->st_bytes += useful;
      c->st_wavefronts += waves;
      c->st_lines += sim_request_units(&r->lanes, site->bytes, 7, unit);
      break;
    case SIM_ATOMIC:
    case SIM_INCREMENT:
      c->atom_requests++;
      c->atom_sectors += sectors;
      c->atom_degree += sim_request_degree(&r->lanes);
      site->degree += sim_request_degree(&r->lanes);
      count_hot(t, r, unit, sectors);
      break;
  }
  sim_model_request(t, sim_request_paired_wavefronts(&r->lanes, site->bytes));
}

static void count_shared(sim_trace *t, const request *r, sim_site *site) {
  unsigned ideal, waves = sim_request_wavefronts(&r->lanes, site->bytes, &ideal);
  site->wavefronts += waves;
  site->ideal += ideal;
  sim_counters *c = &t->sum;
  if (site->access == SIM_LOAD) {
    c->shld_requests++;
    c->shld_wavefronts += waves;
    c->shld_ideal += ideal;
    return;  // the model's share is added by merge_shared_loads
  }
  if (site->access == SIM_STORE) {
    c->shst_requests++;
    c->shst_wavefronts += waves;
    c->shst_ideal += ideal;
    sim_model_request(t, sim_request_paired_wavefronts(&r->lanes, site->bytes));
    return;
  }
  unsigned degree = sim_request_degree(&r->lanes);
  c->shatom_requests++;
  c->shatom_degree += degree;
  site->degree += degree;
  const unsigned cycles = degree > waves ? degree : waves;
  sim_model_request(t, cycles);
  if (site->access == SIM_INCREMENT) {
    c->model_joined32 += cycles - waves;
    c->model_joined16 += (cycles > 2 ? cycles : 2) - (waves > 2 ? waves : 2);
  }
}

void sim_count_request(sim_trace *t, const request *r) {
  sim_site *site = &t->site[r->site];
  unsigned lanes = (unsigned)__builtin_popcount(r->lanes.mask);
  site->requests++;
  site->lanes += lanes;
  t->sum.active_lanes += lanes;
  t->sum.active_slots += LANES;
  if (site->space == SIM_SPACE_GLOBAL)
    count_global(t, r, site);
  else
    count_shared(t, r, site);
}

// ---------------------------------------------------------------- a block

// Up to this many executions of a load in one epoch (the fill of a tile) are in flight together; more are a
// loop.
enum { FEW_TIMES = 8 };

static void count_blocks(sim_trace *t) {
  sim_counters *c = &t->sum;
  for (uint32_t b = 0; b < t->block_count; b++) {
    const sim_block_work *w = &t->block_work[b];
    uint64_t executions = 0, by_warp = 0;
    for (int warp = 0; warp < t->warps; warp++) {
      uint32_t most = 0;
      for (int thread = warp * LANES; thread < t->threads && thread < (warp + 1) * LANES; thread++) {
        uint32_t n = t->block_executions[(size_t)thread * t->block_capacity + b];
        executions += n;
        if (n > most) most = n;
      }
      by_warp += most;
    }
    c->flop_sp_add += executions * w->sp_add;
    c->flop_sp_mul += executions * w->sp_mul;
    c->flop_sp_fma += executions * w->sp_fma;
    c->flop_dp_add += executions * w->dp_add;
    c->flop_dp_mul += executions * w->dp_mul;
    c->flop_dp_fma += executions * w->dp_fma;
    c->special += executions * w->special;
    c->inst += executions * w->instructions;
    c->fp_sp_warp_inst += by_warp * w->fp_sp;
    c->fp_dp_warp_inst += by_warp * w->fp_dp;
    c->special_warp_inst += by_warp * w->special;
    // What runs often between two barriers and touches no global memory is an inner loop over registers and
    // shared memory. nvcc unrolls it: counters and addresses go, other integer arithmetic stays.
    bool inner =
        by_warp > FEW_TIMES * t->epoch_count * (uint64_t)t->warps && !(t->block_touches[b] & BLOCK_GLOBAL);
    c->int_warp_inst += by_warp * (inner ? w->logic : w->integer);
  }
  c->fp_warp_inst = c->fp_sp_warp_inst + c->fp_dp_warp_inst;
}

static void count_epochs(sim_trace *t) {
  sim_counters *c = &t->sum;
  c->epochs += t->epoch_count;
  for (size_t e = 0; e < t->epoch_count && e < t->epoch_capacity; e++) {
    c->epochs_global += (t->epoch_flags[e] & EPOCH_GLOBAL) != 0;
    c->epochs_shared += (t->epoch_flags[e] & EPOCH_SHARED) != 0;
    if (t->epoch_span[e]) {
      c->async_waits++;
      c->async_span += t->epoch_span[e] - 1;
    }
    uint32_t chain = t->epoch_chain[e];
    if (chain > FEW_TIMES && 2 * t->epoch_serial[e] > chain)
      c->load_serial += t->epoch_serial[e];
    else if (chain > FEW_TIMES)
      c->load_chain += chain;
    else if (chain)
      c->load_rounds++;
  }
}

// This block's share of what the whole grid must move between DRAM and L2, if L2 absorbs every re-read by
// another block: no more than each allocation holds. Host memory is told apart.
static void count_footprint(sim_trace *t) {
  uint64_t grid = (uint64_t)t->launch.grid.x * t->launch.grid.y * t->launch.grid.z;
  for (int i = 0; i < t->allocation_count; i++) {
    const touched *a = &t->allocation[i];
    uint64_t most = (a->allocation.bytes + grid - 1) / grid;
    uint64_t loads = a->load_sectors * SECTOR, stores = a->store_sectors * SECTOR;
    if (a->allocation.kind ==
        SIM_PINNED) {  // over the link, and nothing on the device keeps it for other blocks
      t->sum.link_ld_bytes += loads;
      t->sum.link_st_bytes += stores;
      continue;
    }
    t->sum.dram_ld_bytes += loads < most ? loads : most;
    t->sum.dram_st_bytes += stores < most ? stores : most;
    if (a->allocation.kind == SIM_MANAGED) {
      const uint64_t either = loads > stores ? loads : stores;
      t->sum.managed_bytes += either < most ? either : most;
    }
  }
}

// A block that fits L1 reads everything once.
static void count_misses(sim_trace *t) {
  if (t->sum.unique_ld_sectors * SECTOR <= t->l1_share) t->sum.l1_miss_sectors = t->sum.unique_ld_sectors;
}

static void count_hottest(sim_trace *t) {
  uint32_t most = 0;
  for (size_t i = 0; t->hot.count && i < t->hot.capacity; i++) {
    if (t->hot.key[i] && t->hot.value[i] > most) most = t->hot.value[i];
  }
  t->sum.atom_hottest += most;
}

void sim_count_block(sim_trace *t) {
  count_blocks(t);
  count_epochs(t);
  count_footprint(t);
  count_misses(t);
  count_hottest(t);
}
