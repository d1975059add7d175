// SPDX-License-Identifier: MIT
#include "nvtx3/nvToolsExtCudaRt.h"
