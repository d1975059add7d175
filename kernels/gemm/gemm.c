// SPDX-License-Identifier: MIT
// Matrix product on the CPU: five loops around a micro-kernel. Each loop cuts one dimension so that what the
// loops inside it reuse fits one level of the memory hierarchy:
//
//   5th loop  jc: NC columns of B and C         packed KC × NC block of B stays in L3, shared by all threads
//   4th loop    pc: KC steps of the inner sum
//   3rd loop      ic: MC rows of A and C        packed MC × KC block of A stays in L2, one per thread
//   2nd loop        jr: NR columns              KC × NR panel of B stays near L1
//   1st loop          ir: MR rows               MR × NR tile of C stays in registers: the micro-kernel
#include "kernels/gemm/gemm.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>

#include "heddle/error.h"
#include "kernels/gemm/micro.h"
#include "kernels/gemm/pack.h"

typedef struct product {
  bool trans_a, trans_b;
  long m, n, k;
  float alpha, beta;
  const float *a, *b;
  float *c;
  long lda, ldb, ldc;
} product;

static long smaller(long x, long y) {
  return x < y ? x : y;
}
static long larger(long x, long y) {
  return x > y ? x : y;
}
static long round_up(long x, long step) {
  return (x + step - 1) / step * step;
}

// The length of the fewest pieces of at most `most` (a multiple of `step`) that cover `total`, all about
// equally long and multiples of `step`: 784 steps become 2 × 392, not 512 + 272.
static long even_cut(long total, long most, long step) {
  const long pieces = (total + most - 1) / most;
  return round_up((total + pieces - 1) / pieces, step);
}

// Packing buffers of one thread, kept between calls and freed when the thread ends.
typedef struct scratch {
  float *a, *b;  // MC × KC; KC × NC
} scratch;

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void scratch_free(void *pointer) {
  scratch *s = pointer;
  free(s->a);
  free(s->b);
  free(s);
}

static void scratch_init(void) {
  if (pthread_key_create(&scratch_key, scratch_free) != 0)
    hd_fail(HD_EXIT_FAILURE, "gemm: no thread-specific storage left for packing buffers");
}

static scratch *scratch_get(void) {
  pthread_once(&scratch_once, scratch_init);
  scratch *s = pthread_getspecific(scratch_key);
  if (!s) {
    s = hd_alloc(1, sizeof *s);
    *s = (scratch){hd_alloc(MC * KC, sizeof(float)), hd_alloc((size_t)KC * NC, sizeof(float))};
    pthread_setspecific(scratch_key, s);
  }
  return s;
}

// Below, the current block is rows [ic, ic + mc), columns [jc, jc + nc) and steps [pc, pc + kc). Panels lie
// one after the other: the panel of row i starts i · kc floats into the packed block of A, that of column j
// likewise into B's.
static void pack_a(const product *p, long ic, long mc, long pc, long kc, float *packed) {
  const long whole = p->trans_a ? mc / MR : 0;
  pack_side_by_side(MR, whole, kc, p->a + pc * p->lda + ic, p->lda, packed);
  for (long i = whole * MR; i < mc; i += MR) {
    const float *source = p->trans_a ? p->a + pc * p->lda + ic + i : p->a + (ic + i) * p->lda + pc;
    pack_panel(!p->trans_a, MR, (int)smaller(MR, mc - i), kc, source, p->lda, packed + i * kc);
  }
}

static void pack_b_panel(const product *p, long j, long columns, long pc, long kc, float *packed) {
  const float *source = p->trans_b ? p->b + j * p->ldb + pc : p->b + pc * p->ldb + j;
  pack_panel(p->trans_b, NR, (int)columns, kc, source, p->ldb, packed);
}

static void pack_b(const product *p, long jc, long nc, long pc, long kc, float *packed) {
#pragma omp for schedule(static)
  for (long j = 0; j < nc; j += NR) pack_b_panel(p, jc + j, smaller(NR, nc - j), pc, kc, packed + j * kc);
}

// The 2nd and 1st loop around the micro-kernel: packed blocks of A and B give a block of C.
static void macro_kernel(const product *p, long mc, long nc, long kc, const float *packed_a,
                         const float *packed_b, float beta, float *c) {
  for (long jr = 0; jr < nc; jr += NR)
    for (long ir = 0; ir < mc; ir += MR) {
      const int rows = (int)smaller(MR, mc - ir), columns = (int)smaller(NR, nc - jr);
      const float *a = packed_a + ir * kc, *b = packed_b + jr * kc;
      float *tile = c + ir * p->ldc + jr;
      if (rows == MR && columns == NR)
        micro_kernel(VECTORS, kc, p->alpha, a, b, NR, NULL, beta, tile, p->ldc);
      else
        micro_kernel_edge(rows, columns, kc, p->alpha, a, b, beta, tile, p->ldc);
    }
}

