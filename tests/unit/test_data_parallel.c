// SPDX-License-Identifier: MIT
// Lesson 22's strategies against their serial twins, for 1, 2, 3, 4 and 8 workers, on CPU ranks and, where
// there is one, on GPUs (logical ones, if there are fewer than ranks).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the four above first
#include <cmocka.h>
#include <heddle/bench.h>
#include <heddle/clock.h>
#include <heddle/device.h>
#include <heddle/error.h>
#include <heddle/random.h>
#include <kernels/nn/ops.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "lessons/22-data-parallel/strategies.h"

enum { IMAGES = 240, MOST_WORLD = 8, STEPS = 3 };
static const int WORLDS[] = {1, 2, 3, 4, 8};
static const int SMALL[LAYERS + 1] = {HD_IMAGE_PIXELS, 24, 16, HD_CLASSES};
static const int FULL[LAYERS + 1] = {HD_IMAGE_PIXELS, 512, 256, HD_CLASSES};  // two buckets

static enum place place;
static hd_dataset images;

static hd_ops *open_ops(hd_comm *comm) {
#if HD_HAVE_CUDA
  if (place == ON_GPU) return hd_ops_cuda(comm ? hd_comm_stream(comm) : NULL);
#endif
  (void)comm;
  return hd_ops_cpu();
}

static task make_task(const int *width, size_t batch) {
  task t = {.train = &images, .test = &images, .batch = batch, .seed = 11, .weight_decay = 5e-4f};
  memcpy(t.width, width, sizeof t.width);
  float *initial = test_malloc(hd_mlp_count(width, LAYERS) * sizeof *initial);
  hd_mlp_initial(width, LAYERS, t.seed, initial);
  t.initial = initial;
  return t;
}

static void free_task(task *t) {
  test_free((float *)t->initial);
}

// What a job's ranks end with.
typedef struct job {
  const task *task;
  const strategy *strategy;
  int average_every;
  long steps;
  float momentum;
  size_t count;
  float *theta[MOST_WORLD];
  hd_traffic traffic[MOST_WORLD];
} job;

static void body(hd_comm *comm, void *arg) {
  job *j = arg;
  worker *w = worker_open(j->task, j->strategy, comm, open_ops(comm), 0);
  w->average_every = j->average_every;
  w->optimizer->momentum = j->momentum;
  if (worker_train(w, j->steps) == 0) hd_mlp_get(w->net, j->theta[w->rank]);
  if (comm) j->traffic[w->rank] = hd_comm_traffic(comm);
  worker_close(w);
}

// Trains with `world` ranks (0: one worker without a communicator).
static job *run(const task *t, const strategy *s, int world, int average_every) {
  job *j = test_calloc(1, sizeof *j);
  *j = (job){.task = t,
             .strategy = s,
             .average_every = average_every,
             .steps = STEPS,
             .momentum = 0.9f,
             .count = hd_mlp_count(t->width, LAYERS)};
  for (int r = 0; r < (world ? world : 1); r++) j->theta[r] = test_calloc(j->count, sizeof(float));
  if (world == 0) {
    if (place == ON_GPU) hd_device_select(0);
    body(NULL, j);
  } else {
    const int failed =
        hd_comm_run(world, place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK, 1, 0, body, j);
    if (failed) fail_msg("%s", hd_comm_error_text());
  }
  return j;
}

static void end(job *j) {
  for (int r = 0; r < MOST_WORLD; r++)
    if (j->theta[r]) test_free(j->theta[r]);
  test_free(j);
}

