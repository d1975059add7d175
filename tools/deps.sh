#!/bin/sh
# Installs what deps.txt lists and this machine lacks. Only a missing compiler or CMake is an error.
set -u
cd "$(dirname "$0")/.." || exit 1
say() { echo "deps: $*"; }

# Required programs count by being there, whoever installed them; on clusters nothing comes from a package manager.
have() {
  case $1 in
    g++) command -v "${CXX:-g++}" >/dev/null 2>&1 || command -v c++ >/dev/null 2>&1 ;;
    cmake | git | clang-format | clang-tidy) command -v "$1" >/dev/null 2>&1 ;;
    *) dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed' ;;
  esac
}

missing='' needed=''
while read -r package need _; do
  case $package in '' | '#'*) continue ;; esac
  have "$package" && continue
  missing="$missing $package"
  [ "$need" = required ] && needed="$needed $package"
done <deps.txt
[ -z "$missing" ] && exit 0

command="apt-get install -y --no-install-recommends$missing"
as_root=''
if [ "$(id -u)" != 0 ]; then
  as_root=sudo
  if ! command -v sudo >/dev/null 2>&1 || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then as_root=none; fi
fi
if ! command -v apt-get >/dev/null 2>&1 || [ "$as_root" = none ] || [ -n "${HEDDLE_NO_INSTALL:-}" ]; then
  say "not installed here:$missing"
  say "to install them: sudo $command"
else
  say "installing:$missing"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  run() { $as_root env DEBIAN_FRONTEND=noninteractive "$@" >>"$log" 2>&1; }
  # An index that cannot be refreshed may still be good enough; a package that is unknown here must not cost the rest.
  run apt-get update -o Acquire::Retries=1 -o Acquire::http::Timeout=20
  # shellcheck disable=SC2086
  if ! run $command; then
    for package in $missing; do run apt-get install -y --no-install-recommends "$package"; done
  fi
  left=''
  for package in $missing; do have "$package" || left="$left $package"; done
  if [ -n "$left" ]; then
    say "could not install:$left ($(grep -m1 -E '^(E|Err)' "$log" || echo "see apt's log"))"
    say "to install them: sudo apt-get install -y --no-install-recommends$left"
  fi
  rm -f "$log"
fi
for package in $needed; do
  have "$package" || { say "$package is required: the build cannot go on without it"; exit 1; }
done
exit 0
