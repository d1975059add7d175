// SPDX-License-Identifier: MIT
#include "heddle/blas.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <omp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "heddle/error.h"

#ifndef HD_OPENBLAS_PATH
#define HD_OPENBLAS_PATH ""
#endif
#ifndef HD_BLIS_PATH
#define HD_BLIS_PATH ""
#endif

// The C interface to BLAS, which every implementation has; enumerators by their standard values.
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };
typedef void cblas_sgemm_function(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                                  const float *a, int lda, const float *b, int ldb, float beta, float *c,
                                  int ldc);

struct hd_blas {
  cblas_sgemm_function *sgemm;
  void (*set_threads)(long);  // NULL: the library follows OpenMP's number by itself
  const char *path;
  char core[48];
};

// A core type worth trying, and the variable that makes the library use it.
typedef struct core_type {
  const char *value;
  bool allowed;  // by this processor's instruction set
} core_type;

enum { MAX_CORE_TYPES = 8 };

#if defined(__x86_64__)
// AMX tiles and half-precision AVX-512, which kernels for Sapphire Rapids may contain.
static bool has_amx_and_fp16(void) {
  unsigned eax, ebx, ecx, edx;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx >> 24 & 1) && (edx >> 23 & 1);
}
#endif

// The core types of a library, a {NULL} entry at the end, older ones first.
static void core_types(bool blis, core_type types[MAX_CORE_TYPES]) {
  int n = 0;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (blis) {  // BLIS_ARCH_TYPE is a number: 0 skx, 3 haswell, 6 zen3, 7 zen2, 8 zen
    types[n++] = (core_type){"3", avx2};
    types[n++] = (core_type){"6", avx2};
    types[n++] = (core_type){"8", avx2};
    types[n++] = (core_type){"0", avx512};
  } else {
    types[n++] = (core_type){"Haswell", avx2};
    types[n++] = (core_type){"Zen", avx2};
    types[n++] = (core_type){"SkylakeX", avx512};
    types[n++] = (core_type){"Cooperlake", avx512 && __builtin_cpu_supports("avx512bf16")};
    types[n++] = (core_type){"Sapphirerapids", avx512 && has_amx_and_fp16()};
  }
#else
  (void)blis;
#endif
  types[n] = (core_type){NULL, false};
}

// The environment variable that overrides the library's own choice.
static const char *core_variable(bool blis) {
  return blis ? "BLIS_ARCH_TYPE" : "OPENBLAS_CORETYPE";
}

// Fills `blas` from the library in `file`; false if it cannot be loaded or lacks cblas_sgemm.
static bool load(hd_blas *blas, const char *file, bool blis) {
  // RTLD_LOCAL: the symbols of two copies never meet; both find the libgomp that is already loaded.
  void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return false;
  *(void **)&blas->sgemm = dlsym(handle, "cblas_sgemm");
  if (!blas->sgemm) return false;
  const char *name = NULL;
  if (blis) {
    // BLIS chooses (and reads BLIS_ARCH_TYPE) when it is initialised, which its first product would do.
    void (*init)(void) = NULL;
    int (*query)(void) = NULL;
    const char *(*name_of)(int) = NULL;
    *(void **)&init = dlsym(handle, "bli_init");
    *(void **)&query = dlsym(handle, "bli_arch_query_id");
    *(void **)&name_of = dlsym(handle, "bli_arch_string");
    if (init) init();
    if (query && name_of) name = name_of(query());
    *(void **)&blas->set_threads = dlsym(handle, "bli_thread_set_num_threads");
  } else {
    const char *(*core_name)(void) = NULL;
    int (*parallel)(void) = NULL;
    *(void **)&core_name = dlsym(handle, "openblas_get_corename");
    *(void **)&parallel = dlsym(handle, "openblas_get_parallel");
    if (core_name) name = core_name();
    if (parallel && parallel() == 1)  // 1: threads of its own, which must be told; 2: OpenMP
      *(void **)&blas->set_threads = dlsym(handle, "openblas_set_num_threads");
  }
  snprintf(blas->core, sizeof blas->core, "%s", name ? name : "unknown");
  return true;
}

