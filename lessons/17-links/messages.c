// SPDX-License-Identifier: MIT
// Idea: two CPU ranks share memory, so a message is: the receiver says where it wants the data, the sender
// copies them there. α is two visits to the other core's cache, B the speed of one core's copy.
#include <heddle/clock.h>
#include <heddle/comm.h>
#include <heddle/error.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "links.h"

static void turn_over(unsigned char *x, size_t bytes) {
  for (size_t i = 0; i < bytes; i++) x[i] = (unsigned char)~x[i];
}

// Whole words where there are any: messages have types.
static int pass(hd_comm *c, void *x, size_t words, int peer, int sends) {
  return sends ? hd_send(c, x, words, HD_I32, peer) : hd_recv(c, x, words, HD_I32, peer);
}

static void body(hd_comm *c, void *arg) {
  trip *t = arg;
  const int rank = hd_comm_rank(c), peer = 1 - rank;
  const size_t words = (t->bytes + 3) / 4;
  unsigned char *x = hd_alloc(words, 4);
  memset(x, 0, words * 4);
  if (rank == 0) memcpy(x, t->data, t->bytes);
  int bad = pass(c, x, words, peer, rank == 0);
  if (rank == 1) turn_over(x, t->bytes);
  bad |= pass(c, x, words, peer, rank == 1);
  if (rank == 0) memcpy(t->returned, x, t->bytes);
  const double start = hd_wall();
  for (int i = 0; i < t->timed && !bad; i++)
    bad = pass(c, x, words, peer, rank == 0) || pass(c, x, words, peer, rank == 1);
  if (rank == 0 && t->timed) t->seconds = (hd_wall() - start) / (2 * t->timed);
  free(x);
}

void trip_messages(trip *t) {
  if (hd_comm_run(2, HD_COMM_THREADS, HD_ORDER_RANK, 1, 0, body, t))
    hd_fail(HD_EXIT_FAILURE, "%s", hd_comm_error_text());
}
