// SPDX-License-Identifier: MIT
// Atomics of every type, contended by every thread of many blocks, in global and in shared memory.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cuda/atomic>

#include "exec_check.h"

enum { BLOCKS = 64, THREADS = 128, COUNT = BLOCKS * THREADS, BINS = 17 };

struct results {
  int sum, least, most, difference, lock_sum;
  unsigned bits_or, bits_and, bits_xor, wrapped, unwound, exchanged, by_cas, most_unsigned;
  unsigned long long wide_sum, wide_most, wide_cas;
  float real_sum;
  double double_sum, scoped;
  unsigned bins[BINS];
};

__global__ void collide(results *r) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  atomicAdd(&r->sum, i);
  atomicMin(&r->least, -i);
  atomicMax(&r->most, i - 5);
  atomicSub(&r->difference, 2);
  atomicOr(&r->bits_or, 1u << i % 32);
  atomicAnd(&r->bits_and, ~(1u << i % 16));
  atomicXor(&r->bits_xor, (unsigned)i);
  atomicInc(&r->wrapped, 99);
  atomicDec(&r->unwound, 99);
  atomicExch(&r->exchanged, 7u);
  atomicMax(&r->most_unsigned, 0x80000000u + i);
  atomicAdd(&r->wide_sum, (unsigned long long)i << 20);
  atomicMax(&r->wide_most, (unsigned long long)i << 33);
  atomicAdd(&r->real_sum, 0.5f);  // multiples of a half are exact
  atomicAdd(&r->double_sum, 0.25);
  atomicAdd_block(&r->scoped, blockIdx.x == 0 ? 1.0 : 0.0);
  unsigned old = r->by_cas, seen;
  do {
    seen = old;
    old = atomicCAS(&r->by_cas, seen, seen + 3);
  } while (old != seen);
  unsigned long long wide = r->wide_cas, wide_seen;
  do {
    wide_seen = wide;
    wide = atomicCAS(&r->wide_cas, wide_seen, wide_seen + (1ull << 32));
  } while (wide != wide_seen);
}

__global__ void histogram(const unsigned char *data, int n, unsigned *bins) {
  __shared__ unsigned local[BINS];
  if (threadIdx.x < BINS) local[threadIdx.x] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&local[data[i]], 1u);
  __syncthreads();
  if (threadIdx.x < BINS) atomicAdd(&bins[threadIdx.x], local[threadIdx.x]);
}

// The last block to finish sees what all others have written.
__global__ void last_block(unsigned *ticket, int *parts, int *total) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = blockIdx.x + 1;
    __threadfence();
    last = atomicAdd(ticket, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    int sum = 0;
    for (unsigned b = 0; b < gridDim.x; b++) sum += ((volatile int *)parts)[b];
    *total = sum;
  }
}

struct small_results {
  __half half_sum;
  __half2 pair_sum;
  __nv_bfloat16 bfloat_sum;
  float2 float_pair;
  unsigned short by_cas;
  unsigned wrapped;
  int referenced;
  cuda::atomic<unsigned, cuda::thread_scope_device> object;
};

__global__ void collide_small(small_results *r) {
  atomicAdd(&r->half_sum, __float2half(1.0f));
  atomicAdd(&r->pair_sum, __floats2half2_rn(1.0f, 2.0f));
  atomicAdd(&r->bfloat_sum, __float2bfloat16(1.0f));
  atomicAdd(&r->float_pair.x, 1.0f);
  atomicInc_system(&r->wrapped, 9);
  unsigned short seen = r->by_cas, old;
  do {
    old = seen;
    seen = atomicCAS(&r->by_cas, old, (unsigned short)(old + 1));
  } while (seen != old);
  cuda::atomic_ref<int, cuda::thread_scope_device>(r->referenced).fetch_max((int)threadIdx.x);
  r->object.fetch_add(2, cuda::memory_order_relaxed);
  r->object--;
}

