// SPDX-License-Identifier: MIT
// One instruction of inline PTX: one call of cusim/ptx.h.
#include "ptx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct opcode {
  char name[MOST_LENGTH];     // the base and what changes its meaning: mad_lo_cc
  char types[MOST_PARTS][8];  // u32, f64, …
  int type_count, vector;     // .v2, .v4
  bool saturate, is_volatile;
  char text[MOST_LENGTH];  // as written
} opcode;

static bool among(const char *word, const char *const *words) {
  for (; *words; words++)
    if (strcmp(word, *words) == 0) return true;
  return false;
}

const char *ptx_type(const char *word) {
  static const char *const types[][2] = {{"u8", "u8"},   {"u16", "u16"}, {"u32", "u32"},  {"u64", "u64"},
                                         {"s8", "s8"},   {"s16", "s16"}, {"s32", "s32"},  {"s64", "s64"},
                                         {"b8", "u8"},   {"b16", "u16"}, {"b32", "u32"},  {"b64", "u64"},
                                         {"f32", "f32"}, {"f64", "f64"}, {"pred", "pred"}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (strcmp(word, types[i][0]) == 0) return types[i][1];
  return NULL;
}

// Scopes, cache operators, and roundings that the compiler's own arithmetic has: nothing here depends on
// them.
static const char *const ignored[] = {"rn",
                                      "ftz",
                                      "approx",
                                      "full",
                                      "uni",
                                      "sync",
                                      "aligned",
                                      "global",
                                      "shared",
                                      "shared::cta",
                                      "const",
                                      "param",
                                      "local",
                                      "ca",
                                      "cg",
                                      "cs",
                                      "lu",
                                      "wb",
                                      "wt",
                                      "nc",
                                      "gpu",
                                      "cta",
                                      "sys",
                                      "cluster",
                                      "gl",
                                      "generic",
                                      "L1::no_allocate",
                                      "L1::evict_last",
                                      "L1::evict_first",
                                      "L1::evict_normal",
                                      "L1::evict_unchanged",
                                      "L2::64B",
                                      "L2::128B",
                                      "L2::256B",
                                      "release",
                                      "acq_rel",
                                      "sc",
                                      "weak",
                                      NULL};
static const char *const volatile_words[] = {"volatile", "relaxed", "acquire", "cv", "mmio", NULL};

static opcode read_opcode(piece p) {
  opcode o = {.vector = 1};
  snprintf(o.text, sizeof o.text, "%.*s", (int)p.length, p.from);
  char copy[MOST_LENGTH], *rest = copy;
  snprintf(copy, sizeof copy, "%s", o.text);
  for (char *part = strsep(&rest, "."); part; part = strsep(&rest, ".")) {
    const char *type = ptx_type(part);
    if (part == copy)
      snprintf(o.name, sizeof o.name, "%s", part);
    else if (type && o.type_count < MOST_PARTS)
      snprintf(o.types[o.type_count++], sizeof o.types[0], "%s", type);
    else if (strcmp(part, "v2") == 0 || strcmp(part, "v4") == 0)
      o.vector = part[1] - '0';
    else if (among(part, volatile_words))
      o.is_volatile = true;
    else if (strcmp(part, "sat") == 0)
      o.saturate = true;
    else if (!among(part, ignored)) {
      const size_t used = strlen(o.name);
      snprintf(o.name + used, sizeof o.name - used, "_%s", part);
    }
  }
  return o;
}

// Instructions that are one call: destination, sources, types.
static const struct {
  const char *name, *function;
  int sources, types;
} simple[] = {
    {"add", "add", 2, 1},
    {"sub", "sub", 2, 1},
    {"mul", "mul", 2, 1},
    {"mul_lo", "mul_lo", 2, 1},
    {"mul_hi", "mul_hi", 2, 1},
    {"mul_wide", "mul_wide", 2, 1},
    {"mul24_lo", "mul24_lo", 2, 1},
    {"mad", "fma", 3, 1},
    {"fma", "fma", 3, 1},
    {"mad_lo", "mad_lo", 3, 1},
    {"mad_hi", "mad_hi", 3, 1},
    {"mad_wide", "mad_wide", 3, 1},
    {"mad24_lo", "mad24_lo", 3, 1},
    {"sad", "sad", 3, 1},
    {"div", "div", 2, 1},
    {"rem", "rem", 2, 1},
    {"abs", "abs", 1, 1},
    {"neg", "neg", 1, 1},
    {"min", "least", 2, 1},
    {"max", "greatest", 2, 1},
    {"add_cc", "add_cc", 2, 1},
    {"addc", "addc", 2, 1},
    {"addc_cc", "addc_cc", 2, 1},
    {"sub_cc", "sub_cc", 2, 1},
    {"subc", "subc", 2, 1},
    {"subc_cc", "subc_cc", 2, 1},
    {"mad_lo_cc", "mad_lo_cc", 3, 1},
    {"mad_hi_cc", "mad_hi_cc", 3, 1},
    {"madc_lo", "madc_lo", 3, 1},
    {"madc_hi", "madc_hi", 3, 1},
    {"madc_lo_cc", "madc_lo_cc", 3, 1},
    {"madc_hi_cc", "madc_hi_cc", 3, 1},
    {"sqrt", "sqrt", 1, 1},
    {"rsqrt", "rsqrt", 1, 1},
    {"rcp", "rcp", 1, 1},
    {"sin", "sin", 1, 1},
    {"cos", "cos", 1, 1},
    {"ex2", "ex2", 1, 1},
    {"lg2", "lg2", 1, 1},
    {"tanh", "tanh", 1, 1},
    {"copysign", "copysign", 2, 1},
    {"and", "bit_and", 2, 1},
    {"or", "bit_or", 2, 1},
    {"xor", "bit_xor", 2, 1},
    {"not", "bit_not", 1, 1},
    {"cnot", "cnot", 1, 1},
    {"shl", "shl", 2, 1},
    {"shr", "shr", 2, 1},
    {"shf_l_wrap", "shf_l_wrap", 3, 1},
    {"shf_r_wrap", "shf_r_wrap", 3, 1},
    {"shf_l_clamp", "shf_l_clamp", 3, 1},
    {"shf_r_clamp", "shf_r_clamp", 3, 1},
    {"bfe", "bfe", 3, 1},
    {"bfi", "bfi", 4, 1},
    {"popc", "popc", 1, 1},
    {"clz", "clz", 1, 1},
    {"brev", "brev", 1, 1},
    {"bfind", "bfind", 1, 1},
    {"prmt", "prmt", 3, 1},
    {"lop3", "lop3", 4, 1},
    {"dp4a", "dp4a", 3, 2},
    {"selp", "selp", 3, 1},
    {"cvt", "cvt", 1, 2},
    {"cvt_rni", "cvt_rni", 1, 2},
    {"cvt_rzi", "cvt_rzi", 1, 2},
    {"cvt_rmi", "cvt_rmi", 1, 2},
    {"cvt_rpi", "cvt_rpi", 1, 2},
    {"cvta", "mov", 1, 1},
    {"cvta_to", "mov", 1, 1},
};

// Instructions of a fixed text, their operands in the place of @0, @1, …
static const struct {
  const char *name;
  int operands;
  const char *text;
} written[] = {
    {"activemask", 1, "::cusim::ptx::put(@0, ::__activemask());"},
    {"vote_all", 3, "::cusim::ptx::put(@0, (bool)::__all_sync((unsigned)@2, @1));"},
    {"vote_any", 3, "::cusim::ptx::put(@0, (bool)::__any_sync((unsigned)@2, @1));"},
    {"vote_uni", 3, "::cusim::ptx::put(@0, (bool)::__uni_sync((unsigned)@2, @1));"},
    {"vote_ballot", 3, "::cusim::ptx::put(@0, ::__ballot_sync((unsigned)@2, @1));"},
    {"match_any", 3,
     "::cusim::ptx::put(@0, ::__match_any_sync((unsigned)@2, ::cusim::ptx::as<::cusim::ptx::#>(@1)));"},
    {"redux_add", 3,
     "::cusim::ptx::put(@0, ::__reduce_add_sync((unsigned)@2, ::cusim::ptx::as<::cusim::ptx::#>(@1)));"},
    {"redux_min", 3,
     "::cusim::ptx::put(@0, ::__reduce_min_sync((unsigned)@2, ::cusim::ptx::as<::cusim::ptx::#>(@1)));"},
    {"redux_max", 3,
     "::cusim::ptx::put(@0, ::__reduce_max_sync((unsigned)@2, ::cusim::ptx::as<::cusim::ptx::#>(@1)));"},
    {"redux_and", 3, "::cusim::ptx::put(@0, ::__reduce_and_sync((unsigned)@2, (unsigned)@1));"},
    {"redux_or", 3, "::cusim::ptx::put(@0, ::__reduce_or_sync((unsigned)@2, (unsigned)@1));"},
    {"redux_xor", 3, "::cusim::ptx::put(@0, ::__reduce_xor_sync((unsigned)@2, (unsigned)@1));"},
    {"bar_warp", 1, "::__syncwarp((unsigned)@0);"},
    {"membar", 0, "::__threadfence();"},
    {"fence", 0, "::__threadfence();"},
    {"nanosleep", 1, "::__nanosleep((unsigned)@0);"},
    {"trap", 0, "::__trap();"},
    {"brkpt", 0, ""},
    {"pmevent", 1, ""},
    {"cp_async_commit_group", 0, "::cusim::commit_copies();"},
    {"cp_async_wait_group", 1, "::cusim::await_copies((unsigned)@0);"},
    {"cp_async_wait_all", 0, "::cusim::await_all_copies();"},
};

static void add_written(translation *t, const char *text, const opcode *o, const piece *operands) {
  for (; *text; text++)
    if (*text == '@')
      ptx_add_operand(t, &t->out, operands[*++text - '0']);
    else if (*text == '#')
      add_text(&t->out, "%s", o->types[0]);
    else
      add_text(&t->out, "%c", *text);
}

// Parts of {a, b}, or the operand itself.
static int parts_of(piece p, piece *parts) {
  if (p.length >= 2 && *p.from == '{' && p.from[p.length - 1] == '}')
    return ptx_split(p.from + 1, p.from + p.length - 1, parts, MOST_PARTS);
  parts[0] = p;
  return 1;
}

static bool memory(translation *t, const opcode *o, const piece *operands, int count) {
  const bool load = strcmp(o->name, "ld") == 0 || strcmp(o->name, "ldu") == 0,
             store = strcmp(o->name, "st") == 0;
  if ((!load && !store) || count != 2 || o->type_count != 1) return false;
  piece parts[MOST_PARTS];
  if (parts_of(operands[load ? 0 : 1], parts) != o->vector) return false;
  const char *kind = o->is_volatile ? "_volatile" : "", *type = o->types[0];
  if (load) {  // first all loads: a destination may be the address
    add_text(&t->out, "{ const auto *cusim_p = ");
    ptx_add_address(t, &t->out, operands[1], type);
    add_text(&t->out, "; ");
    for (int i = 0; i < o->vector; i++)
      add_text(&t->out, "const auto cusim_v%d = ::cusim::ptx::ld%s(cusim_p + %d); ", i, kind, i);
    for (int i = 0; i < o->vector; i++) {
      add_text(&t->out, "::cusim::ptx::put(");
      ptx_add_operand(t, &t->out, parts[i]);
      add_text(&t->out, ", cusim_v%d); ", i);
    }
    add_text(&t->out, "}");
    return true;
  }
  for (int i = 0; i < o->vector; i++) {
    add_text(&t->out, "::cusim::ptx::st%s(", kind);
    ptx_add_address(t, &t->out, operands[0], type);
    add_text(&t->out, " + %d, ", i);
    ptx_add_operand(t, &t->out, parts[i]);
    add_text(&t->out, "); ");
  }
  return true;
}

static bool atomic(translation *t, const opcode *o, const piece *operands, int count) {
  const bool returns = strncmp(o->name, "atom_", 5) == 0;
  static const char *const names[] = {"add", "min", "max",  "inc", "dec", "and",
                                      "or",  "xor", "exch", "cas", NULL};
  if ((!returns && strncmp(o->name, "red_", 4) != 0) || o->type_count != 1 || o->vector != 1) return false;
  const char *name = strchr(o->name, '_') + 1;
  if (!among(name, names) || count != 2 + returns + (strcmp(name, "cas") == 0)) return false;
  if (returns) {
    add_text(&t->out, "::cusim::ptx::put(");
    ptx_add_operand(t, &t->out, operands[0]);
    add_text(&t->out, ", ");
  }
  add_text(&t->out, "::cusim::ptx::atom_%s(", name);
  ptx_add_address(t, &t->out, operands[returns], o->types[0]);
  for (int i = 1 + returns; i < count; i++) {
    add_text(&t->out, ", ");
    ptx_add_operand(t, &t->out, operands[i]);
  }
  add_text(&t->out, ")%s;", returns ? ")" : "");
  return true;
}

// mov of a whole register, or of its halves.
static bool move(translation *t, const opcode *o, const piece *operands, int count) {
  if (strcmp(o->name, "mov") != 0 || count != 2 || o->type_count != 1) return false;
  piece to[MOST_PARTS], from[MOST_PARTS];
  const int to_count = parts_of(operands[0], to), from_count = parts_of(operands[1], from);
  if (to_count == 1 && from_count == 1) {
    add_text(&t->out, "::cusim::ptx::put(");
    ptx_add_operand(t, &t->out, to[0]);
    add_text(&t->out, ", ::cusim::ptx::mov<::cusim::ptx::%s>(", o->types[0]);
    ptx_add_operand(t, &t->out, from[0]);
    add_text(&t->out, "));");
    return true;
  }
  const int bits = atoi(o->types[0] + 1), count_parts = to_count > 1 ? to_count : from_count;
  if ((to_count > 1 && from_count > 1) || (count_parts != 2 && count_parts != 4)) return false;
  const int part = bits / count_parts;
  if (to_count > 1) {
    add_text(&t->out, "{ const auto cusim_v = ::cusim::ptx::as<::cusim::ptx::u%d>(", bits);
    ptx_add_operand(t, &t->out, from[0]);
    add_text(&t->out, "); ");
    for (int i = 0; i < to_count; i++) {
      add_text(&t->out, "::cusim::ptx::put(");
      ptx_add_operand(t, &t->out, to[i]);
      add_text(&t->out, ", (::cusim::ptx::u%d)(cusim_v >> %d)); ", part, i * part);
    }
    add_text(&t->out, "}");
    return true;
  }
  add_text(&t->out, "::cusim::ptx::put(");
  ptx_add_operand(t, &t->out, to[0]);
  add_text(&t->out, ", (::cusim::ptx::u%d)(0", bits);
  for (int i = 0; i < from_count; i++) {
    add_text(&t->out, " | (::cusim::ptx::u%d)::cusim::ptx::as<::cusim::ptx::u%d>(", bits, part);
    ptx_add_operand(t, &t->out, from[i]);
    add_text(&t->out, ") << %d", i * part);
  }
  add_text(&t->out, "));");
  return true;
}

// setp.lt.and.s32 p|q, a, b, c
static bool compare(translation *t, const opcode *o, const piece *operands, int count) {
  static const char *const compares[] = {"eq",  "ne",  "lt",  "le",  "gt",  "ge",  "lo",  "ls",  "hi", "hs",
                                         "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan", NULL};
  if (strncmp(o->name, "setp_", 5) != 0 || o->type_count != 1) return false;
  char how[8] = "", join[8] = "";
  if (sscanf(o->name, "setp_%7[a-z]_%7[a-z]", how, join) < 1 || !among(how, compares)) return false;
  const int joined = *join != 0, two = count == 4 + joined;
  static const char *const joins[] = {"", "and", "or", "xor", NULL};
  if (count != 3 + joined + two || !among(join, joins)) return false;
  const char *sign = *join == 'a' ? "&&" : *join == 'o' ? "||" : "!=";
  add_text(&t->out, "{ const bool cusim_c = ::cusim::ptx::setp_%s<::cusim::ptx::%s>(", how, o->types[0]);
  ptx_add_operand(t, &t->out, operands[1 + two]);
  add_text(&t->out, ", ");
  ptx_add_operand(t, &t->out, operands[2 + two]);
  add_text(&t->out, "); ");
  if (joined) {
    add_text(&t->out, "const bool cusim_d = ");
    ptx_add_operand(t, &t->out, operands[3 + two]);
    add_text(&t->out, "; ");
  }
  for (int i = 0; i <= two; i++) {
    add_text(&t->out, "::cusim::ptx::put(");
    ptx_add_operand(t, &t->out, operands[i]);
    add_text(&t->out, joined ? ", %scusim_c %s cusim_d); " : ", %scusim_c); ", i ? "!" : "", sign);
  }
  add_text(&t->out, "}");
  return true;
}

// shfl.sync.down.b32 d|p, a, b, c, mask
static bool shuffle(translation *t, const opcode *o, const piece *operands, int count) {
  static const char *const kinds[] = {"shfl_up", "shfl_down", "shfl_bfly", "shfl_idx", NULL};
  if (!among(o->name, kinds) || count < 5 || count > 6) return false;
  const int two = count == 6;
  add_text(&t->out, "{ bool cusim_in; const auto cusim_v = ::cusim::ptx::shfl(::cusim::ptx::%s, cusim_in",
           o->name + 5);
  for (int i = 1 + two; i < count; i++) {
    add_text(&t->out, i > 1 + two ? ", (unsigned)" : ", ");
    ptx_add_operand(t, &t->out, operands[i]);
  }
  add_text(&t->out, "); ::cusim::ptx::put(");
  ptx_add_operand(t, &t->out, operands[0]);
  add_text(&t->out, ", cusim_v);");
  if (two) {
    add_text(&t->out, " ::cusim::ptx::put(");
    ptx_add_operand(t, &t->out, operands[1]);
    add_text(&t->out, ", cusim_in);");
  }
  add_text(&t->out, " }");
  return true;
}

static bool copy_async(translation *t, const opcode *o, const piece *operands, int count) {
  if (strcmp(o->name, "cp_async") != 0 || count < 3 || count > 4) return false;
  add_text(&t->out, "::cusim::ptx::cp_async(");
  for (int i = 0; i < 2; i++) {
    ptx_add_address(t, &t->out, operands[i], "u8");
    add_text(&t->out, ", ");
  }
  ptx_add_operand(t, &t->out, operands[2]);
  add_text(&t->out, ", ");
  ptx_add_operand(t, &t->out, operands[count - 1]);
  add_text(&t->out, ");");
  return true;
}

// Into the registers of a {list}, from an array of words.
static void put_words(translation *t, const piece *to, int count) {
  for (int i = 0; i < count; i++) {
    add_text(&t->out, "::cusim::ptx::put(");
    ptx_add_operand(t, &t->out, to[i]);
    add_text(&t->out, ", cusim_d[%d]); ", i);
  }
}

// ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {…}, [address], in any order of the words that ptxas takes
static bool load_matrix(translation *t, const opcode *o, const piece *operands, int count) {
  if (strncmp(o->text, "ldmatrix.", 9) != 0 || count != 2 || !strstr(o->text, ".b16") ||
      !strstr(o->text, ".m8n8"))
    return false;
  const int matrices = strstr(o->text, ".x4") ? 4 : strstr(o->text, ".x2") ? 2 : 1;
  piece to[MOST_PARTS];
  if (parts_of(operands[0], to) != matrices) return false;
  add_text(&t->out, "{ ::cusim::ptx::u32 cusim_d[%d]; ::cusim::ptx::ldmatrix<%d, %s>(cusim_d, ", matrices,
           matrices, strstr(o->text, ".trans") ? "true" : "false");
  ptx_add_address(t, &t->out, operands[1], "u8");
  add_text(&t->out, "); ");
  put_words(t, to, matrices);
  add_text(&t->out, "}");
  return true;
}

// mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {d}, {a}, {b}, {c}
static bool multiply_matrices(translation *t, const opcode *o, const piece *operands, int count) {
  char d[8], a[8], b[8], c[8];
  int k = 0, used = 0;
  if (count != 4 ||
      sscanf(o->text, "mma.sync.aligned.m16n8k%d.row.col.%7[a-z0-9].%7[a-z0-9].%7[a-z0-9].%7[a-z0-9]%n", &k,
             d, a, b, c, &used) != 5)
    return false;
  static const char *const elements[] = {"f16", "bf16", "tf32", NULL}, *const sums[] = {"f16", "f32", NULL};
  const bool wide = strcmp(a, "tf32") == 0;
  if (o->text[used] || !among(a, elements) || strcmp(a, b) != 0 || !among(d, sums) || !among(c, sums) ||
      (k != (wide ? 4 : 8) && k != (wide ? 8 : 16)) ||
      (strcmp(a, "f16") != 0 && (*(d + 1) == '1' || *(c + 1) == '1')))
    return false;
  const bool float_d = strcmp(d, "f32") == 0, float_c = strcmp(c, "f32") == 0;
  const int words_b = k / (wide ? 4 : 8), words[] = {float_d ? 4 : 2, 2 * words_b, words_b, float_c ? 4 : 2};
  piece parts[4][MOST_PARTS];
  for (int i = 0; i < 4; i++)
    if (parts_of(operands[i], parts[i]) != words[i]) return false;
  add_text(&t->out, "{ ::cusim::ptx::u32 cusim_d[%d]; ", words[0]);
  for (int i = 1; i < 4; i++) {
    add_text(&t->out, "const ::cusim::ptx::u32 cusim_%c[] = {", "dabc"[i]);
    for (int n = 0; n < words[i]; n++) {
      add_text(&t->out, "%s::cusim::ptx::as<::cusim::ptx::u32>(", n ? ", " : "");
      ptx_add_operand(t, &t->out, parts[i][n]);
      add_text(&t->out, ")");
    }
    add_text(&t->out, "}; ");
  }
  add_text(&t->out, "::cusim::ptx::mma<%d, ::cusim::ptx::%s, %s, %s>(cusim_d, cusim_a, cusim_b, cusim_c); ",
           k, a, float_c ? "true" : "false", float_d ? "true" : "false");
  put_words(t, parts[0], words[0]);
  add_text(&t->out, "}");
  return true;
}

void ptx_instruction(translation *t, piece code, const char *from, const char *to) {
  piece operands[MOST_PARTS];
  const int count = ptx_split(from, to, operands, MOST_PARTS);
  const opcode o = read_opcode(code);
  static const char *const nothing[] = {"prefetch",
                                        "prefetchu",
                                        "discard",
                                        "applypriority",
                                        "griddepcontrol_wait",
                                        "griddepcontrol_launch_dependents",
                                        NULL};
  if (code.length >= MOST_LENGTH) {
    ptx_fails(t, "the instruction", code);
    return;
  }
  if (strcmp(o.name, "bra") == 0 && count == 1) {
    add_text(&t->out, "goto cusim_label_%d_%.*s;", t->s->sites, (int)operands[0].length, operands[0].from);
    return;
  }
  if (strncmp(o.name, "prefetch", 8) == 0 || among(o.name, nothing)) return;
  if (memory(t, &o, operands, count) || atomic(t, &o, operands, count) || move(t, &o, operands, count) ||
      compare(t, &o, operands, count) || shuffle(t, &o, operands, count) ||
      copy_async(t, &o, operands, count) || load_matrix(t, &o, operands, count) ||
      multiply_matrices(t, &o, operands, count))
    return;
  if ((strcmp(o.name, "bar") == 0 || strcmp(o.name, "barrier") == 0) && count == 1 &&
      ptx_same(operands[0], "0")) {
    add_text(&t->out, "::__syncthreads();");
    return;
  }
  if (strcmp(o.name, "isspacep") == 0 && count == 2) {
    add_text(&t->out, "::cusim::ptx::put(");
    ptx_add_operand(t, &t->out, operands[0]);
    add_text(&t->out, ", ::__is%s(",
             strstr(o.text, ".shared")   ? "Shared"
             : strstr(o.text, ".global") ? "Global"
                                         : "Local");
    add_text(&t->out, "::cusim::ptx::at<void>(");
    ptx_add_operand(t, &t->out, operands[1]);
    add_text(&t->out, ")) != 0);");
    return;
  }
  for (size_t i = 0; i < sizeof written / sizeof *written; i++)
    if (strcmp(o.name, written[i].name) == 0 && count == written[i].operands) {
      add_written(t, written[i].text, &o, operands);
      return;
    }
  for (size_t i = 0; i < sizeof simple / sizeof *simple; i++) {
    if (strcmp(o.name, simple[i].name) != 0 || count != simple[i].sources + 1 ||
        o.type_count != simple[i].types)
      continue;
    const bool convert = strncmp(o.name, "cvt_", 4) == 0 || strcmp(o.name, "cvt") == 0;
    if (o.saturate && !convert && *o.types[0] != 'f') break;
    add_text(&t->out, "::cusim::ptx::put(");
    ptx_add_operand(t, &t->out, operands[0]);
    add_text(&t->out, ", ");
    if (o.saturate && !convert) add_text(&t->out, "::cusim::ptx::saturate<::cusim::ptx::%s>(", o.types[0]);
    add_text(&t->out, "::cusim::ptx::%s<", o.saturate && convert ? "cvt_sat" : simple[i].function);
    for (int k = 0; k < o.type_count; k++) add_text(&t->out, "%s::cusim::ptx::%s", k ? ", " : "", o.types[k]);
    add_text(&t->out, ">(");
    for (int k = 1; k < count; k++) {
      if (k > 1) add_text(&t->out, ", ");
      ptx_add_operand(t, &t->out, operands[k]);
    }
    add_text(&t->out, o.saturate && !convert ? "))); " : ")); ");
    return;
  }
  ptx_fails(t, "the instruction", code);
}
