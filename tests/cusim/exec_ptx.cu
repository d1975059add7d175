// SPDX-License-Identifier: MIT
// Inline PTX: what programs write by hand, against the same in CUDA C++.
#include <cuda_runtime.h>
#include <stdint.h>
#include <stdio.h>

enum { RESULTS = 64 };

static __device__ __forceinline__ unsigned lane_id() {
  unsigned lane;
  asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}
static __device__ unsigned shared_address(const void *p) {
  return (unsigned)__cvta_generic_to_shared(p);
}

__global__ void arithmetic(uint64_t *out, unsigned a, unsigned b, int s, float f, double d) {
  unsigned r, q;
  uint64_t w;
  int i;
  float g;
  double e;
  int n = 0;
  asm("mul.hi.u32 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  out[n++] = r == __umulhi(a, b);
  asm("mad.lo.u32 %0, %1, %2, %3;" : "=r"(r) : "r"(a), "r"(b), "r"(7u));
  out[n++] = r == a * b + 7u;
  asm("mul.wide.u32 %0, %1, %2;" : "=l"(w) : "r"(a), "r"(b));
  out[n++] = w == (uint64_t)a * b;
  asm("mad.wide.s32 %0, %1, -3, %2;" : "=l"(w) : "r"(s), "l"((uint64_t)5));
  out[n++] = (long long)w == (long long)s * -3 + 5;
  asm("bfe.u32 %0, %1, 4, 8;" : "=r"(r) : "r"(a));
  out[n++] = r == ((a >> 4) & 255);
  asm("bfe.s32 %0, %1, %2, %3;" : "=r"(i) : "r"(0x00000f00), "r"(8), "r"(4));
  out[n++] = i == -1;
  asm("bfi.b32 %0, %1, %2, 8, 4;" : "=r"(r) : "r"(0xfu), "r"(0u));
  out[n++] = r == 0xf00;
  asm("prmt.b32 %0, %1, %2, 0x5410;" : "=r"(r) : "r"(0x03020100u), "r"(0x07060504u));
  out[n++] = r == 0x05040100u;
  asm("lop3.b32 %0, %1, %2, %3, 0x96;" : "=r"(r) : "r"(a), "r"(b), "r"(0x1234u));
  out[n++] = r == (a ^ b ^ 0x1234u);
  asm("popc.b32 %0, %1;" : "=r"(r) : "r"(a));
  asm("clz.b32 %0, %1;" : "=r"(q) : "r"(b));
  out[n++] = r == (unsigned)__popc(a) && q == (unsigned)__clz((int)b);
  asm("brev.b32 %0, %1;" : "=r"(r) : "r"(a));
  asm("bfind.u32 %0, %1;" : "=r"(q) : "r"(0x00400000u));
  out[n++] = r == __brev(a) && q == 22;
  // A chain over two statements, as big numbers are added.
  unsigned lo, hi;
  asm volatile("add.cc.u32 %0, %1, %2;" : "=r"(lo) : "r"(0xffffffffu), "r"(2u));
  asm volatile("addc.u32 %0, %1, %2;" : "=r"(hi) : "r"(5u), "r"(6u));
  out[n++] = lo == 1 && hi == 12;
  asm("{\n\t"
      "  sub.cc.u32 %0, %2, %3;  // borrows\n\t"
      "  subc.u32   %1, %4, 0;\n\t"
      "}"
      : "=r"(lo), "=&r"(hi)
      : "r"(1u), "r"(2u), "r"(9u));
  out[n++] = lo == 0xffffffffu && hi == 8;
  asm("fma.rn.f32 %0, %1, %1, 0f3F800000;" : "=f"(g) : "f"(f));
  out[n++] = g == f * f + 1.0f;
  asm("fma.rn.f64 %0, %1, %2, %3;" : "=d"(e) : "d"(d), "d"(2.0), "d"(0.5));
  out[n++] = e == d * 2.0 + 0.5;
  asm("add.sat.f32 %0, %1, 0f3F800000;" : "=f"(g) : "f"(f));
  out[n++] = g == 1.0f;
  asm("cvt.rni.s32.f32 %0, %1;" : "=r"(i) : "f"(2.5f));
  asm("cvt.rzi.u32.f32 %0, %1;" : "=r"(r) : "f"(-2.5f));
  out[n++] = i == 2 && r == 0;
  asm("cvt.rn.f32.s32 %0, %1;" : "=f"(g) : "r"(s));
  out[n++] = g == (float)s;
  asm("mov.b32 %0, %1;" : "=r"(r) : "f"(1.0f));
  out[n++] = r == 0x3f800000u;
  asm("mov.b64 {%0, %1}, %2;" : "=r"(lo), "=r"(hi) : "l"(0x0000000500000003ull));
  asm("mov.b64 %0, {%1, %2};" : "=l"(w) : "r"(hi), "r"(lo));
  out[n++] = lo == 3 && hi == 5 && w == 0x0000000300000005ull;
  asm("{ .reg .pred p; .reg .u32 t<2>;\n"
      "  setp.gt.s32 p, %1, %2;\n"
      "  mov.u32 t0, 11; mov.u32 t1, 22;\n"
      "  selp.u32 %0, t0, t1, p;\n"
      "  @!p add.u32 %0, %0, 100; }"
      : "=r"(r)
      : "r"(s), "r"(3));
  out[n++] = r == (s > 3 ? 11u : 122u);
  r = 5;
  asm("add.u32 %0, %0, %1;" : "+r"(r) : "r"(2u));
  asm("add.u32 %0, %1, 1;" : "=r"(q) : "r"(r));
  out[n++] = r == 7 && q == 8;
  asm("{ .reg .pred %%p1; .reg .u32 %%r1; mov.u32 %%r1, 0;\n"
      "AGAIN: add.u32 %%r1, %%r1, 2; setp.lt.u32 %%p1, %%r1, %1; @%%p1 bra AGAIN;\n"
      "mov.u32 %0, %%r1; }"
      : "=r"(r)
      : "r"(9u));
  out[n++] = r == 10;
  asm("shf.l.wrap.b32 %0, %1, %2, 8;" : "=r"(r) : "r"(a), "r"(b));
  out[n++] = r == __funnelshift_l(a, b, 8);
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(i) : "r"(0x01ff0203), "r"(0x02020202), "r"(10));
  out[n++] = i == 2 * (1 - 1 + 2 + 3) + 10;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(g) : "f"(3.0f));
  out[n++] = g > 7.99f && g < 8.01f;
  asm("min.s32 %0, %1, -5;" : "=r"(i) : "r"(s));
  asm("max.u32 %0, %1, %2;" : "=r"(r) : "r"(a), "r"(b));
  out[n++] = i == (s < -5 ? s : -5) && r == (a > b ? a : b);
  asm("shl.b32 %0, %1, 35;" : "=r"(r) : "r"(a));
  asm("shr.s32 %0, %1, 40;" : "=r"(i) : "r"(-8));
  out[n++] = r == 0 && i == -1;
  asm volatile("" ::: "memory");
  for (; n < RESULTS; n++) out[n] = 1;
}