// Σ over ranks in rank order of the shares' gradients, on one device; then one step. Nothing is sent
// anywhere. A joined strategy's shares end where the epoch does.
static float *serial_twin(const task *t, const strategy *s, int world) {
  const size_t n = hd_mlp_count(t->width, LAYERS), bytes = n * sizeof(float);
  worker *w = worker_open(t, s == &joined ? s : &one_worker, NULL, open_ops(NULL), 0);
  float *sum = test_malloc(bytes), *part = test_malloc(bytes);
  for (; w->step < STEPS; w->step++) {
    for (int r = 0; r < world; r++) {
      const float *x;
      const uint8_t *y;
      size_t from, count;
      (s->share ? s->share : hd_shard)(t->batch, r, world, &from, &count);
      const size_t left = worker_images(w), last = from + count < left ? from + count : left;
      count = from < last ? last - from : 0;
      worker_rows(w, from, count, &x, &y);
      hd_mlp_gradient(w->net, x, y, (long)count, 1, false, NULL, NULL);
      w->ops->download(w->ops, part, w->net->gradient, bytes);
      for (size_t i = 0; i < n; i++) sum[i] = r ? sum[i] + part[i] : part[i];
    }
    w->ops->upload(w->ops, w->net->gradient, sum, bytes);
    worker_update(w, per_image(worker_images(w)));
  }
  hd_mlp_get(w->net, part);
  worker_close(w);
  test_free(sum);
  return part;
}

static void bitwise_equal_to_the_serial_twin(const strategy *s, const int *width, size_t batch) {
  task t = make_task(width, batch);
  for (int i = 0; i < HD_COUNT(WORLDS); i++) {
    const int world = WORLDS[i];
    float *twin = serial_twin(&t, s, world);
    job *j = run(&t, s, world, 1);
    for (int r = 0; r < world; r++) assert_memory_equal(j->theta[r], twin, j->count * sizeof(float));
    end(j);
    test_free(twin);
  }
  free_task(&t);
}

static void all_reduce_is_the_serial_sum_bitwise(void **state) {
  (void)state;
  bitwise_equal_to_the_serial_twin(&all_reduce, SMALL, 48);
  bitwise_equal_to_the_serial_twin(&all_reduce, SMALL, 5);  // eight ranks: three have nothing
}

static void parameter_server_is_the_serial_sum_bitwise(void **state) {
  (void)state;
  bitwise_equal_to_the_serial_twin(&parameter_server, SMALL, 48);
  bitwise_equal_to_the_serial_twin(&parameter_server, SMALL, 5);
}

// Two batches and a rest to an epoch: in the second step some ranks have less than their share, or nothing.
static void joined_ranks_are_the_serial_sum_bitwise(void **state) {
  (void)state;
  const size_t all = images.count;
  bitwise_equal_to_the_serial_twin(&joined, SMALL, 48);  // no rest
  for (images.count = 50; images.count <= 94; images.count += 11)
    bitwise_equal_to_the_serial_twin(&joined, SMALL, 48);
  images.count = all;
}

static void buckets_change_nothing_bitwise(void **state) {
  (void)state;
  bitwise_equal_to_the_serial_twin(&bucketed, SMALL, 5);
  task t = make_task(FULL, 16);
  for (int world = 2; world <= 3; world++) {
    job *whole = run(&t, &all_reduce, world, 1), *buckets = run(&t, &bucketed, world, 1);
    for (int r = 0; r < world; r++)
      assert_memory_equal(whole->theta[r], buckets->theta[r], whole->count * sizeof(float));
    assert_true(buckets->traffic[0].messages > whole->traffic[0].messages);
    end(whole);
    end(buckets);
  }
  free_task(&t);
}

// Largest error of the parameters, and of the update they got, against one worker's.
typedef struct distance {
  double parameters, update;
} distance;

static distance between(const job *j, int world, const job *alone) {
  double *expected = test_malloc(j->count * sizeof *expected);
  float *update = test_malloc(j->count * sizeof *update);
  distance most = {0, 0};
  for (int r = 0; r < world; r++) {
    for (size_t i = 0; i < j->count; i++) expected[i] = (double)alone->theta[0][i];
    most.parameters = fmax(most.parameters, hd_compare(j->theta[r], HD_F32, expected, j->count));
    for (size_t i = 0; i < j->count; i++) {
      expected[i] -= (double)j->task->initial[i];
      update[i] = j->theta[r][i] - j->task->initial[i];
    }
    most.update = fmax(most.update, hd_compare(update, HD_F32, expected, j->count));
  }
  test_free(expected), test_free(update);
  return most;
}

