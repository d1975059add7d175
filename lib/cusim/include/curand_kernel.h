// SPDX-License-Identifier: MIT
// cuRAND's device functions: counter-based Philox4x32-10, Marsaglia's XORWOW, MRG32k3a, in host code too.
// Philox gives the published known answers. MRG32k3a's sequences start at places of their own, not at
// NVIDIA's.
#ifndef CUSIM_CURAND_KERNEL_H
#define CUSIM_CURAND_KERNEL_H
#define CURAND_KERNEL_H_
#include <cmath>

#include "cuda_runtime.h"
#include "curand.h"

// ---------------------------------------------------------------- Philox

struct curandStatePhilox4_32_10 {
  uint4 ctr, output;
  uint2 key;
  unsigned STATE;  // how many of output's words have been taken
  int boxmuller_flag, boxmuller_flag_double;
  float boxmuller_extra;
  double boxmuller_extra_double;
};
typedef struct curandStatePhilox4_32_10 curandStatePhilox4_32_10_t;

namespace cusim {

inline uint4 philox(uint4 c, uint2 key) {
  for (int round = 0; round < 10; round++) {
    const unsigned long long a = 0xD2511F53ull * c.x, b = 0xCD9E8D57ull * c.z;
    c = make_uint4((unsigned)(b >> 32) ^ c.y ^ key.x, (unsigned)b, (unsigned)(a >> 32) ^ c.w ^ key.y,
                   (unsigned)a);
    key.x += 0x9E3779B9u;
    key.y += 0xBB67AE85u;
  }
  return c;
}

// Adds to the lower 64 bits of the counter, with carry into the upper ones.
inline void advance(uint4 &c, unsigned long long n) {
  const unsigned long long low = (unsigned long long)c.y << 32 | c.x, sum = low + n;
  c.x = (unsigned)sum;
  c.y = (unsigned)(sum >> 32);
  if (sum < low && ++c.z == 0) c.w++;
}

// A well mixed 64-bit number of a counter: starting points of sequences.
inline unsigned long long mixed(unsigned long long x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ x >> 27) * 0x94D049BB133111EBull;
  return x ^ x >> 31;
}

}  // namespace cusim

inline void skipahead(unsigned long long n, curandStatePhilox4_32_10 *s) {
  s->STATE += (unsigned)(n & 3);
  n /= 4;
  if (s->STATE > 3) n++, s->STATE -= 4;
  cusim::advance(s->ctr, n);
  s->output = cusim::philox(s->ctr, s->key);
}
inline void skipahead_sequence(unsigned long long n, curandStatePhilox4_32_10 *s) {
  const unsigned long long high = ((unsigned long long)s->ctr.w << 32 | s->ctr.z) + n;
  s->ctr.z = (unsigned)high;
  s->ctr.w = (unsigned)(high >> 32);
  s->output = cusim::philox(s->ctr, s->key);
}
inline void curand_init(unsigned long long seed, unsigned long long sequence, unsigned long long offset,
                        curandStatePhilox4_32_10 *s) {
  *s = curandStatePhilox4_32_10();
  s->ctr = make_uint4(0, 0, 0, 0);
  s->key = make_uint2((unsigned)seed, (unsigned)(seed >> 32));
  s->STATE = 0;
  s->boxmuller_flag = s->boxmuller_flag_double = 0;
  skipahead_sequence(sequence, s);
  skipahead(offset, s);
}
inline unsigned curand(curandStatePhilox4_32_10 *s) {
  const unsigned place = s->STATE++;
  const unsigned word = place == 0   ? s->output.x
                        : place == 1 ? s->output.y
                        : place == 2 ? s->output.z
                                     : s->output.w;
  if (s->STATE == 4) {
    s->STATE = 0;
    cusim::advance(s->ctr, 1);
    s->output = cusim::philox(s->ctr, s->key);
  }
  return word;
}
inline uint4 curand4(curandStatePhilox4_32_10 *s) {
  uint4 r;
  r.x = curand(s), r.y = curand(s), r.z = curand(s), r.w = curand(s);
  return r;
}

