// SPDX-License-Identifier: MIT
// One checked block: where each access of its threads goes, and whether it may.
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_block.h"
#include "exec.h"

enum { SHARED_ROOM = 1024, SHARED_WINDOW = 1 << 16, WORD = 4, YIELD_EVERY = 64 };

_Thread_local sim_check *sim_check_current __attribute__((tls_model("initial-exec")));
static _Thread_local sim_check *own;
static pthread_key_t own_key;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

// ---------------------------------------------------------------- one block at a time

// The blocks of a cooperative grid take turns: one runs until it waits for the others, or looks at a flag
// again and again.
static struct {
  pthread_mutex_t lock;
  pthread_cond_t turn;
  unsigned long next, serving;
} baton = {.lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER};

static void take_baton(void) {
  pthread_mutex_lock(&baton.lock);
  const unsigned long ticket = baton.next++;
  while (ticket != baton.serving) pthread_cond_wait(&baton.turn, &baton.lock);
  pthread_mutex_unlock(&baton.lock);
}

static void pass_baton(void) {
  pthread_mutex_lock(&baton.lock);
  baton.serving++;
  pthread_cond_broadcast(&baton.turn);
  pthread_mutex_unlock(&baton.lock);
}

void sim_check_pause(void) {
  if (sim_check_current && sim_check_current->launch.cooperative) pass_baton();
}
void sim_check_resume(void) {
  if (sim_check_current && sim_check_current->launch.cooperative) take_baton();
}

// ---------------------------------------------------------------- reports

sim_check_context sim_check_here(const sim_check *c, uintptr_t pc) {
  sim_check_context where = {.pc = {pc},
                             .kernel = c->launch.kernel,
                             .launch = c->view.op,
                             .block = c->block,
                             .thread = c->running,
                             .grid = c->launch.grid,
                             .shape = c->launch.block};
  return where;
}

sim_index sim_check_thread_index(const sim_check *c, unsigned thread) {
  const sim_dim3 s = c->launch.block;
  return (sim_index){thread % s.x, thread / s.x % s.y, thread / s.x / s.y};
}

static const char *doing(unsigned flags) {
  return flags & SIM_CHECK_ATOMIC ? "atomic operation" : flags & SIM_CHECK_WRITE ? "write" : "read";
}

// ---------------------------------------------------------------- shared memory

static sim_shared *shared_at(sim_check *c, uintptr_t address) {
  if (c->shared_count && address - c->shared[c->shared_last].base < c->shared[c->shared_last].bytes)
    return &c->shared[c->shared_last];
  for (int i = 0; i < c->shared_count; i++)
    if (address - c->shared[i].base < c->shared[i].bytes) {
      c->shared_last = i;
      return &c->shared[i];
    }
  return NULL;
}

static void add_shared(sim_check *c, uintptr_t base, size_t bytes) {
  if (c->shared_count == SIM_MOST_SHARED || !bytes) return;
  for (int i = 0; i < c->shared_count; i++)
    if (c->shared[i].base == base) return;
  sim_shared *s = &c->shared[c->shared_count];
  const size_t words = bytes / WORD + 2;
  if (words > s->room) {
    free(s->cells);
    free(s->initialised);
    s->cells = calloc(words, sizeof *s->cells);
    s->initialised = calloc(words, 1);
    s->room = s->cells && s->initialised ? words : 0;
    if (!s->room) return;
  }
  // Stamps of earlier blocks tell themselves by their operation and block.
  memset(s->initialised, 0, words);
  s->base = base;
  s->bytes = bytes;
  c->shared_count++;
}

void sim_check_shared(const void *base, size_t bytes) {
  sim_check *c = sim_check_current;
  if (!c) return;
  if (c->replays)
    sim_replay_shared(c, (uintptr_t)base, bytes);
  else
    add_shared(c, (uintptr_t)base, bytes);
}

