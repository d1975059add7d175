// SPDX-License-Identifier: MIT
// What a basic block holds, from its machine code. -fsanitize-coverage=trace-pc starts every basic block with
// a call of __sanitizer_cov_trace_pc, so the instructions from one such call to the next are one block's.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "observe.h"

#if HD_HAVE_CAPSTONE && defined(__x86_64__)
#include <capstone/capstone.h>

enum { MOST_INSTRUCTIONS = 65536, MOST_BYTES = 15, CALL = 5, CALL_INDIRECT = 6 };

// Where a direct call goes, or the slot an indirect call reads; 0 for anything else.
static uintptr_t call_target(const unsigned char *code) {
  enum { ADDRESS_SIZE_PREFIX = 0x67 };  // linkers turn an indirect call into this prefix and a direct one
  int32_t offset;
  if (code[0] == ADDRESS_SIZE_PREFIX) code++;
  if (code[0] == 0xe8) {
    memcpy(&offset, code + 1, sizeof offset);
    return (uintptr_t)(code + CALL + offset);
  }
  if (code[0] == 0xff && code[1] == 0x15) {
    memcpy(&offset, code + 2, sizeof offset);
    return (uintptr_t)(code + CALL_INDIRECT + offset);
  }
  return 0;
}

// The same, with the slot's contents for an indirect call.
static uintptr_t function_called(const unsigned char *code) {
  uintptr_t target = call_target(code);
  if (code[0] == 0xff && code[1] == 0x15) memcpy(&target, (const void *)target, sizeof target);
  return target;
}

static bool starts(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

static unsigned vector_bytes(const char *operands) {
  if (strstr(operands, "zmm")) return 64;
  return strstr(operands, "ymm") ? 32 : 16;
}

static void classify(const char *mnemonic, const char *operands, sim_block_work *work) {
  const char *name = mnemonic[0] == 'v' ? mnemonic + 1 : mnemonic;
  size_t length = strlen(name);
  if (length < 4) return;
  const char *suffix = name + length - 2;  // ss, sd: one lane; ps, pd: packed
  if ((suffix[0] != 's' && suffix[0] != 'p') || (suffix[1] != 's' && suffix[1] != 'd')) return;
  bool is_double = suffix[1] == 'd';
  unsigned lanes = suffix[0] == 's' ? 1 : vector_bytes(operands) / (is_double ? 8 : 4);
  unsigned *add = is_double ? &work->dp_add : &work->sp_add, *mul = is_double ? &work->dp_mul : &work->sp_mul,
           *fma = is_double ? &work->dp_fma : &work->sp_fma, *count;
  if (starts(name, "fmadd") || starts(name, "fmsub") || starts(name, "fnmadd") || starts(name, "fnmsub"))
    count = fma;
  else if (starts(name, "add") || starts(name, "sub") || starts(name, "hadd") || starts(name, "hsub"))
    count = add;
  else if (starts(name, "mul"))
    count = mul;
  else if (starts(name, "div") || starts(name, "sqrt") || starts(name, "rsqrt") || starts(name, "rcp"))
    count = &work->special;
  else
    return;
  *count += lanes;
  // On the GPU each lane of a packed instruction is an instruction of its own.
  if (count != &work->special) *(is_double ? &work->fp_dp : &work->fp_sp) += lanes;
}

static bool among(const char *name, const char *const *names, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (strcmp(name, names[i]) == 0) return true;
  }
  return false;
}

static bool clears_register(const char *name, const char *operands) {
  const char *comma = strchr(operands, ',');
  return strcmp(name, "xor") == 0 && comma && strncmp(operands, comma + 2, (size_t)(comma - operands)) == 0;
}

