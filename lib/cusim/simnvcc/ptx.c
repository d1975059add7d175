// SPDX-License-Identifier: MIT
// Inline PTX in device code: asm("…" : outputs : inputs) becomes C++ with one call of cusim/ptx.h per
// instruction. What has no translation is an error that names the instruction.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx.h"
#include "steps.h"

bool ptx_same(piece p, const char *word) {
  return p.length == strlen(word) && !memcmp(p.from, word, p.length);
}

static piece trimmed(const char *from, const char *to) {
  while (from < to && isspace((unsigned char)*from)) from++;
  while (to > from && isspace((unsigned char)to[-1])) to--;
  return (piece){from, (size_t)(to - from)};
}

void ptx_fails(translation *t, const char *what, piece name) {
  char message[2 * MOST_LENGTH];
  if (!t->failed) {
    snprintf(message, sizeof message, "%s \"%.*s\" of inline PTX", what,
             (int)(name.length < MOST_LENGTH ? name.length : MOST_LENGTH), name.from);
    unsupported(t->s, t->site, message);
  }
  t->failed = true;
}

// ---------------------------------------------------------------- operands

static const struct {
  const char *name, *value;
} specials[] = {
    {"tid.x", "threadIdx.x"},
    {"tid.y", "threadIdx.y"},
    {"tid.z", "threadIdx.z"},
    {"ntid.x", "blockDim.x"},
    {"ntid.y", "blockDim.y"},
    {"ntid.z", "blockDim.z"},
    {"ctaid.x", "blockIdx.x"},
    {"ctaid.y", "blockIdx.y"},
    {"ctaid.z", "blockIdx.z"},
    {"nctaid.x", "gridDim.x"},
    {"nctaid.y", "gridDim.y"},
    {"nctaid.z", "gridDim.z"},
    {"laneid", "::cusim_lane()"},
    {"warpid", "(::cusim::ptx::thread_number() / 32)"},
    {"nwarpid", "::cusim::ptx::warp_count()"},
    {"smid", "::cusim_sm()"},
    {"nsmid", "::cusim_sms()"},
    {"gridid", "0ull"},
    {"clock", "(unsigned)::cusim_clock()"},
    {"clock_hi", "(unsigned)(::cusim_clock() >> 32)"},
    {"clock64", "(unsigned long long)::cusim_clock()"},
    {"globaltimer", "(unsigned long long)::cusim_clock()"},
    {"globaltimer_lo", "(unsigned)::cusim_clock()"},
    {"lanemask_lt", "::cusim::ptx::lane_mask(-2)"},
    {"lanemask_le", "::cusim::ptx::lane_mask(-1)"},
    {"lanemask_eq", "::cusim::ptx::lane_mask(0)"},
    {"lanemask_ge", "::cusim::ptx::lane_mask(1)"},
    {"lanemask_gt", "::cusim::ptx::lane_mask(2)"},
};

