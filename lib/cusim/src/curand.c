// SPDX-License-Identifier: MIT
// cuRAND's host generators: Philox4x32-10 by counter, so that any number can be made alone.
#include "curand.h"

#include <math.h>
#include <stdlib.h>

#include "exec.h"
#include "graph.h"
#include "handles.h"
#include "stream.h"

struct curandGenerator_st {
  unsigned long long seed, place;  // place: of the next 32-bit word
  cudaStream_t stream;
  bool host;
};

static uint32_t word(const struct curandGenerator_st *g, unsigned long long i) {
  uint32_t c[4] = {(uint32_t)(i / 4), (uint32_t)(i / 4 >> 32), 0, 0};
  uint32_t key[2] = {(uint32_t)g->seed, (uint32_t)(g->seed >> 32)};
  for (int round = 0; round < 10; round++) {
    const uint64_t a = 0xD2511F53ull * c[0], b = 0xCD9E8D57ull * c[2];
    const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ key[0], (uint32_t)b,
                              (uint32_t)(a >> 32) ^ c[3] ^ key[1], (uint32_t)a};
    for (int k = 0; k < 4; k++) c[k] = next[k];
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return c[i % 4];
}

static double uniform(const struct curandGenerator_st *g, unsigned long long i) {
  return (double)word(g, i) * 0x1p-32 + 0x1p-33;
}
static double uniform_double(const struct curandGenerator_st *g, unsigned long long i) {
  return (double)((uint64_t)word(g, i) ^ (uint64_t)word(g, i + 1) << 21) * 0x1p-53 + 0x1p-54;
}
// The i-th of numbers that come in pairs.
static double normal(double u, double v, size_t i) {
  return sqrt(-2 * log(u)) * (i % 2 ? cos(6.283185307179586 * v) : sin(6.283185307179586 * v));
}

static curandStatus_t create(curandGenerator_t *generator, curandRngType_t type, bool host) {
  if (!generator) return CURAND_STATUS_NOT_INITIALIZED;
  if (type >= CURAND_RNG_QUASI_DEFAULT) return CURAND_STATUS_TYPE_ERROR;
  *generator = calloc(1, sizeof **generator);
  if (!*generator || !sim_handle_add(*generator)) {
    free(*generator);
    return CURAND_STATUS_ALLOCATION_FAILED;
  }
  (*generator)->host = host;
  return CURAND_STATUS_SUCCESS;
}
curandStatus_t curandCreateGenerator(curandGenerator_t *generator, curandRngType_t type) {
  return create(generator, type, false);
}
curandStatus_t curandCreateGeneratorHost(curandGenerator_t *generator, curandRngType_t type) {
  return create(generator, type, true);
}
curandStatus_t curandDestroyGenerator(curandGenerator_t generator) {
  if (!sim_handle_remove(generator)) return CURAND_STATUS_NOT_INITIALIZED;
  free(generator);
  return CURAND_STATUS_SUCCESS;
}
curandStatus_t curandSetPseudoRandomGeneratorSeed(curandGenerator_t generator, unsigned long long seed) {
  if (!generator) return CURAND_STATUS_NOT_INITIALIZED;
  generator->seed = seed;
  generator->place = 0;
  return CURAND_STATUS_SUCCESS;
}
curandStatus_t curandSetGeneratorOffset(curandGenerator_t generator, unsigned long long offset) {
  if (!generator) return CURAND_STATUS_NOT_INITIALIZED;
  generator->place = offset;
  return CURAND_STATUS_SUCCESS;
}
curandStatus_t curandSetGeneratorOrdering(curandGenerator_t generator, curandOrdering_t order) {
  (void)order;  // there is one order
  return generator ? CURAND_STATUS_SUCCESS : CURAND_STATUS_NOT_INITIALIZED;
}
curandStatus_t curandSetStream(curandGenerator_t generator, cudaStream_t stream) {
  if (!generator) return CURAND_STATUS_NOT_INITIALIZED;
  generator->stream = stream;
  return CURAND_STATUS_SUCCESS;
}
curandStatus_t curandGenerateSeeds(curandGenerator_t generator) {
  return generator ? CURAND_STATUS_SUCCESS : CURAND_STATUS_NOT_INITIALIZED;
}

