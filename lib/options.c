// SPDX-License-Identifier: MIT
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heddle/error.h"

enum { MOST_THREADS = 1024, MOST_DEVICES = 64 };

static void help(const hd_lesson *lesson) {
  printf(
      "%02d · %s\n\n"
      "  --verify              check every variant at awkward sizes; time nothing\n"
      "  --size N              one size (%s) instead of the profile's\n"
      "  --threads N           CPU threads or ranks (1 … %d); default: the lesson's sweep\n"
      "  --devices N           GPUs (1 … %d); default: the lesson's sweep\n"
      "  --device WHICH        all, cpu, gpu, or sim:CARD (simulated GPUs only; h200, t4, …)\n"
      "  --variant NAME        one variant\n"
      "  --no-mistakes         leave out the variants that are wrong on purpose\n"
      "  --profile P           quick (default) or full\n"
      "  --format F            table (default), csv or json\n"
      "  --results DIR         append the rows to DIR/results.csv; rows already there are not measured "
      "again\n"
      "  --seed N              of the random inputs (default 1)\n"
      "  --list                the variants, where they run and what they need\n",
      lesson->number, lesson->title, lesson->size_name, MOST_THREADS, MOST_DEVICES);
  if (lesson->option_help) fputs(lesson->option_help, stdout);
}

static long whole_number(const char *option, const char *value, long least, long most) {
  char *end;
  errno = 0;
  const long n = strtol(value, &end, 10);
  if (errno || *end || end == value || n < least || n > most)
    hd_fail(HD_EXIT_USAGE, "%s %s: a whole number from %ld to %ld is needed", option, value, least, most);
  return n;
}

static int one_of(const char *option, const char *value, const char *const *names) {
  char all[128] = "";
  for (int i = 0; names[i]; i++) {
    if (strcmp(value, names[i]) == 0) return i;
    strcat(strcat(all, i ? ", " : ""), names[i]);
  }
  hd_fail(HD_EXIT_USAGE, "%s %s: must be one of %s", option, value, all);
}

static void check_variant(const hd_lesson *lesson, const char *name) {
  char all[1024] = "";
  for (int i = 0; i < lesson->variant_count; i++) {
    const hd_variant *v = &lesson->variants[i];
    if (strcmp(v->name, name) == 0) {
      if (!v->run)
        hd_fail(HD_EXIT_FAILURE, "--variant %s: not built here, it needs %s (see make doctor)", name,
                v->needs);
      return;
    }
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", v->name);
  }
  hd_fail(HD_EXIT_USAGE, "--variant %s: unknown in lesson %02d; it has %s", name, lesson->number, all);
}

// "sim:t4" chooses the card that the simulator gives this process; harmless where GPUs are real.
static enum hd_device_choice read_device(const char *value) {
  if (strncmp(value, "sim:", 4) == 0) {
    setenv("CUSIM_CARD", value + 4, 1);
    return HD_DEVICE_GPU;
  }
  return (enum hd_device_choice)one_of("--device", value, (const char *const[]){"all", "cpu", "gpu", NULL});
}

// Simulated machines get as many GPUs as the lesson's sweep asks for; CUSIM_DEVICES says otherwise, and then
// ranks share a card as they would on hardware.
static void simulated_devices(const hd_lesson *lesson, int asked) {
  int most = asked ? asked : 1;
  for (int i = 0; i < HD_MAX_SIZES && !asked; i++)
    if (lesson->sweep_devices[i] > most) most = lesson->sweep_devices[i];
  char number[16];
  snprintf(number, sizeof number, "%d", most);
  setenv("CUSIM_DEVICES", number, 0);
}

hd_options hd_options_read(const hd_lesson *lesson, int argc, char **argv) {
  hd_options o = {.seed = 1};
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
      help(lesson);
      exit(0);
    }
    if (strcmp(name, "--verify") == 0) {
      o.verify = true;
      continue;
    }
    if (strcmp(name, "--no-mistakes") == 0) {
      o.no_mistakes = true;
      continue;
    }
    if (strcmp(name, "--list") == 0) {
      o.list = true;
      continue;
    }
    const char *value = i + 1 < argc ? argv[i + 1] : NULL;
    if (strncmp(name, "--", 2) != 0) hd_fail(HD_EXIT_USAGE, "%s: not an option; see --help", name);
    if (!value) hd_fail(HD_EXIT_USAGE, "%s: unknown, or its value is missing; see --help", name);
    i++;
    if (strcmp(name, "--size") == 0) {
      o.size = whole_number(name, value, 0, 1L << 40);
      o.size_given = true;
    } else if (strcmp(name, "--threads") == 0)
      o.threads = (int)whole_number(name, value, 1, MOST_THREADS);
    else if (strcmp(name, "--devices") == 0)
      o.devices = (int)whole_number(name, value, 1, MOST_DEVICES);
    else if (strcmp(name, "--seed") == 0)
      o.seed = (uint64_t)whole_number(name, value, 0, INT64_MAX);
    else if (strcmp(name, "--device") == 0)
      o.device = read_device(value);
    else if (strcmp(name, "--variant") == 0)
      o.variant = value;
    else if (strcmp(name, "--results") == 0)
      o.results = value;
    else if (strcmp(name, "--profile") == 0)
      o.full = one_of(name, value, (const char *const[]){"quick", "full", NULL});
    else if (strcmp(name, "--format") == 0)
      o.format = (enum hd_format)one_of(name, value, (const char *const[]){"table", "csv", "json", NULL});
    else if (!lesson->option || !lesson->option(name, value))
      hd_fail(HD_EXIT_USAGE, "%s: unknown; see --help", name);
  }
  if (o.variant) check_variant(lesson, o.variant);
  simulated_devices(lesson, o.devices);
  return o;
}
