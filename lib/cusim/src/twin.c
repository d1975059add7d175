// SPDX-License-Identifier: MIT
// The program's own symbol table, read once: it pairs each kernel with its traced twin (a second symbol of
// the same name) and knows the size of every device variable.
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
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

static pair *pairs;
static variable *variables;
static size_t pair_count, variable_count;

typedef struct named {
  const char *name;
  uintptr_t address;
  bool local;
} named;

static int by_name(const void *a, const void *b) {
  const named *x = a, *y = b;
  const int order = strcmp(x->name, y->name);
  return order ? order : (int)x->local - (int)y->local;
}

static int by_address(const void *a, const void *b) {
  const pair *x = a, *y = b;
  return (x->plain > y->plain) - (x->plain < y->plain);
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
  named *bodies = calloc(count, sizeof *bodies);
  pairs = calloc(count, sizeof *pairs);
  variables = calloc(count, sizeof *variables);
  size_t found = 0;
  if (!bodies || !pairs || !variables) {
    free(bodies);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    const ElfW(Sym) *s = &symbols[i];
    const char *name = names + s->st_name;
    if (s->st_shndx == SHN_UNDEF) continue;
    if (ELF64_ST_TYPE(s->st_info) == STT_FUNC && is_body(name))
      bodies[found++] = (named){name, base + s->st_value, ELF64_ST_BIND(s->st_info) == STB_LOCAL};
    else if (strncmp(name, "cusimvar_", 9) == 0)
      variables[variable_count++] = (variable){name, (void *)(base + s->st_value), s->st_size};
  }
  // Both symbols of a pair may be local (a launch inside a static function): the plain one was linked first.
  if (found) qsort(bodies, found, sizeof *bodies, by_name);
  for (size_t i = 0; i + 1 < found; i++)
    if (strcmp(bodies[i].name, bodies[i + 1].name) == 0) {
      const uintptr_t a = bodies[i].address, b = bodies[i + 1].address;
      const bool ordered = bodies[i].local == bodies[i + 1].local ? a < b : true;
      pairs[pair_count++] = ordered ? (pair){a, b} : (pair){b, a};
      i++;
    }
  if (pair_count) qsort(pairs, pair_count, sizeof *pairs, by_address);
  free(bodies);
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
