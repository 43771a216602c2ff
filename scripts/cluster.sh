#!/usr/bin/env bash
# A local cluster of real processes: coordinators (c1, c2...), storage nodes (s1...), gateways (g1...).
#
#   scripts/cluster.sh start   [--dir DIR] [--base-port N] [--coordinators N] [--storage N]
#                              [--gateways N] [--shards N] [--replicas N] [--set KEY=VALUE]...
#   scripts/cluster.sh stop    [--dir DIR]      ends all nodes; their data stays
#   scripts/cluster.sh status  [--dir DIR]      a line a node, then a line a shard
#   scripts/cluster.sh kill    NODE [--dir DIR] with SIGKILL
#   scripts/cluster.sh restart NODE|all [--dir DIR]   in order: one that runs when the others do without
#                                                     it, until it is of use again; all: one by one
#   scripts/cluster.sh logs    NODE [--dir DIR]
#
# Defaults: ./data/cluster, 7380, 3, 3, 1, 2, 3. Ports for clients: gateway N has base port + N - 1,
# storage node N base + 10 + N, coordinator N base + 20 + N; for other nodes they have 100 more. A
# directory that is there already keeps its ports, its nodes and what was set; more may be set.
#
# With --coordinators 0 the storage nodes are one group of their own, one shard of as many copies,
# which elects its primary (cluster.replication: raft).
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
binary=$(realpath "${HOLDFAST:-$root/build/holdfast}")
dir=./data/cluster
base=7380 coordinators=3 storage=3 gateways=1 shards=2 replicas=
overrides=()

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
    --coordinators) coordinators=${2:?} ;;
    --storage) storage=${2:?} ;;
    --gateways) gateways=${2:?} ;;
    --shards) shards=${2:?} ;;
    --replicas) replicas=${2:?} ;;
    --set) overrides+=(--set "${2:?}") ;;
    -*) usage ;;
    *) node=$1; shift; continue ;;
  esac
  shift 2
done
allow() {  # allow NAME VALUE FROM TO
  [[ $2 =~ ^[0-9]+$ ]] && [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] ||
    fail "--$1 $2: allowed: $3 to $4"
}
allow coordinators "$coordinators" 0 9
allow storage "$storage" 1 9
allow gateways "$gateways" 0 9
allow shards "$shards" 1 64
allow base-port "$base" 1024 65000
if [ -z "$replicas" ]; then replicas=$((storage < 3 ? storage : 3)); fi
allow replicas "$replicas" 1 "$storage"

