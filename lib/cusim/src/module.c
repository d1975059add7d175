// SPDX-License-Identifier: MIT
// The driver API's modules. What simnvcc makes for -ptx, -cubin and -fatbin is a shared library with the
// file's kernels: it is loaded as such, and its kernels are found by their names. Real PTX and machine code
// are refused.
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cuda.h"
#include "exec.h"

struct CUmod_st {
  void *library;
  struct CUmod_st *next;
};
static struct CUmod_st *modules;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool known(CUmodule module) {
  pthread_mutex_lock(&lock);
  const struct CUmod_st *m = modules;
  while (m && m != module) m = m->next;
  pthread_mutex_unlock(&lock);
  return m;
}

// The sections' table is the last thing of a linked file.
static size_t image_bytes(const void *image) {
  const ElfW(Ehdr) *header = image;
  if (memcmp(image, ELFMAG, SELFMAG) != 0) return 0;
  return header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
}

// A module as text, for programs that handle PTX as strings: this line, then the file in base 64, then a
// semicolon.
static const char text_mark[] = "// cusim module";

static int digit_of(char c) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const char *found = c ? strchr(digits, c) : NULL;
  return found ? (int)(found - digits) : -1;
}

// The bytes of a module that is text; NULL: it is not, or there is no memory.
static unsigned char *decoded(const char *text, size_t *bytes) {
  if (strncmp(text, text_mark, sizeof text_mark - 1) != 0) return NULL;
  const char *from = strchr(text, '\n');
  if (!from) return NULL;
  unsigned char *out = malloc(strcspn(from, ";") + 1);
  unsigned word = 0, bits = 0;
  *bytes = 0;
  for (; out && *from && *from != ';'; from++) {
    const int digit = digit_of(*from);
    if (digit < 0) continue;
    word = word << 6 | (unsigned)digit;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[(*bytes)++] = (unsigned char)(word >> bits);
  }
  return out;
}

static bool write_all(int file, const char *from, size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = write(file, from, bytes);
    if (written <= 0) return false;
    from += written;
    bytes -= (size_t)written;
  }
  return true;
}

// Each load has variables of its own, so it is a file of its own. The file stays until the program ends, and
// the code in place: the reports' lines are read from it.
static char (*files)[32];
static size_t file_count;

__attribute__((destructor(101))) void sim_modules_remove(void) {
  for (size_t i = 0; i < file_count; i++) unlink(files[i]);
}

static void *load_library(const void *image, size_t bytes) {
  char path[] = "/tmp/cusim-module-XXXXXX";
  pthread_mutex_lock(&lock);
  void *more = realloc(files, (file_count + 1) * sizeof *files);
  if (more) files = more;
  const int file = more ? mkstemp(path) : -1;
  if (file >= 0) snprintf(files[file_count++], sizeof *files, "%s", path);
  pthread_mutex_unlock(&lock);
  if (file < 0) return NULL;
  const bool written = write_all(file, image, bytes);
  close(file);
  void *library = written ? dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;
  if (written && !library)
    fprintf(stderr, "cusim: a module cannot be loaded: %s (is the program linked with -lcuda?)\n", dlerror());
  return library;
}

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  if (!module || !image) return CUDA_ERROR_INVALID_VALUE;
  size_t text_bytes;
  unsigned char *binary = decoded(image, &text_bytes);
  if (binary) {
    const bool whole =
        text_bytes >= sizeof(ElfW(Ehdr)) && image_bytes(binary) && image_bytes(binary) <= text_bytes;
    const CUresult result = whole ? cuModuleLoadData(module, binary) : CUDA_ERROR_INVALID_PTX;
    free(binary);
    return result;
  }
  const size_t bytes = image_bytes(image);
  if (!bytes) {
    fprintf(
        stderr,
        "cusim: cuModuleLoadData: PTX and machine code of other compilers cannot run here, only what simnvcc "
        "makes for -ptx, -cubin or -fatbin\n");
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  struct CUmod_st *m = malloc(sizeof *m);
  if (!m) return CUDA_ERROR_OUT_OF_MEMORY;
  m->library = load_library(image, bytes);
  if (!m->library) {
    free(m);
    return CUDA_ERROR_INVALID_IMAGE;
  }
  pthread_mutex_lock(&lock);
  m->next = modules;
  modules = m;
  pthread_mutex_unlock(&lock);
  sim_memory_read_symbols();
  sim_check_read_symbols();
  *module = m;
  return CUDA_SUCCESS;
}

