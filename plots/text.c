// SPDX-License-Identifier: MIT
// Numbers, times and names as people read them.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

// U+202F, a narrow space at which no line is broken, groups thousands.
#define NARROW_SPACE "\xe2\x80\xaf"

static const char *grouped(char out[HD_TEXT], double x) {
  char digits[32];
  int length = snprintf(digits, sizeof digits, "%.0f", fabs(x));
  char *write = out;
  if (x < 0) *write++ = '-';
  for (int i = 0; i < length; i++) {
    if (i > 0 && (length - i) % 3 == 0) write = stpcpy(write, NARROW_SPACE);
    *write++ = digits[i];
  }
  *write = '\0';
  return out;
}

const char *hd_text_number(char out[HD_TEXT], double x) {
  double size = fabs(x);
  if (!isfinite(x))
    snprintf(out, HD_TEXT, "%s", isnan(x) ? "NaN" : "∞");
  else if (x == 0)
    snprintf(out, HD_TEXT, "0");
  else if (size >= 1e12 || size < 1e-3)
    snprintf(out, HD_TEXT, "%.1e", x);
  else if (size >= 999500)
    snprintf(out, HD_TEXT, size >= 9.995e7 ? "%.0f M" : size >= 9.995e6 ? "%.1f M" : "%.2f M", x / 1e6);
  else if (size >= 9999.5)
    grouped(out, size >= 99995 ? 100 * round(x / 100) : 10 * round(x / 10));
  else if (size >= 999.5)
    grouped(out, x);
  else
    snprintf(out, HD_TEXT, "%.*f",
             size >= 99.95     ? 0
             : size >= 9.995   ? 1
             : size >= 0.9995  ? 2
             : size >= 0.09995 ? 3
                               : 4,
             x);
  return out;
}

const char *hd_text_tic(char out[HD_TEXT], double x) {
  if (fabs(x) >= 1e6)
    snprintf(out, HD_TEXT, "%g M", x / 1e6);
  else if (fabs(x) >= 1000)
    grouped(out, x);
  else
    snprintf(out, HD_TEXT, "%g", x);
  return out;
}

const char *hd_text_time(char out[HD_TEXT], double seconds) {
  static const struct {
    double scale;
    const char *name;
  } units[] = {{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}, {1e-9, "ns"}};
  int i = 0;
  while (i < 3 && seconds < 0.9995 * units[i].scale) i++;
  char number[HD_TEXT];
  snprintf(out, HD_TEXT, "%.32s %s", hd_text_number(number, seconds / units[i].scale), units[i].name);
  return out;
}

const char *hd_text_size(char out[HD_TEXT], long size) {
  if (size >= 1L << 30 && size % (1L << 30) == 0)
    snprintf(out, HD_TEXT, "%ld Gi", size >> 30);
  else if (size >= 1L << 20 && size % (1L << 20) == 0)
    snprintf(out, HD_TEXT, "%ld Mi", size >> 20);
  else if (size >= 1000000 && size % 1000000 == 0)
    snprintf(out, HD_TEXT, "%ld M", size / 1000000);
  else
    grouped(out, (double)size);
  return out;
}

void hd_html(FILE *out, const char *text) {
  for (; *text; text++) switch (*text) {
      case '&':
        fputs("&amp;", out);
        break;
      case '<':
        fputs("&lt;", out);
        break;
      case '>':
        fputs("&gt;", out);
        break;
      case '"':
        fputs("&quot;", out);
        break;
      case '\'':
        fputs("&#39;", out);
        break;
      default:
        fputc(*text, out);
    }
}

int hd_text_width(const char *text) {
  int width = 0;
  for (; *text; text++) width += (*text & 0xc0) != 0x80;
  return width;
}

bool hd_unit_is_time(const char *unit) {
  static const char *const times[] = {"s", "ms", "us", "µs", "ns", "cycles"};
  for (int i = 0; i < (int)(sizeof times / sizeof times[0]); i++)
    if (strcmp(unit, times[i]) == 0) return true;
  return false;
}

double hd_unit_scale(const char *unit) {
  if (strncmp(unit + (*unit != '\0'), "B", 1) != 0 && strncmp(unit + (*unit != '\0'), "FLOP", 4) != 0)
    return 1;
  switch (*unit) {
    case 'k':
    case 'K':
      return 1e3;
    case 'M':
      return 1e6;
    case 'G':
      return 1e9;
    case 'T':
      return 1e12;
    default:
      return 1;
  }
}
