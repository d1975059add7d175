// SPDX-License-Identifier: MIT
// machine.json: one flat object of texts and numbers. A damaged file gives the fields before the damage.
#include <ctype.h>
#include <string.h>

#include "report.h"

static const char *skip_space(const char *s) {
  while (isspace((unsigned char)*s)) s++;
  return s;
}

// Reads a string at s (a quote) into out; returns what follows it, NULL if it does not end.
static const char *read_string(const char *s, char *out, size_t size) {
  size_t used = 0;
  for (s++; *s && *s != '"'; s++) {
    char c = *s;
    if (c == '\\') {
      s++;
      if (*s == '\0') return NULL;
      c = *s == 'n' || *s == 't' || *s == 'r' ? ' ' : *s == 'u' ? '?' : *s;
    }
    if ((unsigned char)c < 0x20) c = ' ';
    if (used + 1 < size) out[used++] = c;
  }
  out[used] = '\0';
  return *s == '"' ? s + 1 : NULL;
}

// The value at s as text: a string, a number, or a whole array or object as it is written.
static const char *read_value(const char *s, char *out, size_t size) {
  if (*s == '"') return read_string(s, out, size);
  size_t used = 0;
  int depth = 0;
  for (; *s && (depth > 0 || (*s != ',' && *s != '}')); s++) {
    if (*s == '[' || *s == '{') depth++;
    if (*s == ']' || *s == '}') depth--;
    if (used + 1 < size && (unsigned char)*s >= 0x20) out[used++] = *s;
  }
  while (used > 0 && out[used - 1] == ' ') used--;
  out[used] = '\0';
  return s;
}

void hd_run_load_machine(hd_report_run *run) {
  char path[2048], text[16384];
  snprintf(path, sizeof path, "%s/machine.json", run->folder);
  FILE *file = fopen(path, "r");
  if (file == NULL) return;
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = '\0';
  const char *s = skip_space(text);
  if (*s != '{') return;
  s = skip_space(s + 1);
  while (s != NULL && *s == '"') {
    hd_fact fact;
    s = read_string(s, fact.key, sizeof fact.key);
    if (s == NULL || *(s = skip_space(s)) != ':') return;
    s = read_value(skip_space(s + 1), fact.value, sizeof fact.value);
    if (s == NULL) return;
    if (run->fact_count == HD_MAX_FACTS) return;
    run->machine[run->fact_count++] = fact;
    s = skip_space(s);
    if (*s == ',') s = skip_space(s + 1);
  }
}

const char *hd_run_fact(const hd_report_run *run, const char *key) {
  for (int i = 0; i < run->fact_count; i++)
    if (strcmp(run->machine[i].key, key) == 0) return run->machine[i].value;
  return "";
}
