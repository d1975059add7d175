#!/bin/sh
# Verifies every lesson's GPU variants, but those that are wrong on purpose, under the four tools of compute-sanitizer,
# several at a time.
# usage: sanitize.sh BUILD RESULTS [SECONDS [LESSON-ARGUMENTS…]]   SECONDS: end then, the same command goes on (0: no end)
# RESULTS/sanitize/sanitize.csv gets a row for each lesson and tool; the log of what is not clean lies beside it. Exits
# with 1 if anything is not clean. HEDDLE_LIMIT: the most seconds of a lesson under a tool (120); JOBS: how many at once (4).
[ $# -ge 2 ] || { sed -n 's/^# usage/usage/p' "$0" >&2; exit 2; }
build=$1 results=$2/sanitize budget=${3:-0} here=$(cd "$(dirname "$0")" && pwd)
shift 2
[ $# -gt 0 ] && shift
. "$here/gpu.sh"
grep -q '"sim"' "$build/generated/found.h" 2>/dev/null &&
  fail "$build simulates GPUs: use DEVICE=cuda on a real one; the simulator's own checks are in docs/cusim-check.md"
command -v compute-sanitizer >/dev/null ||
  fail "compute-sanitizer was not found; it is part of the CUDA toolkit: set CUDA_HOME, or put its folder on PATH"
mkdir -p "$results" || exit 1
rows=$results/sanitize.csv arguments="--verify --no-mistakes --device gpu${*:+ $*}" git=$(revision) end=0
[ -e "$rows" ] || echo 'lesson,tool,arguments,result,seconds,git' >"$rows"
[ "$budget" -gt 0 ] && end=$(($(date +%s) + budget))
export build results rows arguments git end

# A line for each: tool, lesson, further arguments.
passes=$(mktemp)
trap 'rm -f "$passes"' EXIT
for program in "$build"/lessons/lesson-[0-9][0-9]-*; do
  "$program" --list --format csv 2>/dev/null | grep -E ',"(1 GPU|GPUs)",' | grep -qv ',needs ' || continue
  lesson=${program##*/lesson-}
  number=$(expr "${lesson%%-*}" + 0)
  for tool in memcheck racecheck initcheck synccheck; do
    echo "$tool $lesson"
    sed -n "/sim:/d;s/#.*//;s/ *\$//;s/^full //;s/^0*$number \(.*\)/$tool $lesson \1/p" "${HEDDLE_SUITE:-$here/../bench/suite.txt}"
  done
done >"$passes"
[ -s "$passes" ] || fail "no lesson with GPU variants is built in $build/lessons; run make build DEVICE=cuda"
while read -r tool lesson further; do # what could not run may run now
  grep "^$lesson,$tool,\"$arguments${further:+ $further}\",.*,$git\$" "$rows" | grep -qv '"did not run' || echo "$tool $lesson${further:+ $further}"
done <"$passes" | xargs -r -P "${JOBS:-4}" -L 1 sh "$here/sanitize_one.sh"

# The table: a row for each lesson and pass, a column for each tool.
awk -v git="$git" -v arguments="$arguments" -v passes="$passes" '
  function shown(result) { return length(result) > 16 ? substr(result, 1, 16) : result }
  BEGIN {
    FS = "\",\"|,\"|\","
    while ((getline line < passes) > 0) {
      total++
      sub(/^[a-z]+ /, "", line)
      if (!(line in known)) { known[line]; lesson[++lessons] = line; if (length(line) > width) width = length(line) }
    }
    count = split("memcheck racecheck initcheck synccheck", tool, " ")
  }
  {
    split($1, key, ","); n = split($0, part, ",")
    if (part[n] != git || index($2, arguments) != 1) next
    name = key[1] substr($2, length(arguments) + 1)
    if (name in known) result[name, key[2]] = $3  # the last one
  }
  END {
    for (pair in result) { done++; clean += result[pair] == "clean" }
    printf "%-*s", width, "lesson"; for (t = 1; t <= count; t++) printf "  %-16s", tool[t]; print ""
    for (l = 1; l <= lessons; l++) {
      printf "%-*s", width, lesson[l]
      for (t = 1; t <= count; t++) printf "  %-16s", ((lesson[l], tool[t]) in result) ? shown(result[lesson[l], tool[t]]) : "-"
      print ""
    }
    if (done < total) printf "sanitize: the time is over with %d of %d done, %d clean; the same command goes on\n", done, total, clean
    else printf "sanitize: %d of %d are clean\n", clean, total
    exit clean < done
  }' "$rows"
status=$?
echo "rows and logs: $results"
exit $status
