// SPDX-License-Identifier: MIT
// The kernel-time model: cycles of one block on one SM from its counted events, a closed queue for what the
// resident blocks hide of each other's latency, and the card's clock, waves and memory roof.
// docs/cusim-model.md derives it.
#include <math.h>

#include "sim.h"

enum {
  WARP = 32,
  REGISTER_UNIT = 256,
  REGISTER_FILES = 4,
  SHARED_UNIT = 128,
  SHARED_RESERVED = 1024,
  SFU_LANES = 16,
  SECTOR = 32
};

static const double integer_share = 0.6, latency_factor = 1.5, smoothness = 3;
static const double l1_latency = 33, shared_latency = 30, barrier_latency = 30, block_start = 150,
                    warp_start = 8;
static const double unroll = 4, unroll_low = 8, unroll_high = 2;

static double at_least(double a, double b) {
  return a > b ? a : b;
}
static uint64_t volume(sim_dim3 d) {
  return (uint64_t)d.x * d.y * d.z;
}

// ---------------------------------------------------------------- occupancy

int sim_occupancy_blocks(const sim_card *card, int threads, int registers, size_t shared,
                         const char **limiter) {
  int warps = (threads + WARP - 1) / WARP;
  int blocks = card->max_blocks_sm;
  const char *by = "blocks";
  if (card->max_warps_sm / warps < blocks) {
    blocks = card->max_warps_sm / warps;
    by = "threads";
  }
  if (registers > 0) {
    int per_warp = (registers * WARP + REGISTER_UNIT - 1) / REGISTER_UNIT * REGISTER_UNIT;
    int resident = (int)card->registers_sm / REGISTER_FILES / per_warp * REGISTER_FILES / warps;
    if (resident < blocks) {
      blocks = resident;
      by = "registers";
    }
  }
  size_t reserved = card->major >= 8 ? SHARED_RESERVED : 0;
  size_t per_block = (shared + reserved + SHARED_UNIT - 1) / SHARED_UNIT * SHARED_UNIT;
  if (shared > card->shared_block_optin) {
    blocks = 0;
    by = "shared";
  } else if (per_block && card->shared_sm / per_block < (size_t)blocks) {
    blocks = (int)(card->shared_sm / per_block);
    by = "shared";
  }
  if (limiter) *limiter = by;
  return blocks;
}

// Registers per thread if nobody told: the kernel's stack frame on the CPU holds the local arrays that nvcc
// keeps in registers, and all that lives across a hook. A register per 5 bytes of it fits what ptxas gives
// seven SGEMM kernels within 1.4 x. No more than let one block run.
static int guess_registers(const sim_card *card, const sim_counters *c, int threads, int most) {
  enum { BYTES_PER_REGISTER = 5, LEAST = 32, MOST = 255, UNIT = 8 };
  int guess = (int)(c->frame_bytes / c->blocks / BYTES_PER_REGISTER);
  guess -= guess % UNIT;
  if (guess < LEAST) guess = LEAST;
  if (guess > MOST) guess = MOST;
  if (most > 0 && guess > most) guess = most;
  while (guess > LEAST && sim_occupancy_blocks(card, threads, guess, 0, NULL) == 0) guess -= UNIT;
  return guess;
}

// ---------------------------------------------------------------- one block

typedef struct block_cost {                 // cycles
  double issue, fp, l1, l2, busy;           // busy: their smooth maximum
  double dram_loads, dram_stores, latency;  // at the SM's share of the memory's rate
  double copies, ahead;  // what asynchronous copies take, and in which share of the block's time they are due
} block_cost;

// An SM's quarters, a scheduler with its arithmetic units each, work only for warps of their own: with fewer
// than four warps on the SM, `busy_quarters` is less than 1.
static void cost_of_issue(block_cost *cost, const sim_card *card, const sim_counters *c,
                          double busy_quarters) {
  double n = (double)c->blocks;
  double sp = (double)c->fp_sp_warp_inst / n, dp = (double)c->fp_dp_warp_inst / n;
  double special = at_least((double)c->special_warp_inst, (double)c->special / WARP) / n;
  double half = (double)c->flop_hp / n / WARP, memory = (double)c->model_requests / n;
  double integer = integer_share * (double)c->int_warp_inst / n;
  double tensor_per_cycle = card->tensor_flops / card->boost_hz / card->sm_count * card->mma_fraction;
  cost->fp = sp * WARP / card->fp32_lanes + half * WARP / card->fp32_lanes / 2;
  cost->fp = at_least(cost->fp, dp * WARP / card->fp64_lanes);
  cost->fp = at_least(cost->fp, special * WARP / SFU_LANES);
  cost->fp = at_least(cost->fp, (double)(c->flop_tensor + c->flop_tensor_tf32) / n / tensor_per_cycle);
  double others = (special + memory + integer) / card->schedulers;
  cost->issue = at_least(cost->fp, (sp + dp + half / 2) / card->schedulers + others);
  // Where a warp's operation takes the FP32 units two cycles, other instructions find every second slot free,
  // and miss one in four of them.
  if (card->fp32_lanes < WARP * card->schedulers) cost->issue = at_least(cost->issue, cost->fp + others / 4);
  cost->fp /= busy_quarters;
  cost->issue /= busy_quarters;
}

