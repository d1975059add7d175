// SPDX-License-Identifier: MIT
// Order between streams, and between the host and a stream: only events, synchronization and the legacy
// default stream make any.
#include "planted.h"

enum { THREADS = 64, BLOCKS = 4, N = THREADS * BLOCKS, BYTES = N * sizeof(int) };

static int *pinned_numbers(void) {
  int *p = NULL;
  CHECK(cudaMallocHost(&p, BYTES));
  for (int i = 0; i < N; i++) p[i] = i;
  return p;
}

static cudaStream_t new_stream(unsigned flags) {
  cudaStream_t stream;
  CHECK(cudaStreamCreateWithFlags(&stream, flags));
  return stream;
}

static cudaEvent_t new_event(void) {
  cudaEvent_t event;
  CHECK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  return event;
}

// How many of n numbers on the device are not factor · i + shift.
static int wrong_line(const int *device, int factor, int shift) {
  int host[N], wrong = 0;
  CHECK(cudaDeviceSynchronize());
  fetch(host, device, N);
  for (int i = 0; i < N; i++) wrong += host[i] != factor * i + shift;
  return wrong;
}

static __global__ void triple(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] *= 3;
}

// CASE other_stream_no_event: A kernel in one stream reads what a kernel in another stream writes: without an
// event that the reader's stream waits for, they may run in either order, or at once.
static __global__ void other_stream_no_event_writer(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] *= 3;  // BUG: race-stream
}
static __global__ void other_stream_no_event_reader(const int *data, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = data[i] + 1;  // BUG: race-stream
}
static int other_stream_no_event(int bug) {
  int *data = device_numbers(N), *out = device_zeros(N);
  const cudaStream_t a = new_stream(cudaStreamDefault), b = new_stream(cudaStreamDefault);
  const cudaEvent_t written = new_event();
  other_stream_no_event_writer<<<BLOCKS, THREADS, 0, a>>>(data);
  CHECK(cudaEventRecord(written, a));
  if (!bug) CHECK(cudaStreamWaitEvent(b, written, 0));
  other_stream_no_event_reader<<<BLOCKS, THREADS, 0, b>>>(data, out);
  const int wrong = wrong_line(out, 3, 1);
  CHECK(cudaEventDestroy(written));
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  CHECK(cudaFree(data));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE event_recorded_early: The event is recorded before the kernel is launched, so it stands for the work
// before it, which is none.
static __global__ void event_recorded_early_writer(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] *= 3;  // BUG: race-stream
}
static __global__ void event_recorded_early_reader(const int *data, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = data[i] + 1;  // BUG: race-stream
}
static int event_recorded_early(int bug) {
  int *data = device_numbers(N), *out = device_zeros(N);
  const cudaStream_t a = new_stream(cudaStreamNonBlocking), b = new_stream(cudaStreamNonBlocking);
  const cudaEvent_t written = new_event();
  CHECK(cudaDeviceSynchronize());
  if (bug) CHECK(cudaEventRecord(written, a));
  event_recorded_early_writer<<<BLOCKS, THREADS, 0, a>>>(data);
  if (!bug) CHECK(cudaEventRecord(written, a));
  CHECK(cudaStreamWaitEvent(b, written, 0));
  event_recorded_early_reader<<<BLOCKS, THREADS, 0, b>>>(data, out);
  const int wrong = wrong_line(out, 3, 1);
  CHECK(cudaEventDestroy(written));
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  CHECK(cudaFree(data));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE wait_before_record: A stream that waits for an event nobody has recorded yet does not wait at all: the
// record must be issued first.
static __global__ void wait_before_record_writer(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] *= 3;  // BUG: race-stream
}
static __global__ void wait_before_record_reader(const int *data, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = data[i] + 1;  // BUG: race-stream
}
static int wait_before_record(int bug) {
  int *data = device_numbers(N), *out = device_zeros(N);
  const cudaStream_t a = new_stream(cudaStreamDefault), b = new_stream(cudaStreamDefault);
  const cudaEvent_t written = new_event();
  wait_before_record_writer<<<BLOCKS, THREADS, 0, a>>>(data);
  if (bug) {
    CHECK(cudaStreamWaitEvent(b, written, 0));
    CHECK(cudaEventRecord(written, a));
  } else {
    CHECK(cudaEventRecord(written, a));
    CHECK(cudaStreamWaitEvent(b, written, 0));
  }
  wait_before_record_reader<<<BLOCKS, THREADS, 0, b>>>(data, out);
  const int wrong = wrong_line(out, 3, 1);
  CHECK(cudaEventDestroy(written));
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  CHECK(cudaFree(data));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE default_and_non_blocking: The legacy default stream waits for all other streams, except for those that
// were created as non-blocking.
static __global__ void default_and_non_blocking_writer(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] *= 3;  // BUG: race-stream
}
static __global__ void default_and_non_blocking_reader(const int *data, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = data[i] + 1;  // BUG: race-stream
}
static int default_and_non_blocking(int bug) {
  int *data = device_numbers(N), *out = device_zeros(N);
  const cudaStream_t a = new_stream(bug ? cudaStreamNonBlocking : cudaStreamDefault);
  CHECK(cudaDeviceSynchronize());
  default_and_non_blocking_writer<<<BLOCKS, THREADS, 0, a>>>(data);
  default_and_non_blocking_reader<<<BLOCKS, THREADS>>>(data, out);
  const int wrong = wrong_line(out, 3, 1);
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaFree(data));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE copy_in_other_stream: The copy back to the host is issued to another stream than the kernel: it may
// fetch the old values.
static __global__ void copy_in_other_stream_writer(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] *= 3;  // BUG: race-stream
}
static int copy_in_other_stream(int bug) {
  int *data = device_numbers(N), *host = pinned_numbers(), wrong = 0;
  const cudaStream_t a = new_stream(cudaStreamDefault), b = new_stream(cudaStreamDefault);
  copy_in_other_stream_writer<<<BLOCKS, THREADS, 0, a>>>(data);
  if (bug)
    CHECK(cudaMemcpyAsync(host, data, BYTES, cudaMemcpyDeviceToHost, b));  // BUG: race-stream
  else
    CHECK(cudaMemcpyAsync(host, data, BYTES, cudaMemcpyDeviceToHost, a));
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < N; i++) wrong += host[i] != 3 * i;
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  CHECK(cudaFree(data));
  CHECK(cudaFreeHost(host));
  return wrong;
}