// A whole file in memory; NULL: there is none, or no memory.
static void *read_file(const char *path, size_t *bytes) {
  struct stat s;
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  char *image = file >= 0 && fstat(file, &s) == 0 && s.st_size > 0
                    ? calloc(1, (size_t)s.st_size + sizeof(ElfW(Ehdr)))
                    : NULL;
  size_t done = 0;
  for (ssize_t got = 1; image && got > 0 && done<(size_t)s.st_size; done += got> 0 ? (size_t)got : 0)
    got = read(file, image + done, (size_t)s.st_size - done);
  if (file >= 0) close(file);
  *bytes = done;
  return image;
}

CUresult cuModuleLoad(CUmodule *module, const char *path) {
  size_t bytes;
  if (!module || !path) return CUDA_ERROR_INVALID_VALUE;
  void *image = read_file(path, &bytes);
  if (!image) return CUDA_ERROR_FILE_NOT_FOUND;
  const CUresult result =
      image_bytes(image) <= bytes ? cuModuleLoadData(module, image) : CUDA_ERROR_INVALID_IMAGE;
  free(image);
  return result;
}
CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, CUjit_option *options,
                            void **values) {
  if (count && (!options || !values)) return CUDA_ERROR_INVALID_VALUE;
  // Logs are empty: there is nothing left to compile.
  for (unsigned i = 0; i < count; i++) {
    const bool log = options[i] == CU_JIT_INFO_LOG_BUFFER || options[i] == CU_JIT_ERROR_LOG_BUFFER;
    if (log && values[i]) *(char *)values[i] = 0;
    if (options[i] == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES || options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
      values[i] = NULL;
  }
  return cuModuleLoadData(module, image);
}
CUresult cuModuleLoadFatBinary(CUmodule *module, const void *image) {
  return cuModuleLoadData(module, image);
}

CUresult cuModuleUnload(CUmodule module) {
  if (!known(module)) return CUDA_ERROR_INVALID_HANDLE;
  (void)cudaDeviceSynchronize();
  pthread_mutex_lock(&lock);
  struct CUmod_st **m = &modules;
  while (*m && *m != module) m = &(*m)->next;
  if (*m) *m = module->next;
  pthread_mutex_unlock(&lock);
  dlclose(module->library);
  free(module);
  return CUDA_SUCCESS;
}

// What a name of NVRTC's stands for is kept in a pointer of that name (nvrtc.c).
static void *symbol(CUmodule module, const char *name) {
  void *found = dlsym(module->library, name);
  return found && strncmp(name, "cusim_lowered_", 14) == 0 ? *(void **)found : found;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  if (!function || !name) return CUDA_ERROR_INVALID_VALUE;
  if (!known(module)) return CUDA_ERROR_INVALID_HANDLE;
  void *stub = symbol(module, name);
  if (!stub || !sim_kernel_find(stub)) return CUDA_ERROR_NOT_FOUND;
  *function = (CUfunction)stub;
  return CUDA_SUCCESS;
}

typedef struct sought {
  void *address;
  size_t bytes;
} sought;

static void compare(const char *name, void *address, size_t bytes, void *arg) {
  sought *s = arg;
  (void)name;
  if (address == s->address) s->bytes = bytes;
}

CUresult cuModuleGetGlobal(CUdeviceptr *pointer, size_t *bytes, CUmodule module, const char *name) {
  static const char *const kinds[] = {"", "cusimvar_", "cusimvar_const_", "cusimvar_managed_"};
  char whole[512];
  if (!name) return CUDA_ERROR_INVALID_VALUE;
  if (!known(module)) return CUDA_ERROR_INVALID_HANDLE;
  sought s = {NULL, 0};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !s.bytes; i++) {
    snprintf(whole, sizeof whole, "%s%s", kinds[i], name);
    s.address = symbol(module, whole);
    if (s.address) sim_symbols(compare, &s);
  }
  if (!s.bytes) return CUDA_ERROR_NOT_FOUND;
  if (pointer) *pointer = (CUdeviceptr)(uintptr_t)s.address;
  if (bytes) *bytes = s.bytes;
  return CUDA_SUCCESS;
}

// ---------------------------------------------------------------- linking: of one input, which is complete
// as it is

