// SPDX-License-Identifier: MIT
// The state of a barrier in memory, as cuda::barrier and __mbarrier_t have it: arrivals and bytes still
// missing in the running phase. A phase ends when both are none.
#ifndef CUSIM_PHASE_H
#define CUSIM_PHASE_H
#include "../cuda_runtime.h"

namespace cusim {

struct phase_barrier {
  // phase 4 bits, expected arrivals 20, missing arrivals 20, missing bytes 20 (with an offset: they may
  // arrive before they are announced)
  unsigned long long state;

  static constexpr unsigned long long most = (1 << 20) - 1, no_bytes = 1 << 19;
  static constexpr unsigned phase_of(unsigned long long state) { return (unsigned)(state >> 60); }
  static constexpr unsigned long long expected_of(unsigned long long state) { return state >> 40 & most; }
  static constexpr unsigned long long missing_of(unsigned long long state) { return state >> 20 & most; }
  static constexpr unsigned long long bytes_of(unsigned long long state) { return state & most; }
  static constexpr unsigned long long made_of(unsigned long long phase, unsigned long long expected,
                                              unsigned long long missing, unsigned long long bytes) {
    return (phase & 15) << 60 | expected << 40 | missing << 20 | bytes;
  }
  static constexpr bool is_over(unsigned long long state) {
    return missing_of(state) == 0 && bytes_of(state) == no_bytes;
  }
  static constexpr unsigned long long next_phase(unsigned long long state) {
    return made_of(phase_of(state) + 1, expected_of(state), expected_of(state), no_bytes);
  }

  void begin(unsigned long long count) { state = made_of(0, count, count, no_bytes); }

  // Announces bytes (negative: they have arrived), lets go of expected arrivals, arrives. Returns the phase
  // it was. Before the phase ends, the last one calls completion.
  template <class Completion>
  unsigned arrive(unsigned long long arrivals, unsigned long long dropped, long long bytes,
                  Completion completion) {
    bool over = false;
    __threadfence();
    const unsigned long long before = atomic_update(&state, [&](unsigned long long old) {
      const unsigned long long next =
          made_of(phase_of(old), expected_of(old) - dropped, missing_of(old) - arrivals,
                  bytes_of(old) + (unsigned long long)bytes);
      over = is_over(next);
      return next;
    });
    if (over) {
      completion();
      atomic_update(&state, [](unsigned long long old) { return next_phase(old); });
    }
    return phase_of(before);
  }
  // Has this phase (or one of this parity) ended?
  CUSIM_ATOMIC unsigned long long look(const phase_barrier *b) {
    return __atomic_load_n(&b->state, __ATOMIC_ACQUIRE);
  }
  bool ended(unsigned phase) const { return taken(phase_of(look(this)) != (phase & 15)); }
  bool ended_parity(bool parity) const { return taken((phase_of(look(this)) & 1) != parity); }
  void wait(unsigned phase) const {
    while (!ended(phase)) cusim_yield();
  }
  void wait_parity(bool parity) const {
    while (!ended_parity(parity)) cusim_yield();
  }

 private:
  // What the others did before they arrived is known from here on.
  bool taken(bool over) const {
    if (!over) return false;
    atomic_update(const_cast<unsigned long long *>(&state), [](unsigned long long old) { return old; });
    __threadfence();
    return true;
  }
};

}  // namespace cusim
#endif
