#!/bin/sh
# The harness catches variants that do nothing, write a NaN or miss an element; none of them gets a time. A lost rank ends
# the process with an error that names rank, operation and number.
# usage: harness.sh FOLDER_OF_BROKEN_LESSON HEDDLE_REPORT
. "$(dirname "$0")/check.sh"
broken=$1/lesson-99-broken report=$2
expect 1 'null is wrong at n = 33' "$broken" --verify
expect 1 'nan is wrong at n = 1000' "$broken" --verify
expect 1 'off-by-one is wrong at n = 1:' "$broken" --verify
expect 0 '^right +1 core' "$broken" --verify --variant right
expect 0 'wrong, as it should teach' "$broken" --verify --variant on-purpose
expect 2 '^heddle: --variant on-purpose: does not apply' "$broken" --verify --variant on-purpose --no-mistakes
for how in dies stalls other-collective other-size; do
  HD_BREAK=$how expect 1 'rank 2.*all_reduce.*#1|all_reduce.*#1.*rank 2' timeout 20 "$broken" --verify
done
"$broken" --results "$work/run" >/dev/null 2>&1
rows=$work/run/results.csv
holds "five variants of four sizes are recorded" test "$(tail -n +2 "$rows" | wc -l)" = 20
holds "only the right one has a time" test "$(awk -F, 'NR > 1 && $8 != "" { print $2 }' "$rows" | sort -u)" = right
holds "the wrong ones say no" test "$(awk -F, 'NR > 1 && $17 == "no" { print $2 }' "$rows" | sort -u | wc -l)" = 4
echo 'lesson,number,title,unit,size_name,kinds,lanes,variant,where,why,status' >"$work/run/lessons.csv"
"$broken" --list --format csv >>"$work/run/lessons.csv"
echo '{"id":"test","git":"test"}' >"$work/run/machine.json"
expect 0 '' "$report" --results "$work/run" --out "$work/report"
holds "the report names the failed variants" grep -q off-by-one "$work/report/index.html"
holds "no wrong variant is drawn" sh -c "! grep -rlE 'off-by-one|on-purpose' '$work'/report/plots/*.svg"
finish
