// SPDX-License-Identifier: MIT
#include <cuda_runtime.h>

int from_host() {
  int devices = 0;
  cudaGetDeviceCount(&devices);
  return devices;
}