count() {  # of a kind: c, s, g
  case $1 in c) echo "$coordinators" ;; s) echo "$storage" ;; g) echo "$gateways" ;; esac
}
# Names of all nodes, in the order to start them.
nodes() {
  local kind i
  for kind in c s g; do
    for ((i = 1; i <= $(count $kind); ++i)); do echo "$kind$i"; done
  done
}
port_of() {
  local n=${1:1}
  case $1 in g*) echo $((base + n - 1)) ;; s*) echo $((base + 10 + n)) ;; c*) echo $((base + 20 + n)) ;; esac
}
link_of() { echo $(($(port_of "$1") + 100)); }
id_of() {
  case $1 in c*) echo "${1:1}" ;; s*) echo $((10 + ${1:1})) ;; g*) echo $((20 + ${1:1})) ;; esac
}
# Not a process that has ended and that nobody has asked about.
running() {
  [ -f "$dir/$1/pid" ] && grep -qs '^State:.[^ZX]' "/proc/$(cat "$dir/$1/pid")/status"
}
ask() { timeout 2 redis-cli -p "$(port_of "$1")" "${@:2}" 2>&1; }
# The coordinator that leads, whoever is asked.
admin() {
  local n answer
  for n in $(nodes); do
    [[ $n == c* ]] || continue
    answer=$(ask "$n" -c "$@")
    case $answer in ''|*CLUSTERDOWN*|*"Could not connect"*|*refused*) continue ;; esac
    echo "$answer"
    return
  done
  return 1
}
# wait_until SECONDS WHAT COMMAND...
wait_until() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ $SECONDS -lt $deadline ] || fail "not within its time: $what"
    sleep 0.05
  done
}
# The others do without this node.
can_stop() {
  local i others
  case $1 in
    s*)
      if [ "$coordinators" -gt 0 ]; then
        [[ $(admin node can-stop "$(id_of "$1")" | xargs) == "can_stop yes"* ]]
        return
      fi ;;
    g*) return ;;
  esac
  # Of a group that elects its leader: all of the others follow, so any one may go.
  for ((i = 1; i <= $(count "${1:0:1}"); ++i)); do
    others=${1:0:1}$i
    [ "$others" = "$1" ] || is_of_use "$others" || return 1
  done
}
is_of_use() {
  case $1 in
    g*) [ "$(ask "$1" exists ready)" = 0 ] ;;
    s*) [[ $(ask "$1" cluster info) == *cluster_state:ok* ]] || [ "$coordinators" -eq 0 ] &&
      follows_or_leads "$1" ;;
    c*) follows_or_leads "$1" ;;
  esac
}
follows_or_leads() {
  local text
  text=$(ask "$1" info replication)
  [[ $text == *role:master* || $text == *master_link_status:up* ]]
}
restart_node() {
  if running "$1"; then
    wait_until 60 "the others do without $1" can_stop "$1"
    kill "$(cat "$dir/$1/pid")"
  fi
  while running "$1"; do sleep 0.05; done
  start_node "$1"
  wait_until 60 "$1 is of use" is_of_use "$1"
}

need_node() {
  if [[ $node =~ ^[1-9]$ ]]; then node=s$node; fi
  [[ $node =~ ^[csg][1-9]$ ]] && [ -d "$dir/$node" ] || fail "which node? one of: $(nodes | xargs)"
}

load() {
  [ -f "$dir/cluster" ] || fail "$dir holds no cluster: start one first"
  # shellcheck disable=SC1091
  . "$dir/cluster"
}

member_lines() {  # of a kind
  local i
  for ((i = 1; i <= $(count "$1"); ++i)); do
    echo "    - $(id_of "$1$i")=127.0.0.1:$(link_of "$1$i")/$(port_of "$1$i")"
  done
}

write_config() {
  local n=$1 home=$dir/$1
  echo "# Written by scripts/cluster.sh."
  case $n in c*) echo "mode: coordinator" ;; g*) echo "mode: gateway" ;;
    *) [ "$coordinators" -eq 0 ] || echo "mode: storage" ;; esac
  printf '%s\n' "resp:" "  port: $(port_of "$n")" "data:" "  dir: $home/data"
  case $n in
    c*) printf '%s\n' "engine:" "  wal_bytes: 16mb" "checkpoint:" "  log_bytes: 4mb" ;;
    s*) printf '%s\n' "engine:" "  wal_bytes: 256mb" "checkpoint:" "  log_bytes: 64mb" ;;
  esac
  printf '%s\n' "cluster:" "  node: $(id_of "$n")"
  if [ "$coordinators" -eq 0 ]; then
    printf '%s\n' "  replication: raft" "  members:"
    member_lines s
    return
  fi
  echo "  coordinators:"
  member_lines c
  case $n in
    c*) printf '%s\n' "  shards: $shards" "  replicas: $replicas" "  first_nodes: $storage" ;;
    s*) echo "  listen: 127.0.0.1:$(link_of "$n")" ;;
  esac
}

start_node() {
  local n=$1 home=$dir/$1
  running "$n" && return
  mkdir -p "$home"
  write_config "$n" >"$home/node.yaml"
  touch "$dir/settings"
  local set=() setting
  while read -r setting; do set+=(--set "$setting"); done <"$dir/settings"
  setsid "$binary" "$home/node.yaml" "${set[@]}" "${overrides[@]}" \
    >>"$home/log" 2>&1 </dev/null &
  echo $! >"$home/pid"
}