// ---------------------------------------------------------------- XORWOW

extern "C" void cusim_xorwow_skip(unsigned *v, unsigned long long n, int shift);

struct curandStateXORWOW {
  unsigned d, v[5];
  int boxmuller_flag, boxmuller_flag_double;
  float boxmuller_extra;
  double boxmuller_extra_double;
};
typedef struct curandStateXORWOW curandStateXORWOW_t;
typedef struct curandStateXORWOW curandState_t;
typedef struct curandStateXORWOW curandState;

inline unsigned curand(curandStateXORWOW *s) {
  const unsigned t = s->v[0] ^ s->v[0] >> 2;
  for (int i = 0; i < 4; i++) s->v[i] = s->v[i + 1];
  s->v[4] = (s->v[4] ^ s->v[4] << 4) ^ (t ^ t << 1);
  s->d += 362437u;
  return s->v[4] + s->d;
}
inline void skipahead(unsigned long long n, curandStateXORWOW *s) {
  cusim_xorwow_skip(s->v, n, 0);
  s->d += 362437u * (unsigned)n;
}
// Sequences are 2^67 numbers apart.
inline void skipahead_sequence(unsigned long long n, curandStateXORWOW *s) {
  cusim_xorwow_skip(s->v, n, 67);
}
// Marsaglia's starting words, with the seed mixed in.
inline void curand_init(unsigned long long seed, unsigned long long sequence, unsigned long long offset,
                        curandStateXORWOW *s) {
  *s = curandStateXORWOW();
  const unsigned low = 1099087573u * ((unsigned)seed ^ 0xaad26b49u),
                 high = 2591861531u * ((unsigned)(seed >> 32) ^ 0xf7dcefddu);
  s->d = 6615241u + low + high;
  s->v[0] = 123456789u + low;
  s->v[1] = 362436069u ^ low;
  s->v[2] = 521288629u + high;
  s->v[3] = 88675123u ^ high;
  s->v[4] = 5783321u + low;
  s->boxmuller_flag = s->boxmuller_flag_double = 0;
  if (sequence) skipahead_sequence(sequence, s);
  if (offset) skipahead(offset, s);
}

// ---------------------------------------------------------------- MRG32k3a

struct curandStateMRG32k3a {
  double s1[3], s2[3];
  int boxmuller_flag, boxmuller_flag_double;
  float boxmuller_extra;
  double boxmuller_extra_double;
};
typedef struct curandStateMRG32k3a curandStateMRG32k3a_t;

namespace cusim {
constexpr unsigned long long mrg_m1 = 4294967087ull, mrg_m2 = 4294944443ull;
}
inline unsigned curand(curandStateMRG32k3a *s) {
  const unsigned long long m1 = cusim::mrg_m1, m2 = cusim::mrg_m2;
  const unsigned long long a =
      (1403580ull * (unsigned long long)s->s1[1] + (m1 - 810728ull) * (unsigned long long)s->s1[0] % m1) % m1;
  const unsigned long long b =
      (527612ull * (unsigned long long)s->s2[2] + (m2 - 1370589ull) * (unsigned long long)s->s2[0] % m2) % m2;
  for (int i = 0; i < 2; i++) s->s1[i] = s->s1[i + 1], s->s2[i] = s->s2[i + 1];
  s->s1[2] = (double)a, s->s2[2] = (double)b;
  return (unsigned)((a + m1 - b % m1) % m1);
}
inline void skipahead(unsigned long long n, curandStateMRG32k3a *s) {
  while (n-- > 0) curand(s);
}
inline void curand_init(unsigned long long seed, unsigned long long sequence, unsigned long long offset,
                        curandStateMRG32k3a *s) {
  *s = curandStateMRG32k3a();
  unsigned long long x = cusim::mixed(seed) ^ cusim::mixed(~sequence);
  for (int i = 0; i < 3; i++) {
    s->s1[i] = (double)((x = cusim::mixed(x)) % (cusim::mrg_m1 - 1) + 1);
    s->s2[i] = (double)((x = cusim::mixed(x)) % (cusim::mrg_m2 - 1) + 1);
  }
  s->boxmuller_flag = s->boxmuller_flag_double = 0;
  skipahead(offset, s);
}

