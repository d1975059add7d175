// SPDX-License-Identifier: MIT
// Between the layers' files and the network.
#ifndef HEDDLE_LIB_LAYER_H
#define HEDDLE_LIB_LAYER_H
#include <heddle/net.h>

// Scratch of a dense layer or a convolution.
size_t hd_product_work(const hd_layer *l, long samples, bool on_host, enum hd_type precision);

// True for hd_addition, whose backward and second input are the network's business.
bool hd_is_addition(const hd_layer *l);
#endif
