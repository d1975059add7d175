// SPDX-License-Identifier: MIT
// Run-time compilation: the source and its headers go into a folder, simnvcc makes a module of them
// (module.c).
#include "nvrtc.h"

#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CUSIM_HOME
#define CUSIM_HOME ""
#endif

extern char **environ;

enum { MOST_NAMES = 64, MOST_OPTIONS = 256, PATH_BYTES = 4096 };

typedef struct header {
  char *name, *text;
} header;

struct _nvrtcProgram {
  char *source, *name;
  header *headers;
  int header_count;
  char *expressions[MOST_NAMES], lowered[MOST_NAMES][32];
  int expression_count;
  char *module, *log;  // strings; NULL: not compiled
};

static const char *const results[] = {"NVRTC_SUCCESS",
                                      "NVRTC_ERROR_OUT_OF_MEMORY",
                                      "NVRTC_ERROR_PROGRAM_CREATION_FAILURE",
                                      "NVRTC_ERROR_INVALID_INPUT",
                                      "NVRTC_ERROR_INVALID_PROGRAM",
                                      "NVRTC_ERROR_INVALID_OPTION",
                                      "NVRTC_ERROR_COMPILATION",
                                      "NVRTC_ERROR_BUILTIN_OPERATION_FAILURE",
                                      "NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION",
                                      "NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION",
                                      "NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID",
                                      "NVRTC_ERROR_INTERNAL_ERROR"};
const char *nvrtcGetErrorString(nvrtcResult result) {
  return (unsigned)result < sizeof results / sizeof *results ? results[result] : "NVRTC_ERROR unknown";
}

nvrtcResult nvrtcVersion(int *major, int *minor) {
  if (!major || !minor) return NVRTC_ERROR_INVALID_INPUT;
  *major = 13;
  *minor = 0;
  return NVRTC_SUCCESS;
}

