// SPDX-License-Identifier: MIT
// What the walk over a file calls for each of CUDA's extensions (launch.c, ptx.c, variable.c).
#ifndef CUSIM_STEPS_H
#define CUSIM_STEPS_H
#include "source.h"

// The whole step: notes the edits of s, and its errors.
void rewrite(source *s);

// `k<<<…>>>(…)` with <<< at i: a call of the kernel's stub. Returns the last token of <<<…>>>.
size_t rewrite_launch(source *s, size_t i);
// The declaration from `first` with __global__ at i: if it defines a kernel, its body becomes the stub's.
void rewrite_kernel(source *s, size_t first, size_t i);

// asm in device code, with the word at i: C++ in the place of its PTX. Returns its last token.
size_t rewrite_ptx(source *s, size_t i);

// Notes which device variables are declared extern; before the walk.
void note_externs(source *s);
// A declaration at namespace scope: a device variable becomes one weak symbol that both passes share. path:
// the namespaces around it, as a part of its symbol's name.
void rewrite_device_variable(source *s, size_t first, const char *path);
// The declaration from `first` with __shared__ at `word`; outermost: in no namespace. Returns its `;`.
size_t rewrite_shared(source *s, size_t first, size_t word, bool in_body, bool outermost);
#endif
