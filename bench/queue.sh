#!/usr/bin/env bash
# The queue on Redis against BullMQ, case by case in turns on one server; JSON lines on stdout.
#   bench/queue.sh [no|everysec|always] [ROUNDS] [CASE...]
# Needs: a release build with -DTROUPE_BENCH=ON, redis-server, node, and BullMQ:
#   mkdir -p build/bench && npm --prefix build/bench i bullmq@6.7.0 ioredis
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
sync=${1:-everysec}
rounds=${2:-3}
shift $(($# < 2 ? $# : 2))
bench=${TROUPE_BENCH_BINARY:-$root/build/release/bin/bench_queue_redis}
port=$((20000 + RANDOM % 10000))
folder=$(mktemp -d)
persist=(--appendonly yes --appendfsync "$sync")
[[ $sync != no ]] || persist=(--appendonly no)
redis-server --port "$port" --bind 127.0.0.1 --save "" --dir "$folder" --daemonize no \
  --auto-aof-rewrite-percentage 0 "${persist[@]}" >/dev/null &
server=$!
trap 'kill "$server"; wait "$server" || true; rm -rf "$folder"' EXIT
until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.05; done

scale=1
[[ $sync != always ]] || scale=4
cases=("add 6000 1" "add-many 20000 100" "bulk 20000 50" "bulk 40000 1000" "add 6000 1 priorities"
  "process 4000 1" "process 20000 50" "process 20000 200" "process 20000 50 priorities" "latency 5000 1000")
[[ $# -eq 0 ]] || cases=("$@")

# What the server itself used, in us.
server_cpu() {
  redis-cli -p "$port" info cpu | tr -d '\r' |
    awk -F: '/^used_cpu_(sys|user):/ { sum += $2 } END { printf "%d\n", sum * 1e6 }'
}
run_one() {
  redis-cli -p "$port" flushall sync >/dev/null
  local before line
  before=$(server_cpu)
  line=$("$@")
  local count=${line#*\"count\":}
  count=${count%%,*}
  echo "${line%\}},\"redis_cpu_us\":$((($(server_cpu) - before) / count)),\"appendfsync\":\"$sync\"}"
}
for ((round = 0; round < rounds; ++round)); do
  for one in "${cases[@]}"; do
    read -r name count rest <<<"$one"
    # shellcheck disable=SC2086
    run_one "$bench" "redis://127.0.0.1:$port" "$name" $((count / scale)) $rest
    # shellcheck disable=SC2086
    (cd "$root/build/bench" && run_one node "$root/bench/bullmq.mjs" "$port" "$name" $((count / scale)) $rest)
  done
done