// Integer arithmetic, addresses, comparisons, branches: an instruction of a GPU each. Moves are none: a GPU's
// operands are registers.
static void classify_integer(const char *name, const char *operands, sim_block_work *work) {
  static const char *const logic[] = {"imul", "mul",  "div",    "idiv",  "and",   "or",   "xor",  "not",
                                      "neg",  "andn", "popcnt", "lzcnt", "tzcnt", "mulx", "bswap"};
  static const char *const others[] = {"add",  "sub", "lea", "inc",  "dec",   "cmp",
                                       "test", "adc", "sbb", "cdqe", "movsxd"};
  bool shift = (starts(name, "sh") || starts(name, "sa") || starts(name, "ro")) && strlen(name) <= 4;
  if ((shift || among(name, logic, sizeof logic / sizeof *logic)) && !clears_register(name, operands)) {
    work->logic++;
    work->integer++;
  } else if (starts(name, "j") || starts(name, "set") || starts(name, "cmov") ||
             among(name, others, sizeof others / sizeof *others)) {
    work->integer++;
  }
}

static atomic_bool incomplete;
// One for the process: a block is decoded once, and threads come and go (those of a cooperative grid, say).
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static csh handle;
static bool handle_open;

static void open_handle(void) {
  handle_open = cs_open(CS_ARCH_X86, CS_MODE_64, &handle) == CS_ERR_OK;
}

bool sim_decode_available(void) {
  pthread_once(&once, open_handle);
  return handle_open;
}

bool sim_decode_incomplete(void) {
  return atomic_load(&incomplete);
}

// Once: FLOPs behind this instruction are not counted, so all sums are lower bounds.
static void report_unknown(const unsigned char *code) {
  enum { SHOWN = 8 };
  if (atomic_exchange(&incomplete, true)) return;
  char line[128];
  sim_line_name((uintptr_t)code + 1, line, sizeof line);
  fprintf(stderr, "cusim: %s: capstone does not know the instruction", line);
  for (int i = 0; i < SHOWN; i++) fprintf(stderr, " %02x", code[i]);
  fputs("...: FLOPs and instructions are at least what is reported\n", stderr);
}

// Locked.
static sim_block_work decode(const void *pc) {
  sim_block_work work = {0};
  const unsigned char *code = pc;
  uintptr_t hook = call_target(code - CALL);
  if (!hook) hook = call_target(code - CALL_INDIRECT);
  cs_insn *insn = cs_malloc(handle);
  for (int i = 0; insn && i < MOST_INSTRUCTIONS; i++) {
    if (hook && call_target(code) == hook) break;
    const unsigned char *from = code;
    size_t left = MOST_BYTES;
    uint64_t address = (uint64_t)(uintptr_t)code;
    if (!cs_disasm_iter(handle, &code, &left, &address, insn)) {
      report_unknown(code);
      break;
    }
    if (starts(insn->mnemonic, "ret") || starts(insn->mnemonic, "ud2") || starts(insn->mnemonic, "hlt"))
      break;
    // Late passes of the compiler may continue a block elsewhere. Other jumps fall through to edge code or to
    // the next block's hook.
    int32_t offset;
    if (from[0] == 0xeb) {
      code += (signed char)from[1];
    } else if (from[0] == 0xe9) {
      memcpy(&offset, from + 1, sizeof offset);
      code += offset;
    } else if (starts(insn->mnemonic, "jmp") || starts(insn->mnemonic, "notrack jmp")) {
      break;
    } else if (call_target(from)) {
      sim_called_work(sim_called_name(function_called(from)), &work);
    } else {
      work.instructions++;
      classify_integer(insn->mnemonic, insn->op_str, &work);
      classify(insn->mnemonic, insn->op_str, &work);
    }
  }
  if (insn) cs_free(insn, 1);
  return work;
}

sim_block_work sim_decode_block(const void *pc) {
  if (!sim_decode_available()) return (sim_block_work){0};
  pthread_mutex_lock(&lock);
  const sim_block_work work = decode(pc);
  pthread_mutex_unlock(&lock);
  return work;
}
#else
bool sim_decode_available(void) {
  return false;
}

bool sim_decode_incomplete(void) {
  return false;
}

sim_block_work sim_decode_block(const void *pc) {
  (void)pc;
  return (sim_block_work){0};
}
#endif