static void test_small(void) {
  small_results *r;
  char copy[sizeof(small_results)];
  CHECK(cudaMalloc(&r, sizeof *r));
  CHECK(cudaMemset(r, 0, sizeof *r));
  collide_small<<<2, 64>>>(r);
  CHECK(cudaMemcpy(copy, r, sizeof *r, cudaMemcpyDeviceToHost));
  const small_results *h = (const small_results *)copy;
  EXPECT(__half2float(h->half_sum) == 128 && __bfloat162float(h->bfloat_sum) == 128, "scalars");
  EXPECT(__low2float(h->pair_sum) == 128 && __high2float(h->pair_sum) == 256, "pairs");
  EXPECT(h->float_pair.x == 128 && h->by_cas == 128 && h->wrapped == 8, "%d %u", h->by_cas, h->wrapped);
  EXPECT(h->referenced == 63 && h->object.load() == 128, "%d %u", h->referenced, h->object.load());
  CHECK(cudaFree(r));
}

// nvcc's own atomics, with order and scope, and C++'s through a volatile object, by every thread.
struct builtin_results {
  int sum, difference, least, most, taken, counted;
  unsigned bits_or, bits_and, bits_xor;
  float real;
};
__global__ void builtin(builtin_results *r, volatile cuda::std::atomic<int> *flag) {
#if CUDART_VERSION >= 12080
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  __nv_atomic_add(&r->sum, i, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE);
  __nv_atomic_fetch_sub(&r->difference, 2, __NV_ATOMIC_ACQ_REL);
  __nv_atomic_fetch_min(&r->least, -i, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE);
  __nv_atomic_max(&r->most, i, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE);
  __nv_atomic_or(&r->bits_or, 1u << i % 32, __NV_ATOMIC_RELAXED);
  __nv_atomic_and(&r->bits_and, ~(1u << i % 16), __NV_ATOMIC_RELAXED);
  __nv_atomic_xor(&r->bits_xor, (unsigned)i, __NV_ATOMIC_RELAXED);
  float old, next;
  __nv_atomic_load(&r->real, &old, __NV_ATOMIC_RELAXED, __NV_THREAD_SCOPE_DEVICE);
  do next = old + 0.5f;
  while (!__nv_atomic_compare_exchange(&r->real, &old, &next, true, __NV_ATOMIC_RELAXED, __NV_ATOMIC_RELAXED,
                                       __NV_THREAD_SCOPE_DEVICE));
  if (__nv_atomic_exchange_n(&r->taken, 1, __NV_ATOMIC_ACQUIRE, __NV_THREAD_SCOPE_DEVICE) == 0)
    __nv_atomic_store_n(&r->counted, flag->load(cuda::memory_order_acquire), __NV_ATOMIC_RELEASE);
  __nv_atomic_thread_fence(__NV_ATOMIC_SEQ_CST, __NV_THREAD_SCOPE_BLOCK);
#else
  (void)r, (void)flag;
#endif
}
static void test_builtin(void) {
#if CUDART_VERSION >= 12080
  builtin_results *r;
  cuda::std::atomic<int> *flag;
  unsigned bits_xor = 0;
  for (int i = 0; i < COUNT; i++) bits_xor ^= (unsigned)i;
  CHECK(cudaMallocManaged(&r, sizeof *r));
  CHECK(cudaMallocManaged(&flag, sizeof *flag));
  memset(r, 0, sizeof *r);
  r->bits_and = ~0u;
  flag->store(9);
  builtin<<<BLOCKS, THREADS>>>(r, flag);
  CHECK(cudaDeviceSynchronize());
  EXPECT(r->sum == COUNT / 2 * (COUNT - 1) && r->difference == -2 * COUNT, "%d %d", r->sum, r->difference);
  EXPECT(r->least == 1 - COUNT && r->most == COUNT - 1, "%d %d", r->least, r->most);
  EXPECT(r->bits_or == ~0u && r->bits_and == 0xffff0000u && r->bits_xor == bits_xor, "%x %x %x", r->bits_or,
         r->bits_and, r->bits_xor);
  EXPECT(r->real == COUNT * 0.5f && r->taken == 1 && r->counted == 9, "%f %d %d", r->real, r->taken,
         r->counted);
  CHECK(cudaFree(r));
  CHECK(cudaFree(flag));
#endif
}

