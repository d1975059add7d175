#!/bin/sh
# Every source file is as .clang-format wants it; lesson sources stay readable; nothing is left open.
cd "$(dirname "$0")/../.." || exit 1
. tests/suite/check.sh
command -v clang-format >/dev/null || { echo "skipped: clang-format is not installed"; exit 77; }
git rev-parse >/dev/null 2>&1 || { echo "skipped: not a git checkout"; exit 77; }
for file in $(git ls-files '*.c' '*.h' '*.cu' '*.cuh' '*.cpp'); do
  holds "clang-format -i $file" clang-format --dry-run -Werror "$file"
done
for file in $(git ls-files 'lessons/*.c' 'lessons/*.cu' 'lessons/*.h' 'lessons/*.cuh'); do
  holds "$file is longer than 260 lines" test "$(wc -l <"$file")" -le 260
done
for file in $(git ls-files '*.c' '*.h' '*.cu' '*.cuh' '*.sh' '*.cmake' | grep -v tests/suite/format.sh); do
  holds "$file leaves something open" sh -c "! grep -nE 'TODO|FIXME|HACK' '$file'"
done
finish
