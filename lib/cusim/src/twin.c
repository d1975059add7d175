// SPDX-License-Identifier: MIT
// The symbol tables of the program and of its shared libraries, each read once: they pair each kernel with
// its traced twin (a second symbol of the same name) and know the size of every device variable.
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exec.h"

typedef struct pair {
  uintptr_t plain, traced;
} pair;

typedef struct variable {
  const char *name;  // in the mapped file
  void *address;
  size_t bytes;
} variable;

typedef struct named {
  const char *name;  // mangled, in the mapped file
  uintptr_t address;
  size_t bytes;
  bool local;
} named;

// Names of host stubs' entries (sim_kernel) and of kernels' shared variables begin with what the kernel's own
// symbol is: `_ZZ1kPiE11cusim_entry`, `_ZZZ1kPiEN…cusim_thread…cusim_bytes_3`.
static const char entry_mark[] = "E11cusim_entry", shared_mark[] = "cusim_bytes_";

static pair *pairs;
static variable *variables;
static named *functions, *entries, *shared;
static size_t pair_count, variable_count, function_count, entry_count, shared_count;

static int by_name(const void *a, const void *b) {
  const named *x = a, *y = b;
  const int order = strcmp(x->name, y->name);
  if (order) return order;
  if (x->local != y->local) return (int)x->local - (int)y->local;
  return (x->address > y->address) - (x->address < y->address);
}

static int by_address(const void *a, const void *b) {
  const pair *x = a, *y = b;
  return (x->plain > y->plain) - (x->plain < y->plain);
}

typedef struct range {
  uintptr_t from, to;
} range;

static range *code;  // functions of C++, and so of the .cu files: nothing of the library is
static size_t code_count;

static int by_start(const void *a, const void *b) {
  const range *x = a, *y = b;
  return (x->from > y->from) - (x->from < y->from);
}

// "…N5cusim4body…": the mangled name of cusim::body<…>::run.
static bool is_body(const char *name) {
  return strncmp(name, "_ZN5cusim4body", 14) == 0;
}

// "cusimvar_…" of a device variable's symbol; NULL: of none. A variable template's instances have it as an
// inline namespace: "_ZN9cusimvar_5tableIfEE".
static const char *variable_label(const char *name) {
  if (strncmp(name, "cusimvar_", 9) == 0) return name;
  return strncmp(name, "_ZN", 3) == 0 ? strstr(name, "cusimvar_") : NULL;
}

static bool make_room(void **list, size_t count, size_t bytes) {
  void *larger = realloc(*list, count * bytes);
  if (larger) *list = larger;
  return larger;
}

static void collect(const char *file, const ElfW(Shdr) * table, const ElfW(Shdr) * strings, uintptr_t base) {
  const ElfW(Sym) *symbols = (const void *)(file + table->sh_offset);
  const size_t count = table->sh_size / sizeof *symbols;
  const char *names = file + strings->sh_offset;
  const size_t first = function_count, first_code = code_count;
  bool kernels = false;
  if (!make_room((void **)&functions, function_count + count, sizeof *functions) ||
      !make_room((void **)&entries, entry_count + count, sizeof *entries) ||
      !make_room((void **)&shared, shared_count + count, sizeof *shared) ||
      !make_room((void **)&pairs, pair_count + count, sizeof *pairs) ||
      !make_room((void **)&variables, variable_count + count, sizeof *variables) ||
      !make_room((void **)&code, code_count + count, sizeof *code))
    return;
  for (size_t i = 0; i < count; i++) {
    const ElfW(Sym) *s = &symbols[i];
    const char *name = names + s->st_name, *label;
    if (s->st_shndx == SHN_UNDEF) continue;
    const int type = ELF64_ST_TYPE(s->st_info);
    const named n = {name, base + s->st_value, s->st_size, ELF64_ST_BIND(s->st_info) == STB_LOCAL};
    if (type == STT_FUNC && strncmp(name, "_Z", 2) == 0)
      code[code_count++] = (range){n.address, n.address + n.bytes};
    kernels |= is_body(name);
    if (type == STT_FUNC)
      functions[function_count++] = n;
    else if ((label = variable_label(name)) && type == STT_OBJECT)
      variables[variable_count++] = (variable){label, (void *)(base + s->st_value), s->st_size};
    else if (type == STT_TLS && strncmp(name, "_ZZZ", 4) == 0 && strstr(name, shared_mark))
      shared[shared_count++] = n;
    else if (type == STT_OBJECT && strncmp(name, "_ZZ", 3) == 0 && strstr(name, entry_mark))
      entries[entry_count++] = n;
  }
  if (!kernels) code_count = first_code;  // a library of the host's, in C++
  // Both symbols of a pair may be local (a static kernel): the plain one was linked first.
  if (function_count > first) qsort(functions + first, function_count - first, sizeof *functions, by_name);
  if (entry_count) qsort(entries, entry_count, sizeof *entries, by_name);
  if (shared_count) qsort(shared, shared_count, sizeof *shared, by_name);
  for (size_t i = first; i + 1 < function_count; i++)
    if (is_body(functions[i].name) && strcmp(functions[i].name, functions[i + 1].name) == 0) {
      pairs[pair_count++] = (pair){functions[i].address, functions[i + 1].address};
      i++;
    }
  if (code_count) qsort(code, code_count, sizeof *code, by_start);
  if (pair_count) qsort(pairs, pair_count, sizeof *pairs, by_address);
}

