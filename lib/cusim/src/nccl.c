// SPDX-License-Identifier: MIT
// NCCL's communicators: calls of the ranks meet here, in the order in which each rank makes them. The last
// one to come does the work of all. Who waits in vain is told which rank is missing.
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nccl_call.h"

struct nccl_clique {
  unsigned long long id;
  int ranks, joined, members;
  bool aborted, broken;
  int *device;          // of each rank that has joined, else -1
  nccl_call **waiting;  // of each rank, the first call that waits
  nccl_clique *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static nccl_clique *cliques;
static unsigned long long last_id;
static _Thread_local int group_depth;
static _Thread_local nccl_call *group_first, *group_last;
static _Thread_local char last_error[512];

static ncclResult_t refused(ncclResult_t result, const char *text) {
  snprintf(last_error, sizeof last_error, "%s", text);
  fprintf(stderr, "cusim: NCCL: %s\n", text);
  return result;
}

// The checker is told, too.
static ncclResult_t failed(ncclResult_t result, const char *text) {
  sim_check_host_problem("collective", "%s", text);
  return refused(result, text);
}

// ---------------------------------------------------------------- cliques (all locked)

static nccl_clique *clique_of(unsigned long long id, int ranks) {
  for (nccl_clique *c = cliques; c; c = c->next)
    if (c->id == id) return c;
  nccl_clique *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  c->id = id;
  c->ranks = ranks;
  c->device = malloc(sizeof *c->device * (size_t)ranks);
  c->waiting = calloc((size_t)ranks, sizeof(nccl_call *));
  if (!c->device || !c->waiting) {
    free(c->device);
    free(c->waiting);
    free(c);
    return NULL;
  }
  for (int r = 0; r < ranks; r++) c->device[r] = -1;
  c->next = cliques;
  cliques = c;
  return c;
}

static void leave(nccl_clique *c) {
  if (--c->members > 0) return;
  for (nccl_clique **link = &cliques; *link; link = &(*link)->next)
    if (*link == c) {
      *link = c->next;
      break;
    }
  free(c->device);
  free(c->waiting);
  free(c);
}

static ncclComm_t join(nccl_clique *c, int rank, int device) {
  ncclComm_t comm = calloc(1, sizeof *comm);
  if (!comm) return NULL;
  *comm = (struct ncclComm){.clique = c, .rank = rank, .ranks = c->ranks, .device = device};
  c->device[rank] = device;
  c->joined++;
  c->members++;
  return comm;
}

// ---------------------------------------------------------------- calls that meet (all locked)

static void complete(nccl_call *call, ncclResult_t result, double end) {
  nccl_call **link = &call->comm->clique->waiting[call->comm->rank];
  while (*link && *link != call) link = &(*link)->next;
  if (*link) *link = call->next;
  call->done = true;
  call->result = result;
  call->end = end;
  if (result) call->comm->error = result;
}

static bool point_to_point(const nccl_call *call) {
  return call->kind == NCCL_SEND || call->kind == NCCL_RECEIVE;
}

// The first of a rank's calls that waits for all others.
static nccl_call *collective(const nccl_clique *c, int rank) {
  nccl_call *call = c->waiting[rank];
  while (call && point_to_point(call)) call = call->next;
  return call;
}

static void mismatch(const nccl_call *one, const nccl_call *other) {
  char a[200], b[200], text[sizeof last_error];
  sim_nccl_describe(one, a, sizeof a);
  sim_nccl_describe(other, b, sizeof b);
  snprintf(text, sizeof text, "calls do not match: %s; %s", a, b);
  refused(ncclInvalidUsage, text);
  sim_check_call_problem(&other->made, "collective", "%s", text);
}

static int by_key(const void *a, const void *b) {
  const nccl_call *x = *(nccl_call *const *)a, *y = *(nccl_call *const *)b;
  if (x->peer != y->peer) return x->peer < y->peer ? -1 : 1;
  if (x->key != y->key) return x->key < y->key ? -1 : 1;
  return x->comm->rank < y->comm->rank ? -1 : 1;
}

// Ranks of one color become a new clique, in the order of their keys.
static ncclResult_t split(nccl_call **call, int ranks) {
  nccl_call **sorted = malloc(sizeof *sorted * (size_t)ranks);
  if (!sorted) return ncclSystemError;
  memcpy(sorted, call, sizeof *sorted * (size_t)ranks);
  qsort(sorted, (size_t)ranks, sizeof *sorted, by_key);
  ncclResult_t result = ncclSuccess;
  for (int first = 0, end; first < ranks; first = end) {
    for (end = first; end < ranks && sorted[end]->peer == sorted[first]->peer;) end++;
    nccl_clique *part = sorted[first]->peer < 0 ? NULL : clique_of(++last_id, end - first);
    for (int r = first; r < end; r++) {
      *sorted[r]->part = part ? join(part, r - first, sorted[r]->comm->device) : NULL;
      if (sorted[first]->peer >= 0 && !*sorted[r]->part) result = ncclSystemError;
    }
  }
  free(sorted);
  return result;
}

// A ring through several nodes goes at the pace of the links between them.
static const sim_link *link_of(const nccl_clique *c) {
  const sim_machine *m = sim_machine_get();
  const sim_link *link = m->peer;
  for (int r = 1; r < c->ranks && link == m->peer; r++) link = sim_link_of(m, c->device[0], c->device[r]);
  return link;
}

static void try_collective(nccl_clique *c) {
  nccl_call **call = calloc((size_t)c->ranks, sizeof(nccl_call *));
  if (!call) return;
  ncclResult_t result = ncclSuccess;
  double start = 0;
  bool together = c->ranks > 0;
  for (int r = 0; r < c->ranks && together; r++) {
    call[r] = collective(c, r);
    together = call[r] != NULL;
    if (together && call[r]->ready > start) start = call[r]->ready;
  }
  if (together) {
    for (int r = 1; r < c->ranks && !result; r++) {
      const nccl_call *a = call[0], *b = call[r];
      if (a->kind == b->kind && a->count == b->count && a->type == b->type && a->operation == b->operation &&
          (a->kind == NCCL_SPLIT || a->peer == b->peer))
        continue;
      mismatch(call[0], call[r]);
      result = ncclInvalidUsage;
    }
    double seconds = 0;
    if (!result && call[0]->kind == NCCL_SPLIT) result = split(call, c->ranks);
    if (!result && call[0]->kind > NCCL_SPLIT) {
      result = sim_nccl_work(call, c->ranks);
      seconds = sim_nccl_seconds(call[0], c->ranks, link_of(c));
    }
    for (int r = 0; r < c->ranks; r++) complete(call[r], result, start + seconds);
  }
  free(call);
}

// The first send of one rank to another meets the first receive of that one from the first.
static void try_message(nccl_clique *c, int from, int to) {
  nccl_call *send = c->waiting[from], *receive = c->waiting[to];
  while (send && !(send->kind == NCCL_SEND && send->peer == to)) send = send->next;
  while (receive && !(receive->kind == NCCL_RECEIVE && receive->peer == from)) receive = receive->next;
  if (!send || !receive) return;
  ncclResult_t result = ncclSuccess;
  if (send->count != receive->count || send->type != receive->type) {
    mismatch(send, receive);
    result = ncclInvalidUsage;
  } else {
    sim_nccl_message(send, receive);
  }
  const double start = send->ready > receive->ready ? send->ready : receive->ready;
  const sim_link *link = sim_link_of(sim_machine_get(), c->device[from], c->device[to]);
  const double end = start + sim_nccl_seconds(send, 2, link);
  complete(send, result, end);
  complete(receive, result, end);
}

static void post(nccl_call *call) {
  nccl_clique *c = call->comm->clique;
  nccl_call **link = &c->waiting[call->comm->rank];
  while (*link) link = &(*link)->next;
  call->next = NULL;
  *link = call;
  if (call->kind == NCCL_SEND)
    try_message(c, call->comm->rank, call->peer);
  else if (call->kind == NCCL_RECEIVE)
    try_message(c, call->peer, call->comm->rank);
  else
    try_collective(c);
  pthread_cond_broadcast(&moved);
}

// ---------------------------------------------------------------- waiting

// Seconds of real time after which calls that wait are taken for a deadlock.
static double patience(void) {
  const char *text = getenv("CUSIM_NCCL_TIMEOUT");
  const double seconds = text ? strtod(text, NULL) : 0;
  return seconds > 0 ? seconds : 30;
}

static void report_deadlock(const nccl_clique *c, const nccl_call *mine) {
  enum { MOST = 4096 };
  char all[MOST] = "", text[256];
  size_t used = 0;
  for (int r = 0; r < c->ranks && used < MOST; r++) {
    const nccl_call *call = c->waiting[r];
    if (!call)
      used += (size_t)snprintf(all + used, MOST - used, "\n  rank %d: %s", r,
                               c->device[r] < 0 ? "never joined" : "makes no call");
    for (; call && used < MOST; call = call->next) {
      sim_nccl_describe(call, text, sizeof text);
      used += (size_t)snprintf(all + used, MOST - used, "\n  %s waits", text);
    }
  }
  fprintf(stderr, "cusim: NCCL: deadlock among %d ranks:%s\n", c->ranks, all);
  char *line = all;  // the same in one line
  for (const char *from = all; *from; from++)
    if (*from != '\n')
      *line++ = *from;
    else if (from++ != all)
      *line++ = ';';
  *line = 0;
  sim_check_call_problem(&mine->made, "collective",
                         "deadlock among %d ranks:%s (one thread that calls for several ranks needs "
                         "ncclGroupStart)",
                         c->ranks, all);
}

static ncclResult_t await(nccl_call *call) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  const double seconds = patience();
  until.tv_sec += (time_t)seconds;
  until.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
  if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
  nccl_clique *c = call->comm->clique;
  while (!call->done) {
    if (c->aborted || c->broken) {
      complete(call, ncclRemoteError, call->ready);
    } else if (pthread_cond_timedwait(&moved, &lock, &until) == ETIMEDOUT && !call->done) {
      report_deadlock(c, call);
      snprintf(last_error, sizeof last_error, "deadlock in %s", sim_nccl_names[call->kind]);
      c->broken = true;
      complete(call, ncclInternalError, call->ready);
      pthread_cond_broadcast(&moved);
    }
  }
  return call->result;
}

