// SPDX-License-Identifier: MIT
// The cards and links that can be simulated, and the machine this process simulates. docs/cusim-model.md
// names the source of each column.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define KIB ((size_t)1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

// One row per kind of limit.
// clang-format off
static const sim_card cards[] = {
    {.id = "t4", .name = "NVIDIA T4", .major = 7, .minor = 5,
     .sm_count = 40, .schedulers = 4, .lsu_lanes = 16, .fp32_lanes = 64, .fp64_lanes = 2,
     .max_threads_sm = 1024, .max_blocks_sm = 16, .max_warps_sm = 32,
     .registers_sm = 65536, .shared_sm = 64 * KIB, .shared_block_optin = 64 * KIB,
     .l1_bytes = 96 * KIB, .l2_bytes = 4 * MIB, .memory_bytes = 15 * GIB,
     .boost_hz = 1590e6, .base_hz = 585e6,
     .dram_bytes_per_s = 320e9, .dram_efficiency = 0.75, .dram_latency_cycles = 450, .l2_latency_cycles = 190,
     .l2_bytes_per_cycle_sm = 64, .launch_s = 2.5e-6, .kernel_overhead_s = 1.3e-6,
     .tensor_flops = 65e12, .mma_fraction = 1, .cublas_fraction = 0.60},
    {.id = "v100", .name = "NVIDIA V100-SXM2-16GB", .major = 7, .minor = 0,
     .sm_count = 80, .schedulers = 4, .lsu_lanes = 32, .fp32_lanes = 64, .fp64_lanes = 32,
     .max_threads_sm = 2048, .max_blocks_sm = 32, .max_warps_sm = 64,
     .registers_sm = 65536, .shared_sm = 96 * KIB, .shared_block_optin = 96 * KIB,
     .l1_bytes = 128 * KIB, .l2_bytes = 6 * MIB, .memory_bytes = 16 * GIB,
     .boost_hz = 1530e6, .base_hz = 1290e6,
     .dram_bytes_per_s = 900e9, .dram_efficiency = 0.90, .dram_latency_cycles = 440, .l2_latency_cycles = 195,
     .l2_bytes_per_cycle_sm = 64, .launch_s = 2.5e-6, .kernel_overhead_s = 1.3e-6,
     .tensor_flops = 125e12, .mma_fraction = 1, .cublas_fraction = 0.90},
    {.id = "a100", .name = "NVIDIA A100-SXM4-80GB", .major = 8, .minor = 0,
     .sm_count = 108, .schedulers = 4, .lsu_lanes = 32, .fp32_lanes = 64, .fp64_lanes = 32,
     .max_threads_sm = 2048, .max_blocks_sm = 32, .max_warps_sm = 64,
     .registers_sm = 65536, .shared_sm = 164 * KIB, .shared_block_optin = 163 * KIB,
     .l1_bytes = 192 * KIB, .l2_bytes = 40 * MIB, .memory_bytes = 80 * GIB,
     .boost_hz = 1410e6, .base_hz = 1275e6,
     .dram_bytes_per_s = 2039e9, .dram_efficiency = 0.90, .dram_latency_cycles = 500, .l2_latency_cycles = 210,
     .l2_bytes_per_cycle_sm = 64, .launch_s = 2.5e-6, .kernel_overhead_s = 1.3e-6,
     .tensor_flops = 312e12, .mma_fraction = 1, .cublas_fraction = 0.90},
    {.id = "rtx4090", .name = "NVIDIA GeForce RTX 4090", .major = 8, .minor = 9,
     .sm_count = 128, .schedulers = 4, .lsu_lanes = 16, .fp32_lanes = 128, .fp64_lanes = 2,
     .max_threads_sm = 1536, .max_blocks_sm = 24, .max_warps_sm = 48,
     .registers_sm = 65536, .shared_sm = 100 * KIB, .shared_block_optin = 99 * KIB,
     .l1_bytes = 128 * KIB, .l2_bytes = 72 * MIB, .memory_bytes = 24 * GIB,
     .boost_hz = 2520e6, .base_hz = 2235e6,
     .dram_bytes_per_s = 1008e9, .dram_efficiency = 0.90, .dram_latency_cycles = 550, .l2_latency_cycles = 270,
     .l2_bytes_per_cycle_sm = 64, .launch_s = 2.5e-6, .kernel_overhead_s = 1.3e-6,
     .tensor_flops = 165e12, .mma_fraction = 1, .cublas_fraction = 0.70},
    {.id = "h100", .name = "NVIDIA H100-SXM5-80GB", .major = 9, .minor = 0,
     .sm_count = 132, .schedulers = 4, .lsu_lanes = 32, .fp32_lanes = 128, .fp64_lanes = 64,
     .max_threads_sm = 2048, .max_blocks_sm = 32, .max_warps_sm = 64,
     .registers_sm = 65536, .shared_sm = 228 * KIB, .shared_block_optin = 227 * KIB,
     .l1_bytes = 256 * KIB, .l2_bytes = 50 * MIB, .memory_bytes = 80 * GIB,
     .boost_hz = 1980e6, .base_hz = 1590e6,
     .dram_bytes_per_s = 3350e9, .dram_efficiency = 0.90, .dram_latency_cycles = 600, .l2_latency_cycles = 260,
     .l2_bytes_per_cycle_sm = 64, .launch_s = 2.5e-6, .kernel_overhead_s = 1.3e-6,
     .tensor_flops = 989e12, .mma_fraction = 0.63, .cublas_fraction = 0.72},
    {.id = "h200", .name = "NVIDIA H200", .major = 9, .minor = 0,
     .sm_count = 132, .schedulers = 4, .lsu_lanes = 32, .fp32_lanes = 128, .fp64_lanes = 64,
     .max_threads_sm = 2048, .max_blocks_sm = 32, .max_warps_sm = 64,
     .registers_sm = 65536, .shared_sm = 228 * KIB, .shared_block_optin = 227 * KIB,
     .l1_bytes = 256 * KIB, .l2_bytes = 50 * MIB, .memory_bytes = (size_t)141000000000,
     .boost_hz = 1980e6, .base_hz = 1590e6,
     .dram_bytes_per_s = 4800e9, .dram_efficiency = 0.896, .dram_latency_cycles = 600, .l2_latency_cycles = 260,
     .l2_bytes_per_cycle_sm = 64, .launch_s = 2.5e-6, .kernel_overhead_s = 1.3e-6,
     .tensor_flops = 989e12, .mma_fraction = 0.63, .cublas_fraction = 0.72},
    {.id = "a6000", .name = "NVIDIA RTX A6000", .major = 8, .minor = 6,
     .sm_count = 84, .schedulers = 4, .lsu_lanes = 16, .fp32_lanes = 128, .fp64_lanes = 2,
     .max_threads_sm = 1536, .max_blocks_sm = 16, .max_warps_sm = 48,
     .registers_sm = 65536, .shared_sm = 100 * KIB, .shared_block_optin = 99 * KIB,
     .l1_bytes = 128 * KIB, .l2_bytes = 6 * MIB, .memory_bytes = 48 * GIB,
     .boost_hz = 1800e6, .base_hz = 1410e6,
     .dram_bytes_per_s = 768e9, .dram_efficiency = 0.90, .dram_latency_cycles = 500, .l2_latency_cycles = 230,
     .l2_bytes_per_cycle_sm = 64, .launch_s = 2.5e-6, .kernel_overhead_s = 1.3e-6,
     .tensor_flops = 155e12, .mma_fraction = 1, .cublas_fraction = 0.60},
};
// clang-format on

