// SPDX-License-Identifier: MIT
// The scan in one pass over memory (Merrill and Garland, "Single-pass parallel prefix scan with decoupled
// look-back", 2016).
#include "heddle/device.h"
#include "scan.h"
#include "tile.cuh"

// What a tile has told so far: nothing, the sum of its own elements, or the sum of all up to its last one.
// Status and value travel in one word of 64 bits, which is stored and loaded as a whole: who sees the status
// has the value, and no fence is needed between them.
enum { NOTHING, SUM, PREFIX };
typedef unsigned long long word;

static __device__ __forceinline__ void tell(word *state, int status, int value) {
  *(volatile word *)state = (word)status << 32 | (unsigned)value;
}

// Groups of 32 tiles that are asked at once. A tile of 64 KiB, read and written, takes an H200 15 ns; a
// question takes some 700 ns, in which 47 more tiles have told their sums. A look of 32 tiles would fall
// behind for ever; one of 96 catches up. A fourth group would need more than the 40 registers with which
// three blocks are resident.
enum { GROUPS = 3 };
#if CUDART_VERSION >= 12040
#define REGISTERS __maxnreg__(40)
#else
#define REGISTERS __launch_bounds__(SCAN_THREADS)  // what the compiler finds best
#endif

// The sum of all tiles before `number` (at least one), by one warp. It goes back from tile to tile, adding
// their own sums, until one tells the sum of all. Lane 0 asks the nearest tile of a group. `volatile`: each
// look is a load, as others change what is there.
static __device__ __forceinline__ int look_back(const word *state, int number) {
  const int lane = (int)threadIdx.x % 32;
  int sum = 0;
  for (int end = number;;) {
    word told[GROUPS];
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
      const int other = end - 1 - 32 * g - lane;
      told[g] = other < 0 ? (word)PREFIX << 32 : *(const volatile word *)&state[other];
    }
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
      const int status = (int)(told[g] >> 32);
      const unsigned prefixes = __ballot_sync(0xffffffffu, status == PREFIX);
      const unsigned silent = __ballot_sync(0xffffffffu, status == NOTHING);
      // The lanes up to the first that knows everything before it; all if there is none.
      const unsigned needed = prefixes ? 2 * (prefixes & (0u - prefixes)) - 1 : 0xffffffffu;
      if (silent & needed) break;  // look again from here
      if (needed >> lane & 1) sum += (int)(unsigned)told[g];
      end -= 32;
      if (prefixes) return warp_total(sum);
    }
  }
}

// Idea: the second pass waits in registers instead of in memory. A block loads and scans its tile, tells its
// sum, asks those before it, and stores what is final.
//
// A block may wait only for blocks that are already running, or the card may be full of waiting ones. Nothing
// says in which order blocks start; so they number themselves when they do: the tile before mine was taken by
// a block that started before me, and which waits only for earlier ones.
//
// Prediction: 8 bytes an element; bound by DRAM, as a copy. The wait for the others is hidden behind the
// loads and stores of the two other blocks on the SM.
static __global__ void REGISTERS look_back_kernel(size_t n, const int *k, int *y, word *state, word *next) {
  __shared__ word taken;
  __shared__ int before_tile;
  if (threadIdx.x == 0) taken = atomicAdd(next, 1ull);
  __syncthreads();
  const size_t number = taken;
  tile t = load_tile(n, k, number);
  int total;
  const int before = sum_before_warp(scan_warps(&t), &total);
  if (threadIdx.x < 32) {
    int earlier = 0;
    if (number) {
      if (threadIdx.x == 0) tell(&state[number], SUM, total);
      earlier = look_back(state, (int)number);
    }
    if (threadIdx.x == 0) {
      tell(&state[number], PREFIX, earlier + total);
      before_tile = earlier;
    }
  }
  __syncthreads();
  store_tile(n, y, number, &t, before + before_tile);
}

void run_scan_look_back(hd_case *c) {
  const scan_case *s = (const scan_case *)c->state;
  const size_t n = (size_t)c->size, tiles = scan_pieces(n, SCAN_TILE);
  HD_CUDA(cudaMemsetAsync(s->state, 0, (tiles + 1) * sizeof(word)));
  look_back_kernel<<<(unsigned)tiles, SCAN_THREADS>>>(n, s->device_k, s->device_y, s->state,
                                                      s->state + tiles);
  HD_LAUNCHED();
}
