// SPDX-License-Identifier: MIT
// The data set, once in memory for all ranks of a machine: the program that starts them copies it into memory
// that has a name as long as it lives, and they map that, for reading. Where the name means nothing, on
// another machine, a rank loads its own.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster.h"

typedef struct image_header {
  size_t count, check;
} image_header;

void share_images(const hd_dataset *d, char name[PATH]) {
  const size_t pixels = d->count * HD_IMAGE_PIXELS * sizeof(float),
               bytes = sizeof(image_header) + pixels + d->count;
  const int memory = memfd_create("heddle-images", MFD_CLOEXEC);
  name[0] = '\0';
  if (memory < 0 || ftruncate(memory, (off_t)bytes)) return;
  char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (p == MAP_FAILED) return;
  *(image_header *)p = (image_header){d->count, bytes};
  memcpy(p + sizeof(image_header), d->images, pixels);
  memcpy(p + sizeof(image_header) + pixels, d->labels, d->count);
  munmap(p, bytes);
  snprintf(name, PATH, "/proc/%d/fd/%d", (int)getpid(), memory);
}

bool open_images(const char *name, hd_dataset *d) {
  struct stat s;
  const int file = name[0] ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return false;
  const bool known = fstat(file, &s) == 0 && (size_t)s.st_size > sizeof(image_header);
  char *p = known ? mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
  close(file);
  if (p == MAP_FAILED) return false;
  const image_header *h = (const image_header *)p;
  if (h->check != (size_t)s.st_size) {
    munmap(p, (size_t)s.st_size);
    return false;
  }
  float *images = (float *)(p + sizeof *h);
  *d = (hd_dataset){.count = h->count,
                    .images = images,
                    .labels = (uint8_t *)(images + h->count * HD_IMAGE_PIXELS),
                    .source = "shared"};
  return true;
}

void close_images(hd_dataset *d) {
  image_header *h = (image_header *)d->images - 1;
  munmap(h, h->check);
}
