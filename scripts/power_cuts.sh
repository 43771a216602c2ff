#!/usr/bin/env bash
# Power cuts, a process a processor, each from seeds of its own. Usage: power_cuts.sh PROGRAM STATES
set -uo pipefail
program=$1 states=$2 workers=$(nproc)
pids=()
for ((i = 0; i < workers; i++)); do
  "$program" --states $((states / workers + 1)) --seeds $((1 + i * 1000000)) &
  pids+=($!)
done
status=0
for pid in "${pids[@]}"; do wait "$pid" || status=1; done
exit $status
