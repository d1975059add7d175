// SPDX-License-Identifier: MIT
// Barriers in shared memory and pipelines of asynchronous copies: every phase waits for all, bytes arrive,
// and producers stay at most the number of stages ahead.
#include <cooperative_groups.h>
#include <cuda_awbarrier_primitives.h>
#include <cuda/barrier>
#include <cuda/pipeline>

#include "exec_check.h"

#pragma nv_diag_suppress static_var_with_dynamic_init  // init and make_pipeline set them up

namespace cg = cooperative_groups;

enum { THREADS = 128, ROUNDS = 20 };

// Every round each thread reads what its neighbour in another warp wrote in the round before.
__global__ void rounds(int *out) {
  __shared__ cuda::barrier<cuda::thread_scope_block> barrier;
  __shared__ int value[2][THREADS];
  const int t = (int)threadIdx.x;
  if (t == 0) init(&barrier, THREADS);
  __syncthreads();
  value[0][t] = t;
  for (int round = 0; round < ROUNDS; round++) {
    if (round % 3 == 0) {
      barrier.arrive_and_wait();
    } else if (round % 3 == 1) {
      auto token = barrier.arrive();
      barrier.wait(cuda::std::move(token));
    } else {
      auto token = barrier.arrive();
      while (!barrier.try_wait_for(cuda::std::move(token), cuda::std::chrono::nanoseconds(100))) {
      }
    }
    value[(round + 1) % 2][t] = value[round % 2][(t + 33) % THREADS] + 1;
  }
  out[t] = value[ROUNDS % 2][t];
}

// Threads leave one after the other; the others' barrier still completes.
__global__ void leaving(int *out) {
  __shared__ cuda::barrier<cuda::thread_scope_block> barrier;
  const int t = (int)threadIdx.x;
  if (t == 0) init(&barrier, THREADS);
  __syncthreads();
  int stayed = 0;
  for (; stayed < t; stayed++) barrier.arrive_and_wait();
  barrier.arrive_and_drop();
  out[t] = stayed;
}

// The last one to arrive calls this before anybody goes on.
struct count_phases {
  int *count;
  __device__ void operator()() const { *count += 1; }
};
__global__ void completions(int *out) {
  using barrier_type = cuda::barrier<cuda::thread_scope_block, count_phases>;
  __shared__ alignas(barrier_type) char memory[sizeof(barrier_type)];
  __shared__ int count;
  barrier_type *barrier = reinterpret_cast<barrier_type *>(memory);
  if (threadIdx.x == 0) {
    count = 0;
    init(barrier, THREADS, count_phases{&count});
  }
  __syncthreads();
  int wrong = 0;
  for (int round = 1; round <= ROUNDS; round++) {
    barrier->arrive_and_wait();
    wrong += count != round;
    barrier->arrive_and_wait();
    round++;
  }
  out[threadIdx.x] = wrong;
}

// A phase that waits for announced bytes: the copy may come before or behind its announcement.
__global__ void bytes(const int *in, int *out) {
  __shared__ cuda::barrier<cuda::thread_scope_block> barrier;
  __shared__ alignas(16) int part[THREADS];
  const int t = (int)threadIdx.x;
  if (t == 0) init(&barrier, THREADS);
  __syncthreads();
  cuda::barrier<cuda::thread_scope_block>::arrival_token token =
      t == 0 ? cuda::device::barrier_arrive_tx(barrier, 1, sizeof part) : barrier.arrive();
  if (t == 40) cuda::device::memcpy_async_tx(part, in, cuda::aligned_size_t<16>(sizeof part), barrier);
  barrier.wait(cuda::std::move(token));
  out[t] = part[THREADS - 1 - t];
}

__global__ void primitives(int *out) {
  __shared__ __mbarrier_t barrier;
  __shared__ int value[THREADS];
  const int t = (int)threadIdx.x;
  if (t == 0) __mbarrier_init(&barrier, THREADS);
  __syncthreads();
  value[t] = t * t;
  const __mbarrier_token_t token = __mbarrier_arrive(&barrier);
  while (!__mbarrier_test_wait(&barrier, token)) {
  }
  out[t] = value[THREADS - 1 - t];
}

// A barrier among blocks, in global memory.
__global__ void blocks(cuda::barrier<cuda::thread_scope_device> *barrier, int *values, int *out) {
  if (threadIdx.x == 0) {
    values[blockIdx.x] = (int)blockIdx.x + 1;
    barrier->arrive_and_wait();
    out[blockIdx.x] = values[gridDim.x - 1 - blockIdx.x];
  }
}
__global__ void set_up(cuda::barrier<cuda::thread_scope_device> *barrier, int count) {
  init(barrier, count);
}

// Sums of tiles that are loaded stages ahead; all threads produce and consume.
template <int Stages>
__global__ void unified(const int *in, int tiles, int *out) {
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, Stages> state;
  __shared__ int stage[Stages][THREADS];
  const cg::thread_block block = cg::this_thread_block();
  auto pipe = cuda::make_pipeline(block, &state);
  const int t = (int)threadIdx.x;
  int sum = 0;
  for (int tile = 0, loaded = 0; tile < tiles; tile++) {
    for (; loaded < tiles && loaded < tile + Stages; loaded++) {
      pipe.producer_acquire();
      cuda::memcpy_async(block, stage[loaded % Stages], in + loaded * THREADS, sizeof stage[0], pipe);
      pipe.producer_commit();
    }
    pipe.consumer_wait();
    sum += stage[tile % Stages][THREADS - 1 - t];
    pipe.consumer_release();
  }
  out[t] = sum;
}