// The rank's own stream is busy until the call ends for all: its kernel waits for the others on the device.
static void charge(const nccl_call *call) {
  if (call->kind <= NCCL_SPLIT) return;
  int device;
  cudaGetDevice(&device);
  cudaSetDevice(call->comm->device);
  const sim_check_stream checked = sim_stream_checked(call->stream);
  const unsigned op = sim_check_op_begin(&checked, sim_nccl_names[call->kind], false);
  const size_t sent = sim_nccl_sent(call, call->comm->ranks),
               received = sim_nccl_received(call, call->comm->ranks);
  sim_check_range(op, call->send, sent, false);
  if (received && !call->result) {
    sim_check_range(op, call->receive, received, true);
    sim_check_copied(call->receive, NULL, received);
  }
  sim_check_op_end(op);
  enum { CHANNELS = 16 };  // thread blocks that NCCL runs: so many SMs are not free for others
  const int sms = sim_machine_get()->card->sm_count;
  sim_stream_push(call->stream, SIM_COMPUTE, call->end > call->ready ? call->end - call->ready : 0,
                  sms > CHANNELS ? (double)CHANNELS / sms : 1, sim_nccl_names[call->kind]);
  cudaSetDevice(device);
}

// When the rank's stream gets to a call that is made now.
static double ready_at(const nccl_call *call) {
  int device;
  cudaGetDevice(&device);
  cudaSetDevice(call->comm->device);
  const double tail = sim_stream_tail(call->stream), now = sim_host_now() + sim_machine_get()->card->launch_s;
  cudaSetDevice(device);
  return tail > now ? tail : now;
}

