#!/bin/sh
# Lesson 11: other bins and keys are right, too; what waits for what is counted; and the modelled order of the rungs
# follows from it on a card that joins equal increments and on one that does not. usage: histogram.sh LESSON counted|any
. "$(dirname "$0")/check.sh"
lesson=$1
unset CUSIM_TRACE CUSIM_CARD CUSIM_PROFILE

for options in '--bins 1' '--bins 1000 --keys skewed' '--bins 8192' '--keys constant' '--keys many'; do
  holds "--verify $options: $("$lesson" --verify --size 33001 $options 2>&1 >/dev/null)" \
    "$lesson" --verify --size 33001 $options
done
for options in '--bins 0' '--bins 8193' '--bins x' '--bins -1' '--keys zipf' '--bins 3 --bins 4'; do
  "$lesson" $options >"$work/out" 2>"$work/errors"
  status=$?
  holds "$options: exit status $status, $(cat "$work/errors")" \
    test $status = 2 -a "$(wc -l <"$work/errors")" = 1 -a ! -s "$work/out"
done

# 65536 equal keys: 2048 requests of 32 lanes. counted KERNEL SPACE REQUESTS DEGREE
CUSIM_PROFILE=$work/profile.csv "$lesson" --device sim:h200 --keys constant --size 65536 >"$work/out" 2>&1
counted() {
  got=$(awk -F, -v kernel="\"$1\"" -v space="$2" '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    $1 != kernel { next }
    { requests = space == "shared" ? "smsp__inst_executed_op_shared_atom.sum" : "l1tex__t_requests_pipe_lsu_mem_global_op_atom.sum"
      print $column[requests], $column[space "_atomic_degree"] }' "$work/profile.csv")
  holds "$1: $2 atomics and lanes that wait are '$got', not '$3 $4'" test "$got" = "$3 $4"
}
counted global_kernel global 2048 65536
counted shared_kernel shared 2048 65536
counted vector_kernel shared 2048 65536
counted per_warp_kernel shared 2048 65536
counted per_lane_kernel shared 2048 2048
counted aggregated_kernel shared 2048 2048

# in_order CARD KEYS VARIANT…: from slow to fast.
in_order() {
  card=$1 keys=$2
  shift 2
  "$lesson" --device "sim:$card" --keys "$keys" --size 8388608 --format csv >"$work/rows" 2>&1
  before=0 name=nothing
  for variant; do
    value=$(awk -F, -v v="$keys/$variant" '$2 == v { print $12 }' "$work/rows")
    holds "$card, $keys: $variant ($value) is faster than $name ($before)" \
      awk "BEGIN { exit !(${value:-0} > $before) }"
    before=${value:-0} name=$variant
  done
}
if [ "$2" = counted ]; then  # without capstone the model knows memory only
  in_order h200 uniform global shared vector
  in_order h200 constant global aggregated vector
  in_order h200 many global shared vector
  in_order t4 constant global shared vector aggregated per-lane
fi
finish
