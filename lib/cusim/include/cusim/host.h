// SPDX-License-Identifier: MIT
// The virtual clock and the host's own work. Programs for real GPUs cannot include this; they declare the
// function weak, and call it if it is there.
#ifndef CUSIM_HOST_H
#define CUSIM_HOST_H

#ifdef __cplusplus
extern "C" {
#endif

// The calling thread has done work that takes this long: its virtual clock goes on by that. Without it what
// the host computes between two calls takes no virtual time at all. The number is the program's and its times
// are as good as that.
void cusim_host_works(double seconds);

#ifdef __cplusplus
}
#endif
#endif