// CASE memset_in_other_stream: The result is set to zero in one stream and added to in another: the zeros may
// come last.
static __global__ void memset_in_other_stream_adder(int *sum) {
  atomicAdd(sum, 1);  // BUG: race-stream
}
static int memset_in_other_stream(int bug) {
  int *sum = device_zeros(1), host;
  const cudaStream_t a = new_stream(cudaStreamDefault), b = new_stream(cudaStreamDefault);
  CHECK(cudaMemsetAsync(sum, 0, sizeof *sum, a));  // BUG: race-stream
  if (!bug) CHECK(cudaStreamSynchronize(a));
  memset_in_other_stream_adder<<<BLOCKS, THREADS, 0, b>>>(sum);
  CHECK(cudaDeviceSynchronize());
  fetch(&host, sum, 1);
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  CHECK(cudaFree(sum));
  return host != N;
}

// CASE wrong_stream_synchronized: The host waits for another stream than the one whose results it reads.
static int wrong_stream_synchronized(int bug) {
  int *data = device_numbers(N), *host = pinned_numbers(), wrong = 0;
  const cudaStream_t a = new_stream(cudaStreamDefault), b = new_stream(cudaStreamDefault);
  triple<<<BLOCKS, THREADS, 0, a>>>(data);
  CHECK(cudaMemcpyAsync(host, data, BYTES, cudaMemcpyDeviceToHost, a));  // BUG: host-race
  CHECK(cudaStreamSynchronize(bug ? b : a));
  wrong = host[1] != 3;  // BUG: host-race
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  CHECK(cudaFree(data));
  CHECK(cudaFreeHost(host));
  return wrong;
}

