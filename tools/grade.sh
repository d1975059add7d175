#!/bin/sh
# Grades a file as the solution of a lab: builds the lesson's program with it as one more variant and goes through the
# lab's points.txt. usage: grade.sh BUILD LESSON [FILE]; exit 0: all points, 1: fewer, 2: usage.
# Kinds of lines, after the points and the sentence:
#   builds                                 with the project's warnings as errors
#   right VARIANT [OPTION…]                --verify says so; --devices and --threads may be lists, "2,4,8"
#   clean VARIANT [OPTION…]                the same, and cusim's checker has nothing to report
#   steady VARIANT SIZE THREADS…           the same error, so the same bits, for each number of threads
#   faster RATIO VARIANT OTHER OPTION…     median times in one run, the best of three: a machine may be busy
#   figure RATIO FIGURE VARIANT OTHER OPTION…   a figure of the lesson's own CSV ("bytes-sent"), at most RATIO times the other's
#   without TEXT, at-most COUNT TEXT       lines of the file that hold TEXT
set -u
build=$1 lesson=$2
limit=120 # seconds for one question
cannot() { echo "heddle: $*" >&2; exit 2; }
folder=$(ls -d lessons/"$(printf %02d "$(expr "$lesson" + 0 2>/dev/null || echo 0)")"-*/lab 2>/dev/null) || folder=
[ -n "$folder" ] || cannot "lesson '$lesson' has no lab; there are: $(echo lessons/*/lab | sed 's:lessons/\([0-9]*\)[^ ]*:\1:g')"
name=$(basename "$(dirname "$folder")")
solution=$(ls "$folder"/solution.*)
file=${3:-labs/$name.${solution##*.}}
[ -r "$file" ] || cannot "$file: no such file; make lab L=$lesson puts one there, FILE= names another"
home=$build/labs/$name program=$build/labs/$name/lab-$name
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

why= # a criterion that does not hold says why, in a line
run() { timeout -k 5 $limit "$program" "$@" >"$work/out" 2>"$work/err" </dev/null; }
said() { why=$(grep -v '^$' "$work/err" | head -n 1 | cut -c1-150); }

builds() {
  cp "$file" "$home/yours.${solution##*.}"
  cmake --build "$build" --target "lab-$name" -- --no-print-directory >"$work/out" 2>&1 && return 0
  why=$(grep -m 1 -E 'error|undefined reference' "$work/out" | cut -c1-150)
  return 1
}

# Once for each value of a list behind --devices or --threads.
each() { # each COMMAND OPTION…
  command=$1
  shift
  list=$(echo " $*" | sed -n 's/.* --\(devices\|threads\) \([0-9,]*,[0-9,]*\).*/\2/p')
  for one in $(echo "${list:-none}" | tr , ' '); do
    # shellcheck disable=SC2046
    $command $(echo "$*" | sed "s/${list:-nothing}/$one/") || return 1
  done
}

verified() { # VARIANT OPTION…
  variant=$1
  shift
  run --verify --variant "$variant" "$@" && grep -q "^$variant " "$work/out" && return 0
  said
  return 1
}
right() { each verified "$@"; }

checked() {
  CUSIM_CHECK=1 verified "$@" && grep -qx 'cusim-check: 0 problems' "$work/err" && return 0
  why=$(grep -m 1 '^cusim-check: ' "$work/err" | sed "s:$home/::" | cut -c1-150)
  return 1
}
clean() { each checked "$@"; }

# The value of a column for a variant of the run's results.
column() { awk -F, -v variant="$2" -v column="$3" '$2 == variant { print $column }' "$work/$1/results.csv" | tail -n 1; }

measured() { # OPTION…; what was modelled a moment ago is the same again
  [ "$(cat "$work/run/options" 2>/dev/null)" = "$*" ] && ! grep -q ',wall,' "$work/run/results.csv" && return 0
  rm -rf "$work/run"
  run "$@" --results "$work/run" && { echo "$*" >"$work/run/options"; return 0; }
  said
  return 1
}

steady() {
  variant=$1 size=$2 first=
  shift 2
  for threads; do
    measured --variant "$variant" --size "$size" --threads "$threads" || return 1
    error=$(column run "$variant" 16)
    why="the error is $error with $threads threads, ${first:-$error} with fewer"
    [ "${first:-$error}" = "$error" ] || return 1
    first=$error
  done
}

faster() {
  ratio=$1 variant=$2 other=$3
  shift 3
  for try in 1 2 3; do
    measured "$@" || return 1
    why=$(awk -v yours="$(column run "$variant" 8)" -v other="$(column run "$other" 8)" -v name="$other" \
      -v clock="$(column run "$variant" 7)" 'BEGIN {
        if (yours > 0 && other > 0) printf "%.2f times the speed of %s (clock: %s)", other / yours, name, clock
        else print "not measured" }')
    awk -v is="$why" -v ratio="$ratio" 'BEGIN { exit !(is + 0 >= ratio) }' && return 0
    grep -q ',wall,' "$work/run/results.csv" || return 1 # a modelled time stays what it is
  done
  return 1
}

figure() {
  ratio=$1 figure=$(echo "$2" | tr - ' ') variant=$3 other=$4
  shift 4
  measured "$@" || return 1
  why=$(awk -F, -v figure="$figure" -v a="$variant" -v b="$other" '$6 == figure { value[$1] = $7 }
    END { printf "%s against %s", value[a] == "" ? "nothing" : value[a], value[b] }' "$work/run/$name.csv")
  awk -v is="$why" -v ratio="$ratio" \
    'BEGIN { split(is, part, " against "); exit !(part[1] + 0 > 0 && part[1] + 0 <= ratio * part[2]) }'
}

without() { at_most 0 "$1"; }
at_most() {
  found=$(sed 's://.*::' "$file" | grep -c "$2")
  why="$found lines with $2"
  [ "$found" -le "$1" ]
}

printf '%s\n' "lab $name: $file"
got=0 all=0 built=1
while IFS='|' read -r points sentence how; do
  case $points in '#'* | '') continue ;; esac
  points=$((points)) all=$((all + points)) why=
  sentence=$(echo "$sentence" | sed 's/^ *//; s/ *$//')
  # shellcheck disable=SC2086
  set -- $how
  kind=$(echo "$1" | tr - _)
  shift
  [ -t 1 ] && printf '  ...  %s\r' "$sentence"
  mark=no
  if [ "$built" = 1 ] && "$kind" "$@"; then mark=yes got=$((got + points)); fi
  [ "$kind" = builds ] && [ "$mark" = no ] && built=0
  [ "$mark" = no ] && gained=0 || gained=$points
  printf '  %-3s  %-66s %2d of %d\n' $mark "$sentence" "$gained" "$points"
  [ -n "$why" ] && [ "$mark$kind" != yeswithout ] && printf '         %s\n' "$why"
done <"$folder/points.txt"
echo "$got of $all points"
[ "$got" = "$all" ]
