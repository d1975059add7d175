#!/bin/sh
# Lesson 13's shared memory: with rows of 64 bytes four of the eight rows of a matrix share their banks, swizzled
# none do. And what its formats are held against. usage: tensor.sh LESSON-13
. "$(dirname "$0")/check.sh"
lesson=$1
unset CUSIM_TRACE CUSIM_CARD

# wavefronts VARIANT: of shared loads, as they are and without conflicts
wavefronts() {
  CUSIM_PROFILE=$work/profile.csv "$lesson" --device sim:h200 --size 256 --variant "$1" >"$work/out" 2>&1 || cat "$work/out"
  awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { printf "%d %d\n", $column["shared_ld_wavefronts"], $column["shared_ld_wavefronts_ideal"] }' "$work/profile.csv"
}
# 4 blocks, 8 steps of 32 k; in a step each of 4 warps executes 16 ldmatrix.x4, of 4 wavefronts.
ideal=$((4 * 8 * 4 * 16 * 4))
for expected in "mma $((4 * ideal))" "mma-swizzle $ideal" "mma-async $ideal" "wmma-shared $((4 * ideal))"; do
  got=$(wavefronts "${expected% *}")
  holds "${expected% *}: $got wavefronts, not ${expected#* } $ideal" test "$got" = "${expected#* } $ideal"
done

# roof CARD VARIANT TFLOP/S: what its share of the bound is a share of; 2 % for rounding
roof() {
  got=$("$lesson" --device "sim:$1" --size 1024 --variant "$2" --format csv 2>"$work/errors" | awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { printf "%.1f\n", 2 * 1024 ^ 3 / 1e12 / ($column["bound_fraction"] * $column["median_s"]) }')
  holds "$2 on $1 is held against $got TFLOP/s, not $3" awk "BEGIN { r = ${got:-0} / $3; exit !(r > 0.98 && r < 1.02) }"
}
roof h200 mma-async 1070
roof h200 mma-tf32 535
roof h200 cublas-fp32 66.9
roof a100 mma-tf32 156

# A card without these units leaves the rungs out, and says nothing wrong.
"$lesson" --verify --device sim:t4 --size 33 >"$work/out" 2>&1
status=$?
holds "T4: exit status $status" test $status = 0
holds 'T4: its tensor cores know fp16' grep -q '^cublas-fp16' "$work/out"
holds 'T4: they know neither bf16 nor tf32' test "$(grep -cE '^(mma|wmma|cublas-bf16|cublas-tf32)' "$work/out")" = 0
# What must not pass as a result.
"$lesson" --verify --device sim:h200 --size 127 >"$work/out" 2>&1
for variant in fp16-overflow tf32-silent; do
  holds "$variant passes" grep -q "^$variant .*wrong, as it should teach" "$work/out"
done
finish
