#!/usr/bin/env bash
# Runs the integration tests. Usage: tests/integration/run.sh [NAME]   (server, redis_cli, clients...)
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
status=0
for file in "$here"/*${1:-}*_test.py; do
  echo "-- $(basename "$file" .py)"
  /usr/bin/python3 "$file" || status=1
done
exit $status
