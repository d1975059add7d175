// SPDX-License-Identifier: MIT
// Texture fetches and surface accesses. The runtime (texture.c) says which texels with which weights; they
// are read here, as loads of the kernel.
#ifndef CUSIM_TEXTURE_H
#define CUSIM_TEXTURE_H
#include <cstring>
#include <type_traits>

#include "access.h"
#include "texel.h"

namespace cusim {

template <class T, bool = std::is_arithmetic_v<T>>
struct channels_of {
  using type = T;
  static constexpr int count = 1;
};
template <class T>
struct channels_of<T, false> {
  using type = std::remove_reference_t<decltype(std::declval<T &>().x)>;
  static constexpr int count = sizeof(T) / sizeof(type);
};

inline float half_value(unsigned short bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const float sign = bits >> 15 ? -1.0f : 1.0f;
  if (exponent == 31) return mantissa ? __builtin_nanf("") : sign * __builtin_inff();
  if (exponent == 0) return sign * __builtin_ldexpf((float)mantissa, -24);
  return sign * __builtin_ldexpf((float)(mantissa | 1024), exponent - 25);
}

template <class Element>
inline float channel_value(const void *texel, int channel, bool normalized) {
  const Element value = static_cast<const Element *>(texel)[channel];
  if (!normalized) return (float)value;
  const float most = (float)((1ll << (8 * sizeof(Element) - std::is_signed_v<Element>)) - 1);
  return (float)value / most > -1.0f ? (float)value / most : -1.0f;
}
inline float channel_of(const cusim_texels &t, const void *texel, int channel) {
  const bool is_signed = t.kind == cudaChannelFormatKindSigned, normalized = t.normalized != 0;
  if (t.kind == cudaChannelFormatKindFloat)
    return t.bits == 16 ? half_value(static_cast<const unsigned short *>(texel)[channel])
                        : static_cast<const float *>(texel)[channel];
  if (t.bits == 8)
    return is_signed ? channel_value<signed char>(texel, channel, normalized)
                     : channel_value<unsigned char>(texel, channel, normalized);
  if (t.bits == 16)
    return is_signed ? channel_value<short>(texel, channel, normalized)
                     : channel_value<unsigned short>(texel, channel, normalized);
  return is_signed ? (float)static_cast<const int *>(texel)[channel]
                   : (float)static_cast<const unsigned *>(texel)[channel];
}

// A whole texel as it is stored, where that is what was asked for; else its channels as numbers, blended.
template <class T>
inline T texel_value(const cusim_texels &t) {
  using channel = typename channels_of<T>::type;
  constexpr int count = channels_of<T>::count;
  const bool blended = t.count > 1 || t.normalized || (t.kind == cudaChannelFormatKindFloat && t.bits == 16);
  if (!blended && t.at[0] && t.bytes == (int)sizeof(T)) return *static_cast<const T *>(t.at[0]);
  channel values[count];
  for (int c = 0; c < count; c++) {
    if (!blended && c < t.channels && t.at[0] && t.bits == 8 * (int)sizeof(channel)) {
      values[c] = static_cast<const channel *>(t.at[0])[c];
      continue;
    }
    float sum = 0;
    for (int i = 0; i < t.count && c < t.channels; i++)
      sum += t.weight[i] * (t.at[i] ? channel_of(t, t.at[i], c) : t.border[c]);
    values[c] = (channel)sum;
  }
  T result;
  std::memcpy(&result, values, sizeof result);
  return result;
}

template <class T>
inline T fetch(cudaTextureObject_t object, int dimensions, float x, float y, float z, int layer) {
  cusim_texels found;
  cusim_texture_find(object, dimensions, x, y, z, layer, &found);
  return texel_value<T>(found);
}
template <class T>
inline T surface_read(cudaSurfaceObject_t object, int dimensions, int x, int y, int z, int mode) {
  const void *p = cusim_surface_at(object, dimensions, x, y, z, sizeof(T), mode);
  if (p) return *static_cast<const T *>(p);
  T none;
  std::memset(static_cast<void *>(&none), 0, sizeof none);
  return none;
}
template <class T>
inline void surface_write(T value, cudaSurfaceObject_t object, int dimensions, int x, int y, int z,
                          int mode) {
  void *p = cusim_surface_at(object, dimensions, x, y, z, sizeof(T), mode);
  if (p) *static_cast<T *>(p) = value;
}

}  // namespace cusim

