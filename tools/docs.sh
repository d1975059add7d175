#!/bin/sh
# The documentation as HTML. usage: docs.sh OUTPUT_FOLDER
set -e
cd "$(dirname "$0")/.."
out=$1
if ! command -v pandoc >/dev/null 2>&1; then
  echo "docs: pandoc is not installed (apt-get install pandoc); the Markdown files under docs/ and lessons/ are readable as they are"
  exit 0
fi
for file in README.md CONTRIBUTING.md docs/*.md lessons/*/README.md; do
  page=$out/${file%.md}.html
  mkdir -p "$(dirname "$page")"
  # Links between the pages must lead to pages.
  pandoc --standalone --metadata title="Heddle: $file" --to html5 "$file" | sed 's/\(href="[^":]*\)\.md\([#"]\)/\1.html\2/g' >"$page"
done
mkdir -p "$out/docs/images"
cp docs/images/* "$out/docs/images/"
echo "$out/README.html"
