// SPDX-License-Identifier: MIT
// A text to learn: sentences of a small grammar, whose words are drawn by a counter-based generator. Its
// entropy is known, and with it the loss that no network can get below.
#ifndef HEDDLE_LESSON_30_TEXT_H
#define HEDDLE_LESSON_30_TEXT_H
#include <stddef.h>
#include <stdint.h>

enum { TEXT_SYMBOLS = 28 };  // a … z, space, full stop

// The first `count` symbols of the text of this seed; the caller's to free.
int32_t *text_new(size_t count, uint64_t seed);
char text_letter(int32_t symbol);
// Nats per symbol: the choices of a sentence over its mean length.
double text_entropy(void);
#endif