static void shared_out_of_bounds(sim_check *c, uintptr_t pc, uintptr_t address, size_t bytes, unsigned flags,
                                 const sim_shared *s, bool dynamic) {
  if (!sim_check_wants(SIM_CHECK_MEMORY)) return;
  const sim_check_context where = sim_check_here(c, pc);
  if (dynamic && c->launch.dynamic_shared == 0)
    sim_check_problem("out-of-bounds", &where,
                      "%s of %zu bytes of dynamic shared memory, of which the launch gives 0 bytes",
                      doing(flags), bytes);
  else if (s && address >= s->base)
    sim_check_problem("out-of-bounds", &where,
                      "%s of %zu bytes at offset %zu of %s of %zu bytes: offsets up to %zu are right",
                      doing(flags), bytes, (size_t)(address - s->base),
                      dynamic ? "the dynamic shared memory" : "a shared variable", s->bytes,
                      s->bytes > bytes ? s->bytes - bytes : 0);
  else if (s)
    sim_check_problem("out-of-bounds", &where,
                      "%s of %zu bytes, %zu bytes before a shared variable of %zu bytes", doing(flags), bytes,
                      (size_t)(s->base - address), s->bytes);
  else
    sim_check_problem("out-of-bounds", &where, "%s of %zu bytes of shared memory that is no variable's",
                      doing(flags), bytes);
}

// Of the static variables, the one an address outside all of them was meant for: the one below, if any.
static const sim_shared *nearest_shared(const sim_check *c, uintptr_t address, bool dynamic) {
  const sim_shared *below = NULL, *above = NULL;
  for (int i = 0; i < c->shared_count; i++) {
    const sim_shared *s = &c->shared[i];
    if ((s->base == c->dynamic) != dynamic) continue;
    if (s->base <= address && (!below || s->base > below->base)) below = s;
    if (s->base > address && (!above || s->base < above->base)) above = s;
  }
  return below && (!above || address - below->base - below->bytes < SHARED_WINDOW) ? below : above;
}

static void outside_shared(sim_check *c, uintptr_t pc, uintptr_t address, size_t bytes, unsigned flags,
                           bool dynamic) {
  const sim_shared *s = nearest_shared(c, address, dynamic);
  shared_out_of_bounds(c, pc, address, bytes, flags, s, dynamic);
  // Behind a variable some bytes are nobody's; further off a write would destroy what is not the kernel's.
  const bool harmless = s && address >= s->base && address + bytes <= s->base + s->bytes + SHARED_ROOM / 2;
  const bool empty = dynamic && address + bytes <= c->dynamic + SHARED_ROOM;
  if (!harmless && !empty && (flags & SIM_CHECK_WRITE)) sim_block_fail(SIM_RUN_ILLEGAL_ADDRESS);
}

static bool any_bit(const uint8_t *map, size_t from, size_t bytes, bool all) {
  for (size_t i = from; i < from + bytes; i++)
    if ((map[i / WORD] >> (i % WORD) & 1) != all) return !all;
  return all;
}

static void check_shared_init(sim_check *c, uintptr_t pc, const sim_shared *s, uintptr_t address,
                              size_t bytes, unsigned flags) {
  const size_t from = address - s->base;
  if ((!(flags & SIM_CHECK_WRITE) || (flags & SIM_CHECK_ATOMIC)) && sim_check_wants(SIM_CHECK_INIT)) {
    const bool whole = !(flags & SIM_CHECK_PIECES) && bytes <= 8;
    const bool fine =
        whole ? any_bit(s->initialised, from, bytes, true) : any_bit(s->initialised, from, bytes, false);
    if (!fine) {
      const sim_check_context where = sim_check_here(c, pc);
      char text[300];
      snprintf(
          text, sizeof text,
          "%s of %zu bytes at offset %zu of a shared variable of %zu bytes, which no thread of the block has "
          "written, and the block's results hang on it",
          doing(flags), bytes, from, s->bytes);
      sim_replay_suspect(c, &where, text);
    }
  }
  if (flags & SIM_CHECK_WRITE)
    for (size_t i = from; i < from + bytes; i++) s->initialised[i / WORD] |= (uint8_t)(1u << (i % WORD));
}

