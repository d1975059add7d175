#!/bin/sh
# All planted mistakes and their twins compile for real GPUs without a warning: as one file, each theme in a namespace
# of its own, because most of nvcc's time goes into CUDA's headers. usage: nvcc.sh NVCC SOURCE…
nvcc=$1
shift
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
{
  echo '#include <cooperative_groups.h>'
  printf '#include "%s/planted.h"\n' "$(dirname "$1")"
  for source in "$@"; do
    theme=$(basename "$source" .cu)
    printf '#define main %s_main\nnamespace %s {\n#include "%s"\n}\n#undef main\n' "$theme" "$theme" "$source"
    calls="$calls $theme::${theme}_main(count, words),"
  done
  printf 'int main(int count, char **words) { return %s 0; }\n' "$calls"
} >"$work/all.cu"
"$nvcc" -c -std=c++17 -O1 -gencode arch=compute_75,code=sm_75 -gencode arch=compute_90,code=sm_90 -Werror all-warnings \
  -Xcompiler -Wall,-Wextra,-Wno-missing-field-initializers "$work/all.cu" -o "$work/all.o" || exit 1
echo "$# themes compiled without a warning"
