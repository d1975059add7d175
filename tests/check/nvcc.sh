#!/bin/sh
# All planted mistakes and their twins compile for real GPUs without a warning: as one file, each theme in a namespace
# of its own, because most of nvcc's time goes into CUDA's headers. usage: nvcc.sh NVCC SOURCE…
nvcc=$1
shift
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# NCCL is not a part of the toolkit: its theme is left out where there is no nccl.h.
headers='cooperative_groups.h thread'
echo '#include <nccl.h>' >"$work/nccl.cu"
"$nvcc" -E "$work/nccl.cu" -o "$work/nccl.ii" 2>/dev/null && headers="$headers nccl.h"
{
  printf '#include <%s>\n' $headers
  printf '#include "%s/planted.h"\n' "$(dirname "$1")"
  for source in "$@"; do
    theme=$(basename "$source" .cu)
    [ $theme != collectives ] || [ -s "$work/nccl.ii" ] || continue
    printf '#define main %s_main\nnamespace %s {\n#include "%s"\n}\n#undef main\n' "$theme" "$theme" "$source"
    calls="$calls $theme::${theme}_main(count, words),"
  done
  printf 'int main(int count, char **words) { return %s 0; }\n' "$calls"
} >"$work/all.cu"
"$nvcc" -c -std=c++17 -O1 -gencode arch=compute_75,code=sm_75 -gencode arch=compute_90,code=sm_90 -Werror all-warnings \
  -Xcompiler -Wall,-Wextra,-Wno-missing-field-initializers "$work/all.cu" -o "$work/all.o" || exit 1
echo "$# themes compiled without a warning"