// CASE read_before_sync: cudaMemcpyAsync to pinned memory returns before the data is there: the host must
// wait for the stream.
static int read_before_sync(int bug) {
  int *data = device_numbers(N), *host = pinned_numbers(), wrong = 0;
  const cudaStream_t a = new_stream(cudaStreamDefault);
  triple<<<BLOCKS, THREADS, 0, a>>>(data);
  CHECK(cudaMemcpyAsync(host, data, BYTES, cudaMemcpyDeviceToHost, a));  // BUG: host-race
  if (!bug) CHECK(cudaStreamSynchronize(a));
  for (int i = 0; i < N; i++) wrong += host[i] != 3 * i;  // BUG: host-race
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaFree(data));
  CHECK(cudaFreeHost(host));
  return wrong;
}

// CASE query_ignored: cudaStreamQuery answers "not ready", nobody looks at the answer, and the host reads: a
// query does not wait.
static int query_ignored(int bug) {
  int *data = device_numbers(N), *host = pinned_numbers(), wrong = 0;
  const cudaStream_t a = new_stream(cudaStreamDefault);
  triple<<<BLOCKS, THREADS, 0, a>>>(data);
  CHECK(cudaMemcpyAsync(host, data, BYTES, cudaMemcpyDeviceToHost, a));  // BUG: host-race
  if (bug)
    cudaStreamQuery(a);
  else
    while (cudaStreamQuery(a) == cudaErrorNotReady) {
    }
  for (int i = 0; i < N; i++) wrong += host[i] != 3 * i;  // BUG: host-race
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaFree(data));
  CHECK(cudaFreeHost(host));
  return wrong;
}

// CASE overwritten_before_sent: The host fills a pinned buffer with the next values while the copy of the
// last ones may still be reading it.
static int overwritten_before_sent(int bug) {
  int *data = device_zeros(N), *host = pinned_numbers();
  const cudaStream_t a = new_stream(cudaStreamDefault);
  CHECK(cudaMemcpyAsync(data, host, BYTES, cudaMemcpyHostToDevice, a));  // BUG: host-race
  if (!bug) CHECK(cudaStreamSynchronize(a));
  for (int i = 0; i < N; i++) host[i] = -1;  // BUG: host-race
  const int wrong = wrong_line(data, 1, 0);
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaFree(data));
  CHECK(cudaFreeHost(host));
  return wrong;
}

// CASE pipeline_reuses_buffer: Two pinned buffers taken in turn: before a buffer is filled again, the host
// must wait for the copy that used it two rounds ago.
static int pipeline_reuses_buffer(int bug) {
  enum { ROUNDS = 5 };
  int *data[ROUNDS], *buffer[2] = {pinned_numbers(), pinned_numbers()}, wrong = 0;
  const cudaStream_t a = new_stream(cudaStreamNonBlocking);
  const cudaEvent_t sent[2] = {new_event(), new_event()};
  for (int r = 0; r < ROUNDS; r++) data[r] = device_zeros(N);
  CHECK(cudaDeviceSynchronize());
  for (int r = 0; r < ROUNDS; r++) {
    if (!bug && r >= 2) CHECK(cudaEventSynchronize(sent[r % 2]));
    for (int i = 0; i < N; i++) buffer[r % 2][i] = (r + 1) * i;                        // BUG: host-race
    CHECK(cudaMemcpyAsync(data[r], buffer[r % 2], BYTES, cudaMemcpyHostToDevice, a));  // BUG: host-race
    CHECK(cudaEventRecord(sent[r % 2], a));
  }
  for (int r = 0; r < ROUNDS; r++) wrong += wrong_line(data[r], r + 1, 0);
  for (int r = 0; r < ROUNDS; r++) CHECK(cudaFree(data[r]));
  for (int k = 0; k < 2; k++) {
    CHECK(cudaEventDestroy(sent[k]));
    CHECK(cudaFreeHost(buffer[k]));
  }
  CHECK(cudaStreamDestroy(a));
  return wrong;
}

// CASE managed_read_early: Managed memory needs no copies, but the host must still wait for the kernel that
// writes it.
static __global__ void managed_read_early_writer(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] = 3 * i;  // BUG: host-race
}
static int managed_read_early(int bug) {
  int *data, wrong = 0;
  CHECK(cudaMallocManaged(&data, BYTES));
  for (int i = 0; i < N; i++) data[i] = 0;
  managed_read_early_writer<<<BLOCKS, THREADS>>>(data);
  if (!bug) CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < N; i++) wrong += data[i] != 3 * i;  // BUG: host-race
  CHECK(cudaFree(data));
  return wrong;
}

