// SPDX-License-Identifier: MIT
// Broken sources for the source step: .cu files with pieces cut, doubled, swapped and put in. Built with
// sanitizers; an error message is a fine answer, a crash, a hang or a wrong access is not. usage: fuzz ROUNDS
// FILE… The same files and rounds give the same inputs. On failure the input is in fuzz-input.cu.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "merge.h"
#include "steps.h"

enum { MOST_BYTES = 12000, MOST_CHANGES = 8, SECONDS_EACH = 20 };

static uint64_t state;
static size_t below(size_t n) {  // xorshift
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return n ? (size_t)(state % n) : 0;
}

static const char *const snippets[] = {"<<<",
                                       ">>>",
                                       "<<<1, 2>>>(",
                                       "k<<<",
                                       "(",
                                       ")",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       "<",
                                       ">",
                                       ";",
                                       ",",
                                       "::",
                                       "->",
                                       "=",
                                       "template <class T>",
                                       "__global__ void ",
                                       "__device__ ",
                                       "__shared__ ",
                                       "extern __shared__ int x[];",
                                       "__constant__ int c[",
                                       "__launch_bounds__(",
                                       "asm volatile(\"",
                                       "asm(\"mov.u32 %0, %laneid;\" : \"=r\"(x));",
                                       "asm(\"{ .reg .pred p; @p bra L; L: }\" ::);",
                                       "asm(\"ld.global.v4.u32 {%0, %1}, [%2+\" : \"=r\"(a) : \"l\"(p));",
                                       "\"",
                                       "'",
                                       "R\"x(",
                                       "/*",
                                       "*/",
                                       "//",
                                       "\\\n",
                                       "\n# 7 \"a b.cu\" 3\n",
                                       "\n#pragma unroll\n",
                                       "\n#pragma unroll N\n",
                                       "for (",
                                       "texture<float, 2> t;",
                                       "operator",
                                       "decltype(",
                                       "__align__(",
                                       "static ",
                                       "struct s {",
                                       "namespace {",
                                       "typedef",
                                       "requires",
                                       "__assert_fail",
                                       "__func__",
                                       "0x1'000",
                                       "%",
                                       "@"};

static char *last;
static size_t last_length;

static void save(void) {
  FILE *f = fopen("fuzz-input.cu", "wb");
  if (!f) return;
  fwrite(last, 1, last_length, f);
  fclose(f);
}
void __asan_on_error(void);
void __asan_on_error(void) {
  save();
}
static void too_long(int signal_number) {
  (void)signal_number;
  save();
  static const char text[] = "FAILED: an input takes too long\n";
  if (write(STDOUT_FILENO, text, sizeof text - 1)) _exit(1);
  _exit(1);
}

static void discard(const char *text, size_t length, void *bytes) {
  (void)text;
  *(size_t *)bytes += length;
}

static source read_source(const char *text, size_t length) {
  source s = {.tu = "0123456789abcdef", .length = length};
  s.text = grown(NULL, length + 1);
  memcpy(s.text, text, length);
  s.text[length] = 0;
  s.tokens = token_split(s.text, s.length);
  return s;
}
static void release(source *s) {
  for (size_t i = 0; i < s->edit_count; i++) free(s->edits[i].insert);
  free(s->edits);
  free(s->externs);
  free(s->file_shared);
  free(s->tokens.at);
  free(s->text);
}

// The step on one text, also as the device's side of another.
static void step(const char *text, size_t length, const char *other, size_t other_length) {
  alarm(SECONDS_EACH);
  source s = read_source(text, length);
  s.traced = below(2);
  if (below(2)) {
    source device = read_source(other, other_length);
    const text_buffer both = merge_sides(&s, &device);
    release(&s);
    release(&device);
    s = read_source(both.text, both.length);
    free(both.text);
  }
  size_t bytes = 0;
  rewrite(&s);
  write_edited(&s, discard, &bytes);
  release(&s);
}

static size_t change(char *text, size_t length, size_t room) {
  const size_t at = below(length + 1), span = below(length - at + 1) % 200;
  const char *snippet = snippets[below(sizeof snippets / sizeof *snippets)];
  const size_t more = strlen(snippet);
  switch (below(6)) {
    case 0:  // cut
      memmove(text + at, text + at + span, length - at - span);
      return length - span;
    case 1:  // double
      if (length + span > room) return length;
      memmove(text + at + span, text + at, length - at);
      return length + span;
    case 2:  // end here
      return below(8) ? length : at;
    case 3:  // another byte
      if (at < length) text[at] = (char)below(256);
      return length;
    default:
      if (length + more > room) return length;
      memmove(text + at + more, text + at, length - at);
      memcpy(text + at, snippet, more);
      return length + more;
  }
}

int main(int argc, char **argv) {
  const long rounds = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
  if (rounds <= 0) {
    fprintf(stderr, "usage: fuzz ROUNDS FILE…\n");
    return 2;
  }
  signal(SIGALRM, too_long);
  if (!freopen("/dev/null", "w", stderr)) return 2;  // what the step says of its inputs
  static char seed[MOST_BYTES], text[2 * MOST_BYTES];
  last = text;
  long inputs = 0;
  for (int f = 2; f < argc; f++) {
    FILE *file = fopen(argv[f], "rb");
    if (!file) {
      printf("FAILED: cannot read %s\n", argv[f]);
      return 1;
    }
    const size_t length = fread(seed, 1, sizeof seed, file);
    fclose(file);
    state = 0x9e3779b97f4a7c15u + (uint64_t)f;
    for (long r = 0; r < rounds; r++) {
      memcpy(text, seed, length);
      last_length = length;
      for (size_t changes = 1 + below(MOST_CHANGES); changes > 0; changes--)
        last_length = change(text, last_length, sizeof text);
      step(text, last_length, seed, length);
      inputs++;
    }
  }
  printf("%ld inputs, none crashed\n", inputs);
  return 0;
}
