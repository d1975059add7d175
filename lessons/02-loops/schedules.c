// SPDX-License-Identifier: MIT
// One loop over the rows of a picture, and who gets which of them. Rows cost between 1 and LIMIT steps a
// pixel, and nobody knows which before they are drawn.
#include <omp.h>

#include "heddle/clock.h"
#include "mandelbrot.h"

void mark_row(picture *p, long row, double start_s) {
  const int32_t *counts = p->counts + row * p->columns;
  double iterations = 0;
  for (long column = 0; column < p->columns; column++) iterations += counts[column];
  p->marks[row] = (row_mark){start_s, hd_wall(), iterations, omp_get_thread_num()};
}

static void draw_row(picture *p, long row) {
  const double start = hd_wall();
  const float cy = row_y(p->step, row);
  int32_t *counts = p->counts + row * p->columns;
  for (long column = 0; column < p->columns; column++) counts[column] = escape(column_x(p->step, column), cy);
  mark_row(p, row, start);
}

// The baseline: one thread, row by row.
void draw_serial(picture *p) {
  for (long row = 0; row < p->rows; row++) draw_row(p, row);
}

// WRONG. cy stands where C programs used to declare their variables: outside of the loop, so there is one for
// all threads. Whoever begins a row changes the row that the others are drawing. (volatile keeps the compiler
// from hiding the mistake in a register.)
void draw_shared(picture *p) {
  volatile float cy;
#pragma omp parallel for schedule(dynamic)
  for (long row = 0; row < p->rows; row++) {
    cy = row_y(p->step, row);
    for (long column = 0; column < p->columns; column++)
      p->counts[row * p->columns + column] = escape(column_x(p->step, column), cy);
  }
}

// Idea: as many equal blocks of rows as there are threads: what `parallel for` does if nobody says otherwise.
//
// Prediction: two threads are hardly faster than one. The set lies along the real axis, so the first block
// holds nearly all of it, and whoever has the other waits.
void draw_static(picture *p) {
#pragma omp parallel for schedule(static)
  for (long row = 0; row < p->rows; row++) draw_row(p, row);
}

// Idea: rows dealt like cards. Neighbours cost about the same, so each thread gets some of every kind.
//
// Prediction: the ideal, without any talk between the threads.
void draw_cyclic(picture *p) {
#pragma omp parallel for schedule(static, 1)
  for (long row = 0; row < p->rows; row++) draw_row(p, row);
}

// Idea: whoever is done takes the next row. That takes an atomic addition per row, and works for any
// distribution of the work, and when a core is busy with something else.
//
// Prediction: the ideal, too: some 20 ns for each row of 100 µs.
void draw_dynamic(picture *p) {
#pragma omp parallel for schedule(dynamic, 1)
  for (long row = 0; row < p->rows; row++) draw_row(p, row);
}

// Idea: fewer trips to the counter.
//
// Prediction: worse. There was nothing to save, and the first chunks hold most of the work: threads end as
// far apart as a chunk takes.
void draw_dynamic_64(picture *p) {
#pragma omp parallel for schedule(dynamic, 64)
  for (long row = 0; row < p->rows; row++) draw_row(p, row);
}

// Idea: large chunks first, small ones at the end: what is left over, divided by the number of threads.
//
// Prediction: hardly better than static, here: the first chunk is as large as static's, and it is the dear
// one. Guided trusts that the work is spread evenly.
void draw_guided(picture *p) {
#pragma omp parallel for schedule(guided)
  for (long row = 0; row < p->rows; row++) draw_row(p, row);
}

// Idea: rows as tasks, four each: for loops inside of something that has tasks already (lesson 06).
//
// Prediction: as dynamic. A task costs more than an addition to a counter, but there are only n/4.
void draw_taskloop(picture *p) {
#pragma omp parallel
#pragma omp single
#pragma omp taskloop grainsize(4)
  for (long row = 0; row < p->rows; row++) draw_row(p, row);
}

// Idea: the two loops made one, so that there are 2n² pieces of work instead of n: the best balance there can
// be.
//
// Prediction: slower than by rows. A pixel takes some 150 ns, and each needs the counter for itself: 15 ns
// alone, and a journey of the counter's cache line with two threads.
void draw_pixels(picture *p) {
#pragma omp parallel for collapse(2) schedule(dynamic, 1)
  for (long row = 0; row < p->rows; row++)
    for (long column = 0; column < p->columns; column++)
      p->counts[row * p->columns + column] = escape(column_x(p->step, column), row_y(p->step, row));
}
