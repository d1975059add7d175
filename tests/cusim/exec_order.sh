#!/bin/sh
# A program that forgets to order two streams: always the same result by default, not with every seed.
# usage: exec_order.sh PROGRAM
first=$("$1" forgotten) || exit 1
[ "$("$1" forgotten)" = "$first" ] || { echo "FAILED: two runs differ"; exit 1; }
for seed in 1 2 3 4 5 6 7 8; do
  CUSIM_SCHEDULE=$seed "$1" forgotten || exit 1
done | sort -u | wc -l | { read -r results && [ "$results" -gt 1 ]; } || { echo "FAILED: the forgotten wait never shows"; exit 1; }
