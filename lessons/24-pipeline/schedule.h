// SPDX-License-Identifier: MIT
// A pipeline schedule is a list of instructions per rank. Schedules know no devices: they can be drawn, timed
// and tested on paper. pipeline.c runs them.
//
// The network is cut into ranks × chunks pieces, in order: piece s is chunk s / ranks of rank s % ranks.
#ifndef HEDDLE_LESSON_24_SCHEDULE_H
#define HEDDLE_LESSON_24_SCHEDULE_H

enum { MOST_STAGES = 64 };

// What one instruction does with one micro-batch on one chunk.
enum kind {
  FORWARD,
  BACKWARD,         // gradients of the piece's input and of its weights
  BACKWARD_INPUT,   // that of the input only: what the rank before waits for
  BACKWARD_WEIGHTS  // that of the weights only: nobody waits for it before the step
};

typedef struct instruction {
  enum kind kind;
  int chunk, micro;
} instruction;

typedef struct schedule {
  int ranks, chunks, micro_batches;
  instruction *list[MOST_STAGES];  // per rank
  int count[MOST_STAGES];
} schedule;

// All of them: ranks ≤ MOST_STAGES, micro-batches in rising order, so gradients are summed in the same order
// by each. To be freed with schedule_free.
schedule schedule_gpipe(int ranks, int micro_batches);        // with one micro-batch: the naive pipeline
schedule schedule_one_f_one_b(int ranks, int micro_batches);  // Narayanan et al. 2019
schedule schedule_interleaved(int ranks, int micro_batches,
                              int chunks);                    // 2021; micro_batches: a multiple of ranks
schedule schedule_zero_bubble(int ranks, int micro_batches);  // after Qi et al. 2023, ZB-H1
schedule schedule_yours(int ranks, int micro_batches);        // the lab's
void schedule_free(schedule *s);

// Seconds (or any unit) of each kind on one piece of the network; hop: of a message from it to another rank.
typedef struct costs {
  double forward, backward_input, backward_weights, hop;
} costs;

// When everything has ended if every instruction starts as soon as its rank and its inputs are ready; -1 if
// some never can: the schedule deadlocks. piece: ranks × chunks costs. start, if not NULL: per rank and
// instruction, start[rank][i].
double schedule_makespan(const schedule *s, const costs *piece, double **start);
// Of all ranks' time, the part in which they wait: 1 - work / (ranks × makespan).
double schedule_idle(const schedule *s, const costs *piece);
// The most micro-batches that a chunk of a rank holds at once: forward done, last backward not.
int schedule_stashes(const schedule *s, int rank, int chunk);
// What the instructions of each piece took on the average in a run: span holds two moments per rank and
// instruction. A hop: from the first forward of the first rank to that of the second, which has nothing else
// to wait for.
void measured_costs(const schedule *s, double **span, costs *piece);
#endif
