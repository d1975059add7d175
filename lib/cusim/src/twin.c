// SPDX-License-Identifier: MIT
// The program's own symbol table, read once: it pairs each kernel with its traced twin (a second symbol of
// the same name) and knows the size of every device variable.
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

static int first_object(struct dl_phdr_info *info, size_t size, void *base) {
  (void)size;
  *(uintptr_t *)base = info->dlpi_addr;  // the program itself comes first
  return 1;
}

static void collect(const char *file, const ElfW(Shdr) * table, const ElfW(Shdr) * strings, uintptr_t base) {
  const ElfW(Sym) *symbols = (const void *)(file + table->sh_offset);
  const size_t count = table->sh_size / sizeof *symbols;
  const char *names = file + strings->sh_offset;
  functions = calloc(count, sizeof *functions);
  entries = calloc(count, sizeof *entries);
  shared = calloc(count, sizeof *shared);
  pairs = calloc(count, sizeof *pairs);
  variables = calloc(count, sizeof *variables);
  code = calloc(count, sizeof *code);
  if (!functions || !entries || !shared || !pairs || !variables || !code) return;
  for (size_t i = 0; i < count; i++) {
    const ElfW(Sym) *s = &symbols[i];
    const char *name = names + s->st_name;
    if (s->st_shndx == SHN_UNDEF) continue;
    const int type = ELF64_ST_TYPE(s->st_info);
    const named n = {name, base + s->st_value, s->st_size, ELF64_ST_BIND(s->st_info) == STB_LOCAL};
    if (type == STT_FUNC && strncmp(name, "_Z", 2) == 0)
      code[code_count++] = (range){n.address, n.address + n.bytes};
    if (type == STT_FUNC)
      functions[function_count++] = n;
    else if (strncmp(name, "cusimvar_", 9) == 0)
      variables[variable_count++] = (variable){name, (void *)(base + s->st_value), s->st_size};
    else if (type == STT_TLS && strncmp(name, "_ZZZ", 4) == 0 && strstr(name, shared_mark))
      shared[shared_count++] = n;
    else if (type == STT_OBJECT && strncmp(name, "_ZZ", 3) == 0 && strstr(name, entry_mark))
      entries[entry_count++] = n;
  }
  // Both symbols of a pair may be local (a static kernel): the plain one was linked first.
  if (function_count) qsort(functions, function_count, sizeof *functions, by_name);
  if (entry_count) qsort(entries, entry_count, sizeof *entries, by_name);
  if (shared_count) qsort(shared, shared_count, sizeof *shared, by_name);
  for (size_t i = 0; i + 1 < function_count; i++)
    if (is_body(functions[i].name) && strcmp(functions[i].name, functions[i + 1].name) == 0) {
      pairs[pair_count++] = (pair){functions[i].address, functions[i + 1].address};
      i++;
    }
  if (code_count) qsort(code, code_count, sizeof *code, by_start);
  if (pair_count) qsort(pairs, pair_count, sizeof *pairs, by_address);
}

static void read_program(void) {
  const int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  struct stat s;
  if (file < 0 || fstat(file, &s)) return;
  // Kept mapped: the names of the variables stay in it.
  const char *image = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (image == MAP_FAILED) return;
  const ElfW(Ehdr) *header = (const void *)image;
  const ElfW(Shdr) *sections = (const void *)(image + header->e_shoff);
  uintptr_t base = 0;
  dl_iterate_phdr(first_object, &base);
  for (int i = 0; i < header->e_shnum; i++)
    if (sections[i].sh_type == SHT_SYMTAB) collect(image, &sections[i], &sections[sections[i].sh_link], base);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

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
  pthread_once(&once, read_program);
  const pair key = {(uintptr_t)body, 0};
  const pair *p = pair_count ? bsearch(&key, pairs, pair_count, sizeof *pairs, by_address) : NULL;
  return p ? (sim_body *)p->traced : NULL;
}

void sim_symbols(void (*visit)(const char *name, void *address, size_t bytes, void *arg), void *arg) {
  pthread_once(&once, read_program);
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
  pthread_once(&once, read_program);
  size_t f = 0, same = 0;
  while (f < function_count && functions[f].address != (uintptr_t)stub) f++;
  if (f == function_count || !stub) return NULL;
  while (f > same && strcmp(functions[f - same - 1].name, functions[f].name) == 0) same++;
  for (size_t i = 0; i < entry_count; i++)
    if (belongs(entries[i].name + 3, functions[f].name) && same-- == 0)
      return (sim_kernel *)entries[i].address;
  return NULL;
}

size_t sim_kernel_shared(sim_kernel *kernel) {
  if (kernel->static_shared) return (size_t)kernel->static_shared - 1;
  pthread_once(&once, read_program);
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
  pthread_once(&once, read_program);
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
