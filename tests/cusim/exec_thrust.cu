// SPDX-License-Identifier: MIT
// Thrust: vectors, algorithms, iterators and kernels in between, with known answers.
#include <thrust/binary_search.h>
#include <thrust/copy.h>
#include <thrust/count.h>
#include <thrust/device_ptr.h>
#include <thrust/device_vector.h>
#include <thrust/execution_policy.h>
#include <thrust/extrema.h>
#include <thrust/functional.h>
#include <thrust/gather.h>
#include <thrust/host_vector.h>
#include <thrust/inner_product.h>
#include <thrust/iterator/constant_iterator.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/iterator/permutation_iterator.h>
#include <thrust/iterator/transform_iterator.h>
#include <thrust/iterator/zip_iterator.h>
#include <thrust/partition.h>
#include <thrust/random.h>
#include <thrust/reduce.h>
#include <thrust/remove.h>
#include <thrust/scan.h>
#include <thrust/scatter.h>
#include <thrust/sequence.h>
#include <thrust/set_operations.h>
#include <thrust/sort.h>
#include <thrust/transform.h>
#include <thrust/transform_reduce.h>
#include <thrust/tuple.h>
#include <thrust/unique.h>

#include <iterator>
#include <sstream>
#include <vector>

#include "exec_check.h"

struct square {
  __host__ __device__ int operator()(int x) const { return x * x; }
};
struct even {
  __host__ __device__ bool operator()(int x) const { return x % 2 == 0; }
};
struct saxpy {
  float a;
  __host__ __device__ float operator()(float x, float y) const { return a * x + y; }
};
struct add_parts {
  template <class Tuple>
  __host__ __device__ void operator()(Tuple t) const {
    thrust::get<2>(t) = thrust::get<0>(t) + thrust::get<1>(t);
  }
};

__global__ void twice(int *p, int n) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) p[i] *= 2;
}

template <class Vector>
static bool holds(const Vector &v, std::initializer_list<int> wanted) {
  const thrust::host_vector<int> h(v.begin(), v.end());
  return h.size() == wanted.size() && std::equal(wanted.begin(), wanted.end(), h.begin());
}

static void vectors() {
  thrust::host_vector<int> h(1000);
  for (int i = 0; i < 1000; i++) h[i] = (i * 37 + 11) % 1000;
  thrust::device_vector<int> d = h;
  thrust::sort(d.begin(), d.end());
  EXPECT(d[0] == 0 && d[999] == 999, "sorted");
  EXPECT(thrust::reduce(d.begin(), d.end()) == 499500, "sum");
  const thrust::constant_iterator<float> ones(1);  // one sum of floats would stand still at 2^24
  EXPECT(thrust::reduce(ones, ones + (3 << 23)) == 3 << 23, "long sum");
  // A kernel in between, and the host behind it: each sees what was done before.
  twice<<<4, 256>>>(thrust::raw_pointer_cast(d.data()), 1000);
  EXPECT(thrust::reduce(d.begin(), d.end(), 0, thrust::plus<int>()) == 999000, "sum behind a kernel");
  twice<<<4, 256>>>(thrust::raw_pointer_cast(&d[0]), 1000);
  EXPECT(d[10] == 40, "element behind a kernel");
  d[3] = 5;
  twice<<<4, 256>>>(thrust::raw_pointer_cast(d.data()), 1000);
  h = d;
  EXPECT(h[3] == 10 && h[4] == 32, "%d %d", h[3], h[4]);
  d.resize(3);
  d.push_back(7);
  EXPECT(holds(d, {0, 8, 16, 7}), "resized");
  thrust::device_vector<int> other(d.begin() + 1, d.end());
  d.swap(other);
  d.erase(d.begin());
  EXPECT(holds(d, {16, 7}) && other.size() == 4, "erased");
  int *raw;
  CHECK(cudaMalloc(&raw, 10 * sizeof *raw));
  thrust::device_ptr<int> p(raw);
  thrust::fill(p, p + 10, 3);
  p[2] = 4;
  EXPECT(thrust::reduce(thrust::device, raw, raw + 10) == 31 && *(p + 2) == 4, "through a pointer");
  CHECK(cudaFree(raw));
}

