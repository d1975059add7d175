// SPDX-License-Identifier: MIT
// Scans by levels: each block scans its piece, the blocks' sums are scanned in the same way, and what comes
// before a block is added to all it has. What changes from rung to rung is how a block scans, then in which
// order.
#include "heddle/device.h"
#include "scan.h"
#include "tile.cuh"

// Idea: in step d every thread adds what stands 2^d places below it. After 8 steps each of 256 has the sum of
// all up to itself. Two rows take turns, so that nobody reads what another one is just writing.
//
// Prediction: 8 · 256 additions instead of 255, and a barrier for each step. Every element is read twice and
// written twice by the whole scan: 16 bytes where 8 are needed, in addition.
static __global__ void hillis_steele_kernel(size_t n, const int *k, int *y, int *totals) {
  __shared__ int rows[2][SCAN_FEW];
  const int t = (int)threadIdx.x;
  const size_t i = blockIdx.x * (size_t)SCAN_FEW + t;
  int now = 0;
  rows[now][t] = i < n ? k[i] : 0;
  __syncthreads();
  for (int by = 1; by < SCAN_FEW; by *= 2) {
    rows[1 - now][t] = rows[now][t] + (t >= by ? rows[now][t - by] : 0);
    now = 1 - now;
    __syncthreads();
  }
  if (i < n) y[i] = rows[now][t];
  if (t == SCAN_FEW - 1) totals[blockIdx.x] = rows[now][t];
}

static __global__ void add_few_kernel(size_t n, int *y, const int *totals) {
  const size_t i = blockIdx.x * (size_t)SCAN_FEW + threadIdx.x;
  if (i < n && blockIdx.x) y[i] += totals[blockIdx.x - 1];
}

// Idea: a thread scans 4 neighbours at a time in its registers, a warp its lanes by shuffles, and the warps
// meet once: 1 barrier for 8192 elements.
//
// Prediction: no longer bound by barriers, but by 16 bytes an element.
static __global__ void __launch_bounds__(SCAN_THREADS)
    shuffle_kernel(size_t n, const int *k, int *y, int *totals) {
  tile t = load_tile(n, k, blockIdx.x);
  int total;
  const int before = sum_before_warp(scan_warps(&t), &total);
  store_tile(n, y, blockIdx.x, &t, before);
  if (threadIdx.x == 0) totals[blockIdx.x] = total;
}

static __global__ void __launch_bounds__(SCAN_THREADS) add_kernel(size_t n, int *y, const int *totals) {
  if (blockIdx.x == 0) return;
  const tile t = load_tile(n, y, blockIdx.x);
  store_tile(n, y, blockIdx.x, &t, totals[blockIdx.x - 1]);
}

// Idea: the first pass only adds up and stores one number per block; the second one scans, and knows already
// what comes before it.
//
// Prediction: 12 bytes an element instead of 16.
static __global__ void __launch_bounds__(SCAN_THREADS) total_kernel(size_t n, const int *k, int *totals) {
  const tile t = load_tile(n, k, blockIdx.x);
  int sum = 0, total;
#pragma unroll
  for (int row = 0; row < ROWS; row++) sum += (t.at[row][0] + t.at[row][1]) + (t.at[row][2] + t.at[row][3]);
  sum_before_warp(warp_total(sum), &total);
  if (threadIdx.x == 0) totals[blockIdx.x] = total;
}

static __global__ void __launch_bounds__(SCAN_THREADS)
    scan_kernel(size_t n, const int *k, int *y, const int *totals) {
  tile t = load_tile(n, k, blockIdx.x);
  int total;
  const int before = sum_before_warp(scan_warps(&t), &total);
  store_tile(n, y, blockIdx.x, &t, before + (blockIdx.x ? totals[blockIdx.x - 1] : 0));
}

// Of a level's sums in `totals`: where those of the level above begin, at a multiple of 16 bytes.
static size_t level_end(size_t blocks) {
  return (blocks + 3) / 4 * 4;
}

// y[i] = k[0] + … + k[i]; y may be k. The blocks' sums stand in `totals`, those of their blocks behind them.
static void scan_by_few(size_t n, const int *k, int *y, int *totals) {
  const size_t blocks = scan_pieces(n, SCAN_FEW);
  hillis_steele_kernel<<<(unsigned)blocks, SCAN_FEW>>>(n, k, y, totals);
  HD_LAUNCHED();
  if (blocks == 1) return;
  scan_by_few(blocks, totals, totals, totals + level_end(blocks));
  add_few_kernel<<<(unsigned)blocks, SCAN_FEW>>>(n, y, totals);
  HD_LAUNCHED();
}

static void scan_by_tiles(size_t n, const int *k, int *y, int *totals) {
  const size_t tiles = scan_pieces(n, SCAN_TILE);
  shuffle_kernel<<<(unsigned)tiles, SCAN_THREADS>>>(n, k, y, totals);
  HD_LAUNCHED();
  if (tiles == 1) return;
  scan_by_tiles(tiles, totals, totals, totals + level_end(tiles));
  add_kernel<<<(unsigned)tiles, SCAN_THREADS>>>(n, y, totals);
  HD_LAUNCHED();
}

void run_scan_hillis_steele(hd_case *c) {
  const scan_case *s = (const scan_case *)c->state;
  scan_by_few((size_t)c->size, s->device_k, s->device_y, s->totals);
}

void run_scan_shuffle(hd_case *c) {
  const scan_case *s = (const scan_case *)c->state;
  scan_by_tiles((size_t)c->size, s->device_k, s->device_y, s->totals);
}

void run_scan_reduce_first(hd_case *c) {
  const scan_case *s = (const scan_case *)c->state;
  const size_t n = (size_t)c->size, tiles = scan_pieces(n, SCAN_TILE);
  if (tiles > 1) {
    total_kernel<<<(unsigned)tiles, SCAN_THREADS>>>(n, s->device_k, s->totals);
    HD_LAUNCHED();
    scan_by_tiles(tiles, s->totals, s->totals, s->totals + level_end(tiles));
  }
  scan_kernel<<<(unsigned)tiles, SCAN_THREADS>>>(n, s->device_k, s->device_y, s->totals);
  HD_LAUNCHED();
}
