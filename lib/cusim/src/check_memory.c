// SPDX-License-Identifier: MIT
// Allocations as the checker sees them. New memory lies in address space of its own, with room around it
// that no other allocation has: an access just outside can be told and does no harm. Freed memory stays
// mapped for a while, so that a use after free can be told from any other address.
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unwind.h>

#include "check_block.h"
#include "exec.h"

enum { LEAST_ROOM = 1 << 20, MOST_ROOM = 1 << 30, MOST_DEAD = 4096, WORD = 4 };

static sim_region **regions;  // by address
static size_t region_count, region_room, dead_count;
static unsigned made_count;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

// ---------------------------------------------------------------- the program's images: its own, its
// libraries'

typedef struct image {
  uintptr_t low[16], high[16], base;
  bool variable[16];                // may be written
  uintptr_t relro_low, relro_high;  // but for this, once the program runs
  int count;
} image;
enum { MOST_IMAGES = 16, OFFSET_BITS = 28 };
static image images[MOST_IMAGES];
static int image_count;

// The system's libraries and the runtime itself are not the program's.
static bool is_system(const struct dl_phdr_info *info) {
  static const char *const folders[] = {"/lib", "/usr/lib", "linux-vdso"};
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
    if (strncmp(info->dlpi_name, folders[i], strlen(folders[i])) == 0) return true;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *p = &info->dlpi_phdr[i];
    if (p->p_type == PT_LOAD && (uintptr_t)&image_count - info->dlpi_addr - p->p_vaddr < p->p_memsz)
      return true;
  }
  return false;
}

static int add_image(struct dl_phdr_info *info, size_t size, void *arg) {
  (void)size, (void)arg;
  if (image_count > 0 && is_system(info)) return 0;
  for (int i = 0; i < image_count; i++)
    if (images[i].base == info->dlpi_addr) return 0;
  if (image_count == MOST_IMAGES) return 1;
  image *m = &images[image_count++];
  m->base = info->dlpi_addr;
  for (int i = 0; i < info->dlpi_phnum && m->count < 16; i++) {
    const ElfW(Phdr) *p = &info->dlpi_phdr[i];
    if (p->p_type == PT_GNU_RELRO) {
      m->relro_low = info->dlpi_addr + p->p_vaddr;
      m->relro_high = m->relro_low + p->p_memsz;
    }
    if (p->p_type != PT_LOAD) continue;
    m->variable[m->count] = p->p_flags & PF_W;
    m->low[m->count] = info->dlpi_addr + p->p_vaddr;
    m->high[m->count++] = info->dlpi_addr + p->p_vaddr + p->p_memsz;
  }
  return 0;
}
__attribute__((constructor(101))) static void read_images(void) {
  dl_iterate_phdr(add_image, NULL);
}

// The image of the address, and its segment; -1: none.
static int find_image(uintptr_t address, int *segment) {
  for (int i = 0; i < image_count; i++)
    for (int k = 0; k < images[i].count; k++)
      if (address >= images[i].low[k] && address < images[i].high[k]) {
        *segment = k;
        return i;
      }
  return -1;
}

bool sim_in_image(uintptr_t address) {
  int segment;
  return find_image(address, &segment) >= 0;
}

bool sim_in_constants(uintptr_t address) {
  int segment;
  const int i = find_image(address, &segment);
  if (i < 0) return false;
  return !images[i].variable[segment] || (address >= images[i].relro_low && address < images[i].relro_high);
}

uint32_t sim_pc_pack(uintptr_t pc) {
  int segment;
  const int i = find_image(pc, &segment);
  return i < 0 ? 0 : (uint32_t)i << OFFSET_BITS | (uint32_t)(pc - images[i].base);
}

uintptr_t sim_pc_unpack(uint32_t packed) {
  return images[packed >> OFFSET_BITS].base + (packed & ((1u << OFFSET_BITS) - 1));
}

typedef struct walk {
  uintptr_t *pc;
  int count, skipped;
} walk;

