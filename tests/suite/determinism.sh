#!/bin/sh
# The same virtual times, bit for bit, on two runs, for any number of host threads and in other legal orders.
# usage: determinism.sh LESSON ARGUMENTS…
. "$(dirname "$0")/check.sh"
lesson=$1
shift
for threads in 1 2 2 3; do
  OMP_NUM_THREADS=$threads "$lesson" --format csv "$@" 2>&1 | grep ',model,' | cut -d, -f1-10 >"$work/now"
  [ -f "$work/first" ] || cp "$work/now" "$work/first"
  holds "there are modelled rows" test -s "$work/now"
  holds "the rows with $threads host threads equal the first ones" cmp "$work/first" "$work/now"
done
for seed in 1 2; do
  CUSIM_SCHEDULE=$seed "$lesson" --format csv "$@" 2>&1 | grep ',model,' | cut -d, -f1-10 >"$work/now"
  holds "the rows with CUSIM_SCHEDULE=$seed equal the first ones" cmp "$work/first" "$work/now"
done
finish
