// SPDX-License-Identifier: MIT
#include <cstdio>

extern "C" int from_library(void);
int from_device(void);
int from_host();

int main() {
  std::printf("%d %d %d\n", from_library(), from_device(), from_host());
  return 0;
}
