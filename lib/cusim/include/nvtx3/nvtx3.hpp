// SPDX-License-Identifier: MIT
// NVTX for C++: a range that lasts as long as its object.
#ifndef CUSIM_NVTX3_HPP
#define CUSIM_NVTX3_HPP
#include <string>

#include "nvToolsExt.h"

namespace nvtx3 {
class scoped_range {
 public:
  explicit scoped_range(const char *name) { nvtxRangePushA(name); }
  explicit scoped_range(const std::string &name) : scoped_range(name.c_str()) {}
  scoped_range(const scoped_range &) = delete;
  scoped_range &operator=(const scoped_range &) = delete;
  ~scoped_range() { nvtxRangePop(); }
};
inline void mark(const char *name) {
  nvtxMarkA(name);
}
}  // namespace nvtx3
#define NVTX3_FUNC_RANGE() ::nvtx3::scoped_range cusim_function_range(__func__)
#endif
