/* SPDX-License-Identifier: MIT */
#include "cuda_awbarrier_primitives.h"
