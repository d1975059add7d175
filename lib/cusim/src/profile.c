// SPDX-License-Identifier: MIT
// Which blocks to trace, what is known of a kernel from its last trace, and the report at exit.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "observe.h"

enum { USAGE = 2, NAME = 128 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *need(void *memory) {
  if (!memory) {
    fputs("cusim: out of memory for the profile\n", stderr);
    exit(1);
  }
  return memory;
}

static uint64_t volume(sim_dim3 d) {
  return (uint64_t)d.x * d.y * d.z;
}
static bool same_shape(sim_dim3 a, sim_dim3 b) {
  return a.x == b.x && a.y == b.y && a.z == b.z;
}

// ---------------------------------------------------------------- what to trace, and what was traced

typedef struct known_launch {
  const void *function;
  sim_dim3 grid, block;
  size_t dynamic_shared;
  int device;
  uint64_t arguments;
  sim_counters counters;  // blocks == 0 until the trace is back
} known_launch;

static known_launch *known;
static size_t known_count, known_capacity;

// The entry of this kernel, shape and arguments. An argument that counts launches would make a new entry each
// time: after MOST_ARGUMENTS of them the latest serves all.
static known_launch *find_known(const sim_launch *l) {
  enum { MOST_ARGUMENTS = 32 };
  known_launch *latest = NULL;
  int others = 0;
  for (size_t i = 0; i < known_count; i++) {
    known_launch *k = &known[i];
    bool same = k->function == l->function && k->device == l->device &&
                k->dynamic_shared == l->dynamic_shared && same_shape(k->grid, l->grid) &&
                same_shape(k->block, l->block);
    if (!same) continue;
    if (k->arguments == l->arguments) return k;
    latest = k;
    others++;
  }
  return others < MOST_ARGUMENTS ? NULL : latest;
}

static known_launch *add_known(const sim_launch *l) {
  if (known_count == known_capacity) {
    known_capacity = known_capacity ? known_capacity * 2 : 64;
    known = need(realloc(known, known_capacity * sizeof *known));
  }
  known[known_count] = (known_launch){.function = l->function,
                                      .grid = l->grid,
                                      .block = l->block,
                                      .dynamic_shared = l->dynamic_shared,
                                      .device = l->device,
                                      .arguments = l->arguments};
  return &known[known_count++];
}

enum trace_mode { TRACE_AUTO, TRACE_ALL, TRACE_OFF };
static enum trace_mode mode;
static pthread_once_t mode_once = PTHREAD_ONCE_INIT;

static void read_mode(void) {
  const char *value = getenv("CUSIM_TRACE");
  if (!value || !*value || strcmp(value, "auto") == 0) {
    mode = TRACE_AUTO;
  } else if (strcmp(value, "all") == 0) {
    mode = TRACE_ALL;
  } else if (strcmp(value, "off") == 0) {
    mode = TRACE_OFF;
  } else {
    fprintf(stderr, "cusim: CUSIM_TRACE=%s is not known; it must be auto, all or off\n", value);
    exit(USAGE);
  }
}

int sim_trace_plan(const sim_launch *launch, uint64_t *blocks, int most) {
  pthread_once(&mode_once, read_mode);
  uint64_t grid = volume(launch->grid);
  if (mode == TRACE_OFF || most <= 0 || grid == 0) return 0;
  if (mode == TRACE_ALL) return -1;
  pthread_mutex_lock(&lock);
  bool fresh = !find_known(launch);
  if (fresh) add_known(launch);
  pthread_mutex_unlock(&lock);
  if (!fresh) return 0;
  const uint64_t sample[] = {0, grid / 2, grid - 1};
  int count = 0;
  for (int i = 0; i < 3 && count < most; i++) {
    if (count == 0 || sample[i] != blocks[count - 1]) blocks[count++] = sample[i];
  }
  return count;
}

uint64_t sim_trace_weight(const sim_launch *launch, uint64_t block) {
  pthread_once(&mode_once, read_mode);
  uint64_t grid = volume(launch->grid);
  return mode == TRACE_AUTO && grid > 3 && block == grid / 2 ? grid - 2 : 1;
}

sim_estimate sim_observe_launch(const sim_launch *launch, const sim_counters *traced) {
  sim_counters counters = {0};
  pthread_mutex_lock(&lock);
  known_launch *k = find_known(launch);
  if (traced && traced->blocks) {
    if (!k) k = add_known(launch);
    k->counters = *traced;
  }
  if (k) counters = k->counters;
  pthread_mutex_unlock(&lock);
  sim_estimate estimate = sim_model_kernel(sim_machine_get()->card, launch, &counters);
  sim_profile_launch(launch, &counters, &estimate);
  return estimate;
}

// ---------------------------------------------------------------- sums per kernel

typedef struct kernel_row {
  char name[NAME];
  sim_dim3 grid, block;
  size_t shared;
  uint64_t launches, traced_blocks;
  double counts[sizeof(sim_counters) /
                sizeof(uint64_t)];  // sim_counters, scaled from the traced blocks to the grids
  double seconds, low_s, high_s;
  sim_estimate estimate;  // of the last launch
} kernel_row;

typedef struct site_row {
  char kernel[NAME];
  sim_site site;
} site_row;

static kernel_row *rows;
static size_t row_count, row_capacity;
static site_row *sites;
static size_t site_row_count, site_row_capacity;
static const char *report_file;
static bool reporting, lines_wanted;
static pthread_once_t report_once = PTHREAD_ONCE_INIT;

static void report(void);

static bool ends_with(const char *text, const char *end) {
  size_t n = strlen(text), m = strlen(end);
  return n > m && strcmp(text + n - m, end) == 0;
}

static void read_report(void) {
  const char *value = getenv("CUSIM_PROFILE"), *lines = getenv("CUSIM_PROFILE_LINES");
  if (!value || !*value || strcmp(value, "0") == 0) return;
  if (strcmp(value, "1") != 0) {
    if (!ends_with(value, ".csv") && !ends_with(value, ".json")) {
      fprintf(stderr,
              "cusim: CUSIM_PROFILE=%s is not known; it must be 1 or a file name ending in .csv or .json\n",
              value);
      exit(USAGE);
    }
    report_file = value;
  }
  reporting = true;
  lines_wanted = lines && strcmp(lines, "1") == 0;
  atexit(report);
}

bool sim_profile_wants_sites(void) {
  pthread_once(&report_once, read_report);
  return lines_wanted;
}

void sim_profile_launch(const sim_launch *launch, const sim_counters *counters,
                        const sim_estimate *estimate) {
  pthread_once(&report_once, read_report);
  if (!reporting) return;
  const char *name = launch->kernel ? launch->kernel : "?";
  size_t shared = launch->dynamic_shared + (size_t)counters->static_shared_bytes;
  pthread_mutex_lock(&lock);
  size_t i = 0;
  while (i < row_count &&
         (strncmp(rows[i].name, name, NAME - 1) != 0 || !same_shape(rows[i].grid, launch->grid) ||
          !same_shape(rows[i].block, launch->block) || rows[i].shared != shared)) {
    i++;
  }
  if (i == row_count) {
    if (row_count == row_capacity) {
      row_capacity = row_capacity ? row_capacity * 2 : 32;
      rows = need(realloc(rows, row_capacity * sizeof *rows));
    }
    kernel_row *fresh = &rows[row_count++];
    memset(fresh, 0, sizeof *fresh);
    snprintf(fresh->name, NAME, "%s", name);
    fresh->grid = launch->grid;
    fresh->block = launch->block;
    fresh->shared = shared;
  }
  kernel_row *row = &rows[i];
  row->launches++;
  row->seconds += estimate->seconds;
  row->low_s += estimate->low_s;
  row->high_s += estimate->high_s;
  row->estimate = *estimate;
  row->traced_blocks = counters->traced;
  if (counters->blocks) {
    double scale = (double)volume(launch->grid) / (double)counters->blocks;
    const uint64_t *from = (const uint64_t *)counters;
    for (size_t c = 0; c < sizeof row->counts / sizeof *row->counts; c++)
      row->counts[c] += (double)from[c] * scale;
  }
  pthread_mutex_unlock(&lock);
}

void sim_profile_sites(const char *kernel, const sim_site *from, size_t count) {
  pthread_mutex_lock(&lock);
  for (size_t s = 0; s < count; s++) {
    const sim_site *site = &from[s];
    if (!site->requests) continue;
    size_t i = 0;
    while (i < site_row_count &&
           (sites[i].site.pc != site->pc || sites[i].site.space != site->space ||
            sites[i].site.access != site->access || sites[i].site.bytes != site->bytes)) {
      i++;
    }
    if (i == site_row_count) {
      if (site_row_count == site_row_capacity) {
        site_row_capacity = site_row_capacity ? site_row_capacity * 2 : 64;
        sites = need(realloc(sites, site_row_capacity * sizeof *sites));
      }
      sites[site_row_count++] = (site_row){.site = *site};
      snprintf(sites[i].kernel, NAME, "%s", kernel ? kernel : "?");
      continue;
    }
    sim_site *to = &sites[i].site;
    to->requests += site->requests;
    to->sectors += site->sectors;
    to->wavefronts += site->wavefronts;
    to->ideal += site->ideal;
    to->lanes += site->lanes;
  }
  pthread_mutex_unlock(&lock);
}

// ---------------------------------------------------------------- the report

static int compare_shapes(sim_dim3 a, sim_dim3 b) {
  if (a.x != b.x) return a.x < b.x ? -1 : 1;
  if (a.y != b.y) return a.y < b.y ? -1 : 1;
  if (a.z != b.z) return a.z < b.z ? -1 : 1;
  return 0;
}

// By name and shape: the order of launches may depend on how host threads interleave.
static int by_kernel(const void *left, const void *right) {
  const kernel_row *a = left, *b = right;
  int order = strcmp(a->name, b->name);
  if (!order) order = compare_shapes(a->grid, b->grid);
  if (!order) order = compare_shapes(a->block, b->block);
  if (!order && a->shared != b->shared) order = a->shared < b->shared ? -1 : 1;
  return order;
}

static int by_address(const void *left, const void *right) {
  const site_row *a = left, *b = right;
  int order = strcmp(a->kernel, b->kernel);
  if (!order && a->site.pc != b->site.pc) order = a->site.pc < b->site.pc ? -1 : 1;
  if (!order) order = (int)a->site.space - (int)b->site.space;
  if (!order) order = (int)a->site.access - (int)b->site.access;
  return order;
}

#define AT(row, field) ((row)->counts[offsetof(sim_counters, field) / sizeof(uint64_t)])

static double per(double value, double of) {
  return of > 0 ? value / of : 0;
}
static double gflop_sp(const kernel_row *r) {
  return (AT(r, flop_sp_add) + AT(r, flop_sp_mul) + 2 * AT(r, flop_sp_fma)) / 1e9;
}
static double gflop_dp(const kernel_row *r) {
  return (AT(r, flop_dp_add) + AT(r, flop_dp_mul) + 2 * AT(r, flop_dp_fma)) / 1e9;
}

// The columns of all three formats. %.15g keeps every count exact.
typedef struct column {
  const char *name;
  double (*value)(const kernel_row *);
} column;

#define COUNT_OF(field)                              \
  static double value_##field(const kernel_row *r) { \
    return AT(r, field);                             \
  }
