// SPDX-License-Identifier: MIT
// Lesson 29: threads, processes and MPI ranks train the same model as one worker, bit for bit; killed ranks
// are named; a restart ends where an undisturbed run does; damaged checkpoints are refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four headers above before it
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <heddle/clock.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/launch.h>
#include <heddle/random.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faults.h"
#include "lessons/29-cluster/cluster.h"

enum { IMAGES = 240, BATCH = 37, STEPS = 9 };  // more than an epoch's 6 steps; shares are unequal
static const int WIDTH[LAYERS + 1] = {HD_IMAGE_PIXELS, 24, 16, HD_CLASSES};
static const int WORLDS[] = {1, 2, 3, 4, 8};
static char shared[PATH], folder[PATH];
static hd_dataset images;

#define EACH(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static size_t count(void) {
  return hd_mlp_count(WIDTH, LAYERS);
}

static job make_job(enum way way, int world, enum hd_rule rule) {
  job j;
  memset(&j, 0, sizeof j);
  j.way = way;
  j.world = world;
  j.deadline_s = 20;
  memcpy(j.width, WIDTH, sizeof WIDTH);
  j.batch = BATCH;
  j.seed = 11;
  j.rule = rule;
  j.weight_decay = 5e-4f;
  j.l1 = 1e-5f;
  j.augment = true;
  j.steps = STEPS;
  j.every = 2;
  memcpy(j.images, shared, sizeof shared);
  return j;
}

static result *new_result(void) {
  result *r = test_calloc(1, sizeof *r);
  r->first = test_malloc(count() * sizeof *r->first);
  r->other = test_malloc(count() * sizeof *r->other);
  return r;
}

static void free_result(result *r) {
  test_free(r->first);
  test_free(r->other);
  test_free(r);
}

// One worker that takes the ranks' shares one after the other and adds their gradients in rank order.
static void twin(const job *j, float *theta) {
  const size_t n = count();
  hd_ops *o = hd_ops_cpu();
  hd_mlp *net = hd_mlp_new(o, j->width, LAYERS, (long)j->batch, true);
  hd_optimizer *optimizer = hd_optimizer_new(o, j->rule, n);
  optimizer->weight_decay = j->weight_decay;
  optimizer->l1 = j->l1;
  float *sum = test_malloc(n * sizeof *sum);
  hd_mlp_initial(j->width, LAYERS, j->seed, theta);
  hd_mlp_set(net, theta);
  hd_loader *loader = hd_loader_open(&images, j->batch, 0, j->batch, j->augment, j->seed);
  const struct task schedule = {.train = &images, .batch = j->batch, .rule = j->rule};
  for (long step = 0; step < j->steps; step++) {
    const float *x;
    const uint8_t *labels;
    hd_loader_next(loader, &x, &labels);
    for (int r = 0; r < j->world; r++) {
      size_t offset, length;
      hd_shard(j->batch, r, j->world, &offset, &length);
      hd_mlp_gradient(net, x + offset * HD_IMAGE_PIXELS, labels + offset, (long)length, 1, false, NULL, NULL);
      for (size_t i = 0; i < n; i++) sum[i] = r ? sum[i] + net->gradient[i] : net->gradient[i];
    }
    hd_optimizer_step(optimizer, net->theta, sum, learning_rate(&schedule, step), 1 / (float)j->batch);
  }
  hd_mlp_get(net, theta);
  hd_loader_close(loader);
  hd_optimizer_free(optimizer);
  hd_mlp_free(net);
  o->close(o);
  test_free(sum);
}

static void assert_equals_twin(const job *j) {
  result *r = new_result();
  float *theta = test_malloc(count() * sizeof *theta);
  if (run_job(j, r)) fail_msg("way %d, %d ranks: %s", (int)j->way, j->world, r->error);
  twin(j, theta);
  assert_int_equal(r->apart, 0);
  if (memcmp(theta, r->first, count() * sizeof *theta) != 0 ||
      memcmp(theta, r->other, count() * sizeof *theta) != 0)
    fail_msg("way %d, %d ranks, rule %d: not the twin's parameters", (int)j->way, j->world, (int)j->rule);
  test_free(theta);
  free_result(r);
}

