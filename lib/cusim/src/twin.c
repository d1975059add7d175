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
  const char *name;  // mangled, in the mapped file
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
  named *functions = calloc(count, sizeof *functions);
  pairs = calloc(count, sizeof *pairs);
  variables = calloc(count, sizeof *variables);
  size_t found = 0;
  if (!functions || !pairs || !variables) {
    free(functions);
    return;
  }
  for (size_t i = 0; i < count; i++) {
    const ElfW(Sym) *s = &symbols[i];
    const char *name = names + s->st_name;
    if (s->st_shndx == SHN_UNDEF) continue;
    if (ELF64_ST_TYPE(s->st_info) == STT_FUNC)
      functions[found++] = (named){name, base + s->st_value, ELF64_ST_BIND(s->st_info) == STB_LOCAL};
    else if (strncmp(name, "cusimvar_", 9) == 0)
      variables[variable_count++] = (variable){name, (void *)(base + s->st_value), s->st_size};
  }
  // Both symbols of a pair may be local (a launch inside a static function, a static kernel): the plain one
  // was linked first. Of more than two that are no launch sites nobody knows which belong together.
  if (found) qsort(functions, found, sizeof *functions, by_name);
  for (size_t i = 0, next; i < found; i = next) {
    for (next = i + 1; next < found && strcmp(functions[i].name, functions[next].name) == 0;) next++;
    if (next == i + 1 || (next > i + 2 && !is_body(functions[i].name))) continue;
    const uintptr_t a = functions[i].address, b = functions[i + 1].address;
    const bool ordered = functions[i].local == functions[i + 1].local ? a < b : true;
    pairs[pair_count++] = ordered ? (pair){a, b, functions[i].name} : (pair){b, a, functions[i].name};
  }
  if (pair_count) qsort(pairs, pair_count, sizeof *pairs, by_address);
  free(functions);
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

static const pair *find(uintptr_t plain) {
  pthread_once(&once, read_program);
  const pair key = {plain, 0, NULL};
  return pair_count ? bsearch(&key, pairs, pair_count, sizeof *pairs, by_address) : NULL;
}

sim_body *sim_twin(sim_body *body) {
  const pair *p = find((uintptr_t)body);
  return p ? (sim_body *)p->traced : NULL;
}

void (*cusim_traced(void (*kernel)(void)))(void) {
  const pair *p = find((uintptr_t)kernel);
  return p ? (void (*)(void))p->traced : kernel;
}

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

extern char *__cxa_demangle(const char *mangled, char *buffer, size_t *length, int *status);

// Names live as long as the program: reports keep pointers to them.
const char *sim_function_name(const void *function) {
  enum { MOST_NAMES = 256 };
  static struct {
    const void *function;
    char *name;
  } names[MOST_NAMES];
  static int count;
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  const pair *p = find((uintptr_t)function);
  if (!p) return NULL;
  pthread_mutex_lock(&lock);
  int i = 0;
  while (i < count && names[i].function != function) i++;
  if (i == count && count < MOST_NAMES) {
    int status = 0;
    char *name = __cxa_demangle(p->name, NULL, NULL, &status);
    if (name) keep_name(name);
    names[count].function = function;
    names[count++].name = name;
  }
  const char *name = i < count ? names[i].name : NULL;
  pthread_mutex_unlock(&lock);
  return name ? name : p->name;
}

void sim_symbols(void (*visit)(const char *name, void *address, size_t bytes, void *arg), void *arg) {
  pthread_once(&once, read_program);
  for (size_t i = 0; i < variable_count; i++)
    visit(variables[i].name, variables[i].address, variables[i].bytes, arg);
}
