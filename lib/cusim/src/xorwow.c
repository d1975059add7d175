// SPDX-License-Identifier: MIT
// XORWOW far ahead: a step is linear in its 160 bits, so that many steps are a product of squared matrices.
#include <pthread.h>
#include <stdint.h>
#include <string.h>

enum { WORDS = 5, BITS = 32 * WORDS, POWERS = 67 + 64 };
typedef struct matrix {
  uint32_t image[BITS][WORDS];  // of each single bit
} matrix;

static matrix power[POWERS];  // of 1, 2, 4, 8 … steps
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void apply(const matrix *m, uint32_t v[WORDS]) {
  uint32_t sum[WORDS] = {0};
  for (int i = 0; i < BITS; i++)
    if (v[i / 32] >> i % 32 & 1)
      for (int w = 0; w < WORDS; w++) sum[w] ^= m->image[i][w];
  memcpy(v, sum, sizeof sum);
}

static void prepare(void) {
  for (int i = 0; i < BITS; i++) {
    uint32_t v[WORDS] = {0};
    v[i / 32] = 1u << i % 32;
    const uint32_t t = v[0] ^ v[0] >> 2, last = (v[4] ^ v[4] << 4) ^ (t ^ t << 1);
    const uint32_t next[WORDS] = {v[1], v[2], v[3], v[4], last};
    memcpy(power[0].image[i], next, sizeof next);
  }
  for (int p = 1; p < POWERS; p++) {
    power[p] = power[p - 1];
    for (int i = 0; i < BITS; i++) apply(&power[p - 1], power[p].image[i]);
  }
}

// n times 2^shift steps. The counter beside these words is the caller's.
void cusim_xorwow_skip(unsigned *v, unsigned long long n, int shift);
void cusim_xorwow_skip(unsigned *v, unsigned long long n, int shift) {
  pthread_once(&once, prepare);
  for (int p = shift; n > 0; n >>= 1, p++)
    if (n & 1) apply(&power[p], v);
}
