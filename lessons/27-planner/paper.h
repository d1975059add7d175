// SPDX-License-Identifier: MIT
// What the planner knows without running a layout, as CSV on stdout.
#ifndef HEDDLE_LESSON_27_PAPER_H
#define HEDDLE_LESSON_27_PAPER_H
// All layouts of so many devices, with the memory that those which do not fit would need.
void print_grid(int devices, long width);
// The best layouts on 1, 2, 4 … devices, for a batch and a network large enough for them: on paper only.
void print_what_if(int most, long width);
#endif
