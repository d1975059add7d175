// SPDX-License-Identifier: MIT
// The source step: preprocessed CUDA C++ in, C++ out. It changes what the language adds (launches,
// qualifiers, shared and device variables) and leaves every other byte, line markers included, so that
// diagnostics and debug information point into the .cu file. What cannot be supported is an error that names
// the feature and its line.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steps.h"

enum { MOST_DEPTH = 4096 };
enum scope { SCOPE_NAMESPACE, SCOPE_CLASS, SCOPE_BODY };

// How many loops stand one in the other from the loop at i on, at most `most`; *end: behind its body.
static int loop_depth(const source *s, size_t i, int most, size_t *end) {
  size_t body = is(s, i + 1, "(") ? matching(s, i + 1) + 1 : i + 1;
  while (at(s, body)->kind == TOKEN_DIRECTIVE) body++;
  *end = is(s, body, "{") ? matching(s, body) : statement_end(s, body);
  int deepest = 0;
  for (size_t k = body; k < *end && most > 1;) {
    size_t behind = k + 1;
    if (is(s, k, "for") || is(s, k, "while")) {
      const int depth = loop_depth(s, k, most - 1, &behind);
      if (depth > deepest) deepest = depth;
      if (k == body) *end = behind;
    }
    k = behind;
  }
  return deepest + 1;
}

// `#pragma unroll [N]` in the host compiler's spelling. It is taken at its word there, and nests of whole
// unrolled loops would compile for minutes: only the inner ones are unrolled. It takes numbers alone: of
// template parameters, constants and macros, which CUDA takes, too, only the wish to unroll is left. Without
// N: all of a short loop.
static void unroll(source *s, size_t i) {
  enum { WHOLE = 64, SOME = 8, MOST_NESTED = 3 };
  static const char *const loops[] = {"for", "while", "do", NULL};
  const size_t length = at(s, i)->length;
  int used = 0;
  char *line = strndup(s->text + at(s, i)->start, length);
  if (line && sscanf(line, "# pragma unroll%n", &used) == 0 && used > 0) {
    size_t next = i + 1;
    while (at(s, next)->kind == TOKEN_DIRECTIVE) next++;
    const char *count = line + used + strspn(line + used, " \t(");
    char *behind;
    const unsigned long number = strtoul(count, &behind, 10);
    size_t end;
    if (!one_of(s, next, loops) || loop_depth(s, next, MOST_NESTED + 1, &end) > MOST_NESTED)
      drop(s, i);
    else if (behind != count && behind[strspn(behind, " \t)\r")] == 0)
      replace(s, at(s, i)->start, length, "#pragma GCC unroll %lu", number < 65535 ? number : 65534);
    else
      replace(s, at(s, i)->start, length, "#pragma GCC unroll %d", strcspn(count, "\r/") ? SOME : WHOLE);
  } else if (line && sscanf(line, "# pragma nounroll%n", &used) == 0 && used > 0) {
    drop(s, i);
  }
  free(line);
}

// ---------------------------------------------------------------- the walk

static enum scope scope_of_brace(const source *s, size_t first, size_t brace) {
  bool parenthesis = false;
  for (size_t i = first; i < brace; i++) {
    if (is(s, i, "namespace")) return SCOPE_NAMESPACE;
    if (is(s, i, "extern") && at(s, i + 1)->kind == TOKEN_STRING && i + 2 == brace) return SCOPE_NAMESPACE;
    parenthesis |= is(s, i, "(");
  }
  for (size_t i = first; i < brace && !parenthesis; i++)
    if (is(s, i, "struct") || is(s, i, "class") || is(s, i, "union") || is(s, i, "enum")) return SCOPE_CLASS;
  return SCOPE_BODY;
}

// "a.b." of the namespaces around; NULL for an unnamed one.
static char *inner_path(const source *s, const char *outer, size_t first, size_t brace) {
  if (!outer) return NULL;
  text_buffer path = {0};
  add_text(&path, "%s", outer);
  bool named = is(s, first, "extern");
  for (size_t i = first; i < brace; i++)
    if (is_name(s, i) && !is(s, i, "namespace") && !is(s, i, "inline") && !is(s, i, "extern")) {
      add_text(&path, "%.*s.", (int)at(s, i)->length, s->text + at(s, i)->start);
      named = true;
    }
  if (named) return path.text;
  free(path.text);
  return NULL;
}

typedef struct walker {
  enum scope scopes[MOST_DEPTH];
  char *paths[MOST_DEPTH];  // of namespaces
  bool device[MOST_DEPTH],
      host[MOST_DEPTH];  // inside a __device__ or __global__ function; a __host__ one, too
  int depth;
  size_t first;  // token of the current statement
} walker;

static bool in_body(const walker *w) {
  return w->depth > 0 && w->scopes[w->depth - 1] == SCOPE_BODY;
}

static void enter(source *s, walker *w, size_t brace) {
  const enum scope scope = in_body(w) ? SCOPE_BODY : scope_of_brace(s, w->first, brace);
  const char *outer = w->depth ? w->paths[w->depth - 1] : "";
  w->paths[w->depth] = scope == SCOPE_NAMESPACE ? inner_path(s, outer, w->first, brace) : NULL;
  bool device = w->depth && w->device[w->depth - 1], host = w->depth && w->host[w->depth - 1];
  for (size_t i = w->first; i < brace && scope == SCOPE_BODY; i++) {
    device |= is(s, i, "__device__") || is(s, i, "__global__");
    host |= is(s, i, "__host__");
  }
  w->device[w->depth] = device, w->host[w->depth] = host;
  w->scopes[w->depth++] = scope;
}