static void read_object(const char *path, uintptr_t base) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat s;
  if (file < 0) return;
  // Kept mapped: the names of the variables stay in it.
  const bool known = fstat(file, &s) == 0 && (size_t)s.st_size >= sizeof(ElfW(Ehdr));
  const char *image = known ? mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
  close(file);
  if (image == MAP_FAILED) return;
  const ElfW(Ehdr) *header = (const void *)image;
  const ElfW(Shdr) *sections = (const void *)(image + header->e_shoff);
  bool any = false;
  for (int i = 0; i < header->e_shnum; i++)
    if (sections[i].sh_type == SHT_SYMTAB) {
      collect(image, &sections[i], &sections[sections[i].sh_link], base);
      any = true;
    }
  if (!any) munmap((void *)image, (size_t)s.st_size);
}

static size_t objects_seen, objects_passed;
static unsigned long long adds_seen, adds_now;

static int note_adds(struct dl_phdr_info *info, size_t size, void *none) {
  (void)size, (void)none;
  adds_now = info->dlpi_adds;
  return 1;
}

// Libraries come in the order of their loading, the program first.
static int visit_object(struct dl_phdr_info *info, size_t size, void *none) {
  (void)size, (void)none;
  const bool program = objects_passed == 0;
  if (objects_passed++ < objects_seen) return 0;
  if (program) read_object("/proc/self/exe", info->dlpi_addr);
  if (!program && strchr(info->dlpi_name, '/')) read_object(info->dlpi_name, info->dlpi_addr);
  return 0;
}

static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER;

// Reads what the loader has added since the last time.
static void read_program(void) {
  pthread_mutex_lock(&reading);
  dl_iterate_phdr(note_adds, NULL);
  if (adds_now != adds_seen) {
    objects_passed = 0;
    dl_iterate_phdr(visit_object, NULL);
    objects_seen = objects_passed;
    adds_seen = adds_now;
  }
  pthread_mutex_unlock(&reading);
}

bool sim_is_device_code(const void *address) {
  size_t low = 0, high = code_count;  // the first function behind the address is in [low, high]
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (code[middle].from <= (uintptr_t)address)
      low = middle + 1;
    else
      high = middle;
  }
  return low > 0 && (uintptr_t)address < code[low - 1].to;
}

sim_body *sim_twin(sim_body *body) {
  const pair key = {(uintptr_t)body, 0};
  for (int again = 0; again < 2; again++) {
    const pair *p = pair_count ? bsearch(&key, pairs, pair_count, sizeof *pairs, by_address) : NULL;
    if (p) return (sim_body *)p->traced;
    read_program();
  }
  return NULL;
}

void sim_symbols(void (*visit)(const char *name, void *address, size_t bytes, void *arg), void *arg) {
  read_program();
  for (size_t i = 0; i < variable_count; i++)
    visit(variables[i].name, variables[i].address, variables[i].bytes, arg);
}

