#!/bin/sh
# The FLOPs that simulated kernels are counted to do are those their lesson declares. usage: flops.sh FOLDER [OPTION…]
. "$(dirname "$0")/check.sh"
folder=$1
shift
unset CUSIM_TRACE CUSIM_CARD

# counted LESSON SIZE OPTION…: FLOPs of each kernel per launch into $work/counted, the declared ones into $work/declared.
counted() {
  lesson=$1 size=$2
  shift 2
  CUSIM_PROFILE=$work/profile.csv "$folder/lesson-$lesson" --device sim:h200 --size "$size" --format csv "$@" \
    >"$work/rows" 2>"$work/errors" || cat "$work/errors"
  sed -i 's/^\("[^"<]*\)<[^"]*"/\1"/' "$work/profile.csv"  # a template's arguments hold commas
  awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    function of(name) { return $column["smsp__sass_thread_inst_executed_op_" name "_pred_on.sum"] }
    {
      flops = $column["library_flops"] + $column["matrix_unit_flops"] + of("fadd") + of("fmul") + 2 * of("ffma")
      flops += of("dadd") + of("dmul") + 2 * of("dfma")
      printf "%s %.0f\n", $1, flops / $column["launches"]
    }' "$work/profile.csv" >"$work/counted"
}

# Rates are rounded to 9 digits.
counted 01-roofline 8 --variant gpu "$@"
declared=$(awk -F, '$2 == "gpu" { print $8 * $12 * 1e9 }' "$work/rows")
holds "lesson 01: $(cat "$work/counted") FLOPs, declared $declared" \
  awk "{ ratio = \$2 / ${declared:-1}; n += ratio > 1 - 1e-6 && ratio < 1 + 1e-6 } END { exit !(n == 1 && NR == 1) }" \
  "$work/counted"

counted 12-gemm-gpu 256 "$@"
holds "lesson 12: 2 n^3 FLOPs in each of 8 kernels: $(tr '\n' ' ' <"$work/counted")" \
  awk '$2 == 2 * 256 ^ 3 { n++ } END { exit !(n == 8 && NR == 8) }' "$work/counted"

counted 13-tensor-cores 256 "$@"
holds "lesson 13: 2 n^3 FLOPs in each of 10 kernels: $(tr '\n' ' ' <"$work/counted")" \
  awk '$NF == 2 * 256 ^ 3 { n++ } END { exit !(n == 10 && NR == 10) }' "$work/counted"

# As many steps as the pixels take, which only the lesson knows: by sums over the picture.
counted 02-loops 64 "$@"
declared=$(awk -F, '$2 == "gpu-rows" { printf "%.0f", $8 * $12 * 1e9 }' "$work/rows")
holds "lesson 02: $declared FLOPs in each of 2 kernels: $(tr '\n' ' ' <"$work/counted")" \
  awk "{ ratio = \$2 / ${declared:-1}; n += ratio > 1 - 1e-6 && ratio < 1 + 1e-6 } END { exit !(n == 2 && NR == 2) }" \
  "$work/counted"

# One launch is of the rung whose block is too large: it never runs.
counted 08-first-kernel 4096 "$@"
holds "lesson 08: 2 n FLOPs in each of 2 kernels: $(tr '\n' ' ' <"$work/counted")" \
  awk '$2 == 8192 { n++ } END { exit !(n == 2 && NR == 2) }' "$work/counted"

# A tree of n elements is n - 1 additions, over all its levels. With shuffles all lanes add in each of 5 steps, in 8 warps
# and once more in the first: 1440 a block of 256.
n=65536
counted 10-reduce-scan $n "$@"
sum_of() { awk -v kernel="\"$1_kernel\"" '$1 == kernel { sum += $2 } END { print sum }' "$work/counted"; }
for expected in "atomic $n" "tree $((n - 1))" "sequential $((n - 1))" "shuffle $((1440 * (n / 256 + 1)))"; do
  holds "lesson 10: $expected additions, not $(sum_of "${expected% *}")" test "$(sum_of "${expected% *}")" = "${expected#* }"
