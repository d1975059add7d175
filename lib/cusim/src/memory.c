// SPDX-License-Identifier: MIT
// Device memory is host memory that knows its device. New memory is poisoned with NaN bytes: what a kernel
// reads before anybody wrote it shows.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "check.h"
#include "exec.h"
#include "heap.h"
#include "managed.h"
#include "stream.h"

enum { MOST_DEVICES = 64 };

// All live allocations, sorted by address. Kernels read it (the observer asks for every address), several
// host threads change it.
static sim_allocation *live;
static size_t live_count, live_room;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static size_t used[MOST_DEVICES];
static size_t pooled[MOST_DEVICES],
    most_pooled[MOST_DEVICES];  // of it: cudaMallocAsync's, and at its highest

// Locked for writing. False if there is no memory for the table itself.
static bool insert(sim_allocation a) {
  if (live_count == live_room) {
    const size_t room = live_room ? 2 * live_room : 64;
    sim_allocation *grown = realloc(live, room * sizeof *grown);
    if (!grown) return false;
    live = grown;
    live_room = room;
  }
  size_t i = live_count++;
  for (; i > 0 && live[i - 1].base > a.base; i--) live[i] = live[i - 1];
  live[i] = a;
  return true;
}

static void add_symbol(const char *name, void *address, size_t bytes, void *arg) {
  (void)name, (void)arg;
  insert((sim_allocation){(uintptr_t)address, bytes, -1, SIM_SYMBOL});
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void begin(void) {
  sim_symbols(add_symbol, NULL);
}

// Locked. Index of the last allocation that starts at or below the address, or live_count.
static size_t below(uintptr_t address) {
  size_t low = 0, high = live_count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (live[middle].base <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low ? low - 1 : live_count;
}

bool sim_memory_find(const void *address, sim_allocation *found) {
  pthread_once(&once, begin);
  pthread_rwlock_rdlock(&lock);
  const size_t i = below((uintptr_t)address);
  const bool inside = i < live_count && (uintptr_t)address - live[i].base < live[i].bytes;
  if (inside) *found = live[i];
  pthread_rwlock_unlock(&lock);
  return inside;
}

static void add_new_symbol(const char *name, void *address, size_t bytes, void *arg) {
  sim_allocation known;
  if (sim_memory_find(address, &known)) return;
  pthread_rwlock_wrlock(&lock);
  add_symbol(name, address, bytes, arg);
  pthread_rwlock_unlock(&lock);
}
void sim_memory_read_symbols(void) {
  sim_symbols(add_new_symbol, NULL);
}

size_t sim_memory_used(int device) {
  pthread_rwlock_rdlock(&lock);
  const size_t bytes = used[device];
  pthread_rwlock_unlock(&lock);
  return bytes;
}

enum { HUGE_PAGE = 2 << 20 };

static size_t alignment_of(size_t bytes) {
  return bytes >= HUGE_PAGE ? HUGE_PAGE : SIM_HEAP_STEP;
}

static void *take(size_t bytes, int kind) {
  const size_t alignment = alignment_of(bytes);
  if (sim_check_on()) return sim_check_allocate(bytes, alignment);
  if (kind != SIM_PINNED && bytes < HUGE_PAGE) return sim_heap_take(bytes);
  return aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

static void give_back(void *p, size_t bytes, int kind) {
  if (sim_check_on()) return;
  if (p && kind != SIM_PINNED && bytes < HUGE_PAGE)
    sim_heap_give(p, bytes);
  else
    free(p);
}

static cudaError_t try_reserve(void **pointer, size_t bytes, int device, int kind) {
  pthread_once(&once, begin);
  if (!pointer) return sim_error(cudaErrorInvalidValue);
  *pointer = NULL;
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  if (bytes == 0) return cudaSuccess;
  const size_t alignment = alignment_of(bytes);
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  pthread_rwlock_wrlock(&lock);
  const bool room =
      device < 0 || (rounded >= bytes && used[device] + rounded <= sim_machine_get()->card->memory_bytes);
  void *p = room ? take(bytes, kind) : NULL;
  const bool known = p && insert((sim_allocation){(uintptr_t)p, bytes, device, kind});
  if (known && device >= 0) used[device] += rounded;
  pthread_rwlock_unlock(&lock);
  if (!known) {
    give_back(p, bytes, kind);
    return cudaErrorMemoryAllocation;
  }
  sim_check_allocated(&(sim_allocation){(uintptr_t)p, bytes, device, kind});
  if (rounded >= HUGE_PAGE) madvise(p, rounded, MADV_HUGEPAGE);
  if (kind == SIM_DEVICE && !sim_only_sampled()) memset(p, 0xFF, bytes);
  *pointer = p;
  return cudaSuccess;
}

// Memory that cudaFreeAsync gave back may be free once what is under way is done.
static cudaError_t reserve(void **pointer, size_t bytes, int device, int kind) {
  cudaError_t error = try_reserve(pointer, bytes, device, kind);
  if (error != cudaErrorMemoryAllocation) return error;
  sim_devices_finish();
  error = try_reserve(pointer, bytes, device, kind);
  return sim_error(error);
}

// Locked for writing. Takes the allocation that starts at p out of the table; false if there is none of this
// kind.
static bool forget(const void *p, bool host, bool registered, sim_allocation *gone) {
  const size_t i = below((uintptr_t)p);
  const int kind = i < live_count ? live[i].kind : SIM_SYMBOL;
  if (kind == SIM_SYMBOL || live[i].base != (uintptr_t)p || (kind == SIM_PINNED) != host ||
      live[i].registered != registered)
    return false;
  *gone = live[i];
  memmove(&live[i], &live[i + 1], (live_count - i - 1) * sizeof live[0]);
  live_count--;
  return true;
}

// Is it an allocation that may be freed in a stream's order, and has not been?
static bool give_away(const void *p) {
  pthread_rwlock_wrlock(&lock);
  const size_t i = below((uintptr_t)p);
  const bool ours = i < live_count && live[i].base == (uintptr_t)p && live[i].kind != SIM_PINNED &&
                    live[i].kind != SIM_SYMBOL && !live[i].freed;
  if (ours) live[i].freed = true;
  pthread_rwlock_unlock(&lock);
  return ours;
}

static cudaError_t release(void *p, bool host) {
  if (!p) return cudaSuccess;
  sim_allocation gone;
  pthread_rwlock_wrlock(&lock);
  const bool found = forget(p, host, false, &gone);
  if (found && gone.pooled) pooled[gone.device] -= gone.bytes;
  if (found && gone.device >= 0) {
    const size_t alignment = alignment_of(gone.bytes);
    used[gone.device] -= (gone.bytes + alignment - 1) / alignment * alignment;
  }
  pthread_rwlock_unlock(&lock);
  if (!found) {
    sim_check_bad_free(p, host);
    return sim_error(cudaErrorInvalidValue);
  }
  if (gone.kind == SIM_MANAGED) sim_managed_forget(gone.base);
  sim_check_released(&gone, true);
  give_back(p, gone.bytes, gone.kind);
  return cudaSuccess;
}

// A kernel may call it, too: that memory is of its heap.
cudaError_t cudaMalloc(void **pointer, size_t bytes) {
  if (pointer && sim_inside_kernel()) {
    *pointer = cusim_device_malloc(bytes);
    return *pointer || !bytes ? cudaSuccess : cudaErrorMemoryAllocation;
  }
  return reserve(pointer, bytes, sim_current_device(), SIM_DEVICE);
}

cudaError_t sim_memory_take(void **pointer, size_t bytes, int device, cudaStream_t stream) {
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  const cudaError_t error = reserve(pointer, bytes, device, SIM_DEVICE);
  if (error || !bytes) return error;
  pthread_rwlock_wrlock(&lock);
  const size_t i = below((uintptr_t)*pointer);
  live[i].pooled = true;
  pooled[device] += bytes;
  if (pooled[device] > most_pooled[device]) most_pooled[device] = pooled[device];
  pthread_rwlock_unlock(&lock);
  return cudaSuccess;
}

size_t sim_memory_pooled(int device, bool at_most) {
  pthread_rwlock_rdlock(&lock);
  const size_t bytes = at_most ? most_pooled[device] : pooled[device];
  pthread_rwlock_unlock(&lock);
  return bytes;
}

void sim_memory_reset_high(int device) {
  pthread_rwlock_wrlock(&lock);
  most_pooled[device] = pooled[device];
  pthread_rwlock_unlock(&lock);
}

cudaError_t cudaMallocAsync(void **pointer, size_t bytes, cudaStream_t stream) {
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  return sim_memory_take(pointer, bytes, sim_stream_device(stream), stream);
}

cudaError_t cudaMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height) {
  if (!pitch || !pointer) return sim_error(cudaErrorInvalidValue);
  if (height && width > SIZE_MAX / 2 / height) return sim_error(cudaErrorMemoryAllocation);
  *pitch = (width + 511) / 512 * 512;
  return cudaMalloc(pointer, *pitch * height);
}

cudaError_t cudaMallocManaged(void **pointer, size_t bytes, unsigned flags) {
  if (!bytes || (flags != cudaMemAttachGlobal && flags != cudaMemAttachHost))
    return sim_error(cudaErrorInvalidValue);
  return reserve(pointer, bytes, sim_current_device(), SIM_MANAGED);
}

cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned flags) {
  if (flags & ~(unsigned)(cudaHostAllocPortable | cudaHostAllocMapped | cudaHostAllocWriteCombined))
    return sim_error(cudaErrorInvalidValue);
  const cudaError_t error = reserve(pointer, bytes, -1, SIM_PINNED);
  if (error || !bytes) return error;
  pthread_rwlock_wrlock(&lock);
  live[below((uintptr_t)*pointer)].flags = flags;
  pthread_rwlock_unlock(&lock);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes) {
  return cudaHostAlloc(pointer, bytes, cudaHostAllocDefault);
}
// What is under way may use it: it is done first, which a host function of a stream cannot wait for.
static cudaError_t finish_and_release(void *pointer, bool host) {
  if (!pointer) return cudaSuccess;
  if (sim_inside_operation()) return sim_error(cudaErrorNotPermitted);
  sim_devices_finish();
  return release(pointer, host);
}
cudaError_t cudaFree(void *pointer) {
  if (sim_inside_kernel()) {
    cusim_device_free(pointer);
    return cudaSuccess;
  }
  return finish_and_release(pointer, false);
}
cudaError_t cudaFreeHost(void *pointer) {
  return finish_and_release(pointer, true);
}

typedef struct free_op {
  sim_op op;
  sim_check_stream checked;
  void *pointer;
} free_op;

static void run_free(sim_op *op) {
  const free_op *f = (const free_op *)op;
  sim_allocation a;
  const unsigned number = sim_check_op_begin(&f->checked, "cudaFreeAsync", false);
  if (sim_memory_find(f->pointer, &a)) sim_check_range(number, (const void *)a.base, a.bytes, true);
  sim_check_op_end(number);
  release(f->pointer, false);
}

// A free that costs neither the host nor the device any time.
static void place_nowhere(sim_op *op) {
  (void)op;
}

cudaError_t cudaFreeAsync(void *pointer, cudaStream_t stream) {
  if (!sim_stream_known(stream)) return sim_error(cudaErrorInvalidResourceHandle);
  if (!pointer) return cudaSuccess;
  const bool given = give_away(pointer);
  free_op *f = given ? sim_op_new(sizeof *f) : NULL;
  if (!f) {
    if (!given) sim_check_bad_free(pointer, false);
    return sim_error(given ? cudaErrorMemoryAllocation : cudaErrorInvalidValue);
  }
  f->checked = sim_stream_checked(stream);
  f->pointer = pointer;
  f->op.run = run_free;
  f->op.place = place_nowhere;
  f->op.always = true;
  f->op.engine = SIM_HOST_FUNCTION;
  f->op.label = "free";
  sim_stream_issue(stream, &f->op);
  return cudaSuccess;
}

cudaError_t cudaHostRegister(void *host, size_t bytes, unsigned flags) {
  pthread_once(&once, begin);
  const unsigned known_flags = cudaHostRegisterPortable | cudaHostRegisterMapped | cudaHostRegisterReadOnly;
  if (!host || !bytes || flags & ~known_flags) return sim_error(cudaErrorInvalidValue);
  const sim_allocation a = {(uintptr_t)host, bytes, -1, SIM_PINNED, .registered = true, .flags = flags};
  pthread_rwlock_wrlock(&lock);
  const size_t i = below(a.base + bytes - 1);  // the last one that begins before the end
  const bool taken = i < live_count && live[i].base + live[i].bytes > a.base;
  const bool done = !taken && insert(a);
  pthread_rwlock_unlock(&lock);
  if (taken) return sim_error(cudaErrorHostMemoryAlreadyRegistered);
  if (done) sim_check_allocated(&a);
  return done ? cudaSuccess : sim_error(cudaErrorMemoryAllocation);
}

cudaError_t cudaHostUnregister(void *host) {
  sim_allocation gone;
  sim_devices_finish();
  pthread_rwlock_wrlock(&lock);
  const bool found = forget(host, true, true, &gone);
  pthread_rwlock_unlock(&lock);
  if (found) sim_check_released(&gone, false);
  if (found) return cudaSuccess;
  return sim_error(host ? cudaErrorHostMemoryNotRegistered : cudaErrorInvalidValue);
}

cudaError_t cudaHostGetDevicePointer(void **device, void *host, unsigned flags) {
  sim_allocation a;
  if (!device || flags || !sim_memory_find(host, &a) || a.kind != SIM_PINNED)
    return sim_error(cudaErrorInvalidValue);
  *device = host;
  return cudaSuccess;
}

// All host memory is mapped where addresses are one for all.
cudaError_t cudaHostGetFlags(unsigned *flags, void *host) {
  sim_allocation a;
  if (!flags || !sim_memory_find(host, &a) || a.kind != SIM_PINNED) return sim_error(cudaErrorInvalidValue);
  *flags = a.flags | cudaHostAllocMapped;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total) {
  if (!free_bytes || !total) return sim_error(cudaErrorInvalidValue);
  *total = sim_machine_get()->card->memory_bytes;
  *free_bytes = *total - sim_memory_used(sim_current_device());
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *attributes, const void *pointer) {
  if (!attributes) return sim_error(cudaErrorInvalidValue);
  sim_allocation a;
  *attributes = (cudaPointerAttributes){.type = cudaMemoryTypeUnregistered,
                                        .device = cudaInvalidDeviceId,
                                        .hostPointer = (void *)(uintptr_t)pointer};
  if (!sim_memory_find(pointer, &a)) return cudaSuccess;
  const bool host = a.kind == SIM_PINNED;
  attributes->type = host                    ? cudaMemoryTypeHost
                     : a.kind == SIM_MANAGED ? cudaMemoryTypeManaged
                                             : cudaMemoryTypeDevice;
  attributes->device = a.device < 0 ? sim_current_device() : a.device;
  attributes->devicePointer = (void *)(uintptr_t)pointer;
  attributes->hostPointer = host || a.kind == SIM_MANAGED ? (void *)(uintptr_t)pointer : NULL;
  return cudaSuccess;
}
