// SPDX-License-Identifier: MIT
// Convolution in single precision on the CPU, directly on the images: no matrix of windows is made. Images
// are (height, width, channels), filters (size, size, channels, filters) as hd_convolution's weights, outputs
// (hd_windows_down, hd_windows_across, filters). All three run on omp_get_max_threads() threads of the
// caller; their sums do not depend on how many.
#ifndef HEDDLE_KERNELS_CONV_H
#define HEDDLE_KERNELS_CONV_H
#include <heddle/ops.h>

#ifdef __cplusplus
extern "C" {
#endif

// y = convolution of x with the filters + bias (NULL: none), and negative ones 0 if relu. For all three:
// padding < size.
void hd_convolve(const float *x, const float *filter, const float *bias, float *y, long images, hd_windows w,
                 long filters, bool relu);

// d_x = the gradient of the images, from that of the outputs.
void hd_convolve_images(const float *dy, const float *filter, float *d_x, long images, hd_windows w,
                        long filters);

// d_filter = the gradient of the filters, or is added to.
void hd_convolve_filters(const float *x, const float *dy, float *d_filter, long images, hd_windows w,
                         long filters, bool accumulate);

#ifdef __cplusplus
}
#endif
#endif