#if defined(__linux__)
// A copy of the file in memory under a name of its own: the loader takes it for another library. -1 on
// failure.
static int copy_library(const char *path) {
  const int in = open(path, O_RDONLY | O_CLOEXEC);
  if (in < 0) return -1;
  struct stat status;
  int out = fstat(in, &status) == 0 ? memfd_create("heddle-blas", MFD_CLOEXEC) : -1;
  for (off_t done = 0; out >= 0 && done < status.st_size;) {
    if (sendfile(out, in, &done, (size_t)(status.st_size - done)) > 0) continue;
    close(out);
    out = -1;
  }
  close(in);
  return out;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// In a child process: the best of a few single-threaded products, written to `out`; nothing if the library
// fails.
static void measure_core_type(const char *file, bool blis, int out) {
  enum { N = 640, REPEATS = 7 };
  alarm(5);  // a hanging library ends here
  const int silent = open("/dev/null", O_WRONLY);
  if (silent >= 0)
    dup2(silent, STDERR_FILENO);  // its complaint about a core type is no concern of the user's
  hd_blas blas = {0};
  omp_set_num_threads(1);  // the threads of the parent do not exist here
  if (!load(&blas, file, blis)) return;
  float *x = hd_alloc(3 * (size_t)N * N, sizeof(float));
  for (size_t i = 0; i < 3 * (size_t)N * N; i++) x[i] = (float)(i % 7) - 3;
  double best = 1e30;
  for (int repeat = 0; repeat <= REPEATS; repeat++) {
    const double start = now();
    hd_blas_sgemm(&blas, false, false, N, N, N, 1, x, N, x + N * N, N, 0, x + 2 * N * N, N);
    const double took = now() - start;
    if (repeat > 0 && took < best) best = took;  // the first run warms up
  }
  if (write(out, &best, sizeof best) != (ssize_t)sizeof best) _exit(1);
}

// Seconds of a small product at the core type the environment asks for; infinity (1e30) if it does not work.
static double try_core_type(const char *file, bool blis) {
  int ends[2];
  if (pipe(ends) != 0) return 1e30;
  fflush(NULL);
  const pid_t child = fork();
  if (child == 0) {
    measure_core_type(file, blis, ends[1]);
    _exit(0);
  }
  close(ends[1]);
  double seconds = 1e30;
  if (child < 0 || read(ends[0], &seconds, sizeof seconds) != (ssize_t)sizeof seconds) seconds = 1e30;
  close(ends[0]);
  if (child > 0) waitpid(child, NULL, 0);
  return seconds;
}

// A private copy of the library at the core type that a trial finds the fastest.
static bool load_best(hd_blas *blas, const char *path, bool blis) {
  const char *variable = core_variable(blis);
  const int copy = copy_library(path);
  if (copy < 0) return false;
  // The descriptor stays open: closed, its number and so its name could come again, and the loader knows
  // libraries by name.
  char file[64];
  snprintf(file, sizeof file, "/proc/self/fd/%d", copy);
  const char *set = getenv(variable);
  char *before = set ? strdup(set) : NULL;
  core_type types[MAX_CORE_TYPES];
  core_types(blis, types);
  unsetenv(variable);
  const char *best = NULL;  // as it detects itself
  double best_seconds = try_core_type(file, blis);
  for (const core_type *type = types; type->value; type++) {
    if (!type->allowed) continue;
    setenv(variable, type->value, 1);
    const double seconds = try_core_type(file, blis);
    if (seconds < 0.97 * best_seconds) {  // equal kernels under two names: the older name stays
      best = type->value;
      best_seconds = seconds;
    }
  }
  if (best)
    setenv(variable, best, 1);
  else
    unsetenv(variable);
  const bool loaded = best_seconds < 1e30 && load(blas, file, blis);
  if (before)
    setenv(variable, before, 1);
  else
    unsetenv(variable);
  free(before);
  if (!loaded) close(copy);
  return loaded;
}
#else
static bool load_best(hd_blas *blas, const char *path, bool blis) {
  (void)blas, (void)path, (void)blis;
  return false;  // private copies need memfd_create
}
#endif

const hd_blas *hd_blas_open(enum hd_blas_kind kind) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  static hd_blas loaded[HD_BLAS_KINDS];
  static bool tried[HD_BLAS_KINDS];
  const bool blis = kind == HD_BLAS_BLIS || kind == HD_BLAS_BLIS_BEST;
  const bool best = kind == HD_BLAS_OPENBLAS_BEST || kind == HD_BLAS_BLIS_BEST;
  const char *path = blis ? HD_BLIS_PATH : HD_OPENBLAS_PATH;
  hd_blas *blas = &loaded[kind];
  pthread_mutex_lock(&lock);
  if (!tried[kind] && path[0]) {
    blas->path = path;
    const bool loads = best ? load_best(blas, path, blis) : load(blas, path, blis);
    if (!loads) blas->sgemm = NULL;
    if (loads && !best && getenv(core_variable(blis))) {
      const size_t length = strlen(blas->core);
      snprintf(blas->core + length, sizeof blas->core - length, ", forced by %s", core_variable(blis));
    }
  }
  tried[kind] = true;
  pthread_mutex_unlock(&lock);
  return blas->sgemm ? blas : NULL;
}

void hd_blas_sgemm(const hd_blas *blas, bool trans_a, bool trans_b, long m, long n, long k, float alpha,
                   const float *a, long lda, const float *b, long ldb, float beta, float *c, long ldc) {
  const long limits[] = {m, n, k, lda, ldb, ldc};
  for (int i = 0; i < 6; i++)
    if (limits[i] > INT_MAX)
      hd_fail(HD_EXIT_USAGE, "sgemm: dimension %ld is more than BLAS can take; at most %d", limits[i],
              INT_MAX);
  if (m == 0 || n == 0)
    return;  // as BLAS does, but some complain of the leading dimension 0 that goes with it
  if (blas->set_threads) blas->set_threads(omp_get_max_threads());
  blas->sgemm(ROW_MAJOR, trans_a ? TRANS : NO_TRANS, trans_b ? TRANS : NO_TRANS, (int)m, (int)n, (int)k,
              alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

const char *hd_blas_core_name(const hd_blas *blas) {
  return blas ? blas->core : "unknown";
}

const char *hd_blas_path(const hd_blas *blas) {
  return blas ? blas->path : "";
}