struct CUlinkState_st {
  void *image;
  size_t bytes;
};

CUresult cuLinkCreate(unsigned count, CUjit_option *options, void **values, CUlinkState *state) {
  (void)options, (void)values;
  if (!state || (count && (!options || !values))) return CUDA_ERROR_INVALID_VALUE;
  *state = calloc(1, sizeof **state);
  return *state ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult add(CUlinkState state, void *image) {
  size_t text_bytes;
  unsigned char *binary = image ? decoded(image, &text_bytes) : NULL;
  if (binary) {
    free(image);
    image = text_bytes >= sizeof(ElfW(Ehdr)) ? binary : NULL;
  }
  const size_t bytes = image ? image_bytes(image) : 0;
  if (bytes && !state->image) {
    state->image = image;
    state->bytes = bytes;
    return CUDA_SUCCESS;
  }
  fprintf(stderr, "cusim: cuLinkAdd: %s\n",
          bytes ? "of several inputs: cusim links one" : "not made by simnvcc");
  free(image);
  return CUDA_ERROR_NOT_SUPPORTED;
}
CUresult cuLinkAddData(CUlinkState state, CUjitInputType type, void *data, size_t bytes, const char *name,
                       unsigned count, CUjit_option *options, void **values) {
  (void)type, (void)name, (void)count, (void)options, (void)values;
  if (!state || !data) return CUDA_ERROR_INVALID_VALUE;
  if (bytes < sizeof(ElfW(Ehdr)) || image_bytes(data) > bytes + 1) return add(state, NULL);
  char *image = calloc(1, bytes + 1);
  if (!image) return CUDA_ERROR_OUT_OF_MEMORY;
  return add(state, memcpy(image, data, bytes));
}
CUresult cuLinkAddFile(CUlinkState state, CUjitInputType type, const char *path, unsigned count,
                       CUjit_option *options, void **values) {
  size_t bytes;
  (void)type, (void)count, (void)options, (void)values;
  if (!state || !path) return CUDA_ERROR_INVALID_VALUE;
  void *image = read_file(path, &bytes);
  return image ? add(state, image) : CUDA_ERROR_FILE_NOT_FOUND;
}
CUresult cuLinkComplete(CUlinkState state, void **image, size_t *bytes) {
  if (!state || !image || !state->image) return CUDA_ERROR_INVALID_VALUE;
  *image = state->image;
  if (bytes) *bytes = state->bytes;
  return CUDA_SUCCESS;
}
CUresult cuLinkDestroy(CUlinkState state) {
  if (!state) return CUDA_ERROR_INVALID_HANDLE;
  free(state->image);
  free(state);
  return CUDA_SUCCESS;
}

// ---------------------------------------------------------------- libraries: modules of every context

CUresult cuLibraryLoadData(CUlibrary *library, const void *image, CUjit_option *options, void **values,
                           unsigned count, CUlibraryOption *library_options, void **library_values,
                           unsigned library_count) {
  (void)library_options, (void)library_values, (void)library_count;
  return cuModuleLoadDataEx(library, image, count, options, values);
}
CUresult cuLibraryLoadFromFile(CUlibrary *library, const char *path, CUjit_option *options, void **values,
                               unsigned count, CUlibraryOption *library_options, void **library_values,
                               unsigned library_count) {
  (void)options, (void)values, (void)count, (void)library_options, (void)library_values, (void)library_count;
  return cuModuleLoad(library, path);
}
CUresult cuLibraryUnload(CUlibrary library) {
  return cuModuleUnload(library);
}
CUresult cuLibraryGetKernel(CUkernel *kernel, CUlibrary library, const char *name) {
  return cuModuleGetFunction(kernel, library, name);
}
CUresult cuLibraryGetModule(CUmodule *module, CUlibrary library) {
  if (!module) return CUDA_ERROR_INVALID_VALUE;
  *module = library;
  return known(library) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}
CUresult cuLibraryGetGlobal(CUdeviceptr *pointer, size_t *bytes, CUlibrary library, const char *name) {
  return cuModuleGetGlobal(pointer, bytes, library, name);
}
CUresult cuKernelGetFunction(CUfunction *function, CUkernel kernel) {
  if (!function || !kernel) return CUDA_ERROR_INVALID_VALUE;
  *function = kernel;
  return CUDA_SUCCESS;
}
