// SPDX-License-Identifier: MIT
// What an error of ranks must say. Included behind cmocka.h.
#ifndef HEDDLE_TEST_FAULTS_H
#define HEDDLE_TEST_FAULTS_H
#include <heddle/comm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How long ranks may wait for each other in a trial. A rank that stalls is noticed by this limit alone, which
// is therefore short: some times what the trial takes when all goes well, for on a busy machine that is long,
// too. All else is noticed at once, and would be too late by the other.
static inline double deadline_s(bool stalls, double good_s) {
  return stalls ? 0.1 + 3 * good_s : 20;
}

// "in the part {2, 3}: rank 0 …": a part numbers its ranks anew, and says which they are.
static inline bool names_rank(const char *text, int number) {
  char name[16];
  snprintf(name, sizeof name, "rank %d", number);
  const char *members = strstr(text, "in the part {");
  if (!members) return strstr(text, name) != NULL;
  for (const char *at = strchr(members, '{'); at && *at != '}'; at = strpbrk(at + 1, ",}"))
    if (atoi(at + 1) == number) return true;
  return false;
}

// The last error names this rank (-1: any), and an operation with its sequence number: "rank 1 … recv #3 …".
static inline void assert_error_names(int culprit, const char *what, size_t which, int fault) {
  const char *text = hd_comm_error_text(), *number = strchr(text, '#');
  const bool names_it = culprit < 0 ? strstr(text, "rank ") != NULL : names_rank(text, culprit);
  const bool names_call = strstr(text, "all_") || strstr(text, "reduce") || strstr(text, "send") ||
                          strstr(text, "recv") || strstr(text, "barrier") || strstr(text, "broadcast") ||
                          strstr(text, "split");
  if (!names_it || !names_call || !number || number[1] < '1' || number[1] > '9')
    fail_msg("%s %zu, fault %d: \"%s\"", what, which, fault, text);
}
#endif
