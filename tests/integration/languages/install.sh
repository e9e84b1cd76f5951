#!/usr/bin/env bash
# install.sh BUILD_DIR
# Builds or installs servers on the official Python, Go and Rust SDKs into BUILD_DIR/languages.
# A language that this machine cannot build gets a file BUILD_DIR/languages/NAME.skipped with the
# reason; the tests print it. Later runs find the work done.
set -euo pipefail

build_dir=$(realpath -m "${1:?usage: install.sh BUILD_DIR}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$build_dir/languages
mkdir -p "$out"

"$here/../toolchain.sh" "$build_dir"

# run NAME WHAT COMMAND...: once per WHAT; a failure leaves its last lines as the reason to skip.
run() {
  local name=$1 what=$2
  shift 2
  if [[ -f $out/$name.installed && $(<"$out/$name.installed") == "$what" ]]; then
    return
  fi
  rm -f "$out/$name.installed" "$out/$name.skipped"
  if "$@" > "$out/$name.log" 2>&1; then
    echo "$what" > "$out/$name.installed"
  else
    { echo "$name: the build of $what failed:"; tail -n 8 "$out/$name.log"; } > "$out/$name.skipped"
  fi
}

install_python() {
  python3 -m venv "$out/python" &&
    "$out/python/bin/pip" install --quiet --only-binary :all: -r "$here/requirements.txt"
}

install_go() {
  GOBIN=$out/go GOFLAGS=-mod=mod GOTOOLCHAIN=local PATH=$build_dir/bin:$PATH \
    go install github.com/modelcontextprotocol/go-sdk/examples/server/everything@v1.8.0
}

install_rust() {
  command -v cargo || { echo "there is no cargo; Debian 12: apt-get install cargo-web"; return 1; }
  cargo --version
  cargo build --locked --manifest-path "$here/rust/Cargo.toml" --target-dir "$out/rust-target" &&
    install -D "$out/rust-target/debug/nexus-test-rust-server" "$out/rust/nexus-test-rust-server" &&
    rm -rf "$out/rust-target" # hundreds of megabytes that nothing needs any more
}

run python "$(sha256sum < "$here/requirements.txt")" install_python
run go "go-sdk v1.8.0" install_go
run rust "$(sha256sum < "$here/rust/Cargo.lock")" install_rust
