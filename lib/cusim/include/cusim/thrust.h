// SPDX-License-Identifier: MIT
// What every header of Thrust's includes.
#ifndef CUSIM_THRUST_H
#define CUSIM_THRUST_H
#include "thrust/algorithms.h"
#include "thrust/base.h"
#include "thrust/iterators.h"
#include "thrust/memory.h"
#include "thrust/random.h"
#endif