// One direction; bandwidth is what a copy reaches, not the nominal one. The latency per hop is NCCL's for
// LL128.
static const sim_link links[] = {
    {"pcie3x16", "PCIe 3.0 x16", 2.5e-6, 0.82 * 15.75e9},
    {"pcie4x16", "PCIe 4.0 x16", 2.5e-6, 0.82 * 31.5e9},
    {"pcie5x16", "PCIe 5.0 x16", 2.5e-6, 0.82 * 63e9},
    {"nvlink2", "NVLink 2 (6 links)", 1.9e-6, 0.82 * 150e9},
    {"nvlink3", "NVLink 3 (12 links)", 1.9e-6, 0.82 * 300e9},
    {"nvlink4", "NVLink 4 (18 links)", 1.9e-6, 0.82 * 450e9},
    {"ib-ndr", "InfiniBand NDR 400 Gb/s", 4.0e-6, 0.92 * 50e9},
};

static const struct {
  const char *card, *peer, *host;
} usual_links[] = {
    {"t4", "pcie3x16", "pcie3x16"},      {"v100", "nvlink2", "pcie3x16"}, {"a100", "nvlink3", "pcie4x16"},
    {"rtx4090", "pcie4x16", "pcie4x16"}, {"h100", "nvlink4", "pcie5x16"}, {"h200", "nvlink4", "pcie5x16"},
    {"a6000", "pcie4x16", "pcie4x16"},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))
