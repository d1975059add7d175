// SPDX-License-Identifier: MIT
// What every rank does, whoever started it: its replica of the network, its rows of each batch, and after
// every gradient a sum over all ranks. It knows nothing of the others but the communicator.
#include <heddle/checkpoint.h>
#include <heddle/clock.h>
#include <heddle/error.h>
#include <kernels/nn/ops.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sum.h"

enum { LATENCY_CALLS = 200, BANDWIDTH_CALLS = 10, LONG_FLOATS = 1 << 20 };

typedef struct trainee {
  replica state;
  const session *session;
  hd_ops *ops;
  hd_loader *loader;
  float *images;  // on the device, if that is not the host
  uint8_t *labels;
  size_t length;         // rows of each batch
  struct task schedule;  // for the learning rate
  summer sum;
} trainee;

void tempt_fate(const replica *s, enum occasion moment) {
  const job *j = s->job;
  if (!j->misfortune || j->resumed || j->moment != moment || j->at_step != s->step ||
      j->unlucky != hd_comm_rank(s->comm))
    return;
  if (j->misfortune == KILLED) kill(getpid(), SIGKILL);
  hd_comm_stall(s->comm, 20);
}

static int step(trainee *t) {
  const job *j = t->state.job;
  hd_mlp *net = t->state.net;
  const float *images;
  const uint8_t *labels;
  hd_loader_next(t->loader, &images, &labels);
  if (!t->ops->on_host) {
    t->ops->upload(t->ops, t->images, images, t->length * HD_IMAGE_PIXELS * sizeof(float));
    t->ops->upload(t->ops, t->labels, labels, t->length);
    images = t->images;
    labels = t->labels;
  }
  hd_mlp_gradient(net, images, labels, (long)t->length, 1, false, NULL, NULL);
  tempt_fate(&t->state, IN_STEP);
  if (summer_sum(&t->sum, net->gradient, net->parameters)) return -1;
  hd_optimizer_step(t->state.optimizer, net->theta, net->gradient, learning_rate(&t->schedule, t->state.step),
                    1 / (float)j->batch);
  t->state.step++;
  return 0;
}

static int train_to(trainee *t, long end) {
  while (t->state.step < end) {
    if (step(t)) return -1;
    const job *j = t->state.job;
    if (j->folder[0] && t->state.step % j->every == 0 && shards_save(&t->state)) return -1;
  }
  return 0;
}

// ---------------------------------------------------------------- opening and closing

static void open_state(trainee *t, hd_comm *comm) {
  const job *j = t->session->job;
  const bool on_gpu = j->way >= BY_GPU_RING;
  t->ops = hd_ops_open(on_gpu, hd_comm_stream(comm));
  size_t offset;
  hd_shard(j->batch, hd_comm_rank(comm), hd_comm_world(comm), &offset, &t->length);
  hd_mlp *net = hd_mlp_new(t->ops, j->width, LAYERS, (long)t->length, true);
  float *initial = hd_alloc(net->parameters, sizeof *initial);
  hd_mlp_initial(j->width, LAYERS, j->seed, initial);
  hd_mlp_set(net, initial);
  free(initial);
  hd_optimizer *o = hd_optimizer_new(t->ops, j->rule, net->parameters);
  o->weight_decay = j->weight_decay;
  o->l1 = j->l1;
  t->state = (replica){.job = j, .comm = comm, .net = net, .optimizer = o};
  t->schedule = (struct task){.train = t->session->images, .batch = j->batch, .rule = j->rule};
  summer_open(&t->sum, t->ops, net->parameters);
  if (t->ops->on_host) return;
  t->images = t->ops->alloc(t->ops, t->length * HD_IMAGE_PIXELS * sizeof(float));
  t->labels = t->ops->alloc(t->ops, t->length);
}

static int open_loader(trainee *t) {
  const job *j = t->session->job;
  size_t offset, length;
  hd_shard(j->batch, hd_comm_rank(t->state.comm), hd_comm_world(t->state.comm), &offset, &length);
  t->loader = hd_loader_open_at(t->session->images, j->batch, offset, length, j->augment, j->seed,
                                (uint64_t)t->state.step);
  if (t->loader) return 0;
  hd_comm_abort(t->state.comm, "no loader: a batch has at least one image, and at most those of the set");
  return -1;
}

static void close_all(trainee *t) {
  hd_loader_close(t->loader);
  if (t->images) {
    t->ops->free(t->ops, t->images, t->length * HD_IMAGE_PIXELS * sizeof(float));
    t->ops->free(t->ops, t->labels, t->length);
  }
  summer_close(&t->sum, t->state.net->parameters);
  hd_optimizer_free(t->state.optimizer);
  hd_mlp_free(t->state.net);
  t->ops->close(t->ops);
}

