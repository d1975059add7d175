// SPDX-License-Identifier: MIT
// Variables in the device's memory spaces: __device__, __constant__ and __managed__ at namespace scope,
// __shared__ in functions.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steps.h"

static const char *const device_words[] = {"__device__", "__constant__", "__managed__", NULL};
static const char *const const_words[] = {"const", "__const", "__const__", NULL};  // and gcc's

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
    if (is_name(s, i) && !initialiser) {
      if (one_of(s, i, with_parentheses) && is(s, i + 1, "("))
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

// Is a variable of this name declared extern in the file? Then other files may mean it too.
static bool declared_extern(const source *s, size_t name) {
  for (size_t i = 0; i < s->extern_count; i++) {
    const token *a = at(s, s->externs[i]), *b = at(s, name);
    if (a->length == b->length && !memcmp(s->text + a->start, s->text + b->start, a->length)) return true;
  }
  return false;
}

void note_externs(source *s) {
  size_t room = 0;
  for (size_t i = 0; !is_end(s, i); i++) {
    if (!is(s, i, "extern") || at(s, i + 1)->kind == TOKEN_STRING) continue;
    bool device = false;
    size_t stop = i, name = 0;
    for (; !is_end(s, stop) && !is(s, stop, ";") && !is(s, stop, "(") && !is(s, stop, "{"); stop++) {
      device |= one_of(s, stop, device_words);
      if (is_name(s, stop) && !is(s, stop - 1, "[")) name = stop;
    }
    if (!device || !is(s, stop, ";")) continue;
    if (s->extern_count == room) {
      room = room ? 2 * room : 16;
      s->externs = grown(s->externs, room * sizeof *s->externs);
    }
    s->externs[s->extern_count++] = name;
    i = stop;
  }
}

// A variable's symbol: of this file alone, as nvcc has it without -rdc=true, or of the program.
typedef struct label {
  const char *path;
  bool own, always_shared, constant, managed;
} label;

static void label_variable(source *s, size_t name, size_t behind, void *arg) {
  const label *l = arg;
  const token *n = at(s, name);
  const bool own = l->own || !(l->always_shared || s->relocatable || declared_extern(s, name));
  replace(s, end_of(s, behind - 1), 0, " __asm__(\"cusimvar_%s%s%s%s%.*s\")",
          l->constant  ? "const_"
          : l->managed ? "managed_"
                       : "",
          own ? s->tu : "", own ? "_" : "", l->path, (int)n->length, s->text + n->start);
}

// A variable template takes no label of its own for its instances: an inline namespace is a part of all their
// symbols, and programs need not name it. Specializations repeat the template's word.
static void rewrite_variable_template(source *s, size_t first, const char *path) {
  bool device = false, constant = false, managed = false, is_const = false, pointer = false;
  const size_t angles = first + 1;
  size_t i = is(s, angles, "<") ? behind_angles(s, angles, s->tokens.count) : first;
  const bool specialization = i == angles + 2;
  const size_t declaration = i;
  if (i <= angles) return;
  for (; !is_end(s, i) && !is(s, i, ";") && !is(s, i, "=") && !is(s, i, "[") && !is(s, i, "{"); i++) {
    device |= one_of(s, i, device_words);
    constant |= is(s, i, "__constant__");
    managed |= is(s, i, "__managed__");
    is_const |= one_of(s, i, const_words);
    pointer |= is(s, i, "*") || is(s, i, "&");
    if (is(s, i, "operator") || is(s, i, "constexpr") || is(s, i, "using") || is(s, i, "template")) return;
    if (one_of(s, i, with_parentheses) && is(s, i + 1, "(")) {
      i = matching(s, i + 1);
    } else if (is(s, i, "(")) {
      if (!is(s, i + 1, "*")) return;  // a function
      i = matching(s, i);
    } else if (is(s, i, "<")) {
      const size_t behind = behind_angles(s, i, s->tokens.count);
      if (behind == i) return;
      i = behind - 1;
    }
  }
  const size_t stop = is_end(s, i) ? i : statement_end(s, i);
  // A constant of the compiler needs no memory.
  if (!device || is_end(s, stop) || (is_const && !constant && !pointer)) return;
  if (!path) {
    unsupported(s, first, "variable templates in device memory in an unnamed namespace");
    return;
  }
  for (size_t k = declaration; k < i; k++)
    if (is(s, k, "static") || is(s, k, "inline") || (one_of(s, k, const_words) && !pointer)) drop(s, k);
  if (!specialization) {
    replace(s, at(s, first)->start, 0, "inline namespace cusimvar_%s { ",
            constant  ? "const_"
            : managed ? "managed_"
                      : "");
    replace(s, end_of(s, stop), 0, " }");
  }
  replace(s, at(s, declaration)->start, 0, "__attribute__((weak, aligned(256))) ");
}

// A declaration at namespace scope: a device variable becomes one weak symbol that both passes share.
void rewrite_device_variable(source *s, size_t first, const char *path) {
  bool device = false, constant = false, managed = false, is_static = false, is_extern = false,
       pointer = false, skip = false;
  size_t i = first;
  if (is(s, first, "}")) return;  // of a namespace: no declaration
  if (is(s, first, "template")) {
    rewrite_variable_template(s, first, path);
    return;
  }
  for (; !is_end(s, i); i++) {
    device |= one_of(s, i, device_words);
    constant |= is(s, i, "__constant__");
    managed |= is(s, i, "__managed__");
    is_static |= is(s, i, "static");
    is_extern |= is(s, i, "extern");
    pointer |= is(s, i, "*") || is(s, i, "&");
    skip |= is(s, i, "constexpr") || is(s, i, "using") || is(s, i, "typedef") || is(s, i, "operator") ||
            is(s, i, "__global__");
    if (one_of(s, i, with_parentheses) && is(s, i + 1, "("))
      i = matching(s, i + 1);
    else if (is(s, i, "(") || is(s, i, ";") || is(s, i, "=") || is(s, i, "{") || is(s, i, "["))
      break;
  }
  const bool to_function = is(s, i, "(") && is(s, i + 1, "*");
  if (!device || skip || (is(s, i, "(") && !to_function) || is_end(s, i)) return;
  const size_t stop = statement_end(s, i);
  if (is_end(s, stop)) return;
  for (size_t k = first; k < i; k++)
    if (is(s, k, "static") || is(s, k, "inline") || (one_of(s, k, const_words) && !pointer)) drop(s, k);
  label l = {.path = path ? path : "",
             .own = is_static || !path,
             .always_shared = is_extern,
             .constant = constant,
             .managed = managed};
  if (!is_extern) replace(s, at(s, first)->start, 0, "__attribute__((weak, aligned(256))) ");
  if (!to_function) {
    each_declarator(s, first, stop, label_variable, &l);
    return;
  }
  const size_t close = matching(s, i);
  size_t name = i;
  while (name < close && !is_name(s, name)) name++;
  if (name < close)
    label_variable(s, name, is(s, close + 1, "(") ? matching(s, close + 1) + 1 : close + 1, &l);
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

// At file scope: kernels tell the checker of it where they begin.
static void note_file_shared(source *s, size_t name, size_t behind, void *arg) {
  (void)behind, (void)arg;
  s->file_shared = grown(s->file_shared, (s->file_shared_count + 1) * sizeof *s->file_shared);
  s->file_shared[s->file_shared_count++] = name;
}

// `extern __shared__ T name[];` is the block's dynamic shared memory; other shared variables are one per OS
// thread, which runs one block at a time. Returns the `;`.
size_t rewrite_shared(source *s, size_t first, size_t word, bool in_body, bool outermost) {
  const size_t stop = statement_end(s, word);
  bool dynamic = false;
  for (size_t i = first; i < word; i++) dynamic |= is(s, i, "extern");
  for (size_t i = word; i < stop; i++) dynamic |= is(s, i, "extern");
  if (!dynamic && !in_body) {
    for (size_t i = first; i < stop; i++)
      if (is(s, i, "static")) drop(s, i);
    replace(s, at(s, word)->start, at(s, word)->length, "static __thread __attribute__((aligned(128)))");
    if (outermost) each_declarator(s, word + 1, stop, note_file_shared, NULL);
    return stop;
  }
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
    size_t declarators = word + 1;  // behind the definition of a type
    for (size_t i = declarators; i < stop && !is(s, i, "=") && !is(s, i, "("); i++)
      if (is(s, i, "{")) {
        declarators = matching(s, i) + 1;
        break;
      }
    each_declarator(s, declarators, stop, name_shared, &where);
    for (size_t i = word + 1; i < stop; i++)
      if (is(s, i, "__align__")) replace(s, at(s, i)->start, at(s, i)->length, "alignas");
    return stop;
  }
  size_t name = word, bracket = 0;
  for (size_t i = first; i < stop && !bracket; i++) {
    if (one_of(s, i, with_parentheses) && is(s, i + 1, "("))
      i = matching(s, i + 1);
    else if (is(s, i, "["))
      bracket = i;
    else if (is_name(s, i))
      name = i;
  }
  // The type is what stands between the qualifiers and the name, alignment left out (the arena is aligned to
  // 1 KiB).
  text_buffer type = {0}, rest = {0};
  for (size_t i = first; i < name; i++) {
    if (is(s, i, "extern") || is(s, i, "__shared__")) continue;
    if (one_of(s, i, with_parentheses) && is(s, i + 1, "("))
      i = matching(s, i + 1);
    else
      add_tokens(&type, s, i, i + 1);
  }
  add_text(&rest, "%s", "");
  if (bracket) add_tokens(&rest, s, matching(s, bracket) + 1, stop);  // further dimensions
  const size_t start = at(s, first)->start, length = end_of(s, stop) - start;
  const int letters = (int)at(s, name)->length;
  const char *called = s->text + at(s, name)->start, *kind = type.text ? type.text : "";
  if (!in_body) {
    replace(s, start, length, "static ::cusim::dynamic_shared<%s> %.*s;", kind, letters, called);
    s->dynamic_name = name;
  } else if (bracket) {
    const char *left = *rest.text ? "(*" : "*", *right = *rest.text ? ")" : "";
    replace(s, start, length, "%s %s%.*s%s%s = (%s %s%s%s)::cusim_dynamic_shared();", kind, left, letters,
            called, right, rest.text, kind, left, right, rest.text);
  } else {
    replace(s, start, length, "%s &%.*s = *(%s *)::cusim_dynamic_shared();", kind, letters, called, kind);
  }
  free(type.text);
  free(rest.text);
  return stop;
}
