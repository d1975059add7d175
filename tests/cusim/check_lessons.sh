#!/bin/sh
# Every lesson with a GPU variant, small, under CUSIM_CHECK: its results are right and nothing is reported.
# usage: check_lessons.sh FOLDER
. "$(dirname "$0")/../suite/check.sh"
folder=$1
export CUSIM_CHECK=1

# clean LESSON OPTION…
clean() {
  lesson=$1
  shift
  "$folder/$lesson" --verify "$@" >"$work/out" 2>&1 </dev/null
  status=$?
  holds "$lesson $*: exit status $status: $(tail -n 3 "$work/out")" test $status = 0
  holds "$lesson $*: $(grep -m 1 '^cusim-check: ' "$work/out")" grep -qx 'cusim-check: 0 problems' "$work/out"
  holds "$lesson $*: no simulated GPU was at work" grep -q ' sim:' "$work/out"
}

for program in "$folder"/lesson-*; do
  lesson=$(basename "$program")
  CUSIM_CHECK='' "$program" --list --format csv | grep -q '"[0-9]* *GPUs*"' || continue
  case $lesson in
    lesson-00-*) clean "$lesson" --device gpu --size 33 ;;
    lesson-01-*) clean "$lesson" --device gpu --size 1 ;;  # one FMA per element of large arrays
    lesson-05-*)
      for variant in naive tiled temporal; do clean "$lesson" --size 70 --variant gpu-$variant; done
      CUSIM_CHECK=1 "$program" --verify --size 70 --variant gpu-wrong-barrier >"$work/out" 2>&1
      holds "$lesson: a forgotten barrier is not reported" grep -q 'temporal.cu:[0-9]*: race-shared' "$work/out" ;;
    lesson-08-*)
      for variant in pageable pinned mapped managed prefetch resident vectorized cublas; do
        clean "$lesson" --size 70 --variant $variant
      done
      for mistake in 'no-wait host-race' 'unasked launch-failed'; do
        CUSIM_CHECK=1 "$program" --verify --size 70 --variant "wrong-${mistake% *}" >"$work/out" 2>&1
        holds "$lesson: wrong-${mistake% *} is not reported" grep -q "${mistake#* }" "$work/out"
      done ;;
    lesson-10-*)  # several blocks, and tiles that look back; the mistakes are found where the result is right, too
      for variant in atomic tree sequential shuffle vector single-pass cub; do
        clean "$lesson" --size 1000 --variant reduce/$variant
      done
      clean "$lesson" --operation scan --device gpu --size 20000
      for planted in barrier:race-shared mask:warp-mask fence:race-global; do
        CUSIM_CHECK=1 "$program" --verify --size 1000 --variant reduce/wrong-${planted%:*} >"$work/out" 2>&1
        holds "$lesson: a forgotten ${planted%:*} is not reported" grep -q "mistakes.cu:[0-9]*: ${planted#*:}" "$work/out"
      done ;;
    lesson-14-*)
      for part in softmax layer-norm attention; do clean "$lesson" --device gpu --size 70 --part $part; done ;;
    lesson-15-*)  # both mistakes are wrong here as well, but elsewhere they may not be
      for variant in streams-3 breadth by-engine pageable default; do
        clean "$lesson" --size 5 --elements 1000 --steps 3 --variant pipeline/$variant
      done
      for part in kernels graph; do clean "$lesson" --device gpu --size 3 --part $part; done
      for variant in wrong-event wrong-buffer; do
        CUSIM_CHECK=1 "$program" --verify --size 5 --elements 1000 --variant pipeline/$variant >"$work/out" 2>&1
        holds "$lesson: $variant is not reported" grep -q 'race-stream' "$work/out"
      done ;;
    lesson-16-*) for variant in half searched dynamic blocking; do clean "$lesson" --size 700 --variant $variant; done ;;
    lesson-17-*)
      for variant in staged peer managed; do clean "$lesson" --size 70 --variant $variant; done
      CUSIM_CHECK=1 "$program" --verify --size 70 --variant wrong-no-wait >"$work/out" 2>&1
      holds "$lesson: a forgotten wait is not reported" grep -q 'race-stream' "$work/out" ;;
    lesson-21-*)  # the perceptron behind the library, the convolutions behind our own product
      clean "$lesson" --data synthetic --device gpu --size 2 --variant gpu-cublas
      clean "$lesson" --data synthetic --device gpu --size 1 --model cnn --variant cnn-gpu-kernels ;;
    lesson-22-*)
      for variant in gpu-all-reduce gpu-bucketed; do
        clean "$lesson" --data synthetic --size 64 --devices 2 --variant $variant
      done ;;
    lesson-23-*)
      for variant in gpu-columns gpu-sequence; do clean "$lesson" --size 1 --devices 2 --variant $variant; done ;;
    lesson-24-*)
      for variant in gpu-1f1b gpu-zero-bubble; do clean "$lesson" --size 20 --devices 2 --variant $variant; done ;;
    lesson-25-*)  # the mistake is found where its result happens to be right
      for variant in gpu-streams gpu-critical-path; do clean "$lesson" --size 20 --devices 2 --variant $variant; done
      CUSIM_CHECK=1 "$program" --verify --size 20 --variant wrong-no-events >"$work/out" 2>&1
      holds "$lesson: a forgotten event is not reported" grep -q 'race-stream' "$work/out" ;;
    lesson-26-*)
      for variant in gpu-zero-2 gpu-zero-3-prefetch; do clean "$lesson" --size 20 --devices 2 --variant $variant; done ;;
    lesson-27-*)
      for variant in gpu-tensor gpu-planned; do clean "$lesson" --size 16 --devices 2 --variant $variant; done ;;
    lesson-28-*)
      for variant in gpu-int8 gpu-low-rank gpu-dp-sgd; do
        clean "$lesson" --data synthetic --size 4 --devices 2 --variant $variant
      done
      clean "$lesson" --data synthetic --size 4 --devices 1 --variant gpu-top-k ;;
    lesson-29-*)
      for variant in gpu-flat gpu-hierarchical; do
        clean "$lesson" --data synthetic --size 8 --devices 2 --variant $variant
      done ;;
    lesson-30-*)
      clean "$lesson" --size 1 --devices 2 --variant train/gpu-planned
      clean "$lesson" --size 1 --part infer --variant infer/gpu-cache
      clean "$lesson" --size 2 --part infer --devices 2 --variant infer/gpu-heads
      clean "$lesson" --size 1 --part step --variant step/gpu ;;
    *) clean "$lesson" --device gpu --size 70 ;;
  esac
done
finish