done
counted 10-reduce-scan $n --operation scan "$@"
holds 'lesson 10: a scan of integers has no FLOPs' awk '$2 == 0 { n++ } END { exit !(n > 7 && NR == n) }' "$work/counted"

counted 09-transpose 256 "$@"
holds 'lesson 09: no FLOPs in any of 6 kernels' awk '$2 == 0 { n++ } END { exit !(n == 6 && NR == 6) }' "$work/counted"

counted 11-histogram 4096 "$@"
holds 'lesson 11: no FLOPs in any of 6 kernels' awk '$2 == 0 && /_kernel/ { n++ } END { exit !(n == 6) }' "$work/counted"

# A step is all of its matrix products; what is done per element is not declared.
batch=128
counted 22-data-parallel $batch --variant gpu-one-worker --devices 1 --data synthetic "$@"
declared=$((batch * (6 * (784 * 512 + 512 * 256 + 256 * 10) - 2 * 784 * 512)))
holds "lesson 22: the products of a step are $declared FLOPs" \
  awk "/cublasSgemm/ { sum += \$2 } END { exit !(sum == $declared) }" "$work/counted"
# The kernels of kernels/nn: what each does per element, counted by hand from its source.
each() { # each KERNEL FLOPS...: the FLOPs of its launches, smallest first
  kernel=$1
  shift
  got=$(awk -v kernel="\"$kernel\"" '$1 == kernel { print $2 }' "$work/counted" | sort -n | tr '\n' ' ')
  holds "lesson 22: $kernel does $got FLOPs, not $*" test "$got" = "$* "
}
parameters=$((785 * 512 + 513 * 256 + 257 * 10))
each bias_act_kernel $((batch * 10)) $((batch * 256)) $((batch * 512))  # one addition
each bias_act_backward_kernel $(((batch + 7) * 10)) $(((batch + 7) * 256)) $(((batch + 7) * 512))  # and of 8 partial sums
each sgd_kernel $((9 * parameters))
# A row of ten: 10 differences and 10 additions, 2 of the loss; 10 differences, 1 at the label, 10 products.
each softmax_loss_kernel $((batch * 43))

# Lesson 21's own product fills its tiles of 64 x 64 x 16 up with zeros, and multiplies these as well: FMAs of a step.
counted 21-train 64 --variant gpu-kernels --data synthetic "$@"
awk -F, '
  NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
  { fma = $column["smsp__sass_thread_inst_executed_op_ffma_pred_on.sum"] }
  $1 == "\"product_kernel\"" { sum += fma }
  $1 == "\"softmax_loss_kernel\"" { steps += $column["launches"] }
  END { printf "%.0f\n", sum / steps }' "$work/profile.csv" >"$work/fma"
