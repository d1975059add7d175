#!/bin/sh
# SPDX-License-Identifier: MIT
# check.sh CASE REPORT SAMPLE WORK: runs the program REPORT on (a copy of) the run SAMPLE in the folder WORK.
set -u
case=$1 report=$2 sample=$3 work=$4
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 1

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# expect STATUS ARGUMENTS...: the report ends with STATUS; its output is left in the file `said`.
expect() {
  status=$1
  shift
  "$report" "$@" >said 2>&1
  got=$?
  [ $got -eq "$status" ] || { cat said; fail "heddle-report $* ended with $got, not $status"; }
}

holds() { grep -qF -e "$2" "$1" || fail "$1 does not hold: $2"; }
lacks() { ! grep -qF -e "$2" "$1" || fail "$1 holds: $2"; }
need_gnuplot() { command -v gnuplot >/dev/null || { echo "gnuplot is not installed"; exit 77; }; }
copy_sample() { cp -r "$sample" "$1" && chmod -R u+w "$1"; }

page() {
  expect 0 --results "$sample" --out out --committed none
  for lesson in 00-clock 01-roofline 03-races 07-gemm-cpu 09-transpose 12-gemm-gpu 17-links 22-data-parallel; do
    holds out/index.html "<h2 id=\"$lesson\">"
  done
  holds out/index.html 'This is a test fixture'
  holds out/index.html '<span class=badge>model</span>'
  holds out/index.html '17 · Links, &quot;ping-pong&quot;'
  holds out/index.html 'stopped after its limit of 60 s, at variant staged'
  holds out/index.html 'not built, it needs BLIS: blis-best'
  holds out/index.html '<b>no</b>, on purpose'
  holds out/index.html 'None yet: no committed run'
  lacks out/index.html '<script'
  grep -q '<tr class=failed><td>shared' out/index.html || fail "the failed row is not marked"
  cp -r out first && expect 0 --results "$sample" --out out --committed none
  diff -r first out || fail "two reports of one run differ"
}