static void use_shared(sim_check *c, uintptr_t pc, sim_shared *s, uintptr_t address, size_t bytes,
                       unsigned flags) {
  if (address - s->base + bytes > s->bytes) {
    shared_out_of_bounds(c, pc, address, bytes, flags, s, s->base == c->dynamic);
    return;
  }
  check_shared_init(c, pc, s, address, bytes, flags);
  // A flag in shared memory may order threads; volatile alone does not, as warp-synchronous code would have
  // it.
  if (flags & SIM_CHECK_ATOMIC) sim_sync_acquire(&c->view, (unsigned)c->running, address);
  if (sim_check_wants(SIM_CHECK_RACE))
    sim_check_race(c, pc, s->cells, s->base, address, bytes, flags & ~(unsigned)SIM_CHECK_VOLATILE, NULL, s);
  if (flags & SIM_CHECK_ATOMIC) sim_sync_release(&c->view, (unsigned)c->running, address);
}

// ---------------------------------------------------------------- global memory

static void global_out_of_bounds(sim_check *c, uintptr_t pc, const sim_region *r, uintptr_t address,
                                 size_t bytes, unsigned flags) {
  if (!sim_check_wants(SIM_CHECK_MEMORY)) return;
  const sim_check_context where = sim_check_here(c, pc);
  const uintptr_t end = r->a.base + r->a.bytes;
  if (address < r->a.base)
    sim_check_problem("out-of-bounds", &where,
                      "%s of %zu bytes at 0x%zx, %zu bytes before the allocation of %zu bytes at 0x%zx",
                      doing(flags), bytes, (size_t)address, (size_t)(r->a.base - address), r->a.bytes,
                      (size_t)r->a.base);
  else
    sim_check_problem(
        "out-of-bounds", &where,
        "%s of %zu bytes at 0x%zx, %zu bytes %s the end of the allocation of %zu bytes at 0x%zx",
        doing(flags), bytes, (size_t)address, (size_t)(address >= end ? address - end : end - address),
        address >= end ? "past" : "before", r->a.bytes, (size_t)r->a.base);
}

static void used_after_free(sim_check *c, uintptr_t pc, const sim_region *r, uintptr_t address, size_t bytes,
                            unsigned flags) {
  if (!sim_check_wants(SIM_CHECK_MEMORY)) return;
  const sim_check_context where = sim_check_here(c, pc);
  sim_check_problem(
      "use-after-free", &where,
      "%s of %zu bytes at 0x%zx, offset %td of an allocation of %zu bytes at 0x%zx that has been "
      "freed",
      doing(flags), bytes, (size_t)address, (ptrdiff_t)(address - r->a.base), r->a.bytes, (size_t)r->a.base);
}

static void misaligned(sim_check *c, uintptr_t pc, uintptr_t address, size_t bytes, unsigned flags) {
  const sim_check_context where = sim_check_here(c, pc);
  sim_check_problem("misaligned", &where, "%s of %zu bytes at 0x%zx, which is not a multiple of %zu",
                    doing(flags), bytes, (size_t)address, bytes);
  sim_block_fail(SIM_RUN_MISALIGNED);
}

static void no_peer(sim_check *c, uintptr_t pc, const sim_region *r, uintptr_t address, size_t bytes,
                    unsigned flags) {
  const sim_check_context where = sim_check_here(c, pc);
  sim_check_problem("peer-access", &where,
                    "%s of %zu bytes at 0x%zx, memory of device %d, by device %d without "
                    "cudaDeviceEnablePeerAccess(%d, 0)",
                    doing(flags), bytes, (size_t)address, r->a.device, c->launch.device, r->a.device);
  sim_block_fail(SIM_RUN_ILLEGAL_ADDRESS);
}

