// SPDX-License-Identifier: MIT
// Which streams, events, graphs, arrays, textures and libraries' handles are alive, so that a handle that is
// none is an error and no crash.
#ifndef CUSIM_HANDLES_H
#define CUSIM_HANDLES_H
#include <stdbool.h>

bool sim_handle_add(const void *handle);     // false: no memory
bool sim_handle_remove(const void *handle);  // false: it was none
bool sim_handle_known(const void *handle);
#endif
