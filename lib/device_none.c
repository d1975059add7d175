// SPDX-License-Identifier: MIT
// Built with -DHEDDLE_GPU=off: no GPU, and no variant that asks for one.
#include "heddle/device.h"

int hd_device_count(void) {
  return 0;
}
const char *hd_device_name(void) {
  return "none";
}
bool hd_device_simulated(void) {
  return false;
}
void hd_device_select(int rank) {
  (void)rank;
}
void hd_device_peaks(double *flops, double *bytes) {
  *flops = *bytes = 0;
}
double hd_device_product_peak(enum hd_type operands) {
  (void)operands;
  return 0;
}
void hd_device_link(double *alpha_s, double *bytes_per_s) {
  *alpha_s = *bytes_per_s = 0;
}
void hd_device_host_link(double *alpha_s, double *bytes_per_s) {
  *alpha_s = *bytes_per_s = 0;
}
size_t hd_device_free_bytes(void) {
  return 0;
}
void hd_device_timer_start(int devices) {
  (void)devices;
}
double hd_device_timer_stop(int devices) {
  return devices * 0.0;
}
void hd_device_host_works(double seconds) {
  (void)seconds;
}
void hd_device_synchronize(int devices) {
  (void)devices;
}
