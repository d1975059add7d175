// SPDX-License-Identifier: MIT
// The lesson contract. A lesson is data: what is computed, at which sizes, by which variants, checked against
// which reference. One main (lib/main.c) verifies, times and prints every lesson; rates are derived from the
// declared FLOPs and bytes, never typed.
//
//   lesson.c        defines `const hd_lesson hd_this_lesson = {...}`
//   for each size   setup → reference → for each variant: poison the outputs → place → run → collect →
//   compare → time
#ifndef HEDDLE_BENCH_H
#define HEDDLE_BENCH_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "type.h"

#ifdef __cplusplus
extern "C" {
#endif

// Where a variant runs. The harness sets the thread count or device count of the case before it calls the
// variant.
enum hd_where {
  HD_SERIAL,   // one CPU thread
  HD_THREADS,  // OpenMP threads inside one computation: c->threads
  HD_RANKS,  // CPU ranks (threads that talk through a communicator): c->threads of them; may exceed the cores
  HD_GPU,    // one GPU
  HD_GPUS,   // several GPUs: c->devices of them
};

enum { HD_MAX_OUTPUTS = 4, HD_MAX_VARIANTS = 48, HD_MAX_SIZES = 8, HD_MAX_FIGURES = 24 };

// One output of the computation: the harness fills it with a poison pattern before every verified run and
// compares it with expected, which the lesson's reference fills.
typedef struct hd_output {
  const char *name;
  void *data;        // owned by the lesson (host memory); count elements of `type`
  double *expected;  // owned by the harness; NaN until the reference has written it
  size_t count;
  enum hd_type type;
} hd_output;

// A stretch of work on a lane (a rank, a stream) of a timeline.
typedef struct hd_span {
  int lane;
  char label[16];         // "F3": a letter for the kind (hd_lesson.kinds), then what it worked on
  double start_s, end_s;  // since the start of the run, in the clock of its place
} hd_span;

// One size of one lesson under one thread or device count.
typedef struct hd_case {
  long size;
  int threads;    // OpenMP threads or CPU ranks; set with omp_set_num_threads before run
  int devices;    // GPUs; 0 for CPU variants
  uint64_t seed;  // of all random inputs; from --seed, default 1
  bool full;      // --profile full
  bool untimed;   // set before setup: --verify, nothing is timed
  bool reduced;  // set before setup: only checked, or executed whole by simulated GPUs. A lesson whose --size
                 // is not the size of its inputs may take smaller ones
  bool on_gpu;   // set before setup: variants on GPUs will run. Inputs that fill a card's memory for a second
                 // are too many for a CPU
  bool verifying;  // true while the harness checks a run, false while it times one (on simulated GPUs one run
                   // is both)
  void *state;     // the lesson's own: set in setup, freed in teardown
  hd_output outputs[HD_MAX_OUTPUTS];
  int output_count;
  double elapsed_s;  // set by a variant that times itself (hd_report_time), else negative
  int figure_count;  // further figures of this row, see hd_figure
  struct {
    const char *name, *unit;
    double value;
  } figures[HD_MAX_FIGURES];
  hd_span *spans;  // of the harness, see hd_add_span
  int span_count, span_room;
} hd_case;

// Declares an output during setup. `data` is what the variants write (host memory).
void hd_add_output(hd_case *c, const char *name, void *data, size_t count, enum hd_type type);

// A variant that measures a part of itself (a step out of an epoch, say) reports that time in seconds, in the
// clock of its place: wall time on a CPU, CUDA events on a GPU. The harness then uses it instead of its own.
void hd_report_time(hd_case *c, double seconds);

// For bound_s of lessons whose work is divided among workers: `flops` at the measured (CPU) or published
// (GPU) roof of all of them, in seconds.
double hd_perfect_scaling_s(const hd_case *c, enum hd_where where, double flops);

// A further figure of the current row (accuracy, bytes moved, …) for <lesson>.csv. Both strings must outlive
// the case. The last value of a name wins.
void hd_figure(hd_case *c, const char *name, double value, const char *unit);

// A span for this row's timeline, which the report draws. Any OpenMP thread may add some.
void hd_add_span(hd_case *c, int lane, const char *label, double start_s, double end_s);

typedef void hd_run(hd_case *c);

// Untimed steps around the runs of a variant whose data live elsewhere (a GPU's memory). All optional.
typedef struct hd_place {
  hd_run *place;    // allocate there, upload inputs and the poisoned outputs
  hd_run *collect;  // download the outputs into c->outputs[].data
  hd_run *release;  // free what place allocated
} hd_place;

typedef struct hd_variant {
  const char *name;
  enum hd_where where;
  hd_run *run;            // NULL: not built, because `needs` is missing (see HD_WITH_*)
  const char *why;        // the one idea this variant adds, in one line
  const hd_place *at;     // NULL: works on the host arrays of the case
  const char *needs;      // "CUDA", "OpenBLAS", …: what a missing variant would need; NULL if nothing
  bool wrong_on_purpose;  // shows a mistake: reported, never drawn as a result, and no failure of --verify
  hd_run *before;         // untimed, before every sample (flush, rewrite inputs); NULL: nothing
  double (*tolerance)(const hd_case *c);  // overrides the lesson's (lower precision, say); NULL: the lesson's
  bool (*fits)(
      const hd_case *c);  // false: skip this size or count (a slow variant at a large n); NULL: always
  enum hd_type operands;  // of its products: 16-bit ones are held against the tensor cores of a GPU
  double (*bound_s)(const hd_case *c, enum hd_where where);  // overrides the lesson's; NULL: the lesson's
  const char *unit;  // "ns", "µs" or "ms": its value is its time; NULL: the lesson's rate
} hd_variant;

typedef struct hd_lesson {
  int number;             // 7
  const char *name;       // "gemm-cpu": lessons/07-gemm-cpu
  const char *title;      // "SGEMM on a CPU"
  const char *size_name;  // what --size means: "n", "elements", "batch"
  const char *unit;       // "GFLOP/s", "GB/s", "images/s", "ms": see rate
  // For lessons with a timeline (hd_add_span): its kinds of work, "F forward, B backward", and the lanes of
  // each rank, "work, sums", if it has several; NULL: one.
  const char *kinds, *lanes;
  // Work of one run, for rates and bounds. A NULL function means that the quantity does not apply.
  double (*flops)(const hd_case *c);
  double (*bytes)(const hd_case *c);     // the fewest bytes that must move through memory
  bool (*only_reads)(const hd_case *c);  // they are loads: the CPU's roof is that of loads; NULL: a triad's
  double (*items)(const hd_case *c);     // images, updates, …, if neither of the above is the lesson's rate
  enum {
    HD_RATE_FLOPS,
    HD_RATE_BYTES,
    HD_RATE_ITEMS,
    HD_RATE_TIME
  } rate;  // value = work / median, scaled as unit says
  // Sizes: lists end at the first 0 entry except verify, which ends at the first negative one and may hold 0.
  long quick[HD_MAX_SIZES], full[HD_MAX_SIZES];          // CPU variants
  long gpu_quick[HD_MAX_SIZES], gpu_full[HD_MAX_SIZES];  // GPU variants; all 0: as on the CPU
  long sim_quick[HD_MAX_SIZES], sim_full[HD_MAX_SIZES];  // simulated GPUs; all 0: as gpu_*
  long sim_sampled[HD_MAX_SIZES];  // only modelled: a few blocks are executed, after a whole run of the first
                                   // sim_quick size was checked, or, if there is none, of the same size,
                                   // reduced
  long verify[HD_MAX_SIZES];       // awkward sizes: 0, 1, 33, 1000, a prime, -1
  bool sweep_threads;              // HD_THREADS variants at 1, 2, 4 … threads, not only at all
  int sweep_ranks[HD_MAX_SIZES], sweep_devices[HD_MAX_SIZES];  // for HD_RANKS and HD_GPUS; end at 0
  int node;  // simulated GPUs: so many share a node (CUSIM_NODE, unless the environment sets it); 0: all do
  double (*memory)(long size);  // bytes of host memory one case needs, checked before setup
  hd_run *setup;                // allocate and fill inputs, declare outputs; no output for size 0 is fine
  hd_run *teardown;
  hd_run *reference;                      // fills outputs[].expected in double precision
  double (*tolerance)(const hd_case *c);  // allowed max relative error, see hd_compare
  double (*bound_s)(const hd_case *c,
                    enum hd_where where);  // own lower bound of the time in s; NULL: the roofline
  const hd_variant *variants;  // the ladder; each adds one idea; the first is the baseline of the speed-up
  int variant_count;
  // Extra options of this lesson ("--data DIR"); returns false if `name` is none of its options. NULL: no
  // options.
  bool (*option)(const char *name, const char *value);
  const char *option_help;  // lines for --help
} hd_lesson;

extern const hd_lesson hd_this_lesson;

// Largest error of `count` values against a double reference: max |x - expected| / max(|expected|,
// rms(expected)). The rms floor keeps cancellation in single elements from dominating. NaN and infinity where
// the reference is finite give infinity. Compiled without fast-math, so NaN cannot slip through.
double hd_compare(const void *data, enum hd_type type, const double *expected, size_t count);

// HD_WITH_X(f) is f where X was found at configure time, else NULL (and f need not exist).
#if HD_HAVE_CUDA
#define HD_WITH_CUDA(f) (f)
#else
#define HD_WITH_CUDA(f) NULL
#endif
#if HD_HAVE_OPENBLAS
#define HD_WITH_OPENBLAS(f) (f)
#else
#define HD_WITH_OPENBLAS(f) NULL
#endif
#if HD_HAVE_BLIS
#define HD_WITH_BLIS(f) (f)
#else
#define HD_WITH_BLIS(f) NULL
#endif
#if HD_HAVE_MPI
#define HD_WITH_MPI(f) (f)
#else
#define HD_WITH_MPI(f) NULL
#endif

// The student's variant, in the program that `make grade` builds of a lesson: its entry in `variants` stands
// in this macro, with a comma behind it.
#if HEDDLE_LAB
#define HD_LAB(...) __VA_ARGS__
#else
#define HD_LAB(...)
#endif

#define HD_COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

#ifdef __cplusplus
}
#endif
#endif
