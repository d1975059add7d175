#!/bin/sh
# The committed tree without the solutions of its labs, for students: each is replaced by what `make lab` makes of it.
# usage: handout.sh FILE.tar.gz
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/heddle
mkdir "$tree"
git archive HEAD | tar -x -C "$tree"
cd "$tree"
for solution in lessons/*/lab/solution.*; do
  number=$(echo "$solution" | sed 's:lessons/\([0-9]*\).*:\1:')
  tools/lab.sh "$number" "$work/labs" >/dev/null
  mv "$work"/labs/* "$solution"
done
cd "$OLDPWD"
mkdir -p "$(dirname "$1")"
tar -czf "$1" -C "$work" heddle
echo "$1: $(find "$tree/lessons" -path '*/lab/solution.*' | wc -l) labs without their solutions"
