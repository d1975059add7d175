// SPDX-License-Identifier: MIT
// What an error of ranks must say. Included behind cmocka.h.
#ifndef HEDDLE_TEST_FAULTS_H
#define HEDDLE_TEST_FAULTS_H
#include <heddle/comm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// "in the part {2, 3}: rank 0 …": a part numbers its ranks anew, and says which they are.
static inline bool names_rank(const char *text, int number) {
  char name[16];
  snprintf(name, sizeof name, "rank %d", number);
  const char *part = strstr(text, "in the part {");
  if (!part) return strstr(text, name) != NULL;
  for (const char *at = strchr(part, '{'); at && *at != '}'; at = strpbrk(at + 1, ",}"))
    if (atoi(at + 1) == number) return true;
  return false;
}

// The last error names this rank (-1: any), and an operation with its sequence number: "rank 1 … recv #3 …".
static inline void assert_error_names(int culprit, const char *what, size_t which, int fault) {
  const char *text = hd_comm_error_text(), *number = strchr(text, '#');
  const bool named = culprit < 0 ? strstr(text, "rank ") != NULL : names_rank(text, culprit);
  const bool operation = strstr(text, "all_") || strstr(text, "reduce") || strstr(text, "send") ||
                         strstr(text, "recv") || strstr(text, "barrier") || strstr(text, "broadcast") ||
                         strstr(text, "split");
  if (!named || !operation || !number || number[1] < '1' || number[1] > '9')
    fail_msg("%s %zu, fault %d: \"%s\"", what, which, fault, text);
}
#endif
