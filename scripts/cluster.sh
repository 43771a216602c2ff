#!/usr/bin/env bash
# A local cluster of real processes: one shard, as many copies as there are nodes, which elect their
# primary (cluster.replication: raft). Coordinators, gateways and more shards: docs/LIMITS.md.
#
#   scripts/cluster.sh start   [--dir DIR] [--base-port N] [--storage N]
#   scripts/cluster.sh stop    [--dir DIR]      ends all nodes; their data stays
#   scripts/cluster.sh status  [--dir DIR]      a line a node
#   scripts/cluster.sh kill    NODE [--dir DIR] with SIGKILL
#   scripts/cluster.sh restart NODE [--dir DIR]
#   scripts/cluster.sh logs    NODE [--dir DIR]
#
# Defaults: ./data/cluster, 7380, 3. Node N serves clients on base port + N and the other nodes on
# base port + 100 + N. A directory that is there already keeps its ports and its number of nodes.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
dir=./data/cluster
base=7380
storage=3

usage() { sed -n '2,/^set/p' "$0" | sed -nE 's/^# ?//p' >&2; exit 64; }
fail() { echo "cluster.sh: $*" >&2; exit 1; }

command=${1:-}
[ -n "$command" ] || usage
shift
node=
while [ $# -gt 0 ]; do
  case $1 in
    --dir) dir=${2:?} ;;
    --base-port) base=${2:?} ;;
    --storage | --replicas) storage=${2:?} ;;
    --shards) [ "${2:?}" = 1 ] || fail "more than one shard is not in this version: docs/LIMITS.md" ;;
    --coordinators | --gateways)
      [ "${2:?}" = 0 ] || fail "$1 is not in this version: docs/LIMITS.md" ;;
    -*) usage ;;
    *) node=$1; shift; continue ;;
  esac
  shift 2
done
[[ $storage =~ ^[1-9]$ ]] || fail "--storage $storage: allowed: 1 to 9"
[[ $base =~ ^[0-9]+$ ]] && [ "$base" -ge 1024 ] && [ "$base" -le 65000 ] ||
  fail "--base-port $base: allowed: 1024 to 65000"

# Not a process that has ended and that nobody has asked about.
running() {
  [ -f "$dir/node$1/pid" ] && grep -qs '^State:.[^ZX]' "/proc/$(cat "$dir/node$1/pid")/status"
}
ask() { timeout 2 redis-cli -p $((base + $1)) "${@:2}" 2>&1; }
nodes() { seq 1 "$storage"; }
need_node() {
  [[ $node =~ ^[1-9]$ ]] && [ -d "$dir/node$node" ] || fail "which node? one of: $(nodes | xargs)"
}

load() {
  [ -f "$dir/cluster" ] || fail "$dir holds no cluster: start one first"
  # shellcheck disable=SC1091
  . "$dir/cluster"
}

start_node() {
  local n=$1 home=$dir/node$1
  running "$n" && return
  mkdir -p "$home"
  local members="" i
  for i in $(nodes); do members+="$i=127.0.0.1:$((base + 100 + i))/$((base + i)) "; done
  printf '%s\n' "# Written by scripts/cluster.sh." \
    "resp:" "  port: $((base + n))" "data:" "  dir: $home/data" \
    "cluster:" "  replication: raft" "  node: $n" "  members:" >"$home/node.yaml"
  for i in $members; do echo "    - $i" >>"$home/node.yaml"; done
  setsid "$root/build/holdfast" "$home/node.yaml" >>"$home/log" 2>&1 </dev/null &
  echo $! >"$home/pid"
}

role_of() {
  ask "$1" info replication | sed -nE 's/^role:(.*)\r$/\1/p'
}

wait_ready() {
  local deadline=$((SECONDS + 60)) n primary
  while [ $SECONDS -lt $deadline ]; do
    primary=
    for n in $(nodes); do
      running "$n" || fail "node $n ended: $(tail -n 1 "$dir/node$n/log")"
      if [ "$(ask "$n" exists ready)" = 0 ]; then primary=$n; fi
    done
    if [ -n "$primary" ]; then
      echo "ready: node $primary is the primary"
      echo "  redis-cli -c -p $((base + primary)) set greeting hello"
      echo "  scripts/cluster.sh status --dir $dir"
      return
    fi
    sleep 0.1
  done
  fail "no primary within 60 s: see $dir/node*/log"
}

case $command in
  start)
    [ -x "$root/build/holdfast" ] || fail "build/holdfast is not there: run make"
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    if [ -f "$dir/cluster" ]; then load; else echo "base=$base storage=$storage" >"$dir/cluster"; fi
    for n in $(nodes); do start_node "$n"; done
    wait_ready ;;
  stop)
    load
    for n in $(nodes); do running "$n" && kill "$(cat "$dir/node$n/pid")"; done
    for n in $(nodes); do while running "$n"; do sleep 0.05; done; done ;;
  status)
    load
    for n in $(nodes); do
      if running "$n"; then
        echo "node $n  127.0.0.1:$((base + n))  pid $(cat "$dir/node$n/pid")  $(role_of "$n")"
      else
        echo "node $n  127.0.0.1:$((base + n))  down"
      fi
    done ;;
  kill) load; need_node; running "$node" && kill -9 "$(cat "$dir/node$node/pid")" ;;
  restart)
    load; need_node
    dir=$(cd "$dir" && pwd)
    if running "$node"; then kill "$(cat "$dir/node$node/pid")"; fi
    while running "$node"; do sleep 0.05; done
    start_node "$node" ;;
  logs) load; need_node; cat "$dir/node$node/log" ;;
  *) usage ;;
esac
