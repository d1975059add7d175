// SPDX-License-Identifier: MIT
// The source step's command. usage: cusim-rewrite IN OUT TU [traced] [relocatable] [device=FILE]
// (TU: hexadecimal hash that tells translation units apart; FILE: IN as preprocessed with __CUDA_ARCH__)
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"
#include "steps.h"

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

static void put(const char *text, size_t length, void *out) {
  fwrite(text, 1, length, out);
}

static void merge_device(source *s, const char *path) {
  source device = {0};
  device.text = read_file(path, &device.length);
  device.tokens = token_split(device.text, device.length);
  const text_buffer both = merge_sides(s, &device);
  s->text = both.text;
  s->length = both.length;
  s->tokens = token_split(s->text, s->length);
}

int main(int argc, char **argv) {
  source s = {0};
  const char *device = NULL;
  bool known = argc >= 4;
  for (int i = 4; i < argc; i++) {
    if (strcmp(argv[i], "traced") == 0)
      s.traced = true;
    else if (strcmp(argv[i], "relocatable") == 0)
      s.relocatable = true;
    else if (strncmp(argv[i], "device=", 7) == 0)
      device = argv[i] + 7;
    else
      known = false;
  }
  if (!known) {
    fprintf(stderr, "usage: cusim-rewrite IN OUT TU [traced] [relocatable] [device=FILE]\n");
    return 2;
  }
  s.tu = argv[3];
  s.text = read_file(argv[1], &s.length);
  s.tokens = token_split(s.text, s.length);
  if (device) merge_device(&s, device);
  rewrite(&s);
  if (s.errors) return 1;
  FILE *out = fopen(argv[2], "wb");
  if (!out) {
    fprintf(stderr, "cusim-rewrite: cannot write %s\n", argv[2]);
    return 1;
  }
  write_edited(&s, put, out);
  if (fclose(out)) {
    fprintf(stderr, "cusim-rewrite: cannot write %s\n", argv[2]);
    return 1;
  }
  return 0;
}
