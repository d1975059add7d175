#!/bin/sh
# Every wrong input gets one clear line and the right exit code. usage: bad_input.sh FOLDER_OF_LESSONS
. "$(dirname "$0")/check.sh"
races=$1/lesson-03-races train=$1/lesson-22-data-parallel cluster=$1/lesson-29-cluster
expect 2 '^heddle: --variant nope: unknown in lesson 03; it has serial, racy' "$races" --variant nope
expect 2 '^heddle: --variant serial: does not apply' "$races" --variant serial --size 100 --device gpu
expect 2 '^heddle: no variant applies' "$1/lesson-17-links" --threads 3 --size 8 --device cpu
expect 2 '^heddle: --part mlp: must be one of softmax, layer-norm, attention' "$1/lesson-14-fusion" --part mlp
expect 2 '^heddle: --size 0: rows of at least 1' "$1/lesson-14-fusion" --size 0
expect 2 '^heddle: --operation sort: must be reduce or scan' "$1/lesson-10-reduce-scan" --operation sort
expect 2 '^heddle: --part speed: must be one of triad, fresh, stride, latency' "$1/lesson-04-memory" --part speed
expect 2 '^heddle: n = 40000(: at most 32768| needs)' "$1/lesson-05-stencil" --size 40000
expect 2 '^heddle: --cpu-gflops 0: a number from 1' "$1/lesson-16-hybrid" --cpu-gflops 0
expect 2 '^heddle: --threads 200: at most 64 ranks in lesson 18' "$1/lesson-18-collectives" --threads 200 --size 8
expect 2 '^heddle: --size -1: a whole number from 0' "$races" --size -1
expect 2 '^heddle: --size 12x: a whole number' "$races" --size 12x
expect 2 '^heddle: --size .*: a whole number' "$races" --size 99999999999999999999
expect 2 '^heddle: n = 1000000000000 needs .* GiB of memory' "$races" --size 1000000000000
expect 2 '^heddle: --threads 0: a whole number from 1' "$races" --threads 0
expect 2 '^heddle: --threads 10000: a whole number from 1 to 1024' "$races" --threads 10000
expect 2 '^heddle: --profile slow: must be one of quick, full' "$races" --profile slow
expect 2 '^heddle: --format xml: must be one of' "$races" --format xml
expect 2 '^heddle: --colour: unknown' "$races" --colour red
expect 2 '^heddle: --size: unknown, or its value is missing' "$races" --size
expect 2 '^heddle: stray: not an option' "$races" stray
expect 1 '^heddle: cannot make the results folder /dev/null/x: ' "$races" --size 1 --results /dev/null/x
expect 0 '^  --verify' "$races" --help
if [ -x "$train" ]; then
  set -- --variant one-worker --size 32 --threads 1 --device cpu
  mkdir "$work/none" "$work/cut" "$work/flip"
  expect 1 '^heddle: .*none' "$train" "$@" --data "$work/none"
  installed=/usr/share/datasets/fashion-mnist
  if [ -d $installed ]; then
    cp $installed/*.gz "$work/cut"
    head -c 100000 $installed/train-images-idx3-ubyte.gz >"$work/cut/train-images-idx3-ubyte.gz"
    expect 1 '^heddle: .*train-images' "$train" "$@" --data "$work/cut"
    cp $installed/*.gz "$work/flip"
    printf 'XXXX' | dd of="$work/flip/train-images-idx3-ubyte.gz" bs=1 seek=5000 conv=notrunc 2>/dev/null
    expect 1 '^heddle: .*train-images' "$train" "$@" --data "$work/flip"
  fi
fi
expect 2 '^heddle: --kill 1: wanted is RANK:STEP' "$cluster" --kill 1
expect 2 '^heddle: --job /dev/null/x: /dev/null/x/job: Not a directory' "$cluster" --job /dev/null/x
set -- --variant processes --threads 2 --device cpu --data synthetic
expect 2 '^heddle: batch = 0: 1 to 60000 images' "$cluster" "$@" --size 0
expect 2 '^heddle: --kill 2:0: there are ranks 0 to 1' "$cluster" "$@" --size 32 --kill 2:0
expect 1 '^heddle: rank 0: all_reduce #[0-9]* of .* missing rank 1 \(killed by signal 9' "$cluster" "$@" --size 32 --kill 1:1
finish
