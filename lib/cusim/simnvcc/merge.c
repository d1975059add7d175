// SPDX-License-Identifier: MIT
#include "merge.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// How many declarations of one side may lack on the other before the two are said to have parted.
enum { MOST_APART = 1500 };

typedef struct item {  // a declaration: tokens [from, to)
  size_t from, to;
  size_t body;           // the { of a function, class or namespace; 0: has none
  uint64_t whole, head;  // hashes of all its words, and of those before the body, CUDA's qualifiers left out
} item;

typedef struct item_list {
  item *at;
  size_t count;
} item_list;

typedef struct merger {
  source *host;
  const source *device;
  text_buffer out;
  size_t done;  // of the host's text
} merger;

// ---------------------------------------------------------------- declarations of a scope

static uint64_t hash_words(const source *s, size_t from, size_t to, bool qualifiers) {
  uint64_t h = 1469598103934665603u;
  for (size_t i = from; i < to; i++) {
    const token *t = at(s, i);
    if (t->kind == TOKEN_DIRECTIVE || (!qualifiers && one_of(s, i, plain_words))) continue;
    for (size_t k = 0; k < t->length; k++) h = (h ^ (unsigned char)s->text[t->start + k]) * 1099511628211u;
    h = (h ^ ' ') * 1099511628211u;
  }
  return h;
}

static bool has_word(const source *s, size_t from, size_t to, const char *word) {
  for (size_t i = from; i < to; i++)
    if (is(s, i, word)) return true;
  return false;
}

static bool is_type(const source *s, size_t from, size_t brace) {
  static const char *const words[] = {"struct", "class", "union", "enum", NULL};
  bool type = false;
  for (size_t i = from; i < brace; i++) {
    if (is(s, i, "<")) {
      const size_t behind = behind_angles(s, i, brace);
      if (behind > i) i = behind;
    }
    if (is(s, i, "(") && !(i > from && one_of(s, i - 1, with_parentheses))) return false;
    if (opens(s, i)) i = matching(s, i);
    type |= one_of(s, i, words);
  }
  return type;
}

static item next_item(const source *s, size_t from, size_t to) {
  item one = {.from = from};
  bool value = false;
  size_t i = from;
  for (; i < to && !is(s, i, ";"); i++) {
    value |= is(s, i, "=") && !is(s, i - 1, "operator");
    if (!opens(s, i)) continue;
    const bool brace = is(s, i, "{");
    const size_t close = matching(s, i);
    if (brace) one.body = i;
    i = close;
    if (brace && !value && !is(s, i + 1, ",") && !is(s, i + 1, "{") && !is_type(s, from, one.body)) break;
  }
  if (value) one.body = 0;
  if (i < to && is(s, i, "}") && is(s, i + 1, ";")) i++;
  one.to = i < to ? i + 1 : to;
  one.whole = hash_words(s, from, one.to, true);
  one.head = hash_words(s, from, one.body ? one.body : one.to, false);
  return one;
}

static item_list items_of(const source *s, size_t from, size_t to) {
  item_list list = {0};
  size_t room = 0;
  while (from < to) {
    if (at(s, from)->kind == TOKEN_DIRECTIVE) {
      from++;
      continue;
    }
    if (list.count == room) {
      room = room ? 2 * room : 64;
      list.at = grown(list.at, room * sizeof *list.at);
    }
    list.at[list.count] = next_item(s, from, to);
    from = list.at[list.count++].to;
  }
  return list;
}

// ---------------------------------------------------------------- output

static void add_bytes(text_buffer *out, const char *text, size_t length) {
  out->text = grown(out->text, out->length + length + 1);
  if (length) memcpy(out->text + out->length, text, length);
  out->length += length;
  out->text[out->length] = 0;
}

// What follows stands at this place of a side's files, its column included.
static void add_place(text_buffer *out, const source *s, size_t position) {
  int line;
  char file[512];
  const bool own = locate(s, position, &line, file, sizeof file);
  add_text(out, "\n# %d \"%s\"%s\n", line, file, own ? "" : " 3");
  size_t column = position;
  while (column > 0 && s->text[column - 1] != '\n') column--;
  for (; column < position; column++) add_bytes(out, s->text[column] == '\t' ? "\t" : " ", 1);
}

static void host_up_to(merger *m, size_t position) {
  if (position <= m->done) return;
  add_bytes(&m->out, m->host->text + m->done, position - m->done);
  m->done = position;
}

static void device_tokens(merger *m, size_t from, size_t to) {
  const size_t start = at(m->device, from)->start;
  add_place(&m->out, m->device, start);
  add_bytes(&m->out, m->device->text + start, end_of(m->device, to - 1) - start);
}

// ---------------------------------------------------------------- merging

static void merge_range(merger *m, size_t from, size_t to, size_t device_from, size_t device_to);

