// SPDX-License-Identifier: MIT
#include "samples.h"

#include "heddle/stats.h"

// Left edges in ns: narrow where clocks differ, wide in the tail. The first bin takes what is shorter, too.
static const struct {
  double edge;
  const char *figure;
} bins[] = {{1, "sample_1"},        {4, "sample_4"},     {6, "sample_6"},       {8, "sample_8"},
            {11, "sample_11"},      {16, "sample_16"},   {23, "sample_23"},     {32, "sample_32"},
            {45, "sample_45"},      {64, "sample_64"},   {91, "sample_91"},     {128, "sample_128"},
            {256, "sample_256"},    {512, "sample_512"}, {1024, "sample_1024"}, {4096, "sample_4096"},
            {16384, "sample_16384"}};

void report_samples(hd_case *c, double *ns, long count) {
  if (count < 1) return;
  double sum = 0;
  for (long i = 0; i < count; i++) sum += ns[i];
  const hd_summary s = hd_summarize(ns, (size_t)count);
  long first = 0;
  while (first < count - 1 && ns[first] <= 0) first++;
  hd_figure(c, "mean", sum / (double)count, "ns");
  hd_figure(c, "median", s.median, "ns");
  hd_figure(c, "percentile_99", ns[(count - 1) * 99 / 100], "ns");
  hd_figure(c, "longest", s.max, "ns");
  hd_figure(c, "smallest_step", ns[first], "ns");
  long from = 0;
  for (int b = 0; b < HD_COUNT(bins); b++) {
    long to = from;
    while (to < count && (b + 1 == HD_COUNT(bins) || ns[to] < bins[b + 1].edge)) to++;
    hd_figure(c, bins[b].figure, (double)(to - from), "samples");
    from = to;
  }
}
