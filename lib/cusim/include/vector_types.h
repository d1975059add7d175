// SPDX-License-Identifier: MIT
// CUDA's vector types. Sixteen-byte ones are copied by a single access, as a GPU does: the tracer counts
// accesses, and the union with a vector member is what keeps the compiler from splitting them.
#ifndef CUSIM_VECTOR_TYPES_H
#define CUSIM_VECTOR_TYPES_H

#ifdef __cplusplus
#define CUSIM_VECTOR(name, element, count, alignment, ...)               \
  struct alignas(alignment) name {                                       \
    typedef element cusim_lanes __attribute__((vector_size(alignment))); \
    union {                                                              \
      struct {                                                           \
        element __VA_ARGS__;                                             \
      };                                                                 \
      cusim_lanes cusim_all;                                             \
    };                                                                   \
    CUSIM_VECTOR_MEMBERS(name, element, count)                           \
  };
#define CUSIM_VECTOR_MEMBERS(name, element, count)        \
  name() = default;                                       \
  name(const name &other) : cusim_all(other.cusim_all) {} \
  name &operator=(const name &other) {                    \
    cusim_all = other.cusim_all;                          \
    return *this;                                         \
  }                                                       \
  CUSIM_FROM_##count(name, element)
#define CUSIM_FROM_2(name, e) \
  constexpr name(e a, e b) : x(a), y(b) {}
#define CUSIM_FROM_4(name, e) \
  constexpr name(e a, e b, e c, e d) : x(a), y(b), z(c), w(d) {}
#else
#define CUSIM_VECTOR(name, element, count, alignment, ...) \
  struct name {                                            \
    element __VA_ARGS__;                                   \
  } __attribute__((aligned(alignment)));
#endif
#define CUSIM_VECTOR2(name, element, alignment) CUSIM_VECTOR(name, element, 2, alignment, x, y)
#define CUSIM_VECTOR4(name, element, alignment) CUSIM_VECTOR(name, element, 4, alignment, x, y, z, w)

struct char1 {
  signed char x;
};
struct char2 {
  signed char x, y;
} __attribute__((aligned(2)));
struct char3 {
  signed char x, y, z;
};
struct char4 {
  signed char x, y, z, w;
} __attribute__((aligned(4)));
struct uchar1 {
  unsigned char x;
};
struct uchar2 {
  unsigned char x, y;
} __attribute__((aligned(2)));
struct uchar3 {
  unsigned char x, y, z;
};
struct uchar4 {
  unsigned char x, y, z, w;
} __attribute__((aligned(4)));
struct short1 {
  short x;
};
struct short2 {
  short x, y;
} __attribute__((aligned(4)));
struct short3 {
  short x, y, z;
};
CUSIM_VECTOR4(short4, short, 8)
struct ushort1 {
  unsigned short x;
};
struct ushort2 {
  unsigned short x, y;
} __attribute__((aligned(4)));
struct ushort3 {
  unsigned short x, y, z;
};
CUSIM_VECTOR4(ushort4, unsigned short, 8)
struct int1 {
  int x;
};
CUSIM_VECTOR2(int2, int, 8)
struct int3 {
  int x, y, z;
};
CUSIM_VECTOR4(int4, int, 16)
struct uint1 {
  unsigned int x;
};
CUSIM_VECTOR2(uint2, unsigned int, 8)
struct uint3 {
  unsigned int x, y, z;
};
CUSIM_VECTOR4(uint4, unsigned int, 16)
struct long1 {
  long x;
};
CUSIM_VECTOR2(long2, long, 16)
struct long3 {
  long x, y, z;
};
struct long4 {
  long x, y, z, w;
} __attribute__((aligned(16)));
struct ulong1 {
  unsigned long x;
};
CUSIM_VECTOR2(ulong2, unsigned long, 16)
struct ulong3 {
  unsigned long x, y, z;
};
struct ulong4 {
  unsigned long x, y, z, w;
} __attribute__((aligned(16)));
struct longlong1 {
  long long x;
};
CUSIM_VECTOR2(longlong2, long long, 16)
struct longlong3 {
  long long x, y, z;
};
struct longlong4 {
  long long x, y, z, w;
} __attribute__((aligned(16)));
struct ulonglong1 {
  unsigned long long x;
};
CUSIM_VECTOR2(ulonglong2, unsigned long long, 16)
struct ulonglong3 {
  unsigned long long x, y, z;
};
struct ulonglong4 {
  unsigned long long x, y, z, w;
} __attribute__((aligned(16)));
struct float1 {
  float x;
};
CUSIM_VECTOR2(float2, float, 8)
struct float3 {
  float x, y, z;
};
CUSIM_VECTOR4(float4, float, 16)
struct double1 {
  double x;
};
CUSIM_VECTOR2(double2, double, 16)
struct double3 {
  double x, y, z;
};
struct double4 {
  double x, y, z, w;
} __attribute__((aligned(16)));

typedef struct char1 char1;
typedef struct char2 char2;
typedef struct char3 char3;
typedef struct char4 char4;
typedef struct uchar1 uchar1;
typedef struct uchar2 uchar2;
typedef struct uchar3 uchar3;
typedef struct uchar4 uchar4;
typedef struct short1 short1;
typedef struct short2 short2;
typedef struct short3 short3;
typedef struct short4 short4;
typedef struct ushort1 ushort1;
typedef struct ushort2 ushort2;
typedef struct ushort3 ushort3;
typedef struct ushort4 ushort4;
typedef struct int1 int1;
typedef struct int2 int2;
typedef struct int3 int3;
typedef struct int4 int4;
typedef struct uint1 uint1;
typedef struct uint2 uint2;
typedef struct uint3 uint3;
typedef struct uint4 uint4;
typedef struct long1 long1;
typedef struct long2 long2;
typedef struct long3 long3;
typedef struct long4 long4;
typedef struct ulong1 ulong1;
typedef struct ulong2 ulong2;
typedef struct ulong3 ulong3;
typedef struct ulong4 ulong4;
typedef struct longlong1 longlong1;
typedef struct longlong2 longlong2;
typedef struct longlong3 longlong3;
typedef struct longlong4 longlong4;
typedef struct ulonglong1 ulonglong1;
typedef struct ulonglong2 ulonglong2;
typedef struct ulonglong3 ulonglong3;
typedef struct ulonglong4 ulonglong4;
typedef struct float1 float1;
typedef struct float2 float2;
typedef struct float3 float3;
typedef struct float4 float4;
typedef struct double1 double1;
typedef struct double2 double2;
typedef struct double3 double3;
typedef struct double4 double4;

struct dim3 {
  unsigned int x, y, z;
#ifdef __cplusplus
  constexpr dim3(unsigned int a = 1, unsigned int b = 1, unsigned int c = 1) : x(a), y(b), z(c) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const {
    return uint3{x, y, z};
  }
#endif
};
typedef struct dim3 dim3;
#endif
