#!/usr/bin/env bash
# Makes each deliberate mistake of src/base/mutant.h, alone, and expects a unit test of the engine or
# the power-cut simulation to fail, which both must pass without one. Usage: mutants.sh [NAME...]
set -uo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
make --no-print-directory -s -j"$jobs" build/release/power_cut build/release/unit_tests || exit 1
rm -rf build/mutant && cp -r build/release build/mutant
for source in $(grep -l base/mutant.h -r src --include='*.cc'); do
  rm -f "build/mutant/${source%.cc}.o"
done
make --no-print-directory -s -j"$jobs" FLAVOR=mutant build/mutant/power_cut \
  build/mutant/unit_tests >/dev/null || exit 1
unit() { HOLDFAST_MUTANT=$1 build/mutant/unit_tests -tc='disk engine*' >/dev/null 2>&1; }
power_cut() { HOLDFAST_MUTANT=$1 build/mutant/power_cut --states 20000 >/dev/null 2>&1; }
mapfile -t names < <(sed -nE 's/^  k([A-Z][A-Za-z]+),.*D[0-9]+$/\1/p' src/base/mutant.h)
if ! unit 0 || ! power_cut 0; then
  echo "FAILED   without a mistake"
  exit 1
fi
passed=0 failed=0
for i in "${!names[@]}"; do
  name=${names[$i]}
  [ $# -eq 0 ] || [[ " $* " == *" $name "* ]] || continue
  if ! unit $((i + 1)); then
    echo "caught   $name: a unit test"
    passed=$((passed + 1))
  elif ! power_cut $((i + 1)); then
    echo "caught   $name: a power cut"
    passed=$((passed + 1))
  else
    echo "MISSED   $name"
    failed=$((failed + 1))
  fi
done
rm -rf build/mutant
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
