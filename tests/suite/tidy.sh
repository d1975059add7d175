#!/bin/sh
# clang-tidy over the C code, with the checks of .clang-tidy. usage: tidy.sh BUILD_FOLDER
cd "$(dirname "$0")/../.." || exit 1
command -v clang-tidy >/dev/null || { echo "skipped: clang-tidy is not installed"; exit 77; }
git ls-files 'lib/*.c' 'kernels/*.c' 'lessons/*.c' 'bench/*.c' 'plots/*.c' | grep -v /lab/ >"$1/tidy.list"
# What needs a library that is not here was not configured either.
grep -q all_reduce_mpi "$1/compile_commands.json" || sed -i '/all_reduce_mpi/d;/comm_mpi/d' "$1/tidy.list"
# clang has no omp.h of its own unless its OpenMP runtime is installed, too: gcc's says the same, but for an attribute
# that clang has not.
rm -rf "$1/tidy-include" && mkdir -p "$1/tidy-include"
sed 's/__malloc__ *([^)]*)/__malloc__/g' "$(gcc -print-file-name=include)/omp.h" >"$1/tidy-include/omp.h"
# clang 14 has no _Float16 on this machine; its __fp16 is the same in memory.
# The analyzer follows a twentieth of the paths it would by itself. It still comes to every basic block of this code and
# finds the same planted mistakes (checks of a pointer left out, memory freed twice) in a tenth of the time.
# gcc-only flags are unknown to clang; they change nothing that tidy looks at.
if xargs -P "$(nproc)" -n 3 clang-tidy --quiet -p "$1" --extra-arg=-Wno-unknown-warning-option --extra-arg=-isystem"$1/tidy-include" \
  --extra-arg=-D_Float16=__fp16 --extra-arg=-Wno-unknown-argument --extra-arg=-Wno-ignored-optimization-argument \
  --extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=10000 <"$1/tidy.list" >"$1/tidy.log" 2>&1; then
  echo "$(wc -l <"$1/tidy.list") passed, 0 failed"
else
  grep -E 'warning:|error:' "$1/tidy.log" | sort -u | head -n 40
  exit 1
fi