static _Unwind_Reason_Code one_frame(struct _Unwind_Context *context, void *arg) {
  walk *w = arg;
  int before = 0;
  // The instruction that faulted is where it is, not in front of where the frame goes on.
  const uintptr_t pc = _Unwind_GetIPInfo(context, &before) + (uintptr_t)(before != 0);
  if (before) w->count = 0;  // what came so far are handlers of the fault, which may call each other
  if (w->skipped++ == 0 || !sim_in_image(pc)) return _URC_NO_REASON;
  w->pc[w->count++] = pc;
  return w->count == SIM_CHECK_FRAMES ? _URC_END_OF_STACK : _URC_NO_REASON;
}

void sim_check_backtrace(uintptr_t pc[SIM_CHECK_FRAMES]) {
  walk w = {.pc = pc};
  _Unwind_Backtrace(one_frame, &w);
  memset(pc + w.count, 0, (SIM_CHECK_FRAMES - (size_t)w.count) * sizeof *pc);
}

// ---------------------------------------------------------------- the table

// Locked. Index of the first region that ends above the address.
static size_t position(uintptr_t address) {
  size_t low = 0, high = region_count;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (regions[middle]->high <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Locked for writing. Without memory for a larger table the region stays unknown.
static bool insert(sim_region *r) {
  if (region_count == region_room) {
    const size_t room = region_room ? 2 * region_room : 64;
    sim_region **grown = realloc(regions, room * sizeof *grown);
    if (!grown) {
      free(r);
      return false;
    }
    regions = grown;
    region_room = room;
  }
  const size_t i = position(r->low);
  memmove(&regions[i + 1], &regions[i], (region_count - i) * sizeof *regions);
  regions[i] = r;
  region_count++;
  return true;
}

static void add_symbol(const char *name, void *address, size_t bytes, void *arg) {
  (void)arg;
  sim_region *r = calloc(1, sizeof *r);
  if (!r) return;
  const uintptr_t base = (uintptr_t)address;
  *r = (sim_region){.a = {base, bytes, -1, SIM_SYMBOL},
                    .low = base,
                    .high = (base + bytes + 255) / 256 * 256,  // where the next variable can start
                    .live = true,
                    .constant = strncmp(name, "cusimvar_const_", 15) == 0};
  insert(r);
}

static pthread_once_t symbols_once = PTHREAD_ONCE_INIT;
static void read_symbols(void) {
  sim_symbols(add_symbol, NULL);
}

sim_region *sim_region_at(uintptr_t address) {
  pthread_once(&symbols_once, read_symbols);
  pthread_rwlock_rdlock(&lock);
  const size_t i = position(address);
  sim_region *r = i < region_count && regions[i]->low <= address ? regions[i] : NULL;
  pthread_rwlock_unlock(&lock);
  return r;
}

static void add_new_symbol(const char *name, void *address, size_t bytes, void *arg) {
  if (sim_region_at((uintptr_t)address)) return;
  pthread_rwlock_wrlock(&lock);
  add_symbol(name, address, bytes, arg);
  pthread_rwlock_unlock(&lock);
}
void sim_check_read_symbols(void) {
  read_images();
  if (sim_check_on()) sim_symbols(add_new_symbol, NULL);
}

sim_region *sim_region_near(uintptr_t address) {
  pthread_rwlock_rdlock(&lock);
  const size_t at = position(address);
  sim_region *below = NULL, *above = NULL;
  for (size_t i = at; i-- > 0 && !below;)
    if (regions[i]->live) below = regions[i];
  for (size_t i = at; i < region_count && !above; i++)
    if (regions[i]->live) above = regions[i];
  pthread_rwlock_unlock(&lock);
  if (!below || !above) return below ? below : above;
  return address - below->a.base - below->a.bytes < above->a.base - address ? below : above;
}

void sim_region_each(void (*visit)(const sim_region *, unsigned op), unsigned op) {
  pthread_rwlock_rdlock(&lock);
  for (size_t i = 0; i < region_count; i++)
    if (regions[i]->live) visit(regions[i], op);
  pthread_rwlock_unlock(&lock);
}

// ---------------------------------------------------------------- shadow

static void *sparse(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

static size_t cell_bytes(const sim_region *r) {
  return (r->a.bytes / WORD + 2) * sizeof(sim_cell);
}

sim_cell *sim_region_cells(sim_region *r) {
  if (!r->cells) r->cells = sparse(cell_bytes(r));
  return r->cells;
}

static bool bit_at(const sim_region *r, size_t i) {
  return r->initialised[i / 8] >> (i % 8) & 1;
}

bool sim_region_all_initialised(const sim_region *r, uintptr_t address, size_t bytes) {
  if (!r->initialised) return true;
  const size_t from = address - r->a.base;
  if (bytes <= 8 - from % 8) {
    const unsigned mask = ((1u << bytes) - 1) << (from % 8);
    return (r->initialised[from / 8] & mask) == mask;
  }
  for (size_t i = from; i < from + bytes; i++)
    if (!bit_at(r, i)) return false;
  return true;
}

bool sim_region_any_initialised(const sim_region *r, uintptr_t address, size_t bytes) {
  if (!r->initialised) return true;
  const size_t from = address - r->a.base;
  for (size_t i = from; i < from + bytes; i++)
    if (bit_at(r, i)) return true;
  return false;
}

void sim_region_initialise(sim_region *r, uintptr_t address, size_t bytes) {
  if (!r->initialised) return;
  size_t i = address - r->a.base, end = i + bytes;
  if (bytes <= 8 - i % 8) {
    r->initialised[i / 8] |= (uint8_t)(((1u << bytes) - 1) << (i % 8));
    return;
  }
  for (; i < end && i % 8; i++) r->initialised[i / 8] |= (uint8_t)(1u << (i % 8));
  if (end - i >= 8) memset(r->initialised + i / 8, 0xFF, (end - i) / 8);
  for (i += (end - i) / 8 * 8; i < end; i++) r->initialised[i / 8] |= (uint8_t)(1u << (i % 8));
}

// The part of a range that lies in the region's allocation; 0 bytes: none.
static size_t clip(const sim_region *r, uintptr_t *address, size_t bytes) {
  uintptr_t from = *address, end = from + bytes;
  if (from < r->a.base) from = r->a.base;
  if (end > r->a.base + r->a.bytes) end = r->a.base + r->a.bytes;
  *address = from;
  return end > from ? end - from : 0;
}

void sim_check_copied(const void *to, const void *from, size_t bytes) {
  if (!sim_check_on()) return;
  uintptr_t t = (uintptr_t)to, f = (uintptr_t)from;
  sim_region *target = sim_region_at(t);
  const sim_region *source = from ? sim_region_at(f) : NULL;
  if (!target || !target->initialised) return;
  bytes = clip(target, &t, bytes);
  if (!source || !source->initialised || clip(source, &f, bytes) < bytes) {
    sim_region_initialise(target, t, bytes);
    return;
  }
  for (size_t i = 0; i < bytes; i++)
    if (bit_at(source, f - source->a.base + i)) sim_region_initialise(target, t + i, 1);
}

// ---------------------------------------------------------------- allocating and freeing

void *sim_check_allocate(size_t bytes, size_t alignment) {
  size_t room = bytes < LEAST_ROOM ? LEAST_ROOM : bytes > MOST_ROOM ? MOST_ROOM : bytes;
  room = (room + 4095) / 4096 * 4096;
  const size_t whole = (bytes + 4095) / 4096 * 4096, before = alignment > LEAST_ROOM ? alignment : LEAST_ROOM;
  char *p = sparse(before + alignment + whole + room);
  if (!p) return NULL;
  char *base = (char *)(((uintptr_t)p + before + alignment - 1) / alignment * alignment);
  sim_region *r = calloc(1, sizeof *r);
  if (!r) {
    munmap(p, before + alignment + whole + room);
    return NULL;
  }
  *r = (sim_region){.a = {.base = (uintptr_t)base, .bytes = bytes},
                    .low = (uintptr_t)p,
                    .high = (uintptr_t)p + before + alignment + whole + room,
                    .ours = true};
  pthread_rwlock_wrlock(&lock);
  const bool known = insert(r);
  pthread_rwlock_unlock(&lock);
  return known ? base : NULL;
}

void sim_check_allocated(const sim_allocation *a) {
  if (!sim_check_on()) return;
  sim_region *r = sim_region_at(a->base);
  if (!r || r->a.base != a->base) {
    r = calloc(1, sizeof *r);
    if (!r) return;
    r->low = a->base;
    r->high = a->base + a->bytes;
    pthread_rwlock_wrlock(&lock);
    const bool known = insert(r);
    pthread_rwlock_unlock(&lock);
    if (!known) return;
  }
  r->a = *a;
  r->live = true;
  r->number = __atomic_add_fetch(&made_count, 1, __ATOMIC_RELAXED);
  if (a->kind == SIM_DEVICE || a->kind == SIM_HEAP) r->initialised = sparse(a->bytes / 8 + 1);
  sim_check_backtrace(r->made);
}

static void drop_shadow(sim_region *r) {
  if (r->initialised) munmap(r->initialised, r->a.bytes / 8 + 1);
  if (r->cells) munmap(r->cells, cell_bytes(r));
  r->initialised = NULL;
  r->cells = NULL;
}

// Locked for writing.
static void forget(size_t i) {
  sim_region *r = regions[i];
  if (r->ours) munmap((void *)r->low, r->high - r->low);
  memmove(&regions[i], &regions[i + 1], (region_count - i - 1) * sizeof *regions);
  region_count--;
}

void sim_check_released(const sim_allocation *a, bool ours) {
  if (!sim_check_on()) return;
  sim_region *r = sim_region_at(a->base);
  if (!r || r->a.base != a->base) return;
  sim_host_forget(r);
  pthread_rwlock_wrlock(&lock);
  drop_shadow(r);
  r->live = false;
  sim_check_backtrace(r->freed);
  if (!ours) {
    forget(position(r->low));
  } else {
    madvise((void *)r->a.base, r->a.bytes, MADV_DONTNEED);
    if (++dead_count > MOST_DEAD) {  // the oldest half gives its addresses back
      for (size_t i = region_count; i-- > 0;) {
        if (regions[i]->live || regions[i]->number + MOST_DEAD / 2 > made_count) continue;
        forget(i);
        dead_count--;
      }
    }
  }
  pthread_rwlock_unlock(&lock);
}

void sim_check_reset(void) {
  if (!sim_check_on()) return;
  pthread_rwlock_wrlock(&lock);
  for (size_t i = 0; i < region_count; i++)
    if (regions[i]->a.kind != SIM_SYMBOL) regions[i]->reported = true;
  pthread_rwlock_unlock(&lock);
}

void sim_check_bad_free(const void *p, bool host) {
  if (!sim_check_wants(SIM_CHECK_HOST)) return;
  const char *call = host ? "cudaFreeHost" : "cudaFree", *other = host ? "cudaFree" : "cudaFreeHost";
  const uintptr_t address = (uintptr_t)p;
  const sim_region *r = sim_region_at(address);
  sim_check_context c = {0};
  sim_check_backtrace(c.pc);
  if (!r)
    sim_check_problem("invalid-free", &c, "%s of %p, which no cudaMalloc or cudaMallocHost has given", call,
                      p);
  else if (!r->live && r->a.base == address) {
    sim_check_problem("double-free", &c, "%s of %p, an allocation of %zu bytes that is already free", call, p,
                      r->a.bytes);
  } else if (r->a.base == address)
    sim_check_problem("invalid-free", &c, "%s of %p, which needs %s", call, p, other);
  else
    sim_check_problem("invalid-free", &c,
                      "%s of %p, %td bytes into the allocation of %zu bytes at 0x%zx: free its first address",
                      call, p, (ptrdiff_t)(address - r->a.base), r->a.bytes, (size_t)r->a.base);
}

// ---------------------------------------------------------------- the device's heap

void *cusim_device_malloc(size_t bytes) {
  if (!sim_check_on()) return malloc(bytes);
  sim_replay_impossible();
  void *p = bytes ? sim_check_allocate(bytes, 16) : NULL;
  if (p) sim_check_allocated(&(sim_allocation){(uintptr_t)p, bytes, -1, SIM_HEAP});
  return p;
}

void cusim_device_free(void *p) {
  if (!sim_check_on()) {
    free(p);
    return;
  }
  const sim_region *r = p ? sim_region_at((uintptr_t)p) : NULL;
  if (r && r->live && r->a.base == (uintptr_t)p)
    sim_check_released(&r->a, true);
  else if (p)
    sim_check_bad_free(p, false);
}

// ---------------------------------------------------------------- what the host says

void sim_check_pointer(const void *p, size_t bytes, const char *side) {
  if (!sim_check_wants(SIM_CHECK_HOST)) return;
  const uintptr_t address = (uintptr_t)p;
  const sim_region *r = sim_region_at(address);
  // Behind a device variable there may be one of the host's.
  if (r && r->a.kind == SIM_SYMBOL && address - r->a.base >= r->a.bytes) r = NULL;
  if (!p)
    sim_check_host_problem("null-pointer", "the %s of a copy or fill of %zu bytes is a null pointer", side,
                           bytes);
  else if (r && !r->live)
    sim_check_host_problem(
        "use-after-free",
        "the %s of a copy or fill of %zu bytes is %p, an allocation of %zu bytes that is free", side, bytes,
        p, r->a.bytes);
  else if (r && (address < r->a.base || address - r->a.base + bytes > r->a.bytes))
    sim_check_host_problem(
        "copy-out-of-bounds",
        "%zu bytes from offset %td of the %s, an allocation of %zu bytes, end %td bytes outside", bytes,
        (ptrdiff_t)(address - r->a.base), side, r->a.bytes,
        (ptrdiff_t)(address + bytes - r->a.base - r->a.bytes));
}

void sim_check_argument(const void *p, size_t bytes, const char *call) {
  if (!sim_check_wants(SIM_CHECK_HOST) || !bytes) return;
  const uintptr_t address = (uintptr_t)p;
  const sim_region *r = sim_region_at(address);
  if (r && r->a.kind == SIM_SYMBOL) return;  // behind it there may be one of the host's
  if (!p)
    sim_check_host_problem("null-pointer", "%s is given a null pointer for %zu bytes", call, bytes);
  else if (!r)
    sim_check_host_problem("host-memory", "%s is given %p for %zu bytes, which is no device's memory", call,
                           p, bytes);
  else if (!r->live)
    sim_check_host_problem("use-after-free",
                           "%s is given %p for %zu bytes, in an allocation of %zu bytes that is free", call,
                           p, bytes, r->a.bytes);
  else if (address < r->a.base || address - r->a.base + bytes > r->a.bytes)
    sim_check_host_problem("out-of-bounds",
                           "%s is given %zu bytes from offset %td of an allocation of %zu bytes", call, bytes,
                           (ptrdiff_t)(address - r->a.base), r->a.bytes);
}

void sim_check_report_leaks(void) {
  if (!sim_check_wants(SIM_CHECK_LEAK)) return;
  for (size_t i = 0; i < region_count; i++) {
    const sim_region *r = regions[i];
    if (!r->live || r->reported || r->a.kind == SIM_SYMBOL || r->a.kind == SIM_HEAP || !r->ours) continue;
    sim_check_context c = {.launch = r->number};
    memcpy(c.pc, r->made, sizeof c.pc);
    const char *call = r->a.kind == SIM_PINNED ? "cudaFreeHost" : "cudaFree";
    if (r->a.device >= 0)
      sim_check_problem("leak", &c, "%zu bytes of device %d allocated here are never freed: %s is missing",
                        r->a.bytes, r->a.device, call);
    else
      sim_check_problem("leak", &c,
                        "%zu bytes of pinned memory allocated here are never freed: %s is missing",
                        r->a.bytes, call);
  }
}