static void all_ranks_train_the_twins_model(void **state) {
  (void)state;
  EACH(w, WORLDS) for (enum way way = BY_THREADS; way <= BY_PROCESSES; way++) {
    const job sgd = make_job(way, WORLDS[w], HD_SGD), adam = make_job(way, WORLDS[w], HD_ADAM);
    assert_equals_twin(&sgd);
    assert_equals_twin(&adam);
  }
}

static void ranks_without_rows_join_in(void **state) {
  (void)state;
  job j = make_job(BY_PROCESSES, 4, HD_SGD);
  j.batch = 3;
  assert_equals_twin(&j);
}

static void mpi_ranks_train_the_twins_model(void **state) {
  (void)state;
  if (!mpi_starts()) skip();
  const job two = make_job(BY_MPI, 2, HD_SGD), four = make_job(BY_MPI, 4, HD_ADAM);
  assert_equals_twin(&two);
  assert_equals_twin(&four);
}

// A simulated GPU is in one process, so of NCCL between processes only a world of one can be tried there.
static void nccl_between_processes_joins(void **state) {
  (void)state;
#if HD_HAVE_NCCL
  const job j = make_job(BY_NCCL_PROCESSES, 1, HD_SGD);
  result *r = new_result();
  float *theta = test_malloc(count() * sizeof *theta);
  if (run_job(&j, r)) fail_msg("%s", r->error);
  twin(&j, theta);
  for (size_t i = 0; i < count(); i++) assert_true(fabsf(r->first[i] - theta[i]) < 1e-4f);
  test_free(theta);
  const job two = make_job(BY_NCCL_PROCESSES, 2, HD_SGD);
  if (hd_device_count() == 1) {
    assert_int_equal(run_job(&two, r), -1);
    assert_non_null(strstr(r->error, "a GPU for each rank"));
  }
  free_result(r);
#else
  skip();
#endif
}

static void what_is_measured_is_there(void **state) {
  (void)state;
  for (enum way way = BY_THREADS; way <= BY_PROCESSES; way++) {
    job j = make_job(way, 2, HD_SGD);
    j.timed_steps = 2;
    j.measured = true;
    result *r = new_result();
    if (run_job(&j, r)) fail_msg("%s", r->error);
    assert_true(r->start_s > 0 && r->load_s > 0 && r->start_s < 20 && r->load_s < 20);
    for (int rank = 0; rank < 2; rank++) {
      const outcome *o = &r->ranks[rank];
      assert_true(o->step_s > 0 && o->latency_s > 0 && o->bytes_per_s > 0);
      assert_true(o->messages == 2 && fabs(o->bytes - (double)count() * sizeof(float)) < 128);
    }
    free_result(r);
  }
}

// ---------------------------------------------------------------- killed ranks

static void empty_folder(void) {
  char command[PATH + 32];
  snprintf(command, sizeof command, "rm -f '%s'/*", folder);
  assert_int_equal(system(command), 0);
}

static job job_with_checkpoints(enum way way, int world) {
  job j = make_job(way, world, HD_ADAM);
  memcpy(j.folder, folder, sizeof folder);
  return j;
}

static void assert_fails(const job *j, result *r, const char *what) {
  const double start = hd_wall();
  if (!run_job(j, r)) fail_msg("%s: the job did not fail", what);
  assert_true(hd_wall() - start < 20);
}

