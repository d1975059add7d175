#!/bin/sh
# A modelled row is the same, bit for bit, alone and after all other rows of a sweep: the virtual clock knows no
# history. usage: history.sh LESSON SIZE DEVICES VARIANT…
. "$(dirname "$0")/check.sh"
lesson=$1 size=$2 devices=$3
shift 3
# Lesson, variant, size, devices, device, clock and time.
rows() {
  "$lesson" --device gpu --size "$size" --format csv "$@" 2>&1 | grep ',model,' | cut -d, -f1-3,5-8
}
rows >"$work/sweep"
for variant; do
  rows --devices "$devices" --variant "$variant" >"$work/alone"
  holds "there is one row of $variant" test "$(wc -l <"$work/alone")" -eq 1
  holds "$variant alone equals its row of the sweep" grep -Fxqf "$work/alone" "$work/sweep"
done
finish
