// SPDX-License-Identifier: MIT
// Our side: ranks are threads. usage: all_reduce_heddle [RANKS]. Prints bytes and seconds, one size per line.
#include "all_reduce.h"

#include <heddle/clock.h>
#include <heddle/comm.h>
#include <heddle/error.h>

static double seconds[HD_MOST_RANKS][MOST_CALLS];
static int wrong[HD_MOST_RANKS];

static void body(hd_comm *c, void *arg) {
  const size_t bytes = *(const size_t *)arg, count = bytes / sizeof(float);
  const int rank = hd_comm_rank(c);
  float *x = hd_alloc(count, sizeof *x);
  for (int call = 0; call < calls_of(bytes); call++) {
    write_input(x, count, rank, call);
    if (hd_barrier(c)) break;
    const double start = hd_wall();
    if (hd_all_reduce(c, x, count, HD_F32, HD_SUM)) break;
    seconds[rank][call] = hd_wall() - start;
    wrong[rank] |= sum_is_wrong(x, count, hd_comm_world(c), call);
  }
  free(x);
}

int main(int count, char **arguments) {
  const int world = count > 1 ? atoi(arguments[1]) : 2;
  for (int i = 0; i < SIZES; i++) {
    size_t bytes = sizes[i];
    if (hd_comm_run(world, HD_COMM_THREADS, HD_ORDER_RANK, 1, 0, body, &bytes))
      hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
    for (int r = 0; r < world; r++) {
      if (wrong[r]) hd_fail(HD_EXIT_FAILURE, "rank %d: a sum of %zu bytes is wrong", r, bytes);
      for (int call = 0; call < calls_of(bytes); call++)
        if (seconds[r][call] > seconds[0][call]) seconds[0][call] = seconds[r][call];
    }
    print_median(bytes, seconds[0], calls_of(bytes));
  }
  return 0;
}
