// SPDX-License-Identifier: MIT
// The triad into memory that was asked for a moment ago. malloc of something large returns addresses without
// memory behind them: the first store to each page stops the program, and the kernel finds a page, fills it
// with zeros and enters it (a page fault). Whoever times the first use of an array times that.
#include "memory.h"

static size_t bytes_of(const memory_case *m) {
  return (size_t)m->n * sizeof(float);
}

void unmap_a(hd_case *c) {
  memory_case *m = c->state;
  pages_unmap(m->a, bytes_of(m));
  m->a = NULL;
}

// The triad by all cores, with its page faults since `before`.
static void compute(hd_case *c, long before) {
  memory_case *m = c->state;
#pragma omp parallel
  triad_share(m->a, m->b, m->c, m->n);
  hd_figure(c, "page faults", (double)(page_faults() - before), "");
  hd_figure(c, "NUMA nodes", numa_nodes(), "");
}

// Idea: allocate and clear, as a constructor does; then compute. One thread meets all the faults.
//
// Prediction: a fault costs about half a microsecond (more in a virtual machine), one for 4 KiB: 4 GB/s or
// less, however many cores compute afterwards. On two NUMA nodes all pages would also lie in the first.
void run_fresh_by_one(hd_case *c) {
  memory_case *m = c->state;
  const long before = page_faults();
  m->a = pages_map(bytes_of(m), SMALL_PAGES);
  for (long i = 0; i < m->n; i += SMALL_PAGE / (long)sizeof(float)) ((volatile float *)m->a)[i] = 0;
  compute(c, before);
}

// Idea: nobody clears it. The threads touch first what they compute.
//
// Prediction: as many faults, but each core meets its own share: up to as many times faster as there are
// cores (they share a lock in the kernel). On two NUMA nodes each page lies beside its user.
void run_fresh_by_users(hd_case *c) {
  memory_case *m = c->state;
  const long before = page_faults();
  m->a = pages_map(bytes_of(m), SMALL_PAGES);
  compute(c, before);
}

// Idea: huge pages, 512 times as large.
//
// Prediction: a 512th of the faults, and each fills 2 MiB with zeros at the speed of memory. What remains is
// about one more writing of the array.
void run_fresh_huge(hd_case *c) {
  memory_case *m = c->state;
  const long before = page_faults();
  m->a = pages_map(bytes_of(m), HUGE_PAGES);
  compute(c, before);
}

// Before a run, untimed: an array that was in use before.
void map_a(hd_case *c) {
  memory_case *m = c->state;
  unmap_a(c);
  m->a = pages_map(bytes_of(m), HUGE_PAGES);
#pragma omp parallel for schedule(static)
  for (long i = 0; i < m->n; i++) m->a[i] = m->output[i];
}

// Idea: keep the array. Its pages are there since its last use.
//
// Prediction: no fault: the speed of `triad/streaming`.
void run_fresh_kept(hd_case *c) {
  compute(c, page_faults());
}

// What goes wrong: inputs from calloc that nothing was written to. Reading an untouched page takes no memory:
// all of them are one page of zeros, which stays in the nearest cache. A benchmark of it reads faster than
// any memory; this one is wrong as well, for its inputs should not be zeros.
void run_fresh_untouched(hd_case *c) {
  memory_case *m = c->state;
  float *b = pages_map(bytes_of(m), SMALL_PAGES), *x = pages_map(bytes_of(m), SMALL_PAGES);
  m->a = pages_map(bytes_of(m), HUGE_PAGES);
#pragma omp parallel
  triad_share(m->a, b, x, m->n);
  pages_unmap(b, bytes_of(m));
  pages_unmap(x, bytes_of(m));
}