// One warp loads, the others add up.
__global__ void roles(const int *in, int tiles, int *out) {
  constexpr int Stages = 2;
  __shared__ cuda::pipeline_shared_state<cuda::thread_scope_block, Stages> state;
  __shared__ int stage[Stages][THREADS];
  const cg::thread_block block = cg::this_thread_block();
  const bool produces = threadIdx.x < 32;
  auto pipe = cuda::make_pipeline(block, &state,
                                  produces ? cuda::pipeline_role::producer : cuda::pipeline_role::consumer);
  int sum = 0;
  for (int tile = 0; tile < tiles; tile++)
    if (produces) {
      pipe.producer_acquire();
      for (int i = (int)threadIdx.x; i < THREADS; i += 32)
        cuda::memcpy_async(&stage[tile % Stages][i], in + tile * THREADS + i, sizeof(int), pipe);
      pipe.producer_commit();
    } else {
      pipe.consumer_wait();
      sum += stage[tile % Stages][threadIdx.x - 32];
      pipe.consumer_release();
    }
  out[threadIdx.x] = sum;
}

__global__ void own(const int4 *in, int4 *out) {
  __shared__ int4 part[32];
  auto pipe = cuda::make_pipeline();
  pipe.producer_acquire();
  cuda::memcpy_async(&part[threadIdx.x], &in[threadIdx.x], cuda::aligned_size_t<16>(16), pipe);
  pipe.producer_commit();
  cuda::pipeline_consumer_wait_prior<0>(pipe);
  out[threadIdx.x] = part[threadIdx.x];
  pipe.consumer_release();
}

// A kernel that may begin before the one in front of it has ended waits for that one's results.
__global__ void first_half(int *x) {
  cudaTriggerProgrammaticLaunchCompletion();
  x[threadIdx.x] = (int)threadIdx.x;
}
__global__ void second_half(const int *x, int *out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = x[31 - threadIdx.x];
}
static void dependent_launches() {
  int *x, got[32];
  CHECK(cudaMalloc(&x, 2 * sizeof got));
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(1);
  config.blockDim = dim3(32);
  config.attrs = &attribute;
  config.numAttrs = 1;
  first_half<<<1, 32>>>(x);
  CHECK(cudaLaunchKernelEx(&config, second_half, (const int *)x, x + 32));
  CHECK(cudaMemcpy(got, x + 32, sizeof got, cudaMemcpyDeviceToHost));
  EXPECT(got[0] == 31 && got[31] == 0, "%d %d", got[0], got[31]);
  CHECK(cudaFree(x));
}

int main() {
  enum { TILES = 11 };
  int in[TILES * THREADS], host[THREADS], *device_in, *out;
  for (int i = 0; i < TILES * THREADS; i++) in[i] = i * 13 % 101;
  CHECK(cudaMalloc(&device_in, sizeof in));
  CHECK(cudaMalloc(&out, sizeof host));
  CHECK(cudaMemcpy(device_in, in, sizeof in, cudaMemcpyHostToDevice));
  const auto get = [&] {
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(host, out, sizeof host, cudaMemcpyDeviceToHost));
  };
  rounds<<<1, THREADS>>>(out);
  get();
  for (int t = 0; t < THREADS; t++)
    EXPECT(host[t] == (t + 33 * ROUNDS) % THREADS + ROUNDS, "thread %d: %d", t, host[t]);
  leaving<<<1, THREADS>>>(out);
  get();
  for (int t = 0; t < THREADS; t++) EXPECT(host[t] == t, "thread %d: %d", t, host[t]);
  completions<<<1, THREADS>>>(out);
  get();
  for (int t = 0; t < THREADS; t++) EXPECT(host[t] == 0, "thread %d: %d", t, host[t]);
  bytes<<<1, THREADS>>>(device_in, out);
  get();
  for (int t = 0; t < THREADS; t++) EXPECT(host[t] == in[THREADS - 1 - t], "thread %d: %d", t, host[t]);
  primitives<<<1, THREADS>>>(out);
  get();
  for (int t = 0; t < THREADS; t++)
    EXPECT(host[t] == (THREADS - 1 - t) * (THREADS - 1 - t), "thread %d: %d", t, host[t]);

  int *values;
  cuda::barrier<cuda::thread_scope_device> *barrier;
  int count = 4;
  CHECK(cudaMalloc(&values, 4 * sizeof *values));
  CHECK(cudaMalloc(&barrier, sizeof *barrier));
  set_up<<<1, 1>>>(barrier, count);
  void *arguments[] = {&barrier, &values, &out};
  CHECK(cudaLaunchCooperativeKernel(blocks, count, 32, arguments));
  get();
  for (int b = 0; b < count; b++) EXPECT(host[b] == count - b, "block %d: %d", b, host[b]);

  for (int how = 0; how < 3; how++) {
    if (how == 0)
      unified<2><<<1, THREADS>>>(device_in, TILES, out);
    else if (how == 1)
      unified<4><<<1, THREADS>>>(device_in, TILES, out);
    else
      roles<<<1, THREADS>>>(device_in, TILES, out);
    get();
    for (int t = 0; t < THREADS; t++) {
      int sum = 0;
      for (int tile = 0; tile < TILES; tile++) {
        if (how < 2) sum += in[tile * THREADS + THREADS - 1 - t];
        if (how == 2 && t >= 32) sum += in[tile * THREADS + t - 32];
      }
      EXPECT(host[t] == sum, "way %d, thread %d: %d, not %d", how, t, host[t], sum);
    }
  }
  own<<<1, 32>>>((const int4 *)device_in, (int4 *)out);
  get();
  for (int i = 0; i < THREADS; i++) EXPECT(host[i] == in[i], "%d", i);
  CHECK(cudaFree(device_in));
  CHECK(cudaFree(out));
  CHECK(cudaFree(values));
  CHECK(cudaFree(barrier));
  dependent_launches();
  FINISH();
}
