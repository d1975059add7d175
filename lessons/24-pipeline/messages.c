// SPDX-License-Identifier: MIT
#include "messages.h"

#include <heddle/error.h>
#include <stdlib.h>

static int piece_of(const schedule *s, int rank, int chunk) {
  return chunk * s->ranks + rank;
}

int receiver_of(const schedule *s, int rank, instruction i) {
  const int piece = piece_of(s, rank, i.chunk), pieces = s->ranks * s->chunks;
  if (i.kind == BACKWARD_WEIGHTS) return -1;
  if (i.kind == FORWARD) return piece + 1 < pieces ? (piece + 1) % s->ranks : -1;
  return piece > 0 ? (piece - 1) % s->ranks : -1;
}

int sender_of(const schedule *s, int rank, instruction i) {
  const int piece = piece_of(s, rank, i.chunk), pieces = s->ranks * s->chunks;
  if (i.kind == BACKWARD_WEIGHTS) return -1;
  if (i.kind == FORWARD) return piece > 0 ? (piece - 1) % s->ranks : -1;
  return piece + 1 < pieces ? (piece + 1) % s->ranks : -1;
}

static inbox from(const schedule *s, int peer, int rank) {
  inbox in = {.peer = peer, .list = hd_alloc((size_t)s->count[peer], sizeof(message))};
  for (int k = 0; k < s->count[peer]; k++) {
    const instruction i = s->list[peer][k];
    if (receiver_of(s, peer, i) != rank) continue;
    const int piece = piece_of(s, peer, i.chunk) + (i.kind == FORWARD ? 1 : -1);
    in.list[in.count++] = (message){i.kind == FORWARD ? FORWARD : BACKWARD, piece / s->ranks, i.micro};
  }
  return in;
}

int inboxes_of(const schedule *s, int rank, inbox in[2]) {
  const int before = (rank + s->ranks - 1) % s->ranks, after = (rank + 1) % s->ranks;
  if (s->ranks == 1) return 0;
  in[0] = from(s, before, rank);
  if (after == before) return 1;
  in[1] = from(s, after, rank);
  return 2;
}

void inbox_free(inbox *in) {
  free(in->list);
}