__global__ void memory(uint64_t *out, const int4 *in, int *words) {
  __shared__ unsigned tile[64];
  extern __shared__ float dynamic[];
  const unsigned t = threadIdx.x;
  int n = 0;
  unsigned r;
  int x, y, z, w;
  tile[t] = t;
  dynamic[t] = (float)t;
  asm volatile("bar.sync 0;" ::: "memory");
  asm volatile("ld.global.cg.v4.s32 {%0, %1, %2, %3}, [%4];"
               : "=r"(x), "=r"(y), "=r"(z), "=r"(w)
               : "l"(in + 1));
  const bool vector = x == 5 && y == 6 && z == 7 && w == 8;
  asm volatile("ld.global.nc.L1::no_allocate.s32 %0, [%1+4];" : "=r"(x) : "l"(in));
  asm volatile("st.global.cs.s32 [%0], %1;" ::"l"(words + 8 + t), "r"(x) : "memory");
  asm volatile("ld.shared.u32 %0, [%1];" : "=r"(r) : "r"(shared_address(&tile[(t + 1) % 32])));
  const bool from_tile = r == (t + 1) % 32;
  float f;
  asm volatile("ld.shared.f32 %0, [%1 + 8];" : "=f"(f) : "r"(shared_address(dynamic)));
  asm volatile("st.volatile.shared.u32 [%0], %1;" ::"r"(shared_address(&tile[32 + t])), "r"(t * 2));
  asm volatile("red.global.add.u32 [%0], 1;" ::"l"(words) : "memory");
  asm volatile("atom.shared.add.u32 %0, [%1], %2;" : "=r"(r) : "r"(shared_address(&tile[32 + t])), "r"(1u));
  const bool atomic = r == t * 2 && tile[32 + t] == t * 2 + 1;
  asm volatile("atom.global.cas.b32 %0, [%1], %2, %3;" : "=r"(r) : "l"(words + 1 + t % 2), "r"(77), "r"(0));
  asm volatile("membar.gl;");
  asm volatile("fence.acq_rel.gpu;");
  asm volatile("prefetch.global.L2 [%0];" ::"l"(in));
  __syncthreads();
  if (t == 0) {
    out[n++] = vector;
    out[n++] = words[8] == 2 && words[39] == 2;
    out[n++] = from_tile;
    out[n++] = f == 2.0f;
    out[n++] = words[0] == 32;
    out[n++] = atomic;
    for (; n < RESULTS; n++) out[n] = 1;
  }
}