template <class T>
inline T tex1Dfetch(cudaTextureObject_t object, int x) {
  cusim_texels found;
  cusim_texture_element(object, x, &found);
  return cusim::texel_value<T>(found);
}
// Each fetch returns its value, or leaves it where a pointer says.
#define CUSIM_FETCH(name, parameters, ...)                                        \
  template <class T>                                                              \
  inline T name(cudaTextureObject_t object, CUSIM_LIST parameters) {              \
    return cusim::fetch<T>(object, __VA_ARGS__);                                  \
  }                                                                               \
  template <class T>                                                              \
  inline void name(T *value, cudaTextureObject_t object, CUSIM_LIST parameters) { \
    *value = cusim::fetch<T>(object, __VA_ARGS__);                                \
  }
#define CUSIM_LIST(...) __VA_ARGS__
CUSIM_FETCH(tex1D, (float x), 1, x, 0, 0, -1)
CUSIM_FETCH(tex2D, (float x, float y), 2, x, y, 0, -1)
CUSIM_FETCH(tex3D, (float x, float y, float z), 3, x, y, z, -1)
CUSIM_FETCH(tex1DLayered, (float x, int layer), 1, x, 0, 0, layer)
CUSIM_FETCH(tex2DLayered, (float x, float y, int layer), 2, x, y, 0, layer)
// Arrays have one level here.
CUSIM_FETCH(tex1DLod, (float x, float), 1, x, 0, 0, -1)
CUSIM_FETCH(tex2DLod, (float x, float y, float), 2, x, y, 0, -1)
CUSIM_FETCH(tex3DLod, (float x, float y, float z, float), 3, x, y, z, -1)
#undef CUSIM_FETCH
template <class T>
inline void tex1Dfetch(T *value, cudaTextureObject_t object, int x) {
  *value = tex1Dfetch<T>(object, x);
}

#define CUSIM_SURFACE(suffix, dimensions, y_value, z_value, ...)                         \
  template <class T>                                                                     \
  inline T surf##suffix##read(cudaSurfaceObject_t object, __VA_ARGS__,                   \
                              cudaSurfaceBoundaryMode mode = cudaBoundaryModeTrap) {     \
    return cusim::surface_read<T>(object, dimensions, x, y_value, z_value, mode);        \
  }                                                                                      \
  template <class T>                                                                     \
  inline void surf##suffix##read(T *value, cudaSurfaceObject_t object, __VA_ARGS__,      \
                                 cudaSurfaceBoundaryMode mode = cudaBoundaryModeTrap) {  \
    *value = cusim::surface_read<T>(object, dimensions, x, y_value, z_value, mode);      \
  }                                                                                      \
  template <class T>                                                                     \
  inline void surf##suffix##write(T value, cudaSurfaceObject_t object, __VA_ARGS__,      \
                                  cudaSurfaceBoundaryMode mode = cudaBoundaryModeTrap) { \
    cusim::surface_write<T>(value, object, dimensions, x, y_value, z_value, mode);       \
  }
CUSIM_SURFACE(1D, 1, 0, 0, int x)
CUSIM_SURFACE(2D, 2, y, 0, int x, int y)
CUSIM_SURFACE(3D, 3, y, z, int x, int y, int z)
CUSIM_SURFACE(1DLayered, 3, 0, layer, int x, int layer)
CUSIM_SURFACE(2DLayered, 3, y, layer, int x, int y, int layer)
#undef CUSIM_SURFACE
#undef CUSIM_LIST

template <class T>
inline cudaChannelFormatDesc cudaCreateChannelDesc(void) {
  using channel = typename cusim::channels_of<T>::type;
  const int bits = 8 * (int)sizeof(channel), count = cusim::channels_of<T>::count;
  return cudaCreateChannelDesc(bits, count > 1 ? bits : 0, count > 2 ? bits : 0, count > 3 ? bits : 0,
                               std::is_floating_point_v<channel> ? cudaChannelFormatKindFloat
                               : std::is_signed_v<channel>       ? cudaChannelFormatKindSigned
                                                                 : cudaChannelFormatKindUnsigned);
}
#endif