// The same function or class, with different text.
static void merge_pair(merger *m, const item *h, const item *d) {
  const source *host = m->host, *device = m->device;
  const bool only_device = d->body && (has_word(device, d->from, d->body, "__global__") ||
                                       (has_word(device, d->from, d->body, "__device__") &&
                                        !has_word(device, d->from, d->body, "__host__") &&
                                        has_word(host, h->from, h->body ? h->body : h->to, "__device__")));
  if (!h->body || !d->body) return;
  const bool scope = has_word(host, h->from, h->body, "namespace") || is_type(host, h->from, h->body) ||
                     is(host, h->from, "extern");
  if (scope && !has_word(host, h->from, h->body, "__global__")) {
    merge_range(m, h->body + 1, matching(host, h->body), d->body + 1, matching(device, d->body));
  } else if (only_device) {
    host_up_to(m, at(host, h->from)->start);
    device_tokens(m, d->from, d->to);
    m->done = end_of(host, h->to - 1);
    add_place(&m->out, host, m->done);
  } else if (has_word(device, d->from, d->body, "__device__")) {
    const size_t body = at(host, h->body)->start;
    host_up_to(m, body);
    const bool constant = has_word(device, d->from, d->body, "constexpr");
    add_text(&m->out, "{ if (%s::cusim::on_device())",
             constant ? "!__builtin_is_constant_evaluated() && " : "");
    device_tokens(m, d->body, matching(device, d->body) + 1);
    add_text(&m->out, " else ");
    add_place(&m->out, host, body);
    host_up_to(m, end_of(host, matching(host, h->body)));
    add_text(&m->out, "}");
  }
}

// The name that a variable, constant or type gets; 0 for functions.
static size_t declared_name(const source *s, const item *one) {
  size_t name = 0;
  for (size_t i = one->from; i < one->to && !is(s, i, ";"); i++) {
    if (is(s, i, "=") || is(s, i, "[") || is(s, i, "{")) break;
    if (is(s, i, "(")) return 0;
    if (is_name(s, i)) name = i;
  }
  return name;
}

static bool same_name(const merger *m, const item *h, const item *d) {
  const size_t a = declared_name(m->host, h), b = declared_name(m->device, d);
  if (!a || !b || at(m->host, a)->length != at(m->device, b)->length) return false;
  return memcmp(m->host->text + at(m->host, a)->start, m->device->text + at(m->device, b)->start,
                at(m->host, a)->length) == 0;
}

// A function that only the device can call: what the host's side has of it is nobody's.
static bool is_device_function(const source *s, const item *one) {
  const size_t stop = one->body ? one->body : one->to;
  return has_word(s, one->from, stop, "__device__") && !has_word(s, one->from, stop, "__host__") &&
         !declared_name(s, one) && !(one->body && is_type(s, one->from, one->body)) &&
         !has_word(s, one->from, stop, "namespace");
}

// Declarations of the host where the device has others. Of constants and types that both have, the device's,
// for which they are tuned, are compiled for both sides.
static void merge_gap(merger *m, const item *h, size_t host_count, const item *d, size_t device_count) {
  source *host = m->host;
  bool *placed = grown(NULL, device_count);
  const item **in_place = grown(NULL, (host_count + 1) * sizeof *in_place);
  for (size_t n = 0; n < host_count; n++) in_place[n] = NULL;
  size_t next = 0;
  for (size_t k = 0; k < device_count; k++) {
    size_t n = next;
    while (n < host_count && !same_name(m, &h[n], &d[k])) n++;
    placed[k] = n < host_count;
    if (!placed[k]) continue;
    warning(host, h[n].from,
            "__CUDA_ARCH__ changes this declaration: cusim takes the device's for the host, too");
    in_place[n] = &d[k];
    next = n + 1;
  }
  for (size_t n = 0; n < host_count; n++) {
    if (!in_place[n] && !is_device_function(host, &h[n])) continue;
    host_up_to(m, at(host, h[n].from)->start);
    if (in_place[n]) device_tokens(m, in_place[n]->from, in_place[n]->to);
    m->done = end_of(host, h[n].to - 1);
    add_place(&m->out, host, m->done);
  }
  if (host_count) host_up_to(m, end_of(host, h[host_count - 1].to - 1));
  for (size_t k = 0; k < device_count; k++) {
    if (placed[k]) continue;
    device_tokens(m, d[k].from, d[k].to);
    add_place(&m->out, host, m->done);
  }
  free(in_place);
  free(placed);
}

static bool same(const item *h, const item *d) {
  return h->whole == d->whole || (h->body && d->body && h->head == d->head);
}

static void merge_range(merger *m, size_t from, size_t to, size_t device_from, size_t device_to) {
  item_list h = items_of(m->host, from, to), d = items_of(m->device, device_from, device_to);
  size_t i = 0, j = 0, last = from ? end_of(m->host, from - 1) : 0;
  while (i < h.count || j < d.count) {
    // The nearest pair of declarations that are the same.
    size_t apart = 0, skipped = 0;
    const size_t left = h.count - i + d.count - j;
    for (; apart <= left && apart <= MOST_APART; apart++) {
      for (skipped = 0; skipped <= apart; skipped++)
        if (i + skipped < h.count && j + apart - skipped < d.count &&
            same(&h.at[i + skipped], &d.at[j + apart - skipped]))
          break;
      if (skipped <= apart) break;
    }
    const bool met = apart <= left && apart <= MOST_APART;
    const size_t host_gap = met ? skipped : h.count - i, device_gap = met ? apart - skipped : d.count - j;
    if (device_gap) {
      host_up_to(m, last);
      merge_gap(m, &h.at[i], host_gap, &d.at[j], device_gap);
    }
    i += host_gap;
    j += device_gap;
    if (!met) break;
    if (h.at[i].whole != d.at[j].whole) merge_pair(m, &h.at[i], &d.at[j]);
    last = end_of(m->host, h.at[i].to - 1);
    i++;
    j++;
  }
  free(h.at);
  free(d.at);
}

text_buffer merge_sides(source *host, const source *device) {
  merger m = {.host = host, .device = device};
  merge_range(&m, 0, host->tokens.count - 1, 0, device->tokens.count - 1);
  host_up_to(&m, host->length);
  add_bytes(&m.out, "", 0);
  return m.out;
}
