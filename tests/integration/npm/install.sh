#!/usr/bin/env bash
# install.sh BUILD_DIR
# Installs the real MCP servers and clients of package-lock.json into BUILD_DIR/npm, and what has to
# stand alone beside it, without running any of their install scripts. Later runs find it done.
set -euo pipefail

build_dir=$(realpath -m "${1:?usage: install.sh BUILD_DIR}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

"$here/../toolchain.sh" "$build_dir"
export PATH=$build_dir/bin:$PATH

# install_from FOLDER INTO
install_from() {
  mkdir -p "$2"
  cmp -s "$1/package-lock.json" "$2/.installed" && return
  rm -f "$2/.installed"
  cp "$1/package.json" "$1/package-lock.json" "$2/"
  npm ci --prefix "$2" --ignore-scripts --no-audit --no-fund --loglevel=error
  cp "$1/package-lock.json" "$2/.installed"
}

install_from "$here" "$build_dir/npm"
install_from "$here/gitlab" "$build_dir/npm-gitlab"
