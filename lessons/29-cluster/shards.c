// SPDX-License-Identifier: MIT
// Checkpoints of many ranks. All replicas are one model, so each rank writes one N-th of it: N disks at once,
// and no rank needs room for more. When all shards are on their disks one small file, the manifest, says so:
// of which step they are, by how many ranks, with their checksums. It is renamed into place last, over the
// one before. A crash at any moment leaves a manifest whose shards are whole; shards of a step that no
// manifest names are overwritten by the next run.
#include <heddle/checkpoint.h>
#include <heddle/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster.h"

enum { VECTORS = 3, MOST_WHY = 400 };
static const char *const NAMES[VECTORS] = {"parameters", "first moment", "second moment"};

// What makes a training what it is, whatever it has done so far: numbers that must be the same.
enum { SEED, PARAMETERS, IMAGES_OF_BATCH, RULE, AUGMENTED, WEIGHT_DECAY, L1, TRAITS };

typedef struct manifest {
  double of[TRAITS];
  int64_t step, world;
  uint64_t checksums[HD_MOST_RANKS];
} manifest;

typedef struct shard {
  double of[TRAITS];
  int64_t step, rank;
  size_t offset, length;
  float *vector[VECTORS];
  hd_part parts[2 + VECTORS];
  int count;
} shard;

static void describe(const replica *s, double of[TRAITS]) {
  const job *j = s->job;
  of[SEED] = (double)j->seed;
  of[PARAMETERS] = (double)s->net->parameters;
  of[IMAGES_OF_BATCH] = (double)j->batch;
  of[RULE] = (double)j->rule;
  of[AUGMENTED] = j->augment;
  of[WEIGHT_DECAY] = (double)j->weight_decay;
  of[L1] = (double)j->l1;
}

static void shard_path(const job *j, long step, int rank, char *to, size_t size) {
  snprintf(to, size, "%s/step-%06ld.rank-%d", j->folder, step, rank);
}

static void manifest_path(const job *j, char *to, size_t size) {
  snprintf(to, size, "%s/manifest", j->folder);
}

static float *device_vector(const replica *s, int v) {
  return v == 0 ? s->net->theta : v == 1 ? s->optimizer->first : s->optimizer->second;
}

// Room for a rank's share of every vector, and the parts that name it.
static shard *shard_new(const replica *s, int rank) {
  shard *sh = hd_alloc(1, sizeof *sh);
  memset(sh, 0, sizeof *sh);
  describe(s, sh->of);
  sh->step = s->step;
  sh->rank = rank;
  hd_shard(s->net->parameters, rank, s->job->world, &sh->offset, &sh->length);
  sh->parts[sh->count++] = (hd_part){"training", sh->of, sizeof sh->of};
  sh->parts[sh->count++] = (hd_part){"step and rank", &sh->step, 2 * sizeof(int64_t)};
  for (int v = 0; v < VECTORS && device_vector(s, v); v++) {
    sh->vector[v] = hd_alloc(sh->length, sizeof(float));
    sh->parts[sh->count++] = (hd_part){NAMES[v], sh->vector[v], sh->length * sizeof(float)};
  }
  return sh;
}

static uint64_t checksum_of(const shard *sh) {
  uint64_t sum = 0;
  for (int v = 0; v < VECTORS && sh->vector[v]; v++)
    sum = sum * 31 + hd_checksum(sh->vector[v], sh->length * sizeof(float));
  return sum;
}

static void shard_free(shard *sh) {
  for (int v = 0; v < VECTORS; v++) free(sh->vector[v]);
  free(sh);
}

// ---------------------------------------------------------------- saving

static bool write_shard(const replica *s, uint64_t *checksum, char *why) {
  const int rank = hd_comm_rank(s->comm);
  char path[PATH + 64];
  shard *sh = shard_new(s, rank);
  hd_ops *o = s->optimizer->ops;
  for (int v = 0; v < VECTORS && sh->vector[v]; v++)
    o->download(o, sh->vector[v], device_vector(s, v) + sh->offset, sh->length * sizeof(float));
  *checksum = checksum_of(sh);
  shard_path(s->job, s->step, rank, path, sizeof path);
  const bool good = hd_checkpoint_write(path, sh->parts, sh->count, why, MOST_WHY);
  shard_free(sh);
  return good;
}