static double smooth_maximum(double a, double b, double c) {
  return pow(pow(a, smoothness) + pow(b, smoothness) + pow(c, smoothness), 1 / smoothness);
}

static block_cost cost_of_block(const sim_card *card, const sim_counters *c, double busy_quarters, int sms,
                                double unrolled) {
  double n = (double)c->blocks;
  block_cost cost = {0};
  cost_of_issue(&cost, card, c, busy_quarters);
  bool narrow = card->lsu_lanes < WARP;
  cost.l1 = (double)(narrow ? c->model_lsu16 : c->model_lsu32) / n;
  // From compute capability 8.0 on, lanes that increment one word of shared memory do so together.
  if (card->major >= 8) cost.l1 -= (double)(narrow ? c->model_joined16 : c->model_joined32) / n;
  cost.l1 += (double)c->warp_ops / n * WARP / card->lsu_lanes;
  double sector_cycles = SECTOR / card->l2_bytes_per_cycle_sm;
  cost.l2 = (double)c->l1_miss_sectors / n * sector_cycles + 2 * (double)(c->st_lines + c->st_sectors) / n;
  cost.l2 += (double)(2 * c->atom_sectors + c->atom_degree) / n;
  cost.busy = smooth_maximum(cost.issue, cost.l1, cost.l2);

  double dram_rate = card->dram_bytes_per_s * card->dram_efficiency / card->boost_hz / sms;
  cost.dram_loads = (double)c->dram_ld_bytes / n / dram_rate;
  cost.dram_stores = (double)c->dram_st_bytes / n / dram_rate;
  // What other blocks read, too, one of them has asked DRAM for already, on average half the wait ago.
  double alone =
      c->l1_miss_sectors ? fmin(1, (double)c->dram_ld_bytes / SECTOR / (double)c->l1_miss_sectors) : 1;
  double load_latency =
      card->l2_latency_cycles + (1 + alone) / 2 * (card->dram_latency_cycles - card->l2_latency_cycles);
  cost.latency = ((double)c->load_rounds + (double)c->load_chain / unrolled) / n * load_latency;
  cost.latency += (double)c->epochs_shared / n * shared_latency + (double)c->epochs / n * barrier_latency;
  // A chain of loads waits for each of them, in L1, in L2 or in DRAM.
  double missed = c->ld_sectors ? (double)c->l1_miss_sectors / (double)c->ld_sectors : 1;
  double chain_latency =
      l1_latency + missed * (card->l2_latency_cycles - l1_latency +
                             alone * (card->dram_latency_cycles - card->l2_latency_cycles));
  cost.latency = latency_factor * cost.latency + (double)c->load_serial / n * chain_latency;
  cost.latency += block_start + warp_start * (double)c->warps / n;
  cost.copies = latency_factor * (double)c->async_waits / n * load_latency;
  cost.ahead = c->epochs ? (double)c->async_span / (double)c->epochs : 0;
  return cost;
}

// What a block waits for in all, if its work takes so many cycles: asynchronous copies were issued some
// epochs before they are needed, and only what is left of them then is waited for.
static double waits(const block_cost *cost, double response) {
  const double rest = cost->copies - cost->ahead * (response + cost->latency);
  return cost->latency + (rest > 0 ? rest : 0);
}

// Cycles until `jobs` have passed an SM that holds at most `residents` of them: a closed queue of two
// stations, the SM and its share of the memory, and a delay, by mean value analysis. A job waits for its
// loads in memory; its stores take memory time away from others only. Half of the time the other SMs load,
// too, and ours gets its share; half of the time they don't, and all of it serves one after the other. So
// with rate X memory serves m cycles' worth of loads in m/2 / (1 - X·(stores + m/2)), and
//     X · (response + latency + memory / (1 - X·taken)) = n is a quadratic equation for X.
static double queue_cycles(const block_cost *cost, double divided_by, double jobs, int residents) {
  double busy = cost->busy / divided_by;
  double loads = cost->dram_loads / divided_by / 2, taken = cost->dram_stores / divided_by + loads;
  double queued = 0, queued_memory = 0, rate = 0;
  int together = jobs < residents ? (int)ceil(jobs) : residents;
  for (int n = 1; n <= together; n++) {
    double response = busy * (1 + queued), memory = loads * (1 + queued_memory);
    double latency = waits(cost, response);
    double a = (response + latency) * taken, b = response + latency + memory + n * taken;
    rate = 2 * n / (b + sqrt(b * b - 4 * a * n));
    queued = rate * response;
    queued_memory = rate * memory / (1 - rate * taken);
  }
  return jobs / rate;
}