declared=$(awk -v batch=64 '
  function up(x, tile) { return int((x + tile - 1) / tile) * tile }
  function product(m, n, k) { return up(m, 64) * up(n, 64) * up(k, 16) }
  function layer(inputs, outputs, first) {  # forward, gradient of the weights, gradient of the inputs
    return product(batch, outputs, inputs) + product(inputs, outputs, batch) + (first ? 0 : product(batch, inputs, outputs))
  }
  BEGIN { printf "%.0f\n", layer(784, 512, 1) + layer(512, 256) + layer(256, 10) }')
holds "lesson 21: the tiles of a step are $declared FMAs, counted $(cat "$work/fma")" test "$(cat "$work/fma")" = "$declared"

# Three additions and a product for each cell. (Tiles that overlap do more: requests.sh.)
counted 05-stencil 256 --no-mistakes "$@"
for kernel in jacobi tiled_kernel; do
  holds "lesson 05: $kernel does 4 FLOPs for each of 256 x 256 cells: $(tr '\n' ' ' <"$work/counted")" \
    grep -qx "\"$kernel\" 262144" "$work/counted"
done
# A divided grid's edges come on top.
counted 19-halo 256 --devices 1 --variant gpu-peer "$@"
holds "lesson 19: 4 FLOPs for each of 256 x 256 cells: $(tr '\n' ' ' <"$work/counted")" \
  grep -qx '"jacobi" 262144' "$work/counted"

counted 20-sharded-gemm 256 --variant gpu-one "$@"
holds "lesson 20: 2 n^3 FLOPs: $(cat "$work/counted")" grep -qx '"cublasSgemm" 33554432' "$work/counted"

# An element of a message: 2 for its random number, 2 to round it, 2 for what is left out; 2 to add it. Blocks of 256.
counted 28-compress-private $batch --variant gpu-int8 --devices 1 --data synthetic "$@"
declared=$((batch * (6 * (784 * 512 + 512 * 256 + 256 * 10) - 2 * 784 * 512)))
holds "lesson 28: the products of a step are $declared FLOPs" \
  awk "/cublasSgemm/ { sum += \$2 } END { exit !(sum == $declared) }" "$work/counted"
blocks=$(((parameters + 255) / 256)) quads=$(((parameters + 3) / 4))
for expected in "encode_kernel $((6 * 256 * blocks))" "sum_kernel $((2 * 4 * quads))"; do
  holds "lesson 28: $expected FLOPs" grep -qx "\"${expected% *}\" ${expected#* }" "$work/counted"
done
counted 28-compress-private $batch --variant gpu-top-k --devices 1 --data synthetic "$@"
holds "lesson 28: who selects compares" test "$(grep -cE '"(histogram|count|write)_kernel" 0$' "$work/counted")" -ge 4

# Declared are the FLOPs of a run, the same as of one launch where all kernels are joined.
counted 15-streams 1 --verify --part kernels --variant kernels/joined "$@"
holds "lesson 15: 2 FLOPs for each of 64 steps of 16384 elements: $(tr '\n' ' ' <"$work/counted")" \
  grep -qx "\"relax\" $((2 * 64 * 16384))" "$work/counted"

# 13 for each pair of a tile's particles and those in its window, by the rows' rounded rates; tiles are unequal.
export CUSIM_TRACE=all
counted 16-hybrid 1024 --variant gpu "$@"
unset CUSIM_TRACE
declared=$(awk -F, '$2 == "gpu" { printf "%.0f", $8 * $12 * 1e9 }' "$work/rows")
holds "lesson 16: $(cat "$work/counted") FLOPs, declared $declared" \
  awk "{ ratio = \$2 / ${declared:-1}; n += ratio > 1 - 1e-6 && ratio < 1 + 1e-6 } END { exit !(n == 1 && NR == 1) }" \
  "$work/counted"

# 128 FLOPs a score up to the diagonal and one to scale it; or whole tiles of 64 x 64, 10 of 16 of each of 3 heads (and 4 a
# thread to find its tile).
n=256
export CUSIM_TRACE=all  # blocks are unlike: the diagonal
counted 14-fusion $n --part attention "$@"
unset CUSIM_TRACE
for expected in "naive_scores_kernel $((3 * n * (n + 1) / 2 * 129))" "tiled_scores_kernel $((3 * 10 * (64 * 64 * 129 + 256 * 4)))" \
  "tiled_values_kernel $((3 * 10 * 64 * 64 * 128))" "cublasSgemm $((3 * n * n * 128))"; do
  holds "lesson 14: $expected FLOPs" grep -qx "\"${expected% *}\" ${expected#* }" "$work/counted"
done
matrix=$(awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "matrix_unit_flops") column = i }
  $1 == "\"flash_half_kernel\"" { printf "%.0f\n", $column }' "$work/profile.csv")
holds "lesson 14: $matrix FLOPs of tensor cores" test "$matrix" = $((3 * 10 * 64 * 64 * 256))

# A lesson whose kernels nobody has counted must not slip through.
for source in "$(dirname "$0")"/../../lessons/*/*.cu; do
  case $source in
    */00-*) ;;  # times calls
    */06-*) ;;  # sorts
    */17-*) ;;  # turns bits over
    */25-*) ;;  # streams and events: no kernel
    */01-* | */02-* | */05-* | */08-* | */09-* | */10-* | */11-* | */12-* | */13-* | */14-* | */15-* | */16-* | */19-* | */21-* | */28-*) ;;
    *) bad "nobody holds the FLOPs of $source against what its lesson declares" ;;
  esac
done
finish
