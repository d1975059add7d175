#!/bin/sh
# The same output, times and counters, bit for bit, whatever the number of workers and however often; and, of programs whose
# control flow does not follow the order of threads (as a loop around a compare-and-swap does), in other legal orders.
# usage: exec_determinism.sh PROGRAM… any-order PROGRAM…
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
any_order=
for program in "$@"; do
  [ "$program" = any-order ] && any_order=1 && continue
  CUSIM_TIMELINE=$work/first.json CUSIM_PROFILE=$work/first.csv OMP_NUM_THREADS=1 "$program" >"$work/first" || { echo "FAILED: $program"; failed=1; }
  for workers in 1 2 3; do
    CUSIM_TIMELINE=$work/again.json CUSIM_PROFILE=$work/again.csv OMP_NUM_THREADS=$workers "$program" >"$work/again" || { echo "FAILED: $program with $workers workers"; failed=1; }
    for kind in '' .json .csv; do
      cmp "$work/first$kind" "$work/again$kind" || { echo "FAILED: $program$kind differs with $workers workers"; failed=1; }
    done
  done
  for seed in ${any_order:+1 2 3}; do
    CUSIM_TIMELINE=$work/again.json CUSIM_PROFILE=$work/again.csv CUSIM_SCHEDULE=$seed "$program" >"$work/again" || { echo "FAILED: $program with CUSIM_SCHEDULE=$seed"; failed=1; }
    for kind in '' .json .csv; do
      cmp "$work/first$kind" "$work/again$kind" || { echo "FAILED: $program$kind differs with CUSIM_SCHEDULE=$seed"; failed=1; }
    done
  done
done
exit $failed
