#!/usr/bin/env bash
# install.sh BUILD_DIR
# Installs the real MCP servers and clients of package-lock.json into BUILD_DIR/npm, without running
# any of their install scripts. Later runs find it done.
set -euo pipefail

build_dir=$(realpath -m "${1:?usage: install.sh BUILD_DIR}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

"$here/../toolchain.sh" "$build_dir"
export PATH=$build_dir/bin:$PATH

mkdir -p "$build_dir/npm"
if ! cmp -s "$here/package-lock.json" "$build_dir/npm/.installed"; then
  rm -f "$build_dir/npm/.installed"
  cp "$here/package.json" "$here/package-lock.json" "$build_dir/npm/"
  npm ci --prefix "$build_dir/npm" --ignore-scripts --no-audit --no-fund --loglevel=error
  cp "$here/package-lock.json" "$build_dir/npm/.installed"
fi
