// SPDX-License-Identifier: MIT
// The peer: ranks are processes of mpirun. Prints bytes and seconds, one size per line.
#include <mpi.h>

#include "all_reduce.h"

static double seconds[MOST_CALLS], slowest[MOST_CALLS];

int main(int argc, char **argv) {
  int rank, world, wrong = 0;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world);
  float *x = malloc(sizes[SIZES - 1]);
  for (int i = 0; i < SIZES && x; i++) {
    const size_t count = sizes[i] / sizeof *x;
    const int calls = calls_of(sizes[i]);
    for (int call = 0; call < calls; call++) {
      write_input(x, count, rank, call);
      MPI_Barrier(MPI_COMM_WORLD);
      const double start = MPI_Wtime();
      MPI_Allreduce(MPI_IN_PLACE, x, (int)count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
      seconds[call] = MPI_Wtime() - start;
      wrong |= sum_is_wrong(x, count, world, call);
    }
    MPI_Reduce(seconds, slowest, calls, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    if (rank == 0) print_median(sizes[i], slowest, calls);
  }
  if (!x || wrong) {
    fprintf(stderr, "heddle: rank %d: %s\n", rank, x ? "a sum is wrong" : "not enough memory");
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  free(x);
  MPI_Finalize();
  return 0;
}
