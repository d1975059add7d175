// SPDX-License-Identifier: MIT
// Memory of the tracer: arrays that grow and a hash table with open addressing.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

void *sim_grow(void *old, size_t count, size_t size) {
  void *memory = realloc(old, count * size);
  if (!memory) {
    fprintf(stderr, "cusim: out of memory while tracing a block (%zu bytes); set CUSIM_TRACE=off\n",
            count * size);
    exit(1);
  }
  return memory;
}

void *sim_grow_zeroed(void *old, size_t old_count, size_t count, size_t size) {
  char *memory = sim_grow(old, count, size);
  memset(memory + old_count * size, 0, (count - old_count) * size);
  return memory;
}

void sim_table_clear(key_table *table) {
  if (table->count) memset(table->key, 0, table->capacity * sizeof *table->key);
  table->count = 0;
}

uint32_t *sim_table_at(key_table *table, uint64_t key, bool *fresh) {
  if (table->count * 2 >= table->capacity) {
    key_table old = *table;
    table->capacity = old.capacity ? old.capacity * 2 : 1024;
    table->key = sim_grow_zeroed(NULL, 0, table->capacity, sizeof *table->key);
    table->value = sim_grow(NULL, table->capacity, sizeof *table->value);
    table->count = 0;
    for (size_t i = 0; i < old.capacity; i++) {
      if (old.key[i]) *sim_table_at(table, old.key[i], &(bool){false}) = old.value[i];
    }
    free(old.key);
    free(old.value);
  }
  size_t i = sim_mix(key) & (table->capacity - 1);
  while (table->key[i] && table->key[i] != key) i = (i + 1) & (table->capacity - 1);
  *fresh = !table->key[i];
  if (*fresh) {
    table->key[i] = key;
    table->value[i] = 0;
    table->count++;
  }
  return &table->value[i];
}

bool sim_table_find(const key_table *table, uint64_t key, uint32_t *value) {
  if (!table->capacity) return false;
  size_t i = sim_mix(key) & (table->capacity - 1);
  while (table->key[i] && table->key[i] != key) i = (i + 1) & (table->capacity - 1);
  if (table->key[i]) *value = table->value[i];
  return table->key[i] != 0;
}

void sim_push_slot(slot_vector *vector, int32_t slot) {
  if (vector->count == vector->capacity) {
    vector->capacity = vector->capacity ? vector->capacity * 2 : 64;
    vector->slot = sim_grow(vector->slot, vector->capacity, sizeof *vector->slot);
  }
  vector->slot[vector->count++] = slot;
}

void sim_table_free(key_table *table) {
  free(table->key);
  free(table->value);
  *table = (key_table){0};
}
