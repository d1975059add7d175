// SPDX-License-Identifier: MIT
// Reductions in host memory, one loop for each type and operation, so that the compiler can make vectors of
// them.
#include <assert.h>
#include <string.h>

#include "comm_internal.h"

// Whole numbers wrap: their sums are added without sign.
#define SUM(a, b) ((a) + (b))
#define WRAP(a, b) ((int32_t)((uint32_t)(a) + (uint32_t)(b)))
#define GREATER(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define SMALLER(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))

#define LOOP(name, T, LOAD, STORE, OPERATION)                                                            \
  static void name(void *to_, const void *a_, const void *b_, size_t n) {                                \
    T *to = to_;                                                                                         \
    const T *a = a_, *b = b_;                                                                            \
    _Pragma("omp simd") for (size_t i = 0; i < n; i++) to[i] = STORE(OPERATION(LOAD(a[i]), LOAD(b[i]))); \
  }
#define SAME(x) (x)

LOOP(sum_f32, float, SAME, SAME, SUM)
LOOP(max_f32, float, SAME, SAME, GREATER)
LOOP(min_f32, float, SAME, SAME, SMALLER)
LOOP(sum_i32, int32_t, SAME, SAME, WRAP)
LOOP(max_i32, int32_t, SAME, SAME, GREATER)
LOOP(min_i32, int32_t, SAME, SAME, SMALLER)
LOOP(sum_bf16, uint16_t, hd_bf16_to_float, hd_bf16_from_float, SUM)
LOOP(max_bf16, uint16_t, hd_bf16_to_float, hd_bf16_from_float, GREATER)
LOOP(min_bf16, uint16_t, hd_bf16_to_float, hd_bf16_from_float, SMALLER)

typedef void combine_loop(void *to, const void *a, const void *b, size_t n);

static combine_loop *loop_of(enum hd_type type, enum hd_reduce_op op) {
  static combine_loop *const LOOPS[3][3] = {
      {sum_f32, max_f32, min_f32}, {sum_i32, max_i32, min_i32}, {sum_bf16, max_bf16, min_bf16}};
  return LOOPS[type == HD_F32 ? 0 : type == HD_I32 ? 1 : 2][op];
}

void hd_combine(enum hd_type type, void *to, const void *a, const void *b, size_t count,
                enum hd_reduce_op op) {
  loop_of(type, op)(to, a, b, count);
}

// Accumulated in fp32 and rounded once. Maxima and minima need no accumulator, but lose nothing by it.
static void bf16_ranks(uint16_t *to, const void *const *in, int world, size_t offset, size_t count,
                       enum hd_reduce_op op) {
  enum { BLOCK = 1024 };
  float sum[BLOCK], next[BLOCK];
  for (size_t from = 0; from < count; from += BLOCK) {
    const size_t n = count - from < BLOCK ? count - from : BLOCK;
    const uint16_t *x = (const uint16_t *)in[0] + offset + from;
    for (size_t i = 0; i < n; i++) sum[i] = hd_bf16_to_float(x[i]);
    for (int r = 1; r < world; r++) {
      x = (const uint16_t *)in[r] + offset + from;
      for (size_t i = 0; i < n; i++) next[i] = hd_bf16_to_float(x[i]);
      loop_of(HD_F32, op)(sum, sum, next, n);
    }
    for (size_t i = 0; i < n; i++) to[from + i] = hd_bf16_from_float(sum[i]);
  }
}

void hd_combine_ranks(enum hd_type type, void *to, const void *const *in, int world, size_t offset,
                      size_t count, enum hd_reduce_op op) {
  assert(world > 0);
  if (type == HD_BF16) {
    bf16_ranks(to, in, world, offset, count, op);
    return;
  }
  const size_t width = hd_type_bytes(type);
  if (count > 0) memcpy(to, (const char *)in[0] + offset * width, count * width);
  for (int r = 1; r < world; r++) hd_combine(type, to, to, (const char *)in[r] + offset * width, count, op);
}