// Dies at every boundary of writing a checkpoint, and within a step.
static void a_restart_ends_where_an_undisturbed_run_does(void **state) {
  (void)state;
  const int world = 3;
  const job undisturbed = make_job(BY_PROCESSES, world, HD_ADAM);
  float *theta = test_malloc(count() * sizeof *theta);
  twin(&undisturbed, theta);
  for (int moment = 0; moment < MOMENTS; moment++)
    for (int unlucky = 0; unlucky < world; unlucky += 2) {
      char what[64];
      snprintf(what, sizeof what, "moment %d, rank %d", moment, unlucky);
      result *r = new_result();
      job j = job_with_checkpoints(BY_PROCESSES, world);
      empty_folder();
      j.misfortune = KILLED;
      j.moment = (enum occasion)moment;
      j.unlucky = unlucky;
      j.at_step = moment == IN_STEP ? 5 : 4;
      assert_fails(&j, r, what);
      assert_error_names(unlucky, what, (size_t)moment, KILLED);
      j.resumed = true;
      if (run_job(&j, r)) fail_msg("%s: %s", what, r->error);
      // A checkpoint is there when its manifest is.
      const long begun = r->ranks[0].begun;
      const bool written = moment == IN_STEP || moment == BEHIND_MANIFEST;
      const bool open = moment == BEFORE_MANIFEST && unlucky != 0;  // the first rank may have written it
      if (begun != (written ? 4 : 2) && !(open && begun == 4)) fail_msg("%s: began at %ld", what, begun);
      assert_int_equal(r->apart, 0);
      assert_memory_equal(theta, r->first, count() * sizeof *theta);
      free_result(r);
    }
  test_free(theta);
}

static void a_stalled_rank_is_named_by_the_deadline(void **state) {
  (void)state;
  result *r = new_result();
  job j = make_job(BY_PROCESSES, 3, HD_SGD);
  j.deadline_s = 1;
  j.misfortune = STALLED;
  j.unlucky = 1;
  j.at_step = 2;
  assert_fails(&j, r, "stalled");
  assert_error_names(1, "stalled", 0, STALLED);
  free_result(r);
}

static void mpi_says_what_was_waited_for(void **state) {
  (void)state;
  if (!mpi_starts()) skip();
  result *r = new_result();
  job j = make_job(BY_MPI, 3, HD_SGD);
  j.misfortune = STALLED;
  j.unlucky = 1;
  j.at_step = 2;
  j.deadline_s = 1;
  assert_fails(&j, r, "MPI, stalled");
  if (!strstr(r->error, "all_reduce #") || !strstr(r->error, "rank 1")) fail_msg("\"%s\"", r->error);
  j.misfortune = KILLED;
  j.deadline_s = 20;
  assert_fails(&j, r, "MPI, killed");
  if (!strstr(r->error, "rank 1") || !strstr(r->error, "signal 9")) fail_msg("\"%s\"", r->error);
  free_result(r);
}

// ---------------------------------------------------------------- checkpoints

static void write_checkpoints(int world) {
  result *r = new_result();
  empty_folder();
  const job j = job_with_checkpoints(BY_THREADS, world);
  if (run_job(&j, r)) fail_msg("%s", r->error);
  free_result(r);
}

static void assert_refused(const job *j, const char *why) {
  result *r = new_result();
  job again = *j;
  again.resumed = true;
  assert_fails(&again, r, why);
  if (!strstr(r->error, why)) fail_msg("\"%s\" in \"%s\"", why, r->error);
  free_result(r);
}

// A file of the folder, cut to so many bytes, or with one bit of one byte flipped.
static void damage(const char *name, long cut, long flipped) {
  char path[2 * PATH];
  unsigned char byte;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  const int f = open(path, O_RDWR);
  assert_true(f >= 0);
  if (cut >= 0) {
    assert_int_equal(ftruncate(f, cut), 0);
  } else {
    assert_int_equal(pread(f, &byte, 1, flipped), 1);
    byte ^= 4;
    assert_int_equal(pwrite(f, &byte, 1, flipped), 1);
  }
  close(f);
}

