#!/bin/sh
# Runs programs that check themselves, each within a deadline: all must exit 0 and print PASS. usage: run.sh PROGRAM…
out=$(mktemp) failed=0
trap 'rm -f "$out"' EXIT
for program in "$@"; do
  timeout 20 "$program" >"$out" 2>&1
  status=$?
  if [ $status != 0 ] || ! grep -q PASS "$out"; then
    echo "FAILED: $(basename "$program"), exit status $status"
    tail -n 5 "$out"
    failed=$((failed + 1))
  fi
done
echo "$(($# - failed)) passed, $failed failed"
[ $failed = 0 ]
