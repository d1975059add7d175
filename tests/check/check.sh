#!/bin/sh
# The planted mistakes of one theme: each must be found, with the right kind at a marked line; each twin must run clean
# and be right, also in another legal order of blocks and warps.
# usage: check.sh run PROGRAM SOURCE | check.sh table SOURCE… | check.sh readme README SOURCE…
mode=$1
shift

# A line for each case of a source: name | line:kind … | sentence
cases() {
  awk '
    function flush() { if (name) printf "%s\t%s\t%s\n", name, marks, sentence; name = "" }
    /^\/\/ (CASE|LEGAL) / { flush(); name = $3; sub(/:$/, "", name); marks = $2 == "LEGAL" ? "legal" : ""; sentence = $0
                             sub(/^[^:]*: */, "", sentence); reading = 1; next }
    reading && /^\/\/ / { sub(/^\/\/ */, ""); sentence = sentence " " $0; next }
    { reading = 0 }
    name && /\/\/ BUG: / { kinds = $0; sub(/.*\/\/ BUG: */, "", kinds); count = split(kinds, kind, "[|]")
                           for (i = 1; i <= count; i++) marks = marks FNR ":" kind[i] " " }
    END { flush() }' "$1"
}

# The kinds of a case, from its marks.
kinds() {
  printf '%s\n' $1 | sed 's/.*://' | sort -u | paste -sd, | sed 's/,/, /g'
}

table() {
  for source in "$@"; do
    cases "$source" | while IFS="	" read -r name marks sentence; do
      printf '| `%s` | `%s` | %s | %s |\n' "$(basename "$source" .cu)" "$name" "$(kinds "$marks")" "$sentence"
    done
  done
}

case $mode in
  table) table "$@"; exit ;;
  readme)
    readme=$1
    shift
    work=$(mktemp) || exit 1
    trap 'rm -f "$work"' EXIT
    table "$@" >"$work"
    grep '^| `' "$readme" | diff "$work" - || { echo "FAILED: $readme does not list the cases as they are (lines marked <: what check.sh table says)"; exit 1; }
    echo "$(wc -l <"$work") cases, all listed"
    exit ;;
  run) ;;
  *) sed -n '/^# usage/s/^# //p' "$0" >&2; exit 2 ;;
esac

program=$1 source=$2
file=$(basename "$source")
out=$(mktemp) list=$(mktemp)
trap 'rm -f "$out" "$list"' EXIT
export CUSIM_DEVICES=2 CUSIM_CHECK="${CUSIM_CHECK-1}"
cases "$source" >"$list"
found=0 clean=0 count=0 planted=0
printf '%-26s %-36s %-30s %s\n' case "planted ($file)" found twin
while IFS="	" read -r name marks sentence; do
  count=$((count + 1))
  if [ "$marks" = legal ]; then  # nothing is planted
    answer=-
  else
    planted=$((planted + 1))
    CUSIM_NCCL_TIMEOUT=0.5 timeout 10 "$program" "$name" bug >"$out" 2>&1 </dev/null
    status=$?
    # Of the reports, those whose kind is marked at one of their lines; else the first one of any.
    answer=$(awk -v file="$file" -v marks="$marks" '
      BEGIN { count = split(marks, mark, " "); for (i = 1; i <= count; i++) marked[mark[i]] = 1 }
      /^cusim-check: / && split($2, place, ":") >= 2 && place[2] ~ /^[0-9]+$/ && $3 != "warning:" {
        kind = $3; sub(/:$/, "", kind); if (!first) first = place[1] ":" place[2] " " kind; reports++
        if (place[1] == file && marked[place[2] ":" kind]) { print place[2] " " kind; good = 1; exit }
        rest = $0
        while (match(rest, /[A-Za-z0-9_.]+:[0-9]+/)) {
          other = substr(rest, RSTART, RLENGTH); rest = substr(rest, RSTART + RLENGTH); split(other, place, ":")
          if (place[1] == file && marked[place[2] ":" kind]) { print place[2] " " kind; good = 1; exit }
        }
      }
      END { if (!good) print "MISSED" (reports ? ", but " first : "") }' "$out")
    case $status,$answer in
      86,MISSED*) ;;
      86,*) found=$((found + 1)) ;;
      *,MISSED*) answer="$answer (exit status $status)" ;;
      *) answer="MISSED: reported, but exit status $status" ;;
    esac
  fi

  timeout 10 "$program" "$name" twin >"$out" 2>&1 </dev/null
  status=$?
  twin=clean
  if [ $status != 0 ] || ! grep -qx 'cusim-check: 0 problems' "$out"; then
    twin="ACCUSED ($status): $(grep -m 1 '^cusim-check: .*:' "$out" || tail -n 1 "$out")"
  else
    for seed in '' 5; do
      CUSIM_CHECK='' CUSIM_SCHEDULE=$seed timeout 10 "$program" "$name" twin >"$out" 2>&1 </dev/null ||
        twin="WRONG unchecked, CUSIM_SCHEDULE='$seed': $(tail -n 1 "$out")"
    done
  fi
  [ "$twin" = clean ] && clean=$((clean + 1))
  printf '%-26s %-36s %-30s %s\n' "$name" "$(printf '%s' "$(kinds "$marks")")$(printf ' %s' $marks | sed 's/:[a-z-]*//g; s/ legal//')" "$answer" "$twin"
done <"$list"
[ "$("$program" 2>&1 | sed -n 's/.* is one of//p' | wc -w)" = $count ] ||
  { echo "FAILED: the cases of PLANTED_MAIN and the CASE or LEGAL comments of $file are not the same"; exit 1; }
echo "$found of $planted found, $clean of $count twins clean"
[ $count -gt 0 ] && [ $found = $planted ] && [ $clean = $count ]