// ---------------------------------------------------------------- kernels

// Does this entry's (or shared variable's) name, behind its _ZZ…, begin with the function's? That is
// "_Z1kPi", or "k" with C linkage, which mangles as 1k.
static bool belongs(const char *inner, const char *function) {
  const size_t length = strlen(function);
  if (strncmp(function, "_Z", 2) == 0)
    return strncmp(inner, function + 2, length - 2) == 0 && inner[length - 2] == 'E';
  char number[24];
  const int digits = snprintf(number, sizeof number, "%zu", length);
  return strncmp(inner, number, (size_t)digits) == 0 && strncmp(inner + digits, function, length) == 0 &&
         inner[(size_t)digits + length] == 'E';
}

// Of several kernels with one name (static ones of different files), functions and entries come in one order.
sim_kernel *sim_kernel_find(const void *stub) {
  read_program();
  size_t f = 0, same = 0;
  while (f < function_count && functions[f].address != (uintptr_t)stub) f++;
  if (f == function_count || !stub) return NULL;
  while (f > same && strcmp(functions[f - same - 1].name, functions[f].name) == 0) same++;
  for (size_t i = 0; i < entry_count; i++)
    if (belongs(entries[i].name + 3, functions[f].name) && same-- == 0)
      return (sim_kernel *)entries[i].address;
  return NULL;
}

// Of entries with one name the plain and the traced one of each file come in turn.
sim_kernel *sim_kernel_plain(sim_kernel *kernel) {
  read_program();
  for (size_t i = 0; i < entry_count; i++) {
    if (entries[i].address != (uintptr_t)kernel) continue;
    size_t same = 0;
    while (same < i && strcmp(entries[i - same - 1].name, entries[i].name) == 0) same++;
    return (sim_kernel *)entries[same % 2 ? i - 1 : i].address;
  }
  return kernel;
}

size_t sim_kernel_shared(sim_kernel *kernel) {
  if (kernel->static_shared) return (size_t)kernel->static_shared - 1;
  read_program();
  size_t bytes = 0;
  for (size_t i = 0; i < entry_count; i++) {
    if (entries[i].address != (uintptr_t)kernel) continue;
    const char *name = entries[i].name + 3;
    const size_t length = (size_t)(strstr(name, entry_mark) - name) + 1;
    for (size_t k = 0; k < shared_count; k++)  // the plain one of a pair comes first
      if (strncmp(shared[k].name + 4, name, length) == 0 &&
          (k == 0 || strcmp(shared[k - 1].name, shared[k].name) != 0))
        bytes += shared[k].bytes;
  }
  kernel->static_shared = (long)bytes + 1;
  return bytes;
}

extern char *__cxa_demangle(const char *mangled, char *buffer, size_t *length, int *status);

// "void ns::k<float>(float*, int)" without the type in front and the parameters behind.
static void keep_name(char *text) {
  char *open = strrchr(text, ')');
  for (int depth = 0; open && open > text; open--) {
    depth += *open == ')';
    depth -= *open == '(';
    if (depth == 0) break;
  }
  if (open) *open = 0;
  if (strncmp(text, "void ", 5) == 0) memmove(text, text + 5, strlen(text + 5) + 1);
}

// Names live as long as the program: reports keep pointers to them.
const char *sim_kernel_name(sim_kernel *kernel) {
  if (kernel->name) return kernel->name;
  read_program();
  kernel->name = kernel->spelled;
  for (size_t i = 0; i < entry_count; i++) {
    if (entries[i].address != (uintptr_t)kernel) continue;
    // _ZZ<kernel>E11cusim_entry -> _Z<kernel>
    const char *name = entries[i].name + 1;
    const size_t length = (size_t)(strstr(name, entry_mark) - name);
    char *mangled = strndup(name, length), *readable = NULL;
    if (mangled) {
      mangled[0] = '_';
      readable = __cxa_demangle(mangled, NULL, NULL, &(int){0});
    }
    free(mangled);
    if (readable) keep_name(readable), kernel->name = readable;
  }
  return kernel->name;
}
