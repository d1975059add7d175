// SPDX-License-Identifier: MIT
// The formulas: messages and bytes per rank, and the α-β time of the links.
#include "collectives.h"

static int log2_up(int n) {
  int k = 0;
  while (1 << k < n) k++;
  return k;
}
static int power_below(int n) {
  int power = 1;
  while (2 * power <= n) power *= 2;
  return power;
}

static size_t chunk(size_t count, int index, int world) {
  size_t offset, length;
  hd_shard(count, index % world, world, &offset, &length);
  return length;
}

static hd_traffic vectors(int messages, size_t count) {
  return (hd_traffic){(uint64_t)messages, (uint64_t)messages * count * sizeof(float)};
}

// All chunks but one in each half.
static hd_traffic ring(int rank, int world, size_t count) {
  const size_t kept = chunk(count, rank + 1, world) + chunk(count, rank + 2, world);
  return (hd_traffic){2 * ((uint64_t)world - 1), (2 * count - kept) * sizeof(float)};
}

static int tree_messages(int rank, int world) {
  int messages = rank > 0;
  for (int distance = 1; distance < world && !(rank & distance); distance *= 2)
    messages += rank + distance < world;
  return messages;
}

hd_traffic sent_on_paper(algorithm *run, int rank, int world, size_t count) {
  if (run == all_reduce_naive) return vectors(rank == 0 ? world - 1 : 1, count);
  if (run == all_reduce_tree) return vectors(tree_messages(rank, world), count);
  if (run == all_reduce_doubling) {
    const int power = power_below(world);
    return vectors(rank >= power ? 1 : log2_up(power) + (rank + power < world), count);
  }
  if (run == all_reduce_hierarchical) {
    const int ranks = ranks_per_node(world), place = rank % ranks;
    const hd_traffic inside = ring(place, ranks, count),
                     across = ring(rank / ranks, world / ranks, chunk(count, place + 1, ranks));
    return (hd_traffic){inside.messages + across.messages, inside.bytes + across.bytes};
  }
  return ring(rank, world, count);
}

double links_on_paper(algorithm *run, int world, size_t count, double alpha_s, double bytes_per_s) {
  const double n = world, bytes = (double)count * sizeof(float), hop = alpha_s + bytes / bytes_per_s;
  if (run == all_reduce_naive) return 2 * (n - 1) * hop;
  if (run == all_reduce_tree) return 2 * log2_up(world) * hop;
  if (run == all_reduce_doubling)
    return (log2_up(power_below(world)) + (power_below(world) < world ? 2 : 0)) * hop;
  const double g = ranks_per_node(world), traffic = 2 * (n - 1) / n * bytes / bytes_per_s;
  if (run == all_reduce_hierarchical) return 2 * (g - 1 + n / g - 1) * alpha_s + traffic;
  return 2 * (n - 1) * alpha_s + traffic;
}

double fastest_on_paper(int world, size_t count, double alpha_s, double bytes_per_s) {
  const double n = world, bytes = (double)count * sizeof(float);
  return log2_up(world) * alpha_s + 2 * (n - 1) / n * bytes / bytes_per_s;
}