// ---------------------------------------------------------------- distributions

// In (0, 1]: 0 never comes, 1 does.
template <class State>
inline float curand_uniform(State *s) {
  return (float)curand(s) * 0x1p-32f + 0x1p-33f;
}
template <class State>
inline double curand_uniform_double(State *s) {
  const unsigned long long low = curand(s), high = (unsigned long long)curand(s) << 21;
  return (double)(low ^ high) * 0x1p-53 + 0x1p-54;
}
template <class State>
inline float4 curand_uniform4(State *s) {
  float4 r;
  r.x = curand_uniform(s), r.y = curand_uniform(s), r.z = curand_uniform(s), r.w = curand_uniform(s);
  return r;
}
template <class State>
inline double2 curand_uniform2_double(State *s) {
  double2 r;
  r.x = curand_uniform_double(s), r.y = curand_uniform_double(s);
  return r;
}

// Pairs by Box and Muller; single ones keep the second for the next call.
template <class State>
inline float2 curand_normal2(State *s) {
  const float u = curand_uniform(s), v = curand_uniform(s) * 6.2831853f, r = std::sqrt(-2.0f * std::log(u));
  return make_float2(r * std::sin(v), r * std::cos(v));
}
template <class State>
inline double2 curand_normal2_double(State *s) {
  const double u = curand_uniform_double(s), v = curand_uniform_double(s) * 6.283185307179586,
               r = std::sqrt(-2.0 * std::log(u));
  return make_double2(r * std::sin(v), r * std::cos(v));
}
template <class State>
inline float curand_normal(State *s) {
  s->boxmuller_flag = !s->boxmuller_flag;
  if (!s->boxmuller_flag) return s->boxmuller_extra;
  const float2 pair = curand_normal2(s);
  s->boxmuller_extra = pair.y;
  return pair.x;
}
template <class State>
inline double curand_normal_double(State *s) {
  s->boxmuller_flag_double = !s->boxmuller_flag_double;
  if (!s->boxmuller_flag_double) return s->boxmuller_extra_double;
  const double2 pair = curand_normal2_double(s);
  s->boxmuller_extra_double = pair.y;
  return pair.x;
}
template <class State>
inline float4 curand_normal4(State *s) {
  const float2 a = curand_normal2(s), b = curand_normal2(s);
  return make_float4(a.x, a.y, b.x, b.y);
}
template <class State>
inline float curand_log_normal(State *s, float mean, float deviation) {
  return std::exp(mean + deviation * curand_normal(s));
}
template <class State>
inline double curand_log_normal_double(State *s, double mean, double deviation) {
  return std::exp(mean + deviation * curand_normal_double(s));
}
template <class State>
inline float2 curand_log_normal2(State *s, float mean, float deviation) {
  const float2 n = curand_normal2(s);
  return make_float2(std::exp(mean + deviation * n.x), std::exp(mean + deviation * n.y));
}
// Small rates by products of uniform numbers (Knuth), in parts whose exponentials stay in range.
template <class State>
inline unsigned curand_poisson(State *s, double rate) {
  unsigned count = 0;
  for (double rest = rate; rest > 0; rest -= 500) {
    const double limit = std::exp(-(rest < 500 ? rest : 500));
    for (double product = curand_uniform_double(s); product > limit; product *= curand_uniform_double(s))
      count++;
  }
  return count;
}
#endif
