// SPDX-License-Identifier: MIT
#include "paper.h"

#include <math.h>

enum { MOST_PLACES = 64 };

int paper_width(double kernel_share) {
  return kernel_share > 0 && kernel_share <= 1 ? (int)(1 / kernel_share + 1e-9) : 1;
}

double paper_pipeline(const piece_costs *c, int chunks, int buffers) {
  const int width = paper_width(c->kernel_share);
  double host = 0, uploaded = 0, downloaded = 0;
  double computed[MOST_PLACES] = {0};  // when the last kernel on this part of the SMs has ended
  double emptied[MOST_PLACES] = {0};   // when the chunk before has left this buffer
  for (int i = 0; i < chunks; i++) {
    double *buffer = &emptied[i % buffers % MOST_PLACES];
    host += c->issue;
    uploaded = fmax(host, fmax(uploaded, *buffer)) + c->upload;
    host += c->issue;
    double *sms = &computed[i % width % MOST_PLACES];
    *sms = fmax(host, fmax(*sms, uploaded)) + c->kernel;
    host += c->issue;
    downloaded = fmax(host, fmax(downloaded, *sms)) + c->download;
    *buffer = downloaded;
  }
  return downloaded;
}

// A kernel keeps the SMs as busy as it has blocks for them.
static double sms_of(const piece_costs *c) {
  return c->kernel / paper_width(c->kernel_share);
}

static double slowest(const piece_costs *c) {
  return fmax(c->upload, fmax(sms_of(c), c->download));
}

// Every chunk passes all three, the first one (and the last one) alone; between them the slowest never rests.
double paper_bound(const piece_costs *c, int chunks) {
  return c->issue + c->upload + c->kernel + c->download + (chunks - 1) * slowest(c);
}

// With m chunks a phase takes a + P / m. The bound is a constant + (sum of the other P) / m + a · m of the
// slowest; its smallest value is at m² = (sum of the other P) / a.
double paper_best_chunks(const piece_costs *c, int chunks) {
  const double slow = slowest(c);
  const double alpha = slow == c->upload   ? c->upload_alpha
                       : slow == sms_of(c) ? c->kernel_alpha
                                           : c->download_alpha;
  const double slopes =
      c->upload + c->kernel + c->download - (c->upload_alpha + c->kernel_alpha + c->download_alpha);
  const double others = chunks * (slopes - (slow - alpha));
  return alpha > 0 && others > 0 ? sqrt(others / alpha) : 1;
}

double paper_kernels(const piece_costs *c, int kernels, int width) {
  double host = 0, ended[MOST_PLACES] = {0}, last = 0;
  for (int i = 0; i < kernels; i++) {
    double *place = &ended[i % width % MOST_PLACES];
    host += c->issue;
    last = *place = fmax(host, *place) + c->kernel;
  }
  return last;
}