static const int architectures[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};
nvrtcResult nvrtcGetNumSupportedArchs(int *count) {
  if (!count) return NVRTC_ERROR_INVALID_INPUT;
  *count = (int)(sizeof architectures / sizeof *architectures);
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetSupportedArchs(int *all) {
  if (!all) return NVRTC_ERROR_INVALID_INPUT;
  memcpy(all, architectures, sizeof architectures);
  return NVRTC_SUCCESS;
}

// ---------------------------------------------------------------- programs

static void release(nvrtcProgram p) {
  for (int i = 0; i < p->header_count; i++) {
    free(p->headers[i].name);
    free(p->headers[i].text);
  }
  for (int i = 0; i < p->expression_count; i++) free(p->expressions[i]);
  free(p->headers);
  free(p->source);
  free(p->name);
  free(p->module);
  free(p->log);
  free(p);
}

nvrtcResult nvrtcCreateProgram(nvrtcProgram *program, const char *source, const char *name, int header_count,
                               const char *const *headers, const char *const *include_names) {
  if (!program || !source || header_count < 0 || (header_count && (!headers || !include_names)))
    return NVRTC_ERROR_INVALID_INPUT;
  nvrtcProgram p = calloc(1, sizeof *p);
  if (!p) return NVRTC_ERROR_OUT_OF_MEMORY;
  p->source = strdup(source);
  p->name = strdup(name && *name ? name : "default_program");
  p->headers = calloc((size_t)header_count + 1, sizeof *p->headers);
  bool whole = p->source && p->name && p->headers;
  for (int i = 0; whole && i < header_count; i++) {
    p->headers[i] = (header){strdup(include_names[i]), strdup(headers[i])};
    p->header_count++;
    whole = p->headers[i].name && p->headers[i].text;
  }
  if (!whole) {
    release(p);
    return NVRTC_ERROR_OUT_OF_MEMORY;
  }
  *program = p;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
  if (!program || !*program) return NVRTC_ERROR_INVALID_PROGRAM;
  release(*program);
  *program = NULL;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcAddNameExpression(nvrtcProgram p, const char *expression) {
  if (!p) return NVRTC_ERROR_INVALID_PROGRAM;
  if (!expression) return NVRTC_ERROR_INVALID_INPUT;
  if (p->module) return NVRTC_ERROR_NO_NAME_EXPRESSIONS_AFTER_COMPILATION;
  if (p->expression_count == MOST_NAMES) return NVRTC_ERROR_OUT_OF_MEMORY;
  char *own = strdup(expression);
  if (!own) return NVRTC_ERROR_OUT_OF_MEMORY;
  p->expressions[p->expression_count++] = own;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetLoweredName(nvrtcProgram p, const char *expression, const char **name) {
  if (!p) return NVRTC_ERROR_INVALID_PROGRAM;
  if (!expression || !name) return NVRTC_ERROR_INVALID_INPUT;
  if (!p->module) return NVRTC_ERROR_NO_LOWERED_NAMES_BEFORE_COMPILATION;
  for (int i = 0; i < p->expression_count; i++)
    if (strcmp(p->expressions[i], expression) == 0) {
      *name = p->lowered[i];
      return NVRTC_SUCCESS;
    }
  return NVRTC_ERROR_NAME_EXPRESSION_NOT_VALID;
}

// ---------------------------------------------------------------- compilation

// A file of the folder, with the folders in its name.
static bool write_file(const char *folder, const char *name, const char *text, const char *more) {
  char path[PATH_BYTES];
  if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path || strstr(name, ".."))
    return false;
  for (char *slash = path + strlen(folder) + 1; (slash = strchr(slash, '/')); slash++) {
    *slash = 0;
    (void)mkdir(path, 0700);
    *slash = '/';
  }
  FILE *f = fopen(path, "w");
  if (!f) return false;
  const bool written = fputs(text, f) >= 0 && fputs(more, f) >= 0;
  return fclose(f) == 0 && written;
}

// A whole file as a string; NULL: there is none, or no memory.
static char *read_file(const char *folder, const char *name) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *f = fopen(path, "r");
  if (!f) return NULL;
  (void)fseek(f, 0, SEEK_END);
  const long bytes = ftell(f);
  (void)fseek(f, 0, SEEK_SET);
  char *text = bytes >= 0 ? calloc(1, (size_t)bytes + 1) : NULL;
  if (text && fread(text, 1, (size_t)bytes, f) != (size_t)bytes) text[0] = 0;
  fclose(f);
  return text;
}

static int remove_entry(const char *path, const struct stat *s, int kind, struct FTW *where) {
  (void)s, (void)kind, (void)where;
  return remove(path);
}

// A toolkit's own headers are not for cusim, which brings its own.
static bool is_toolkit(const char *folder) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/cuda_runtime.h", folder);
  return access(path, R_OK) == 0;
}

