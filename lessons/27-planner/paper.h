// SPDX-License-Identifier: MIT
// What the planner knows without running a layout.
#ifndef HEDDLE_LESSON_27_PAPER_H
#define HEDDLE_LESSON_27_PAPER_H
enum { WHAT_IF_SIZES = 11 };  // 1, 2, 4 … 1024 devices

// As CSV on stdout: all layouts of so many devices, with the memory that those which do not fit would need.
void print_grid(int devices, long width);
// The best layouts on 1, 2, 4 … devices, for a batch and a network large enough for them: 4096 rows, 32
// blocks.
void print_what_if(int most, long width);
// Their seconds per step, NAN where there is no layout.
void what_if(long width, double seconds[WHAT_IF_SIZES]);
#endif
