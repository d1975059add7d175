// SPDX-License-Identifier: MIT
// Idea: kernels that do not fill the GPU, side by side. Each has an eighth of an H200's SMs to work on and
// leaves the others idle, unless a kernel of another stream has blocks for them.
#include "arrays.cuh"

static void run_side_by_side(hd_case *c, int streams) {
  const relaxation *r = (const relaxation *)c->state;
  const arrays *a = (const arrays *)r->gpu;
  for (long i = 0; i < c->size; i++)
    relax_on(a->stream[i % streams], a->x + i * ARRAY, a->y + i * ARRAY, ARRAY, r->steps);
  const int room = paper_width(relax_share(ARRAY)), width = room < streams ? room : streams;
  hd_figure(c, "kernel alone", r->cost.kernel, "s");
  hd_figure(c, "predicted", paper_kernels(&r->cost, (int)c->size, width), "s");
}

// One after the other: 16 SMs work, 116 wait.
void run_kernels_1(hd_case *c) {
  run_side_by_side(c, 1);
}

void run_kernels_2(hd_case *c) {
  run_side_by_side(c, 2);
}

// Eight times an eighth.
void run_kernels_8(hd_case *c) {
  run_side_by_side(c, 8);
}

// More streams than there is room for: the SMs are the bound, not the order.
void run_kernels_32(hd_case *c) {
  run_side_by_side(c, MOST_LANES);
}

// Where the work allows it, one kernel with all the blocks needs no streams at all.
void run_kernels_joined(hd_case *c) {
  const relaxation *r = (const relaxation *)c->state;
  const arrays *a = (const arrays *)r->gpu;
  relax_on(NULL, a->x, a->y, r->elements, r->steps);
}
