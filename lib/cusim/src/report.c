// SPDX-License-Identifier: MIT
// The profile as a table, as CSV or as JSON. Names are Nsight Compute's where it has one for the same thing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile.h"

// ---------------------------------------------------------------- the columns of CSV and JSON

static double per(double value, double of) {
  return of > 0 ? value / of : 0;
}

// A column is a sum of counters, or a function of the row.
enum { MOST_SUMMANDS = 3 };
typedef struct column {
  const char *name;
  size_t summand[MOST_SUMMANDS];  // 1 + index into counts; 0: none
  double (*value)(const sim_kernel_row *);
} column;

static double launches(const sim_kernel_row *r) {
  return (double)r->launches;
}
static double traced_blocks(const sim_kernel_row *r) {
  return (double)r->traced_blocks;
}
static double registers(const sim_kernel_row *r) {
  return r->estimate.registers;
}
static double shared_bytes(const sim_kernel_row *r) {
  return (double)r->shared;
}
static double occupancy(const sim_kernel_row *r) {
  return 100 * r->estimate.occupancy;
}
static double lanes(const sim_kernel_row *r) {
  return SIM_LANES * per(SIM_COUNT(r, active_lanes), SIM_COUNT(r, active_slots));
}
static double library_flops(const sim_kernel_row *r) {
  return r->flops;
}
static double seconds(const sim_kernel_row *r) {
  return r->seconds;
}
static double low(const sim_kernel_row *r) {
  return r->low_s;
}
static double high(const sim_kernel_row *r) {
  return r->high_s;
}

#define AT(field) (1 + offsetof(sim_counters, field) / sizeof(uint64_t))
#define SASS(operation) "smsp__sass_thread_inst_executed_op_" operation "_pred_on.sum"
#define GLOBAL(unit, operation) "l1tex__t_" unit "_pipe_lsu_mem_global_op_" operation ".sum"

