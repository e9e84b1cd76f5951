#!/usr/bin/env bash
# Measures every promise of Nexus on this machine, from a fresh checkout on: installs what is
# missing, builds, measures beside nginx and HAProxy, and prints a table with pass or fail.
#   bench/e2e/run.sh                      everything (about 40 minutes)
#   bench/e2e/run.sh --quick              a few minutes: shorter, and smaller where it says so
#   bench/e2e/run.sh --only P1,P3         these promises (P1 to P9); "" for none
#   bench/e2e/run.sh --rounds 9           rounds of each measurement (5)
#   bench/e2e/run.sh --peers              and Envoy, ToolHive and FastMCP, into build/peers
#   bench/e2e/run.sh --scale              and cost per call against what there is more of, as plots
#   bench/e2e/run.sh --nexus PROGRAM      judges this program instead of the one that is built
#   bench/e2e/run.sh --build DIR          measures with the programs there: installs, builds nothing
#   bench/e2e/run.sh --out DIR            where result.json and report.md go (build/benchmarks/TIME)
# Other options are those of run.py. Exit status: 0 nothing failed, 1 a promise is broken,
# 2 something could not be measured.
set -euo pipefail
cd "$(dirname "$0")/../.."

build=build/release
out=build/benchmarks/$(date -u +%Y-%m-%dT%H-%M-%SZ)
prepare=yes
arguments=()
while [[ $# -gt 0 ]]; do
  case $1 in
    --help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' bench/e2e/run.sh; exit 0 ;;
    --build) build=${2:?--build needs a folder}; prepare=no; shift 2 ;;
    --out) out=${2:?--out needs a folder}; shift 2 ;;
    *) arguments+=("$1"); shift ;;
  esac
done

if [[ $prepare == yes ]]; then
  deploy/install_dependencies.sh --bench || exit 2
  { cmake --preset release >/dev/null && cmake --build --preset release --target nexus \
    nexus-bench nexus_e2e_echo nexus_e2e_relay nexus_bench_search; } >&2 || exit 2
fi
python3 -B bench/e2e/run.py --build "$build" --out "$out" "${arguments[@]}" && status=0 || status=$?
[[ ! -f $out/report.md ]] || echo "Report: $out/report.md"
exit "$status"
