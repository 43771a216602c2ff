#!/bin/bash
# The museum: each historical mistake of docs/TESTING.md, made alone, must be caught by the
# simulator within SEEDS seeds. Prints how many each took.
#
#   scripts/museum.sh [--whole-nodes] [SEEDS] [NAME ...]
#
# --whole-nodes: by the simulation of whole nodes, which need not catch them all.
set -u
cd "$(dirname "$0")/.."
program=sim_protocol
if [ "${1:-}" = --whole-nodes ]; then
  program=sim
  shift
fi
seeds=${1:-10000}
shift
make --no-print-directory FLAVOR=mutant -j"$(nproc)" "build/mutant/$program" >/dev/null || exit 1

number=100
missed=0
while read -r name rule; do
  number=$((number + 1))
  if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
  found=$(HOLDFAST_MUTANT=$number "build/mutant/$program" --seeds "$seeds" --until-failure 2>&1)
  if [[ $found =~ seed\ ([0-9]+):\ ([^$'\n']*) ]]; then
    printf '%-26s %-5s caught at seed %5d  %s\n' "$name" "$rule" "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
  else
    printf '%-26s %-5s NOT CAUGHT in %d seeds\n' "$name" "$rule" "$seeds"
    missed=$((missed + 1))
  fi
done < <(sed -n '/kMuseum = 100/,/^};/p' src/base/mutant.h | sed -nE 's/^  k([A-Za-z]+), +\/\/ (.*)$/\1 \2/p')
exit $((missed > 0))
