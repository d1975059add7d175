// SPDX-License-Identifier: MIT
// How ranks are started and hear their job. Threads get a pointer. Processes get the name of a folder: it
// holds the job, and each rank leaves there what it found. Both are files of heddle/checkpoint.h, so that a
// half-written one is noticed.
#include <errno.h>
#include <heddle/checkpoint.h>
#include <heddle/clock.h>
#include <heddle/error.h>
#include <heddle/launch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"

enum { MOST_OUTPUT = 8192 };
static const double MOST_S = 120;  // of a job under mpirun

static size_t parameters_of(const job *j) {
  return hd_mlp_count(j->width, LAYERS);
}

// ---------------------------------------------------------------- the folder of a job

typedef struct post {
  char folder[PATH];
} post;

static void path_in(const post *p, const char *what, int rank, char *to) {
  snprintf(to, 2 * PATH, rank < 0 ? "%s/%s" : "%s/%s.%d", p->folder, what, rank);
}

static bool post_open(post *p, const job *j, char *why, size_t size) {
  const char *where = getenv("TMPDIR");
  char path[2 * PATH];
  snprintf(p->folder, sizeof p->folder, "%s/heddle-job-XXXXXX", where && where[0] ? where : "/tmp");
  if (!mkdtemp(p->folder)) {
    snprintf(why, size, "cannot make a folder for the job, %s: %s; set TMPDIR", p->folder, strerror(errno));
    return false;
  }
  path_in(p, "job", -1, path);
  return hd_checkpoint_write(path, &(hd_part){"job", (void *)j, sizeof *j}, 1, why, size);
}

static bool job_read(const char *folder, job *j, char *why, size_t size) {
  post p;
  char path[2 * PATH];
  snprintf(p.folder, sizeof p.folder, "%s", folder);
  path_in(&p, "job", -1, path);
  return hd_checkpoint_read(path, &(hd_part){"job", j, sizeof *j}, 1, why, size);
}

static void post_close(const post *p, int world) {
  char path[2 * PATH];
  for (int r = 0; r < world; r++) {
    path_in(p, "result", r, path);
    unlink(path);
  }
  path_in(p, "job", -1, path);
  unlink(path);
  rmdir(p->folder);
}

// What a rank found: the outcome, and its parameters.
static void parts_of(outcome *o, float *parameters, size_t count, hd_part parts[2]) {
  parts[0] = (hd_part){"outcome", o, sizeof *o};
  parts[1] = (hd_part){"parameters", parameters, count * sizeof *parameters};
}

// The first rank's parameters, and those of another: one that differs from it, or else the last.
static bool collect(const post *p, const job *j, result *r) {
  const size_t n = parameters_of(j);
  char path[2 * PATH];
  hd_part parts[2];
  for (int rank = j->world - 1; rank >= 0; rank--) {
    float *room = rank == 0 ? r->first : hd_alloc(n, sizeof *room);
    parts_of(&r->ranks[rank], room, n, parts);
    path_in(p, "result", rank, path);
    const bool good = hd_checkpoint_read(path, parts, 2, r->error, sizeof r->error);
    if (good && rank == j->world - 1) memcpy(r->other, room, n * sizeof *room);
    if (rank) free(room);
    if (!good) return false;
  }
  for (int rank = 1; rank < j->world; rank++) {
    if (r->ranks[rank].parameters == r->ranks[0].parameters) continue;
    r->apart++;
    parts_of(&r->ranks[rank], r->other, n, parts);
    path_in(p, "result", rank, path);
    if (!hd_checkpoint_read(path, parts, 2, r->error, sizeof r->error)) return false;
  }
  return true;
}

// ---------------------------------------------------------------- starting ranks

static int by_threads(const job *j, result *r) {
  const size_t n = parameters_of(j);
  hd_dataset images = {0}, unused = {0};
  const bool mapped = open_images(j->images, &images);
  if (!mapped && !hd_dataset_load(j->data[0] ? j->data : NULL, &images, &unused, r->error, sizeof r->error))
    return -1;
  float *parameters[HD_MOST_RANKS];
  for (int rank = 0; rank < j->world; rank++) parameters[rank] = hd_alloc(n, sizeof(float));
  session s = {.job = j, .images = &images, .outcomes = r->ranks, .parameters = parameters};
  const enum hd_backend backend = j->way == BY_NCCL       ? HD_COMM_NCCL
                                  : j->way >= BY_GPU_RING ? HD_COMM_CUDA
                                                          : HD_COMM_THREADS;
  const int failed = hd_comm_run(j->world, backend, HD_ORDER_RANK, 1, j->deadline_s, train_rank, &s);
  memcpy(r->first, parameters[0], n * sizeof(float));
  memcpy(r->other, parameters[j->world - 1], n * sizeof(float));
  for (int rank = 1; rank < j->world && !failed; rank++)
    if (memcmp(parameters[rank], parameters[0], n * sizeof(float)) != 0) {
      r->apart++;
      memcpy(r->other, parameters[rank], n * sizeof(float));
    }
  for (int rank = 0; rank < j->world; rank++) free(parameters[rank]);
  if (mapped)
    close_images(&images);
  else
    hd_dataset_free(&images), hd_dataset_free(&unused);
  if (failed) snprintf(r->error, sizeof r->error, "%s", hd_comm_error_text());
  return failed ? -1 : 0;
}

