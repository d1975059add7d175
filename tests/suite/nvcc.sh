#!/bin/sh
# Every .cu compiles for real GPUs, without a warning, wherever nvcc is: for an old one, and for a new one where the
# architecture or the 16-bit headers make it other code. -cuda goes as far as the machine code of the kernels and the text
# of the host's side, which simnvcc gives to the same g++. usage: nvcc.sh NVCC INCLUDE_ROOT FILE…
nvcc=$1 root=$2
shift 2
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export nvcc root out
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} sh -c '
  new= && grep -qE "__CUDA_ARCH__|asm|bf16|fp16|mma|pipeline" "{}" && new="-gencode arch=compute_90,code=sm_90"
  $nvcc -cuda -std=c++17 -gencode arch=compute_75,code=sm_75 $new -Werror all-warnings -Xcompiler -fopenmp \
    -DHD_HAVE_CUDA=1 -I"$root/lib/include" -I"$root" -I"$(dirname {})" -I"$(dirname {})/.." "{}" -o "$out/$(echo {} | tr / _).ii" || { echo "FAILED: {}"; exit 1; }' || exit 1
echo "$# passed, 0 failed"
