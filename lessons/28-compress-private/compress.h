// SPDX-License-Identifier: MIT
// Vectors made small for a link. A compressor turns n floats into a message of words, whose number depends on
// n alone, and adds up messages. It works on both sides of the operation table, and says the same on both: to
// the bit, for the same vector.
#ifndef HEDDLE_LESSON_28_COMPRESS_H
#define HEDDLE_LESSON_28_COMPRESS_H
#include <heddle/ops.h>
#include <heddle/random.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct codec {
  // Turns x into a message, and leaves in x what the message leaves out. Random numbers are a function of
  // (seed, stream, index of the element): give every rank and step its own stream.
  void (*encode)(hd_ops *o, float *x, size_t n, uint32_t *message, void *work, uint64_t seed,
                 uint64_t stream);
  // sum = the messages that stand one behind the other, added up in this order.
  void (*sum)(hd_ops *o, const uint32_t *messages, int count, size_t n, float *sum);
} codec;

typedef struct compressor {
  size_t (*words)(size_t n);  // of 4 bytes
  size_t (*work)(size_t n);   // bytes of memory that encode needs beside on a GPU; NULL: none
  const codec *cpu, *gpu;     // gpu is NULL in builds without CUDA
} compressor;

extern const compressor int8;   // blocks of 256 with a scale each, 8 bits an element
extern const compressor top_k;  // the hundredth with the largest magnitude, exactly; the others not at all
extern const compressor top_k_library;  // the same, selected by CUB; on GPUs only

extern const codec int8_gpu, top_k_gpu, top_k_cub;
size_t top_k_work(size_t n), top_k_cub_work(size_t n);
void top_k_sum(hd_ops *o, const uint32_t *messages, int count, size_t n, float *sum);  // on a GPU

// Numbers without their sign are ordered as whole numbers are; infinity and NaN stand above all others.
#define INFINITE_MAGNITUDE 0x7f800000u
HD_BOTH uint32_t magnitude(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits & 0x7fffffff;
}

#ifdef __cplusplus
}
#endif
#endif
