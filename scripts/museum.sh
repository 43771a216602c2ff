#!/bin/bash
# The museum: each historical mistake of docs/TESTING.md, made alone, must be caught by a simulator
# within SEEDS seeds: those of replication by that of the protocol, those of clusters by that of whole
# nodes. Prints how many each took.
#
#   scripts/museum.sh [--whole-nodes] [SEEDS] [NAME ...]
#
# --whole-nodes: those of replication too by the simulation of whole nodes, which need not catch all.
set -u
cd "$(dirname "$0")/.."
program=sim_protocol
if [ "${1:-}" = --whole-nodes ]; then
  program=sim
  shift
fi
seeds=${1:-10000}
shift
make --no-print-directory FLAVOR=mutant -j"$(nproc)" build/mutant/sim "build/mutant/$program" >/dev/null || exit 1

missed=0
# room FIRST PROGRAM ARGUMENTS: the mistakes of src/base/mutant.h behind the one numbered FIRST.
room() {
  local number=$1 found
  shift
  while read -r name rule; do
    number=$((number + 1))
    if [ -n "$only" ] && [[ " $only " != *" $name "* ]]; then continue; fi
    found=$(HOLDFAST_MUTANT=$number "$@" --seeds "$seeds" --until-failure 2>&1)
    if [[ $found =~ seed\ ([0-9]+):\ ([^$'\n']*) ]]; then
      printf '%-26s %-5s caught at seed %7d  %s\n' "$name" "$rule" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    else
      printf '%-26s %-5s NOT CAUGHT in %d seeds\n' "$name" "$rule" "$seeds"
      missed=$((missed + 1))
    fi
  done < <(sed -nE "/ = $number,/,/ = |^};/{s/^  k([A-Za-z]+), +\/\/ (.*)\$/\1 \2/p}" src/base/mutant.h)
}
only="$*"
room 100 "build/mutant/$program"
room 200 build/mutant/sim --second-kind
exit $((missed > 0))
