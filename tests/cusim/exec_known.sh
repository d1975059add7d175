#!/bin/sh
# Known counters of kernels with many blocks, and the sampled ones against those of every block.
# usage: exec_known.sh PROGRAM
program=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset CUSIM_CARD
CUSIM_PROFILE=$work/sampled.csv "$program" && CUSIM_TRACE=all CUSIM_PROFILE=$work/all.csv "$program" || exit 1
failed=0

# holds KERNEL COLUMN VALUE: in both profiles.
holds() {
  for kind in sampled all; do
    value=$(awk -F, -v kernel="\"$1\"" -v name="$2" '
      NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
      $1 == kernel && column { print $column }' "$work/$kind.csv")
    [ "$value" = "$3" ] || { echo "FAILED: $1, $kind blocks: $2 is '$value', not $3"; failed=1; }
  done
}
requests=$((512 * 512 / 32))
for direction in ld st; do
  metric=pipe_lsu_mem_global_op_$direction.sum
  per_request=4
  for kernel in transpose_padded transpose_conflicts transpose_naive; do
    [ $kernel$direction = transpose_naivest ] && per_request=32
    holds $kernel l1tex__t_requests_$metric $requests
    holds $kernel l1tex__t_sectors_$metric $((per_request * requests))
  done
done
for kernel in transpose_conflicts:32 transpose_padded:1; do
  holds ${kernel%:*} shared_ld_wavefronts $((${kernel#*:} * requests))
  holds ${kernel%:*} shared_ld_wavefronts_ideal $requests
  holds ${kernel%:*} shared_st_wavefronts $requests
done
holds gemm smsp__sass_thread_inst_executed_op_ffma_pred_on.sum $((64 * 64 * 64))
holds gemm smsp__sass_thread_inst_executed_op_fadd_pred_on.sum 0
holds gemm smsp__sass_thread_inst_executed_op_fmul_pred_on.sum 0

# Identical blocks: sampling changes no number but its own.
for kind in sampled all; do
  awk -F, 'BEGIN { OFS = "," } NR == 1 { for (i = 1; i <= NF; i++) if ($i == "traced_blocks_per_launch") column = i } { $column = ""; print }' \
    "$work/$kind.csv" >"$work/$kind.rest"
done
diff "$work/sampled.rest" "$work/all.rest" || { echo 'FAILED: sampled counts differ from those of every block'; failed=1; }
exit $failed
