// SPDX-License-Identifier: MIT
// SUMMA (van de Geijn and Watts 1997): ranks in a grid, C in as many blocks, each rank's C stays where it is.
//
// Idea: C is a sum over panels: some columns of A times as many rows of B. For each panel the ranks that hold
// it broadcast their part, of A along their row of the grid, of B along their column; everybody multiplies
// and adds. Prediction: a rank only needs its row of A and its column of B: (C-1) + (R-1) parts arrive, not
// p-1, and only a panel of them is kept at a time. But while one rank broadcasts the links of the others
// rest.
//
// summa-overlapped: the next panel travels while this one is multiplied. Prediction: the longer of the two
// remains, and the first panel's journey; a second pair of panel buffers.
#include "sharded.h"

enum { PANELS_PER_PART = 2 };

int grid_rows(int world) {
  int rows = 1;
  for (int r = 2; r * r <= world; r++)
    if (world % r == 0) rows = r;
  return rows;
}

static int common_multiple(int a, int b) {
  int multiple = a;
  while (multiple % b) multiple += a;
  return multiple;
}

static range panel(const worker *w, int t) {
  return part_of(w->problem->k, w->grid.panels, t);
}

// Which column of the grid holds a panel of A, and which row one of B; and where in their memory it begins.
static int holds_a(const grid *g, int t) {
  return t / (g->panels / g->columns);
}
static int holds_b(const grid *g, int t) {
  return t / (g->panels / g->rows);
}
static float *own_a(const worker *w, int t) {
  const long rows = part_of(w->problem->m, w->grid.rows, w->grid.row).longest;
  return w->a + t % (w->grid.panels / w->grid.columns) * rows * w->grid.wide;
}
static float *own_b(const worker *w, int t) {
  const long columns = part_of(w->problem->n, w->grid.columns, w->grid.column).longest;
  return w->b + t % (w->grid.panels / w->grid.rows) * columns * w->grid.wide;
}

static range rows_of(const worker *w) {
  return part_of(w->problem->m, w->grid.rows, w->grid.row);
}
static range columns_of(const worker *w) {
  return part_of(w->problem->n, w->grid.columns, w->grid.column);
}

static int open_grid(worker *w) {
  grid *g = &w->grid;
  g->rows = grid_rows(w->world);
  g->columns = w->world / g->rows;
  g->row = w->rank / g->columns;
  g->column = w->rank % g->columns;
  g->panels = PANELS_PER_PART * common_multiple(g->rows, g->columns);
  g->wide = panel(w, 0).longest;
  g->along_row = hd_comm_split(w->comm, g->row, g->column);
  g->along_column = g->along_row ? hd_comm_split(w->comm, g->column, g->row) : NULL;
  return g->along_column ? 0 : -1;
}

static int open_with(worker *w, int buffers) {
  const problem *p = w->problem;
  if (open_grid(w)) return -1;
  grid *g = &w->grid;
  const range rows = rows_of(w), columns = columns_of(w);
  w->a = worker_room(w, g->panels / g->columns * rows.longest * g->wide);
  w->b = worker_room(w, g->panels / g->rows * columns.longest * g->wide);
  w->c = worker_room(w, rows.longest * columns.longest);
  for (int i = 0; i < buffers && g->columns > 1; i++) g->a_in[i] = worker_room(w, rows.longest * g->wide);
  for (int i = 0; i < buffers && g->rows > 1; i++) g->b_in[i] = worker_room(w, columns.longest * g->wide);
  // Panel by panel, so that each lies in one piece and can be sent as it is.
  for (int t = 0; t < g->panels; t++) {
    if (holds_a(g, t) == g->column) worker_upload(w, own_a(w, t), p->a, p->k, rows, panel(w, t));
    if (holds_b(g, t) == g->row) worker_upload(w, own_b(w, t), p->b, p->n, panel(w, t), columns);
  }
  return 0;
}

// This rank's copy of panel t: its own, or what arrives in buffer `i`.
static float *panel_a(const worker *w, int t, int i) {
  return holds_a(&w->grid, t) == w->grid.column ? own_a(w, t) : w->grid.a_in[i];
}
static float *panel_b(const worker *w, int t, int i) {
  return holds_b(&w->grid, t) == w->grid.row ? own_b(w, t) : w->grid.b_in[i];
}
static size_t size_a(const worker *w, int t) {
  return (size_t)(rows_of(w).count * panel(w, t).count);
}
static size_t size_b(const worker *w, int t) {
  return (size_t)(columns_of(w).count * panel(w, t).count);
}

static void multiply(worker *w, int t, int i) {
  const long n = columns_of(w).count, k = panel(w, t).count;
  worker_multiply(w, rows_of(w).count, n, k, panel_a(w, t, i), k, panel_b(w, t, i), n, w->c, n, t > 0);
}

// ---------------------------------------------------------------- one panel after the other

static int open(worker *w) {
  return open_with(w, 1);
}