COUNT_OF(flop_sp_add)
COUNT_OF(flop_sp_mul)
COUNT_OF(flop_sp_fma)
COUNT_OF(flop_dp_add)
COUNT_OF(flop_dp_mul)
COUNT_OF(flop_dp_fma)
COUNT_OF(flop_hp)
COUNT_OF(flop_tensor)
COUNT_OF(special)
COUNT_OF(inst)
COUNT_OF(ld_requests)
COUNT_OF(ld_sectors)
COUNT_OF(ld_bytes)
COUNT_OF(st_requests)
COUNT_OF(st_sectors)
COUNT_OF(st_bytes)
COUNT_OF(atom_requests)
COUNT_OF(atom_degree)
COUNT_OF(shld_requests)
COUNT_OF(shld_wavefronts)
COUNT_OF(shld_ideal)
COUNT_OF(shst_requests)
COUNT_OF(shst_wavefronts)
COUNT_OF(shst_ideal)
COUNT_OF(shatom_requests)
COUNT_OF(shatom_degree)
COUNT_OF(barriers)
COUNT_OF(warp_ops)

static double launches(const kernel_row *r) {
  return (double)r->launches;
}
static double traced_blocks(const kernel_row *r) {
  return (double)r->traced_blocks;
}
static double shared_bytes(const kernel_row *r) {
  return (double)r->shared;
}
static double occupancy(const kernel_row *r) {
  return r->estimate.occupancy;
}
static double lanes(const kernel_row *r) {
  return 32 * per(AT(r, active_lanes), AT(r, active_slots));
}
static double seconds(const kernel_row *r) {
  return r->seconds;
}
static double low(const kernel_row *r) {
  return r->low_s;
}
static double high(const kernel_row *r) {
  return r->high_s;
}

