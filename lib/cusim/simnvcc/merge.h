// SPDX-License-Identifier: MIT
// The two sides of a file that asks for __CUDA_ARCH__: preprocessed without it (host) and with it (device).
#ifndef CUSIM_MERGE_H
#define CUSIM_MERGE_H
#include "source.h"

// One text of both: kernels and device functions as the device sees them, host functions as the host does;
// functions for both hold both bodies where these differ and choose at run time. Declarations that only the
// device has come in addition. Where
// constants or types differ, the device's are taken, with a warning. The caller frees the text.
text_buffer merge_sides(source *host, const source *device);
#endif
