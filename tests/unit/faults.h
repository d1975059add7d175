// SPDX-License-Identifier: MIT
// What an error of ranks must say. Included behind cmocka.h.
#ifndef HEDDLE_TEST_FAULTS_H
#define HEDDLE_TEST_FAULTS_H
#include <heddle/clock.h>
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
// Runs a lesson's trial without a fault, then with each by rank `faulty`: it fails when it has one, at once
// but for a stall, with an error that names rank `culprit` (-1: any; may depend on `fault`). request is
// evaluated anew for each.
#define assert_faults_are_errors(request, run, faulty_rank, culprit, what, which) \
  do {                                                                            \
    double good_s = 0;                                                            \
    for (int fault = NO_FAULT; fault <= OTHER_CALL; fault++) {                    \
      trial faulty_trial = request;                                               \
      faulty_trial.deadline_s = deadline_s(fault == STALLS, good_s);              \
      faulty_trial.fault = (enum fault)fault;                                     \
      faulty_trial.faulty = faulty_rank;                                          \
      const double start = hd_wall();                                             \
      assert_int_equal(run(&faulty_trial), fault == NO_FAULT ? 0 : -1);           \
      const double took = hd_wall() - start;                                      \
      if (fault == NO_FAULT) good_s = took;                                       \
      assert_true(fault == NO_FAULT || fault == STALLS || took < 10);             \
      if (fault != NO_FAULT) assert_error_names(culprit, what, which, fault);     \
    }                                                                             \
  } while (0)
#endif
