#!/bin/sh
# The modelled ladder comes out in the published order. usage: ladder.sh CARD SIZE LESSON [--OPTION VALUE]… VARIANT…
. "$(dirname "$0")/check.sh"
card=$1 size=$2 lesson=$3
shift 3
options=
while [ "${1#--}" != "$1" ]; do options="$options $1 $2" && shift 2; done
"$lesson" $options --device "sim:$card" --size "$size" --format csv >"$work/rows" 2>"$work/errors" || cat "$work/errors"
before=0 name=nothing
for variant; do
  value=$(awk -F, -v v="$variant" '$2 == v { print $13 ~ /s$/ && $13 !~ /\// ? 1 / $12 : $12 }' "$work/rows")  # a rate, or of a time
  holds "$variant ($value) is faster than $name ($before)" awk "BEGIN { exit !(${value:-0} > $before) }"
  before=${value:-0} name=$variant
done
awk -F, 'NR > 1 { printf "%-12s %10.1f %s (%s)\n", $2, $12, $13, $7 }' "$work/rows"
finish
