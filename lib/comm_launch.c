// SPDX-License-Identifier: MIT
// Ranks as processes: fresh ones, so that nothing of their parent's state is in them. Their shared memory has
// no name, only a descriptor that they inherit: it is gone with the last of them, whatever happens.
//
// The parent watches. It holds a pipe from each rank whose other end closes when the rank ends, in whatever
// way, and then tells the others, who would else wait for the deadline. The kernel kills the ranks when the
// parent ends.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "comm_processes.h"
#include "heddle/error.h"
#include "heddle/launch.h"

enum { HEADER_BYTES = 4096, MOST_ARGUMENTS = 32, NOT_STARTED = 127, DEFAULT_DEADLINE_S = 30 };
static const char VARIABLE[] = "HEDDLE_RANK";  // "descriptor rank"

// At the start of the shared memory, before the group's part.
typedef struct job {
  int world, threads;
  double deadline_s;
} job;

static hd_group *group_of(job *j) {
  hd_group *g = hd_group_new(j->world, NULL, (char *)j + HEADER_BYTES);
  g->order = HD_ORDER_RANK;
  g->deadline_s = j->deadline_s;
  g->spin = j->world > 1 && (long)j->world * j->threads <= sysconf(_SC_NPROCESSORS_ONLN);
  g->backend = &hd_comm_processes_backend;
  return g;
}

// ---------------------------------------------------------------- a child that ends with its parent

// Between fork and exec: only calls that are allowed there.
static void become(char *const *arguments, char *const *environment, const char *program, pid_t parent,
                   int signal) {
  prctl(PR_SET_PDEATHSIG, signal);
  if (getppid() != parent) _exit(NOT_STARTED);  // it ended before it could be asked about
  execve(program, arguments, environment);
  _exit(NOT_STARTED);
}

// A copy of the environment with one more entry in front, which stands for any later one of its name.
static char **environment_with(char *entry) {
  size_t count = 0;
  while (environ[count]) count++;
  char **copy = hd_alloc(count + 2, sizeof *copy);
  copy[0] = entry;
  memcpy(copy + 1, environ, (count + 1) * sizeof *copy);
  return copy;
}

static pid_t wait_for(pid_t child, int *status) {
  pid_t got = 0;
  do got = waitpid(child, status, 0);
  while (got < 0 && errno == EINTR);
  return got;
}

// ---------------------------------------------------------------- the parent

typedef struct child {
  pid_t pid;
  struct pollfd end;  // closes with the process; -1: has been seen
} child;

typedef struct watch {
  hd_group *group;
  child children[HD_MOST_RANKS];
  int started, running, failed;
  char first[160];  // what the first failed rank did
} watch;

// One rank more. Its pipe's writing end and the memory are the only descriptors it keeps of ours.
static bool start(watch *w, int memory, char *const *arguments) {
  int ends[2];
  char entry[64];
  child *ch = &w->children[w->started];
  if (pipe2(ends, O_CLOEXEC)) return false;
  snprintf(entry, sizeof entry, "%s=%d %d", VARIABLE, memory, w->started);
  char **environment = environment_with(entry);
  const pid_t parent = getpid();
  ch->end = (struct pollfd){.fd = ends[0], .events = POLLIN};
  ch->pid = fork();
  if (ch->pid == 0) {
    fcntl(memory, F_SETFD, 0);
    fcntl(ends[1], F_SETFD, 0);
    become(arguments, environment, "/proc/self/exe", parent, SIGKILL);
  }
  free(environment);
  close(ends[1]);
  if (ch->pid < 0) {
    close(ends[0]);
    return false;
  }
  w->started++;
  w->running++;
  return true;
}

static void note(watch *w, int rank, int status) {
  uint32_t *ended = &w->group->ended[rank];
  if (WIFSIGNALED(status))
    __atomic_store_n(ended, HD_KILLED + (uint32_t)WTERMSIG(status), __ATOMIC_SEQ_CST);
  else if (!__atomic_load_n(ended, __ATOMIC_SEQ_CST))
    __atomic_store_n(ended, HD_ENDED, __ATOMIC_SEQ_CST);
  hd_meet_wake_all(w->group);
  if (status == 0) return;
  if (w->failed++) return;
  if (WIFSIGNALED(status))
    snprintf(w->first, sizeof w->first, "rank %d was killed by signal %d, %s", rank, WTERMSIG(status),
             strsignal(WTERMSIG(status)));
  else if (WEXITSTATUS(status) == NOT_STARTED)
    snprintf(w->first, sizeof w->first, "rank %d could not be started", rank);
  else
    snprintf(w->first, sizeof w->first, "rank %d ended with status %d", rank, WEXITSTATUS(status));
}

static void collect(watch *w, int rank) {
  child *ch = &w->children[rank];
  int status = 0;
  wait_for(ch->pid, &status);
  close(ch->end.fd);
  ch->end.fd = -1;
  w->running--;
  note(w, rank, status);
}

static void kill_all(const watch *w) {
  for (int r = 0; r < w->started; r++)
    if (w->children[r].end.fd >= 0) kill(w->children[r].pid, SIGKILL);
}

// Waits for all. Once one has failed the others have their deadline, and a second to end.
static void watch_all(watch *w) {
  double until = 0;
  while (w->running > 0) {
    struct pollfd ends[HD_MOST_RANKS];
    for (int r = 0; r < w->started; r++) ends[r] = w->children[r].end;
    if (w->failed && until == 0) until = hd_meet_now() + w->group->deadline_s + 1;
    const double left = until - hd_meet_now();
    if (until > 0 && left <= 0) kill_all(w);
    const int most_ms = until == 0 || left <= 0 ? -1 : (int)(left * 1e3) + 1;
    if (poll(ends, (nfds_t)w->started, most_ms) <= 0) continue;
    for (int r = 0; r < w->started; r++)
      if (w->children[r].end.fd >= 0 && ends[r].revents) collect(w, r);
  }
}