void ptx_add_operand(translation *t, text_buffer *out, piece p) {
  while (p.length && isspace((unsigned char)*p.from)) p.from++, p.length--;
  if (p.length == 0) {
    ptx_fails(t, "a missing operand", (piece){"", 0});
  } else if (*p.from == '!' || *p.from == '-') {
    add_text(out, "%c(", *p.from);
    ptx_add_operand(t, out, (piece){p.from + 1, p.length - 1});
    add_text(out, ")");
  } else if (ptx_same(p, "_")) {
    add_text(out, "::cusim::ptx::sink");
  } else if (ptx_same(p, "WARP_SZ")) {
    add_text(out, "32u");
  } else if (*p.from == '%' && p.length > 1 && isdigit((unsigned char)p.from[1])) {
    const long number = strtol(p.from + 1, NULL, 10);
    if (number >= t->all) ptx_fails(t, "the operand", p);
    add_text(out, number < t->outputs ? "cusim_o%ld" : "cusim_i%ld", number);
  } else if (*p.from == '%') {
    while (p.length && *p.from == '%') p.from++, p.length--;
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++)
      if (ptx_same(p, specials[i].name)) {
        add_text(out, "%s", specials[i].value);
        return;
      }
    if (memchr(p.from, '.', p.length)) ptx_fails(t, "the register", p);
    add_text(out, "cusim_r_%.*s", (int)p.length, p.from);
  } else if (p.length > 2 && *p.from == '0' && strchr("fFdD", p.from[1])) {  // the bits of a number
    const bool single = tolower((unsigned char)p.from[1]) == 'f';
    add_text(out, "::cusim::ptx::as<%s>(0x%.*s%s)", single ? "float" : "double", (int)p.length - 2,
             p.from + 2, single ? "u" : "ull");
  } else if (isdigit((unsigned char)*p.from)) {
    const size_t length = p.from[p.length - 1] == 'U' ? p.length - 1 : p.length;
    const bool real = memchr(p.from, '.', length) != NULL;
    add_text(out, "%.*s%s", (int)length, p.from, real ? "" : "ll");
  } else if (isalpha((unsigned char)*p.from) || *p.from == '_' || *p.from == '$') {
    add_text(out, "cusim_r_");
    for (size_t i = 0; i < p.length; i++) {
      if (!isalnum((unsigned char)p.from[i]) && !strchr("_$", p.from[i])) {
        ptx_fails(t, "the operand", p);
        return;
      }
      add_text(out, "%c", p.from[i] == '$' ? '_' : p.from[i]);
    }
  } else {
    ptx_fails(t, "the operand", p);
  }
}

// [base], [base + 16]
void ptx_add_address(translation *t, text_buffer *out, piece p, const char *type) {
  if (p.length < 3 || *p.from != '[' || p.from[p.length - 1] != ']') {
    ptx_fails(t, "the address", p);
    return;
  }
  const char *const end = p.from + p.length - 1, *sign = p.from + 1;
  while (sign < end && *sign != '+' && *sign != '-') sign++;
  add_text(out, "::cusim::ptx::at<::cusim::ptx::%s>(", type);
  ptx_add_operand(t, out, trimmed(p.from + 1, sign));
  if (sign < end) {
    add_text(out, ", %s", *sign == '-' ? "-" : "");
    const char *offset = sign + 1;
    while (offset < end && (isspace((unsigned char)*offset) || *offset == '+')) offset++;
    if (offset < end && *offset == '-') add_text(out, "-"), offset++;
    ptx_add_operand(t, out, trimmed(offset, end));
  }
  add_text(out, ")");
}

// What stands between commas (and the | of two destinations), brackets kept whole.
int ptx_split(const char *from, const char *to, piece *pieces, int room) {
  int count = 0, depth = 0;
  const char *start = from;
  if (trimmed(from, to).length == 0) return 0;
  for (const char *p = from; p <= to && count < room; p++) {
    if (p < to && strchr("[{(", *p)) depth++;
    if (p < to && strchr("]})", *p)) depth--;
    if (p == to || (depth == 0 && (*p == ',' || *p == '|'))) {
      pieces[count++] = trimmed(start, p);
      start = p + 1;
    }
  }
  return count;
}

// ---------------------------------------------------------------- statements of the text

// `.reg .u32 a, b;` and `.reg .b32 t<4>;`
static void registers(translation *t, const char *from, const char *to) {
  const char *type = from;
  while (type < to && *type != '.') type++;
  const char *name = type + 1;
  while (name < to && !isspace((unsigned char)*name)) name++;
  char word[8];
  snprintf(word, sizeof word, "%.*s", (int)(name - type - 1 < 7 ? name - type - 1 : 7),
           type < to ? type + 1 : "");
  const char *known = ptx_type(word);
  if (!known) {
    ptx_fails(t, "the register type", trimmed(from, to));
    return;
  }
  piece names[MOST_OPERANDS];
  const int count = ptx_split(name, to, names, MOST_OPERANDS);
  for (int i = 0; i < count; i++) {
    const char *angle = memchr(names[i].from, '<', names[i].length);
    piece one = names[i];
    if (angle) one.length = (size_t)(angle - one.from);
    const long many = angle ? strtol(angle + 1, NULL, 10) : 0;
    for (long k = 0; k < (angle ? many : 1) && k < 1024; k++) {
      add_text(&t->out, "[[maybe_unused]] ::cusim::ptx::%s ", known);
      ptx_add_operand(t, &t->out, one);
      if (angle) add_text(&t->out, "%ld", k);
      add_text(&t->out, "; ");
    }
  }
}

