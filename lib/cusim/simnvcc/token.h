// SPDX-License-Identifier: MIT
// Tokens of preprocessed C++: just enough of the grammar to find CUDA's extensions and leave the rest
// untouched.
#ifndef CUSIM_TOKEN_H
#define CUSIM_TOKEN_H
#include <stdbool.h>
#include <stddef.h>

enum token_kind { TOKEN_NAME, TOKEN_NUMBER, TOKEN_STRING, TOKEN_PUNCTUATION, TOKEN_DIRECTIVE, TOKEN_END };

typedef struct token {
  enum token_kind kind;
  size_t start, length;  // in the text
} token;

typedef struct token_list {
  token *at;  // count tokens, the last one TOKEN_END
  size_t count;
} token_list;

// Splits text[0..length) into tokens; blanks and comments lie between them. `<`, `>` and the other operators
// come one character at a time, except `::` and `->`. The caller frees list.at. Ends the process when memory
// is out.
token_list token_split(const char *text, size_t length);

// Does the token spell this word?
bool token_is(const char *text, const token *token, const char *word);
#endif
