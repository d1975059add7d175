// SPDX-License-Identifier: MIT
// The source step: preprocessed CUDA C++ in, C++ out. It changes what the language adds (launches,
// qualifiers, shared and device variables) and leaves every other byte, line markers included, so that
// diagnostics and debug information point into the .cu file. What cannot be supported is an error that names
// the feature and its line. usage: cusim-rewrite IN OUT TU      (TU: hexadecimal hash that tells translation
// units apart)
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "token.h"

enum { MOST_DEPTH = 4096 };
enum scope { SCOPE_NAMESPACE, SCOPE_CLASS, SCOPE_BODY };

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
  const char *tu;
  int sites, errors;
  bool traced;
} source;

static const token *at(const source *s, size_t i) {
  return &s->tokens.at[i < s->tokens.count ? i : s->tokens.count - 1];
}
static bool is(const source *s, size_t i, const char *word) {
  return token_is(s->text, at(s, i), word);
}
static size_t end_of(const source *s, size_t i) {
  return at(s, i)->start + at(s, i)->length;
}

static void *grown(void *p, size_t bytes) {
  p = realloc(p, bytes);
  if (p) return p;
  fprintf(stderr, "cusim-rewrite: out of memory\n");
  exit(1);
}

__attribute__((format(printf, 4, 5))) static void replace(source *s, size_t start, size_t removed,
                                                          const char *format, ...) {
  if (s->edit_count == s->edit_room) {
    s->edit_room = s->edit_room ? 2 * s->edit_room : 256;
    s->edits = grown(s->edits, s->edit_room * sizeof *s->edits);
  }
  va_list arguments;
  va_start(arguments, format);
  char *insert = NULL;
  if (vasprintf(&insert, format, arguments) < 0) insert = grown(NULL, 1), *insert = 0;
  va_end(arguments);
  s->edits[s->edit_count] = (edit){start, removed, s->edit_count, insert};
  s->edit_count++;
}

static void drop(source *s, size_t i) {
  replace(s, at(s, i)->start, at(s, i)->length, "%s", "");
}

// ---------------------------------------------------------------- where a token stands in the user's files

