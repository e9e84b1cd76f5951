#!/usr/bin/env bash
# Builds Nexus and runs its tests, from a bare Debian 12 on. The last lines are CTest's summary.
#   tests/run.sh [--preset release|dev|asan|tsan] [--reactor auto|io_uring|epoll] [--fast]
#                [--no-install] [-- arguments for ctest]
#   --preset     which build: release by default, asan and tsan with sanitizers
#   --reactor    what the gateway under test runs on
#   --fast       leaves out what takes minutes: real servers, the second reactor, header checks
#   --no-install takes the machine as it is
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '2,8s/^# \{0,1\}//p' "$0"; }

preset=release
reactor=auto
fast=no
install=yes
while [[ $# -gt 0 ]]; do
  case $1 in
    --preset) preset=${2:?a preset is missing} && shift 2 ;;
    --reactor) reactor=${2:?a reactor is missing} && shift 2 ;;
    --fast) fast=yes && shift ;;
    --no-install) install=no && shift ;;
    --help) usage && exit 0 ;;
    --) shift && break ;;
    *) echo "unknown argument: $1" >&2 && usage >&2 && exit 2 ;;
  esac
done

started=$SECONDS
step() { printf '\n== %s (after %d s)\n' "$*" $((SECONDS - started)); }

# One compiler per core, and 1.5 GB for each.
jobs=$(($(awk '/^MemAvailable/ {print $2}' /proc/meminfo) / 1500000))
[[ $jobs -le $(nproc) ]] || jobs=$(nproc)
[[ $jobs -ge 1 ]] || jobs=1

if [[ $install == yes ]]; then
  step "packages"
  deploy/install_dependencies.sh --tests
fi

step "configuring, preset $preset, reactor $reactor"
fleet=$PWD/build/fleet # one for all presets
mkdir -p "build/$preset"
cmake --preset "$preset" -DNEXUS_WERROR=ON -DNEXUS_TEST_REACTOR="$reactor" \
  -DNEXUS_FLEET_DIR="$fleet" >"build/$preset/configure.log" 2>&1 || {
  cat "build/$preset/configure.log"
  exit 1
}

step "building with $jobs jobs"
cmake --build --preset "$preset" --parallel "$jobs"

# Real servers and clients of other languages and the conformance suite, from their registries.
# Without them their tests report themselves as skipped.
if [[ $fast == no && $install == yes ]]; then
  for script in tests/integration/*/install.sh tests/conformance/install.sh; do
    step "$script"
    "$script" "$fleet" ||
      echo "WARNING: $script failed, so the tests that need it are skipped"
  done
fi

if [[ $preset == tsan ]]; then
  step "CAF with ThreadSanitizer"
  tests/support/caf_for_tsan.sh "$PWD/build/caf-tsan"
  export LD_LIBRARY_PATH=$PWD/build/caf-tsan
fi

step "testing"
selection=()
[[ $fast == no ]] ||
  selection=(-LE 'slow|conformance'
    -E '^integration\.(everything|fleet|gemini|languages)$|\.epoll$')
# A process under test whose output or exit code nobody looks at leaves its report here.
reports=build/$preset/reports
rm -rf "$reports" && mkdir -p "$reports"
code=0
ctest --preset "$preset" --parallel "$(nproc)" "${selection[@]}" "$@" || code=$?
if [[ -n $(ls "$reports") ]]; then
  step "reports of sanitizers, in $reports"
  head -n 60 "$reports"/*
  exit 1
fi
exit "$code"
