// SPDX-License-Identifier: MIT
// A preprocessed file under edit: tokens, replacements, and where a token stands in the user's files.
#ifndef CUSIM_SOURCE_H
#define CUSIM_SOURCE_H
#include "token.h"

// Replaces text[start, start + removed) by `insert`. Edits never overlap; they are applied in order of
// position, and in order of making where positions are equal.
typedef struct edit {
  size_t start, removed, order;
  char *insert;
} edit;

typedef struct source {
  char *text;
  size_t length;
  token_list tokens;
  edit *edits;
  size_t edit_count, edit_room;
  const char *tu;  // hexadecimal hash that tells translation units apart
  int sites, errors;
  bool traced, relocatable;                // the observed compilation; -rdc=true
  size_t *externs, extern_count;           // names of device variables declared extern
  size_t *file_shared, file_shared_count;  // names of shared variables at file scope
  size_t dynamic_name;                     // of `extern __shared__` at file scope; 0: none
} source;

// Text under construction; free .text.
typedef struct text_buffer {
  char *text;
  size_t length;
} text_buffer;

void *grown(void *p, size_t bytes);  // realloc that ends the process when memory is out
__attribute__((format(printf, 2, 3))) void add_text(text_buffer *buffer, const char *format, ...);

const token *at(const source *s, size_t i);
bool is(const source *s, size_t i, const char *word);
bool is_name(const source *s, size_t i);
bool is_end(const source *s, size_t i);
bool one_of(const source *s, size_t i, const char *const *words);  // words ends with NULL
size_t end_of(const source *s, size_t i);                          // position behind the token
bool triple(const source *s, size_t i, const char *c);             // <<< or >>>, also as << < and >> >

__attribute__((format(printf, 4, 5))) void replace(source *s, size_t start, size_t removed,
                                                   const char *format, ...);
void drop(source *s, size_t i);
// The whole file with its edits. Line ends of replaced parts are kept.
void write_edited(source *s, void (*put)(const char *text, size_t length, void *), void *arg);

// Brackets: (), [] and {}.
bool opens(const source *s, size_t i);
bool closes(const source *s, size_t i);
size_t matching(const source *s, size_t i);  // the bracket that closes the one at i, or the end token
// The bracket that opens the one closed at i; 0 if none. Between < and >, other brackets are passed as a
// whole: a comparison among template arguments stands in parentheses.
size_t matching_back(const source *s, size_t i, const char *open, const char *close);
// Behind the template arguments that open with the < at i, or i if no > closes them before `stop`.
size_t behind_angles(const source *s, size_t i, size_t stop);
// The `;` that ends the declaration at i.
size_t statement_end(const source *s, size_t i);

// The tokens from, … to - 1 on one line, without line markers and CUDA's qualifiers.
void add_tokens(text_buffer *buffer, const source *s, size_t from, size_t to);

// Where a position stands in the user's files. False in a system header.
bool locate(const source *s, size_t position, int *line, char *file, size_t size);

// Errors, with the user's file and line. `unsupported` is silent in system headers.
void unsupported(source *s, size_t i, const char *feature);
void malformed(source *s, size_t i, const char *what);
void warning(source *s, size_t i, const char *what);  // no error

// Words that only CUDA knows and that mean nothing on the host; words whose parentheses go with them.
extern const char *const plain_words[], *const call_words[];
// Words whose parentheses hold no parameters: alignas(…), decltype(…), …
extern const char *const with_parentheses[];
#endif
