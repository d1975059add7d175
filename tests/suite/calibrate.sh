#!/bin/sh
# A "measured" run made by the simulator with other constants: the fit finds these, from lesson 08 alone, and the error on a
# lesson that it never saw falls. usage: calibrate.sh HEDDLE_CALIBRATE LESSONS
. "$(dirname "$0")/check.sh"
calibrate=$1 lessons=$2
unset CUSIM_PRESET CUSIM_LINK CUSIM_HOST_LINK

cat >"$work/true" <<'END'
dram_efficiency = 0.62      # 0.75 in the preset
launch_us = 3.4
kernel_overhead_us = 1.9
host_alpha_us = 6
host_gb_per_s = 9.5
pageable_share = 0.27
fault_share = 0.34
fault_us = 45
END

model() { # model FOLDER
  for size in 1024 262144; do
    "$lessons/lesson-08-first-kernel" --device sim:t4 --size $size --results "$1" >/dev/null 2>"$work/errors" || cat "$work/errors"
  done
  "$lessons/lesson-12-gemm-gpu" --device sim:t4 --size 33 --results "$1" >/dev/null 2>"$work/errors" || cat "$work/errors"
}
model "$work/modelled"
CUSIM_PRESET=$work/true
export CUSIM_PRESET
model "$work/measured"
unset CUSIM_PRESET
# Short kernels are measured in batches: a launch is hidden behind the kernel before it, or the kernel behind the launch.
awk -F, 'BEGIN { OFS = "," }
  $1 ~ /^08/ && $2 ~ /^(resident|vectorized|cublas)$/ && $8 < 50e-6 {
    $8 -= 3.4e-6
    if ($8 < 3.4e-6) $8 = 3.4e-6
    $9 = $10 = $8
  }
  { sub(",sim:t4,model,", ",NVIDIA T4,device,"); print }' "$work/measured/results.csv" >"$work/rows"
mv "$work/rows" "$work/measured/results.csv"

"$calibrate" --measured "$work/measured" --modelled "$work/modelled" --lessons "$lessons" --fit "$work/fit" >"$work/said" \
  2>"$work/errors" || cat "$work/errors"
grep -v '^#' "$work/fit" | while read -r name equals value; do
  expected=$(awk -v name="$name" '$1 == name { print $3 }' "$work/true")
  echo "$name $value $expected"
done >"$work/constants"
holds "eight constants are fitted" test "$(wc -l <"$work/constants")" = 8
while read -r name value expected; do
  holds "$name is $expected, fitted $value" awk "BEGIN { ratio = $value / $expected; exit !(ratio > 0.97 && ratio < 1.03) }"
done <"$work/constants"
error_of() { sed -n "s/^$1 .*mean error x \([0-9.]*\),.*/\1/p" "$work/said"; }
before=$(error_of 'all others, before') after=$(error_of 'all others, after')
holds "the error elsewhere is $before before and $after after" awk "BEGIN { exit !(${before:-0} > 1.1 && ${after:-9} < 1.02) }"
holds "the table names each row's ratio" grep -q '^08-first-kernel *managed *1024 *1 sim:t4 .* 0\.' "$work/said"
holds "the order of the ladder is told" grep -q '^12-gemm-gpu .*order: ' "$work/said"

# Constants that cannot be.
refused() { # refused LINE WHAT
  printf '%s\n' '# a comment' "$1" >"$work/bad"
  CUSIM_PRESET=$work/bad "$lessons/lesson-08-first-kernel" --device sim:t4 --size 33 >"$work/out" 2>&1
  status=$?
  holds "'$1': exit status $status, not 2" test $status = 2
  holds "'$1': $(cat "$work/out")" grep -q "line 2: .*$2" "$work/out"
}
refused 'host_gb_per_s = fast' "is not 'name = value'"
refused 'host_gb_per_s = -1' 'out of range'
refused 'gb = 1' 'names no constant'
CUSIM_PRESET=$work/none "$lessons/lesson-08-first-kernel" --device sim:t4 --size 33 >"$work/out" 2>&1
holds "a file that is not there: $(cat "$work/out")" grep -q 'cannot be read' "$work/out"
"$calibrate" --measured "$work/modelled" --modelled "$work/modelled" >"$work/out" 2>&1
holds "nothing measured: $(cat "$work/out")" grep -q 'holds no measured row' "$work/out"
finish
