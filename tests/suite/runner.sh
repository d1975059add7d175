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

# A real GPU lent by the minute, played by two programs: all is verified there, then measured there, then the rest; the
# budget ends the run, the same command goes on. One lesson fails to verify, which costs only itself.
fake() { # fake NAME LISTING-LINES: a lesson that says how it was called
  cat >"$work/gpu/lesson-$1" <<END
#!/bin/sh
case "\$*" in *--list*) printf '$2'; exit 0;; esac
echo "$1 \$*" | sed 's/ --results [^ ]*//' >>'$work/order'
[ -e '$work/slow' ] && sleep 5
case "$1 \$*" in
  09*--verify*) echo 'heddle: tiled is wrong at n = 1' >&2; echo '| a table |'; exit 1 ;;
  08*--variant\ slow*) exit 0 ;;
  08*--profile*gpu*) echo 'heddle: an illegal memory access' >&2; exit 1 ;;
esac
exit 0
END
  chmod +x "$work/gpu/lesson-$1"
}
mkdir "$work/gpu"
fake 08-first '08-first,8,t,u,n,,,slow,"1 core",why,built\n08-first,8,t,u,n,,,"fast","1 GPU",why,built\n08-first,8,t,u,n,,,"slow","1 GPU",why,built\n'
fake 09-second '09-second,9,t,u,n,,,many,"GPUs",why,built\n'
fake 10-third '10-third,10,t,u,n,,,all,"threads",why,built\n10-third,10,t,u,n,,,no,"1 GPU",why,needs X\n'
printf '8 --device sim:t4\nfull 9 --model cnn\n' >"$work/suite.txt"
lent() { "$bench" --plan real --lessons "$work/gpu" --suite "$work/suite.txt" --results "$work/lent" --profile full "$@"; }
touch "$work/slow"
expect 0 'the 1 s are over with 0 of 9 passes done; the same command goes on' lent --budget 1
rm "$work/slow"
: >"$work/order"
expect 0 'bench: 6 of 9 passes went well' lent --budget 100
cat >"$work/wanted" <<END
08-first --verify --device gpu
09-second --verify --device gpu
09-second --model cnn --verify --device gpu
08-first --profile full --device gpu
08-first --profile full --device gpu --variant fast
08-first --profile full --device gpu --variant slow
09-second --profile full --device gpu
09-second --profile full --model cnn --device gpu
08-first --profile full --device cpu
10-third --profile full --device cpu
09-second --profile full --model cnn --device cpu
END
holds "the GPU comes first" cmp "$work/order" "$work/wanted"
holds "the failed verification is recorded" grep -q '^09-second,.*,"heddle: tiled is wrong at n = 1"$' "$work/lent/latest/verify.csv"
holds "and why" grep -q '^09-second,"--verify --device gpu: heddle: tiled is wrong at n = 1"$' "$work/lent/latest/skipped.csv"
holds "of a lesson that breaks down, the variants at fault are named" \
  grep -q '^08-first,"--device gpu --variant fast: heddle: an illegal memory access"$' "$work/lent/latest/skipped.csv"
holds "and only those" sh -c "! grep -q 'variant slow' '$work/lent/latest/skipped.csv'"
holds "the other one passed" grep -q '^08-first,.*,"ok"$' "$work/lent/latest/verify.csv"
holds "one run, not two" test "$(ls -d "$work"/lent/2* | wc -l)" = 1
expect 2 'seconds are needed' lent --budget soon
finish
