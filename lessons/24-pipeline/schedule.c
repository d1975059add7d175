// SPDX-License-Identifier: MIT
#include "schedule.h"

#include <heddle/error.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static schedule empty(int ranks, int micro_batches, int chunks) {
  if (ranks < 1 || ranks > MOST_STAGES || micro_batches < 1 || chunks < 1)
    hd_fail(HD_EXIT_USAGE, "a pipeline of %d ranks, %d micro-batches, %d chunks: 1 to %d ranks are possible",
            ranks, micro_batches, chunks, MOST_STAGES);
  schedule s = {.ranks = ranks, .chunks = chunks, .micro_batches = micro_batches};
  for (int r = 0; r < ranks; r++)
    s.list[r] = hd_alloc((size_t)3 * (size_t)micro_batches * (size_t)chunks, sizeof(instruction));
  return s;
}

void schedule_free(schedule *s) {
  for (int r = 0; r < s->ranks; r++) free(s->list[r]);
}

static void add(schedule *s, int rank, enum kind kind, int chunk, int micro) {
  s->list[rank][s->count[rank]++] = (instruction){kind, chunk, micro};
}

static int smaller(int a, int b) {
  return a < b ? a : b;
}

// All forward, then all backward: simple, and every rank keeps all micro-batches.
schedule schedule_gpipe(int ranks, int micro_batches) {
  schedule s = empty(ranks, micro_batches, 1);
  for (int r = 0; r < ranks; r++) {
    for (int m = 0; m < micro_batches; m++) add(&s, r, FORWARD, 0, m);
    for (int m = 0; m < micro_batches; m++) add(&s, r, BACKWARD, 0, m);
  }
  return s;
}

// As soon as a micro-batch has come back, go on with it: rank r never keeps more than ranks - r. Same bubble.
schedule schedule_one_f_one_b(int ranks, int micro_batches) {
  schedule s = empty(ranks, micro_batches, 1);
  for (int r = 0; r < ranks; r++) {
    const int ahead = smaller(ranks - 1 - r, micro_batches);
    for (int m = 0; m < ahead; m++) add(&s, r, FORWARD, 0, m);
    for (int m = 0; m < micro_batches; m++) {
      if (ahead + m < micro_batches) add(&s, r, FORWARD, 0, ahead + m);
      add(&s, r, BACKWARD, 0, m);
    }
  }
  return s;
}

// The n-th piece of work of an interleaved rank: micro-batches in groups of `ranks`, each through all chunks.
static instruction nth(const schedule *s, enum kind kind, int n) {
  const int round = s->ranks * s->chunks, chunk = n % round / s->ranks;
  return (instruction){kind, kind == FORWARD ? chunk : s->chunks - 1 - chunk,
                       n / round * s->ranks + n % s->ranks};
}

// Each rank holds several thinner pieces, so a micro-batch comes by more often and the pipeline fills sooner:
// the bubble is divided by the number of chunks, the messages are multiplied.
schedule schedule_interleaved(int ranks, int micro_batches, int chunks) {
  if (micro_batches % ranks)
    hd_fail(HD_EXIT_USAGE, "interleaved: %d micro-batches are no multiple of %d ranks", micro_batches, ranks);
  schedule s = empty(ranks, micro_batches, chunks);
  const int total = micro_batches * chunks;
  for (int r = 0; r < ranks; r++) {
    const int ahead = smaller((ranks - 1 - r) * 2 + (chunks - 1) * ranks, total);
    for (int n = 0; n < ahead; n++) s.list[r][s.count[r]++] = nth(&s, FORWARD, n);
    for (int n = 0; n < total; n++) {
      if (ahead + n < total) s.list[r][s.count[r]++] = nth(&s, FORWARD, ahead + n);
      s.list[r][s.count[r]++] = nth(&s, BACKWARD, n);
    }
  }
  return s;
}

// Backward is two products: one that the rank before waits for, one that nobody waits for. Rank r puts the
// latter off by r micro-batches, so that in the end it has r of them to fill what would be bubble. Every rank
// keeps up to `ranks` micro-batches, as many as the first one does in 1F1B.
schedule schedule_zero_bubble(int ranks, int micro_batches) {
  schedule s = empty(ranks, micro_batches, 1);
  for (int r = 0; r < ranks; r++) {
    const int ahead = smaller(ranks - 1 - r, micro_batches);
    int done = 0;
    for (int m = 0; m < ahead; m++) add(&s, r, FORWARD, 0, m);
    for (int m = 0; m < micro_batches; m++) {
      if (ahead + m < micro_batches) add(&s, r, FORWARD, 0, ahead + m);
      add(&s, r, BACKWARD_INPUT, 0, m);
      if (m >= r) add(&s, r, BACKWARD_WEIGHTS, 0, done++);
    }
    while (done < micro_batches) add(&s, r, BACKWARD_WEIGHTS, 0, done++);
  }
  return s;
}