// CASE mapped_written_early: A kernel reads mapped host memory while it runs, not when it is launched: the
// host may not change it before the kernel has ended.
static __global__ void mapped_written_early_reader(const int *mapped, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = 2 * mapped[i];  // BUG: host-race
}
static int mapped_written_early(int bug) {
  int *host = pinned_numbers(), *mapped, *out = device_zeros(N);
  CHECK(cudaHostGetDevicePointer(&mapped, host, 0));
  mapped_written_early_reader<<<BLOCKS, THREADS>>>(mapped, out);
  if (!bug) CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < N; i++) host[i] = 7;  // BUG: host-race
  const int wrong = wrong_line(out, 2, 0);
  CHECK(cudaFree(out));
  CHECK(cudaFreeHost(host));
  return wrong;
}

// CASE freed_in_other_stream: cudaFreeAsync gives the memory back when its own stream comes to it: a kernel
// in another stream may still be using it. The memory must be freed behind its last use.
static __global__ void freed_in_other_stream_user(int *data, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = data[i] + 1;  // BUG: use-after-free|race-stream
}
static int freed_in_other_stream(int bug) {
  int *out = device_zeros(N), *data;
  const cudaStream_t a = new_stream(cudaStreamNonBlocking), b = new_stream(cudaStreamNonBlocking);
  const cudaEvent_t used = new_event();
  CHECK(cudaDeviceSynchronize());
  CHECK(cudaMallocAsync(&data, BYTES, a));
  CHECK(cudaMemsetAsync(data, 0, BYTES, a));
  freed_in_other_stream_user<<<BLOCKS, THREADS, 0, a>>>(data, out);
  CHECK(cudaEventRecord(used, a));
  if (!bug) CHECK(cudaStreamWaitEvent(b, used, 0));
  CHECK(cudaFreeAsync(data, b));  // BUG: use-after-free|race-stream
  const int wrong = wrong_line(out, 0, 1);
  CHECK(cudaEventDestroy(used));
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  CHECK(cudaFree(out));
  return wrong;
}

// CASE streams_after_many: Streams come and go by the hundred; two that have no event between them may run at
// once, however many there were before.
static __global__ void streams_after_many_writer(int *data) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  data[i] *= 3;  // BUG: race-stream
}
static __global__ void streams_after_many_reader(const int *data, int *out) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  out[i] = data[i] + 1;  // BUG: race-stream
}
static int streams_after_many(int bug) {
  int *data = device_numbers(N), *out = device_zeros(N);
  CHECK(cudaDeviceSynchronize());
  for (int i = 0; i < 200; i++) {
    const cudaStream_t passing = new_stream(cudaStreamNonBlocking);
    CHECK(cudaMemsetAsync(out, i, BYTES, passing));
    CHECK(cudaStreamSynchronize(passing));
    CHECK(cudaStreamDestroy(passing));
  }
  const cudaStream_t a = new_stream(cudaStreamDefault), b = new_stream(cudaStreamDefault);
  const cudaEvent_t written = new_event();
  streams_after_many_writer<<<BLOCKS, THREADS, 0, a>>>(data);
  CHECK(cudaEventRecord(written, a));
  if (!bug) CHECK(cudaStreamWaitEvent(b, written, 0));
  streams_after_many_reader<<<BLOCKS, THREADS, 0, b>>>(data, out);
  const int wrong = wrong_line(out, 3, 1);
  CHECK(cudaEventDestroy(written));
  CHECK(cudaStreamDestroy(a));
  CHECK(cudaStreamDestroy(b));
  CHECK(cudaFree(data));
  CHECK(cudaFree(out));
  return wrong;
}

PLANTED_MAIN(PLANTED(other_stream_no_event), PLANTED(event_recorded_early), PLANTED(wait_before_record),
             PLANTED(default_and_non_blocking), PLANTED(copy_in_other_stream),
             PLANTED(memset_in_other_stream), PLANTED(wrong_stream_synchronized), PLANTED(read_before_sync),
             PLANTED(query_ignored), PLANTED(overwritten_before_sent), PLANTED(pipeline_reuses_buffer),
             PLANTED(managed_read_early), PLANTED(mapped_written_early), PLANTED(freed_in_other_stream),
             PLANTED(streams_after_many))
