// SPDX-License-Identifier: MIT
// Thrust's random engines and distributions, and complex numbers: C++'s. Their values are not NVIDIA's.
#ifndef CUSIM_THRUST_RANDOM_H
#define CUSIM_THRUST_RANDOM_H
#include <cmath>
#include <complex>
#include <iostream>
#include <random>

#include "base.h"

namespace thrust {
using std::complex;

namespace random {
using default_random_engine = std::minstd_rand;
using std::minstd_rand;
using std::minstd_rand0;
using std::normal_distribution;
using std::ranlux24;
using std::ranlux48;
using taus88 = std::mt19937;
using std::uniform_int_distribution;
using std::uniform_real_distribution;
namespace experimental {
using std::normal_distribution;
}
}  // namespace random
using random::default_random_engine;
using random::minstd_rand;
using random::minstd_rand0;
using random::normal_distribution;
using random::ranlux24;
using random::ranlux48;
using random::taus88;
using random::uniform_int_distribution;
using random::uniform_real_distribution;

using std::abs;
using std::arg;
using std::conj;
using std::exp;
using std::log;
using std::norm;
using std::polar;
using std::pow;
using std::sqrt;
}  // namespace thrust
#endif
