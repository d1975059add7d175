// SPDX-License-Identifier: MIT
// What every header of CUB's includes.
#ifndef CUSIM_CUB_H
#define CUSIM_CUB_H
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <chrono>  // which NVIDIA's brings along, and programs rely on it

#include "cub/base.h"
#include "cub/block.h"
#include "cub/device.h"
#endif
