#!/bin/sh
# The checker's report: format, groups, exit status, JSON, and the same text on every run. usage: check_report.sh PROGRAM
program=$1
out=$(mktemp) json=$(mktemp)
trap 'rm -f "$out" "$json"' EXIT
failed=0
fail() {
  echo "FAILED: $*"
  sed 's/^/  | /' "$out"
  failed=1
}
run() { # STATUS SETTING ARGUMENT…
  wanted=$1 setting=$2
  shift 2
  env CUSIM_CHECK="$setting" CUSIM_CHECK_FILE="$json" "$program" "$@" >"$out" 2>&1
  got=$?
  [ $got = "$wanted" ] || fail "CUSIM_CHECK=$setting: exit status $got, not $wanted"
}
has() { grep -Eq "$1" "$out" || fail "nothing like: $1"; }

run 86 1 bugs
has '^cusim-check: check_report.cu:14: out-of-bounds: kernel fill, block \(4,0,0\), thread \(0,0,0\): write of 4 bytes at 0x[0-9a-f]+, 0 bytes past the end of the allocation of 256 bytes at 0x[0-9a-f]+$'
has '^cusim-check: check_report.cu:9: race-shared: kernel reverse, block \(0,0,0\), thread \(32,0,0\): read of 4 bytes at offset 124 of a shared variable of 256 bytes, which thread \(31,0,0\) writes at check_report.cu:8, with no __syncthreads\(\) in between'
has '^cusim-check: check_report.cu:21: leak: host: 256 bytes of device 0 allocated here are never freed: cudaFree is missing$'
has '^cusim-check: [0-9]+ problems \(.*1 out-of-bounds.*\)$'
tail -n 1 "$out" | grep -q '^cusim-check: [0-9]* problems' || fail 'the sum is not the last line'
grep -q '"line": 14, "kind": "out-of-bounds", "warning": false, "times": 1, "kernel": "fill", "block": \[4, 0, 0\], "thread": \[0, 0, 0\]' "$json" ||
  fail "the JSON file lacks the out-of-bounds problem: $(cat "$json")"

# Addresses differ from run to run, nothing else.
sed 's/0x[0-9a-f]*/ADDRESS/g' "$out" >"$json"
for threads in 1 2 7; do
  OMP_NUM_THREADS=$threads CUSIM_CHECK_FILE= CUSIM_CHECK=1 "$program" bugs 2>&1 | sed 's/0x[0-9a-f]*/ADDRESS/g' >"$out"
  cmp -s "$out" "$json" || fail "another report with $threads threads"
done

run 86 leak bugs
has '^cusim-check: 1 problem \(1 leak\)$'
run 86 memory,sync bugs
has '^cusim-check: 1 problem \(1 out-of-bounds\)$'
run 0 sync bugs
has '^cusim-check: 0 problems$'
run 3 1
has '^cusim-check: 0 problems$'
run 3 ''
[ -s "$out" ] && fail 'without CUSIM_CHECK there is a report'
run 2 everything
has 'CUSIM_CHECK=everything: no such check'
[ $failed = 0 ] && echo PASS
exit $failed
