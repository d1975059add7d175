#!/bin/sh
# Counters of real kernels against known answers; the same bits for any number of workers and any legal order. usage: observe_known.sh PROGRAM
program=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
unset CUSIM_CARD CUSIM_TRACE CUSIM_SCHEDULE
export CUSIM_PROFILE_LINES=1

# run NAME: a profile, a timeline and the program's own (virtual) times
run() {
  for kind in csv json; do
    CUSIM_PROFILE=$work/$1.$kind CUSIM_TIMELINE=$work/$1.timeline "$program" >"$work/$1.out" ||
      { echo "FAILED: the program itself ($1)"; cat "$work/$1.out"; failed=1; }
  done
}
OMP_NUM_THREADS=1 run 1
for again in 1: 2: 1:3 2:3 2:4711; do
  seed=${again#*:}
  name=workers-${again%:*}-seed-$seed
  if [ -n "$seed" ]; then export CUSIM_SCHEDULE="$seed"; else unset CUSIM_SCHEDULE; fi
  OMP_NUM_THREADS=${again%:*} run "$name"
  for kind in csv json timeline out; do
    cmp "$work/1.$kind" "$work/$name.$kind" || { echo "FAILED: $kind differs ($name)"; failed=1; }
  done
done
unset CUSIM_SCHEDULE
if command -v python3 >/dev/null; then
  for file in 1.json 1.timeline; do
    python3 -m json.tool "$work/$file" >"$work/pretty" || { echo "FAILED: $file is not JSON"; failed=1; }
  done
fi
CUSIM_REGISTERS=32,column_padded=33,resident=168 run registers
CUSIM_REGISTERS=gemm=33 run more

# holds KERNEL COLUMN VALUE [RUN]
holds() {
  value=$(awk -F, -v kernel="\"$1\"" -v name="$2" '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
    $1 == kernel && column { print $column }' "$work/${4:-1}.csv")
  [ "$value" = "$3" ] || { echo "FAILED: $1: $2 is '$value', not $3"; failed=1; }
}
requests=l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum
sectors=l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum
while read -r kernel count; do
  holds "$kernel" $sectors "$count"
  if [ "$kernel" = load_none ]; then holds "$kernel" $requests 0; else holds "$kernel" $requests 1; fi
done <<EOF
load_half 2
load_float 4
load_shifted 5
load_double 8
load_float2 8
load_float4 16
load_field 12
load_strided 32
load_uniform 1
load_none 0
EOF
while read -r kernel count; do
  holds "$kernel" l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum "$count"
done <<EOF
load_half 2
load_float 4
load_double 8
load_float2 8
load_float4 16
load_none 0
EOF
holds transpose_double $requests 524288
holds transpose_double $sectors 16777216
holds transpose_double l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum 4194304
for kernel in column_plain:1024 column_padded:32; do
  holds ${kernel%:*} shared_ld_wavefronts ${kernel#*:}
  holds ${kernel%:*} shared_ld_wavefronts_ideal 32
  holds ${kernel%:*} shared_st_wavefronts 32
  holds ${kernel%:*} warp_barriers 32
done
holds gemm smsp__sass_thread_inst_executed_op_ffma_pred_on.sum $((64 * 64 * 64))
holds gemm smsp__sass_thread_inst_executed_op_fadd_pred_on.sum 0
holds gemm smsp__sass_thread_inst_executed_op_fmul_pred_on.sum 0
holds count_all l1tex__t_requests_pipe_lsu_mem_global_op_atom.sum 2
holds count_all global_atomic_degree 64
holds count_each l1tex__t_requests_pipe_lsu_mem_global_op_atom.sum 2
holds count_each global_atomic_degree 2
holds shuffle_once warp_operations 2
[ "$(uname -m)" != x86_64 ] || holds transcendental special_functions 128
occupancy=sm__maximum_warps_per_active_cycle_pct
holds gemm $occupancy 100 registers
holds gemm $occupancy 75 more
holds column_padded $occupancy 50 registers
holds resident $occupancy 18.75 registers
cat "$work/1.out"
[ $failed = 0 ] && echo "all known answers hold"
exit $failed
