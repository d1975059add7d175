// SPDX-License-Identifier: MIT
#include "heddle/machine.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#if HD_HAVE_HWLOC
#include <hwloc.h>
#endif

#include "heddle/device.h"
#include "heddle/json.h"
#include "heddle/roof.h"
#include "revision.h"

// The value behind "name<spaces>: " in the first lines of /proc/cpuinfo, or "".
static void read_cpu_name(char *to, size_t size) {
  snprintf(to, size, "unknown CPU");
  FILE *f = fopen("/proc/cpuinfo", "r");
  char line[256];
  while (f && fgets(line, sizeof line, f)) {
    char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) == 0 && colon) {
      line[strcspn(line, "\n")] = 0;
      snprintf(to, size, "%s", colon + 2);
      break;
    }
  }
  if (f) fclose(f);
}

static void read_os_name(char *to, size_t size) {
  struct utsname u;
  uname(&u);
  char name[64] = "Linux";
  FILE *f = fopen("/etc/os-release", "r");
  char line[256];
  while (f && fgets(line, sizeof line, f)) sscanf(line, "PRETTY_NAME=\"%63[^\"]", name);
  if (f) fclose(f);
  snprintf(to, size, "%s, Linux %.48s", name, u.release);
}

#if HD_HAVE_HWLOC
static long cache_bytes(hwloc_topology_t topology, hwloc_obj_type_t type) {
  hwloc_obj_t o = hwloc_get_obj_by_type(topology, type, 0);
  return o ? (long)o->attr->cache.size : 0;
}

static void read_topology(hd_machine *m) {
  hwloc_topology_t topology;
  if (hwloc_topology_init(&topology) || hwloc_topology_load(topology)) return;
  const int cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);
  if (cores > 0) m->cores = cores;
  m->l1d = cache_bytes(topology, HWLOC_OBJ_L1CACHE);
  m->l2 = cache_bytes(topology, HWLOC_OBJ_L2CACHE);
  m->l3 = cache_bytes(topology, HWLOC_OBJ_L3CACHE);
  hwloc_topology_destroy(topology);
}
#else
static void read_topology(hd_machine *m) {
  m->l1d = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  m->l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  m->l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
}
#endif

// FNV-1a over what makes two machines different for a benchmark; no host name, no serial number.
static unsigned hash_text(const char *text) {
  unsigned h = 2166136261u;
  for (; *text; text++) h = (h ^ (unsigned char)*text) * 16777619u;
  return h;
}

const hd_machine *hd_machine_get(void) {
  static hd_machine m;
  if (m.id[0]) return &m;
  read_cpu_name(m.cpu, sizeof m.cpu);
  read_os_name(m.os, sizeof m.os);
  m.threads = omp_get_num_procs();
  m.cores = m.threads;
  read_topology(&m);
  m.memory_bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
  snprintf(m.compiler, sizeof m.compiler, "%s %s",
#ifdef __clang__
           "clang",
#else
           "gcc",
#endif
           __VERSION__);
  snprintf(m.git, sizeof m.git, "%s", HD_REVISION);
  snprintf(m.gpu, sizeof m.gpu, "%s", hd_device_name());
  m.gpu_count = hd_device_count();
  char all[512], word[16];
  snprintf(all, sizeof all, "%s %d %ld %.0f", m.cpu, m.threads, m.l3, m.memory_bytes / 1e9);
  sscanf(m.cpu, "%15s", word);
  for (char *c = word; *c; c++)
    *c = (char)((*c >= 'A' && *c <= 'Z') ? *c + 32 : (*c >= 'a' && *c <= 'z') ? *c : '-');
  snprintf(m.id, sizeof m.id, "%s-%dc-%04x", word, m.threads, hash_text(all) & 0xffff);
  return &m;
}

void hd_machine_write(FILE *out, const hd_machine *m) {
  fputs("{\n", out);
  const struct {
    const char *name, *value;
  } texts[] = {{"id", m->id},  {"cpu", m->cpu},           {"simd", hd_simd()},
               {"os", m->os},  {"compiler", m->compiler}, {"git", m->git},
               {"gpu", m->gpu}};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    fprintf(out, "  \"%s\": ", texts[i].name);
    hd_json_string(out, texts[i].value);
    fputs(",\n", out);
  }
  fprintf(out, "  \"gpu_count\": %d,\n  \"cores\": %d,\n  \"threads\": %d,\n", m->gpu_count, m->cores,
          m->threads);
  fprintf(out, "  \"l1d_bytes\": %ld,\n  \"l2_bytes\": %ld,\n  \"l3_bytes\": %ld,\n", m->l1d, m->l2, m->l3);
  fprintf(out, "  \"memory_bytes\": %.0f\n}\n", m->memory_bytes);
}
