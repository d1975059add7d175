#!/bin/sh
# Puts what a student starts with into a folder. It is made from the lab's solution: what stands between "//> solution" and
# "//> end" is replaced by the comments behind "//> instead". One source, so the two cannot drift apart.
# usage: lab.sh LESSON FOLDER
set -eu
cannot() { echo "heddle: $*" >&2; exit 2; }
number=$(printf %02d "$(expr "$1" + 0 2>/dev/null || echo 0)")
solution=$(ls lessons/"$number"-*/lab/solution.* 2>/dev/null) ||
  cannot "lesson '$1' has no lab; there are: $(echo lessons/*/lab | sed 's:lessons/\([0-9]*\)[^ ]*:\1:g')"
lab=$(dirname "$solution")
file=$2/$(basename "$(dirname "$lab")").${solution##*.}
[ ! -e "$file" ] || cannot "$file is there already; move it away to begin anew"
mkdir -p "$2"
awk '
  /^\/\/> solution$/ { hidden = 1; next }
  /^\/\/> instead$/ { hidden = 0; instead = 1; next }
  /^\/\/> end$/ { instead = 0; next }
  hidden { next }
  instead { sub(/^\/\/ ?/, "") }
  { print }' "$solution" >"$file"
echo "your file: $file; what to do: $lab/README.md; then: make grade L=$number"
