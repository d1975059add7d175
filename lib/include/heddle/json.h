// SPDX-License-Identifier: MIT
#ifndef HEDDLE_JSON_H
#define HEDDLE_JSON_H
#include <stdio.h>

// Writes text as a JSON string with its quotes; control characters and quotes escaped.
static inline void hd_json_string(FILE *out, const char *text) {
  fputc('"', out);
  for (; *text; text++) {
    const unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\')
      fprintf(out, "\\%c", c);
    else if (c < 0x20)
      fprintf(out, "\\u%04x", c);
    else
      fputc(c, out);
  }
  fputc('"', out);
}
#endif
