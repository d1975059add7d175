#!/bin/sh
# CMake finds simnvcc as a CUDA compiler and builds a project with it. usage: project.sh SIMNVCC CMAKE
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
"$2" -S "$here" -B "$work" -DCMAKE_CUDA_COMPILER="$1" >"$work/log" 2>&1 && "$2" --build "$work" >>"$work/log" 2>&1 ||
  { echo "FAILED: the project does not build"; tail -n 20 "$work/log"; exit 1; }
said=$("$work/program") || { echo "FAILED: the program ends with $?"; exit 1; }
[ "$said" = "21028 101 1" ] || { echo "FAILED: the program says $said"; exit 1; }
# Where the kernels of the library stand is known, too.
CUSIM_PROFILE=1 "$work/program" 2>&1 | grep -q '^times .*launch' || { echo 'FAILED: the kernel of the library is not traced'; exit 1; }
CUSIM_CHECK=1 "$work/program" >"$work/log" 2>&1 || { echo 'FAILED: the checker finds mistakes in the library'; cat "$work/log"; exit 1; }
echo 'the project: as expected'
