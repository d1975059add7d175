# ncu.csv and cusim.csv side by side, see counters.sh. Kernels that only one side has (a library's) are left out.
# Compilers merge loads, so requests may differ; what must agree is marked in `must`.
function of(side, kernel, metric) { return ((side, kernel, metric) in value) ? value[side, kernel, metric] : "-" }
function flops(side, kernel,    name, part, sum, n, i) {
  n = split("1 fadd 1 fmul 2 ffma 1 dadd 1 dmul 2 dfma", part, " ")
  for (i = 1; i <= n; i += 2) {
    name = "smsp__sass_thread_inst_executed_op_" part[i + 1] "_pred_on.sum"
    if (!((side, kernel, name) in value)) return "-"
    sum += part[i] * value[side, kernel, name]
  }
  return sprintf("%.0f", sum)
}
function row(kernel, what, ncu, cusim, must,    equal) {
  equal = ncu == cusim && ncu != "-" ? "yes" : "no"
  if (must && equal == "no") differs[kernel] = 1
  if (!must && equal == "no") equal = "no (may)"
  printf "%-14s %-20s %-24s %16s %16s  %s\n", lesson[kernel], kernel, what, ncu, cusim, equal
  printf "%s,%s,%s,%s,%s,%s\n", lesson[kernel], kernel, what, ncu, cusim, equal >table
}
FNR == 1 { side++; next }
{
  value[side, $2, $3] = sprintf("%.0f", $4)
  launches[side, $2] = $5
  git[side] = $6
  if (!($2 in lesson)) order[++kernels] = $2
  lesson[$2] = $1
}
END {
  if (git[1] != git[2]) printf "the kernels may differ: measured at %s, simulated at %s\n", git[1], git[2]
  printf "%-14s %-20s %-24s %16s %16s  %s\n", "lesson", "kernel", "counter", "ncu", "cusim", "equal"
  print "lesson,kernel,counter,ncu,cusim,equal" >table
  for (k = 1; k <= kernels; k++) {
    kernel = order[k]
    if (!((1, kernel) in launches) || !((2, kernel) in launches)) continue
    both++
    if (launches[1, kernel] != launches[2, kernel]) row(kernel, "launches", launches[1, kernel], launches[2, kernel], 1)
    row(kernel, "load sectors", of(1, kernel, "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum"), of(2, kernel, "l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum"), 1)
    row(kernel, "store sectors", of(1, kernel, "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum"), of(2, kernel, "l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum"), 1)
    row(kernel, "shared wavefronts", of(1, kernel, "memory_l1_wavefronts_shared"), of(2, kernel, "memory_l1_wavefronts_shared"), 1)
    row(kernel, "FLOPs", flops(1, kernel), flops(2, kernel), 1)
    row(kernel, "ideal wavefronts", of(1, kernel, "memory_l1_wavefronts_shared_ideal"), of(2, kernel, "memory_l1_wavefronts_shared_ideal"), 0)
    row(kernel, "load requests", of(1, kernel, "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum"), of(2, kernel, "l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum"), 0)
    row(kernel, "store requests", of(1, kernel, "l1tex__t_requests_pipe_lsu_mem_global_op_st.sum"), of(2, kernel, "l1tex__t_requests_pipe_lsu_mem_global_op_st.sum"), 0)
    if (!(kernel in differs)) agree++
  }
  printf "counters: %d of %d kernels agree in sectors, wavefronts and FLOPs; table in %s\n", agree, both, table
  exit agree < 6
}
