#!/bin/sh
# The same output, bit for bit, whatever the number of workers, however often, and in other legal orders of execution. usage: exec_determinism.sh PROGRAM…
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
for program in "$@"; do
  CUSIM_TIMELINE=$work/first.json OMP_NUM_THREADS=1 "$program" >"$work/first" || { echo "FAILED: $program"; failed=1; }
  for workers in 1 2 3; do
    CUSIM_TIMELINE=$work/again.json OMP_NUM_THREADS=$workers "$program" >"$work/again" || { echo "FAILED: $program with $workers workers"; failed=1; }
    for kind in '' .json; do
      cmp "$work/first$kind" "$work/again$kind" || { echo "FAILED: $program$kind differs with $workers workers"; failed=1; }
    done
  done
  for seed in 1 2 3; do
    CUSIM_TIMELINE=$work/again.json CUSIM_SCHEDULE=$seed "$program" >"$work/again" || { echo "FAILED: $program with CUSIM_SCHEDULE=$seed"; failed=1; }
    for kind in '' .json; do
      cmp "$work/first$kind" "$work/again$kind" || { echo "FAILED: $program$kind differs with CUSIM_SCHEDULE=$seed"; failed=1; }
    done
  done
done
exit $failed
