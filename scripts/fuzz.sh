#!/usr/bin/env bash
# Runs each libFuzzer target for some seconds from its corpus. A finding stops it and stays in
# build/fuzz/; put it into tests/fuzz/corpus/<target>/ with the fix.
# Usage: scripts/fuzz.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
scripts/deps.sh clang libclang-rt-14-dev
for source in tests/fuzz/fuzz_*.cc; do
  name=$(basename "$source" .cc)
  target=${name#fuzz_}
  make --no-print-directory -j"$(nproc)" FLAVOR=fuzz "build/fuzz/$name"
  mkdir -p "build/fuzz/corpus_$target"
  echo "== fuzz $target, $seconds s"
  (cd build/fuzz && "./$name" -max_total_time="$seconds" -timeout=1 -rss_limit_mb=1024 \
    -print_final_stats=1 -verbosity=0 "corpus_$target" "../../tests/fuzz/corpus/$target")
done
echo "fuzz: no crash, no hang"
