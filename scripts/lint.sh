#!/usr/bin/env bash
# Format and clang-tidy of the C++ files changed since BASE (default: origin/main, else all).
# Usage: scripts/lint.sh [BASE]
set -uo pipefail
cd "$(dirname "$0")/.."
scripts/deps.sh clang-format clang-tidy
base=${1:-$(git rev-parse -q --verify origin/main)}
if [ -n "$base" ]; then
  files=$(git diff --name-only --diff-filter=AM "$base" -- '*.cc' '*.h')
else
  files=$(git ls-files '*.cc' '*.h')
fi
[ -n "$files" ] || { echo "lint: no C++ files changed"; exit 0; }
status=0
# shellcheck disable=SC2086
clang-format --dry-run --Werror $files || status=1
sources=$(printf '%s\n' $files | grep '^src/.*\.cc$')
if [ -n "$sources" ]; then
  printf '%s\n' $sources | xargs -P "$(nproc)" -n 2 \
    sh -c 'clang-tidy --quiet "$@" -- -std=c++20 -Isrc -I. $(pkg-config --cflags lua5.1-c++) 2>/dev/null' _ || status=1
fi
exit $status