plots() {
  need_gnuplot
  expect 0 --results "$sample" --out out --committed none
  for plot in 00-clock-histogram 01-roofline-roofline-cpu 01-roofline-roofline-sim-h200 03-races-time-error-cpu \
    03-races-threads-cpu 07-gemm-cpu-ladder-cpu 07-gemm-cpu-sizes-cpu 12-gemm-gpu-ladder-sim-t4 \
    12-gemm-gpu-sizes-sim-h200 22-data-parallel-ranks-cpu 22-data-parallel-devices-sim-h200 \
    22-data-parallel-devices-sim-t4 22-data-parallel-memory-cpu 22-data-parallel-bytes-cpu 22-data-parallel-epsilon-cpu \
    22-data-parallel-predicted-cpu 22-data-parallel-what-if-cpu 12-gemm-gpu-share-sim-h200; do
    for file in out/plots/$plot.svg out/plots/$plot-dark.svg out/plots/$plot.png; do
      [ -s $file ] || fail "$file is missing or empty"
    done
    holds out/index.html "plots/$plot.svg"
  done
  holds out/plots/12-gemm-gpu-sizes-sim-h200.svg 'warptile (model)'
  holds out/plots/12-gemm-gpu-sizes-sim-h200.svg 'bound'
  lacks out/plots/07-gemm-cpu-sizes-cpu.svg '(model)'
  grep -q 'reduction, f = [0-9.]* %' out/plots/03-races-threads-cpu.svg || fail "no Amdahl fit in the legend"
  holds out/plots/data/22-data-parallel-memory-cpu.dat '4 1.6'
  holds out/plots/data/22-data-parallel-bytes-cpu.dat '1000 89.7'
  holds out/plots/data/12-gemm-gpu-share-sim-h200.dat "81.25 3.75"
  lacks said 'warning'
  for file in out/plots/*.svg; do
    if command -v xmllint >/dev/null; then
      xmllint --noout "$file" || fail "$file is no well-formed XML"
    else
      head -c 5 "$file" | grep -q '<?xml' && tail -n 2 "$file" | grep -q '</svg>' || fail "$file is no whole SVG"
    fi
  done
}

unverified() {
  need_gnuplot
  expect 0 --results "$sample" --out out --committed none
  holds "$sample/results.csv" ',987,GFLOP/s,'
  lacks out/plots/data/12-gemm-gpu-sizes-sim-t4.dat ' 987 '
  holds out/plots/data/12-gemm-gpu-sizes-sim-t4.dat '# shared (model)'
  # A variant that is wrong on purpose is not drawn either, even where luck made its result right.
  copy_sample lucky
  sed -n 's/^\(03-races\),serial,/\1,racy,/p' "$sample/results.csv" >>lucky/results.csv
  expect 0 --results lucky --out out --committed none
  for file in out/plots/data/03-races-*; do lacks "$file" racy; done
  holds out/index.html 'Not drawn: racy, wrong on purpose'
  sed 's/,0.31,no,/,0.31,yes,/' "$sample/results.csv" >results.csv
  copy_sample verified && cp results.csv verified/ && expect 0 --results verified --out out --committed none
  holds out/plots/data/12-gemm-gpu-sizes-sim-t4.dat ' 987 '
}

damaged() {
  copy_sample run
  lines=$(wc -l <run/results.csv)
  {
    echo '07-gemm-cpu,half,512,1'
    echo '07-gemm-cpu,"open quote,512,1,0,cpu,wall,1,1,1,9,1,GFLOP/s,,,,yes,,,'
    echo '07-gemm-cpu,nan,512,1,0,cpu,wall,nan,nan,nan,9,nan,GFLOP/s,,,inf,yes,,,x'
    echo '07-gemm-cpu,word,12x,1,0,cpu,wall,1,1,1,9,1,GFLOP/s,,,,yes,,,x'
    echo '07-gemm-cpu,clock,512,1,0,cpu,sundial,1,1,1,9,1,GFLOP/s,,,,yes,,,x'
    echo '"07-gemm-cpu","<script>&""hey""",512,1,0,cpu,wall,1,1,1,9,1,GFLOP/s,,,,yes,,,x'
    printf '07-gemm-cpu,bad\377byte,512,1,0,cpu,wall,1,1,1,9,1,GFLOP/s,,,,yes,,,x\n'
    printf '07-gemm-cpu,ze\000ro,512,1,0,cpu,wall,1,1,1,9,1,GFLOP/s,,,,yes,,,x\n'
    printf '07-gemm-cpu,`id`'"'"',512,1,0,cpu,wall,1,1,1,9,1,GFLOP/s,,,,yes,,,x\n'
    printf '../../etc,slip,512,1,0,cpu,wall,1,1,1,9,1,GFLOP/s,,,,yes,,,x\n'
    printf '07-gemm-cpu,killed,512,1,0,cpu,wall,1,1,1,9,1,GFLOP/s,,,,yes,,,fix'
  } >>run/results.csv
  printf 'variant,size\nx,y\n' >run/07-gemm-cpu.csv
  printf '{"id": "cut' >run/machine.json
  printf '0000000 quick\ndone 00-clock \n' >run/run.txt
  expect 0 --results run --out out --committed none
  holds out/index.html 'has not come to its end'
  for line in 1 2 4 5 8 11; do holds said "results.csv line $((lines + line)): "; done
  for line in 3 6 7 9 10; do lacks said "results.csv line $((lines + line)): "; done
  holds said '07-gemm-cpu.csv line 2: '
  lacks out/index.html '<script'
  holds out/index.html '&lt;script&gt;&amp;&quot;hey&quot;'
  holds out/index.html 'bad?byte'
  lacks out/index.html killed
  holds out/index.html 'damaged lines of the results'
  lacks said 'could not draw'
}

without_gnuplot() {
  PATH=/nonexistent "$report" --results "$sample" --out out --committed none >said 2>&1 || fail "it ended with $?"
  holds said gnuplot-nox
  holds out/index.html gnuplot-nox
  holds out/index.html '<h2 id="22-data-parallel">'
  lacks out/index.html '<figure>'
  ! ls out/plots/*.svg 2>/dev/null || fail "plots without gnuplot"
}

bad_input() {
  expect 1 --results no/such/run --out out
  holds said 'no/such/run does not exist'
  mkdir none && expect 1 --results none --out out
  holds said 'results.csv cannot be read'
  copy_sample run
  head -n 1 "$sample/results.csv" >run/results.csv && expect 1 --results run --out out
  holds said 'holds no results'
  : >run/results.csv && expect 1 --results run --out out
  echo 'lesson,variant,time' >run/results.csv && expect 1 --results run --out out
  holds said 'line 1 is not the header'
  [ ! -e out/index.html ] || fail "a page was made from nothing"
  expect 2 --colour red
  holds said "unknown option '--colour'"
  expect 2 --results
  : >file && expect 1 --results "$sample" --out file/out --committed none
  holds said 'cannot make the folder'
}

compare() {
  copy_sample old
  # Doubles the recorded times of one old row; so the new one takes half as long.
  awk -F, -v OFS=, '$2 == "micro" && $3 == 1024 { for (i = 8; i <= 10; i++) $i *= 2 } { print }' \
    "$sample/results.csv" >old/results.csv
  expect 0 --results "$sample" --out out --compare old --committed none
  grep -q '07-gemm-cpu *micro *1024 *1 *cpu *0.500 *faster' said || fail "no ratio 0.500 for micro at 1024"
  grep -q '07-gemm-cpu *micro *512 *1 *cpu *1.000 *(intervals overlap)' said || fail "no ratio 1.000 at 512"
  holds out/index.html 'id=compare'
  holds out/index.html '<td class=n>0.500</td><td>faster</td>'
}

# CPU 10 and 1000 us, moved 20 and 500, resident 5 and 10: the GPU wins at the larger size, from the first time on.
break_even() {
  need_gnuplot
  mkdir run && head -n 1 "$sample/results.csv" >run/results.csv
  row() { # row VARIANT SIZE THREADS DEVICES DEVICE CLOCK MICROSECONDS
    echo "08-first-kernel,$1,$2,$3,$4,$5,$6,${7}e-6,${7}e-6,${7}e-6,9,1,GB/s,1,0.5,1e-8,yes,,git,machine" >>run/results.csv
  }
  for variant in serial omp; do row $variant 100 1 '' cpu wall 10 && row $variant 400 1 '' cpu wall $((1000 + ${#variant})); done
  row pinned 100 '' 1 sim:h200 model 20 && row pinned 400 '' 1 sim:h200 model 500
  row resident 100 '' 1 sim:h200 model 5 && row resident 400 '' 1 sim:h200 model 10
  echo 'variant,size,threads,devices,device,figure,value,unit' >run/08-first-kernel.csv
  for size in 100 400; do
    echo "pinned,$size,,1,sim:h200,link,${size}e-8,s" >>run/08-first-kernel.csv
    echo "pinned,$size,,1,sim:h200,stays on the GPU,1," >>run/08-first-kernel.csv
  done
  expect 0 --results run --out out --committed none
  holds out/index.html 'plots/08-first-kernel-break-even-sim-h200.svg'
  holds out/index.html 'the GPU wins from size = 400 on'
  holds out/index.html '(pinned, then resident), it wins at size = 400 from k = 1 on'
  holds out/plots/data/08-first-kernel-break-even-sim-h200.dat '400 1003'  # omp, the faster one
  sed 's/,500e-6/,2500e-6/g' run/results.csv >results.csv && cp results.csv run/
  expect 0 --results run --out out --committed none
  holds out/index.html 'the GPU wins at no size up to size = 400'
  holds out/index.html 'from k = 3 on'
}

measured() {
  need_gnuplot
  mkdir -p committed/real
  head -n 1 "$sample/results.csv" >committed/real/results.csv
  grep '^12-gemm-gpu,[a-z0-9]*,[0-9]*,0,1,sim:h200,model' "$sample/results.csv" |
    sed 's/,0,1,sim:h200,model,/,,1,NVIDIA H200,device,/' |
    awk -F, 'BEGIN { OFS = "," } NR % 3 { $8 *= 2 } { print }' >>committed/real/results.csv  # two of three twice as slow
  expect 0 --results "$sample" --out out --committed committed
  lacks out/index.html 'None yet'
  holds out/index.html '24 pairs: median of model / measured 0.50, geometric mean error a factor of 1.59, worst 2.00'
  holds out/index.html 'order of the ladder'
  holds out/index.html 'wrong in '
  [ -s out/plots/modelled-measured.svg ] || fail "no plot of modelled against measured"
  holds out/plots/12-gemm-gpu-sizes-sim-h200.svg 'warptile (measured)'
  lacks out/plots/12-gemm-gpu-sizes-sim-t4.svg '(measured)'
}

# Two computations of one lesson, told apart by what stands before the slash, share no plot.
parts() {
  need_gnuplot
  mkdir -p run
  head -n 1 "$sample/results.csv" >run/results.csv
  head -n 1 "$sample/lessons.csv" >run/lessons.csv
  for part in sum scan; do
    for rung in serial simd; do
      echo "10-reduce-scan,10,Two,GB/s,n,,,$part/$rung,serial,why,built" >>run/lessons.csv
      for size in 1000 2000; do
        echo "10-reduce-scan,$part/$rung,$size,1,0,cpu,wall,1e-3,1e-3,1e-3,9,2,GB/s,1,0.5,0,yes,SAME,0,fixture" >>run/results.csv
      done
    done
  done
  expect 0 --results run --out out --committed none
  for plot in sum-ladder sum-sizes scan-ladder scan-sizes; do
    [ -s out/plots/10-reduce-scan-$plot-cpu.svg ] || fail "no plot $plot"
  done
  holds out/plots/10-reduce-scan-scan-sizes-cpu.svg 'scan/simd'
  lacks out/plots/10-reduce-scan-scan-sizes-cpu.svg 'sum/simd'
  holds out/plots/10-reduce-scan-scan-ladder-cpu.svg 'Two, scan: the ladder'
  [ ! -e out/plots/10-reduce-scan-ladder-cpu.svg ] || fail "both computations share a plot"
}

case $case in
  page) page ;;
  plots) plots ;;
  parts) parts ;;
  unverified) unverified ;;
  damaged) damaged ;;
  without-gnuplot) without_gnuplot ;;
  bad-input) bad_input ;;
  compare) compare ;;
  measured) measured ;;
  break-even) break_even ;;
  *) fail "no case $case" ;;
esac
