// SPDX-License-Identifier: MIT
// How well modelled times agree with measured ones: ratios, their mean, the worst, and the order of each
// ladder.
#include <math.h>
#include <string.h>

#include "report.h"

// Rungs that differ by less than this on the card are as fast as each other, and the model may tie what is
// further apart.
static const double SAME = 1.05, TIED = 1.02;

static bool one_ladder(const hd_pair *p, const hd_pair *q) {
  return p->lesson == q->lesson && p->a->size == q->a->size && p->a->devices == q->a->devices &&
         strcmp(p->a->device, q->a->device) == 0;
}

double hd_pair_ratio(const hd_pair *pair) {
  return pair->a->median_s / pair->b->median_s;
}

hd_agreement hd_agreement_of(const hd_pair *pairs, int count, const hd_report_lesson *lesson) {
  hd_agreement g = {.mean_error = NAN};
  double sum = 0, worst = -1;
  for (int i = 0; i < count; i++) {
    if (lesson != NULL && pairs[i].lesson != lesson) continue;
    const double error = fabs(log(hd_pair_ratio(&pairs[i])));
    g.pairs++;
    sum += error;
    if (error > worst) {
      worst = error;
      g.worst = &pairs[i];
    }
    for (int j = 0; j < i; j++) {
      if (!one_ladder(&pairs[i], &pairs[j])) continue;
      const double measured = pairs[i].b->median_s / pairs[j].b->median_s,
                   modelled = pairs[i].a->median_s / pairs[j].a->median_s;
      if (measured < SAME && measured > 1 / SAME) continue;
      g.compared++;
      if ((measured > 1 && modelled < 1 / TIED) || (measured < 1 && modelled > TIED)) {
        g.reversed++;
        g.slower = measured > 1 ? &pairs[i] : &pairs[j];
        g.faster = measured > 1 ? &pairs[j] : &pairs[i];
      }
    }
  }
  if (g.pairs > 0) g.mean_error = exp(sum / g.pairs);
  return g;
}

void hd_agreement_order(char *out, size_t size, const hd_agreement *g) {
  char text[HD_TEXT];
  if (g->compared == 0)
    snprintf(out, size, "nothing to order");
  else if (g->reversed == 0)
    snprintf(out, size, "right");
  else
    snprintf(out, size, "wrong in %d of %d: at %s, %s is faster than %s, not slower", g->reversed,
             g->compared, hd_text_size(text, g->faster->a->size), g->faster->a->variant,
             g->slower->a->variant);
}
