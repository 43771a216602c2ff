#!/usr/bin/env bash
# Installs the Debian 12 packages that building and testing Holdfast needs, if any is missing.
# Usage: scripts/deps.sh [--list | PACKAGE...]   (more packages, for one task: fuzzing, lint)
set -euo pipefail

packages=(
  g++ make                                   # the toolchain
  libevent-dev libyaml-cpp-dev libcli11-dev  # reactor, configuration, command line
  libspdlog-dev libfmt-dev libjemalloc-dev   # logging, allocator
  librocksdb-dev libisal-dev libxxhash-dev   # engine, CRC32C, key hash
  liburing-dev liblz4-dev                    # DiskEngine: asynchronous writes, compression
  liblua5.1-0-dev lua-cjson-dev lua-bitop-dev  # scripts
  doctest-dev libhiredis-dev                 # tests
  redis-server redis-tools python3 python3-redis nodejs npm  # clients and the rival
)
# Applications that tests run: without one its test is skipped.
applications=(python3-rq python3-celery ruby-sidekiq)

if [ "${1:-}" = --list ]; then printf '%s\n' "${packages[@]}" "${applications[@]}"; exit 0; fi
packages+=("$@")

absent() {  # absent PACKAGE...: those that are not installed
  for package in "$@"; do
    # A program that is there already, from whatever source, need not come from Debian.
    case $package in
      nodejs) command -v node >/dev/null && continue ;;
      npm|make|python3) command -v "$package" >/dev/null && continue ;;
    esac
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
      echo "$package"
  done
}

mapfile -t missing < <(absent "${packages[@]}")
mapfile -t wanted < <(absent "${applications[@]}")
[ ${#missing[@]} -eq 0 ] && [ ${#wanted[@]} -eq 0 ] && exit 0

echo "installing: ${missing[*]} ${wanted[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "deps: not root and no sudo: install the packages above" >&2; exit 1; }
  as_root=(sudo)
fi
# Debian would start a redis-server of its own at once: a policy file says no while we install.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
  "${as_root[@]}" chmod +x $policy
  made_policy=1
fi
trap '[ -z "$made_policy" ] || "${as_root[@]}" rm -f $policy' EXIT
"${as_root[@]}" apt-get update -qq
install() {
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends \
    "$@" >/dev/null
}
[ ${#missing[@]} -eq 0 ] || install "${missing[@]}"
for package in "${wanted[@]}"; do
  install "$package" || echo "deps: $package is not to be had; its test is skipped" >&2
done
