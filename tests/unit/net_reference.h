// SPDX-License-Identifier: MIT
// Every layer's forward pass in double precision, straight from its definition and with no code in common
// with the library: what gradients are held against, by central differences.
#ifndef HEDDLE_TESTS_NET_REFERENCE_H
#define HEDDLE_TESTS_NET_REFERENCE_H
#include <heddle/net.h>

// Outputs of all layers for one sample: y[l] has room for layers[l].out values. tokens instead of x for an
// embedding.
void reference_forward(const hd_layer *layers, int count, const double *theta, const double *x,
                       const int32_t *tokens, double **y);

// Sum over the samples of the loss; targets as for hd_net_loss.
double reference_loss(const hd_layer *layers, int count, const double *theta, const double *x,
                      const int32_t *tokens, const void *targets, enum hd_loss loss, int samples);
#endif
