// SPDX-License-Identifier: MIT
// Where an instruction of this process is in the source, from its debug information.
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "observe.h"

#if HD_HAVE_LIBDW
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

static bool find_line(uintptr_t pc, char *text, size_t bytes) {
  static Dwfl *dwfl;
  static bool tried;
  if (!tried) dwfl = open_process();
  tried = true;
  Dwfl_Line *line = dwfl ? dwfl_getsrc(dwfl, (Dwarf_Addr)pc) : NULL;
  int number = 0;
  const char *file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
  if (!file) return false;
  const char *slash = strrchr(file, '/');
  snprintf(text, bytes, "%s:%d", slash ? slash + 1 : file, number);
  return true;
}
#endif

void sim_line_name(uintptr_t pc, char *text, size_t bytes) {
#if HD_HAVE_LIBDW
  pthread_mutex_lock(&lock);
  // A return address may already belong to the next line.
  bool found = find_line(pc - 1, text, bytes);
  pthread_mutex_unlock(&lock);
  if (found) return;
#endif
  snprintf(text, bytes, "0x%" PRIxPTR, pc);
}