// A word that is not part of any larger construct. Returns the last token it took.
static size_t word(source *s, size_t i) {
  const bool in_attribute = is(s, i + 1, ")") || is(s, i + 1, ",");  // __attribute__((__noinline__)) is gcc's
  if (one_of(s, i, plain_words) && !in_attribute) {
    replace(s, at(s, i)->start, at(s, i)->length, "%s",
            is(s, i, "__forceinline__") ? "inline"
            : is(s, i, "__noinline__")  ? "__attribute__((noinline))"
                                        : "");
  } else if (one_of(s, i, call_words) && is(s, i + 1, "(")) {
    const size_t close = matching(s, i + 1);
    replace(s, at(s, i)->start, end_of(s, close) - at(s, i)->start, "%s", "");
    return close;
  } else if (is(s, i, "__assert_fail")) {
    replace(s, at(s, i)->start, at(s, i)->length, "cusim_assert_fail");
  } else if (is(s, i, "__align__") && is(s, i + 1, "(")) {
    // As an attribute it may stand where alignas may not: in a typedef, behind a type.
    replace(s, at(s, i)->start, at(s, i)->length, "__attribute__((aligned");
    replace(s, end_of(s, matching(s, i + 1)), 0, "))");
  } else if (s->dynamic_name && is(s, i - 1, "(") && is(s, i + 1, ")") &&
             at(s, i)->length == at(s, s->dynamic_name)->length &&
             !memcmp(s->text + at(s, i)->start, s->text + at(s, s->dynamic_name)->start, at(s, i)->length)) {
    replace(s, at(s, i)->start, 0, "+");  // as a pointer, which reinterpret_cast takes
  }
  return i;
}

// `texture<float, 2> name;`: CUDA 12 took references to textures away, cusim never had them.
static void refuse_texture(source *s, size_t first) {
  size_t i = is(s, first, "static") || is(s, first, "extern") ? first + 1 : first;
  if (!is(s, i, "texture") || !is(s, i + 1, "<")) return;
  const size_t behind = behind_angles(s, i + 1, s->tokens.count);
  for (size_t k = 0; k < i; k++)
    if ((is(s, k, "class") || is(s, k, "struct") || is(s, k, "using")) && is(s, k + 1, "texture")) return;
  if (behind > i + 1 && is_name(s, behind) && is(s, behind + 1, ";"))
    malformed(s, i,
              "texture references were removed in CUDA 12: use a texture object (cudaCreateTextureObject)");
}

// `object.member<true>(…)` in a template: nvcc knows the member for a template without the word that says so.
static void name_template(source *s, size_t i) {
  static const char *const no_operands[] = {"true", "false", "int",   "unsigned", "float",    "double",
                                            "bool", "char",  "short", "long",     "typename", NULL};
  if (i == 0 || !(is(s, i - 1, ".") || is(s, i - 1, "->")) || !is(s, i + 1, "<") ||
      !one_of(s, i + 2, no_operands))
    return;
  const size_t behind = behind_angles(s, i + 1, s->tokens.count);
  if (behind > i + 1 && is(s, behind, "(")) replace(s, at(s, i)->start, 0, "template ");
}

void rewrite(source *s) {
  static walker w;
  while (w.depth > 0) free(w.paths[--w.depth]);
  bool fresh = true;
  note_externs(s);
  for (size_t i = 0; !is_end(s, i); i++) {
    if (at(s, i)->kind == TOKEN_DIRECTIVE) {
      if (!s->traced) unroll(s, i);
      continue;
    }
    if (fresh) {
      w.first = i;
      fresh = false;
      const char *path = w.depth ? w.paths[w.depth - 1] : "";
      if (w.depth == 0 || w.scopes[w.depth - 1] == SCOPE_NAMESPACE) {
        rewrite_device_variable(s, i, path);
        refuse_texture(s, i);
      }
    }
    if (is(s, i, "{")) {
      if (w.depth == MOST_DEPTH) {
        malformed(s, i, "braces nested too deeply");
        return;
      }
      enter(s, &w, i);
      fresh = true;
    } else if (is(s, i, "}")) {
      if (w.depth > 0) free(w.paths[--w.depth]);
      fresh = true;
    } else if (is(s, i, ";")) {
      fresh = true;
    } else if (triple(s, i, "<")) {
      i = rewrite_launch(s, i);
    } else if (is(s, i, "__shared__")) {
      i = rewrite_shared(s, w.first, i, in_body(&w), w.depth == 0);
      fresh = true;
    } else if (w.depth && w.device[w.depth - 1] &&
               (is(s, i, "asm") || is(s, i, "__asm__") || is(s, i, "__asm")) &&
               (is(s, i + 1, "(") || is(s, i + 1, "volatile") || is(s, i + 1, "__volatile__"))) {
      i = rewrite_ptx(s, i);
    } else if (is_name(s, i)) {
      if (is(s, i, "__global__") && !in_body(&w)) rewrite_kernel(s, w.first, i);
      if (w.depth && w.device[w.depth - 1]) name_template(s, i);
      if (w.depth && w.device[w.depth - 1] && !w.host[w.depth - 1] && is(s, i, "cudaDeviceSynchronize") &&
          is(s, i + 1, "("))
        malformed(
            s, i,
            "cudaDeviceSynchronize in device code was removed in CUDA 12: no kernel waits for its children");
      i = word(s, i);
    }
  }
}