static distance from_one_worker(const strategy *s, int world, size_t batch, int average_every,
                                enum hd_rule rule) {
  task t = make_task(SMALL, batch);
  t.rule = rule;
  job *alone = run(&t, &one_worker, 0, 1), *j = run(&t, s, world, average_every);
  const distance d = between(j, world, alone);
  end(alone);
  end(j);
  free_task(&t);
  return d;
}

static void equivalent_strategies_follow_one_worker(void **state) {
  (void)state;
  static const strategy *const equivalent[] = {&parameter_server, &all_reduce,      &weighted, &accumulated,
                                               &bucketed,         &model_averaging, &joined};
  static const size_t batches[] = {48, 33, 5, 1};  // equal, unequal and empty shares
  for (int s = 0; s < HD_COUNT(equivalent); s++)
    for (int i = 0; i < HD_COUNT(WORLDS); i++)
      for (int b = 0; b < HD_COUNT(batches); b++) {
        const distance d = from_one_worker(equivalent[s], WORLDS[i], batches[b], 1, HD_SGD);
        assert_true(d.parameters < 1e-6);
        assert_true(d.update < 2e-4);
      }
}

static void model_averaging_of_one_step_is_gradient_averaging(void **state) {
  (void)state;
  for (int world = 2; world <= 4; world++) {
    assert_true(from_one_worker(&model_averaging, world, 48, 1, HD_SGD).parameters < 1e-6);
    // More local steps, or an optimizer that is not linear in the gradient, is another algorithm.
    assert_true(from_one_worker(&model_averaging, world, 48, STEPS, HD_SGD).update > 1e-2);
    assert_true(from_one_worker(&model_averaging, world, 48, 1, HD_ADAM).update > 1e-2);
    assert_true(from_one_worker(&all_reduce, world, 48, 1, HD_ADAM).update < 1e-2);
  }
}

static void plain_mean_of_unequal_shares_is_wrong(void **state) {
  (void)state;
  for (int world = 2; world <= 4; world++) {
    assert_true(from_one_worker(&weighted, world, 48, 1, HD_SGD).parameters < 1e-6);
    assert_true(from_one_worker(&wrong_naive_mean, world, 48, 1, HD_SGD).update > 1e-1);
  }
  assert_true(from_one_worker(&wrong_naive_mean, 1, 48, 1, HD_SGD).parameters <
              1e-6);  // one share: nothing to weigh
}

static void shares_of_three_to_one_cover_the_batch(void **state) {
  (void)state;
  for (int world = 1; world <= MOST_WORLD; world++)
    for (size_t batch = 0; batch < 40; batch++) {
      size_t next = 0;
      for (int r = 0; r < world; r++) {
        size_t offset, length;
        share_three_to_one(batch, r, world, &offset, &length);
        assert_int_equal(offset, next);
        next += length;
      }
      assert_int_equal(next, batch);
    }
  size_t offset, length;
  share_three_to_one(48, 0, 2, &offset, &length);
  assert_int_equal(length, 36);
}

static void parameters_summed_after_the_step_are_wrong(void **state) {
  (void)state;
  assert_true(from_one_worker(&wrong_sum_after_step, 2, 48, 1, HD_SGD).update > 1);
}

static void own_weights_never_become_one_model(void **state) {
  (void)state;
  task t = make_task(SMALL, 48);
  job *j = run(&t, &wrong_own_weights, 2, 1);
  assert_memory_not_equal(j->theta[0], j->theta[1], j->count * sizeof(float));
  end(j);
  j = run(&t, &all_reduce, 2, 1);
  assert_memory_equal(j->theta[0], j->theta[1], j->count * sizeof(float));
  end(j);
  free_task(&t);
  assert_true(from_one_worker(&wrong_own_weights, 2, 48, 1, HD_SGD).update > 1);
}

static void forgotten_division_by_k_is_wrong(void **state) {
  (void)state;
  assert_true(from_one_worker(&wrong_forgotten_k, 2, 48, 1, HD_SGD).update > 1);
  assert_true(from_one_worker(&accumulated, 2, 48, 1, HD_SGD).parameters < 1e-6);
}

