// SPDX-License-Identifier: MIT
// The file: a header (magic, version, parts with their names, sizes and checksums, a checksum of itself),
// then the parts one behind the other. Numbers in the machine's byte order; another one shows in the version.
#include <errno.h>
#include <fcntl.h>
#include <heddle/checkpoint.h>
#include <heddle/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VERSION = 1, MOST_PATH = 4096 };
static const char MAGIC[8] = "HEDDLECK";

typedef struct entry {
  char name[HD_CHECKPOINT_NAME];
  uint64_t bytes, checksum;
} entry;

typedef struct header {
  char magic[8];
  uint32_t version, count;
  entry entries[HD_CHECKPOINT_PARTS];
  uint64_t checksum;  // of all before it
} header;

// Over whole words, then over the rest.
uint64_t hd_checksum(const void *data, size_t bytes) {
  const unsigned char *p = data;
  uint64_t sum = 0xcbf29ce484222325u, word;
  for (; bytes >= sizeof word; p += sizeof word, bytes -= sizeof word) {
    memcpy(&word, p, sizeof word);
    sum = (sum ^ word) * 0x100000001b3u;
    sum ^= sum >> 32;  // the product carries upwards only; bring it down
  }
  for (; bytes > 0; p++, bytes--) sum = (sum ^ *p) * 0x100000001b3u;
  return sum;
}

static header header_of(const hd_part *parts, int count) {
  header h;
  memset(&h, 0, sizeof h);  // padding and unused entries are written, too
  memcpy(h.magic, MAGIC, sizeof MAGIC);
  h.version = VERSION;
  h.count = (uint32_t)count;
  for (int i = 0; i < count; i++) {
    snprintf(h.entries[i].name, sizeof h.entries[i].name, "%s", parts[i].name);
    h.entries[i].bytes = parts[i].bytes;
    h.entries[i].checksum = hd_checksum(parts[i].data, parts[i].bytes);
  }
  h.checksum = hd_checksum(&h, offsetof(header, checksum));
  return h;
}

static bool complain(char *error, size_t error_size, const char *path, const char *what) {
  snprintf(error, error_size, "%s: %s", path, what);
  return false;
}

static bool write_all(int file, const void *data, size_t bytes) {
  const char *p = data;
  while (bytes > 0) {
    const ssize_t done = write(file, p, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    p += done;
    bytes -= (size_t)done;
  }
  return true;
}

// A rename is on the disk only when its folder is.
static bool flush_folder(const char *path) {
  char folder[MOST_PATH];
  snprintf(folder, sizeof folder, "%s", path);
  char *slash = strrchr(folder, '/');
  if (slash) slash[slash == folder] = '\0';
  const int file = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY);
  if (file < 0) return false;
  const bool good = fsync(file) == 0 || errno == EINVAL;  // some file systems know no such thing
  close(file);
  return good;
}

static bool write_parts(const char *path, const hd_part *parts, int count) {
  const header h = header_of(parts, count);
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return false;
  bool good = write_all(file, &h, sizeof h);
  for (int i = 0; good && i < count; i++) good = write_all(file, parts[i].data, parts[i].bytes);
  good = good && fsync(file) == 0;
  const int why = errno;
  good = close(file) == 0 && good;
  errno = why;
  return good;
}

bool hd_checkpoint_write(const char *path, const hd_part *parts, int count, char *error, size_t error_size) {
  char beside[MOST_PATH];
  if (count < 0 || count > HD_CHECKPOINT_PARTS)
    hd_fail(HD_EXIT_FAILURE, "a checkpoint of %d parts; at most %d are possible", count, HD_CHECKPOINT_PARTS);
  if ((size_t)snprintf(beside, sizeof beside, "%s.new", path) >= sizeof beside)
    return complain(error, error_size, path, strerror(ENAMETOOLONG));
  if (!write_parts(beside, parts, count)) {
    snprintf(error, error_size, "%s: cannot write the checkpoint: %s; the previous one is kept", beside,
             strerror(errno));
    unlink(beside);
    return false;
  }
  if (rename(beside, path) != 0 || !flush_folder(path))
    return complain(error, error_size, path, strerror(errno));
  return true;
}

// Does the header describe these parts? h is as read, `got` bytes of it.
static bool header_fits(const header *h, size_t got, const char *path, const hd_part *parts, int count,
                        char *error, size_t error_size) {
  char what[160];
  if (got < sizeof h->magic || memcmp(h->magic, MAGIC, sizeof MAGIC) != 0)
    return complain(error, error_size, path, "not a checkpoint of Heddle");
  if (got < sizeof *h) return complain(error, error_size, path, "truncated; use an older checkpoint");
  if (h->version != VERSION) {
    snprintf(what, sizeof what, "version %u; this program reads version %d", h->version, VERSION);
    return complain(error, error_size, path, what);
  }
  if (h->checksum != hd_checksum(h, offsetof(header, checksum)))
    return complain(error, error_size, path, "damaged header (checksum); use an older checkpoint");
  if (h->count != (uint32_t)count) {
    snprintf(what, sizeof what, "holds %u parts, not %d: of another training", h->count, count);
    return complain(error, error_size, path, what);
  }
  for (int i = 0; i < count; i++) {
    const entry *e = &h->entries[i];
    if (strncmp(e->name, parts[i].name, sizeof e->name) == 0 && e->bytes == parts[i].bytes) continue;
    snprintf(what, sizeof what, "part %d is %.23s, %llu bytes, not %s, %zu bytes: of another training", i,
             e->name, (unsigned long long)e->bytes, parts[i].name, parts[i].bytes);
    return complain(error, error_size, path, what);
  }
  return true;
}