int main(void) {
  results h = {}, *d;
  h.bits_and = ~0u;
  CHECK(cudaMalloc(&d, sizeof h));
  CHECK(cudaMemcpy(d, &h, sizeof h, cudaMemcpyHostToDevice));
  collide<<<BLOCKS, THREADS>>>(d);
  CHECK(cudaMemcpy(&h, d, sizeof h, cudaMemcpyDeviceToHost));
  unsigned bits_xor = 0, unwound = 0;
  for (unsigned i = 0; i < COUNT; i++) bits_xor ^= i, unwound = unwound == 0 ? 99 : unwound - 1;
  EXPECT(h.sum == COUNT / 2 * (COUNT - 1), "%d", h.sum);
  EXPECT(h.least == -(COUNT - 1) && h.most == COUNT - 6, "%d %d", h.least, h.most);
  EXPECT(h.difference == -2 * COUNT, "%d", h.difference);
  EXPECT(h.bits_or == ~0u && h.bits_and == 0xffff0000u && h.bits_xor == bits_xor, "%x %x %x", h.bits_or,
         h.bits_and, h.bits_xor);
  EXPECT(h.wrapped == COUNT % 100 && h.unwound == unwound, "%u %u", h.wrapped, h.unwound);
  EXPECT(h.exchanged == 7 && h.most_unsigned == 0x80000000u + COUNT - 1, "%u %u", h.exchanged,
         h.most_unsigned);
  EXPECT(h.wide_sum == (unsigned long long)(COUNT / 2) * (COUNT - 1) << 20, "%llu", h.wide_sum);
  EXPECT(h.wide_most == (unsigned long long)(COUNT - 1) << 33, "%llu", h.wide_most);
  EXPECT(h.real_sum == COUNT * 0.5f && h.double_sum == COUNT * 0.25, "%f %f", h.real_sum, h.double_sum);
  EXPECT(h.scoped == THREADS, "%f", h.scoped);
  EXPECT(h.by_cas == 3 * COUNT && h.wide_cas == (unsigned long long)COUNT << 32, "%u %llu", h.by_cas,
         h.wide_cas);

  enum { N = 100003 };
  static unsigned char data[N];
  unsigned bins[BINS] = {0}, expected[BINS] = {0}, *d_bins;
  unsigned char *d_data;
  for (unsigned i = 0; i < N; i++) expected[data[i] = (unsigned char)(i * 2654435761u % BINS)]++;
  CHECK(cudaMalloc(&d_data, N));
  CHECK(cudaMalloc(&d_bins, sizeof bins));
  CHECK(cudaMemcpy(d_data, data, N, cudaMemcpyHostToDevice));
  CHECK(cudaMemset(d_bins, 0, sizeof bins));
  histogram<<<BLOCKS, THREADS>>>(d_data, N, d_bins);
  CHECK(cudaMemcpy(bins, d_bins, sizeof bins, cudaMemcpyDeviceToHost));
  for (int i = 0; i < BINS; i++)
    EXPECT(bins[i] == expected[i], "bin %d: %u, not %u", i, bins[i], expected[i]);

  unsigned *ticket;
  int *parts, total = 0;
  CHECK(cudaMalloc(&ticket, sizeof *ticket));
  CHECK(cudaMalloc(&parts, (BLOCKS + 1) * sizeof *parts));
  CHECK(cudaMemset(ticket, 0, sizeof *ticket));
  last_block<<<BLOCKS, 64>>>(ticket, parts, parts + BLOCKS);
  CHECK(cudaMemcpy(&total, parts + BLOCKS, sizeof total, cudaMemcpyDeviceToHost));
  EXPECT(total == BLOCKS * (BLOCKS + 1) / 2, "%d", total);
  test_small();
  test_builtin();
  FINISH();
}
