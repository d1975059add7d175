// SPDX-License-Identifier: MIT
// Where an instruction of this process is in the source, from its debug information.
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observe.h"

#if HD_HAVE_LIBDW
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static Dwfl *open_process(void) {
  static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_linux_proc_find_elf,
                                           .find_debuginfo = dwfl_standard_find_debuginfo};
  Dwfl *dwfl = dwfl_begin(&callbacks);
  if (!dwfl) return NULL;
  if (dwfl_linux_proc_report(dwfl, getpid()) == 0 && dwfl_report_end(dwfl, NULL, NULL) == 0) return dwfl;
  dwfl_end(dwfl);
  return NULL;
}

static bool is_kernel_source(const char *file) {
  const char *dot = file ? strrchr(file, '.') : NULL;
  return dot && (strcmp(dot, ".cu") == 0 || strcmp(dot, ".cuh") == 0);
}

static int number_of(Dwarf_Die *die, unsigned attribute) {
  Dwarf_Attribute value;
  Dwarf_Word word;
  return dwarf_formudata(dwarf_attr(die, attribute, &value), &word) == 0 ? (int)word : 0;
}

// Code of a header that was inlined into a kernel (a vector type's operators, say) is reported where the
// kernel calls it.
static const char *calling_line(Dwfl *dwfl, Dwarf_Addr pc, const char *file, int *number) {
  Dwarf_Addr bias;
  Dwarf_Die *unit = dwfl_addrdie(dwfl, pc, &bias), *scopes = NULL, *callers = NULL;
  Dwarf_Files *files;
  size_t file_count;
  if (!unit || dwarf_getsrcfiles(unit, &files, &file_count) != 0) return file;
  // The scopes around an inlined function are those of its definition; the chain of its callers is asked for
  // by the innermost one.
  const int found = dwarf_getscopes(unit, pc - bias, &scopes);
  const int count = found > 0 ? dwarf_getscopes_die(&scopes[0], &callers) : 0;
  for (int i = 0; i < count && !is_kernel_source(file); i++) {
    if (dwarf_tag(&callers[i]) != DW_TAG_inlined_subroutine) continue;
    const char *from = dwarf_filesrc(files, (size_t)number_of(&callers[i], DW_AT_call_file), NULL, NULL);
    if (!is_kernel_source(from)) continue;
    file = from;
    *number = number_of(&callers[i], DW_AT_call_line);
  }
  free(scopes);
  free(callers);
  return file;
}

// Locked. Opened with the first question.
static Dwfl *process(void) {
  static Dwfl *dwfl;
  static bool tried;
  if (!tried) dwfl = open_process();
  tried = true;
  return dwfl;
}

static bool find_line(uintptr_t pc, char *text, size_t bytes) {
  Dwfl *dwfl = process();
  Dwfl_Line *line = dwfl ? dwfl_getsrc(dwfl, (Dwarf_Addr)pc) : NULL;
  int number = 0;
  const char *file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
  if (!file) return false;
  if (!is_kernel_source(file)) file = calling_line(dwfl, (Dwarf_Addr)pc, file, &number);
  const char *slash = strrchr(file, '/');
  snprintf(text, bytes, "%s:%d", slash ? slash + 1 : file, number);
  return true;
}

typedef struct answer {
  uintptr_t pc;
  bool found;
  char text[128];
} answer;

static void *find_answer(void *arg) {
  answer *a = arg;
  // A return address may already belong to the next line.
  a->found = find_line(a->pc - 1, a->text, sizeof a->text);
  return NULL;
}

static bool find_symbol(uintptr_t pc, char *text, size_t bytes) {
  Dwfl_Module *module = process() ? dwfl_addrmodule(process(), (Dwarf_Addr)pc) : NULL;
  const char *name = module ? dwfl_module_addrname(module, (Dwarf_Addr)pc) : NULL;
  if (name) snprintf(text, bytes, "%s", name);
  return name != NULL;
}
#endif

bool sim_symbol_name(uintptr_t pc, char *text, size_t bytes) {
  bool found = false;
#if HD_HAVE_LIBDW
  pthread_mutex_lock(&lock);
  found = find_symbol(pc - 1, text, bytes);
  pthread_mutex_unlock(&lock);
#else
  (void)pc, (void)text, (void)bytes;
#endif
  return found;
}

bool sim_lines_available(void) {
#if HD_HAVE_LIBDW
  return true;
#else
  return false;
#endif
}

void sim_line_name(uintptr_t pc, char *text, size_t bytes) {
#if HD_HAVE_LIBDW
  // The checker asks about the same few places again and again.
  enum { CACHED = 1024 };
  static answer cache[CACHED];
  pthread_mutex_lock(&lock);
  answer *a = &cache[pc * 0x9E3779B97F4A7C15u >> 54];
  if (a->pc != pc) {
    *a = (answer){.pc = pc};
    // On a stack of its own: the caller may be a thread of a kernel, and libdw takes more stack than it has.
    pthread_t asker;
    if (pthread_create(&asker, NULL, find_answer, a) == 0) pthread_join(asker, NULL);
  }
  const bool found = a->found;
  if (found) snprintf(text, bytes, "%s", a->text);
  pthread_mutex_unlock(&lock);
  if (found) return;
#endif
  snprintf(text, bytes, "0x%" PRIxPTR, pc);
}
