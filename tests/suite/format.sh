#!/bin/sh
# Every source file is as .clang-format wants it; lesson sources stay readable; nothing is left open.
cd "$(dirname "$0")/../.." || exit 1
command -v clang-format >/dev/null || { echo "skipped: clang-format is not installed"; exit 77; }
git rev-parse >/dev/null 2>&1 || { echo "skipped: not a git checkout"; exit 77; }
bad=0
git ls-files '*.c' '*.h' '*.cu' '*.cuh' '*.cpp' | xargs clang-format --dry-run -Werror || bad=1
git ls-files 'lessons/*.c' 'lessons/*.cu' 'lessons/*.h' 'lessons/*.cuh' |
  xargs awk 'FNR == 261 { print FILENAME " is longer than 260 lines"; bad = 1 } END { exit bad }' || bad=1
git ls-files '*.c' '*.h' '*.cu' '*.cuh' '*.sh' '*.cmake' | grep -v tests/suite/format.sh | xargs grep -nE 'TODO|FIXME|HACK' && bad=1
exit $bad
