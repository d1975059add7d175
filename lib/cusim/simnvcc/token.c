// SPDX-License-Identifier: MIT
#include "token.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool name_start(char c) {
  return isalpha((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}
static bool name_part(char c) {
  return name_start(c) || isdigit((unsigned char)c);
}

static void append(token_list *list, size_t *room, enum token_kind kind, size_t start, size_t length) {
  if (list->count == *room) {
    *room = *room ? *room * 2 : 4096;
    list->at = realloc(list->at, *room * sizeof *list->at);
    if (!list->at) {
      fprintf(stderr, "cusim-rewrite: out of memory\n");
      exit(1);
    }
  }
  list->at[list->count++] = (token){kind, start, length};
}

static size_t line_end(const char *text, size_t i, size_t length) {
  while (i < length && text[i] != '\n') i += text[i] == '\\' && i + 1 < length ? 2 : 1;
  return i < length ? i : length;
}

// After the opening quote at i: the index behind the closing one.
static size_t quoted_end(const char *text, size_t i, size_t length) {
  char quote = text[i++];
  while (i < length && text[i] != quote && text[i] != '\n') i += text[i] == '\\' && i + 1 < length ? 2 : 1;
  return i < length ? i + 1 : length;
}

// R"delimiter( … )delimiter": i is at the quote.
static size_t raw_end(const char *text, size_t i, size_t length) {
  size_t open = i + 1;
  while (open < length && text[open] != '(') open++;
  size_t mark = open - i - 1;
  for (size_t j = open; j + mark + 1 < length; j++)
    if (text[j] == ')' && !memcmp(text + j + 1, text + i + 1, mark) && text[j + 1 + mark] == '"')
      return j + mark + 2;
  return length;
}

static bool string_prefix(const char *text, size_t start, size_t length) {
  static const char *const prefixes[] = {"u8", "u", "U", "L", "R", "u8R", "uR", "UR", "LR"};
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
    if (strlen(prefixes[i]) == length && !memcmp(text + start, prefixes[i], length)) return true;
  return false;
}

static size_t number_end(const char *text, size_t i, size_t length) {
  while (i < length) {
    char c = text[i];
    bool exponent_sign = (c == '+' || c == '-') && strchr("eEpP", text[i - 1]);
    bool separator = c == '\'' && i + 1 < length && name_part(text[i + 1]);
    if (!name_part(c) && c != '.' && !exponent_sign && !separator) break;
    i++;
  }
  return i;
}

token_list token_split(const char *text, size_t length) {
  token_list list = {0};
  size_t room = 0, i = 0;
  bool line_start = true;
  while (i < length) {
    char c = text[i];
    size_t start = i;
    if (c == '\n') line_start = true;
    if (isspace((unsigned char)c)) {
      i++;
      continue;
    }
    if (c == '/' && i + 1 < length && text[i + 1] == '/') {
      i = line_end(text, i, length);
      continue;
    }
    if (c == '/' && i + 1 < length && text[i + 1] == '*') {
      const char *close = i + 2 < length ? memmem(text + i + 2, length - i - 2, "*/", 2) : NULL;
      i = close ? (size_t)(close - text) + 2 : length;
      continue;
    }
    enum token_kind kind = TOKEN_PUNCTUATION;
    if (c == '#' && line_start) {
      kind = TOKEN_DIRECTIVE;
      i = line_end(text, i, length);
    } else if (c == '"' || c == '\'') {
      kind = TOKEN_STRING;
      i = quoted_end(text, i, length);
    } else if (name_start(c)) {
      kind = TOKEN_NAME;
      while (i < length && name_part(text[i])) i++;
      if (i < length && (text[i] == '"' || text[i] == '\'') && string_prefix(text, start, i - start)) {
        kind = TOKEN_STRING;
        i = text[i - 1] == 'R' && text[i] == '"' ? raw_end(text, i, length) : quoted_end(text, i, length);
      }
    } else if (isdigit((unsigned char)c) ||
               (c == '.' && i + 1 < length && isdigit((unsigned char)text[i + 1]))) {
      kind = TOKEN_NUMBER;
      i = number_end(text, i + 1, length);
    } else if (i + 1 < length && ((c == ':' && text[i + 1] == ':') || (c == '-' && text[i + 1] == '>'))) {
      i += 2;
    } else {
      i++;
    }
    line_start = false;
    append(&list, &room, kind, start, i - start);
  }
  append(&list, &room, TOKEN_END, length, 0);
  return list;
}

bool token_is(const char *text, const token *t, const char *word) {
  return t->length == strlen(word) && !memcmp(text + t->start, word, t->length);
}