// The last line marker before a position: `# LINE "FILE" FLAGS`; flag 3 marks a system header.
static bool locate(const source *s, size_t position, int *line, char *file, size_t size) {
  *line = 1;
  snprintf(file, size, "?");
  bool system_header = false;
  size_t counted = 0;
  for (size_t i = 0; i < s->tokens.count && at(s, i)->start < position; i++) {
    if (at(s, i)->kind != TOKEN_DIRECTIVE) continue;
    int number = 0;
    char name[512] = "";
    char *copy = strndup(s->text + at(s, i)->start, at(s, i)->length);
    if (copy && sscanf(copy, "# %d \"%511[^\"]\"", &number, name) == 2) {
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

static void unsupported(source *s, size_t i, const char *feature) {
  int line;
  char file[512];
  if (!locate(s, at(s, i)->start, &line, file, sizeof file)) return;
  fprintf(stderr, "%s:%d: error: cusim does not support %s\n", file, line, feature);
  s->errors++;
}

static void malformed(source *s, size_t i, const char *what) {
  int line;
  char file[512];
  locate(s, at(s, i)->start, &line, file, sizeof file);
  fprintf(stderr, "%s:%d: error: %s\n", file, line, what);
  s->errors++;
}

// ---------------------------------------------------------------- brackets

static bool opens(const source *s, size_t i) {
  return is(s, i, "(") || is(s, i, "[") || is(s, i, "{");
}
static bool closes(const source *s, size_t i) {
  return is(s, i, ")") || is(s, i, "]") || is(s, i, "}");
}

// The bracket that closes the one at i, or the end token.
static size_t matching(const source *s, size_t i) {
  int depth = 0;
  for (; at(s, i)->kind != TOKEN_END; i++) {
    if (opens(s, i)) depth++;
    if (closes(s, i) && --depth == 0) return i;
  }
  return i;
}

// The bracket that opens the one closed at i; 0 if none. Between < and >, other brackets are passed as a
// whole: a comparison among template arguments stands in parentheses.
static size_t matching_back(const source *s, size_t i, const char *open, const char *close) {
  int depth = 0;
  for (;; i--) {
    if (is(s, i, close)) depth++;
    if (is(s, i, open) && --depth == 0) return i;
    if (*open == '<' && is(s, i, ")")) i = matching_back(s, i, "(", ")");
    if (i == 0) return 0;
  }
}

// ---------------------------------------------------------------- launches

static bool triple(const source *s, size_t i, const char *c) {
  return is(s, i, c) && is(s, i + 1, c) && is(s, i + 2, c) && at(s, i + 1)->start == at(s, i)->start + 1 &&
         at(s, i + 2)->start == at(s, i)->start + 2;
}

// The first token of the kernel's expression that ends before `<<<` at i: ns::k, k<T, 32>, (*pointer),
// table[j].
static size_t kernel_start(const source *s, size_t i) {
  size_t k = i - 1;
  for (;;) {
    if (is(s, k, ">"))
      k = matching_back(s, k, "<", ">") - 1;
    else if (is(s, k, "]"))
      k = matching_back(s, k, "[", "]") - 1;
    else if (is(s, k, ")"))
      k = matching_back(s, k, "(", ")");
    else
      break;
    if (is(s, k, "(")) break;
  }
  while (k >= 1 && (is(s, k - 1, "::") || is(s, k - 1, ".") || is(s, k - 1, "->"))) {
    if (k >= 2 && at(s, k - 2)->kind == TOKEN_NAME && !is(s, k - 2, "return"))
      k -= 2;
    else
      return k - 1;
  }
  return k;
}

static char *quoted(const char *text, size_t length) {
  char *out = grown(NULL, 2 * length + 1), *p = out;
  for (size_t i = 0; i < length; i++) {
    if (text[i] == '"' || text[i] == '\\') *p++ = '\\';
    *p++ = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
  }
  *p = 0;
  return out;
}

// A literal zero may mean a null pointer, which a deduced int no longer can. The preprocessor puts line
// markers around macros of system headers, as NULL is one.
static void keep_null_arguments(source *s, size_t open, size_t close) {
  for (size_t i = open + 1; i < close; i++) {
    size_t before = i - 1, behind = i + 1;
    while (at(s, before)->kind == TOKEN_DIRECTIVE) before--;
    while (at(s, behind)->kind == TOKEN_DIRECTIVE) behind++;
    const bool alone = (before == open || is(s, before, ",")) && (behind == close || is(s, behind, ","));
    if (alone && is(s, i, "0")) replace(s, at(s, i)->start, 1, "::cusim::zero{}");
    if (alone && is(s, i, "__null")) replace(s, at(s, i)->start, at(s, i)->length, "nullptr");
    if (opens(s, i)) i = matching(s, i);
  }
}

static void launch(source *s, size_t i) {
  const size_t first = kernel_start(s, i);
  size_t end = i + 3;
  while (at(s, end)->kind != TOKEN_END && !triple(s, end, ">"))
    end = opens(s, end) ? matching(s, end) + 1 : end + 1;
  const size_t open = end + 3;
  if (at(s, end)->kind == TOKEN_END || !is(s, open, "(")) {
    malformed(s, i, "a kernel launch needs <<<grid, block>>> and then its arguments in parentheses");
    return;
  }
  const size_t close = matching(s, open), start = at(s, first)->start;
  const size_t length = end_of(s, i - 1) - start;
  char *name = quoted(s->text + start, length);
  replace(s, start, at(s, i + 2)->start + 1 - start,
          "::cusim::launch<0x%sull, %d>(\"%s\", [=](auto... cusim_a) { %.*s(cusim_a...); }, ::cusim::config(",
          s->tu, s->sites++, name, (int)length, s->text + start);
  replace(s, at(s, end)->start, end_of(s, open) - at(s, end)->start, close == open + 1 ? ")" : "), ");
  keep_null_arguments(s, open, close);
  free(name);
}

// ---------------------------------------------------------------- qualifiers and variables

static bool one_of(const source *s, size_t i, const char *const *words) {
  for (; *words; words++)
    if (is(s, i, *words)) return true;
  return false;
}

static const char *const device_words[] = {"__device__", "__constant__", "__managed__", NULL};
static const char *const plain_words[] = {"__global__",      "__device__",   "__constant__",
                                          "__managed__",     "__host__",     "__grid_constant__",
                                          "__forceinline__", "__noinline__", NULL};
static const char *const call_words[] = {"__launch_bounds__", "__cluster_dims__", "__maxnreg__", NULL};

// Behind the declarator's name and dimensions, for each variable of the declaration that starts at i and ends
// with the `;` at stop: calls use(name token, first token behind the dimensions).
static void each_declarator(source *s, size_t i, size_t stop,
                            void (*use)(source *, size_t name, size_t behind, void *), void *arg) {
  size_t name = 0;
  bool initialiser = false;
  for (; i <= stop; i++) {
    if (is(s, i, "<") && !initialiser) {
      int depth = 0;
      for (; i < stop; i++) {
        depth += is(s, i, "<");
        depth -= is(s, i, ">");
        if (depth == 0) break;
      }
      continue;
    }
    if (at(s, i)->kind == TOKEN_NAME && !initialiser) {
      if ((is(s, i, "__align__") || is(s, i, "alignas") || is(s, i, "__attribute__") ||
           is(s, i, "decltype")) &&
          is(s, i + 1, "("))
        i = matching(s, i + 1);
      else
        name = i;
    } else if (is(s, i, "[") || is(s, i, "=") || is(s, i, "{") || is(s, i, ",") || i == stop) {
      if (!initialiser && name) {
        size_t behind = i;
        while (is(s, behind, "[")) behind = matching(s, behind) + 1;
        use(s, name, behind, arg);
        name = 0;
        i = behind;
        initialiser = true;
        if (i == stop) break;
      }
      if (is(s, i, ","))
        initialiser = false;
      else if (opens(s, i))
        i = matching(s, i);
    } else if (opens(s, i)) {
      i = matching(s, i);
    }
  }
}

static void label_variable(source *s, size_t name, size_t behind, void *arg) {
  const token *n = at(s, name);
  replace(s, end_of(s, behind - 1), 0, " __asm__(\"cusimvar_%s%.*s\")", (const char *)arg, (int)n->length,
          s->text + n->start);
}

// The `;` that ends the declaration at i.
static size_t statement_end(const source *s, size_t i) {
  while (at(s, i)->kind != TOKEN_END && !is(s, i, ";")) i = opens(s, i) ? matching(s, i) + 1 : i + 1;
  return i;
}

// A declaration at namespace scope: a device variable becomes one weak symbol that both passes share.
static void device_variable(source *s, size_t first) {
  bool device = false, constant = false, is_static = false, is_extern = false, pointer = false, skip = false;
  size_t i = first;
  for (; at(s, i)->kind != TOKEN_END; i++) {
    device |= one_of(s, i, device_words);
    constant |= is(s, i, "__constant__");
    is_static |= is(s, i, "static");
    is_extern |= is(s, i, "extern");
    pointer |= is(s, i, "*") || is(s, i, "&");
    skip |= is(s, i, "constexpr") || is(s, i, "template") || is(s, i, "using") || is(s, i, "typedef") ||
            is(s, i, "operator") || is(s, i, "__global__");
    if ((is(s, i, "__align__") || is(s, i, "alignas") || is(s, i, "__attribute__")) && is(s, i + 1, "("))
      i = matching(s, i + 1);
    else if (is(s, i, "(") || is(s, i, ";") || is(s, i, "=") || is(s, i, "{") || is(s, i, "["))
      break;
  }
  if (!device || skip || is(s, i, "(") || at(s, i)->kind == TOKEN_END) return;
  const size_t stop = statement_end(s, i);
  for (size_t k = first; k < i; k++)
    if (is(s, k, "static") || is(s, k, "inline") || (is(s, k, "const") && !pointer)) drop(s, k);
  char prefix[48];
  snprintf(prefix, sizeof prefix, "%s%s%s", constant ? "const_" : "", is_static || constant ? s->tu : "",
           is_static || constant ? "_" : "");
  if (!is_extern) replace(s, at(s, first)->start, 0, "__attribute__((weak, aligned(256))) ");
  each_declarator(s, first, stop, label_variable, prefix);
}

// Where the storage of a shared declaration is: behind its `;`, as number `site` of the file.
typedef struct storage {
  size_t position;
  int site;
} storage;

static void name_shared(source *s, size_t name, size_t behind, void *arg) {
  (void)behind;
  const storage *at_end = arg;
  const token *n = at(s, name);
  const int length = (int)n->length;
  const char *text = s->text + n->start;
  replace(
      s, at_end->position, 0,
      " auto &%.*s = reinterpret_cast<cusim_shared_%d *>(cusim_bytes_%d)->%.*s; ::cusim::note_shared(%.*s);",
      length, text, at_end->site, at_end->site, length, text, length, text);
}

// Behind a shared variable of a traced block lies memory that is no variable's, so that the checker sees
// accesses just past its end.
enum { SHARED_MARGIN = 512 };

// `extern __shared__ T name[];` is the block's dynamic shared memory; other shared variables are one per OS
// thread, which runs one block at a time. Returns the `;`.
static size_t shared_variable(source *s, size_t first, size_t word, bool in_body) {
  const size_t stop = statement_end(s, word);
  bool dynamic = false;
  for (size_t i = first; i < word; i++) dynamic |= is(s, i, "extern");
  for (size_t i = word; i < stop; i++) dynamic |= is(s, i, "extern");
  if (!dynamic) {
    // Members of a struct over raw bytes: no declarator needs to be understood, and no constructor runs.
    bool is_volatile = false;
    for (size_t i = first; i < word; i++) {
      is_volatile |= is(s, i, "volatile");
      if (is(s, i, "static") || is(s, i, "volatile")) drop(s, i);
    }
    for (size_t i = word; i < stop; i++)
      if (is(s, i, "static")) drop(s, i);
    storage where = {end_of(s, stop), s->sites++};
    replace(s, at(s, word)->start, at(s, word)->length, "struct cusim_shared_%d {%s", where.site,
            is_volatile ? " volatile" : "");
    replace(s, where.position, 0,
            " }; static __thread __attribute__((aligned(128))) unsigned char "
            "cusim_bytes_%d[sizeof(cusim_shared_%d) + %d];",
            where.site, where.site, s->traced ? SHARED_MARGIN : 0);
    each_declarator(s, word + 1, stop, name_shared, &where);
    for (size_t i = word + 1; i < stop; i++)
      if (is(s, i, "__align__")) replace(s, at(s, i)->start, at(s, i)->length, "alignas");
    return stop;
  }
  size_t bracket = stop;
  while (bracket > first && !is(s, bracket, "[")) bracket--;
  const size_t name = bracket - 1;
  if (bracket == first) {
    malformed(s, word, "extern __shared__ needs an array without a size: extern __shared__ float name[];");
    return stop;
  }
  // The type: what stands between the qualifiers and the name, alignment left out (the arena is aligned to 1
  // KiB).
  char *type = grown(NULL, 1);
  size_t length = 0;
  for (size_t i = first; i < name; i++) {
    if (is(s, i, "extern") || is(s, i, "__shared__") || is(s, i, "volatile")) continue;
    if ((is(s, i, "__align__") || is(s, i, "alignas") || is(s, i, "__attribute__")) && is(s, i + 1, "(")) {
      i = matching(s, i + 1);
      continue;
    }
    type = grown(type, length + at(s, i)->length + 2);
    memcpy(type + length, s->text + at(s, i)->start, at(s, i)->length);
    length += at(s, i)->length;
    type[length++] = ' ';
  }
  const size_t start = at(s, first)->start;
  const token *n = at(s, name);
  if (in_body)
    replace(s, start, end_of(s, stop) - start, "%.*s*%.*s = (%.*s*)::cusim_dynamic_shared();", (int)length,
            type, (int)n->length, s->text + n->start, (int)length, type);
  else
    replace(s, start, end_of(s, stop) - start, "static ::cusim::dynamic_shared<%.*s> %.*s;", (int)length,
            type, (int)n->length, s->text + n->start);
  free(type);
  return stop;
}

// `#pragma unroll [N]` in the host compiler's spelling; without N: all of a short loop.
static void unroll(source *s, size_t i) {
  const char *text = s->text + at(s, i)->start;
  int used = 0;
  const size_t length = at(s, i)->length;
  char *line = strndup(text, length);
  if (line && sscanf(line, "# pragma unroll%n", &used) == 0 && used > 0) {
    const char *count = line + used + strspn(line + used, " \t(");
    if (*count == 0 || *count == '\r')
      replace(s, at(s, i)->start, length, "#pragma GCC unroll 64");
    else
      replace(s, at(s, i)->start, length, "#pragma GCC unroll %.*s", (int)strcspn(count, ")\r"), count);
  }
  free(line);
}

// A kernel's address loses its type in a cast to void *, and with it what its arguments are: no cast.
static void keep_kernel_type(source *s, size_t i) {
  size_t k = i + 1;
  if (!is(s, i, "(")) return;
  if (is(s, k, "const")) k++;
  if (!is(s, k, "void") || !is(s, k + 1, "*") || !is(s, k + 2, ")")) return;
  replace(s, at(s, i)->start, end_of(s, k + 2) - at(s, i)->start, "%s", "");
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

static void walk(source *s) {
  static enum scope scopes[MOST_DEPTH];
  int depth = 0;
  size_t first = 0;  // of the current statement
  bool fresh = true;
  for (size_t i = 0; at(s, i)->kind != TOKEN_END; i++) {
    if (at(s, i)->kind == TOKEN_DIRECTIVE) {
      if (!s->traced) unroll(s, i);
      continue;
    }
    const bool body = depth > 0 && scopes[depth - 1] == SCOPE_BODY;
    if (fresh) {
      first = i;
      fresh = false;
      if (depth == 0 || scopes[depth - 1] == SCOPE_NAMESPACE) device_variable(s, i);
    }
    if (is(s, i, "{")) {
      if (depth == MOST_DEPTH) {
        malformed(s, i, "braces nested too deeply");
        return;
      }
      scopes[depth++] = body ? SCOPE_BODY : scope_of_brace(s, first, i);
      fresh = true;
    } else if (is(s, i, "}")) {
      if (depth > 0) depth--;
      fresh = true;
    } else if (is(s, i, ";")) {
      fresh = true;
    } else if (triple(s, i, "<") && i > 0) {
      launch(s, i);
      i += 2;
    } else if (at(s, i)->kind == TOKEN_NAME) {
      if (is(s, i, "__shared__")) {
        i = shared_variable(s, first, i, body);
        fresh = true;
      } else if (one_of(s, i, plain_words)) {
        const bool inline_too = is(s, i, "__forceinline__");
        replace(s, at(s, i)->start, at(s, i)->length, "%s",
                inline_too                 ? "inline"
                : is(s, i, "__noinline__") ? "__attribute__((noinline))"
                                           : "");
      } else if (one_of(s, i, call_words) && is(s, i + 1, "(")) {
        const size_t close = matching(s, i + 1);
        replace(s, at(s, i)->start, end_of(s, close) - at(s, i)->start, "%s", "");
        i = close;
      } else if ((is(s, i, "cudaLaunchKernel") || is(s, i, "cudaLaunchCooperativeKernel")) &&
                 is(s, i + 1, "(")) {
        keep_kernel_type(s, i + 2);
      } else if (is(s, i, "__assert_fail")) {
        replace(s, at(s, i)->start, at(s, i)->length, "cusim_assert_fail");
      } else if (is(s, i, "__align__") && is(s, i + 1, "(")) {
        replace(s, at(s, i)->start, at(s, i)->length, "alignas");
      } else if (body && (is(s, i, "asm") || is(s, i, "__asm__") || is(s, i, "__asm")) &&
                 (is(s, i + 1, "(") || is(s, i + 1, "volatile") || is(s, i + 1, "__volatile__"))) {
        unsupported(s, i, "inline PTX (asm)");
      } else if (is(s, i, "cudaTextureObject_t") || is(s, i, "tex1Dfetch") || is(s, i, "tex2D")) {
        unsupported(s, i, "textures");
      }
    }
  }
}

static int in_order(const void *a, const void *b) {
  const edit *x = a, *y = b;
  if (x->start != y->start) return x->start < y->start ? -1 : 1;
  return x->order < y->order ? -1 : 1;
}

static void write_edited(source *s, FILE *out) {
  if (s->edit_count) qsort(s->edits, s->edit_count, sizeof *s->edits, in_order);
  size_t done = 0;
  for (size_t i = 0; i < s->edit_count; i++) {
    const edit *e = &s->edits[i];
    if (e->start < done && e->removed) continue;  // inside a part that was replaced as a whole
    if (e->start > done) fwrite(s->text + done, 1, e->start - done, out);
    fputs(e->insert, out);
    // Lines must still count: a replaced part leaves its line ends behind.
    for (size_t p = e->start; p < e->start + e->removed; p++)
      if (s->text[p] == '\n') fputc('\n', out);
    if (e->start + e->removed > done) done = e->start + e->removed;
  }
  fwrite(s->text + done, 1, s->length - done, out);
}

static char *read_file(const char *path, size_t *length) {
  FILE *f = fopen(path, "rb");
  if (!f) {
    fprintf(stderr, "cusim-rewrite: cannot read %s\n", path);
    exit(1);
  }
  char *text = NULL;
  size_t used = 0, got = 1;
  while (got) {
    text = grown(text, used + (1 << 16) + 1);
    got = fread(text + used, 1, 1 << 16, f);
    used += got;
  }
  fclose(f);
  text[used] = 0;
  *length = used;
  return text;
}

int main(int argc, char **argv) {
  if (argc != 4 && !(argc == 5 && strcmp(argv[4], "traced") == 0)) {
    fprintf(stderr, "usage: cusim-rewrite IN OUT TU [traced]\n");
    return 2;
  }
  source s = {.tu = argv[3], .traced = argc == 5};
  s.text = read_file(argv[1], &s.length);
  s.tokens = token_split(s.text, s.length);
  walk(&s);
  if (s.errors) return 1;
  FILE *out = fopen(argv[2], "wb");
  if (!out) {
    fprintf(stderr, "cusim-rewrite: cannot write %s\n", argv[2]);
    return 1;
  }
  write_edited(&s, out);
  if (fclose(out)) {
    fprintf(stderr, "cusim-rewrite: cannot write %s\n", argv[2]);
    return 1;
  }
  return 0;
}
