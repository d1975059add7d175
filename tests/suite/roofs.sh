#!/bin/sh
# 16-bit operands are held against the tensor cores of a card that has some for them, fp32 against its own
# lanes. usage: roofs.sh LESSON-21
. "$(dirname "$0")/check.sh"
lesson=$1

# roof CARD VARIANT: declared FLOPs over the bound, in TFLOP/s.
roof() {
  "$lesson" --data synthetic --device "sim:$1" --size 32 --variant "$2" --format csv 2>"$work/errors" | awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { printf "%.2f\n", 32 * (6 * (784 * 512 + 512 * 256 + 256 * 10) - 2 * 784 * 512) / 1e12 / \
                       ($column["bound_fraction"] * $column["median_s"]) }'
}
is() { # is CARD VARIANT TFLOP/S, of data sheets (of Hopper's at 1.98 GHz instead of 1.83); 1 % for rounding
  got=$(roof "$1" "$2")
  holds "$2 on $1 is held against $got TFLOP/s, not $3" \
    awk "BEGIN { ratio = ${got:-0} / $3; exit !(ratio > 0.99 && ratio < 1.01) }"
}
is h200 gpu-cublas 66.9
is h200 gpu-bf16 1070
is t4 gpu-fp16 65
is t4 gpu-bf16 8.1 # which its tensor cores do not know
finish