static int step(worker *w) {
  const grid *g = &w->grid;
  for (int t = 0; t < g->panels; t++) {
    if (w->omission != NO_MESSAGES &&
        (hd_broadcast(g->along_row, panel_a(w, t, 0), size_a(w, t), HD_F32, holds_a(g, t)) ||
         hd_broadcast(g->along_column, panel_b(w, t, 0), size_b(w, t), HD_F32, holds_b(g, t))))
      return -1;
    multiply(w, t, 0);
  }
  return 0;
}

// ---------------------------------------------------------------- the next one on its way

static int open_overlapped(worker *w) {
  return open_with(w, 2);
}

// A broadcast in two halves: whoever holds the panel sends it to each of the others; they open a receive.
static int start_receive(hd_comm *line, float *data, size_t count, int root) {
  return hd_comm_rank(line) == root ? 0 : hd_recv_start(line, data, count, HD_F32, root);
}
static int start_send(hd_comm *line, const float *data, size_t count, int root) {
  const int me = hd_comm_rank(line), world = hd_comm_world(line);
  for (int i = 1; me == root && i < world; i++)
    if (hd_send_start(line, data, count, HD_F32, (me + i) % world)) return -1;
  return 0;
}
static int finish_receive(hd_comm *line, int root) {
  return hd_comm_rank(line) == root ? 0 : hd_recv_wait(line, root);
}
static int finish_send(hd_comm *line, int root) {
  const int me = hd_comm_rank(line), world = hd_comm_world(line);
  for (int i = 1; me == root && i < world; i++)
    if (hd_send_wait(line, (me + i) % world)) return -1;
  return 0;
}

// All receives are open before anything is sent, so no two ranks wait for each other's.
static int start(worker *w, int t) {
  const grid *g = &w->grid;
  float *a = panel_a(w, t, t % 2), *b = panel_b(w, t, t % 2);
  return start_receive(g->along_row, a, size_a(w, t), holds_a(g, t)) ||
                 start_receive(g->along_column, b, size_b(w, t), holds_b(g, t)) ||
                 start_send(g->along_row, a, size_a(w, t), holds_a(g, t)) ||
                 start_send(g->along_column, b, size_b(w, t), holds_b(g, t))
             ? -1
             : 0;
}

static int step_overlapped(worker *w) {
  const grid *g = &w->grid;
  const bool sends = w->omission != NO_MESSAGES;
  if (sends && start(w, 0)) return -1;
  for (int t = 0; t < g->panels; t++) {
    if (sends &&
        (finish_receive(g->along_row, holds_a(g, t)) || finish_receive(g->along_column, holds_b(g, t))))
      return -1;
    // Into the buffers that panel t - 1 was multiplied from: they are free, and t's are not touched.
    if (sends && t + 1 < g->panels && start(w, t + 1)) return -1;
    multiply(w, t, t % 2);
  }
  for (int t = 0; t < g->panels && sends; t++)
    if (finish_send(g->along_row, holds_a(g, t)) || finish_send(g->along_column, holds_b(g, t))) return -1;
  return 0;
}

// ---------------------------------------------------------------- the result, and the formulas

static void collect(const worker *w, float *c) {
  worker_download(w, c, w->c, w->problem->n, rows_of(w), columns_of(w));
}

static paper on_paper_with(const problem *p, int world, double alpha_s, double bytes_per_s, int buffers) {
  const int r = grid_rows(world), c = world / r, panels = PANELS_PER_PART * common_multiple(r, c);
  const double m = (double)part_of(p->m, r, 0).longest, n = (double)part_of(p->n, c, 0).longest,
               wide = (double)part_of(p->k, panels, 0).longest;
  const int panels_a = panels / c, panels_b = panels / r;  // of one rank
  const double inner_a = wide * panels_a, inner_b = wide * panels_b;
  paper on = {.messages = (c - 1) * panels_a + (r - 1) * panels_b};
  // Rank 0 holds the first, longest panels; the last ones may be shorter.
  const double held_a = inner_a < (double)p->k ? inner_a : (double)p->k,
               held_b = inner_b < (double)p->k ? inner_b : (double)p->k;
  on.bytes = 4 * ((c - 1) * m * held_a + (r - 1) * n * held_b);
  on.memory = 4 * (m * inner_a + n * inner_b + m * n + buffers * wide * ((c > 1 ? m : 0) + (r > 1 ? n : 0)));
  on.messages_s =
      panels * (c - 1 + r - 1) * alpha_s + 4 * (double)p->k * ((c - 1) * m + (r - 1) * n) / bytes_per_s;
  return on;
}

static paper on_paper(const problem *p, int world, double alpha_s, double bytes_per_s) {
  return on_paper_with(p, world, alpha_s, bytes_per_s, 1);
}
static paper on_paper_overlapped(const problem *p, int world, double alpha_s, double bytes_per_s) {
  paper on = on_paper_with(p, world, alpha_s, bytes_per_s, 2);
  const int rows = grid_rows(world);
  on.hidden_panels = PANELS_PER_PART * common_multiple(rows, world / rows);
  return on;
}

const strategy summa = {"summa", open, step, collect, on_paper};
const strategy summa_overlapped = {"summa-overlapped", open_overlapped, step_overlapped, collect,
                                   on_paper_overlapped};
