#!/bin/sh
# One lesson under one tool of compute-sanitizer, for sanitize.sh, which exports what is used here.
# usage: sanitize_one.sh TOOL LESSON [FURTHER-ARGUMENTS…]
tool=$1 lesson=$2 limit=${HEDDLE_LIMIT:-120} start=$(date +%s) cut=
shift 2
arguments="$arguments${*:+ $*}"
log=$results/$lesson$(echo "$*" | tr -d ' ').$tool.log
if [ "$end" -gt 0 ]; then
  [ $((end - start)) -lt 2 ] && exit 0
  [ $((end - start)) -lt "$limit" ] && limit=$((end - start)) cut=yes
fi
# Calls that fail are the lessons' own business: each is checked, and some may fail (peer access that is there already).
# shellcheck disable=SC2086 # arguments are words
timeout -k 5 "$limit" compute-sanitizer --tool "$tool" --report-api-errors no --print-limit 20 \
  "$build/lessons/lesson-$lesson" $arguments >"$log" 2>&1 </dev/null
status=$?
errors=$(sed -n 's/^=* \(ERROR\|RACECHECK\) SUMMARY: \([0-9]*\) .*/\2/p' "$log" | tail -n 1)
message=$(grep -E '^(=+ Error|=+ Internal|heddle:)' "$log" | tail -n 1 | tr -d '"' | sed 's/^=* *//')
if [ $status = 124 ] || [ $status = 137 ]; then
  # Stopped by the end of all, not by its own limit: it is left for the next call.
  [ "$cut" ] && { rm -f "$log"; exit 0; }
  result="timed out"
elif [ -z "$errors" ]; then
  result="did not run: $message"
elif [ "$errors" != 0 ]; then
  result="$errors errors"
elif [ $status != 0 ]; then
  result="failed: $message"
else
  result=clean
  rm -f "$log"
fi
if [ -e "$log" ]; then # results stay small
  head -c 50000 "$log" >"$log.cut"
  mv "$log.cut" "$log"
fi
printf '%s,%s,"%s","%s",%d,%s\n' "$lesson" "$tool" "$arguments" "$result" $(($(date +%s) - start)) "$git" >>"$rows"
[ "$result" = clean ] || echo "$lesson${*:+ $*} $tool: $result"
exit 0