// Makes all calls of a group, then waits for each.
static ncclResult_t run(nccl_call *calls) {
  ncclResult_t result = ncclSuccess;
  for (nccl_call *call = calls; call; call = call->in_group)
    if (call->kind > NCCL_SPLIT) call->ready = ready_at(call);  // what was issued before has run
  pthread_mutex_lock(&lock);
  for (nccl_call *call = calls; call; call = call->in_group) post(call);
  for (nccl_call *call = calls; call; call = call->in_group) {
    const ncclResult_t one = await(call);
    if (!result) result = one;
  }
  pthread_mutex_unlock(&lock);
  for (nccl_call *call = calls; call; call = call->in_group) charge(call);
  return result;
}

static ncclResult_t refuse_buffer(ncclComm_t comm, const void *buffer, size_t bytes) {
  sim_allocation found;
  char text[160];
  if (!bytes) return ncclSuccess;
  if (!sim_memory_find(buffer, &found))
    return refused(ncclInvalidArgument, "a buffer is not memory of a device");
  if ((uintptr_t)buffer - found.base + bytes > found.bytes) {
    snprintf(text, sizeof text, "rank %d: a buffer of %zu bytes ends behind its allocation of %zu bytes",
             comm->rank, bytes, found.bytes);
    return refused(ncclInvalidArgument, text);
  }
  if (found.kind == SIM_DEVICE && found.device != comm->device) {
    snprintf(text, sizeof text,
             "rank %d: a buffer is memory of device %d, but the communicator is that of device %d",
             comm->rank, found.device, comm->device);
    return failed(ncclInvalidArgument, text);
  }
  return ncclSuccess;
}

