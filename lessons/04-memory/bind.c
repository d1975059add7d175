// SPDX-License-Identifier: MIT
// Which thread runs on which core. OMP_PROC_BIND and OMP_PLACES say it for a whole process and are read when
// it starts; within one process a thread can be told by the system call beneath them.
#include <omp.h>
#include <sched.h>

#include "memory.h"

// The CPU that is number `which` of those in `allowed`, from the first again behind the last.
static int nth_cpu(const cpu_set_t *allowed, int which) {
  which %= CPU_COUNT(allowed);
  int cpu = 0;
  for (;; cpu++)
    if (CPU_ISSET(cpu, allowed) && which-- == 0) return cpu;
}

// The streaming triad by threads bound to the CPUs thread, or first, of those that the caller may use; each
// gets its own freedom back at the end. Binding costs about a microsecond, which is in the time.
static void run_on(hd_case *c, bool all_on_first) {
  memory_case *m = c->state;
  cpu_set_t allowed;  // empty: not to be bound
  const bool bound_already = !all_on_first && omp_get_proc_bind() != omp_proc_bind_false;
  if (bound_already || sched_getaffinity(0, sizeof allowed, &allowed)) CPU_ZERO(&allowed);
  int bound = 0;
#pragma omp parallel num_threads(c->threads) reduction(+ : bound)
  {
    cpu_set_t before, only;
    bool free_again = false;
    if (CPU_COUNT(&allowed) && sched_getaffinity(0, sizeof before, &before) == 0) {
      CPU_ZERO(&only);
      CPU_SET(nth_cpu(&allowed, all_on_first ? 0 : omp_get_thread_num()), &only);
      free_again = sched_setaffinity(0, sizeof only, &only) == 0;
    }
    bound += free_again || bound_already;
    triad_share(m->a, m->b, m->c, m->n);
    if (free_again) sched_setaffinity(0, sizeof before, &before);
  }
  hd_figure(c, "moved", 12.0 * (double)m->n, "B");
  hd_figure(c, "bound threads", bound, "");
}

// Idea: a core for each thread. The scheduler moves threads for reasons of its own; a thread that was moved
// leaves its cache behind, and, on a machine with several NUMA nodes, its memory.
//
// Prediction: here, with as many threads as cores, one node and nobody else, nothing. Elsewhere it is what
// makes first touch worth anything.
void run_triad_bound(hd_case *c) {
  run_on(c, false);
}

// What goes wrong: all on one core. Launchers of processes (mpirun, srun, taskset) bind each process to one
// core unless told otherwise, and all OpenMP threads inherit it. Every result is right.
//
// Prediction: what one core can do, less the time that threads wait for each other's turn.
void run_triad_one_core(hd_case *c) {
  run_on(c, true);
}