static void check_global_init(sim_check *c, uintptr_t pc, sim_region *r, uintptr_t address, size_t bytes,
                              unsigned flags) {
  if ((!(flags & SIM_CHECK_WRITE) || (flags & SIM_CHECK_ATOMIC)) && sim_check_wants(SIM_CHECK_INIT)) {
    const bool whole = !(flags & SIM_CHECK_PIECES) && bytes <= 8;
    const bool fine =
        whole ? sim_region_all_initialised(r, address, bytes) : sim_region_any_initialised(r, address, bytes);
    if (!fine) {
      const sim_check_context where = sim_check_here(c, pc);
      sim_check_problem("uninitialised-global", &where,
                        "%s of %zu bytes at 0x%zx, offset %zu of the allocation of %zu bytes at 0x%zx, which "
                        "nothing has written",
                        doing(flags), bytes, (size_t)address, (size_t)(address - r->a.base), r->a.bytes,
                        (size_t)r->a.base);
    }
  }
  if (flags & SIM_CHECK_WRITE) sim_region_initialise(r, address, bytes);
}

static void check_beside(sim_check *c, uintptr_t pc, uintptr_t address, size_t bytes, unsigned flags) {
  for (size_t i = 0; i < c->beside_count; i++) {
    const sim_range *b = &c->beside[i];
    if (address >= b->high || b->low >= address + bytes || !(b->write || (flags & SIM_CHECK_WRITE))) continue;
    sim_check_context where = sim_check_here(c, pc);
    sim_check_problem("race-stream", &where,
                      "%s of %zu bytes at 0x%zx, which %s in another stream %s: no event or synchronization "
                      "orders the two streams",
                      doing(flags), bytes, (size_t)address, sim_op_name(b->op),
                      b->write ? "writes" : "reads");
  }
}

static void use_global(sim_check *c, uintptr_t pc, sim_region *r, uintptr_t address, size_t bytes,
                       unsigned flags) {
  if (!r->live) {
    used_after_free(c, pc, r, address, bytes, flags);
    return;
  }
  if (address - r->a.base >= r->a.bytes || address - r->a.base + bytes > r->a.bytes) {
    global_out_of_bounds(c, pc, r, address, bytes, flags);
    if (!r->ours) sim_block_fail(SIM_RUN_ILLEGAL_ADDRESS);
    return;
  }
  if (sim_check_wants(SIM_CHECK_MEMORY)) {
    if (r->a.kind == SIM_DEVICE && r->a.device != c->launch.device &&
        !sim_peer_enabled(c->launch.device, r->a.device))
      no_peer(c, pc, r, address, bytes, flags);
    if (r->constant && (flags & SIM_CHECK_WRITE)) {
      const sim_check_context where = sim_check_here(c, pc);
      sim_check_problem("read-only", &where, "%s of %zu bytes at offset %zu of a __constant__ variable",
                        doing(flags), bytes, (size_t)(address - r->a.base));
    }
  }
  if (flags & SIM_CHECK_WRITE) sim_replay_store(c, address, bytes);
  check_global_init(c, pc, r, address, bytes, flags);
  if (!sim_check_wants(SIM_CHECK_RACE)) return;
  if (c->beside_count) check_beside(c, pc, address, bytes, flags);
  const unsigned running = (unsigned)c->running;
  // A thread that has made a fence publishes with whatever it writes next.
  if ((flags & SIM_CHECK_WRITE) && c->thread[running].fenced) flags |= SIM_CHECK_VOLATILE;
  const bool flag = flags & (SIM_CHECK_ATOMIC | SIM_CHECK_VOLATILE);
  if (flag && (!(flags & SIM_CHECK_WRITE) || (flags & SIM_CHECK_ATOMIC)))
    sim_sync_acquire(&c->view, running, address);
  sim_cell *cells = sim_region_cells(r);
  if (cells) sim_check_race(c, pc, cells, r->a.base, address, bytes, flags, r, NULL);
  if (flag && (flags & SIM_CHECK_WRITE)) sim_sync_release(&c->view, running, address);
  if (r->a.kind != SIM_DEVICE) r->used_by = c->view.op;
}

// ---------------------------------------------------------------- elsewhere

static bool is_mapped(uintptr_t address) {
  FILE *f = fopen("/proc/self/maps", "r");
  char line[512];
  bool found = false;
  while (f && !found && fgets(line, sizeof line, f)) {
    size_t low, high;
    found = sscanf(line, "%zx-%zx", &low, &high) == 2 && address >= low && address < high;
  }
  if (f) fclose(f);
  return found;
}

