// SPDX-License-Identifier: MIT
#ifndef CUSIM_EXEC_SYMBOLS_H
#define CUSIM_EXEC_SYMBOLS_H
// Adds two to the other file's static device variable `shared_name`, 30 at first, and returns it.
int bump_other(void);
#endif
