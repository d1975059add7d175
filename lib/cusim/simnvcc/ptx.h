// SPDX-License-Identifier: MIT
// Inline PTX under translation: what the reader of the asm statement (ptx.c) and that of one instruction
// (ptx_instruction.c) share.
#ifndef CUSIM_SIMNVCC_PTX_H
#define CUSIM_SIMNVCC_PTX_H
#include "source.h"

enum { MOST_OPERANDS = 64, MOST_PARTS = 16, MOST_LENGTH = 96 };

typedef struct piece {  // of the asm's text
  const char *from;
  size_t length;
} piece;

typedef struct translation {
  source *s;
  size_t site;       // the asm token
  int outputs, all;  // operands
  text_buffer out;
  bool failed;
} translation;

bool ptx_same(piece p, const char *word);
// An error that names a part of the text; later ones of the same asm are not said.
void ptx_fails(translation *t, const char *what, piece name);
// The C++ of an operand: %0, a register, a number. The address [base + 16] as a pointer to a type of
// cusim::ptx.
void ptx_add_operand(translation *t, text_buffer *out, piece p);
void ptx_add_address(translation *t, text_buffer *out, piece p, const char *type);
// What stands between commas (and the | of two destinations), brackets kept whole. Returns how many, at most
// room.
int ptx_split(const char *from, const char *to, piece *pieces, int room);

// cusim::ptx's name of PTX's type, without the dot; NULL if unknown.
const char *ptx_type(const char *word);
// Adds the C++ of `code operands`.
void ptx_instruction(translation *t, piece code, const char *from, const char *to);
#endif
