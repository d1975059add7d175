// SPDX-License-Identifier: MIT
// What a lesson is busy with, on one line of a terminal (stderr) once it has taken two seconds; nothing at
// all elsewhere. To be called by the thread that prints.
#ifndef HEDDLE_PROGRESS_H
#define HEDDLE_PROGRESS_H

// What is done from now on: "checking openmp". NULL: nothing, and the line is gone before something is
// printed.
void hd_progress(const char *what, const char *name);

// How much of it is done, 0 … 1: the line gets a bar.
void hd_progress_share(double share);
#endif