__global__ void warps(uint64_t *out) {
  const unsigned lane = lane_id();
  unsigned r, q, below, all, smid, warp;
  int n = 0, i;
  long long clock;
  asm volatile("shfl.sync.down.b32 %0, %1, 1, 0x1f, 0xffffffff;" : "=r"(r) : "r"(lane * 3));
  const bool down = r == (lane == 31 ? 31 : lane + 1) * 3;
  asm volatile("{ .reg .pred p; shfl.sync.up.b32 %0|p, %2, 2, 0, -1; selp.u32 %1, 1, 0, p; }"
               : "=r"(r), "=r"(q)
               : "r"(lane));
  const bool up = r == (lane < 2 ? lane : lane - 2) && q == (lane >= 2);
  asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, %3;" : "=r"(r) : "r"(lane), "r"(5), "r"(0xffffffff));
  const bool butterfly = r == (lane ^ 5);
  asm volatile("{ .reg .pred p; setp.lt.u32 p, %1, 7; vote.sync.ballot.b32 %0, p, 0xffffffff; }"
               : "=r"(r)
               : "r"(lane));
  const bool ballot = r == 0x7f;
  asm volatile("mov.u32 %0, %%lanemask_lt;" : "=r"(below));
  asm volatile("activemask.b32 %0;" : "=r"(all));
#if defined(__CUSIM__) || __CUDA_ARCH__ >= 800
  asm volatile("redux.sync.add.s32 %0, %1, 0xffffffff;" : "=r"(i) : "r"((int)lane));
#else
  i = 496;
#endif
  asm volatile("mov.u32 %0, %%smid;" : "=r"(smid));
  asm volatile("mov.u32 %0, %%warpid;" : "=r"(warp));
  asm volatile("mov.u64 %0, %%clock64;" : "=l"(clock));
  if (lane == 31) {
    out[n++] = lane == threadIdx.x % 32;
    out[n++] = down;
    out[n++] = up;
    out[n++] = butterfly;
    out[n++] = ballot;
    out[n++] = below == 0x7fffffffu && all == 0xffffffffu;
    out[n++] = i == 496;
    out[n++] = smid < 1024 && warp == 0 && clock >= 0;
    for (; n < RESULTS; n++) out[n] = 1;
  }
}

__global__ void copies(uint64_t *out, const float4 *in) {
  __shared__ float4 tile[32];
  const unsigned t = threadIdx.x;
#if defined(__CUSIM__) || __CUDA_ARCH__ >= 800
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(&tile[t])), "l"(in + t));
  asm volatile("cp.async.commit_group;");
  asm volatile("cp.async.wait_group 0;" ::: "memory");
#else
  tile[t] = in[t];
#endif
  __syncthreads();
  if (t == 0)
    for (int n = 0; n < RESULTS; n++) out[n] = n >= 32 || tile[n].x == 4 * n + 1;
}

static int failures;
static void expect(const char *what, const uint64_t *device) {
  uint64_t host[RESULTS];
  const cudaError_t error = cudaMemcpy(host, device, sizeof host, cudaMemcpyDeviceToHost);
  if (error != cudaSuccess) printf("FAIL %s: %s\n", what, cudaGetErrorString(error)), failures++;
  for (int i = 0; i < RESULTS && error == cudaSuccess; i++)
    if (host[i] != 1) printf("FAIL %s: result %d\n", what, i), failures++;
}

int main() {
  uint64_t *out;
  int *in, *words, numbers[128];
  for (int i = 0; i < 128; i++) numbers[i] = i + 1;
  if (cudaMalloc(&out, RESULTS * sizeof *out) != cudaSuccess ||
      cudaMalloc(&in, sizeof numbers) != cudaSuccess || cudaMalloc(&words, sizeof numbers) != cudaSuccess)
    return 1;
  cudaMemcpy(in, numbers, sizeof numbers, cudaMemcpyHostToDevice);
  cudaMemset(words, 0, sizeof numbers);
  arithmetic<<<1, 1>>>(out, 0xdeadbeefu, 0x12345678u, -17, 1.5f, 3.25);
  expect("arithmetic", out);
  memory<<<1, 32, 32 * sizeof(float)>>>(out, (const int4 *)in, words);
  expect("memory", out);
  warps<<<1, 32>>>(out);
  expect("warps", out);
  float floats[128];
  for (int i = 0; i < 128; i++) floats[i] = (float)(i + 1);
  cudaMemcpy(in, floats, sizeof floats, cudaMemcpyHostToDevice);
  copies<<<1, 32>>>(out, (const float4 *)in);
  expect("copies", out);
  cudaFree(out);
  cudaFree(in);
  cudaFree(words);
  printf("%s\n", failures ? "FAIL" : "PASS");
  return failures ? 1 : 0;
}