static bool read_parts(FILE *f, const char *path, const hd_part *parts, int count, char *error,
                       size_t error_size) {
  header h;
  memset(&h, 0, sizeof h);
  const size_t got = fread(&h, 1, sizeof h, f);
  if (!header_fits(&h, got, path, parts, count, error, error_size)) return false;
  bool good = true;
  void *read[HD_CHECKPOINT_PARTS] = {NULL};
  for (int i = 0; good && i < count; i++) {
    read[i] = hd_alloc(parts[i].bytes, 1);
    if (fread(read[i], 1, parts[i].bytes, f) != parts[i].bytes)
      good = complain(error, error_size, path, "truncated; use an older checkpoint");
    else if (hd_checksum(read[i], parts[i].bytes) != h.entries[i].checksum)
      good = complain(error, error_size, path, "damaged (checksum); use an older checkpoint");
  }
  if (good && fgetc(f) != EOF) good = complain(error, error_size, path, "longer than its header says");
  for (int i = 0; i < count; i++) {
    if (good && parts[i].bytes) memcpy(parts[i].data, read[i], parts[i].bytes);
    free(read[i]);
  }
  return good;
}

bool hd_checkpoint_read(const char *path, const hd_part *parts, int count, char *error, size_t error_size) {
  FILE *f = fopen(path, "rb");
  if (!f) return complain(error, error_size, path, strerror(errno));
  const bool good = read_parts(f, path, parts, count, error, error_size);
  fclose(f);
  return good;
}

// ---------------------------------------------------------------- a training

typedef struct progress {
  uint64_t seed, batches, parameters;
  int64_t steps, good, skipped;
  uint32_t rule;
  float scale;
} progress;

// The host's side of a training: the vectors, and the parts that name them.
typedef struct image {
  progress progress;
  float *vector[3];
  hd_part parts[4];
  int count;
} image;

static image *image_new(const hd_training *t) {
  const hd_optimizer *p = t->optimizer;
  static const char *const NAMES[3] = {"parameters", "first moment", "second moment"};
  image *i = hd_alloc(1, sizeof *i);
  memset(i, 0, sizeof *i);
  i->progress = (progress){.seed = t->seed,
                           .batches = t->batches,
                           .parameters = p->count,
                           .steps = p->steps,
                           .rule = (uint32_t)p->rule,
                           .scale = 1};
  if (t->scaler) {
    i->progress.good = t->scaler->good;
    i->progress.skipped = t->scaler->skipped;
    i->progress.scale = t->scaler->scale;
  }
  i->parts[i->count++] = (hd_part){"progress", &i->progress, sizeof i->progress};
  for (int v = 0; v < (p->second ? 3 : 2); v++) {
    i->vector[v] = hd_alloc(p->count, sizeof(float));
    i->parts[i->count++] = (hd_part){NAMES[v], i->vector[v], p->count * sizeof(float)};
  }
  return i;
}

static void image_free(image *i) {
  for (int v = 0; v < 3; v++) free(i->vector[v]);
  free(i);
}

static float *device_vector(const hd_training *t, int v) {
  return v == 0 ? t->theta : v == 1 ? t->optimizer->first : t->optimizer->second;
}

bool hd_training_save(const char *path, const hd_training *t, char *error, size_t error_size) {
  image *i = image_new(t);
  hd_ops *o = t->optimizer->ops;
  for (int v = 0; v < 3 && i->vector[v]; v++)
    o->download(o, i->vector[v], device_vector(t, v), t->optimizer->count * sizeof(float));
  const bool good = hd_checkpoint_write(path, i->parts, i->count, error, error_size);
  image_free(i);
  return good;
}

static void take_up(hd_training *t, const image *i) {
  hd_ops *o = t->optimizer->ops;
  for (int v = 0; v < 3 && i->vector[v]; v++)
    o->upload(o, device_vector(t, v), i->vector[v], t->optimizer->count * sizeof(float));
  t->optimizer->steps = i->progress.steps;
  t->batches = i->progress.batches;
  if (!t->scaler) return;
  t->scaler->good = i->progress.good;
  t->scaler->skipped = i->progress.skipped;
  t->scaler->scale = i->progress.scale;
}

bool hd_training_load(const char *path, hd_training *t, char *error, size_t error_size) {
  image *i = image_new(t);
  const progress wanted = i->progress;
  char what[160];
  bool good = hd_checkpoint_read(path, i->parts, i->count, error, error_size);
  if (good && (i->progress.seed != wanted.seed || i->progress.rule != wanted.rule)) {
    snprintf(what, sizeof what, "seed %llu and optimizer %u; this training has seed %llu and optimizer %u",
             (unsigned long long)i->progress.seed, i->progress.rule, (unsigned long long)wanted.seed,
             wanted.rule);
    good = complain(error, error_size, path, what);
  }
  if (good) take_up(t, i);
  image_free(i);
  return good;
}