static int run_children(job *j, int memory, const char *const *arguments) {
  char *own[MOST_ARGUMENTS + 2] = {program_invocation_name};
  for (int i = 0; i < MOST_ARGUMENTS && arguments[i]; i++) own[i + 1] = (char *)arguments[i];
  watch w = {.group = group_of(j)};
  while (w.started < j->world && start(&w, memory, own)) continue;
  if (w.started < j->world) {
    snprintf(w.first, sizeof w.first, "only %d of %d ranks could be started: %s", w.started, j->world,
             strerror(errno));
    w.failed = j->world;
    kill_all(&w);
  }
  watch_all(&w);
  const hd_verdict *v = w.group->verdict;
  hd_comm_set_error("%s", !w.failed ? "" : v->error[0] ? v->error : w.first);
  hd_group_free(w.group);
  return w.failed;
}

int hd_launch(int world, int threads_per_rank, double deadline_s, const char *const *arguments) {
  if (world < 1 || world > HD_MOST_RANKS || threads_per_rank < 1) {
    hd_comm_set_error("%d ranks of %d threads: 1 to %d ranks of at least 1 thread are possible", world,
                      threads_per_rank, HD_MOST_RANKS);
    return world < 1 ? 1 : world;
  }
  const size_t bytes = HEADER_BYTES + hd_shared_bytes(world);
  const int memory = memfd_create("heddle-ranks", MFD_CLOEXEC);
  job *j = MAP_FAILED;
  if (memory >= 0 && ftruncate(memory, (off_t)bytes) == 0)
    j = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  int failed = world;
  if (j == MAP_FAILED) {
    hd_comm_set_error("no shared memory for %d ranks: %s", world, strerror(errno));
  } else {
    *j = (job){world, threads_per_rank, deadline_s > 0 ? deadline_s : DEFAULT_DEADLINE_S};
    failed = run_children(j, memory, arguments);
    munmap(j, bytes);
  }
  if (memory >= 0) close(memory);
  return failed;
}

// ---------------------------------------------------------------- a rank

bool hd_launched(void) {
  return getenv(VARIABLE) != NULL;
}

int hd_launched_run(void (*body)(hd_comm *comm, void *arg), void *arg) {
  const char *text = getenv(VARIABLE);
  char *end = NULL;
  const int memory = text ? (int)strtol(text, &end, 10) : -1;
  const int rank = end ? (int)strtol(end, NULL, 10) : -1;
  struct stat s;
  if (memory < 0 || fstat(memory, &s) || s.st_size < HEADER_BYTES)
    hd_fail(HD_EXIT_USAGE, "%s=%s: no rank of a running job; the program that starts ranks sets it", VARIABLE,
            text ? text : "");
  unsetenv(VARIABLE);  // what this rank starts is none
  fcntl(memory, F_SETFD, FD_CLOEXEC);
  job *j = mmap(NULL, (size_t)s.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (j == MAP_FAILED) hd_fail(HD_EXIT_FAILURE, "rank %d: no shared memory: %s", rank, strerror(errno));
  if (rank < 0 || rank >= j->world || (size_t)s.st_size < HEADER_BYTES + hd_shared_bytes(j->world))
    hd_fail(HD_EXIT_USAGE, "%s=%s: rank %d of %d", VARIABLE, text, rank, j->world);
  hd_comm c = {.group = group_of(j), .rank = rank, .world = j->world, .threads = j->threads, .number = rank};
  hd_group_take_part(&c, body, arg);
  const bool failed = c.failed != 0;
  hd_comm_set_error("%s", failed ? c.group->verdict->error : "");
  hd_group_release(&c);
  hd_group_free(c.group);
  munmap(j, (size_t)s.st_size);
  close(memory);
  return failed;
}

// ---------------------------------------------------------------- another program

// Reads until the pipe closes or the time is over; the end of what came stays in output.
static bool drain(int from, double until, char *output, size_t size) {
  size_t used = 0;
  output[0] = '\0';
  while (true) {
    struct pollfd end = {.fd = from, .events = POLLIN};
    const double left = until - hd_meet_now();
    if (left <= 0) return false;
    if (poll(&end, 1, (int)(left * 1e3) + 1) <= 0) continue;
    if (used + 1 >= size) {
      memmove(output, output + size / 2, used - size / 2);
      used -= size / 2;
    }
    const ssize_t got = read(from, output + used, size - 1 - used);
    if (got == 0) return true;
    if (got > 0) used += (size_t)got;
    output[used] = '\0';
  }
}

int hd_run_program(const char *const *command, double most_s, char *output, size_t size) {
  int ends[2], status = 0;
  if (pipe2(ends, O_CLOEXEC)) return -1;
  const pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    const int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    dup2(ends[1], STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    become((char *const *)command, environ, command[0], parent, SIGTERM);
  }
  close(ends[1]);
  bool ended = pid > 0 && drain(ends[0], hd_meet_now() + most_s, output, size);
  if (pid > 0 && !ended) {
    kill(pid, SIGTERM);
    if (!drain(ends[0], hd_meet_now() + 2, output, size)) kill(pid, SIGKILL);
  }
  close(ends[0]);
  if (pid < 0 || wait_for(pid, &status) != pid || !ended) return -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
