// SPDX-License-Identifier: MIT
// threadIdx and its kin come with cuda_runtime.h here.
#include "cuda_runtime.h"