static void statement(translation *t, const char *from, const char *to) {
  piece p = trimmed(from, to);
  const char *const end = p.from + p.length;
  if (p.length == 0) return;
  if (*p.from == '@') {
    const char *name = p.from + 1;
    while (name < end && !isspace((unsigned char)*name)) name++;
    add_text(&t->out, "if (");
    ptx_add_operand(t, &t->out, trimmed(p.from + 1, name));
    add_text(&t->out, ") { ");
    statement(t, name, end);
    add_text(&t->out, "} ");
    return;
  }
  const char *behind = p.from;
  while (behind < end && !isspace((unsigned char)*behind)) behind++;
  const piece code = {p.from, (size_t)(behind - p.from)};
  if (ptx_same(code, ".reg"))
    registers(t, behind, end);
  else if (*p.from == '.')
    ptx_fails(t, "the directive", code);
  else
    ptx_instruction(t, code, behind, end);
  add_text(&t->out, " ");
}

static void translate(translation *t, const char *text) {
  const char *start = text;
  int depth = 0;
  for (const char *p = text;; p++) {
    const bool fresh = trimmed(start, p).length == 0;
    if (*p == 0 || *p == ';') {
      statement(t, start, p);
      start = p + 1;
      if (*p == 0) break;
    } else if (fresh && (*p == '{' || *p == '}')) {
      depth += *p == '{' ? 1 : -1;
      if (depth < 0) break;
      add_text(&t->out, "%c ", *p);
      start = p + 1;
    } else if (*p == '{' || *p == '}') {  // of a vector
      const char *close = *p == '{' ? strchr(p, '}') : NULL;
      if (close) p = close;
    } else if (*p == ':' && p[1] != ':' && p > text && p[-1] != ':') {
      const piece name = trimmed(start, p);
      add_text(&t->out, "cusim_label_%d_%.*s: __attribute__((unused)); ", t->s->sites, (int)name.length,
               name.from);
      start = p + 1;
    }
  }
  if (depth != 0) ptx_fails(t, "the brackets", (piece){"{ }", 3});
}

// ---------------------------------------------------------------- the asm statement

// The text between the quotes, escapes read and comments gone.
static void add_string(text_buffer *out, const source *s, size_t i) {
  const char *p = s->text + at(s, i)->start, *const end = p + at(s, i)->length;
  while (p < end && *p != '"') p++;
  const bool raw = p > s->text && p[-1] == 'R';
  const char *close = end - 1;
  if (raw) {
    while (p < end && *p != '(') p++;
    while (close > p && *close != ')') close--;
  }
  for (p++; p < close; p++) {
    char c = *p;
    if (c == '\\' && !raw && p + 1 < close) {
      c = *++p;
      c = c == 'n' || c == 't' || c == 'r' || c == 'v' ? (c == 'n' ? '\n' : ' ') : c;
    }
    add_text(out, "%c", c);
  }
}

static void blank_comments(char *text) {
  for (char *p = text; *p; p++) {
    if (p[0] == '/' && p[1] == '/')
      while (*p && *p != '\n') *p++ = ' ';
    else if (p[0] == '/' && p[1] == '*')
      while (*p && !(p[0] == '*' && p[1] == '/')) *p++ = ' ';
    if (p[0] == '*' && p[1] == '/') p[0] = p[1] = ' ';
    if (!*p) break;
  }
}