static void use_other(sim_check *c, uintptr_t pc, uintptr_t address, size_t bytes, unsigned flags) {
  if (sim_in_constants(address) || sim_block_owns((const void *)address) ||
      !sim_check_wants(SIM_CHECK_MEMORY))
    return;
  const sim_check_context where = sim_check_here(c, pc);
  const sim_region *variable = sim_in_image(address) ? sim_region_near(address) : NULL;
  if (variable && variable->a.kind == SIM_SYMBOL && address - variable->a.base < SHARED_WINDOW) {
    global_out_of_bounds(c, pc, variable, address, bytes, flags);
    if (flags & SIM_CHECK_WRITE) sim_block_fail(SIM_RUN_ILLEGAL_ADDRESS);
    return;
  }
  if (address < 65536) {
    sim_check_problem("null-pointer", &where, "%s of %zu bytes at 0x%zx: %s", doing(flags), bytes,
                      (size_t)address, address ? "an offset from a null pointer" : "the pointer is null");
  } else if (is_mapped(address)) {
    sim_check_problem(
        "host-memory", &where,
        "%s of %zu bytes at 0x%zx, pageable host memory (malloc, new or a host variable): a device "
        "needs cudaMalloc, cudaMallocHost or cudaMallocManaged",
        doing(flags), bytes, (size_t)address);
  } else {
    const sim_region *r = sim_region_near(address);
    if (r)
      sim_check_problem(
          "illegal-address", &where,
          "%s of %zu bytes at 0x%zx, which is no allocation; the nearest one is %zu bytes at 0x%zx",
          doing(flags), bytes, (size_t)address, r->a.bytes, (size_t)r->a.base);
    else
      sim_check_problem("illegal-address", &where, "%s of %zu bytes at 0x%zx, which is no allocation",
                        doing(flags), bytes, (size_t)address);
  }
  sim_block_fail(SIM_RUN_ILLEGAL_ADDRESS);
}

static sim_region *find_region(sim_check *c, uintptr_t address) {
  for (int i = 0; i < SIM_RECENT; i++)
    if (c->recent[i] && address - c->recent[i]->low < c->recent[i]->high - c->recent[i]->low)
      return c->recent[i];
  sim_region *r = sim_region_at(address);
  if (r) c->recent[c->recent_next++ % SIM_RECENT] = r;
  return r;
}

static bool of_place(const sim_check *c, uintptr_t address) {
  const uintptr_t packet = (uintptr_t)c->place.packet;
  return address - (uintptr_t)c->place.stacks < c->place.stack_bytes ||
         address - packet < c->place.packet_bytes;
}

// Coordinates of threads and blocks, and where the values of a tile stand.
static bool of_engine(uintptr_t address) {
  const sim_index *const index[] = {&cusim_thread_idx, &cusim_block_idx, &cusim_block_dim, &cusim_grid_dim};
  for (int i = 0; i < 4; i++)
    if (address - (uintptr_t)index[i] < sizeof(sim_index)) return true;
  return sim_tiles_own((const void *)address);
}

void sim_check_access(uintptr_t pc, const void *pointer, size_t bytes, unsigned flags) {
  sim_check *c = sim_check_current;
  if (!c || c->running < 0 || !bytes) return;
  if (c->pending.open) sim_check_pending(c);
  const uintptr_t address = (uintptr_t)pointer;
  const bool thread_local_memory =
      address - c->tls < c->tls_bytes || address - c->engine_tls < c->engine_tls_bytes;
  if (of_place(c, address) || (thread_local_memory && of_engine(address))) return;
  if (c->replays) {
    if (!shared_at(c, address) && !thread_local_memory && !sim_in_constants(address) &&
        !sim_block_owns(pointer))
      sim_replay_access(c, address, bytes, flags, find_region(c, address));
    return;
  }
  sim_replay_count(c);
  if (c->launch.cooperative && (flags & (SIM_CHECK_ATOMIC | SIM_CHECK_VOLATILE)) &&
      ++c->spins % YIELD_EVERY == 0) {
    pass_baton();
    sched_yield();
    take_baton();
  }
  sim_sync_note_site(c, pc);
  if (bytes <= 16 && !(flags & (SIM_CHECK_UNALIGNED | SIM_CHECK_PIECES)) && address % bytes &&
      (bytes & (bytes - 1)) == 0 && address >= 65536 && sim_check_wants(SIM_CHECK_MEMORY))
    misaligned(c, pc, address, bytes, flags);
  sim_shared *s = shared_at(c, address);
  if (s) {
    use_shared(c, pc, s, address, bytes, flags);
    return;
  }
  sim_region *r = find_region(c, address);
  if (r)
    use_global(c, pc, r, address, bytes, flags);
  else if (thread_local_memory || (address - c->dynamic < SHARED_WINDOW && !sim_block_owns(pointer)))
    outside_shared(c, pc, address, bytes, flags, !thread_local_memory);
  else
    use_other(c, pc, address, bytes, flags);
}

