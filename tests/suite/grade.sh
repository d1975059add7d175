#!/bin/sh
# Labs are graded as they should be: a solution gets all points, and what a student starts with does not; a race, a file that
# does not compile and a wrong number cost what they should. usage: grade.sh SOURCE BUILD LAB…
. "$(dirname "$0")/check.sh"
cd "$1" || exit 1
build=$2
shift 2
# grade LAB FILE: its output in $work/grade
grade() { tools/grade.sh "$build" "$1" "$2" >"$work/grade" 2>&1; }
said() { holds "$1, not: $(grep -v ' yes ' "$work/grade" | tr '\n' ' ')" grep -qE -- "$2" "$work/grade"; }

for lab; do
  solution=$(ls lessons/"$lab"-*/lab/solution.*)
  name=$(basename "$(dirname "$(dirname "$solution")")").${solution##*.}
  grep -q '^//> solution' "$solution" || { echo "lab $lab: a handout, without its solution"; continue; }
  tools/lab.sh "$lab" "$work/labs" >/dev/null
  grade "$lab" "$work/labs/$name"
  said "lab $lab: what one starts with gets some points and not all" '^[1-9] of 10 points'
  grade "$lab" "$solution"
  case $lab in
    03) # its last line is a ratio of wall times, and tests share the machine
      said "lab 03: the solution gets its points" '^(7|10) of 10 points'
      echo 'double sum_yours(const float *x, long n) { return x[n' >"$work/broken.c"
      grade "$lab" "$work/broken.c"
      said "lab 03: a file that does not compile" '^0 of 10 points'
      said "lab 03: the compiler's own words" 'error:'
      ;;
    09)
      said "lab 09: the solution gets all points" '^10 of 10 points'
      sed 's/__syncwarp();//' "$solution" >"$work/racy.cu"
      grade "$lab" "$work/racy.cu"
      said "lab 09: a forgotten __syncwarp is named" 'no +the checker finds'
      said "lab 09: with its kind" 'race-shared'
      ;;
    *) said "lab $lab: the solution gets all points" '^10 of 10 points' ;;
  esac
done
expect 2 "lesson '77' has no lab; there are:.* 03" tools/grade.sh "$build" 77 ''
expect 2 "lesson 'x' has no lab" tools/lab.sh x "$work/labs"
expect 2 'none.c: no such file; make lab L=03' tools/grade.sh "$build" 03 none.c
expect 2 'is there already' tools/lab.sh "${lab:-03}" "$work/labs"
finish