static const char link_list[] = "pcie3x16 pcie4x16 pcie5x16 nvlink2 nvlink3 nvlink4 ib-ndr";

const sim_card *sim_card_find(const char *id) {
  for (size_t i = 0; id && i < COUNT(cards); i++) {
    if (strcmp(cards[i].id, id) == 0) return &cards[i];
  }
  return NULL;
}

const sim_card *sim_card_at(int i) {
  return i >= 0 && (size_t)i < COUNT(cards) ? &cards[i] : NULL;
}

const char *sim_card_list(void) {
  return "t4 v100 a100 rtx4090 h100 h200 a6000";
}

const sim_link *sim_link_find(const char *id) {
  for (size_t i = 0; id && i < COUNT(links); i++) {
    if (strcmp(links[i].id, id) == 0) return &links[i];
  }
  return NULL;
}

const sim_link *sim_card_host_link(const sim_card *card) {
  const sim_machine *m = sim_machine_get();
  if (strcmp(m->card->id, card->id) == 0) return m->host;
  for (size_t i = 0; i < COUNT(usual_links); i++)
    if (strcmp(usual_links[i].card, card->id) == 0) return sim_link_find(usual_links[i].host);
  return m->host;
}

// ---------------------------------------------------------------- this process's machine

enum { MOST_DEVICES = 64, USAGE = 2 };
static sim_machine machine;
static pthread_once_t machine_once = PTHREAD_ONCE_INIT;

static const char *setting(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value && *value ? value : otherwise;
}

static const sim_link *link_setting(const char *name, const char *otherwise) {
  const char *value = setting(name, otherwise);
  const sim_link *link = sim_link_find(value);
  if (!link) {
    fprintf(stderr, "cusim: %s=%s is not a link; it must be one of: %s\n", name, value, link_list);
    exit(USAGE);
  }
  return link;
}

static int number_setting(const char *name, const char *otherwise) {
  const char *value = setting(name, otherwise);
  char *end;
  errno = 0;
  const long count = strtol(value, &end, 10);
  if (errno || end == value || *end || count < 1 || count > MOST_DEVICES) {
    fprintf(stderr, "cusim: %s=%s is not a number of devices; it must be from 1 to %d\n", name, value,
            MOST_DEVICES);
    exit(USAGE);
  }
  return (int)count;
}

const sim_link *sim_link_of(const sim_machine *m, int device, int other) {
  return device / m->node == other / m->node ? m->peer : m->between;
}

static void read_machine(void) {
  const char *card = setting("CUSIM_CARD", "h200");
  machine.card = sim_card_find(card);
  if (!machine.card) {
    fprintf(stderr, "cusim: CUSIM_CARD=%s is not a card; it must be one of: %s\n", card, sim_card_list());
    exit(USAGE);
  }
  machine.devices = number_setting("CUSIM_DEVICES", "1");
  machine.node = number_setting("CUSIM_NODE", "64");
  machine.between = link_setting("CUSIM_NODE_LINK", "ib-ndr");
  for (size_t i = 0; i < COUNT(usual_links); i++) {
    if (strcmp(usual_links[i].card, machine.card->id) != 0) continue;
    machine.peer = link_setting("CUSIM_LINK", usual_links[i].peer);
    machine.host = link_setting("CUSIM_HOST_LINK", usual_links[i].host);
  }
  machine.pageable_share = 0.4;
  machine.fault_share = 0.5;
  machine.fault_s = 20e-6;
  sim_preset_apply(&machine, getenv("CUSIM_PRESET"));
}

const sim_machine *sim_machine_get(void) {
  pthread_once(&machine_once, read_machine);
  return &machine;
}