static void evaluation_with_gradients_is_wrong(void **state) {
  (void)state;
  assert_true(from_one_worker(&wrong_eval_gradient, 2, 48, 1, HD_SGD).update > 1e-1);
}

static void the_server_sends_and_receives_everything(void **state) {
  (void)state;
  task t = make_task(SMALL, 48);
  for (int i = 0; i < HD_COUNT(WORLDS); i++) {
    const int world = WORLDS[i];
    job *j = run(&t, &parameter_server, world, 1);
    const uint64_t vector = j->count * sizeof(float);
    assert_int_equal(j->traffic[0].bytes, STEPS * (uint64_t)(world - 1) * vector);
    assert_int_equal(j->traffic[0].messages, STEPS * (uint64_t)(world - 1));
    for (int r = 1; r < world; r++) assert_int_equal(j->traffic[r].bytes, STEPS * vector);
    end(j);
  }
  free_task(&t);
}

// k times the batch: k times the rate, once it is warm, and no steps but the first few below it.
static void large_batches_warm_up_to_a_rate_in_proportion(void **state) {
  (void)state;
  const size_t all = images.count;
  images.count = 48000;  // nobody looks at them
  for (size_t batch = 64; batch <= 1024; batch *= 4) {
    const task t = {.train = &images, .batch = batch};
    const long epoch = steps_per_epoch(&t), warm = WARM_UP * epoch;
    const float full = 0.05f * (float)batch / 128;
    assert_true(fabsf(scaled_rate(&t, 0) * (float)warm / full - 1) < 1e-5f);
    assert_true(fabsf(scaled_rate(&t, warm / 2 - 1) / full - 0.5f) < 0.5f / (float)warm);
    assert_true(fabsf(scaled_rate(&t, warm) / full - 1) < 1e-5f);
    assert_true(fabsf(scaled_rate(&t, warm + (EPOCHS - WARM_UP) * epoch / 2) / full - 0.5f) < 1e-2f);
    assert_true(scaled_rate(&t, EPOCHS * epoch) == 0);
  }
  images.count = all;
}

static void averaging_every_k_steps_sends_a_kth(void **state) {
  (void)state;
  task t = make_task(SMALL, 48);
  job *often = run(&t, &model_averaging, 4, 1), *seldom = run(&t, &model_averaging, 4, STEPS);
  assert_int_equal(often->traffic[1].bytes, STEPS * seldom->traffic[1].bytes);
  end(often);
  end(seldom);
  free_task(&t);
}

static void one_worker_follows_the_double_precision_twin(void **state) {
  (void)state;
  task t = make_task(SMALL, 48);
  job *alone = run(&t, &one_worker, 0, 1);
  double *expected = test_malloc(alone->count * sizeof *expected);
  float *update = test_malloc(alone->count * sizeof *update);
  bool *doubtful = test_malloc(alone->count);
  reference_update(&t, STEPS, expected, doubtful);
  for (size_t i = 0; i < alone->count; i++)
    update[i] = doubtful[i] ? (float)expected[i] : alone->theta[0][i] - t.initial[i];
  assert_true(hd_compare(update, HD_F32, expected, alone->count) < 2e-4);
  test_free(expected), test_free(update), test_free(doubtful);
  end(alone);
  free_task(&t);
}

// ---------------------------------------------------------------- whole trainings

// Strategies that take the same steps, but for rounding, end at the same accuracy.
static void equivalent_strategies_learn_alike(void **state) {
  (void)state;
  static const strategy *const equivalent[] = {&parameter_server, &all_reduce, &weighted, &accumulated,
                                               &bucketed};
  task t = make_task(SMALL, 24);
  trial alone = {.task = &t, .strategy = &one_worker, .place = place, .epochs = 3};
  assert_int_equal(run_ranks(&alone), 0);
  assert_true(alone.accuracy > 0.7 && alone.accuracy <= 1);
  for (int world = 2; world <= 3; world++)
    for (int s = 0; s < HD_COUNT(equivalent); s++) {
      trial j = alone;
      j.strategy = equivalent[s];
      j.world = world;
      j.average_every = 1;
      if (run_ranks(&j)) fail_msg("%s", hd_comm_error_text());
      if (!(fabs(j.accuracy - alone.accuracy) <= 1.5 / IMAGES))
        fail_msg("strategy %d on %d ranks: accuracy %.4f instead of %.4f", s, world, j.accuracy,
                 alone.accuracy);
    }
  free_task(&t);
}

