// SPDX-License-Identifier: MIT
#include "heddle/device.h"

#include <cuda_runtime.h>
#include <string.h>

#include "heddle/error.h"
#include "heddle/stats.h"

int hd_device_count(void) {
  static int count = -1;
  if (count < 0 && cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // no driver is an answer, not an error to be found later
    count = 0;
  }
  return count;
}

const char *hd_device_name(void) {
  static char name[64] = "none";
  cudaDeviceProp properties;
  if (strcmp(name, "none") == 0 && hd_device_count() > 0 &&
      cudaGetDeviceProperties(&properties, 0) == cudaSuccess)
    snprintf(name, sizeof name, "%.63s", properties.name);
  return name;
}

bool hd_device_simulated(void) {
  return strncmp(hd_device_name(), "sim:", 4) == 0;
}

void hd_device_select(int rank) {
  if (hd_device_count() > 0) HD_CUDA(cudaSetDevice(rank % hd_device_count()));
}

// fp32 lanes of one SM by compute capability (CUDA C++ Programming Guide, arithmetic throughput table).
static int fp32_lanes(int major, int minor) {
  if (major == 8) return minor == 0 ? 64 : 128;
  return major < 8 ? 64 : 128;
}

static double attribute(enum cudaDeviceAttr which) {
  int device = 0, value = 0;
  if (cudaGetDevice(&device) != cudaSuccess || cudaDeviceGetAttribute(&value, which, device) != cudaSuccess) {
    cudaGetLastError();
    return 0;
  }
  return value;
}

void hd_device_peaks(double *flops, double *bytes) {
  const int lanes = fp32_lanes((int)attribute(cudaDevAttrComputeCapabilityMajor),
                               (int)attribute(cudaDevAttrComputeCapabilityMinor));
  *flops = attribute(cudaDevAttrMultiProcessorCount) * lanes * 2 * attribute(cudaDevAttrClockRate) * 1e3;
  // Memory clock in kHz, two transfers a clock, bus width in bits.
  *bytes = attribute(cudaDevAttrMemoryClockRate) * 1e3 * 2 * attribute(cudaDevAttrGlobalMemoryBusWidth) / 8;
}

// 16-bit FLOPs of one SM's tensor cores in a clock: 512 multiply-adds since Volta, 1024 in an A100, 2048
// since Hopper, 4096 in a B200 (white papers of the architectures). bf16 came with compute capability 8, and
// with it tf32 at half the rate.
static double tensor_flops(int major, int minor, enum hd_type operands) {
  if (operands == HD_TF32) return tensor_flops(major, minor, HD_BF16) / 2;
  if (operands != HD_F16 && (operands != HD_BF16 || major < 8)) return 0;
  if (major < 7) return 0;
  if (major == 8 && minor == 0) return 2048;
  return major == 9 ? 4096 : major == 10 ? 8192 : 1024;
}

double hd_device_product_peak(enum hd_type operands) {
  double flops, bytes;
  const double a_clock = tensor_flops((int)attribute(cudaDevAttrComputeCapabilityMajor),
                                      (int)attribute(cudaDevAttrComputeCapabilityMinor), operands);
  hd_device_peaks(&flops, &bytes);
  if (a_clock == 0) return flops;
  return attribute(cudaDevAttrMultiProcessorCount) * a_clock * attribute(cudaDevAttrClockRate) * 1e3;
}

// A copy in the default stream to memory of a GPU, from pinned host memory or from device 0.
typedef struct road {
  char *to;
  const char *from;
  int to_device;
  bool from_host;
} road;

static void copy(const road *r, size_t bytes) {
  if (r->from_host)
    HD_CUDA(cudaMemcpyAsync(r->to, r->from, bytes, cudaMemcpyHostToDevice, 0));
  else
    HD_CUDA(cudaMemcpyPeerAsync(r->to, r->to_device, r->from, 0, bytes, 0));
}

enum { SIZES = 5, ROOM = 16 << 20 };

// Mean seconds of a copy of `bytes`. A long copy in front keeps the stream busy until the host has issued the
// rest.
static double copy_seconds(const road *r, size_t bytes) {
  enum { COPIES = 8 };
  cudaEvent_t start, stop;
  float ms = 0;
  HD_CUDA(cudaEventCreate(&start));
  HD_CUDA(cudaEventCreate(&stop));
  copy(r, ROOM);
  HD_CUDA(cudaEventRecord(start, 0));
  for (int i = 0; i < COPIES; i++) copy(r, bytes);
  HD_CUDA(cudaEventRecord(stop, 0));
  HD_CUDA(cudaEventSynchronize(stop));
  HD_CUDA(cudaEventElapsedTime(&ms, start, stop));
  HD_CUDA(cudaEventDestroy(start));
  HD_CUDA(cudaEventDestroy(stop));
  return ms * 1e-3 / COPIES;
}

