#!/usr/bin/env bash
# Builds Nexus, starts it in front of three sample servers and makes a call through it.
#   deploy/quickstart.sh [--keep]
#   --keep   leaves everything running and says how to stop it
# On a bare Debian 12 this installs packages (as root or through sudo). It listens on 127.0.0.1
# only, writes to build/ and one temporary folder, and stops what it started.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

keep=no
case ${1:-} in
  "") ;;
  --keep) keep=yes ;;
  *) sed -n '2,6s/^# \{0,1\}//p' "$0"; [[ $1 == --help ]] && exit 0 || exit 2 ;;
esac

bold= dim= plain=
if [[ -t 1 ]]; then
  bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi
step() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/nexus-quickstart.XXXXXX")
bin=$PWD/build/release
pids=()

give_up() {
  printf '\nThe quickstart failed: %s\n' "$*" >&2
  for log in "$folder"/*.log; do
    [[ -s $log ]] && printf -- '--- %s\n' "${log##*/}" >&2 && tail -n 15 "$log" >&2
  done
  exit 1
}

# Stops what this script started, by process id, and waits for it: the gateway, then its servers.
stop() {
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  for pid in "${pids[@]}"; do
    for ((i = 0; i < 150; i++)); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  pids=()
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# start NAME PROGRAM ARGUMENTS...: in the background and in a session of its own, so that neither a
# closed terminal nor Ctrl-C reaches it; output goes to NAME.log.
start() {
  local name=$1
  shift
  setsid "$@" >"$folder/$name.log" 2>&1 </dev/null &
  pids=("$!" "${pids[@]}")
}

# wait_for SECONDS COMMAND...: until the command succeeds
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [[ $SECONDS -lt $end ]] || return 1
    sleep 0.1
  done
}

# The address that a sample says it listens on.
address_of() {
  sed -n 's/^listening on \(http.*\)$/\1/p' "$folder/$1.log"
}
has_address() { [[ -n $(address_of "$1") ]]; }

# The first port from 3000 on that nobody answers on.
free_port() {
  local port
  for port in {3000..3099}; do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
  done
  return 1
}

step "Packages"
deploy/install_dependencies.sh --quickstart
echo "everything is installed"

step "Building (a few minutes the first time)"
jobs=$(($(awk '/^MemAvailable/ {print $2}' /proc/meminfo) / 1500000)) # 1.5 GB for each compiler
[[ $jobs -le $(nproc) ]] || jobs=$(nproc)
[[ $jobs -ge 1 ]] || jobs=1
cmake --preset release >"$folder/configure.log" 2>&1 || give_up "CMake could not configure"
cmake --build --preset release --parallel "$jobs" \
  --target nexus nexus-sample-clock nexus-sample-units nexus-sample-memory ||
  give_up "the build failed"

step "Starting three sample servers and the gateway"
start units "$bin/nexus-sample-units"
start memory "$bin/nexus-sample-memory"
wait_for 10 has_address units || give_up "the sample server 'units' did not start"
wait_for 10 has_address memory || give_up "the sample server 'memory' did not start"
cat >"$folder/nexus.json" <<END
{
  // A child process that speaks over stdin and stdout; the gateway starts it.
  "mcpServers": {
    "clock": {"command": "$bin/nexus-sample-clock"},
    // Streamable HTTP with sessions, revision 2025-11-25
    "units": {"type": "http", "url": "$(address_of units)"},
    // Streamable HTTP without sessions, revision 2026-07-28
    "memory": {"type": "http", "url": "$(address_of memory)"}
  }
}
END
cat "$folder/nexus.json"
port=$(free_port) || give_up "no port from 3000 to 3099 is free"
gateway=http://127.0.0.1:$port
start gateway "$bin/nexus" serve -c "$folder/nexus.json" --listen "127.0.0.1:$port"
gateway_pid=${pids[0]}
gateway_is_ready() {
  kill -0 "$gateway_pid" 2>/dev/null || give_up "the gateway has stopped"
  curl -fs --max-time 5 -o "$folder/readyz" "$gateway/readyz"
}
wait_for 15 gateway_is_ready || give_up "the gateway is not ready"
echo "the gateway serves $gateway/mcp"

step "The tools of all servers, at one address"
# Shows a command as one would type it, and runs it.
run() {
  local shown= argument
  for argument in "$@"; do
    [[ $argument == *[\{\ ]* ]] && argument="'$argument'"
    shown+=" $argument"
  done
  printf '%s$%s%s\n' "$dim" "$shown" "$plain"
  "$@"
}
tools_are_there() {
  "$bin/nexus" tools --url "$gateway" >"$folder/tools" 2>"$folder/tools.log" || return 1
  for tool in clock__current_time units__convert_unit memory__set_value; do
    grep -q "$tool" "$folder/tools" || return 1
  done
}
wait_for 15 tools_are_there || give_up "the gateway does not list the samples' tools"
run build/release/nexus tools --url "$gateway"

step "A call through the gateway: 26.2 miles in kilometres"
request='{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"units__convert_unit",
  "arguments":{"value":26.2,"from":"mi","to":"km"},
  "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
           "io.modelcontextprotocol/clientCapabilities":{}}}}'
cat <<END
$dim\$ curl -s $gateway/mcp \\
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \\
  -H 'MCP-Protocol-Version: 2026-07-28' \\
  -H 'Mcp-Method: tools/call' -H 'Mcp-Name: units__convert_unit' \\
  -d '$request'$plain
END
answer=$(curl -sS --max-time 20 "$gateway/mcp" \
  -H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream' \
  -H 'MCP-Protocol-Version: 2026-07-28' \
  -H 'Mcp-Method: tools/call' -H 'Mcp-Name: units__convert_unit' \
  -d "$request") || give_up "curl got no answer"
printf '%s\n' "$answer"
[[ $answer == *'"value":42.1648'* ]] || give_up "this is not the answer of the sample server"

step "The same from the command line, to the other two servers"
run build/release/nexus call --url "$gateway" clock current_time '{"timezone":"Europe/Paris"}' ||
  give_up "the call to 'clock' failed"
run build/release/nexus call --url "$gateway" memory set_value '{"key":"city","value":"Paris"}' ||
  give_up "the call to 'memory' failed"

step "It works. What next?"
cat <<END
  Your own servers   put the mcpServers of your client's configuration into nexus.json:
                       build/release/nexus import ~/.cursor/mcp.json > nexus.json
                       build/release/nexus check -c nexus.json
                       build/release/nexus serve
  Your client        give it the address http://127.0.0.1:3000/mcp, or the command
                       $bin/nexus stdio -c nexus.json
  To read            README.md, docs/configuration.md, docs/ARCHITECTURE.md
END
if [[ $keep == yes ]]; then
  trap - EXIT
  cat <<END

  Still running: $gateway/mcp, configured by $folder/nexus.json
  To stop it:    kill ${pids[*]} && rm -r $folder
END
fi
