// SPDX-License-Identifier: MIT
#include "text.h"

#include <heddle/error.h>
#include <heddle/random.h>
#include <math.h>
#include <string.h>

enum { SLOTS = 5, TEXT_STREAM = 30 };

// Numbers of words are powers of two, so that a random word modulo them is uniform. Different words make
// different sentences: the text tells all choices.
static const char *const adjectives[] = {"old", "red", "small", "quick", "quiet", "warm", "blue", "round"};
static const char *const nouns[] = {"loom",  "thread", "warp", "weft",   "heddle", "cat",  "river", "lamp",
                                    "house", "stone",  "bird", "garden", "cloud",  "boat", "road",  "tree"};
static const char *const verbs[] = {"lifts",  "sees",  "follows", "holds",
                                    "paints", "finds", "meets",   "carries"};

// "the ADJECTIVE NOUN VERB the ADJECTIVE NOUN. "
static const struct {
  const char *before, *const *words;
  uint32_t count;
} slots[SLOTS] = {
    {"the ", adjectives, 8}, {" ", nouns, 16}, {" ", verbs, 8}, {" the ", adjectives, 8}, {" ", nouns, 16}};
static const char *const end = ". ";

static int32_t symbol_of(char letter) {
  return letter == ' ' ? 26 : letter == '.' ? 27 : letter - 'a';
}

char text_letter(int32_t symbol) {
  return symbol == 26 ? ' ' : symbol == 27 ? '.' : (char)('a' + symbol);
}

static size_t append(int32_t *text, size_t at, size_t count, const char *letters) {
  for (; *letters && at < count; letters++) text[at++] = symbol_of(*letters);
  return at;
}

int32_t *text_new(size_t count, uint64_t seed) {
  int32_t *text = hd_alloc(count, sizeof *text);
  size_t at = 0;
  for (uint64_t sentence = 0; at < count; sentence++) {
    for (uint64_t s = 0; s < SLOTS; s++) {
      const uint32_t word = hd_philox(seed, TEXT_STREAM, sentence * SLOTS + s).v[0] % slots[s].count;
      at = append(text, at, count, slots[s].before);
      at = append(text, at, count, slots[s].words[word]);
    }
    at = append(text, at, count, end);
  }
  return text;
}

double text_entropy(void) {
  double choices = 0, length = (double)strlen(end);
  for (int s = 0; s < SLOTS; s++) {
    double letters = 0;
    for (uint32_t w = 0; w < slots[s].count; w++) letters += (double)strlen(slots[s].words[w]);
    choices += log(slots[s].count);
    length += (double)strlen(slots[s].before) + letters / slots[s].count;
  }
  return choices / length;
}
