#!/bin/sh
# `make counters` with an ncu that prints as the real one does: equal counters, one that differs, one that it refuses.
# usage: counters.sh TOOLS_FOLDER BUILD_OF_SIMULATED_LESSONS
. "$(dirname "$0")/check.sh"
tools=$1 build=$2 results=$work/results
mkdir -p "$work/cuda/lessons" "$work/cuda/generated" "$work/bin"
echo '#define HD_GPU_KIND "cuda"' >"$work/cuda/generated/found.h"
cp "$build/generated/revision.h" "$work/cuda/generated"
expect 1 'ncu was not found; it comes with Nsight Compute' sh "$tools/counters.sh" "$work/cuda" "$results"
expect 0 'counters: 1[0-9] kernels in' sh "$tools/counters.sh" "$build" "$results"
holds "the other side is named" grep -q 'make counters RESULTS=.* DEVICE=cuda' "$work/out"
holds "sectors as derived: 256^2 floats by columns are a sector each" \
  grep -q '^09-transpose,naive_kernel,l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum,65536,1,' "$results/counters/cusim.csv"

# The simulated counters, printed as ncu prints: a preamble, quotes, signatures, thousands with commas.
cat >"$work/bin/ncu" <<END
#!/bin/sh
while [ \$# -gt 0 ]; do
  case \$1 in --metrics) metrics=,\$2,; shift ;; --log-file) log=\$2; shift ;; *lesson-*) lesson=\${1##*lesson-} ;; esac
  shift
done
case "\$metrics" in *op_ld*) [ -e '$work/refuse' ] && { echo '==ERROR== Failed to find metric' >"\$log"; exit 1; } ;; esac
{
  echo '==PROF== Connected to process 1234'
  echo '"ID","Process ID","Process Name","Kernel Name","Context","Stream","Section Name","Metric Name","Metric Unit","Metric Value"'
  awk -F, -v lesson="\$lesson" -v metrics="\$metrics" -v more="\$(cat '$work/more')" '
    function commas(n) {
      n = sprintf("%.0f", n)
      while (match(n, /^[0-9]+/) && RLENGTH > 3) n = substr(n, 1, RLENGTH - 3) "," substr(n, RLENGTH - 2)
      return n
    }
    \$1 == lesson && index(metrics, "," \$3 ",") && \$2 !~ /cublas/ {
      if (\$2 == "naive_kernel" && \$3 ~ /sectors/) \$4 += more
      printf "\"0\",\"1234\",\"lesson\",\"%s(int, const float *, float *)\",\"1\",\"7\",\"Command line profiler metrics\",\"%s\",\"\",\"%s\"\n", \$2, \$3, commas(\$4)
    }' '$results/counters/cusim.csv'
} >"\$log"
END
chmod +x "$work/bin/ncu"
PATH=$work/bin:$PATH
export PATH
measured() { sh "$tools/counters.sh" "$work/cuda" "$results"; }
echo 0 >"$work/more"
expect 0 'counters: ([0-9]+) of \1 kernels agree in sectors, wavefronts and FLOPs' measured
all=$(sed -n 's/^counters: .* of \([0-9]*\) kernels.*/\1/p' "$work/out")
holds "at least six kernels" test "$all" -ge 6
holds "large numbers survive" grep -q '^01-roofline,fold_gpu,FLOPs,4194352,4194352,yes$' "$results/counters/counters.csv"
echo 1 >"$work/more"
expect 0 "counters: $((all - 1)) of $all kernels agree" measured
holds "the difference is shown" grep -q '^09-transpose,naive_kernel,store sectors,65537,65536,no$' "$results/counters/counters.csv"
touch "$work/refuse"
expect 1 "counters: 0 of $all kernels agree" measured
holds "what ncu refuses is said" grep -q '^09-transpose: ncu failed: ==ERROR== Failed to find metric' "$work/out"
holds "and costs only itself" grep -q '^09-transpose,naive_kernel,FLOPs,0,0,yes$' "$results/counters/counters.csv"
finish