static void damaged_checkpoints_are_refused(void **state) {
  (void)state;
  char path[2 * PATH];
  const job j = job_with_checkpoints(BY_PROCESSES, 2);
  write_checkpoints(2);
  damage("step-000008.rank-1", 20000, -1);
  assert_refused(&j, "truncated");
  write_checkpoints(2);
  damage("step-000008.rank-0", -1, 30000);
  assert_refused(&j, "damaged");
  write_checkpoints(2);
  damage("manifest", -1, 900);
  assert_refused(&j, "manifest: damaged");
  write_checkpoints(2);
  snprintf(path, sizeof path, "%s/step-000008.rank-1", folder);
  unlink(path);
  assert_refused(&j, "No such file");
  // A whole shard, of the same step of the same training, but of other images.
  char aside[2 * PATH + 8];
  write_checkpoints(2);
  snprintf(aside, sizeof aside, "%s.aside", path);
  assert_int_equal(rename(path, aside), 0);
  char others[PATH];
  images.labels[0] ^= 1;
  share_images(&images, others);
  images.labels[0] ^= 1;
  job stranger = job_with_checkpoints(BY_THREADS, 2);
  memcpy(stranger.images, others, sizeof others);
  result *r = new_result();
  if (run_job(&stranger, r)) fail_msg("%s", r->error);
  free_result(r);
  assert_int_equal(rename(aside, path), 0);
  assert_refused(&j, "not the shard that the manifest names");
  write_checkpoints(2);
  const job larger = job_with_checkpoints(BY_PROCESSES, 3);
  assert_refused(&larger, "written by 2 ranks; this job has 3");
  job other = j;
  other.seed = 12;
  assert_refused(&other, "of another training");
  empty_folder();
  assert_refused(&j, "manifest: No such file");
}

static void only_the_last_checkpoint_is_kept(void **state) {
  (void)state;
  char command[PATH + 64];
  write_checkpoints(2);
  snprintf(command, sizeof command, "test \"$(ls '%s' | wc -l)\" = 3", folder);
  assert_int_equal(system(command), 0);
}

// Nobody can write there: the job ends, and says why.
static void a_checkpoint_that_cannot_be_written_ends_the_job(void **state) {
  (void)state;
  job j = job_with_checkpoints(BY_PROCESSES, 2);
  result *r = new_result();
  strcat(j.folder, "/nowhere");
  assert_fails(&j, r, "nowhere");
  assert_non_null(strstr(r->error, "cannot write the checkpoint"));
  free_result(r);
}

static void make_images(void) {
  images = (hd_dataset){.count = IMAGES,
                        .images = test_malloc((size_t)IMAGES * HD_IMAGE_PIXELS * sizeof(float)),
                        .labels = test_malloc(IMAGES)};
  for (size_t i = 0; i < IMAGES; i++) images.labels[i] = (uint8_t)(i % HD_CLASSES);
  for (size_t i = 0; i < (size_t)IMAGES * HD_IMAGE_PIXELS; i++)
    images.images[i] =
        (float)((i * 2654435761u >> 8) % 2001) / 1000 - 1 + (float)(i / HD_IMAGE_PIXELS % HD_CLASSES) / 10;
}

static int open_all(void **state) {
  (void)state;
  make_images();
  share_images(&images, shared);
  snprintf(folder, sizeof folder, "/tmp/heddle-test-cluster-XXXXXX");
  return mkdtemp(folder) ? 0 : -1;
}

static int close_all(void **state) {
  (void)state;
  empty_folder();
  test_free(images.images);
  test_free(images.labels);
  return rmdir(folder);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "--job") == 0) return run_as_rank(argv[2]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_ranks_train_the_twins_model),
      cmocka_unit_test(ranks_without_rows_join_in),
      cmocka_unit_test(mpi_ranks_train_the_twins_model),
      cmocka_unit_test(nccl_between_processes_joins),
      cmocka_unit_test(what_is_measured_is_there),
      cmocka_unit_test(a_restart_ends_where_an_undisturbed_run_does),
      cmocka_unit_test(a_stalled_rank_is_named_by_the_deadline),
      cmocka_unit_test(mpi_says_what_was_waited_for),
      cmocka_unit_test(damaged_checkpoints_are_refused),
      cmocka_unit_test(only_the_last_checkpoint_is_kept),
      cmocka_unit_test(a_checkpoint_that_cannot_be_written_ends_the_job),
  };
  return cmocka_run_group_tests(tests, open_all, close_all);
}