// The 5th, 4th and 3rd loop, run by every thread of a team; the `omp for` loops divide the work.
static void outer_loops(const product *p, int threads, float *packed_b) {
  float *packed_a = scratch_get()->a;
  const long kc_most = even_cut(p->k, KC, 1), nc_most = even_cut(p->n, NC, NR);
  // Blocks of A are handed out one by one: equally many for each thread, and at least two, so that a thread
  // that is disturbed can leave work to the others.
  const long blocks = (p->m + MC - 1) / MC;
  const long shared = threads == 1 ? blocks : round_up(larger(blocks, 2 * threads), threads);
  const long mc_most = round_up((p->m + shared - 1) / shared, MR);
  for (long jc = 0; jc < p->n; jc += nc_most)
    for (long pc = 0; pc < p->k; pc += kc_most) {
      const long nc = smaller(nc_most, p->n - jc), kc = smaller(kc_most, p->k - pc);
      const float beta = pc == 0 ? p->beta : 1;
      pack_b(p, jc, nc, pc, kc, packed_b);
#pragma omp for schedule(dynamic, 1)
      for (long ic = 0; ic < p->m; ic += mc_most) {
        const long mc = smaller(mc_most, p->m - ic);
        pack_a(p, ic, mc, pc, kc, packed_a);
        macro_kernel(p, mc, nc, kc, packed_a, packed_b, beta, p->c + ic * p->ldc + jc);
      }
    }
}

// Where A is small, each thread multiplies a part of C by itself: it packs its rows of A, then panel after
// panel of B, and multiplies each while it is in its own L1 cache. Nothing is handed from core to core, which
// costs more than packing twice where cores share no cache, and in the next product of this shape the same
// thread meets the same part of C: rows of it where C is high, columns where it is wide.
enum { GROUP = 4 * MR, FEW_ROWS = 2 * MC, SMALL_A = 2 * MC * KC };

static bool has_small_a(const product *p, int threads) {
  const long panels = (p->n + NR - 1) / NR, floats = round_up(p->m, MR) * p->k;
  return (floats <= SMALL_A || (p->m <= FEW_ROWS && floats <= (long)KC * NC)) && panels >= 4 * threads;
}

// The calling thread's part of C, with the rows of A or columns of B that it needs.
static product part_of(const product *whole) {
  const long threads = omp_get_num_threads(), thread = omp_get_thread_num();
  const bool high = whole->m > whole->n;
  const long step = high ? MR : NR, total = high ? whole->m : whole->n, steps = (total + step - 1) / step;
  const long first = steps * thread / threads * step;
  const long count = smaller(steps * (thread + 1) / threads * step, total) - first;
  product p = *whole;
  if (high) {
    p.m = count;
    p.a += first * (p.trans_a ? 1 : p.lda);
    p.c += first * p.ldc;
  } else {
    p.n = count;
    p.b += first * (p.trans_b ? p.ldb : 1);
    p.c += first;
  }
  return p;
}

static void loops_for_small_a(const product *p) {
  float *panel = scratch_get()->a, *packed_a = scratch_get()->b;
  const long kc_most = even_cut(p->k, KC, 1), height = round_up(p->m, MR);
  for (long i = 0; i < p->m; i += GROUP)
    for (long pc = 0; pc < p->k; pc += kc_most) {
      const long kc = smaller(kc_most, p->k - pc);
      pack_a(p, i, smaller(GROUP, p->m - i), pc, kc, packed_a + pc * height + i * kc);
    }
  for (long j = 0; j < p->n; j += NR)
    for (long pc = 0; pc < p->k; pc += kc_most) {
      const long kc = smaller(kc_most, p->k - pc), nc = smaller(NR, p->n - j);
      const float beta = pc == 0 ? p->beta : 1, *a = packed_a + pc * height;
      // Whole rows of B lie ready: the topmost tile packs them on the way.
      const long first = p->trans_b || nc < NR || p->m < MR ? 0 : MR;
      if (first)
        micro_kernel(VECTORS, kc, p->alpha, a, p->b + pc * p->ldb + j, p->ldb, panel, beta, p->c + j, p->ldc);
      else
        pack_b_panel(p, j, nc, pc, kc, panel);
      macro_kernel(p, p->m - first, nc, kc, a + first * kc, panel, beta, p->c + first * p->ldc + j);
    }
}

static void scale(const product *p) {
  for (long i = 0; i < p->m; i++)
    for (long j = 0; j < p->n; j++) p->c[i * p->ldc + j] = p->beta == 0 ? 0 : p->beta * p->c[i * p->ldc + j];
}

void hd_gemm(bool trans_a, bool trans_b, long m, long n, long k, float alpha, const float *a, long lda,
             const float *b, long ldb, float beta, float *c, long ldc) {
  const product p = {trans_a, trans_b, m, n, k, alpha, beta, a, b, c, lda, ldb, ldc};
  if (m <= 0 || n <= 0) return;
  if (k <= 0 || alpha == 0) {
    scale(&p);
    return;
  }
  float *packed_b = scratch_get()->b;
  // Starting a team and its two barriers cost microseconds; below half a MFLOP for each, threads cost more
  // than they give.
  const double worth = 1 + 4e-6 * (double)m * (double)n * (double)k;
  const int most = omp_get_max_threads(), threads = worth < most ? (int)worth : most;
  const bool small_a = has_small_a(&p, threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
  {
    if (small_a) {
      const product own = part_of(&p);
      loops_for_small_a(&own);
    } else {
      outer_loops(&p, omp_get_num_threads(), packed_b);
    }
  }
}
