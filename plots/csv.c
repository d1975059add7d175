// SPDX-License-Identifier: MIT
// Lines of comma-separated fields, as a run leaves them behind: complete, cut off, or damaged.
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

static int warnings;

int hd_warning_count(void) {
  return warnings;
}

void hd_csv_warn(const hd_csv *csv, const char *format, ...) {
  warnings++;
  fprintf(stderr, "heddle-report: warning: %s line %d: ", csv->name, csv->line);
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputs("; line skipped\n", stderr);
}

bool hd_csv_open(hd_csv *csv, const char *path, const char *name) {
  *csv = (hd_csv){.file = fopen(path, "r"), .name = name};
  return csv->file != NULL;
}

void hd_csv_close(hd_csv *csv) {
  fclose(csv->file);
  free(csv->text);
}

// Length of the UTF-8 sequence at s, 0 if it is none or a control character. Fields end up in HTML and SVG,
// where one stray byte would spoil the whole file.
static int sequence_length(const unsigned char *s) {
  if (s[0] < 0x20 || s[0] == 0x7f) return 0;
  if (s[0] < 0x80) return 1;
  int length = s[0] >= 0xf0 && s[0] < 0xf5   ? 4
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                                             : 0;
  for (int i = 1; i < length; i++)
    if ((s[i] & 0xc0) != 0x80) return 0;
  bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
  bool surrogate = s[0] == 0xed && s[1] >= 0xa0;
  bool too_large = s[0] == 0xf4 && s[1] >= 0x90;
  bool noncharacter = s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe;
  return overlong || surrogate || too_large || noncharacter ? 0 : length;
}

static void clean(char *text) {
  for (unsigned char *s = (unsigned char *)text; *s;) {
    int length = sequence_length(s);
    if (length == 0) {
      *s = '?';
      length = 1;
    }
    s += length;
  }
}

// Cuts csv->text into fields; returns their number, or -1 and says what is wrong in *problem.
static int split(hd_csv *csv, const char **problem) {
  char *read = csv->text;
  int count = 0;
  for (;;) {
    if (count == HD_CSV_FIELDS) return *problem = "too many fields", -1;
    char *write = read;
    csv->fields[count++] = write;
    bool quoted = *read == '"';
    if (quoted) {
      for (read++; *read && !(read[0] == '"' && read[1] != '"'); *write++ = *read++)
        if (*read == '"') read++;
      if (*read != '"') return *problem = "a quote is not closed", -1;
      read++;
      if (*read && *read != ',') return *problem = "text after a closing quote", -1;
    } else {
      while (*read && *read != ',') *write++ = *read++;
    }
    bool last = *read == '\0';
    *write = '\0';
    clean(csv->fields[count - 1]);
    if (last) return count;
    read++;
  }
}

int hd_csv_next(hd_csv *csv) {
  ssize_t length;
  while ((length = getline(&csv->text, &csv->capacity, csv->file)) > 0) {
    csv->line++;
    if (csv->text[length - 1] != '\n') {
      hd_csv_warn(csv, "it does not end (the run was stopped while it was written)");
      continue;
    }
    csv->text[--length] = '\0';
    if (length > 0 && csv->text[length - 1] == '\r') csv->text[--length] = '\0';
    if (length == 0) continue;
    if (strlen(csv->text) != (size_t)length) {
      hd_csv_warn(csv, "it holds a zero byte");
      continue;
    }
    const char *problem = "";
    int count = split(csv, &problem);
    if (count > 0) return count;
    hd_csv_warn(csv, "%s", problem);
  }
  return 0;
}