// ---------------------------------------------------------------- on paper

static double cost_of(enum kind kind, const costs *c) {
  return kind == FORWARD          ? c->forward
         : kind == BACKWARD       ? c->backward_input + c->backward_weights
         : kind == BACKWARD_INPUT ? c->backward_input
                                  : c->backward_weights;
}

// When piece `piece` has done a micro-batch's forward (0) or gradient of the input (1); negative: not yet.
typedef struct moments {
  double *end[2];
  int pieces, micro_batches;
} moments;

static double *moment(const moments *t, int way, int piece, int micro) {
  return &t->end[way][piece * t->micro_batches + micro];
}

// When the inputs of an instruction are there: -1 if some are not yet.
static double ready_at(const schedule *s, const moments *t, int rank, instruction i, const costs *c) {
  const int piece = i.chunk * s->ranks + rank;
  if (i.kind == FORWARD) {
    if (piece == 0) return 0;
    const double before = *moment(t, 0, piece - 1, i.micro);
    return before < 0 ? -1 : before + c[piece - 1].hop;
  }
  if (i.kind == BACKWARD_WEIGHTS) return *moment(t, 1, piece, i.micro);
  const double own = *moment(t, 0, piece, i.micro);
  if (piece == t->pieces - 1 || own < 0) return own;
  const double after = *moment(t, 1, piece + 1, i.micro), here = after + c[piece + 1].hop;
  return after < 0 ? -1 : here > own ? here : own;
}

double schedule_makespan(const schedule *s, const costs *c, double **start) {
  moments t = {.pieces = s->ranks * s->chunks, .micro_batches = s->micro_batches};
  const int places = t.pieces * t.micro_batches;
  int at[MOST_STAGES] = {0}, left = 0;
  double free_at[MOST_STAGES] = {0}, end = 0;
  for (int way = 0; way < 2; way++) {
    t.end[way] = hd_alloc((size_t)places, sizeof(double));
    for (int i = 0; i < places; i++) t.end[way][i] = -1;
  }
  for (int r = 0; r < s->ranks; r++) left += s->count[r];
  for (bool moved = true; moved && left > 0;) {
    moved = false;
    for (int r = 0; r < s->ranks; r++) {
      while (at[r] < s->count[r]) {
        const instruction i = s->list[r][at[r]];
        const double ready = ready_at(s, &t, r, i, c);
        if (ready < 0) break;
        const double begin = ready > free_at[r] ? ready : free_at[r];
        if (start) start[r][at[r]] = begin;
        const int piece = i.chunk * s->ranks + r;
        free_at[r] = begin + cost_of(i.kind, &c[piece]);
        // Weights are not waited for, and a whole backward hands its input's gradient on when all is done.
        if (i.kind != BACKWARD_WEIGHTS) *moment(&t, i.kind != FORWARD, piece, i.micro) = free_at[r];
        if (free_at[r] > end) end = free_at[r];
        at[r]++;
        left--;
        moved = true;
      }
    }
  }
  for (int way = 0; way < 2; way++) free(t.end[way]);
  return left ? -1 : end;
}

double schedule_idle(const schedule *s, const costs *c) {
  double work = 0;
  for (int r = 0; r < s->ranks; r++)
    for (int i = 0; i < s->count[r]; i++)
      work += cost_of(s->list[r][i].kind, &c[s->list[r][i].chunk * s->ranks + r]);
  return 1 - work / (s->ranks * schedule_makespan(s, c, NULL));
}

int schedule_stashes(const schedule *s, int rank, int chunk) {
  int held = 0, most = 0;
  bool split = false;
  for (int i = 0; i < s->count[rank]; i++) split |= s->list[rank][i].kind == BACKWARD_WEIGHTS;
  for (int i = 0; i < s->count[rank]; i++) {
    const instruction *n = &s->list[rank][i];
    if (n->chunk != chunk) continue;
    held += n->kind == FORWARD;
    held -= n->kind == (split ? BACKWARD_WEIGHTS : BACKWARD);
    if (held > most) most = held;
  }
  return most;
}

void measured_costs(const schedule *s, double **span, costs *piece) {
  const double hop = s->ranks > 1 ? span[1][0] - span[0][1] : 0;
  for (int p = 0; p < s->ranks * s->chunks; p++) piece[p] = (costs){.hop = hop};
  for (int r = 0; r < s->ranks; r++)
    for (int k = 0; k < s->count[r]; k++) {
      const instruction i = s->list[r][k];
      costs *c = &piece[i.chunk * s->ranks + r];
      const double each = (span[r][2 * k + 1] - span[r][2 * k]) / s->micro_batches;
      *(i.kind == FORWARD            ? &c->forward
        : i.kind == BACKWARD_WEIGHTS ? &c->backward_weights
                                     : &c->backward_input) += each;
    }
}
