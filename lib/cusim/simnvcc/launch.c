// SPDX-License-Identifier: MIT
// Kernels and their launches. A kernel's definition becomes a host stub with the kernel's name, type and
// address (see cusim/launch.h); a launch becomes a call of the stub.
#include <stdlib.h>
#include <string.h>

#include "steps.h"

// ---------------------------------------------------------------- launches

static const char *const statement_words[] = {"return", "else",  "do",     "if",        "while", "for",
                                              "switch", "throw", "case",   "co_return", "goto",  "sizeof",
                                              "new",    "and",   "delete", "or",        NULL};

static bool joins(const source *s, size_t i) {
  return is(s, i, "::") || is(s, i, ".") || is(s, i, "->");
}

// The first token of the kernel's expression that ends before `<<<` at i: ns::k, k<T, 32>, X<T>::template
// k<U>,
// (*pointer), table[j], choose(n), object.kernel.
static size_t kernel_start(const source *s, size_t i) {
  size_t k = i - 1;
  for (;;) {
    // One primary with what follows it, from its end.
    for (;;) {
      size_t open = k;
      if (is(s, k, ">")) open = matching_back(s, k, "<", ">");
      if (is(s, k, "]")) open = matching_back(s, k, "[", "]");
      if (is(s, k, ")")) open = matching_back(s, k, "(", ")");
      if (open == k || open == 0) break;
      const bool follows = (is_name(s, open - 1) && !one_of(s, open - 1, statement_words)) ||
                           (!is(s, open, "(") && closes(s, open - 1)) || is(s, open - 1, ">");
      k = follows ? open - 1 : open;
      if (!follows) break;
    }
    if (k == 0 || opens(s, k) || !(is_name(s, k) || is(s, k, "~"))) {
      if (k == 0 || !joins(s, k - 1)) return k;
    }
    if (k >= 1 && is(s, k - 1, "template")) k--;
    if (k < 1 || !joins(s, k - 1)) return k;
    k--;  // at the join
    if (k < 1) return k;
    const bool has_left = (is_name(s, k - 1) && !one_of(s, k - 1, statement_words)) || is(s, k - 1, ">") ||
                          (!is(s, k, "::") && closes(s, k - 1));
    if (!has_left) return k;
    k--;
  }
}

size_t rewrite_launch(source *s, size_t i) {
  size_t end = i + 3;
  while (!is_end(s, end) && !is(s, end, ";") && !triple(s, end, ">"))
    end = opens(s, end) ? matching(s, end) + 1 : end + 1;
  size_t open = end + 3;
  while (at(s, open)->kind == TOKEN_DIRECTIVE) open++;
  if (i == 0 || !triple(s, end, ">") || !is(s, open, "(") || is_end(s, matching(s, open))) {
    malformed(s, i, "a kernel launch needs <<<grid, block>>> and then its arguments in parentheses");
    return i + 2;
  }
  size_t start = kernel_start(s, i);
  if (is(s, start, "typename")) start++;
  text_buffer configuration = {0};
  add_tokens(&configuration, s, i + 3, end);
  replace(s, at(s, start)->start, 0,
          "(::cusim::configure(%s) ? (void)0 : ", configuration.text ? configuration.text : "");
  // The configuration's own tokens go one by one: line markers between them stay.
  for (size_t k = i; k < end + 3; k++)
    if (at(s, k)->kind != TOKEN_DIRECTIVE) drop(s, k);
  replace(s, end_of(s, matching(s, open)), 0, ")");
  free(configuration.text);
  return end + 2;
}

// ---------------------------------------------------------------- parameters

static const char *const type_words[] = {"int",      "unsigned",     "signed",     "long",     "short",
                                         "char",     "float",        "double",     "bool",     "void",
                                         "wchar_t",  "auto",         "const",      "volatile", "char16_t",
                                         "char32_t", "__restrict__", "__restrict", NULL};
static const char *const before_type[] = {"const", "volatile", "struct",   "class",
                                          "union", "enum",     "typename", NULL};

typedef struct parameter {
  size_t from, stop,
      behind;   // tokens; [from, stop) is the declaration without its default, which ends at behind
  size_t name;  // 0: has none
  bool pack;
} parameter;

