// SPDX-License-Identifier: MIT
// Barriers in shared memory as plain functions. A token is the phase of its arrival.
#ifndef CUSIM_CUDA_AWBARRIER_PRIMITIVES_H
#define CUSIM_CUDA_AWBARRIER_PRIMITIVES_H
#include "cusim/phase.h"

typedef cusim::phase_barrier __mbarrier_t;
typedef unsigned __mbarrier_token_t;

inline unsigned __mbarrier_maximum_count() {
  return (unsigned)cusim::phase_barrier::most;
}
inline void __mbarrier_init(__mbarrier_t *b, unsigned expected) {
  b->begin(expected);
}
inline void __mbarrier_inval(__mbarrier_t *b) {
  b->state = 0;
}
inline __mbarrier_token_t __mbarrier_arrive(__mbarrier_t *b) {
  return b->arrive(1, 0, 0, [] {});
}
inline __mbarrier_token_t __mbarrier_arrive_and_drop(__mbarrier_t *b) {
  return b->arrive(1, 1, 0, [] {});
}
inline bool __mbarrier_test_wait(__mbarrier_t *b, __mbarrier_token_t token) {
  if (b->ended(token)) return true;
  cusim_yield();  // who asks again and again lets the others run
  return false;
}
inline bool __mbarrier_try_wait(__mbarrier_t *b, __mbarrier_token_t token, unsigned = 0) {
  return __mbarrier_test_wait(b, token);
}
inline bool __mbarrier_test_wait_parity(__mbarrier_t *b, bool parity) {
  if (b->ended_parity(parity)) return true;
  cusim_yield();
  return false;
}
inline bool __mbarrier_try_wait_parity(__mbarrier_t *b, bool parity, unsigned = 0) {
  return __mbarrier_test_wait_parity(b, parity);
}
#endif