// ---------------------------------------------------------------- overlap

// Of FULL; and images enough that the device, not the host's launches, decides.
enum { FIRST_BUCKET = 513 * 256 + 257 * 10, ALL = FIRST_BUCKET + 785 * 512, ROWS = 8192 };

// Seconds on the virtual clock of one rank: until each bucket is complete and until backward ends; of each
// bucket's all-reduce alone, and of the first one's second half; and of all of it together.
typedef struct overlap {
  double ready_s[2], backward_s, sum_s[2], gather_s, together_s;
  int handles[2];
  bool send;
  hd_mlp *net;
  hd_comm *comm;
  float *x;
  uint8_t *labels;
} overlap;

static void bucket_ready(void *context, int layer, size_t offset, size_t count) {
  (void)count;
  overlap *v = context;
  if (layer == 2) return;
  const int bucket = layer == 0;
  v->net->ops->mark(v->net->ops, 1 + bucket);
  if (v->send)
    v->handles[bucket] = hd_all_reduce_start(v->comm, v->net->gradient + offset,
                                             bucket ? ALL - FIRST_BUCKET : FIRST_BUCKET, HD_F32, HD_SUM);
}

// Of an all-reduce, or of an all-gather of shares. Behind other work, so that the host has issued all of it
// before it begins, as it has in a step.
static double alone_s(overlap *v, size_t count, bool gathers) {
  hd_ops *o = v->net->ops;
  const size_t world = (size_t)hd_comm_world(v->comm), each = count / world;
  float *own = v->net->gradient + (size_t)hd_comm_rank(v->comm) * each;
  for (int run = 0; run < 2; run++) {
    if (hd_barrier(v->comm)) break;
    o->synchronize(o);
    hd_mlp_gradient(v->net, v->x, v->labels, ROWS, 1, false, NULL, NULL);
    o->mark(o, 0);
    if (gathers)
      hd_all_gather(v->comm, own, v->net->gradient, each, HD_F32);
    else
      hd_all_reduce(v->comm, v->net->gradient, count, HD_F32, HD_SUM);
    o->mark(o, 1);
  }
  return o->mark_time(o, 1);
}

static void overlap_body(hd_comm *comm, void *arg) {
  overlap v = {.comm = comm};
  hd_ops *o = open_ops(comm);
  v.net = hd_mlp_new(o, FULL, LAYERS, ROWS, true);
  v.x = o->alloc(o, ROWS * HD_IMAGE_PIXELS * sizeof *v.x);  // of any content
  v.labels = o->alloc(o, ROWS);
  o->zero(o, v.labels, ROWS);
  for (int run = 0; run < 4; run++) {  // the first of each kind opens what is opened once
    v.send = run % 2;
    if (hd_barrier(comm)) break;
    o->synchronize(o);
    o->mark(o, 0);
    hd_mlp_gradient(v.net, v.x, v.labels, ROWS, 1, false, bucket_ready, &v);
    for (int b = 0; v.send && b < 2; b++) hd_wait(comm, v.handles[b]);
    o->mark(o, 3);
    *(v.send ? &v.together_s : &v.backward_s) = o->mark_time(o, 3);
    for (int b = 0; !v.send && b < 2; b++) v.ready_s[b] = o->mark_time(o, 1 + b);
  }
  v.sum_s[0] = alone_s(&v, FIRST_BUCKET, false);
  v.sum_s[1] = alone_s(&v, ALL - FIRST_BUCKET, false);
  v.gather_s = alone_s(&v, FIRST_BUCKET, true);
  if (hd_comm_rank(comm) == 0) *(overlap *)arg = v;
  o->free(o, v.x, ROWS * HD_IMAGE_PIXELS * sizeof *v.x);
  o->free(o, v.labels, ROWS);
  hd_mlp_free(v.net);
  o->close(o);
}

