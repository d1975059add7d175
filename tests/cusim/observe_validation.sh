#!/bin/sh
# Modelled times against published ones, with each card's one set of constants, and the order of the ladder on every
# card. The table must stand in the documentation as it is printed here. usage: observe_validation.sh PROGRAM DOCUMENT
program=$1 document=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
unset CUSIM_TRACE CUSIM_PROFILE_LINES CUSIM_REGISTERS CUSIM_DEVICES

# profile CARD WHAT REGISTERS: card, kernel, seconds, low, high, limiter. Registers are what ptxas (CUDA 13.0) gives
# these kernels for the card.
profile() {
  CUSIM_CARD=$1 CUSIM_REGISTERS=$3 CUSIM_EXECUTE=sampled CUSIM_PROFILE_CARDS=1 CUSIM_PROFILE=$work/$1-$2.csv \
    "$program" "$2" >"$work/out" || { cat "$work/out"; exit 1; }
  awk -F, -v card="$1" '
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
    { gsub(/"/, "", $1)
      print card, $1, $column["modelled_seconds"], $column["modelled_seconds_low"], $column["modelled_seconds_high"],
        $column["limiter"] }' "$work/$1-$2.csv" >>"$work/modelled"
}
profile a6000 sgemm gemm_naive=54,gemm_coalesced=54,gemm_shared=37,gemm_tile1d=47,gemm_tile2d=128,gemm_vector=125,gemm_tuned=127,gemm_warptile=205
profile h100 sgemm gemm_naive=32,gemm_coalesced=32,gemm_shared=31,gemm_tile1d=45,gemm_tile2d=128,gemm_vector=127,gemm_tuned=127,gemm_warptile=207
profile h100 transpose 16
profile h200 sgemm ''  # registers are guessed

# card kernel published unit: REFERENCES.md §8
cat >"$work/published" <<'END'
a6000 gemm_naive 309 GFLOP/s
a6000 gemm_coalesced 1987 GFLOP/s
a6000 gemm_shared 2980 GFLOP/s
a6000 gemm_tile1d 8475 GFLOP/s
a6000 gemm_tile2d 15972 GFLOP/s
a6000 gemm_vector 18237 GFLOP/s
a6000 gemm_tuned 19721 GFLOP/s
a6000 gemm_warptile 21779 GFLOP/s
a6000 cublasSgemm 23250 GFLOP/s
h100 gemm_coalesced 5300 GFLOP/s
h100 gemm_shared 9100 GFLOP/s
h100 transpose_naive 475 GB/s
h100 transpose_tiled 996 GB/s
h100 transpose_padded 1693 GB/s
END
awk '
  NR == FNR { seconds[$1, $2] = $3; low[$1, $2] = $4; high[$1, $2] = $5; limiter[$1, $2] = $6; next }
  function rate(s) { return work / s / 1e9 }
  function size(x) { return x < 0 ? -x : x }
  BEGIN {
    print "| card | kernel | published | modelled | range | published / modelled | bound by |"
    print "|---|---|---|---|---|---|---|"
  }
  {
    work = $4 == "GB/s" ? 8 * 32768 ^ 2 : 2 * 4096 ^ 3
    key = $1 SUBSEP $2
    if (!(key in seconds)) { print "FAILED: " $1 " " $2 " was not modelled"; failed = 1; next }
    error = log($3 / rate(seconds[key]))
    printf "| %s | %s | %d %s | %.0f | %.0f … %.0f | %.2f | %s |\n", $1, $2, $3, $4, rate(seconds[key]), rate(high[key]),
      rate(low[key]), exp(error), limiter[key]
    most = $1 == "a6000" ? 1.25 : 1.3
    if (size(error) > log(most)) { print "FAILED: " $2 " is off by more than " most; failed = 1 }
    sum[$1] += size(error); count[$1]++
    if (size(error) > worst[$1]) worst[$1] = size(error)
  }
  END {
    for (i = split("a6000 h100", card, " "); i > 0; i--) c = card[i]
    for (i = 1; i <= 2; i++) {
      c = card[i]
      printf "| %s | **all** | | | | mean error %.1f %%, worst × %.2f | |\n", c, 100 * (exp(sum[c] / count[c]) - 1),
        exp(worst[c])
    }
    if (exp(sum["a6000"] / count["a6000"]) > 1.12) { print "FAILED: the mean error is above 12 %"; failed = 1 }
    exit failed
  }' "$work/modelled" "$work/published" >"$work/table"
failed=$?
cat "$work/table"
while IFS= read -r row; do
  grep -qFx -e "$row" "$document" || { echo "FAILED: this row is not in $document: $row"; failed=1; }
done <"$work/table"

# Hardware's order, on every card, with known registers and with guessed ones.
for card in h100 h200; do
  awk -F, '
  NR == 1 { for (i = 1; i <= NF; i++) if (sub(/^modelled_seconds_/, "", $i) && $i != "low" && $i != "high") card[i] = $i; next }
  { gsub(/"/, "", $1); for (i in card) seconds[card[i], $1] = $i }
  END {
    rungs = split("gemm_naive gemm_coalesced gemm_shared gemm_tile1d gemm_tile2d gemm_vector gemm_warptile cublasSgemm", name, " ")
    for (i in card) {
      cards++
      for (r = 2; r <= rungs; r++)
        if (!(seconds[card[i], name[r]] < seconds[card[i], name[r - 1]])) {
          print "FAILED: on " card[i] " " name[r] " is not faster than " name[r - 1]
          failed = 1
        }
    }
    if (cards < 7) { print "FAILED: only " cards " cards were modelled"; failed = 1 }
    exit failed
  }' "$work/$card-sgemm.csv" || failed=1
done
[ $failed = 0 ] && echo "hardware's order on every card"
exit $failed