# Every slot has a primary that answers.
serves() {
  if [ "$coordinators" -eq 0 ]; then
    [ "$(ask s1 -c exists ready)" = 0 ] && return
    return 1
  fi
  local i answered=0
  for ((i = 1; i <= storage; ++i)); do
    [[ $(ask "s$i" cluster info) == *cluster_state:ok* ]] || return 1
  done
  for ((i = 1; i <= 8; ++i)); do [ "$(ask s1 -c exists "ready$i")" = 0 ] && answered=$((answered + 1)); done
  [ "$answered" -eq 8 ] || return 1
  for ((i = 1; i <= gateways; ++i)); do [ "$(ask "g$i" exists ready)" = 0 ] || return 1; done
}

wait_ready() {
  local deadline=$((SECONDS + 60)) n
  while [ $SECONDS -lt $deadline ]; do
    for n in $(nodes); do
      running "$n" || fail "node $n ended: $(tail -n 1 "$dir/$n/log")"
    done
    if serves; then
      echo "ready: $(nodes | xargs)"
      if [ "$gateways" -gt 0 ]; then
        echo "  redis-cli -p $(port_of g1) set greeting hello      # through the gateway"
      fi
      echo "  redis-cli -c -p $(port_of s1) set greeting hello   # a client that knows clusters"
      [ "$coordinators" -eq 0 ] || echo "  redis-cli -c -p $(port_of c1) view list            # who serves what"
      echo "  scripts/cluster.sh status --dir $dir"
      return
    fi
    sleep 0.1
  done
  fail "not every slot is served within 60 s: see $dir/*/log"
}

status() {
  local n
  for n in $(nodes); do
    if running "$n"; then
      local role
      role=$(ask "$n" info replication | sed -nE 's/^role:(.*)\r$/\1/p')
      echo "$n  127.0.0.1:$(port_of "$n")  pid $(cat "$dir/$n/pid")  ${role:-}"
    else
      echo "$n  127.0.0.1:$(port_of "$n")  down"
    fi
  done
  [ "$coordinators" -eq 0 ] && return
  local views
  views=$(admin --json view list) || { echo "the coordinators have no leader"; return; }
  python3 -c 'import json, sys
for view in json.load(sys.stdin)["views"]:
    members = " ".join(str(member["node"]) for member in view["members"])
    print("shard {shard}  slots {slots}  epoch {epoch}  {phase}  primary {primary}".format(**view)
          + "  members " + members)' <<<"$views"
}

case $command in
  start)
    [ -x "$binary" ] || fail "build/holdfast is not there: run make"
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    if [ -f "$dir/cluster" ]; then
      load
    else
      echo "base=$base coordinators=$coordinators storage=$storage gateways=$gateways" \
        "shards=$shards replicas=$replicas" >"$dir/cluster"
    fi
    for setting in "${overrides[@]}"; do
      [ "$setting" = --set ] || echo "$setting"
    done >>"$dir/settings"
    overrides=()
    for n in $(nodes); do start_node "$n"; done
    wait_ready ;;
  stop)
    load
    for n in $(nodes); do running "$n" && kill "$(cat "$dir/$n/pid")"; done
    for n in $(nodes); do while running "$n"; do sleep 0.05; done; done ;;
  status) load; status ;;
  kill) load; need_node; running "$node" && kill -9 "$(cat "$dir/$node/pid")" ;;
  restart)
    load
    dir=$(cd "$dir" && pwd)
    if [ "$node" = all ]; then
      for n in $(nodes); do
        echo "$n"
        restart_node "$n"
      done
    else
      need_node
      restart_node "$node"
    fi ;;
  logs) load; need_node; cat "$dir/$node/log" ;;
  *) usage ;;
esac