// A bucket's sum starts when the bucket is complete and the one before it has been summed. What is left of
// backward waits for the first one's additions, which were issued before it, and hides the rest: r1 + max(c1,
// s1 + r2 - r1)
// + c2, where s1 is the reduce-scatter of c1, c1 less its all-gather. (The README derives it.)
static void overlap_is_that_of_the_formula(void **state) {
  (void)state;
  if (place != ON_GPU || !hd_device_simulated()) skip();
  setenv("CUSIM_EXECUTE", "sampled", 1);  // times do not depend on the numbers
  for (int world = 2; world <= 8; world *= 2) {
    overlap v = {0};
    if (hd_comm_run(world, HD_COMM_CUDA, HD_ORDER_RING, 1, 0, overlap_body, &v))
      fail_msg("%s", hd_comm_error_text());
    const double scatter_s = v.sum_s[0] - v.gather_s, left_s = v.backward_s - v.ready_s[0];
    const double step_s = v.ready_s[0] + fmax(v.sum_s[0], scatter_s + left_s) + v.sum_s[1];
    if (fabs(v.together_s / step_s - 1) > 1e-3)
      fail_msg("%d GPUs: %.1f us, on paper %.1f (ready %.1f, %.1f; sums %.1f, %.1f; all-gather %.1f)", world,
               v.together_s * 1e6, step_s * 1e6, v.ready_s[0] * 1e6, v.ready_s[1] * 1e6, v.sum_s[0] * 1e6,
               v.sum_s[1] * 1e6, v.gather_s * 1e6);
  }
  unsetenv("CUSIM_EXECUTE");
}

// ---------------------------------------------------------------- failing

enum fault { NOBODY, DIES, LEAVES, STALLS, OTHER_CALL, OTHER_SIZE };

typedef struct failing {
  const task *task;
  const strategy *strategy;
  enum fault fault;  // of the last rank, in its second step
} failing;

static void failing_body(hd_comm *comm, void *arg) {
  const failing *f = arg;
  worker *w = worker_open(f->task, f->strategy, comm, open_ops(comm), 0);
  w->average_every = 1;
  int failed = worker_train(w, 1);
  if (w->rank == w->world - 1 && f->fault != NOBODY) {
    if (f->fault == DIES) hd_comm_abort(comm, "told to die");
    if (f->fault == STALLS) hd_comm_stall(comm, 20);
    if (f->fault == OTHER_CALL) hd_barrier(comm);
    if (f->fault == OTHER_SIZE) hd_all_reduce(comm, w->net->gradient, 3, HD_F32, HD_SUM);
    failed = f->fault != STALLS;
  }
  if (!failed) worker_train(w, STEPS);
  worker_close(w);
}

// Within the deadline, with a message that names the rank, the operation and its number.
static void a_failing_rank_is_an_error(void **state) {
  (void)state;
  enum { WORLD = 3 };
  static const strategy *const strategies[] = {&parameter_server, &all_reduce, &weighted,       &joined,
                                               &accumulated,      &bucketed,   &model_averaging};
  task t = make_task(SMALL, 24);
  for (int s = 0; s < HD_COUNT(strategies); s++) {
    double good_s = 0;
    for (int fault = NOBODY; fault <= OTHER_SIZE; fault++) {
      failing f = {&t, strategies[s], (enum fault)fault};
      const double start = hd_wall();
      const int failed = hd_comm_run(WORLD, place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK,
                                     1, deadline_s(fault == STALLS, good_s), failing_body, &f);
      if (!failed != (fault == NOBODY)) fail_msg("strategy %d, fault %d: nobody noticed", s, fault);
      const double took = hd_wall() - start;
      if (fault == NOBODY) {
        good_s = took;
        continue;
      }
      assert_true(fault == STALLS || took < 10);
      const char *text = hd_comm_error_text();
      if (!strstr(text, "rank 2") || !(fault == DIES ? strstr(text, "told to die") : strchr(text, '#')))
        fail_msg("strategy %d, fault %d: \"%s\"", s, fault, text);
    }
  }
  free_task(&t);
}