static void elements() {
  thrust::device_vector<int> a(6), b(6), c(6);
  thrust::sequence(a.begin(), a.end());
  thrust::transform(a.begin(), a.end(), b.begin(), square());
  EXPECT(holds(b, {0, 1, 4, 9, 16, 25}), "squares");
  thrust::transform(a.begin(), a.end(), b.begin(), c.begin(), thrust::plus<int>());
  EXPECT(holds(c, {0, 2, 6, 12, 20, 30}), "sums");
  using namespace thrust::placeholders;
  thrust::transform(a.begin(), a.end(), b.begin(), c.begin(), 2 * _1 - _2 + 1);
  EXPECT(holds(c, {1, 2, 1, -2, -7, -14}), "placeholders");
  auto first = thrust::make_zip_iterator(thrust::make_tuple(a.begin(), b.begin(), c.begin()));
  thrust::for_each(first, first + 6, add_parts());
  EXPECT(holds(c, {0, 2, 6, 12, 20, 30}), "zip");
  thrust::device_vector<float> x(4, 1.5f), y(4, 2.0f);
  thrust::transform(thrust::device, x.begin(), x.end(), y.begin(), y.begin(), saxpy{2.0f});
  EXPECT(thrust::reduce(y.begin(), y.end()) == 20.0f, "saxpy");
  thrust::device_vector<int> map(6);
  thrust::sequence(map.begin(), map.end(), 5, -1);
  thrust::gather(map.begin(), map.end(), b.begin(), c.begin());
  EXPECT(holds(c, {25, 16, 9, 4, 1, 0}), "gather");
  thrust::scatter(a.begin(), a.end(), map.begin(), c.begin());
  EXPECT(holds(c, {5, 4, 3, 2, 1, 0}), "scatter");
  EXPECT(thrust::reduce(thrust::make_permutation_iterator(b.begin(), map.begin()),
                        thrust::make_permutation_iterator(b.begin(), map.begin() + 2)) == 41,
         "permutation");
  thrust::replace_if(c.begin(), c.end(), even(), -1);
  EXPECT(holds(c, {5, -1, 3, -1, 1, -1}), "replace_if");
}

static void sums() {
  thrust::device_vector<int> v(5), w(5);
  thrust::sequence(v.begin(), v.end(), 1);
  EXPECT(thrust::transform_reduce(v.begin(), v.end(), square(), 0, thrust::plus<int>()) == 55, "squares");
  EXPECT(thrust::inner_product(v.begin(), v.end(), v.begin(), 0) == 55, "dot");
  EXPECT(thrust::count_if(v.begin(), v.end(), even()) == 2, "count_if");
  EXPECT(thrust::count(v.begin(), v.end(), 4) == 1, "count");
  EXPECT(thrust::max_element(v.begin(), v.end()) - v.begin() == 4, "max");
  EXPECT(*thrust::min_element(v.begin(), v.end()) == 1, "min");
  EXPECT(thrust::find(v.begin(), v.end(), 3) - v.begin() == 2, "find");
  EXPECT(thrust::reduce(thrust::make_counting_iterator(1), thrust::make_counting_iterator(101)) == 5050,
         "1 to 100");
  EXPECT(thrust::reduce(thrust::make_transform_iterator(v.begin(), square()),
                        thrust::make_transform_iterator(v.end(), square()), 0, thrust::maximum<int>()) == 25,
         "transformed");
  thrust::inclusive_scan(v.begin(), v.end(), w.begin());
  EXPECT(holds(w, {1, 3, 6, 10, 15}), "inclusive");
  thrust::exclusive_scan(v.begin(), v.end(), v.begin(), 10);
  EXPECT(holds(v, {10, 11, 13, 16, 20}), "exclusive, in place");
  thrust::exclusive_scan(thrust::device, w.begin(), w.end(), w.begin());
  EXPECT(holds(w, {0, 1, 4, 10, 20}), "exclusive");
  const int keys[] = {1, 1, 2, 3, 3}, values[] = {1, 2, 3, 4, 5};
  thrust::device_vector<int> k(keys, keys + 5), x(values, values + 5), ok(5), ox(5);
  auto ends = thrust::reduce_by_key(k.begin(), k.end(), x.begin(), ok.begin(), ox.begin());
  ok.resize(ends.first - ok.begin());
  ox.resize(ends.second - ox.begin());
  EXPECT(holds(ok, {1, 2, 3}) && holds(ox, {3, 3, 9}), "by key");
  thrust::inclusive_scan_by_key(k.begin(), k.end(), x.begin(), x.begin());
  EXPECT(holds(x, {1, 3, 3, 4, 9}), "scan by key");
}

