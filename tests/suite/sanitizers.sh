#!/bin/sh
# The unit tests once more under AddressSanitizer and UndefinedBehaviorSanitizer. usage: sanitizers.sh SOURCE BUILD
set -e
# -O1: instrumented code takes three times as long to compile with -O2, and the tests run a few seconds.
cmake -S "$1" -B "$2" -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_FLAGS_RELWITHDEBINFO='-O1 -g1' -DHEDDLE_SANITIZE=ON -DHEDDLE_GPU=off \
  >"$2.log" 2>&1 || { cat "$2.log"; exit 1; }
cmake --build "$2" -j"$(nproc)" --target unit-tests >"$2.log" 2>&1 || { tail -n 30 "$2.log"; exit 1; }
# libgomp keeps its thread pool until exit: not a leak of ours.
cd "$2" && ASAN_OPTIONS=detect_leaks=0 ctest -j"$(nproc)" -L unit --output-on-failure