// The next parameter in (…) whose `)` is at close.
static parameter next_parameter(const source *s, size_t from, size_t close) {
  parameter p = {.from = from, .stop = 0};
  size_t i = from;
  while (i < close && !is(s, i, ",")) {
    if (is(s, i, "=") && !p.stop) p.stop = i;
    if (is(s, i, "<")) {
      // In a default argument only what can follow template arguments makes < an opening one.
      const size_t behind = behind_angles(s, i, close);
      static const char *const after[] = {"(", "{", "::", ",", ")", ">", NULL};
      if (behind > i && (!p.stop || one_of(s, behind, after))) {
        i = behind;
        continue;
      }
    }
    i = opens(s, i) ? matching(s, i) + 1 : i + 1;
  }
  if (i > close) i = close;
  p.behind = i;
  if (!p.stop) p.stop = i;

  size_t last = 0;
  for (size_t k = p.from; k < p.stop && !is(s, k, "["); k++) {
    if (is(s, k, ".") && is(s, k + 1, ".") && is(s, k + 2, ".")) p.pack = true;
    if (at(s, k)->kind == TOKEN_DIRECTIVE || one_of(s, k, plain_words)) continue;
    last = 0;
    if (is(s, k, "<")) {
      const size_t behind = behind_angles(s, k, p.stop);
      if (behind > k) k = behind - 1;
    } else if (is(s, k, "(") && k > p.from && one_of(s, k - 1, with_parentheses)) {
      k = matching(s, k);
    } else if (is(s, k, "(")) {  // T (*name)(…), T (&name)[…]
      const size_t inner = matching(s, k);
      for (size_t m = k + 1; m < inner; m++)
        if (is_name(s, m) && !one_of(s, m, type_words)) last = m;
      break;
    } else if (is_name(s, k)) {
      last = k;
    }
  }
  // The last word is the name, unless it belongs to the type: `int`, `ns::type`, `const type`, `struct tag`.
  bool only_before = true;
  for (size_t k = p.from; k < last; k++)
    only_before &=
        one_of(s, k, before_type) || one_of(s, k, plain_words) || at(s, k)->kind == TOKEN_DIRECTIVE;
  const bool named = last && !one_of(s, last, type_words) && !is(s, last - 1, "::") && !only_before;
  if (named) p.name = last;
  return p;
}

// ---------------------------------------------------------------- definitions

// The name and parameter list of the function declared from `first`, behind __global__ at i.
static bool find_parameters(const source *s, size_t i, size_t *name, size_t *open) {
  for (size_t k = i + 1; !is_end(s, k); k++) {
    if (is(s, k, ";") || is(s, k, "{") || is(s, k, "}") || is(s, k, "=")) return false;
    if (is(s, k, "<")) {
      const size_t behind = behind_angles(s, k, s->tokens.count);
      if (behind > k) k = behind - 1;
    }
    if (!is(s, k, "(")) continue;
    size_t before = k - 1;
    while (before > i && at(s, before)->kind == TOKEN_DIRECTIVE) before--;
    if (one_of(s, before, call_words) || one_of(s, before, with_parentheses)) {
      k = matching(s, k);
      continue;
    }
    if (is(s, before, ">")) before = matching_back(s, before, "<", ">") - 1;
    if (!is_name(s, before) || before <= i) return false;
    *name = before;
    *open = k;
    return true;
  }
  return false;
}

// `, (first), (second)` of an attribute's arguments, or nothing.
static void add_bounds(text_buffer *out, const source *s, size_t from, size_t to) {
  text_buffer bounds[2] = {{0}, {0}}, registers = {0};
  for (size_t i = from; i < to; i++) {
    const bool launch = is(s, i, "__launch_bounds__");
    if ((!launch && !is(s, i, "__maxnreg__")) || !is(s, i + 1, "(")) continue;
    const size_t close = matching(s, i + 1);
    size_t start = i + 2;
    for (int n = 0; n < 2 && start < close; n++) {
      const parameter p = next_parameter(s, start, close);
      add_tokens(launch ? &bounds[n] : &registers, s, start, p.behind);
      start = p.behind + 1;
    }
    i = close;
  }
  add_text(out, ", (%s), (%s), (%s)", bounds[0].text ? bounds[0].text : "0",
           bounds[1].text ? bounds[1].text : "0", registers.text ? registers.text : "0");
  free(bounds[0].text);
  free(bounds[1].text);
  free(registers.text);
}

