# Sourced by the suite's tests: counts what held and what did not.
failures=0 checks=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ok() { checks=$((checks + 1)); }
bad() { checks=$((checks + 1)); failures=$((failures + 1)); echo "FAILED: $*"; }

# expect CODE PATTERN COMMAND…: the exit code, and a line of stdout or stderr that matches.
expect() {
  code=$1 pattern=$2
  shift 2
  "$@" >"$work/out" 2>&1 </dev/null
  got=$?
  if [ "$got" != "$code" ]; then bad "exit $got, not $code: $*"; head -n 5 "$work/out"; return; fi
  if ! grep -qE -- "$pattern" "$work/out"; then bad "no line matches '$pattern': $*"; head -n 5 "$work/out"; return; fi
  ok
}

holds() { # holds "what" COMMAND…
  what=$1
  shift
  if "$@" >/dev/null 2>&1; then ok; else bad "$what"; fi
}

finish() {
  echo "$((checks - failures)) passed, $failures failed"
  [ "$failures" = 0 ]
}
