#!/bin/sh
# Counters of kernels, by Nsight Compute on a real GPU or by cusim, whichever the build is for; once both are there, side
# by side. usage: counters.sh BUILD RESULTS
# RESULTS/counters gets ncu.csv or cusim.csv, and counters.csv: equal or not, kernel by kernel. Exits with 1 if fewer than
# six kernels agree in sectors, wavefronts and FLOPs.
[ $# = 2 ] || { sed -n 's/^#.*usage/usage/p' "$0" >&2; exit 2; }
build=$1 results=$2/counters here=$(cd "$(dirname "$0")" && pwd)
. "$here/gpu.sh"
mkdir -p "$results" || exit 1
git=$(revision) work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each kernel is launched once: every variant is verified at one size.
cat >"$work/runs" <<END
01-roofline --verify --size 8 --variant gpu
09-transpose --verify --size 256 --device gpu
12-gemm-gpu --verify --size 256 --device gpu
END
# One run of ncu for each of these, so that one that it refuses costs only itself.
cat >"$work/metrics" <<END
l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum
l1tex__t_requests_pipe_lsu_mem_global_op_st.sum l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum
memory_l1_wavefronts_shared memory_l1_wavefronts_shared_ideal
smsp__sass_thread_inst_executed_op_fadd_pred_on.sum smsp__sass_thread_inst_executed_op_fmul_pred_on.sum smsp__sass_thread_inst_executed_op_ffma_pred_on.sum
smsp__sass_thread_inst_executed_op_dadd_pred_on.sum smsp__sass_thread_inst_executed_op_dmul_pred_on.sum smsp__sass_thread_inst_executed_op_dfma_pred_on.sum
END

# lesson,kernel,metric,value,launches,git from ncu's CSV: a row for each launch and metric, found by the header's names.
from_ncu() {
  awk -v lesson="$1" -v git="$git" '
    !/^"/ { next }
    { sub(/^"/, ""); sub(/"\r?$/, ""); n = split($0, f, "\",\"") }
    /Metric Name/ { for (i = 1; i <= n; i++) column[f[i]] = i; next }
    column["Metric Value"] {
      value = f[column["Metric Value"]]; gsub(",", "", value)
      if (value !~ /^[0-9.]+$/) next
      name = f[column["Kernel Name"]]
      sub(/^void /, "", name); sub(/[<(].*/, "", name)
      key = name "," f[column["Metric Name"]]
      sum[key] += value; launches[key]++
    }
    END { for (key in sum) printf "%s,%s,%.0f,%d,%s\n", lesson, key, sum[key], launches[key], git }' "$2"
}

measure() {
  command -v ncu >/dev/null || fail "ncu was not found; it comes with Nsight Compute: put its folder on PATH"
  while read -r lesson arguments; do
    while read -r metrics; do
      # shellcheck disable=SC2086 # arguments are words
      if LC_ALL=C timeout -k 5 120 ncu --csv --print-units base --clock-control none --log-file "$work/log" \
        --metrics "$(echo "$metrics" | tr ' ' ,)" "$build/lessons/lesson-$lesson" $arguments >"$work/out" 2>&1 </dev/null; then
        from_ncu "$lesson" "$work/log"
      else
        echo "$lesson: ncu failed: $(cat "$work/log" "$work/out" 2>/dev/null | grep -E '==ERROR==|^heddle:' | head -n 1)" >&2
      fi
    done <"$work/metrics"
  done <"$work/runs"
}

simulate() {
  grep -q '"CAPSTONE", ""' "$build/generated/found.h" && fail "without libcapstone-dev cusim counts no FLOPs; install it and configure again"
  while read -r lesson arguments; do
    # shellcheck disable=SC2086 # arguments are words
    CUSIM_PROFILE=$work/profile.csv "$build/lessons/lesson-$lesson" --device sim:h200 $arguments >"$work/out" 2>&1 </dev/null ||
      { tail -n 1 "$work/out" >&2; continue; }
    tr ' ' '\n' <"$work/metrics" | awk -F, -v lesson="$lesson" -v git="$git" '
      NR == FNR { metric[++metrics] = $1; next }
      FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
      { gsub("\"", "", $1); launches[$1] += $column["launches"]
        for (m = 1; m <= metrics; m++) sum[$1 "," metric[m]] += $column[metric[m]] }
      END { for (key in sum) { split(key, k, ","); printf "%s,%s,%.0f,%d,%s\n", lesson, key, sum[key], launches[k[1]], git } }
    ' - "$work/profile.csv"
  done <"$work/runs"
}

header=lesson,kernel,metric,value,launches,git
case $(sed -n 's/^#define HD_GPU_KIND "\(.*\)"/\1/p' "$build/generated/found.h") in
  cuda) side=ncu other=cusim next="DEVICE=sim BUILD=build-sim" ;;
  sim) side=cusim other=ncu next="DEVICE=cuda on a machine with a GPU" ;;
  *) fail "$build has no GPU code; configure with DEVICE=cuda or DEVICE=sim" ;;
esac
if [ $side = ncu ]; then measure; else simulate; fi >"$work/$side.csv" || exit 1
[ -s "$work/$side.csv" ] || fail "no counters: none of the runs went well"
{ echo $header; sort "$work/$side.csv"; } >"$results/$side.csv"
echo "counters: $(cut -d, -f2 "$work/$side.csv" | sort -u | wc -l) kernels in $results/$side.csv"
[ -e "$results/$other.csv" ] || { echo "for the other side: make counters RESULTS=$2 $next"; exit 0; }
awk -F, -v table="$results/counters.csv" -f "$here/counters.awk" "$results/ncu.csv" "$results/cusim.csv"
