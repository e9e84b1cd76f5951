#!/usr/bin/env bash
# Installs what Nexus is built from: Debian 12's own packages, nothing else.
#   deploy/install_dependencies.sh               what the build and the quickstart need
#   deploy/install_dependencies.sh --tests       and what the test suite needs
#   deploy/install_dependencies.sh --fuzz        and what the fuzz targets need
#   deploy/install_dependencies.sh --bench       and what the benchmarks need
#   deploy/install_dependencies.sh --list ...    only prints the packages that are missing
# Works as root or through sudo, asks nothing, and does nothing when everything is there.
set -euo pipefail

build_packages=(
  # tools
  g++ cmake ninja-build pkg-config ccache mold
  # libraries of the gateway
  libcaf-dev liburing-dev libsimdjson-dev libboost-dev libssl-dev libfmt-dev libspdlog-dev
  libjsoncpp-dev libtomlplusplus-dev prometheus-cpp-dev libmimalloc-dev libcli11-dev
  libwslay-dev libstemmer-dev libre2-dev libsqlite3-dev
  # the sample servers, and the client of the quickstart
  nlohmann-json3-dev tzdata curl ca-certificates
  # configuring the tests looks for it
  python3
)
test_packages=(catch2 clang-format-14 openssl procps python3-venv git valgrind)
bench_packages=(libbenchmark-dev nginx-light haproxy wrk nghttp2-client git)
fuzz_packages=(clang-16 libclang-rt-16-dev)
# The Rust servers of the tests need a newer compiler than Debian's cargo; any that is there
# will do.
command -v cargo >/dev/null || test_packages+=(cargo-web)

packages=("${build_packages[@]}")
list_only=no
for argument in "$@"; do
  case $argument in
    --quickstart) ;;
    --tests) packages+=("${test_packages[@]}") ;;
    --fuzz) packages+=("${fuzz_packages[@]}") ;;
    --bench) packages+=("${bench_packages[@]}") ;;
    --list) list_only=yes ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0"; [[ $argument == --help ]] && exit 0 || exit 2 ;;
  esac
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "This is no Debian: install the equivalents of ${packages[*]} by hand." >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $state == *installed* && $state != *not-installed* ]] || missing+=("$package")
done
if [[ $list_only == yes ]]; then
  [[ ${#missing[@]} -eq 0 ]] || printf '%s\n' "${missing[@]}"
  exit 0
fi
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $EUID -ne 0 ]]; then
  as_root=(sudo)
  [[ -t 0 ]] || as_root=(sudo -n)
  if ! command -v sudo >/dev/null || ! "${as_root[@]}" true; then
    echo "Packages are missing. As root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y
  -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)

echo "Installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"${as_root[@]}" "${apt[@]}" update >"$log" 2>&1 || {
  tail -n 5 "$log" >&2
  echo "The package lists could not be brought up to date; trying with those of before." >&2
}
"${as_root[@]}" "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null \
  >"$log" 2>&1 || {
  tail -n 20 "$log" >&2
  echo "The packages could not be installed." >&2
  exit 1
}