// What simnvcc need not hear.
static bool is_left_out(const char *option) {
  static const char *const words[] = {"-default-device",
                                      "--device-as-default-execution-space",
                                      "-dopt",
                                      "--device-debug",
                                      "-rdc=true",
                                      "--relocatable-device-code=true",
                                      "--extensible-whole-program",
                                      "-ewp"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (strncmp(option, words[i], strlen(words[i])) == 0) return true;
  if (strncmp(option, "-I", 2) == 0) return is_toolkit(option + 2 + strspn(option + 2, " "));
  return strncmp(option, "--include-path=", 15) == 0 && is_toolkit(option + 15);
}

// Ends with simnvcc's status; -1: it could not be started.
static int run(const char *folder, const char *name, int option_count, const char *const *options) {
  const char *home = getenv("CUSIM_HOME");
  char compiler[PATH_BYTES], source[PATH_BYTES], include[PATH_BYTES], output[PATH_BYTES], log[PATH_BYTES];
  snprintf(compiler, sizeof compiler, "%s/bin/simnvcc", home && *home ? home : CUSIM_HOME);
  snprintf(source, sizeof source, "%s/%s", folder, name);
  snprintf(include, sizeof include, "-I%s", folder);
  snprintf(output, sizeof output, "%s/cusim-module.ptx", folder);
  snprintf(log, sizeof log, "%s/cusim-log", folder);
  const char *words[MOST_OPTIONS + 12] = {compiler, "-ptx", "-x", "cu", source, "-o", output, include};
  int count = 8;
  for (int i = 0; i < option_count && i < MOST_OPTIONS; i++)
    if (!is_left_out(options[i])) words[count++] = options[i];
  posix_spawn_file_actions_t actions;
  pid_t child;
  int status = -1;
  if (posix_spawn_file_actions_init(&actions)) return -1;
  posix_spawn_file_actions_addopen(&actions, 2, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(&actions, 2, 1);
  const int failed = posix_spawn(&child, compiler, &actions, NULL, (char **)(void *)words, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

nvrtcResult nvrtcCompileProgram(nvrtcProgram p, int option_count, const char *const *options) {
  if (!p) return NVRTC_ERROR_INVALID_PROGRAM;
  if (option_count < 0 || (option_count && !options) || option_count > MOST_OPTIONS)
    return NVRTC_ERROR_INVALID_INPUT;
  char folder[] = "/tmp/cusim-nvrtc-XXXXXX", *names = NULL;
  size_t bytes = 0;
  if (!mkdtemp(folder)) return NVRTC_ERROR_INTERNAL_ERROR;
  FILE *f = open_memstream(&names, &bytes);
  if (!f) return NVRTC_ERROR_OUT_OF_MEMORY;
  fputc('\n', f);
  for (int i = 0; i < p->expression_count; i++) {
    snprintf(p->lowered[i], sizeof p->lowered[i], "cusim_lowered_%d", i);
    fprintf(f, "extern \"C\" { void *%s = (void *)(%s); }\n", p->lowered[i], p->expressions[i]);
  }
  fclose(f);
  const char *slash = strrchr(p->name, '/'), *name = slash ? slash + 1 : p->name;
  bool written = write_file(folder, name, p->source, names);
  for (int i = 0; i < p->header_count; i++)
    written &= write_file(folder, p->headers[i].name, p->headers[i].text, "");
  free(names);
  const int status = written ? run(folder, name, option_count, options) : -1;
  free(p->log);
  p->log = read_file(folder, "cusim-log");
  if (status == 0) {
    free(p->module);
    p->module = read_file(folder, "cusim-module.ptx");
  }
  (void)nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  if (status < 0) {
    fprintf(stderr, "cusim: nvrtcCompileProgram: simnvcc cannot be run; CUSIM_HOME says where it is\n");
    return NVRTC_ERROR_INTERNAL_ERROR;
  }
  return status == 0 && p->module ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}

// ---------------------------------------------------------------- results

static nvrtcResult size_of(nvrtcProgram p, const char *text, size_t *bytes) {
  if (!p) return NVRTC_ERROR_INVALID_PROGRAM;
  if (!bytes) return NVRTC_ERROR_INVALID_INPUT;
  *bytes = text ? strlen(text) + 1 : 1;
  return NVRTC_SUCCESS;
}
static nvrtcResult give(nvrtcProgram p, const char *text, char *to) {
  if (!p) return NVRTC_ERROR_INVALID_PROGRAM;
  if (!to) return NVRTC_ERROR_INVALID_INPUT;
  strcpy(to, text ? text : "");
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetPTXSize(nvrtcProgram p, size_t *bytes) {
  return p && !p->module ? NVRTC_ERROR_INVALID_PROGRAM : size_of(p, p ? p->module : NULL, bytes);
}
nvrtcResult nvrtcGetPTX(nvrtcProgram p, char *ptx) {
  return p && !p->module ? NVRTC_ERROR_INVALID_PROGRAM : give(p, p ? p->module : NULL, ptx);
}
nvrtcResult nvrtcGetCUBINSize(nvrtcProgram p, size_t *bytes) {
  return nvrtcGetPTXSize(p, bytes);
}
nvrtcResult nvrtcGetCUBIN(nvrtcProgram p, char *cubin) {
  return nvrtcGetPTX(p, cubin);
}
nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram p, size_t *bytes) {
  return size_of(p, p ? p->log : NULL, bytes);
}
nvrtcResult nvrtcGetProgramLog(nvrtcProgram p, char *log) {
  return give(p, p ? p->log : NULL, log);
}