static const char *type_of_constraint(char c) {
  switch (c) {
    case 'h':
      return "::cusim::ptx::u16";
    case 'r':
      return "::cusim::ptx::u32";
    case 'l':
      return "::cusim::ptx::u64";
    case 'f':
      return "float";
    case 'd':
      return "double";
    case 'n':
      return "long long";
    default:
      return NULL;
  }
}

// `"=r"(x), [name] "r"(y)` from i to the next colon: each operand becomes a variable. Returns the colon or
// stop.
static size_t operands_of(translation *t, size_t i, size_t stop, bool output, text_buffer *ties) {
  const source *s = t->s;
  while (i < stop && !is(s, i, ":") && !is(s, i, "::")) {
    if (at(s, i)->kind != TOKEN_STRING || !is(s, i + 1, "(")) {
      if (is(s, i, "[")) unsupported(t->s, i, "named operands of inline PTX"), t->failed = true;
      i++;
      continue;
    }
    const size_t close = matching(s, i + 1);
    const char *letters = s->text + at(s, i)->start + 1;
    text_buffer value = {0};
    add_text(&value, "%s", "");
    add_tokens(&value, s, i + 2, close);
    while (*letters == '=' || *letters == '+' || *letters == '&') letters++;
    const char *type = type_of_constraint(*letters);
    if (output) {
      add_text(&t->out, "auto &cusim_o%d = (%s); ", t->all, value.text);
    } else if (type) {
      add_text(&t->out, "const auto cusim_i%d = (%s)(%s); ", t->all, type, value.text);
    } else if (isdigit((unsigned char)*letters)) {  // starts in an output's register
      add_text(ties, "cusim_o%ld = (%s); ", strtol(letters, NULL, 10), value.text);
      add_text(&t->out, "const auto cusim_i%d = (%s); ", t->all, value.text);
    } else {
      ptx_fails(t, "the constraint", (piece){letters, 1});
    }
    add_text(&t->out, "(void)cusim_%c%d; ", output ? 'o' : 'i', t->all);
    free(value.text);
    t->all++;
    i = close + 1;
  }
  if (output) t->outputs = t->all;
  return i;
}

size_t rewrite_ptx(source *s, size_t i) {
  size_t open = i + 1;
  while (!is_end(s, open) && !is(s, open, "(")) open++;
  const size_t close = matching(s, open);
  if (is_end(s, close)) return i;
  translation t = {.s = s, .site = i};
  text_buffer text = {0}, ties = {0};
  add_text(&text, "%s", "");
  add_text(&ties, "%s", "");
  size_t k = open + 1;
  for (; k < close && !is(s, k, ":") && !is(s, k, "::"); k++) {
    if (at(s, k)->kind == TOKEN_STRING)
      add_string(&text, s, k);
    else if (at(s, k)->kind != TOKEN_DIRECTIVE)
      ptx_fails(&t, "a text that is no string:", (piece){s->text + at(s, k)->start, at(s, k)->length});
  }
  blank_comments(text.text);
  if (trimmed(text.text, text.text + text.length).length ==
      0) {  // a barrier for the compiler, as gcc writes it
    free(text.text);
    free(ties.text);
    return close;
  }
  add_text(&t.out, "do { ");
  const bool none = is(s, k, "::");  // no outputs
  k++;
  if (!none) k = operands_of(&t, k, close, true, &ties);
  if (none || is(s, k, ":")) k = operands_of(&t, none ? k : k + 1, close, false, &ties);
  add_text(&t.out, "%s{ ", ties.text);
  translate(&t, text.text);
  add_text(&t.out, "} } while (0)");
  if (!t.failed) replace(s, at(s, i)->start, end_of(s, close) - at(s, i)->start, "%s", t.out.text);
  s->sites++;
  free(text.text);
  free(ties.text);
  free(t.out.text);
  return close;
}