static ncclResult_t submit(const nccl_call *made) {
  if (!made->comm) return failed(ncclInvalidArgument, "the communicator is NULL");
  if (made->kind > NCCL_SPLIT) {
    if (!sim_nccl_bytes(made->type)) return failed(ncclInvalidArgument, "no such data type");
    if ((unsigned)made->operation >= ncclNumOps) return failed(ncclInvalidArgument, "no such reduction");
    if (made->peer < 0 || made->peer >= made->comm->ranks)
      return failed(ncclInvalidArgument, "the root or peer is not a rank of the communicator");
    const size_t sent = sim_nccl_sent(made, made->comm->ranks),
                 received = sim_nccl_received(made, made->comm->ranks);
    sim_check_argument(made->send, sent, sim_nccl_names[made->kind]);
    sim_check_argument(made->receive, received, sim_nccl_names[made->kind]);
    const ncclResult_t bad = refuse_buffer(made->comm, made->send, sent);
    if (bad) return bad;
    const ncclResult_t bad_target = refuse_buffer(made->comm, made->receive, received);
    if (bad_target) return bad_target;
  }
  if (made->comm->error) return made->comm->error;
  if (!group_depth) {
    nccl_call call = *made;
    sim_check_call_made(&call.made);
    call.in_group = NULL;
    return run(&call);
  }
  nccl_call *call = malloc(sizeof *call);
  if (!call) return failed(ncclSystemError, "no memory");
  *call = *made;
  sim_check_call_made(&call->made);
  call->in_group = NULL;
  if (group_first)
    group_last->in_group = call;
  else
    group_first = call;
  group_last = call;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart(void) {
  group_depth++;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd(void) {
  if (!group_depth) return failed(ncclInvalidUsage, "ncclGroupEnd without ncclGroupStart");
  if (--group_depth > 0) return ncclSuccess;
  nccl_call *calls = group_first;
  group_first = NULL;
  const ncclResult_t result = run(calls);
  for (nccl_call *next; calls; calls = next) {
    next = calls->in_group;
    free(calls);
  }
  return result;
}

// ---------------------------------------------------------------- communicators

ncclResult_t ncclGetVersion(int *version) {
  if (!version) return ncclInvalidArgument;
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}

const char *ncclGetErrorString(ncclResult_t result) {
  static const char *const text[ncclNumResults] = {
      "no error",         "unhandled cuda error", "unhandled system error", "internal error",
      "invalid argument", "invalid usage",        "a remote rank failed",   "operation in progress"};
  return (unsigned)result < ncclNumResults ? text[result] : "unknown result code";
}

const char *ncclGetLastError(ncclComm_t comm) {
  (void)comm;
  return last_error;
}

ncclResult_t ncclMemAlloc(void **pointer, size_t bytes) {
  return cudaMalloc(pointer, bytes) ? ncclUnhandledCudaError : ncclSuccess;
}
ncclResult_t ncclMemFree(void *pointer) {
  return cudaFree(pointer) ? ncclUnhandledCudaError : ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  if (!id) return failed(ncclInvalidArgument, "the identifier is NULL");
  memset(id, 0, sizeof *id);
  pthread_mutex_lock(&lock);
  last_id++;
  memcpy(id->internal, &last_id, sizeof last_id);
  pthread_mutex_unlock(&lock);
  return ncclSuccess;
}

static ncclResult_t failed_twins(int rank, int twin, int device) {
  char text[160];
  snprintf(text, sizeof text, "Duplicate GPU detected: rank %d and rank %d both on CUDA device %d", rank,
           twin, device);
  return failed(ncclInvalidUsage, text);
}

static ncclResult_t create(ncclComm_t *comm, int ranks, unsigned long long id, int rank, int device) {
  pthread_mutex_lock(&lock);
  nccl_clique *c = clique_of(id, ranks);
  const bool fits = c && c->ranks == ranks && c->device[rank] < 0;
  int twin = -1;
  for (int r = 0; fits && r < ranks; r++)
    if (c->device[r] == device) twin = r;
  *comm = fits && twin < 0 ? join(c, rank, device) : NULL;
  if (twin >= 0) {
    c->broken = true;
    pthread_cond_broadcast(&moved);
  }
  pthread_mutex_unlock(&lock);
  if (!fits) return failed(ncclInvalidUsage, "a rank that is there already, or another number of ranks");
  if (twin >= 0) return failed_twins(rank, twin, device);
  if (!*comm) return failed(ncclSystemError, "no memory");
  const nccl_call call = {.kind = NCCL_INIT, .comm = *comm};
  return submit(&call);
}

ncclResult_t ncclCommInitRank(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank) {
  unsigned long long number;
  memcpy(&number, id.internal, sizeof number);
  if (!comm || ranks < 1 || rank < 0 || rank >= ranks || number == 0)
    return failed(ncclInvalidArgument, "ncclCommInitRank: no such rank, or no identifier");
  int device;
  cudaGetDevice(&device);
  return create(comm, ranks, number, rank, device);
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int ranks, ncclUniqueId id, int rank,
                                    ncclConfig_t *config) {
  (void)config;
  return ncclCommInitRank(comm, ranks, id, rank);
}

ncclResult_t ncclCommInitAll(ncclComm_t *comms, int ranks, const int *devices) {
  int count;
  ncclUniqueId id;
  unsigned long long number;
  if (!comms || ranks < 1 || cudaGetDeviceCount(&count))
    return failed(ncclInvalidArgument, "ncclCommInitAll");
  for (int r = 0; r < ranks; r++)
    if ((devices ? devices[r] : r) < 0 || (devices ? devices[r] : r) >= count)
      return failed(ncclInvalidArgument, "ncclCommInitAll: no such device");
  for (int r = 0; devices && r < ranks; r++)
    for (int twin = 0; twin < r; twin++)
      if (devices[r] == devices[twin]) return failed_twins(r, twin, devices[r]);
  ncclGetUniqueId(&id);
  memcpy(&number, id.internal, sizeof number);
  ncclGroupStart();
  ncclResult_t result = ncclSuccess;
  for (int r = 0; r < ranks && !result; r++)
    result = create(&comms[r], ranks, number, r, devices ? devices[r] : r);
  const ncclResult_t end = ncclGroupEnd();
  return result ? result : end;
}

ncclResult_t ncclCommSplit(ncclComm_t comm, int color, int key, ncclComm_t *part, ncclConfig_t *config) {
  (void)config;
  if (!part || (color < 0 && color != NCCL_SPLIT_NOCOLOR))
    return failed(ncclInvalidArgument, "ncclCommSplit");
  const nccl_call call = {.kind = NCCL_SPLIT, .comm = comm, .peer = color, .key = key, .part = part};
  return submit(&call);
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  return comm ? ncclSuccess : ncclInvalidArgument;  // every call is complete when it returns
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  if (!comm) return ncclSuccess;
  pthread_mutex_lock(&lock);
  leave(comm->clique);
  pthread_mutex_unlock(&lock);
  free(comm);
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  if (!comm) return ncclSuccess;
  pthread_mutex_lock(&lock);
  comm->clique->aborted = true;
  pthread_cond_broadcast(&moved);
  pthread_mutex_unlock(&lock);
  return ncclCommDestroy(comm);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error) {
  if (!comm || !error) return ncclInvalidArgument;
  pthread_mutex_lock(&lock);
  *error = comm->error ? comm->error : comm->clique->aborted ? ncclRemoteError : ncclSuccess;
  pthread_mutex_unlock(&lock);
  return ncclSuccess;
}

ncclResult_t ncclCommCount(const ncclComm_t comm, int *count) {
  if (!comm || !count) return ncclInvalidArgument;
  *count = comm->ranks;
  return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(const ncclComm_t comm, int *device) {
  if (!comm || !device) return ncclInvalidArgument;
  *device = comm->device;
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t comm, int *rank) {
  if (!comm || !rank) return ncclInvalidArgument;
  *rank = comm->rank;
  return ncclSuccess;
}

// ---------------------------------------------------------------- calls

#define SUBMIT(...)                     \
  const nccl_call call = {__VA_ARGS__}; \
  return submit(&call)
#define COMMON .count = count, .type = type, .comm = comm, .stream = stream

ncclResult_t ncclAllReduce(const void *send, void *receive, size_t count, ncclDataType_t type,
                           ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream) {
  SUBMIT(.kind = NCCL_ALL_REDUCE, .send = send, .receive = receive, .operation = operation, COMMON);
}
ncclResult_t ncclReduce(const void *send, void *receive, size_t count, ncclDataType_t type,
                        ncclRedOp_t operation, int root, ncclComm_t comm, cudaStream_t stream) {
  SUBMIT(.kind = NCCL_REDUCE, .send = send, .receive = receive, .operation = operation, .peer = root, COMMON);
}
ncclResult_t ncclBroadcast(const void *send, void *receive, size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  SUBMIT(.kind = NCCL_BROADCAST, .send = send, .receive = receive, .peer = root, COMMON);
}
ncclResult_t ncclBcast(void *buffer, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                       cudaStream_t stream) {
  return ncclBroadcast(buffer, buffer, count, type, root, comm, stream);
}
ncclResult_t ncclReduceScatter(const void *send, void *receive, size_t count, ncclDataType_t type,
                               ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream) {
  SUBMIT(.kind = NCCL_REDUCE_SCATTER, .send = send, .receive = receive, .operation = operation, COMMON);
}
ncclResult_t ncclAllGather(const void *send, void *receive, size_t count, ncclDataType_t type,
                           ncclComm_t comm, cudaStream_t stream) {
  SUBMIT(.kind = NCCL_ALL_GATHER, .send = send, .receive = receive, COMMON);
}
ncclResult_t ncclAlltoAll(const void *send, void *receive, size_t count, ncclDataType_t type, ncclComm_t comm,
                          cudaStream_t stream) {
  SUBMIT(.kind = NCCL_ALL_TO_ALL, .send = send, .receive = receive, COMMON);
}
ncclResult_t ncclSend(const void *send, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  SUBMIT(.kind = NCCL_SEND, .send = send, .peer = peer, COMMON);
}
ncclResult_t ncclRecv(void *receive, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  SUBMIT(.kind = NCCL_RECEIVE, .receive = receive, .peer = peer, COMMON);
}