// ---------------------------------------------------------------- measuring

// The slowest rank's; the same on all ranks.
static int slowest(hd_comm *comm, double *seconds) {
  float x = (float)*seconds;
  if (hd_all_reduce(comm, &x, 1, HD_F32, HD_MAX)) return -1;
  *seconds = x;
  return 0;
}

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

// The median over calls. All ranks begin together, and what is summed is written anew before each call.
static int all_reduce_seconds(hd_comm *comm, float *x, size_t count, int calls, double *seconds) {
  double took[LATENCY_CALLS];
  for (int i = 0; i < calls; i++) {
    for (size_t k = 0; k < count; k++) x[k] = 1;
    if (hd_barrier(comm)) return -1;
    const double start = hd_wall();
    if (hd_all_reduce(comm, x, count, HD_F32, HD_SUM)) return -1;
    took[i] = hd_wall() - start;
  }
  qsort(took, (size_t)calls, sizeof *took, ascending);
  *seconds = took[calls / 2];
  return slowest(comm, seconds);
}

static int measure(trainee *t, outcome *o) {
  hd_comm *comm = t->state.comm;
  const double n = hd_comm_world(comm);
  float *x = hd_alloc(LONG_FLOATS, sizeof *x);
  double seconds = 0;
  int bad = all_reduce_seconds(comm, x, 1, LATENCY_CALLS, &o->latency_s) ||
            all_reduce_seconds(comm, x, LONG_FLOATS, BANDWIDTH_CALLS, &seconds);
  if (!bad) o->bytes_per_s = 2 * (n - 1) / n * LONG_FLOATS * sizeof *x / seconds;
  free(x);
  return bad ? -1 : 0;
}

static int timed_steps(trainee *t, outcome *o) {
  const job *j = t->state.job;
  hd_comm *comm = t->state.comm;
  if (j->timed_steps == 0) return 0;
  const hd_traffic before = summer_traffic(&t->sum);
  if (hd_barrier(comm)) return -1;
  t->ops->synchronize(t->ops);
  t->ops->timer_start(t->ops);
  if (train_to(t, t->state.step + j->timed_steps)) return -1;
  o->step_s = t->ops->timer_stop(t->ops) / (double)j->timed_steps;
  const hd_traffic after = summer_traffic(&t->sum);
  o->messages = (double)(after.messages - before.messages) / (double)j->timed_steps;
  o->bytes = (double)(after.bytes - before.bytes) / (double)j->timed_steps;
  return 0;
}

// ---------------------------------------------------------------- the body

static void train(trainee *t, outcome *o, float *parameters) {
  const job *j = t->state.job;
  hd_comm *comm = t->state.comm;
  if (j->resumed && shards_load(&t->state)) return;
  o->begun = t->state.step;
  if (open_loader(t) || hd_barrier(comm)) return;
  o->ready = hd_wall();
  o->memory =
      (double)t->ops->bytes - (double)(t->images ? t->length * (HD_IMAGE_PIXELS * sizeof(float) + 1) : 0);
  if (train_to(t, j->steps)) return;
  const size_t n = t->state.net->parameters;
  hd_mlp_get(t->state.net, parameters);
  o->parameters = hd_checksum(parameters, n * sizeof *parameters);
  if (timed_steps(t, o)) return;
  if (j->measured && t->ops->on_host) measure(t, o);
}

void train_rank(hd_comm *comm, void *arg) {
  const session *s = arg;
  const int place = s->alone ? 0 : hd_comm_rank(comm);
  outcome *o = &s->outcomes[place];
  *o = (outcome){0};
  if (hd_barrier(comm)) return;
  o->joined = hd_wall();
  session mine = *s;
  hd_dataset loaded = {0}, unused = {0};
  char why[PATH];
  if (!s->images) {
    if (!open_images(s->job->images, &loaded) &&
        !hd_dataset_load(s->job->data[0] ? s->job->data : NULL, &loaded, &unused, why, sizeof why)) {
      hd_comm_abort(comm, why);
      return;
    }
    mine.images = &loaded;
  }
  trainee t = {.session = &mine};
  if (summer_join(&t.sum, s->job->way, comm) == 0) {
    open_state(&t, comm);
    train(&t, o, s->parameters[place]);
    close_all(&t);
  }
  if (unused.count)
    hd_dataset_free(&unused), hd_dataset_free(&loaded);
  else if (loaded.count)
    close_images(&loaded);
}