static void orders() {
  const int start[] = {5, 2, 8, 2, 9, 1};
  thrust::device_vector<int> v(start, start + 6), w(6), at(6);
  thrust::sequence(at.begin(), at.end());
  thrust::sort_by_key(v.begin(), v.end(), at.begin(), thrust::greater<int>());
  EXPECT(holds(v, {9, 8, 5, 2, 2, 1}) && holds(at, {4, 2, 0, 1, 3, 5}), "by key, stable");
  thrust::sort(thrust::device, v.begin(), v.end());
  EXPECT(thrust::is_sorted(v.begin(), v.end()), "is_sorted");
  EXPECT(thrust::lower_bound(v.begin(), v.end(), 5) - v.begin() == 3, "lower_bound");
  EXPECT(thrust::upper_bound(v.begin(), v.end(), 2) - v.begin() == 3, "upper_bound");
  EXPECT(thrust::binary_search(v.begin(), v.end(), 8) && !thrust::binary_search(v.begin(), v.end(), 7),
         "found");
  thrust::upper_bound(v.begin(), v.end(), thrust::make_counting_iterator(0),
                      thrust::make_counting_iterator(6), w.begin());
  EXPECT(holds(w, {0, 1, 3, 3, 3, 4}), "cumulative histogram");
  v.erase(thrust::unique(v.begin(), v.end()), v.end());
  EXPECT(holds(v, {1, 2, 5, 8, 9}), "unique");
  w.resize(thrust::copy_if(v.begin(), v.end(), w.begin(), even()) - w.begin());
  EXPECT(holds(w, {2, 8}), "copy_if");
  v.erase(thrust::remove_if(v.begin(), v.end(), even()), v.end());
  EXPECT(holds(v, {1, 5, 9}), "remove_if");
  thrust::device_vector<int> both(5), shared(2);
  thrust::merge(v.begin(), v.end(), w.begin(), w.end(), both.begin());
  EXPECT(holds(both, {1, 2, 5, 8, 9}), "merge");
  EXPECT(thrust::set_intersection(both.begin(), both.end(), w.begin(), w.end(), shared.begin()) ==
                 shared.end() &&
             holds(shared, {2, 8}),
         "intersection");
  EXPECT(thrust::stable_partition(both.begin(), both.end(), even()) - both.begin() == 2 &&
             holds(both, {2, 8, 1, 5, 9}),
         "partition");
  auto first = thrust::make_zip_iterator(thrust::make_tuple(both.begin(), thrust::make_counting_iterator(0)));
  EXPECT(thrust::get<1>(first[2]) == 2, "zip of made values");
  thrust::default_random_engine random(5);
  thrust::uniform_real_distribution<float> uniform(2.0f, 3.0f);
  for (int i = 0; i < 100; i++) {
    const float u = uniform(random);
    EXPECT(u >= 2.0f && u < 3.0f, "%g", u);
  }
  cudaStream_t stream;
  CHECK(cudaStreamCreate(&stream));
  EXPECT(thrust::reduce(thrust::cuda::par.on(stream), both.begin(), both.end()) == 25, "in a stream");
  CHECK(cudaStreamDestroy(stream));
}

static void outputs() {
  const thrust::device_vector<int> v(3, 7);
  std::vector<int> grown;
  std::ostringstream text;
  thrust::copy(v.begin(), v.end(), std::back_inserter(grown));
  thrust::copy(v.begin(), v.end(), std::ostream_iterator<int>(text, " "));
  EXPECT(grown.size() == 3 && grown[2] == 7 && text.str() == "7 7 7 ", "%s", text.str().c_str());
}

int main() {
  vectors();
  outputs();
  elements();
  sums();
  orders();
  FINISH();
}
