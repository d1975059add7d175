#!/bin/sh
# What kernels ask of memory is what their lesson says, exactly: every block is counted. usage: requests.sh FOLDER
. "$(dirname "$0")/check.sh"
folder=$1
unset CUSIM_CARD
export CUSIM_TRACE=all

# profile LESSON SIZE OPTION…: all kernels of one run, into $work/profile.csv
profile() {
  lesson=$1 size=$2
  shift 2
  CUSIM_PROFILE=$work/profile.csv "$folder/lesson-$lesson" --device sim:h200 --size "$size" --format csv "$@" \
    >"$work/rows" 2>"$work/errors" || cat "$work/errors"
  sed -i 's/^\("[^"<]*\)<[^"]*"/\1"/' "$work/profile.csv"  # a template's arguments hold commas
}

# exactly KERNEL COLUMN VALUE: of its largest launch, or of all launches of that shape
exactly() {
  value=$(awk -F, -v kernel="\"$1\"" -v name="$2" '
    NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
    $1 == kernel && $column + 0 > most { most = $column + 0 }
    END { printf "%.0f\n", most }' "$work/profile.csv")
  holds "$1: $2 is $value, not $3" test "$value" = "$3"
}
loads=l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum
load_sectors=l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum
store_sectors=l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum
atomics=l1tex__t_requests_pipe_lsu_mem_global_op_atom.sum

# Lesson 05, 16 sweeps of 256 x 256 cells: a warp asks for the rows above and below (4 sectors each) and for the cells left
# and right, a float beside a sector's edge (5). A tile of 32 x 8 cells is 10 rows of 34, by 32 lanes and then by 2.
profile 05-stencil 256 --no-mistakes
exactly jacobi $loads $((16 * 256 * 256 / 32 * 4))
exactly jacobi $load_sectors $((16 * 256 * 256 / 32 * (4 + 4 + 5 + 5)))
exactly jacobi $store_sectors $((16 * 256 * 256 / 8))
exactly tiled_kernel $loads $((16 * 256 * 10 * 2))
exactly tiled_kernel $load_sectors $((16 * 256 * 10 * (5 + 2)))
# Five overlapping tiles of 64 in each direction compute 59 + 3 * 62 + 35 cells in each sweep. The 56 of them that stay are
# stored by two warps, which share a sector, in each of 4 launches; the last tile keeps 32.
exactly temporal_kernel smsp__sass_thread_inst_executed_op_fmul_pred_on.sum $((16 * 280 * 280))
exactly temporal_kernel $store_sectors $((4 * 256 * (4 * 8 + 5)))
# Lesson 10: n floats are n / 8 sectors however they are read, by requests of 32 or of 128 of them.
n=65536
profile 10-reduce-scan $n
for kernel in atomic tree sequential shuffle vector; do exactly ${kernel}_kernel $load_sectors $((n / 8)); done
exactly single_pass_kernel $load_sectors $((n / 8 + n / 1024 / 8))  # and the sums of its blocks
exactly tree_kernel $loads $((n / 32))
exactly vector_kernel $loads $((n / 128))
exactly atomic_kernel $atomics $((n / 32))
exactly single_pass_kernel $atomics $((n / 1024))     # one count per block
exactly tree_kernel warp_barriers $((n / 256 * 8 * 9))  # 8 warps, 9 barriers
exactly shuffle_kernel warp_barriers $((n / 256 * 8))
exactly shuffle_kernel warp_operations $((n / 256 * 9 * 5))  # 5 shuffles in 8 warps and in the first once more
# Its scan: 8 tiles of 8192. Each reads and writes once; what is asked of other tiles depends on who comes when.
profile 10-reduce-scan $n --operation scan
exactly total_kernel $load_sectors $((n / 8))
exactly total_kernel $store_sectors 8
exactly scan_kernel $store_sectors $((n / 8))
exactly look_back_kernel $atomics 8

# Lesson 14: how often each number is read, and written, by softmax (37 rows), layer norm (37) and attention (3 heads).
n=256
numbers=$((37 * n / 8))  # sectors of an array
profile 14-fusion $n
exactly max_kernel $load_sectors $numbers
exactly exp_kernel $load_sectors $((numbers + 37 * 8))  # and the row's maximum by each of 8 warps
exactly divide_kernel $store_sectors $numbers
exactly thread_kernel $load_sectors $((3 * 37 * n))  # a sector for each number
for kernel in block warp; do exactly ${kernel}_kernel $load_sectors $((3 * numbers)); done
exactly online_kernel $load_sectors $((2 * numbers))
exactly held_kernel $load_sectors $((2 * numbers))  # launched twice: `held` and `shifted`
exactly held_kernel $store_sectors $((2 * numbers))
for kernel in block warp online; do exactly ${kernel}_kernel $store_sectors $numbers; done
profile 14-fusion $n --part layer-norm
exactly add_kernel $load_sectors $((2 * 2 * numbers))  # in `separate` and in `kernels-nn`
exactly fused_kernel $load_sectors $((8 * numbers))
exactly fused_kernel $store_sectors $((2 * numbers))
exactly once_kernel $load_sectors $((2 * 6 * numbers))  # `welford` and `shifted`
exactly once_kernel $store_sectors $((2 * 2 * numbers))
exactly held_kernel $load_sectors $((4 * numbers))
exactly held_kernel $store_sectors $((2 * numbers))
# 10 of 16 tiles of 64 x 64 have scores. A tile of keys or values is 512 sectors, a tile of scores as many.
tiles=$((3 * 10)) blocks=$((3 * 4)) results=$((3 * n * 64 / 8))
profile 14-fusion $n --part attention
exactly tiled_scores_kernel $load_sectors $((tiles * 1024))
exactly tiled_scores_kernel $store_sectors $((tiles * 512))
exactly online_scores_kernel $load_sectors $((tiles * 512 + blocks * 512))
exactly online_scores_kernel $store_sectors $((tiles * 512 + 3 * n))
exactly flash_half_kernel $load_sectors $((tiles * 512 + blocks * 256))
exactly flash_half_kernel $store_sectors $results
profile 14-fusion $n --part attention --variant attention/causal
exactly flash_kernel $load_sectors $((tiles * 1024 + blocks * 512))
exactly flash_kernel $store_sectors $results
profile 14-fusion $n --part attention --variant attention/flash
exactly flash_kernel $load_sectors $((3 * 16 * 1024 + blocks * 512))
finish
