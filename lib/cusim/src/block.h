// SPDX-License-Identifier: MIT
// One block on one OS thread: what execute.c, which spreads the blocks, knows of block.c.
#ifndef CUSIM_BLOCK_H
#define CUSIM_BLOCK_H
#include "exec.h"

typedef struct worker worker;

// This OS thread's worker, ready to run blocks of the launch; NULL if there is no memory. The worker (stacks,
// exchange buffers, dynamic shared memory) is kept until the OS thread ends.
worker *sim_worker_enter(const sim_launch *launch, void *packet);
// Nothing runs in this OS thread any more.
void sim_worker_leave(void);
// The dynamic shared memory of the worker's blocks, aligned to 1 KiB.
void *sim_worker_shared(const worker *w);

// The stacks of its threads.
const char *sim_worker_stacks(const worker *w, size_t *bytes);

// Runs the block with this linear index. Anything but SIM_RUN_OK has been reported on stderr; the block's
// threads are then gone without having ended.
enum sim_run_status sim_run_block(worker *w, uint64_t index, sim_body *body, bool traced);

// Did the last block's lanes have to run in step? Only the traced code can do that.
bool sim_worker_in_step(const worker *w);

// Waits until every living block of a cooperative grid has come here; false: they never will, as another one
// failed or the launch was not cooperative. (execute.c)
bool sim_grid_wait(void);

// A grid starts: what the watchdog has said of the one before it counts no more. (watchdog.c)
void sim_watch_grid(void);
// Grows with every thread that ends and every barrier that is passed, by whichever worker. (watchdog.c)
uint64_t sim_watch_progress(void);
#endif
