// SPDX-License-Identifier: MIT
#include "source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const plain_words[] = {"__global__",      "__device__",   "__constant__",
                                   "__managed__",     "__host__",     "__grid_constant__",
                                   "__forceinline__", "__noinline__", NULL};
const char *const call_words[] = {"__launch_bounds__", "__cluster_dims__", "__maxnreg__", NULL};
const char *const with_parentheses[] = {"__align__", "alignas",  "__attribute__",
                                        "decltype",  "requires", NULL};

const token *at(const source *s, size_t i) {
  return &s->tokens.at[i < s->tokens.count ? i : s->tokens.count - 1];
}
bool is(const source *s, size_t i, const char *word) {
  return token_is(s->text, at(s, i), word);
}
bool is_name(const source *s, size_t i) {
  return at(s, i)->kind == TOKEN_NAME;
}
bool is_end(const source *s, size_t i) {
  return at(s, i)->kind == TOKEN_END;
}
bool one_of(const source *s, size_t i, const char *const *words) {
  for (; *words; words++)
    if (is(s, i, *words)) return true;
  return false;
}
size_t end_of(const source *s, size_t i) {
  return at(s, i)->start + at(s, i)->length;
}
bool triple(const source *s, size_t i, const char *c) {
  return is(s, i, c) && is(s, i + 1, c) && is(s, i + 2, c) && at(s, i + 1)->start == at(s, i)->start + 1;
}

// ---------------------------------------------------------------- text and edits

static _Noreturn void out_of_memory(void) {
  fprintf(stderr, "cusim-rewrite: out of memory\n");
  exit(1);
}

void *grown(void *p, size_t bytes) {
  p = realloc(p, bytes);
  if (!p) out_of_memory();
  return p;
}

static char *formatted(const char *format, va_list arguments) {
  char *text = NULL;
  if (vasprintf(&text, format, arguments) < 0) out_of_memory();
  return text;
}

void add_text(text_buffer *buffer, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *more = formatted(format, arguments);
  va_end(arguments);
  const size_t length = strlen(more);
  buffer->text = grown(buffer->text, buffer->length + length + 1);
  memcpy(buffer->text + buffer->length, more, length + 1);
  buffer->length += length;
  free(more);
}

void replace(source *s, size_t start, size_t removed, const char *format, ...) {
  if (s->edit_count == s->edit_room) {
    s->edit_room = s->edit_room ? 2 * s->edit_room : 256;
    s->edits = grown(s->edits, s->edit_room * sizeof *s->edits);
  }
  va_list arguments;
  va_start(arguments, format);
  char *insert = formatted(format, arguments);
  va_end(arguments);
  s->edits[s->edit_count] = (edit){start, removed, s->edit_count, insert};
  s->edit_count++;
}

void drop(source *s, size_t i) {
  replace(s, at(s, i)->start, at(s, i)->length, "%s", "");
}

static int in_order(const void *a, const void *b) {
  const edit *x = a, *y = b;
  if (x->start != y->start) return x->start < y->start ? -1 : 1;
  return x->order < y->order ? -1 : 1;
}

void write_edited(source *s, void (*put)(const char *text, size_t length, void *), void *arg) {
  if (s->edit_count) qsort(s->edits, s->edit_count, sizeof *s->edits, in_order);
  size_t done = 0;
  for (size_t i = 0; i < s->edit_count; i++) {
    const edit *e = &s->edits[i];
    if (e->start < done && e->removed) continue;  // inside a part that was replaced as a whole
    if (e->start > done) put(s->text + done, e->start - done, arg);
    put(e->insert, strlen(e->insert), arg);
    // Lines must still count: a replaced part leaves its line ends behind.
    for (size_t p = e->start; p < e->start + e->removed; p++)
      if (s->text[p] == '\n') put("\n", 1, arg);
    if (e->start + e->removed > done) done = e->start + e->removed;
  }
  put(s->text + done, s->length - done, arg);
}

// ---------------------------------------------------------------- brackets