// One kernel that writes n elements, each made of `words` words of the generator by `expression` of i (the
// element) and p (its first word).
#define GENERATE(T, words, bad, expression)                                                                 \
  if (!generator) return CURAND_STATUS_NOT_INITIALIZED;                                                     \
  if (bad) return CURAND_STATUS_LENGTH_NOT_MULTIPLE;                                                        \
  sim_allocation found;                                                                                     \
  if (n && !generator->host && !sim_memory_find(out, &found)) return CURAND_STATUS_LAUNCH_FAILURE;          \
  if (!generator->host && (!sim_stream_known(generator->stream) || sim_capture_forbids(generator->stream))) \
    return CURAND_STATUS_LAUNCH_FAILURE;                                                                    \
  if (!generator->host) sim_stream_reach(generator->stream);                                                \
  const sim_check_stream checked = sim_stream_checked(generator->stream);                                   \
  const unsigned op = generator->host ? 0 : sim_check_op_begin(&checked, __func__, false);                  \
  if (n && !generator->host) sim_check_rows(op, out, n * sizeof *out, n * sizeof *out, 1, true);            \
  _Pragma("omp parallel for") for (size_t i = 0; i < n; i++) {                                              \
    const unsigned long long p = generator->place + i * (words);                                            \
    out[i] = (T)(expression);                                                                               \
  }                                                                                                         \
  generator->place += n * (words);                                                                          \
  if (generator->host) return CURAND_STATUS_SUCCESS;                                                        \
  sim_check_op_end(op);                                                                                     \
  const sim_card *card = sim_machine_get()->card;                                                           \
  sim_stream_push(generator->stream, SIM_COMPUTE,                                                           \
                  card->kernel_overhead_s +                                                                 \
                      (double)(n * sizeof *out) / (card->dram_bytes_per_s * card->dram_efficiency),         \
                  1, __func__);                                                                             \
  return CURAND_STATUS_SUCCESS
// Both words of the pair that number i belongs to.
#define PAIR(make, words) \
  normal(make(generator, p - i % 2 * (words)), make(generator, p - i % 2 * (words) + (words)), i)

curandStatus_t curandGenerate(curandGenerator_t generator, unsigned *out, size_t n) {
  GENERATE(unsigned, 1, false, word(generator, p));
}
curandStatus_t curandGenerateUniform(curandGenerator_t generator, float *out, size_t n) {
  GENERATE(float, 1, false, uniform(generator, p));
}
curandStatus_t curandGenerateUniformDouble(curandGenerator_t generator, double *out, size_t n) {
  GENERATE(double, 2, false, uniform_double(generator, p));
}
curandStatus_t curandGenerateNormal(curandGenerator_t generator, float *out, size_t n, float mean,
                                    float deviation) {
  GENERATE(float, 1, n % 2, (double)mean + (double)deviation * PAIR(uniform, 1));
}
curandStatus_t curandGenerateNormalDouble(curandGenerator_t generator, double *out, size_t n, double mean,
                                          double deviation) {
  GENERATE(double, 2, n % 2, mean + deviation * PAIR(uniform_double, 2));
}
curandStatus_t curandGenerateLogNormal(curandGenerator_t generator, float *out, size_t n, float mean,
                                       float deviation) {
  GENERATE(float, 1, n % 2, exp((double)mean + (double)deviation * PAIR(uniform, 1)));
}
curandStatus_t curandGenerateLogNormalDouble(curandGenerator_t generator, double *out, size_t n, double mean,
                                             double deviation) {
  GENERATE(double, 2, n % 2, exp(mean + deviation * PAIR(uniform_double, 2)));
}