// ---------------------------------------------------------------- the whole grid

typedef struct grid_shape {
  double blocks, rounds;  // rounds: blocks that the fullest SM runs, one after the other
  int resident, warps;
  bool barriers;
  double share;  // of the card's schedulers that have work
} grid_shape;

static double grid_cycles(const block_cost *cost, const grid_shape *g) {
  if (g->barriers) return queue_cycles(cost, 1, g->rounds, g->resident);
  return queue_cycles(cost, g->warps, g->rounds * g->warps, g->resident * g->warps);
}

// Cards lower their clock under load: from boost to base with the share of time the arithmetic units work.
// The cycle time, not the clock, is interpolated: so more work per cycle is never slower.
static double clock_at(const sim_card *card, const block_cost *cost, const grid_shape *g, double cycles) {
  double used = g->share * cost->fp * g->rounds / cycles;
  if (used > 1) used = 1;
  return 1 / ((1 - used) / card->boost_hz + used / card->base_hz);
}

static const char *slowest_term(const block_cost *cost, double cycles, double rounds) {
  double dram = cost->dram_loads + cost->dram_stores, most = at_least(cost->busy, dram);
  if (cycles > 1.5 * most * rounds) return "latency";
  if (dram > cost->busy) return "DRAM";
  if (cost->l2 >= cost->l1 && cost->l2 >= cost->issue) return "L2";
  return cost->l1 >= cost->issue ? "L1" : "issue";
}

// Kernels run side by side while there is room for all their blocks, and neither an SM's units nor memory are
// taken more than fully.
static double share_of(const block_cost *cost, const grid_shape *g, const sim_estimate *e, int sm_count,
                       double cycles) {
  double used = (double)e->sms_used / sm_count;
  double room = g->blocks / ((double)g->resident * sm_count);
  double units = cost->busy * g->rounds / cycles * used;
  double memory = (cost->dram_loads + cost->dram_stores) * g->rounds / cycles;
  return fmin(1, at_least(room, at_least(units, memory)));
}

// Host memory that the kernel reaches by itself: reads and writes go over the link at the same time, each way
// at the rate of a copy, behind one round trip.
static double link_seconds(const sim_card *card, const sim_counters *c, double blocks) {
  double bytes = at_least((double)c->link_ld_bytes, (double)c->link_st_bytes) / (double)c->blocks * blocks;
  return bytes > 0 ? sim_copy_seconds(sim_card_host_link(card), (size_t)bytes) : 0;
}

sim_estimate sim_model_kernel(const sim_card *card, const sim_launch *launch, const sim_counters *c) {
  sim_estimate e = {.limiter = "launch", .occupancy_limiter = "blocks", .share = 1, .managed_bytes = -1};
  double blocks = (double)volume(launch->grid);
  int threads = (int)volume(launch->block);
  e.sms_used = blocks < card->sm_count ? (int)blocks : card->sm_count;
  e.seconds = e.low_s = e.high_s = card->kernel_overhead_s;
  if (!blocks || !threads) return e;
  int registers = launch->registers;
  if (!registers && c->blocks) registers = guess_registers(card, c, threads, launch->registers_most);
  e.registers = registers;
  size_t shared = launch->dynamic_shared + (size_t)c->static_shared_bytes;
  int resident = sim_occupancy_blocks(card, threads, registers, shared, &e.occupancy_limiter);
  grid_shape g = {
      .blocks = blocks, .rounds = ceil(blocks / card->sm_count), .warps = (threads + WARP - 1) / WARP};
  g.resident = resident > 0 ? resident : 1;
  g.barriers = c->barriers > 0;
  e.occupancy = (double)(g.resident * g.warps) / card->max_warps_sm;
  if (!c->blocks) return e;  // not traced: nothing is known but its launch

  double warps_on_sm = fmin(g.resident, g.rounds) * g.warps;
  double quarters = fmin(1, warps_on_sm / card->schedulers);
  g.share = quarters * e.sms_used / card->sm_count;
  block_cost cost = cost_of_block(card, c, quarters, e.sms_used, unroll);
  block_cost fast = cost_of_block(card, c, quarters, e.sms_used, unroll_low);
  block_cost slow = cost_of_block(card, c, quarters, e.sms_used, unroll_high);
  double cycles = grid_cycles(&cost, &g);
  double sm_s = cycles / clock_at(card, &cost, &g, cycles);
  e.share = share_of(&cost, &g, &e, card->sm_count, cycles);
  double hot_s = (double)c->atom_hottest / (double)c->blocks * blocks / card->boost_hz;
  double link_s = link_seconds(card, c, blocks), roof_s = at_least(hot_s, link_s);
  double overhead = card->kernel_overhead_s;
  e.managed_bytes = (double)c->managed_bytes / (double)c->blocks * blocks;
  e.seconds = overhead + at_least(sm_s, roof_s);
  e.low_s = overhead + at_least(grid_cycles(&fast, &g) / card->boost_hz, roof_s);
  e.high_s = overhead + at_least(grid_cycles(&slow, &g) / card->base_hz, roof_s);
  e.limiter = slowest_term(&cost, cycles, g.rounds);
  if (hot_s > sm_s) e.limiter = "atomics";
  if (link_s > at_least(sm_s, hot_s)) e.limiter = "link";
  if (overhead > at_least(sm_s, roof_s)) e.limiter = "launch";
  return e;
}