static bool write_manifest(const replica *s, const uint64_t *checksums, char *why) {
  char path[PATH + 64];
  manifest m;
  memset(&m, 0, sizeof m);
  describe(s, m.of);
  m.step = s->step;
  m.world = s->job->world;
  memcpy(m.checksums, checksums, (size_t)s->job->world * sizeof *checksums);
  manifest_path(s->job, path, sizeof path);
  return hd_checkpoint_write(path, &(hd_part){"manifest", &m, sizeof m}, 1, why, MOST_WHY);
}

int shards_save(replica *s) {
  uint64_t own = 0, all[HD_MOST_RANKS];
  char why[MOST_WHY], old[PATH + 64];
  const int rank = hd_comm_rank(s->comm);
  tempt_fate(s, BEFORE_SHARD);
  if (!write_shard(s, &own, why)) {
    hd_comm_abort(s->comm, why);
    return -1;
  }
  tempt_fate(s, BEHIND_SHARD);
  if (hd_all_gather(s->comm, &own, all, 2, HD_I32)) return -1;  // all shards are on their disks
  tempt_fate(s, BEFORE_MANIFEST);
  if (rank == 0 && !write_manifest(s, all, why)) {
    hd_comm_abort(s->comm, why);
    return -1;
  }
  tempt_fate(s, BEHIND_MANIFEST);
  if (hd_barrier(s->comm)) return -1;  // only now may the last one go
  shard_path(s->job, s->step - s->job->every, rank, old, sizeof old);
  unlink(old);
  return 0;
}

// ---------------------------------------------------------------- loading

static bool read_manifest(const replica *s, manifest *m, char *why) {
  char path[PATH + 64];
  double wanted[TRAITS];
  describe(s, wanted);
  manifest_path(s->job, path, sizeof path);
  if (!hd_checkpoint_read(path, &(hd_part){"manifest", m, sizeof *m}, 1, why, MOST_WHY)) return false;
  if (m->world != s->job->world) {
    snprintf(why, MOST_WHY, "%s: written by %lld ranks; this job has %d: start as many", path,
             (long long)m->world, s->job->world);
    return false;
  }
  bool same = true;
  for (int i = 0; i < TRAITS; i++) same = same && m->of[i] == wanted[i];
  if (same) return true;
  snprintf(why, MOST_WHY, "%s: of another training (seed, batch, network, optimizer or regularization)",
           path);
  return false;
}

static bool read_shard(replica *s, const manifest *m, int rank, char *why) {
  char path[PATH + 64];
  shard *sh = shard_new(s, rank);
  shard_path(s->job, (long)m->step, rank, path, sizeof path);
  bool good = hd_checkpoint_read(path, sh->parts, sh->count, why, MOST_WHY);
  if (good && (sh->step != m->step || sh->rank != rank || checksum_of(sh) != m->checksums[rank])) {
    snprintf(why, MOST_WHY, "%s: not the shard that the manifest names; use an older checkpoint", path);
    good = false;
  }
  hd_ops *o = s->optimizer->ops;
  for (int v = 0; v < VECTORS && good && sh->vector[v]; v++)
    o->upload(o, device_vector(s, v) + sh->offset, sh->vector[v], sh->length * sizeof(float));
  shard_free(sh);
  return good;
}

int shards_load(replica *s) {
  manifest m;
  char why[MOST_WHY];
  bool good = read_manifest(s, &m, why);
  for (int r = 0; r < s->job->world && good; r++) good = read_shard(s, &m, r, why);
  if (!good) hd_comm_abort(s->comm, why);
  if (!good || hd_barrier(s->comm)) return -1;  // nobody trains on before all have read
  s->step = s->optimizer->steps = (long)m.step;
  return 0;
}