static const column columns[] = {
    {"launches", launches},
    {"traced_blocks_per_launch", traced_blocks},
    {"shared_bytes_per_block", shared_bytes},
    {"occupancy", occupancy},
    {"flop_sp_add", value_flop_sp_add},
    {"flop_sp_mul", value_flop_sp_mul},
    {"flop_sp_fma", value_flop_sp_fma},
    {"flop_dp_add", value_flop_dp_add},
    {"flop_dp_mul", value_flop_dp_mul},
    {"flop_dp_fma", value_flop_dp_fma},
    {"flop_hp", value_flop_hp},
    {"flop_tensor", value_flop_tensor},
    {"special_functions", value_special},
    {"host_instructions", value_inst},
    {"l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum", value_ld_requests},
    {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", value_ld_sectors},
    {"global_ld_bytes", value_ld_bytes},
    {"l1tex__t_requests_pipe_lsu_mem_global_op_st.sum", value_st_requests},
    {"l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", value_st_sectors},
    {"global_st_bytes", value_st_bytes},
    {"global_atomic_requests", value_atom_requests},
    {"global_atomic_degree", value_atom_degree},
    {"shared_ld_requests", value_shld_requests},
    {"shared_ld_wavefronts", value_shld_wavefronts},
    {"shared_ld_wavefronts_ideal", value_shld_ideal},
    {"shared_st_requests", value_shst_requests},
    {"shared_st_wavefronts", value_shst_wavefronts},
    {"shared_st_wavefronts_ideal", value_shst_ideal},
    {"shared_atomic_requests", value_shatom_requests},
    {"shared_atomic_degree", value_shatom_degree},
    {"warp_barriers", value_barriers},
    {"warp_operations", value_warp_ops},
    {"active_lanes_per_request", lanes},
    {"modelled_seconds", seconds},
    {"modelled_seconds_low", low},
    {"modelled_seconds_high", high},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void put_quoted(FILE *file, const char *text, bool json) {
  fputc('"', file);
  for (; *text; text++) {
    if (*text == '"') fputc(json ? '\\' : '"', file);
    if (*text == '\\' && json) fputc('\\', file);
    fputc(*text, file);
  }
  fputc('"', file);
}

static void write_csv(FILE *file) {
  fputs("kernel,card,clock,grid,block,occupancy_limiter,limiter", file);
  for (int c = 0; c < COLUMNS; c++) fprintf(file, ",%s", columns[c].name);
  fputc('\n', file);
  for (size_t i = 0; i < row_count; i++) {
    const kernel_row *r = &rows[i];
    put_quoted(file, r->name, false);
    fprintf(file, ",%s,model,%ux%ux%u,%ux%ux%u,%s,%s", sim_machine_get()->card->id, r->grid.x, r->grid.y,
            r->grid.z, r->block.x, r->block.y, r->block.z, r->estimate.occupancy_limiter,
            r->estimate.limiter);
    for (int c = 0; c < COLUMNS; c++) fprintf(file, ",%.15g", columns[c].value(r));
    fputc('\n', file);
  }
}

static const char *site_kind(const sim_site *s) {
  static const char *const names[2][3] = {{"global load", "global store", "global atomic"},
                                          {"shared load", "shared store", "shared atomic"}};
  return names[s->space == SIM_SPACE_SHARED][s->access];
}

static void write_json(FILE *file) {
  fprintf(file, "{\"card\": \"%s\", \"clock\": \"model\", \"kernels\": [", sim_machine_get()->card->id);
  for (size_t i = 0; i < row_count; i++) {
    const kernel_row *r = &rows[i];
    fputs(i ? ",\n  {\"kernel\": " : "\n  {\"kernel\": ", file);
    put_quoted(file, r->name, true);
    fprintf(file,
            ", \"grid\": [%u, %u, %u], \"block\": [%u, %u, %u], \"occupancy_limiter\": \"%s\", \"limiter\": "
            "\"%s\"",
            r->grid.x, r->grid.y, r->grid.z, r->block.x, r->block.y, r->block.z,
            r->estimate.occupancy_limiter, r->estimate.limiter);
    for (int c = 0; c < COLUMNS; c++) fprintf(file, ", \"%s\": %.15g", columns[c].name, columns[c].value(r));
    fputc('}', file);
  }
  fputs("\n], \"lines\": [", file);
  for (size_t i = 0; i < site_row_count; i++) {
    const sim_site *s = &sites[i].site;
    char line[NAME];
    sim_line_name(s->pc, line, sizeof line);
    fputs(i ? ",\n  {\"kernel\": " : "\n  {\"kernel\": ", file);
    put_quoted(file, sites[i].kernel, true);
    fputs(", \"line\": ", file);
    put_quoted(file, line, true);
    fprintf(
        file,
        ", \"access\": \"%s\", \"bytes\": %u, \"requests\": %llu, \"sectors\": %llu, \"wavefronts\": %llu, "
        "\"wavefronts_ideal\": %llu, \"lanes\": %llu}",
        site_kind(s), s->bytes, (unsigned long long)s->requests, (unsigned long long)s->sectors,
        (unsigned long long)s->wavefronts, (unsigned long long)s->ideal, (unsigned long long)s->lanes);
  }
  fputs("\n]}\n", file);
}

static void shape_text(char *text, size_t bytes, sim_dim3 d) {
  if (d.z > 1)
    snprintf(text, bytes, "%ux%ux%u", d.x, d.y, d.z);
  else if (d.y > 1)
    snprintf(text, bytes, "%ux%u", d.x, d.y);
  else
    snprintf(text, bytes, "%u", d.x);
}

static void write_lines(FILE *file) {
  fprintf(file, "\n%-24s %-22s %-13s %5s %12s %9s %11s %9s\n", "kernel", "line", "access", "bytes",
          "requests", "sect/req", "waves/ideal", "lanes/req");
  for (size_t i = 0; i < site_row_count; i++) {
    const sim_site *s = &sites[i].site;
    char line[NAME];
    sim_line_name(s->pc, line, sizeof line);
    double requests = (double)s->requests;
    fprintf(file, "%-24.24s %-22s %-13s %5u %12.0f %9.2f %11.2f %9.2f\n", sites[i].kernel, line, site_kind(s),
            s->bytes, requests, (double)s->sectors / requests, per((double)s->wavefronts, (double)s->ideal),
            (double)s->lanes / requests);
  }
  fputs("(sums over the traced blocks)\n", file);
}

static void write_table(FILE *file) {
  const sim_card *card = sim_machine_get()->card;
  fprintf(file,
          "\ncusim profile: %s, counted on the traced blocks and scaled to the grid; times are modelled\n",
          card->name);
  if (!sim_decode_available())
    fputs("built without capstone: FLOPs are not counted and times lack them\n", file);
  fprintf(file, "%-24s %8s %12s %8s %6s %-9s %10s %9s %9s %-8s\n", "kernel", "launches", "grid", "block",
          "occ.", "limiter", "ms each", "low", "high", "bound by");
  for (size_t i = 0; i < row_count; i++) {
    const kernel_row *r = &rows[i];
    char grid[40], block[40];
    shape_text(grid, sizeof grid, r->grid);
    shape_text(block, sizeof block, r->block);
    double n = (double)r->launches;
    fprintf(file, "%-24.24s %8.0f %12s %8s %5.0f%% %-9s %10.4f %9.4f %9.4f %-8s\n", r->name, n, grid, block,
            100 * r->estimate.occupancy, r->estimate.occupancy_limiter, 1e3 * r->seconds / n,
            1e3 * r->low_s / n, 1e3 * r->high_s / n, r->traced_blocks ? r->estimate.limiter : "untraced");
  }
  fprintf(file, "\n%-24s %10s %9s %9s %12s %7s %12s %7s %9s %9s %9s %7s\n", "kernel", "GFLOP sp", "dp",
          "half+mma", "ld requests", "sect/rq", "st requests", "sect/rq", "sh ld x", "sh st x", "barriers",
          "lanes");
  for (size_t i = 0; i < row_count; i++) {
    const kernel_row *r = &rows[i];
    fprintf(file, "%-24.24s %10.4g %9.4g %9.4g %12.0f %7.2f %12.0f %7.2f %9.2f %9.2f %9.0f %7.2f\n", r->name,
            gflop_sp(r), gflop_dp(r), (AT(r, flop_hp) + AT(r, flop_tensor)) / 1e9, AT(r, ld_requests),
            per(AT(r, ld_sectors), AT(r, ld_requests)), AT(r, st_requests),
            per(AT(r, st_sectors), AT(r, st_requests)), per(AT(r, shld_wavefronts), AT(r, shld_ideal)),
            per(AT(r, shst_wavefronts), AT(r, shst_ideal)), AT(r, barriers), lanes(r));
  }
  fputs("(totals over all launches; sh ld x, sh st x: shared wavefronts over ideal)\n", file);
  if (lines_wanted) write_lines(file);
}

static void report(void) {
  pthread_mutex_lock(&lock);
  if (row_count) qsort(rows, row_count, sizeof *rows, by_kernel);
  if (site_row_count) qsort(sites, site_row_count, sizeof *sites, by_address);
  if (!report_file) {
    write_table(stderr);
  } else {
    FILE *file = fopen(report_file, "w");
    if (!file) {
      fprintf(stderr, "cusim: cannot write the profile CUSIM_PROFILE=%s\n", report_file);
    } else {
      if (ends_with(report_file, ".csv"))
        write_csv(file);
      else
        write_json(file);
      bool bad = ferror(file) != 0;
      if (fclose(file) || bad)
        fprintf(stderr, "cusim: writing the profile CUSIM_PROFILE=%s failed\n", report_file);
    }
  }
  pthread_mutex_unlock(&lock);
}
