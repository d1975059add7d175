// SPDX-License-Identifier: MIT
// Vectors made small for a link. A compressor turns n floats into a message of words, whose number depends on
// n alone, and adds what a message says to a vector. What a message leaves out is the caller's to keep.
#ifndef HEDDLE_LESSON_28_COMPRESS_H
#define HEDDLE_LESSON_28_COMPRESS_H
#include <stddef.h>
#include <stdint.h>

typedef struct compressor {
  size_t (*words)(size_t n);  // of 4 bytes
  // Random numbers are a function of (seed, stream, index of the element): give every rank and step its own
  // stream.
  void (*encode)(const float *x, size_t n, uint32_t *message, uint64_t seed, uint64_t stream);
  void (*add)(const uint32_t *message, size_t n, float factor, float *sum);  // sum += factor · message
} compressor;

extern const compressor int8;   // blocks of 256 with a scale each, 8 bits an element
extern const compressor top_k;  // the hundredth with the largest magnitude, exactly; the others not at all
#endif
