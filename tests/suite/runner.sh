#!/bin/sh
# The runner: a crash or a hang costs one lesson, an interrupted run resumes, a full disk keeps what is measured.
# usage: runner.sh FOLDER_OF_BROKEN_LESSON HEDDLE_BENCH
. "$(dirname "$0")/check.sh"
lessons=$1 bench=$2
echo >"$work/suite.txt"
run() { "$bench" --lessons "$lessons" --suite "$work/suite.txt" "$@"; }

HD_BREAK=crash expect 1 'crashed: Segmentation fault' run --results "$work/crash"
holds "the crash is recorded" grep -q '99-broken,"crashed' "$work/crash/latest/skipped.csv"
HD_BREAK=hang expect 1 'took longer than its limit of 1 s' run --results "$work/hang" --limit 1
holds "the hang is recorded" grep -q 'longer than its limit' "$work/hang/latest/skipped.csv"

# kill -9 in the middle, with half a row left behind: the next run keeps the whole rows and completes the rest.
HD_BREAK=slow; export HD_BREAK
"$bench" --lessons "$lessons" --suite "$work/suite.txt" --results "$work/killed" >/dev/null 2>&1 &
runner=$!
tries=0
until [ "$(cat "$work/killed/latest/results.csv" 2>/dev/null | wc -l)" -gt 3 ] || [ $tries = 100 ]; do
  sleep 0.1
  tries=$((tries + 1))
done
kill -9 $runner
wait $runner 2>/dev/null
sleep 0.3 # the lesson ends with its runner
printf '99-broken,right,40' >>"$work/killed/latest/results.csv"
first=$(sed -n 2p "$work/killed/latest/results.csv")
expect 1 'resuming' run --results "$work/killed"
unset HD_BREAK
rows=$work/killed/latest/results.csv
holds "the first row is the one measured before" test "$(sed -n 2p "$rows")" = "$first"
holds "every row is whole" test "$(awk -F, 'NF != 20' "$rows" | wc -l)" = 0
holds "every row is there once" test "$(tail -n +2 "$rows" | cut -d, -f1-6 | sort | uniq -d | wc -l)" = 0
holds "all rows are there" test "$(tail -n +2 "$rows" | wc -l)" = 20
holds "one run, not two" test "$(ls -d "$work"/killed/2* | wc -l)" = 1

# Ctrl-C: says where the rows are.
HD_BREAK=hang "$bench" --lessons "$lessons" --suite "$work/suite.txt" --results "$work/stopped" >"$work/stopped.out" 2>&1 &
runner=$!
tries=0
until [ -e "$work/stopped/latest/99-broken.log" ] || [ $tries = 100 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -TERM $runner
wait $runner
holds "an interrupted run exits with 128 + the signal" test $? = 143
holds "and says that it resumes" grep -q 'goes on from there' "$work/stopped.out"

# A full disk: a file-size limit stands in for it.
mkdir "$work/full"
cat >"$work/limited" <<X
trap '' XFSZ
set -o pipefail
(ulimit -f 1 && "$lessons/lesson-99-broken" --results "$work/full/run" 2>&1) | cat
X
expect 1 'cannot write a row to .*: .*; rows already measured are kept' bash "$work/limited"
holds "no half row" test "$(awk -F, 'NF != 20' "$work/full/run/results.csv" | wc -l)" = 0
expect 1 'cannot make the results folder' run --results /dev/null/x
expect 2 'must be quick or full' run --results "$work/x" --profile fast

# A pass for the full profile only.
echo 'full 99 --size 33' >"$work/suite.txt"
expect 1 ' of 1 passes went well' run --results "$work/quick"
expect 1 ' of 2 passes went well' run --results "$work/whole" --profile full
finish