static const column columns[] = {
    {"launches", {0}, launches},
    {"traced_blocks_per_launch", {0}, traced_blocks},
    {"launch__registers_per_thread", {0}, registers},
    {"launch__shared_mem_per_block", {0}, shared_bytes},
    {"sm__maximum_warps_per_active_cycle_pct", {0}, occupancy},
    {SASS("fadd"), {AT(flop_sp_add)}, NULL},
    {SASS("fmul"), {AT(flop_sp_mul)}, NULL},
    {SASS("ffma"), {AT(flop_sp_fma)}, NULL},
    {SASS("dadd"), {AT(flop_dp_add)}, NULL},
    {SASS("dmul"), {AT(flop_dp_mul)}, NULL},
    {SASS("dfma"), {AT(flop_dp_fma)}, NULL},
    {SASS("fp16"), {AT(flop_hp)}, NULL},
    {"matrix_unit_flops", {AT(flop_tensor)}, NULL},
    {"special_functions", {AT(special)}, NULL},
    {"library_flops", {0}, library_flops},
    {"host_instructions", {AT(inst)}, NULL},
    {GLOBAL("requests", "ld"), {AT(ld_requests)}, NULL},
    {GLOBAL("sectors", "ld"), {AT(ld_sectors)}, NULL},
    {"global_ld_bytes", {AT(ld_bytes)}, NULL},
    {"l1_miss_sectors_ld_modelled", {AT(l1_miss_sectors)}, NULL},
    {GLOBAL("requests", "st"), {AT(st_requests)}, NULL},
    {GLOBAL("sectors", "st"), {AT(st_sectors)}, NULL},
    {"global_st_bytes", {AT(st_bytes)}, NULL},
    {GLOBAL("requests", "atom"), {AT(atom_requests)}, NULL},
    {GLOBAL("sectors", "atom"), {AT(atom_sectors)}, NULL},
    {"global_atomic_degree", {AT(atom_degree)}, NULL},
    {"smsp__inst_executed_op_shared_ld.sum", {AT(shld_requests)}, NULL},
    {"smsp__inst_executed_op_shared_st.sum", {AT(shst_requests)}, NULL},
    {"smsp__inst_executed_op_shared_atom.sum", {AT(shatom_requests)}, NULL},
    {"memory_l1_wavefronts_shared", {AT(shld_wavefronts), AT(shst_wavefronts), AT(shatom_degree)}, NULL},
    {"memory_l1_wavefronts_shared_ideal", {AT(shld_ideal), AT(shst_ideal), AT(shatom_requests)}, NULL},
    {"shared_ld_wavefronts", {AT(shld_wavefronts)}, NULL},
    {"shared_ld_wavefronts_ideal", {AT(shld_ideal)}, NULL},
    {"shared_st_wavefronts", {AT(shst_wavefronts)}, NULL},
    {"shared_st_wavefronts_ideal", {AT(shst_ideal)}, NULL},
    {"shared_atomic_degree", {AT(shatom_degree)}, NULL},
    {"warp_barriers", {AT(barriers)}, NULL},
    {"warp_operations", {AT(warp_ops)}, NULL},
    {"active_lanes_per_request", {0}, lanes},
    {"modelled_seconds", {0}, seconds},
    {"modelled_seconds_low", {0}, low},
    {"modelled_seconds_high", {0}, high},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static double value_of(const column *c, const sim_kernel_row *r) {
  if (c->value) return c->value(r);
  double sum = 0;
  for (int i = 0; i < MOST_SUMMANDS; i++) {
    if (c->summand[i]) sum += r->counts[c->summand[i] - 1];
  }
  return sum;
}

// ---------------------------------------------------------------- order

static int compare_shapes(sim_dim3 a, sim_dim3 b) {
  if (a.x != b.x) return a.x < b.x ? -1 : 1;
  if (a.y != b.y) return a.y < b.y ? -1 : 1;
  if (a.z != b.z) return a.z < b.z ? -1 : 1;
  return 0;
}

// By name and shape: the order of launches may depend on how host threads interleave.
static int by_kernel(const void *left, const void *right) {
  const sim_kernel_row *a = left, *b = right;
  int order = strcmp(a->name, b->name);
  if (!order) order = compare_shapes(a->grid, b->grid);
  if (!order) order = compare_shapes(a->block, b->block);
  if (!order && a->shared != b->shared) order = a->shared < b->shared ? -1 : 1;
  return order;
}

static int by_address(const void *left, const void *right) {
  const sim_site_row *a = left, *b = right;
  int order = strcmp(a->kernel, b->kernel);
  if (!order && a->site.pc != b->site.pc) order = a->site.pc < b->site.pc ? -1 : 1;
  if (!order) order = (int)a->site.space - (int)b->site.space;
  if (!order) order = (int)a->site.access - (int)b->site.access;
  return order;
}

static const char *site_kind(const sim_site *s) {
  static const char *const names[2][4] = {
      {"global load", "global store", "global atomic", "global atomic"},
      {"shared load", "shared store", "shared atomic", "shared increment"}};
  return names[s->space == SIM_SPACE_SHARED][s->access];
}

// Counts are whole numbers of the machine code; where that could not be read to its end, they are too small.
static const char *what_is_missing(void) {
  if (!sim_decode_available()) return "FLOPs and instructions: built without capstone";
  if (sim_decode_incomplete())
    return "FLOPs and instructions are at least these: some machine code is not known to capstone";
  return sim_lines_available() ? "" : "source lines: built without libdw";
}

// ---------------------------------------------------------------- CSV and JSON

static void put_quoted(FILE *file, const char *text, bool json) {
  fputc('"', file);
  for (; *text; text++) {
    if (*text == '"') fputc(json ? '\\' : '"', file);
    if (*text == '\\' && json) fputc('\\', file);
    fputc(*text, file);
  }
  fputc('"', file);
}

// %.15g keeps every count exact.
static void write_csv(const sim_profile *p, FILE *file) {
  fputs("kernel,card,clock,grid,block,occupancy_limiter,limiter", file);
  for (int c = 0; c < COLUMNS; c++) fprintf(file, ",%s", columns[c].name);
  for (int c = 0; p->cards && sim_card_at(c); c++) fprintf(file, ",modelled_seconds_%s", sim_card_at(c)->id);
  fputc('\n', file);
  for (size_t i = 0; i < p->rows; i++) {
    const sim_kernel_row *r = &p->row[i];
    put_quoted(file, r->name, false);
    fprintf(file, ",%s,model,%ux%ux%u,%ux%ux%u,%s,%s", sim_machine_get()->card->id, r->grid.x, r->grid.y,
            r->grid.z, r->block.x, r->block.y, r->block.z, r->estimate.occupancy_limiter,
            r->estimate.limiter);
    for (int c = 0; c < COLUMNS; c++) fprintf(file, ",%.15g", value_of(&columns[c], r));
    for (int c = 0; p->cards && sim_card_at(c); c++) fprintf(file, ",%.15g", r->on_card[c]);
    fputc('\n', file);
  }
}

static void write_json(const sim_profile *p, FILE *file) {
  fprintf(file, "{\"card\": \"%s\", \"clock\": \"model\", \"missing\": \"%s\", \"kernels\": [",
          sim_machine_get()->card->id, what_is_missing());
  for (size_t i = 0; i < p->rows; i++) {
    const sim_kernel_row *r = &p->row[i];
    fputs(i ? ",\n  {\"kernel\": " : "\n  {\"kernel\": ", file);
    put_quoted(file, r->name, true);
    fprintf(file,
            ", \"grid\": [%u, %u, %u], \"block\": [%u, %u, %u], \"occupancy_limiter\": \"%s\", \"limiter\": "
            "\"%s\"",
            r->grid.x, r->grid.y, r->grid.z, r->block.x, r->block.y, r->block.z,
            r->estimate.occupancy_limiter, r->estimate.limiter);
    for (int c = 0; c < COLUMNS; c++)
      fprintf(file, ", \"%s\": %.15g", columns[c].name, value_of(&columns[c], r));
    for (int c = 0; p->cards && sim_card_at(c); c++)
      fprintf(file, ", \"modelled_seconds_%s\": %.15g", sim_card_at(c)->id, r->on_card[c]);
    fputc('}', file);
  }
  fputs("\n], \"lines\": [", file);
  for (size_t i = 0; i < p->sites; i++) {
    const sim_site *s = &p->site[i].site;
    char line[SIM_NAME];
    sim_line_name(s->pc, line, sizeof line);
    fputs(i ? ",\n  {\"kernel\": " : "\n  {\"kernel\": ", file);
    put_quoted(file, p->site[i].kernel, true);
    fputs(", \"line\": ", file);
    put_quoted(file, line, true);
    fprintf(
        file,
        ", \"access\": \"%s\", \"bytes\": %u, \"requests\": %llu, \"sectors\": %llu, \"wavefronts\": %llu, "
        "\"wavefronts_ideal\": %llu, \"lanes\": %llu, \"degree\": %llu}",
        site_kind(s), s->bytes, (unsigned long long)s->requests, (unsigned long long)s->sectors,
        (unsigned long long)s->wavefronts, (unsigned long long)s->ideal, (unsigned long long)s->lanes,
        (unsigned long long)s->degree);
  }
  fputs("\n]}\n", file);
}

// ---------------------------------------------------------------- the table

static void shape_text(char *text, size_t bytes, sim_dim3 d) {
  if (d.z > 1)
    snprintf(text, bytes, "%ux%ux%u", d.x, d.y, d.z);
  else if (d.y > 1)
    snprintf(text, bytes, "%ux%u", d.x, d.y);
  else
    snprintf(text, bytes, "%u", d.x);
}

static void write_times(const sim_profile *p, FILE *file) {
  fprintf(file, "%-24s %8s %12s %8s %4s %6s %-9s %10s %9s %9s %-8s\n", "kernel", "launches", "grid", "block",
          "regs", "occ.", "limiter", "ms each", "low", "high", "bound by");
  for (size_t i = 0; i < p->rows; i++) {
    const sim_kernel_row *r = &p->row[i];
    char grid[40], block[40];
    shape_text(grid, sizeof grid, r->grid);
    shape_text(block, sizeof block, r->block);
    double n = (double)r->launches;
    const char *bound = r->traced_blocks || r->library ? r->estimate.limiter : "untraced";
    fprintf(file, "%-24.24s %8.0f %12s %8s %4d %5.0f%% %-9s %10.4f %9.4f %9.4f %-8s\n", r->name, n, grid,
            r->library ? "library" : block, r->estimate.registers, occupancy(r),
            r->estimate.occupancy_limiter, 1e3 * r->seconds / n, 1e3 * r->low_s / n, 1e3 * r->high_s / n,
            bound);
  }
}

static void write_work(const sim_profile *p, FILE *file) {
  fprintf(file, "\n%-24s %10s %9s %9s %9s %9s %10s %10s %10s %7s\n", "kernel", "GFLOP sp", "dp", "half",
          "mma", "special", "host inst", "barriers", "warp ops", "lanes");
  for (size_t i = 0; i < p->rows; i++) {
    const sim_kernel_row *r = &p->row[i];
    double sp = SIM_COUNT(r, flop_sp_add) + SIM_COUNT(r, flop_sp_mul) + 2 * SIM_COUNT(r, flop_sp_fma);
    double dp = SIM_COUNT(r, flop_dp_add) + SIM_COUNT(r, flop_dp_mul) + 2 * SIM_COUNT(r, flop_dp_fma);
    fprintf(file, "%-24.24s %10.4g %9.4g %9.4g %9.4g %9.4g %10.4g %10.0f %10.0f %7.2f\n", r->name,
            (r->library ? r->flops : sp) / 1e9, dp / 1e9, SIM_COUNT(r, flop_hp) / 1e9,
            SIM_COUNT(r, flop_tensor) / 1e9, SIM_COUNT(r, special), SIM_COUNT(r, inst),
            SIM_COUNT(r, barriers), SIM_COUNT(r, warp_ops), lanes(r));
  }
}

static void write_memory(const sim_profile *p, FILE *file) {
  fprintf(file, "\n%-24s %12s %7s %12s %7s %12s %7s %9s %9s %9s\n", "kernel", "ld requests", "sect/rq",
          "st requests", "sect/rq", "atomics", "degree", "sh ld x", "sh st x", "sh at x");
  for (size_t i = 0; i < p->rows; i++) {
    const sim_kernel_row *r = &p->row[i];
    if (r->library) continue;
    fprintf(file, "%-24.24s %12.0f %7.2f %12.0f %7.2f %12.0f %7.2f %9.2f %9.2f %9.2f\n", r->name,
            SIM_COUNT(r, ld_requests), per(SIM_COUNT(r, ld_sectors), SIM_COUNT(r, ld_requests)),
            SIM_COUNT(r, st_requests), per(SIM_COUNT(r, st_sectors), SIM_COUNT(r, st_requests)),
            SIM_COUNT(r, atom_requests), per(SIM_COUNT(r, atom_degree), SIM_COUNT(r, atom_requests)),
            per(SIM_COUNT(r, shld_wavefronts), SIM_COUNT(r, shld_ideal)),
            per(SIM_COUNT(r, shst_wavefronts), SIM_COUNT(r, shst_ideal)),
            per(SIM_COUNT(r, shatom_degree), SIM_COUNT(r, shatom_requests)));
  }
  fputs(
      "(totals over all launches; degree: lanes of a request on one address; sh ld x, sh st x: shared "
      "wavefronts "
      "over ideal)\n",
      file);
}

static void write_cards(const sim_profile *p, FILE *file) {
  fprintf(file, "\n%-24s", "ms each on");
  for (int c = 0; sim_card_at(c); c++) fprintf(file, " %10s", sim_card_at(c)->id);
  for (size_t i = 0; i < p->rows; i++) {
    const sim_kernel_row *r = &p->row[i];
    fprintf(file, "\n%-24.24s", r->name);
    for (int c = 0; sim_card_at(c); c++) fprintf(file, " %10.4f", 1e3 * r->on_card[c] / (double)r->launches);
  }
  fputc('\n', file);
}

static void write_lines(const sim_profile *p, FILE *file) {
  fprintf(file, "\n%-24s %-22s %-13s %5s %12s %9s %11s %9s %7s\n", "kernel", "line", "access", "bytes",
          "requests", "sect/req", "waves/ideal", "lanes/req", "degree");
  for (size_t i = 0; i < p->sites; i++) {
    const sim_site *s = &p->site[i].site;
    char line[SIM_NAME];
    sim_line_name(s->pc, line, sizeof line);
    double requests = (double)s->requests;
    fprintf(file, "%-24.24s %-22s %-13s %5u %12.0f %9.2f %11.2f %9.2f %7.2f\n", p->site[i].kernel, line,
            site_kind(s), s->bytes, requests, (double)s->sectors / requests,
            per((double)s->wavefronts, (double)s->ideal), (double)s->lanes / requests,
            (double)s->degree / requests);
  }
  fputs("(sums over the traced blocks)\n", file);
}

static void write_table(const sim_profile *p, FILE *file) {
  fprintf(file,
          "\ncusim profile: %s, counted on the traced blocks and scaled to the grid; times are modelled\n",
          sim_machine_get()->card->name);
  write_times(p, file);
  write_work(p, file);
  write_memory(p, file);
  if (p->cards) write_cards(p, file);
  if (p->lines) write_lines(p, file);
  const char *missing = what_is_missing();
  if (*missing) fprintf(file, "missing: %s\n", missing);
}

void sim_report(sim_profile *p, const char *name) {
  if (p->rows) qsort(p->row, p->rows, sizeof *p->row, by_kernel);
  if (p->sites) qsort(p->site, p->sites, sizeof *p->site, by_address);
  if (!name) {
    write_table(p, stderr);
    return;
  }
  FILE *file = fopen(name, "w");
  if (!file) {
    fprintf(stderr, "cusim: cannot write the profile CUSIM_PROFILE=%s\n", name);
    return;
  }
  if (strcmp(name + strlen(name) - 4, ".csv") == 0)
    write_csv(p, file);
  else
    write_json(p, file);
  bool bad = ferror(file) != 0;
  if (fclose(file) || bad) fprintf(stderr, "cusim: writing the profile CUSIM_PROFILE=%s failed\n", name);
}
