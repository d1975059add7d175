// SPDX-License-Identifier: MIT
// What the ranks of a schedule tell each other. Like schedule.h it needs no
// devices.
#ifndef HEDDLE_LESSON_24_MESSAGES_H
#define HEDDLE_LESSON_24_MESSAGES_H
#include "schedule.h"

// One message: FORWARD, the activations that enter a chunk of the receiver; BACKWARD, the gradient of what
// left it.
typedef struct message {
  enum kind kind;
  int chunk, micro;  // of the receiver
} message;

// All messages of one peer to one rank in the order in which the peer sends them, which is the order in which
// they must be received.
typedef struct inbox {
  int peer, count;
  message *list;
} inbox;

// The inboxes of a rank, one per peer (none for one rank alone, one for two, else two); returns how many. To
// be freed with inbox_free.
int inboxes_of(const schedule *s, int rank, inbox in[2]);
void inbox_free(inbox *in);

// Whom an instruction's result goes to: the rank, or -1 if nobody gets one.
int receiver_of(const schedule *s, int rank, instruction i);
// Whom an instruction's input comes from; -1: it has all it needs.
int sender_of(const schedule *s, int rank, instruction i);
#endif