// ---------------------------------------------------------------- a block's life

static void destroy(void *p) {
  sim_check *c = p;
  for (int i = 0; i < SIM_MOST_SHARED; i++) {
    free(c->shared[i].cells);
    free(c->shared[i].initialised);
  }
  sim_sync_free(c);
  sim_replay_free(c);
  free(c);
}

static void make_key(void) {
  pthread_key_create(&own_key, destroy);
}

// Where this OS thread's instances of thread-local variables are: the program's, which are static shared
// variables, and the engine's, which is in another object where the runtime is a shared library.
static int find_tls(struct dl_phdr_info *info, size_t size, void *arg) {
  (void)size;
  sim_check *c = arg;
  const uintptr_t low = (uintptr_t)info->dlpi_tls_data;
  size_t bytes = 0;
  for (int i = 0; i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_TLS) bytes = info->dlpi_phdr[i].p_memsz;
  if (!c->tls_known) {  // the program itself comes first
    c->tls_known = true;
    c->tls = low;
    c->tls_bytes = bytes;
  }
  if ((uintptr_t)&cusim_thread_idx - low >= bytes) return 0;
  c->engine_tls = low;
  c->engine_tls_bytes = bytes;
  return 1;
}

void sim_check_open(const sim_launch *launch, uint64_t block, const sim_check_place *place) {
  if (!sim_check_on()) return;
  if (launch->cooperative) take_baton();
  if (!own) {
    pthread_once(&own_once, make_key);
    own = calloc(1, sizeof *own);
    if (!own) {
      fprintf(stderr, "cusim: out of memory while checking a block; unset CUSIM_CHECK\n");
      exit(1);
    }
    pthread_setspecific(own_key, own);
    dl_iterate_phdr(find_tls, own);
  }
  sim_check *c = own;
  c->launch = *launch;
  c->block = block;
  c->place = *place;
  if (!c->place.packet_bytes) c->place.packet_bytes = malloc_usable_size((void *)(uintptr_t)place->packet);
  c->running = -1;
  c->threads = launch->block.x * launch->block.y * launch->block.z;
  c->shared_count = c->shared_last = 0;
  c->pending.open = false;
  memset(c->recent, 0, sizeof c->recent);
  c->beside_count = sim_op_beside(launch->check_op, &c->beside);
  c->dynamic = (uintptr_t)place->dynamic_shared;
  sim_sync_open(c);
  sim_replay_open(c);
  if (launch->dynamic_shared) add_shared(c, c->dynamic, launch->dynamic_shared);
  sim_check_current = c;
}

void sim_check_close(void) {
  sim_check *c = sim_check_current;
  if (!c) return;
  if (c->pending.open) sim_check_pending(c);
  if (c->launch.cooperative)
    sim_check_replay_begin();  // which reports at once: such a block cannot run again
  sim_sync_close(c);
  sim_check_current = NULL;
  if (c->launch.cooperative) pass_baton();
}

void sim_check_switch(int thread) {
  sim_check *c = sim_check_current;
  if (!c) return;
  if (c->pending.open) sim_check_pending(c);
  c->running = thread;
}
