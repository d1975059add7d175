// SPDX-License-Identifier: MIT
#include <heddle/schedule.h>
#include <math.h>

float hd_rate_at(const hd_schedule *s, long step) {
  if (step < s->warm_up) return s->rate * (float)(step + 1) / (float)s->warm_up;
  const long behind = step - s->warm_up, length = s->total - s->warm_up;
  const double done = behind < length ? (double)behind / (double)length : 1;
  const double rate = (double)s->rate, fall = rate - (double)s->last;
  switch (s->decay) {
    case HD_RATE_STAIRS:
      return (float)(rate * pow((double)s->factor, (double)(s->every > 0 ? behind / s->every : 0)));
    case HD_RATE_LINEAR:
      return (float)(rate - fall * done);
    case HD_RATE_COSINE:
      return (float)((double)s->last + fall * 0.5 * (1 + cos(3.14159265358979323846 * done)));
    case HD_RATE_CONSTANT:
      break;
  }
  return s->rate;
}

float hd_scaled_rate(float rate, size_t batch, size_t base_batch) {
  return rate * (float)batch / (float)base_batch;
}

hd_scaler hd_scaler_default(void) {
  return (hd_scaler){.scale = 65536, .largest = 0x1p24f, .every = 2000};
}

bool hd_scaler_step(hd_scaler *s, hd_optimizer *p, float *theta, const float *gradient, float rate,
                    float scale) {
  if (!p->ops->all_finite(p->ops, gradient, p->count)) {
    if (s->scale > 1) s->scale /= 2;
    s->good = 0;
    s->skipped++;
    return false;
  }
  hd_optimizer_step(p, theta, gradient, rate, scale / s->scale);
  if (++s->good >= s->every) {
    if (2 * s->scale <= s->largest) s->scale *= 2;
    s->good = 0;
  }
  return true;
}