// What of the output of mpirun tells most: what a rank said of itself, and what became of another.
static void find_reason(const char *output, int status, result *r) {
  const char *said = strstr(output, "heddle: "), *noticed = strstr(output, "mpirun noticed");
  if (said) said += strlen("heddle: ");
  if (!said && !noticed)
    snprintf(r->error, sizeof r->error, "mpirun ended with status %d: %.400s", status, output);
  else
    snprintf(r->error, sizeof r->error, "%.*s%s%.*s", said ? (int)strcspn(said, "\n") : 0, said ? said : "",
             said && noticed ? "; " : "", noticed ? (int)strcspn(noticed, "\n") : 0, noticed ? noticed : "");
}

// HEDDLE_MPIRUN: another launcher with its options, for a cluster ("srun --mpi=pmix", "mpirun --hostfile
// FILE"). Its machines must see TMPDIR and this program under the same names.
static int launch(int world, const char *program, const char *folder, double most_s, char *output) {
  char ranks[16];
  const char *launcher = getenv("HEDDLE_MPIRUN");
  snprintf(ranks, sizeof ranks, "%d", world);
  // OpenMPI asks before it starts more ranks than cores, or as root.
  const char *const command[] = {"/bin/sh",
                                 "-c",
                                 "exec $0 -n \"$1\" \"$2\" --job \"$3\"",
                                 launcher && launcher[0] ? launcher : "mpirun --oversubscribe",
                                 ranks,
                                 program,
                                 folder,
                                 NULL};
  setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
  setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
  return hd_run_program(command, most_s, output, MOST_OUTPUT);
}

static int start_by_mpi(const job *j, const char *folder, result *r) {
  char program[PATH] = "", *output = hd_alloc(MOST_OUTPUT, 1);
  if (readlink("/proc/self/exe", program, sizeof program - 1) < 0) program[0] = '\0';
  const int status = launch(j->world, program, folder, MOST_S, output);
  if (status) find_reason(output, status, r);
  free(output);
  return status;
}

bool mpi_starts(void) {
  static int starts = -1;
  if (starts < 0) {
    const double most_s = 20;
    char *output = hd_alloc(MOST_OUTPUT, 1);
    starts = HD_HAVE_MPI && launch(2, "true", "", most_s, output) == 0;
    free(output);
  }
  return starts;
}

static int by_processes(const job *j, result *r) {
  post p;
  if (!post_open(&p, j, r->error, sizeof r->error)) return -1;
  int failed = 0;
  if (j->way == BY_MPI) {
    failed = start_by_mpi(j, p.folder, r);
  } else {
    const char *const arguments[] = {"--job", p.folder, NULL};
    failed = hd_launch(j->world, 1, j->deadline_s, arguments);
    if (failed) snprintf(r->error, sizeof r->error, "%s", hd_comm_error_text());
  }
  if (!failed && !collect(&p, j, r)) failed = 1;
  post_close(&p, j->world);
  return failed ? -1 : 0;
}

int run_job(const job *j, result *r) {
  r->apart = 0;
  r->error[0] = '\0';
  const double start = hd_wall();
  const bool processes = j->way == BY_PROCESSES || j->way == BY_MPI || j->way == BY_NCCL_PROCESSES;
  if (processes ? by_processes(j, r) : by_threads(j, r)) return -1;
  double joined = 0, ready = 0;
  for (int rank = 0; rank < j->world; rank++) {
    if (r->ranks[rank].joined > joined) joined = r->ranks[rank].joined;
    if (r->ranks[rank].ready > ready) ready = r->ranks[rank].ready;
  }
  r->start_s = joined - start;
  r->load_s = ready - joined;
  return 0;
}

// ---------------------------------------------------------------- being a rank

typedef struct mine {
  job job;
  post post;
  outcome outcome;
  float *parameters;
} mine;

static void body(hd_comm *comm, void *arg) {
  mine *m = arg;
  session s = {.job = &m->job, .outcomes = &m->outcome, .parameters = &m->parameters, .alone = true};
  train_rank(comm, &s);
  if (hd_comm_failed(comm)) return;
  char path[2 * PATH], why[2 * PATH];
  hd_part parts[2];
  parts_of(&m->outcome, m->parameters, parameters_of(&m->job), parts);
  path_in(&m->post, "result", hd_comm_rank(comm), path);
  if (!hd_checkpoint_write(path, parts, 2, why, sizeof why)) hd_comm_abort(comm, why);
}

int run_as_rank(const char *folder) {
  mine m;
  char why[2 * PATH];
  memset(&m, 0, sizeof m);
  snprintf(m.post.folder, sizeof m.post.folder, "%s", folder);
  if (!job_read(folder, &m.job, why, sizeof why)) hd_fail(HD_EXIT_USAGE, "--job %s: %s", folder, why);
  m.parameters = hd_alloc(parameters_of(&m.job), sizeof *m.parameters);
  int status = HD_EXIT_USAGE;
  if (hd_launched()) status = hd_launched_run(body, &m);
#if HD_HAVE_MPI
  else if (hd_mpi_started())
    status = hd_mpi_run(1, m.job.deadline_s, body, &m);
#endif
  else
    hd_fail(HD_EXIT_USAGE, "--job %s: is for the ranks that a program starts", folder);
  free(m.parameters);
  return status;
}
