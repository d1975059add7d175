// SPDX-License-Identifier: MIT
// What one operation takes on the device, and what issuing it costs the host.
#ifndef HEDDLE_LESSON_15_PROBE_H
#define HEDDLE_LESSON_15_PROBE_H
#include "relax.h"

#ifdef __cplusplus
extern "C" {
#endif

// Something to be issued to a stream.
typedef void probe_work(const void *what, void *stream);

// Device seconds of it, behind a kernel that keeps the stream busy until the host has issued everything. To
// be called while the device is idle; `scratch` is device memory of at least TINY floats.
double probe_device(float *scratch, probe_work *work, const void *what);

// Host seconds of a launch.
double probe_issue(float *scratch);

#ifdef __cplusplus
}
#endif
#endif
