// SPDX-License-Identifier: MIT
// Device memory is host memory that knows its device. New memory is poisoned with NaN bytes: what a kernel
// reads before anybody wrote it shows.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "exec.h"
#include "stream.h"

enum { MOST_DEVICES = 64 };

// All live allocations, sorted by address. A change makes a new table; readers inside kernels use the one
// they find without a lock. Old tables are kept: there is one per allocation call, and a kernel may still
// read it.
typedef struct table {
  size_t count;
  struct table *older;
  sim_allocation at[];
} table;

static _Atomic(table *) live;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t used[MOST_DEVICES];

static table *grown(const table *old, size_t room) {
  table *t = malloc(sizeof *t + room * sizeof t->at[0]);
  if (!t) return NULL;
  t->count = old ? old->count : 0;
  t->older = NULL;
  if (old) memcpy(t->at, old->at, old->count * sizeof t->at[0]);
  return t;
}

// Locked. Tables that no kernel can be reading any more are dropped when no kernel runs in this thread;
// others keep theirs for one more change.
static void publish(table *t) {
  table *old = atomic_load(&live);
  t->older = old;
  atomic_store(&live, t);
  if (old && old->older) {
    free(old->older->older);
    old->older->older = NULL;
  }
}

static void insert(table *t, sim_allocation a) {
  size_t i = t->count++;
  for (; i > 0 && t->at[i - 1].base > a.base; i--) t->at[i] = t->at[i - 1];
  t->at[i] = a;
}

static void add_symbol(const char *name, void *address, size_t bytes, void *arg) {
  (void)name;
  table **t = arg;
  table *next = grown(*t, (*t)->count + 1);
  if (!next) return;
  insert(next, (sim_allocation){(uintptr_t)address, bytes, -1, SIM_SYMBOL});
  free(*t);
  *t = next;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static void begin(void) {
  table *t = grown(NULL, 1);
  if (!t) return;
  sim_symbols(add_symbol, &t);
  publish(t);
}

// Index of the last allocation that starts at or below the address, or count.
static size_t below(const table *t, uintptr_t address) {
  size_t low = 0, high = t->count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (t->at[middle].base <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low ? low - 1 : t->count;
}

bool sim_memory_find(const void *address, sim_allocation *found) {
  pthread_once(&once, begin);
  const table *t = atomic_load(&live);
  if (!t) return false;
  const size_t i = below(t, (uintptr_t)address);
  if (i == t->count || (uintptr_t)address - t->at[i].base >= t->at[i].bytes) return false;
  *found = t->at[i];
  return true;
}

size_t sim_memory_used(int device) {
  pthread_mutex_lock(&lock);
  const size_t bytes = used[device];
  pthread_mutex_unlock(&lock);
  return bytes;
}

static cudaError_t reserve(void **pointer, size_t bytes, int device, int kind) {
  pthread_once(&once, begin);
  if (!pointer) return sim_error(cudaErrorInvalidValue);
  *pointer = NULL;
  if (sim_sticky_error()) return sim_error(sim_sticky_error());
  if (bytes == 0) return cudaSuccess;
  const size_t huge = (size_t)2 << 20, alignment = bytes >= huge ? huge : 512;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  pthread_mutex_lock(&lock);
  table *t = NULL;
  void *p = NULL;
  const bool room =
      device < 0 || (rounded >= bytes && used[device] + rounded <= sim_machine_get()->card->memory_bytes);
  if (room && (p = aligned_alloc(alignment, rounded)))
    t = grown(atomic_load(&live), atomic_load(&live)->count + 1);
  if (t) {
    if (rounded >= huge) madvise(p, rounded, MADV_HUGEPAGE);
    insert(t, (sim_allocation){(uintptr_t)p, bytes, device, kind});
    if (device >= 0) used[device] += rounded;
    publish(t);
  }
  pthread_mutex_unlock(&lock);
  if (!t) {
    free(p);
    return sim_error(cudaErrorMemoryAllocation);
  }
  if (kind == SIM_DEVICE) memset(p, 0xFF, bytes);
  *pointer = p;
  return cudaSuccess;
}

// Locked. Takes the allocation that starts at p out of the table; false if there is none of this kind.
static bool forget(const void *p, bool host, sim_allocation *gone) {
  const table *old = atomic_load(&live);
  const size_t i = old ? below(old, (uintptr_t)p) : 0;
  if (!old || i == old->count || old->at[i].base != (uintptr_t)p || (old->at[i].kind == SIM_PINNED) != host)
    return false;
  table *t = grown(old, old->count);
  if (!t) return false;
  *gone = t->at[i];
  memmove(&t->at[i], &t->at[i + 1], (t->count - i - 1) * sizeof t->at[0]);
  t->count--;
  publish(t);
  return true;
}

static cudaError_t release(void *p, bool host) {
  if (!p) return cudaSuccess;
  sim_allocation gone;
  pthread_mutex_lock(&lock);
  const bool found = forget(p, host, &gone);
  if (found && gone.device >= 0) {
    const size_t huge = (size_t)2 << 20, alignment = gone.bytes >= huge ? huge : 512;
    used[gone.device] -= (gone.bytes + alignment - 1) / alignment * alignment;
  }
  pthread_mutex_unlock(&lock);
  if (!found) return sim_error(cudaErrorInvalidValue);
  free(p);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **pointer, size_t bytes) {
  return reserve(pointer, bytes, sim_current_device(), SIM_DEVICE);
}

cudaError_t cudaMallocAsync(void **pointer, size_t bytes, cudaStream_t stream) {
  return reserve(pointer, bytes, sim_stream_device(stream), SIM_DEVICE);
}

cudaError_t cudaMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height) {
  if (!pitch) return sim_error(cudaErrorInvalidValue);
  *pitch = (width + 511) / 512 * 512;
  return cudaMalloc(pointer, *pitch * height);
}

cudaError_t cudaMallocManaged(void **pointer, size_t bytes, unsigned flags) {
  (void)flags;
  return reserve(pointer, bytes, sim_current_device(), SIM_MANAGED);
}

cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned flags) {
  (void)flags;
  return reserve(pointer, bytes, -1, SIM_PINNED);
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes) {
  return cudaHostAlloc(pointer, bytes, cudaHostAllocDefault);
}
cudaError_t cudaFree(void *pointer) {
  return release(pointer, false);
}
cudaError_t cudaFreeHost(void *pointer) {
  return release(pointer, true);
}