static void fit_link(const road *r, double *alpha_s, double *bytes_per_s) {
  double bytes[SIZES], seconds[SIZES];
  for (int i = 0; i < SIZES; i++) {
    bytes[i] = (double)((size_t)ROOM >> (4 * (SIZES - 1 - i)));
    seconds[i] = copy_seconds(r, (size_t)bytes[i]);
  }
  hd_fit_alpha_beta(bytes, seconds, SIZES, alpha_s, bytes_per_s);
}

void hd_device_link(double *alpha_s, double *bytes_per_s) {
  static double alpha = 0, rate = 0;
  *alpha_s = *bytes_per_s = 0;
  if (hd_device_count() == 0) return;
  if (rate == 0) {
    const int peer = hd_device_count() > 1;
    int current, possible = 0;
    char *here, *there;
    HD_CUDA(cudaGetDevice(&current));
    HD_CUDA(cudaSetDevice(peer));
    HD_CUDA(cudaMalloc((void **)&there, ROOM));
    HD_CUDA(cudaSetDevice(0));
    HD_CUDA(cudaMalloc((void **)&here, ROOM));
    if (peer) HD_CUDA(cudaDeviceCanAccessPeer(&possible, 0, 1));
    if (possible && cudaDeviceEnablePeerAccess(1, 0) != cudaSuccess) cudaGetLastError();
    const road r = {there, here, peer, false};
    fit_link(&r, &alpha, &rate);
    HD_CUDA(cudaFree(here));
    HD_CUDA(cudaFree(there));
    HD_CUDA(cudaSetDevice(current));
  }
  *alpha_s = alpha;
  *bytes_per_s = rate;
}

void hd_device_host_link(double *alpha_s, double *bytes_per_s) {
  static double alpha = 0, rate = 0;
  *alpha_s = *bytes_per_s = 0;
  if (hd_device_count() == 0) return;
  if (rate == 0) {
    char *here, *there;
    HD_CUDA(cudaMallocHost((void **)&here, ROOM));
    HD_CUDA(cudaMalloc((void **)&there, ROOM));
    const road r = {there, here, 0, true};
    fit_link(&r, &alpha, &rate);
    HD_CUDA(cudaFree(there));
    HD_CUDA(cudaFreeHost(here));
  }
  *alpha_s = alpha;
  *bytes_per_s = rate;
}

size_t hd_device_free_bytes(void) {
  size_t free_bytes = 0, total = 0;
  HD_CUDA(cudaMemGetInfo(&free_bytes, &total));
  return free_bytes;
}

enum { MOST_DEVICES = 64 };
static cudaEvent_t started[MOST_DEVICES], stopped[MOST_DEVICES];

// Logical devices that share a physical one are timed once.
static int physical(int devices) {
  const int count = hd_device_count();
  if (devices > MOST_DEVICES || count > MOST_DEVICES)
    hd_fail(HD_EXIT_USAGE, "%d devices: at most %d are supported", devices, MOST_DEVICES);
  return devices < count ? devices : count;
}

void hd_device_timer_start(int devices) {
  for (int d = 0; d < physical(devices); d++) {
    HD_CUDA(cudaSetDevice(d));
    if (!started[d]) {
      HD_CUDA(cudaEventCreate(&started[d]));
      HD_CUDA(cudaEventCreate(&stopped[d]));
    }
    HD_CUDA(cudaDeviceSynchronize());
  }
  for (int d = physical(devices) - 1; d >= 0; d--) {  // ends with device 0 current
    HD_CUDA(cudaSetDevice(d));
    HD_CUDA(cudaEventRecord(started[d], 0));
  }
}

double hd_device_timer_stop(int devices) {
  double longest = 0;
  // The legacy default stream waits for the blocking streams of its device, so its event ends the region.
  for (int d = 0; d < physical(devices); d++) {
    HD_CUDA(cudaSetDevice(d));
    HD_CUDA(cudaEventRecord(stopped[d], 0));
  }
  for (int d = physical(devices) - 1; d >= 0; d--) {
    HD_CUDA(cudaSetDevice(d));
    HD_CUDA(cudaEventSynchronize(stopped[d]));
    float ms = 0;
    HD_CUDA(cudaEventElapsedTime(&ms, started[d], stopped[d]));
    if (ms > longest) longest = ms;
  }
  return longest * 1e-3;
}

// cusim's (cusim/host.h); CUDA's runtime has no such thing.
extern "C" __attribute__((weak)) void cusim_host_works(double seconds);

void hd_device_host_works(double seconds) {
  if (cusim_host_works) cusim_host_works(seconds);
}

void hd_device_synchronize(int devices) {
  for (int d = physical(devices) - 1; d >= 0; d--) {
    HD_CUDA(cudaSetDevice(d));
    HD_CUDA(cudaDeviceSynchronize());
  }
}