// ---------------------------------------------------------------- a library's matrix product

// The library takes the tile, and the number of pieces of the sum over k, that finish first. Smaller tiles
// fill the card better but reuse less; pieces are added up at the end, for which k must be long.
static double gemm_compute(const sim_card *card, double m, double n, double k, double sm_rate, int *sms) {
  static const struct { double side, efficiency; } tiles[] = {{128, 1.0}, {64, 0.75}, {32, 0.45}};
  enum { LEAST_PIECE = 256, MOST_PIECES = 64, LEAST_SIDE = 8 };
  double best = INFINITY;
  for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
    for (int pieces = 1; pieces <= MOST_PIECES && (pieces == 1 || k / pieces >= LEAST_PIECE); pieces *= 2) {
      double rows = fmin(tiles[i].side, ceil(m / LEAST_SIDE) * LEAST_SIDE);
      double columns = fmin(tiles[i].side, ceil(n / LEAST_SIDE) * LEAST_SIDE);
      double count = ceil(m / rows) * ceil(n / columns) * pieces, rounds = ceil(count / card->sm_count);
      double fill = (block_start + latency_factor * card->dram_latency_cycles) / card->boost_hz;
      double seconds =
          rounds * 2 * rows * columns * ceil(k / pieces) / (sm_rate * tiles[i].efficiency) + fill;
      if (seconds >= best) continue;
      best = seconds;
      *sms = count < card->sm_count ? (int)count : card->sm_count;
    }
  }
  return best;
}

// 4-byte operands go through the tensor units as tf32, at half the rate.
sim_estimate sim_model_gemm(const sim_card *card, int64_t m, int64_t n, int64_t k, int element_bytes,
                            bool tensor) {
  static const double tensor_fraction = 0.80;
  sim_estimate e = {
      .limiter = "launch", .occupancy = 0.25, .occupancy_limiter = "registers", .sms_used = 1, .share = 1};
  e.seconds = e.low_s = e.high_s = card->kernel_overhead_s;
  if (m <= 0 || n <= 0 || k <= 0) return e;
  int lanes = element_bytes == 8 ? card->fp64_lanes : card->fp32_lanes;
  double sm_rate = 2.0 * lanes * card->boost_hz * card->cublas_fraction;
  if (tensor)
    sm_rate = card->tensor_flops / card->sm_count * tensor_fraction * (element_bytes == 4 ? 0.5 : 1);
  double rows = (double)m, columns = (double)n, depth = (double)k;
  double compute = gemm_compute(card, rows, columns, depth, sm_rate, &e.sms_used);
  double bytes = element_bytes * (rows * depth + depth * columns + rows * columns);
  double dram = bytes / (card->dram_bytes_per_s * card->dram_efficiency);
  double seconds = at_least(compute, dram);
  e.limiter = dram > compute ? "DRAM" : "issue";
  e.share = fmin(1, fmax((double)e.sms_used / card->sm_count, dram / seconds));
  if (card->kernel_overhead_s > seconds) e.limiter = "launch";
  e.seconds = card->kernel_overhead_s + seconds;
  e.low_s = e.seconds;
  e.high_s = card->kernel_overhead_s + at_least(compute * card->boost_hz / card->base_hz, dram);
  return e;
}
