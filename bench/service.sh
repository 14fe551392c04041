#!/usr/bin/env bash
# The service beside nginx: GET /health against a file of the same size, one core each, in turn; memory
# idle and with 10 sessions; cold start to the first loaded page. Needs wrk, nginx, curl, taskset.
#   bench/service.sh [BINARY]
set -euo pipefail
binary=${1:-build/release/bin/troupe}
work=$(mktemp -d)
export TROUPE_DATA_DIR=$work/data
pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

resident() { awk '/VmRSS/{printf "%.1f MiB", $2/1024}' "/proc/$1/status"; }
ready() { for _ in $(seq 200); do curl -fs "$1" >/dev/null && return; sleep 0.05; done; return 1; }

printf '{"status":"healthy"}' >"$work/health"
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $work/nginx.pid; error_log $work/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 100000000; default_type application/json;
  server { listen 127.0.0.1:8799; root $work; } }
CONF
chmod 755 "$work"
taskset -c 0 nginx -c "$work/nginx.conf" -p "$work" 2>/dev/null & pids+=($!)
taskset -c 0 "$binary" serve --port 8798 --log-level warning 2>"$work/serve.log" & troupe=$!; pids+=($troupe)
ready http://127.0.0.1:8799/health
ready http://127.0.0.1:8798/health
sleep 2
echo "resident, idle: $(resident $troupe)"

for round in 1 2 3; do
  for target in troupe:8798 nginx:8799; do
    taskset -c 1 wrk -t1 -c64 -d5s --latency "http://127.0.0.1:${target#*:}/health" |
      awk -v who="${target%:*}" -v round=$round '/99%/{p99=$2} /Requests\/sec/{rps=$2}
        END{printf "round %s  %-7s %9.0f req/s  p99 %s\n", round, who, rps, p99}'
  done
done
taskset -pc 0,1 $troupe >/dev/null
ids=()
for _ in $(seq 10); do
  ids+=("$(curl -fs -X POST -H 'content-type: application/json' -d '{}' http://127.0.0.1:8798/v1/sessions |
    sed 's/.*"id":"\([^"]*\)".*/\1/')")
done
echo "resident, 10 sessions: $(resident $troupe)"
for id in "${ids[@]}"; do curl -fs -X DELETE "http://127.0.0.1:8798/v1/sessions/$id" >/dev/null; done

cat >"$work/page.yaml" <<YAML
workflow: page
steps:
  - goto: "data:text/html,<p>here"
YAML
echo "cold start to a loaded page and the end, ms:"
for _ in 1 2 3 4 5 6 7; do
  began=$(date +%s%N)
  "$binary" run "$work/page.yaml" --quiet >/dev/null
  echo $((($(date +%s%N) - began) / 1000000))
done | sort -n | tr '\n' ' '
echo
