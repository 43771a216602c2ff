#!/usr/bin/env bash
# Everything a change must pass, in the order that fails fastest: house lint, build, unit tests,
# simulation, integration tests with real processes and clients. Ends with "N passed, N failed".
set -uo pipefail
cd "$(dirname "$0")/.."
jobs=$(nproc)
passed=0 failed=0

step() {  # step NAME COMMAND...
  local name=$1 start=$SECONDS
  shift
  echo "== $name"
  if "$@"; then
    passed=$((passed + 1))
    echo "== $name: ok ($((SECONDS - start)) s)"
  else
    failed=$((failed + 1))
    echo "== $name: FAILED ($((SECONDS - start)) s)"
  fi
}

step tidy python3 scripts/tidy.py
step build make --no-print-directory -s -j"$jobs" build build/release/unit_tests build/release/sim \
  build/release/sim_protocol build/release/power_cut
step unit build/release/unit_tests
step sim build/release/sim --seeds 300
step sim_protocol build/release/sim_protocol --seeds 300
step power_cut build/release/power_cut --states 3000
step integration tests/integration/run.sh
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