// May the body be that of a member function of cusim_place? Lambdas and local classes would not see its
// members.
static bool may_have_place(const source *s, size_t from, size_t to) {
  static const char *const nested[] = {"struct", "class", "union", NULL};
  for (size_t i = from; i < to; i++) {
    if (one_of(s, i, nested)) return false;
    if (!is(s, i, "[")) continue;
    const bool subscript =
        (is_name(s, i - 1) && !one_of(s, i - 1, statement_words)) || is(s, i - 1, ")") || is(s, i - 1, "]");
    if (!subscript) return false;
  }
  return true;
}

void rewrite_kernel(source *s, size_t first, size_t i) {
  size_t name, open;
  if (!find_parameters(s, i, &name, &open)) return;
  const size_t close = matching(s, open);
  size_t body = close + 1;
  while (!is_end(s, body) && !is(s, body, "{") && !is(s, body, ";") && !is(s, body, "="))
    body = is(s, body, "(") ? matching(s, body) + 1 : body + 1;
  if (!is(s, body, "{")) return;
  const size_t last = matching(s, body);
  if (is_end(s, last)) return;

  text_buffer parameters = {0}, arguments = {0}, description = {0};
  add_text(&parameters, "%s", "");
  add_text(&arguments, "%s", "");
  int unnamed = 0;
  const bool none = close == open + 1 || (close == open + 2 && is(s, open + 1, "void"));
  for (size_t p = open + 1; p < close && !none;) {
    const parameter one = next_parameter(s, p, close);
    add_text(&parameters, p == open + 1 ? "" : ",");
    add_tokens(&parameters, s, one.from, one.stop);
    if (one.name) {
      add_text(&arguments, ", %.*s%s", (int)at(s, one.name)->length, s->text + at(s, one.name)->start,
               one.pack ? "..." : "");
    } else {
      replace(s, end_of(s, one.stop - 1), 0, " cusim_unnamed_%d", unnamed);
      add_text(&arguments, ", cusim_unnamed_%d%s", unnamed++, one.pack ? "..." : "");
    }
    p = one.behind + 1;
  }
  add_bounds(&description, s, first, body);
  const int length = (int)at(s, name)->length;
  const char *called = s->text + at(s, name)->start;
  const bool place = !s->traced && may_have_place(s, body + 1, last);
  replace(s, end_of(s, body), 0, " struct cusim_kernel_%s%s void cusim_thread(%s) {", s->tu,
          place ? " : ::cusim_place {" : " { static", parameters.text);
  for (size_t k = 0; k < s->file_shared_count; k++)
    replace(s, end_of(s, body), 0, " ::cusim::note_shared(%.*s);", (int)at(s, s->file_shared[k])->length,
            s->text + at(s, s->file_shared[k])->start);
  replace(s, at(s, last)->start, 0,
          " } }; static ::sim_kernel cusim_entry __attribute__((used)) = ::cusim::describe<cusim_kernel_%s>("
          "\"%.*s\"%s); ::cusim::body<cusim_kernel_%s>::launch(&cusim_entry%s); ",
          s->tu, length, called, description.text, s->tu, arguments.text);
  // The kernel's own name, not that of the function it became.
  for (size_t k = body; k < last; k++)
    if (is(s, k, "__func__") || is(s, k, "__FUNCTION__"))
      replace(s, at(s, k)->start, at(s, k)->length, "\"%.*s\"", length, called);
    else if (is(s, k, "__PRETTY_FUNCTION__"))
      replace(s, at(s, k)->start, at(s, k)->length, "\"void %.*s(%s)\"", length, called, parameters.text);
  free(parameters.text);
  free(arguments.text);
  free(description.text);
}