bool opens(const source *s, size_t i) {
  return is(s, i, "(") || is(s, i, "[") || is(s, i, "{");
}
bool closes(const source *s, size_t i) {
  return is(s, i, ")") || is(s, i, "]") || is(s, i, "}");
}

size_t matching(const source *s, size_t i) {
  int depth = 0;
  for (; !is_end(s, i); i++) {
    if (opens(s, i)) depth++;
    if (closes(s, i) && --depth == 0) return i;
  }
  return i;
}

size_t matching_back(const source *s, size_t i, const char *open, const char *close) {
  int depth = 0;
  for (;; i--) {
    if (is(s, i, close)) depth++;
    if (is(s, i, open) && --depth == 0) return i;
    if (*open == '<' && is(s, i, ")")) i = matching_back(s, i, "(", ")");
    if (i == 0) return 0;
  }
}

size_t behind_angles(const source *s, size_t i, size_t stop) {
  int depth = 0;
  for (size_t k = i; k < stop && !is_end(s, k); k++) {
    if (is(s, k, "<")) depth++;
    if (is(s, k, ">") && --depth == 0) return k + 1;
    if (is(s, k, ";")) return i;
    if (opens(s, k)) k = matching(s, k);
  }
  return i;
}

size_t statement_end(const source *s, size_t i) {
  while (!is_end(s, i) && !is(s, i, ";")) i = opens(s, i) ? matching(s, i) + 1 : i + 1;
  return i;
}

void add_tokens(text_buffer *buffer, const source *s, size_t from, size_t to) {
  size_t last = 0;
  for (size_t i = from; i < to && !is_end(s, i); i++) {
    if (at(s, i)->kind == TOKEN_DIRECTIVE || one_of(s, i, plain_words)) continue;
    const bool apart = last == 0 || end_of(s, last) != at(s, i)->start;
    if (is(s, i, "__align__"))
      add_text(buffer, " alignas");
    else
      add_text(buffer, "%s%.*s", apart ? " " : "", (int)at(s, i)->length, s->text + at(s, i)->start);
    last = i;
  }
}

// ---------------------------------------------------------------- where a token stands in the user's files

// The last line marker before a position: `# LINE "FILE" FLAGS`; flag 3 marks a system header.
bool locate(const source *s, size_t position, int *line, char *file, size_t size) {
  *line = 1;
  snprintf(file, size, "?");
  bool system_header = false;
  size_t counted = 0;
  for (size_t i = 0; i < s->tokens.count && at(s, i)->start < position; i++) {
    if (at(s, i)->kind != TOKEN_DIRECTIVE) continue;
    int number = 0;
    char name[512] = "";
    char *copy = strndup(s->text + at(s, i)->start, at(s, i)->length);
    if (copy && sscanf(copy, "# %9d \"%511[^\"]\"", &number, name) == 2) {
      *line = number - 1;
      snprintf(file, size, "%s", name);
      const char *flags = strrchr(copy, '"');
      system_header = flags && strchr(flags, '3');
      counted = end_of(s, i);
    }
    free(copy);
  }
  for (size_t p = counted; p < position; p++) *line += s->text[p] == '\n';
  return !system_header;
}

void unsupported(source *s, size_t i, const char *feature) {
  int line;
  char file[512];
  if (!locate(s, at(s, i)->start, &line, file, sizeof file)) return;
  fprintf(stderr, "%s:%d: error: cusim does not support %s\n", file, line, feature);
  s->errors++;
}

void malformed(source *s, size_t i, const char *what) {
  int line;
  char file[512];
  locate(s, at(s, i)->start, &line, file, sizeof file);
  fprintf(stderr, "%s:%d: error: %s\n", file, line, what);
  s->errors++;
}

void warning(source *s, size_t i, const char *what) {
  int line;
  char file[512];
  if (locate(s, at(s, i)->start, &line, file, sizeof file))
    fprintf(stderr, "%s:%d: warning: %s\n", file, line, what);
}