// The last rank's images end first, and it goes home; those who wait for it say so.
static void a_rank_that_ends_early_is_missed(void **state) {
  (void)state;
  const size_t all = images.count;
  task t = make_task(SMALL, 48);
  images.count = 60;
  failing f = {&t, &wrong_early_end, NOBODY};
  assert_true(hd_comm_run(2, place == ON_GPU ? HD_COMM_CUDA : HD_COMM_THREADS, HD_ORDER_RANK, 1,
                          deadline_s(false, 0), failing_body, &f) > 0);
  if (!strstr(hd_comm_error_text(), "missing rank 1") || !strstr(hd_comm_error_text(), "all_reduce #2"))
    fail_msg("\"%s\"", hd_comm_error_text());
  images.count = all;
  free_task(&t);
}

// Noise around a direction of each class, so that losses and gradients are neither zero nor hopeless.
static void make_images(void) {
  static float pixels[IMAGES * HD_IMAGE_PIXELS], direction[HD_CLASSES * HD_IMAGE_PIXELS];
  static uint8_t labels[IMAGES];
  hd_fill_normal(pixels, IMAGES * HD_IMAGE_PIXELS, 1, 0);
  hd_fill_normal(direction, HD_CLASSES * HD_IMAGE_PIXELS, 1, 1);
  for (int i = 0; i < IMAGES; i++) {
    labels[i] = (uint8_t)(i * 7 % HD_CLASSES);
    for (int p = 0; p < HD_IMAGE_PIXELS; p++)
      pixels[i * HD_IMAGE_PIXELS + p] += 0.3f * direction[labels[i] * HD_IMAGE_PIXELS + p];
  }
  images = (hd_dataset){.count = IMAGES, .images = pixels, .labels = labels};
}

// Which tests: a pattern of their names; all of them without one.
int main(int argc, char **argv) {
  if (argc > 1) cmocka_set_test_filter(argv[1]);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_worker_follows_the_double_precision_twin),
      cmocka_unit_test(all_reduce_is_the_serial_sum_bitwise),
      cmocka_unit_test(parameter_server_is_the_serial_sum_bitwise),
      cmocka_unit_test(joined_ranks_are_the_serial_sum_bitwise),
      cmocka_unit_test(buckets_change_nothing_bitwise),
      cmocka_unit_test(equivalent_strategies_follow_one_worker),
      cmocka_unit_test(model_averaging_of_one_step_is_gradient_averaging),
      cmocka_unit_test(plain_mean_of_unequal_shares_is_wrong),
      cmocka_unit_test(shares_of_three_to_one_cover_the_batch),
      cmocka_unit_test(parameters_summed_after_the_step_are_wrong),
      cmocka_unit_test(own_weights_never_become_one_model),
      cmocka_unit_test(forgotten_division_by_k_is_wrong),
      cmocka_unit_test(evaluation_with_gradients_is_wrong),
      cmocka_unit_test(the_server_sends_and_receives_everything),
      cmocka_unit_test(large_batches_warm_up_to_a_rate_in_proportion),
      cmocka_unit_test(averaging_every_k_steps_sends_a_kth),
      cmocka_unit_test(equivalent_strategies_learn_alike),
      cmocka_unit_test(overlap_is_that_of_the_formula),
      cmocka_unit_test(a_failing_rank_is_an_error),
      cmocka_unit_test(a_rank_that_ends_early_is_missed),
  };
  setenv("CUSIM_DEVICES", "8", 0);
  omp_set_num_threads(
      1);  // as the ranks do: a BLAS (also that behind a simulated cuBLAS) rounds by its threads
  make_images();
  int failed = cmocka_run_group_tests_name("data parallel on CPU ranks", tests, NULL, NULL);
#if HD_HAVE_CUDA
  place = ON_GPU;
  if (hd_device_count() > 0)
    failed += cmocka_run_group_tests_name("data parallel on GPUs", tests, NULL, NULL);
#endif
  return failed;
}
