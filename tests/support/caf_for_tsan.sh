#!/usr/bin/env bash
# caf_for_tsan.sh FOLDER
# Builds CAF's core library with ThreadSanitizer into FOLDER. Debian's is built without: what orders
# a message's writer before its reader is invisible then, and every message is reported as a race.
# CAF_SOURCE names a clone, or another address of one, of the release whose headers are installed.
set -euo pipefail

folder=$(realpath -m "${1:?usage: caf_for_tsan.sh FOLDER}")
source=${CAF_SOURCE:-https://github.com/actor-framework/actor-framework.git}
version=0.17.6
library=$folder/libcaf_core.so.$version
[[ ! -e $library ]] || exit 0

mkdir -p "$folder/objects"
[[ -d $folder/source ]] ||
  git -c advice.detachedHead=false clone -q --depth 1 --branch "$version" "$source" "$folder/source"
# The settings are those of the installed headers.
cp /usr/include/caf/detail/build_config.hpp "$folder/source/libcaf_core/caf/detail/"
cd "$folder/source/libcaf_core"
find src -name '*.cpp' | xargs -P "$(nproc)" -I '{}' sh -c \
  'g++ -std=c++17 -O1 -g1 -fPIC -fsanitize=thread -w -I. -c "{}" \
     -o "$0/$(echo "{}" | tr / _).o"' "$folder/objects"
g++ -shared -fsanitize=thread "-Wl,-soname,${library##*/}" -o "$library" "$folder"/objects/*.o
rm -rf "$folder/objects" "$folder/source"
