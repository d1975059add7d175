#!/bin/sh
# The documentation as HTML. usage: docs.sh OUTPUT_FOLDER
set -e
cd "$(dirname "$0")/.."
out=${1:?usage: docs.sh OUTPUT_FOLDER}
if ! command -v pandoc >/dev/null 2>&1; then
  echo "docs: pandoc is not installed (sudo apt-get install pandoc); the Markdown files under docs/ and lessons/ are readable as they are"
  exit 0
fi
# Links lead to pages: x.md to x.html, a lesson's folder to its page, any other file to the sources.
links='s/\(href="[^":]*\)\.md\([#"]\)/\1.html\2/g; s/\(href="[^":]*lessons\/[^":]*\)\/"/\1\/README.html"/g'
for file in README.md CONTRIBUTING.md docs/*.md lessons/*/README.md; do
  page=$out/${file%.md}.html
  mkdir -p "${page%/*}"
  pandoc --standalone --metadata pagetitle="Heddle: $file" --from gfm --to html5 "$file" | sed "$links" >"$page"
done
mkdir -p "$out/lib"
cp -R docs/images "$out/docs/"
cp -R lib/include "$out/lib/"
cp CITATION.cff "$out/"
echo "$out/README.html"
