#!/bin/sh
# What simnvcc makes for -ptx and -cubin is loaded by the driver API: plainly, checked, profiled; so is what NVRTC makes.
# usage: module.sh SIMNVCC
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
"$1" -ptx "$here/kernels.cu" && "$1" -arch=sm_90 --cubin "$here/kernels.cu" -o some.cubin && "$1" "$here/main.cpp" -o program -lcuda ||
  { echo 'FAILED: it does not build'; exit 1; }
for image in kernels.ptx some.cubin; do
  ./program $image >out 2>err || { echo "FAILED: $image"; cat out err; exit 1; }
done
CUSIM_CHECK=1 ./program kernels.ptx >out 2>err && grep -q 'cusim-check: 0 problems' err || { echo 'FAILED: with the checker'; cat out err; exit 1; }
CUSIM_PROFILE=1 ./program kernels.ptx 2>&1 | grep -q '^scale .* 64 ' || { echo 'FAILED: no profile of its kernel'; exit 1; }
"$1" --no-trace "$here/compiled.cpp" -o compiled -lnvrtc -lcuda && ./compiled >out 2>err || { echo 'FAILED: run-time compilation'; cat out err; exit 1; }
echo 'modules: as expected'
