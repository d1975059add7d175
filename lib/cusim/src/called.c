// SPDX-License-Identifier: MIT
// What a call in traced code goes to: the functions of the CPU's math library stand for instructions that
// nvcc would put in place.
#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "observe.h"

#if defined(__x86_64__) && defined(__linux__)
extern ElfW(Dyn) _DYNAMIC[] __attribute__((weak));

static int first_object(struct dl_phdr_info *info, size_t bytes, void *base) {
  (void)bytes;
  *(uintptr_t *)base = info->dlpi_addr;
  return 1;
}

// Whether the loader has already added the base to the dynamic section's addresses differs from one to the
// other.
static uintptr_t placed(uintptr_t base, uintptr_t address) {
  return address < base ? base + address : address;
}

static const char *name_of_slot(uintptr_t slot) {
  uintptr_t base = 0, table[2] = {0}, symbols = 0, strings = 0;
  size_t bytes[2] = {0};
  if (!_DYNAMIC) return NULL;
  dl_iterate_phdr(first_object, &base);
  for (const ElfW(Dyn) *d = _DYNAMIC; d->d_tag != DT_NULL; d++) {
    if (d->d_tag == DT_JMPREL) table[0] = placed(base, d->d_un.d_ptr);
    if (d->d_tag == DT_PLTRELSZ) bytes[0] = d->d_un.d_val;
    if (d->d_tag == DT_RELA) table[1] = placed(base, d->d_un.d_ptr);
    if (d->d_tag == DT_RELASZ) bytes[1] = d->d_un.d_val;
    if (d->d_tag == DT_SYMTAB) symbols = placed(base, d->d_un.d_ptr);
    if (d->d_tag == DT_STRTAB) strings = placed(base, d->d_un.d_ptr);
  }
  if (!symbols || !strings) return NULL;
  for (int i = 0; i < 2; i++) {
    const ElfW(Rela) *r = (const ElfW(Rela) *)table[i];
    for (size_t n = r ? bytes[i] / sizeof *r : 0; n > 0; n--, r++) {
      if (base + r->r_offset != slot) continue;
      const ElfW(Sym) *symbol = (const ElfW(Sym) *)symbols + ELF64_R_SYM(r->r_info);
      return (const char *)strings + symbol->st_name;
    }
  }
  return NULL;
}

const char *sim_called_name(uintptr_t target) {
  static const unsigned char branch_target[] = {0xf3, 0x0f, 0x1e, 0xfa}, jump[] = {0xff, 0x25};
  const unsigned char *code = (const unsigned char *)target;
  if (memcmp(code, branch_target, sizeof branch_target) == 0) code += sizeof branch_target;
  if (code[0] == 0xf2) code++;
  if (memcmp(code, jump, sizeof jump) == 0) {
    int32_t offset;
    memcpy(&offset, code + sizeof jump, sizeof offset);
    return name_of_slot((uintptr_t)code + sizeof jump + sizeof offset + (uintptr_t)(intptr_t)offset);
  }
  Dl_info info;
  return dladdr((const void *)target, &info) ? info.dli_sname : NULL;
}
#else
const char *sim_called_name(uintptr_t target) {
  (void)target;
  return NULL;
}
#endif

// One use of a special-function unit and, around it, the arithmetic of CUDA's own versions: some 8
// instructions in single precision, some 24 in double, and twice that for powers.
bool sim_called_work(const char *name, sim_block_work *work) {
  static const char *const functions[] = {
      "exp",  "exp2",   "exp10",  "expm1", "log",    "log2", "log10", "log1p", "sin",  "cos",   "tan",
      "asin", "acos",   "atan",   "atan2", "sinh",   "cosh", "tanh",  "pow",   "cbrt", "hypot", "erf",
      "erfc", "tgamma", "lgamma", "sqrt",  "sincos", "fmod", "asinh", "acosh", "atanh"};
  enum { SINGLE = 8, DOUBLE = 24 };
  size_t length = name ? strlen(name) : 0;
  bool single = length > 1 && name[length - 1] == 'f' && strcmp(name, "erf") != 0;
  for (size_t i = 0; length && i < sizeof functions / sizeof *functions; i++) {
    if (strlen(functions[i]) != length - single || strncmp(functions[i], name, length - single) != 0)
      continue;
    unsigned twice = strncmp(name, "pow", 3) == 0 ? 2 : 1;
    work->special++;
    *(single ? &work->fp_sp : &work->fp_dp) += twice * (single ? SINGLE : DOUBLE);
    return true;
  }
  return false;
}
