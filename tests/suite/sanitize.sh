#!/bin/sh
# `make sanitize` with a compute-sanitizer that prints what the real one prints: what is clean, what is not, what never
# ends, what cannot run; then again, when only what is left may run. usage: sanitize.sh TOOLS_FOLDER
. "$(dirname "$0")/check.sh"
tools=$1
mkdir -p "$work/build/lessons" "$work/build/generated" "$work/bin"
echo '#define HD_REVISION "abc"' >"$work/build/generated/revision.h"
lesson() { # lesson NAME PLACE
  cat >"$work/build/lessons/lesson-$1" <<END
#!/bin/sh
case "\$*" in *--list*) echo '$1,8,t,u,n,,,v,"$2",why,built';; esac
END
  chmod +x "$work/build/lessons/lesson-$1"
}
lesson 08-clean '1 GPU'
lesson 09-dirty '1 GPU'
lesson 10-endless 'GPUs'
lesson 11-cpu 'threads'
cat >"$work/bin/compute-sanitizer" <<END
#!/bin/sh
echo "\$*" >>'$work/calls'
echo '========= COMPUTE-SANITIZER'
case "\$*" in
  *memcheck*09-dirty*) echo '========= Invalid __global__ write of size 4 bytes'; echo '========= ERROR SUMMARY: 3 errors' ;;
  *racecheck*09-dirty*) echo '========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)' ;;
  *initcheck*09-dirty*) echo '========= Error: Target application terminated before first instrumented API call'; exit 255 ;;
  *synccheck*09-dirty*) echo 'heddle: tiled is wrong at n = 33' >&2; echo '========= ERROR SUMMARY: 0 errors'; exit 1 ;;
  *synccheck*10-endless*) sleep 100 ;;
  *racecheck*) echo '========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)' ;;
  *) echo '========= ERROR SUMMARY: 0 errors' ;;
esac
END
chmod +x "$work/bin/compute-sanitizer"
sanitize() { sh "$tools/sanitize.sh" "$work/build" "$work/results" "$@"; }
expect 1 'compute-sanitizer was not found; it is part of the CUDA toolkit' sanitize
echo '#define HD_GPU_KIND "sim"' >"$work/build/generated/found.h"
expect 1 'build simulates GPUs: use DEVICE=cuda on a real one' sanitize
echo '#define HD_GPU_KIND "cuda"' >"$work/build/generated/found.h"
# Passes of the suite: one counts, another card does not.
printf 'full 8 --keys many # why\n8 --device sim:t4\n' >"$work/suite.txt"
PATH=$work/bin:$PATH HEDDLE_LIMIT=3 HEDDLE_SUITE=$work/suite.txt
export PATH HEDDLE_LIMIT HEDDLE_SUITE
expect 1 'sanitize: 11 of 16 are clean' sanitize
holds "clean under all tools" grep -qE '^08-clean +clean +clean +clean +clean *$' "$work/out"
holds "a further pass" grep -qE '^08-clean --keys many +clean +clean +clean +clean *$' "$work/out"
holds "each kind of trouble" grep -qE '^09-dirty +3 errors +1 errors +did not run: Err +failed: heddle' "$work/out"
holds "a deadline" grep -qE '^10-endless +clean +clean +clean +timed out' "$work/out"
holds "no row for what has no GPU variant" sh -c "! grep -q 11-cpu '$work/out'"
holds "a log of what is not clean" grep -q 'Invalid __global__' "$work/results/sanitize/09-dirty.memcheck.log"
holds "and of nothing else" test "$(ls "$work"/results/sanitize/*.log | wc -l)" = 5
: >"$work/calls"
expect 1 'sanitize: 11 of 16 are clean' sanitize
holds "nothing runs twice but what could not run" test "$(wc -l <"$work/calls")" = 1
sed -i '/^08-clean,/d' "$work/results/sanitize/sanitize.csv"
: >"$work/calls"
expect 1 'sanitize: 11 of 16 are clean' sanitize 100
holds "what is left runs" test "$(grep -c 08-clean "$work/calls")" = 8
expect 0 'the time is over with 0 of 16 done, 0 clean; the same command goes on' sanitize 1 --size 33
rm "$work/build/lessons/lesson-09-dirty" "$work/build/lessons/lesson-10-endless"
expect 0 'sanitize: 8 of 8 are clean' sanitize 0 --size 33
finish