cudaError_t cudaFreeAsync(void *pointer, cudaStream_t stream) {
  (void)stream;
  return release(pointer, false);
}

cudaError_t cudaHostRegister(void *host, size_t bytes, unsigned flags) {
  (void)flags;
  pthread_once(&once, begin);
  sim_allocation known;
  if (!host || !bytes) return sim_error(cudaErrorInvalidValue);
  if (sim_memory_find(host, &known)) return sim_error(cudaErrorHostMemoryAlreadyRegistered);
  pthread_mutex_lock(&lock);
  table *t = grown(atomic_load(&live), atomic_load(&live)->count + 1);
  if (t) {
    insert(t, (sim_allocation){(uintptr_t)host, bytes, -1, SIM_PINNED});
    publish(t);
  }
  pthread_mutex_unlock(&lock);
  return t ? cudaSuccess : sim_error(cudaErrorMemoryAllocation);
}

cudaError_t cudaHostUnregister(void *host) {
  sim_allocation gone;
  pthread_mutex_lock(&lock);
  const bool found = forget(host, true, &gone);
  pthread_mutex_unlock(&lock);
  return found ? cudaSuccess : sim_error(cudaErrorHostMemoryNotRegistered);
}

cudaError_t cudaHostGetDevicePointer(void **device, void *host, unsigned flags) {
  sim_allocation a;
  if (!device || flags || !sim_memory_find(host, &a)) return sim_error(cudaErrorInvalidValue);
  *device = host;
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
  *attributes = (cudaPointerAttributes){
      .type = cudaMemoryTypeUnregistered, .device = -2, .hostPointer = (void *)(uintptr_t)pointer};
  if (!sim_memory_find(pointer, &a)) return cudaSuccess;
  const bool host = a.kind == SIM_PINNED;
  attributes->type = host                    ? cudaMemoryTypeHost
                     : a.kind == SIM_MANAGED ? cudaMemoryTypeManaged
                                             : cudaMemoryTypeDevice;
  attributes->device = a.device < 0 ? 0 : a.device;
  attributes->devicePointer = (void *)(uintptr_t)pointer;
  attributes->hostPointer = host || a.kind == SIM_MANAGED ? (void *)(uintptr_t)pointer : NULL;
  return cudaSuccess;
}
