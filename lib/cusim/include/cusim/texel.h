/* SPDX-License-Identifier: MIT */
/* What texture fetches and surface accesses of kernels ask the runtime. */
#ifndef CUSIM_TEXEL_H
#define CUSIM_TEXEL_H
#include "texture_types.h"

#ifdef __cplusplus
extern "C" {
#endif
typedef struct cusim_texels {
  const void *at[8]; /* NULL: outside, the border's colour */
  float weight[8];
  int count, bytes;   /* texels; of each */
  int channels, bits; /* of one channel */
  int kind;           /* enum cudaChannelFormatKind */
  int normalized;     /* integers are read as fractions of their range */
  float border[4];
} cusim_texels;
/* The texels that a fetch at (x, y, z) reads; layer -1: has none. dimensions: of the coordinates. */
void cusim_texture_find(cudaTextureObject_t object, int dimensions, float x, float y, float z, int layer,
                        cusim_texels *found);
/* Of linear memory, by number. */
void cusim_texture_element(cudaTextureObject_t object, int index, cusim_texels *found);
/* The bytes at (x bytes, y, z) of a surface, or NULL where an access outside does nothing. */
void *cusim_surface_at(cudaSurfaceObject_t object, int dimensions, int x, int y, int z, int bytes, int mode);
#ifdef __cplusplus
}
#endif
#endif
