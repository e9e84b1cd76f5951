#!/usr/bin/env bash
# caf_for_tsan.sh FOLDER
# Builds CAF's core library with ThreadSanitizer into FOLDER. Debian's is built without: what orders
# a message's writer before its reader is invisible then, and every message is reported as a race.
# The source is the archive beside Debian's package; CAF_SOURCE names a git repository instead.
set -euo pipefail

folder=$(realpath -m "${1:?usage: caf_for_tsan.sh FOLDER}")
version=0.17.6
library=$folder/libcaf_core.so.$version
[[ ! -e $library ]] || exit 0

rm -rf "$folder/objects" "$folder/source"
mkdir -p "$folder/objects"
if [[ -n ${CAF_SOURCE:-} ]]; then
  git -c advice.detachedHead=false clone -q --depth 1 --branch "$version" "$CAF_SOURCE" \
    "$folder/source"
else
  package=$(apt-get download --print-uris libcaf-dev | sed "s/^'\([^']*\)'.*/\1/")
  mkdir -p "$folder/source"
  curl -fsSL --retry 3 "${package%/*}/actor-framework_$version.orig.tar.gz" |
    tar -xz -C "$folder/source" --strip-components 1
fi
# The settings are those of the installed headers.
cp /usr/include/caf/detail/build_config.hpp "$folder/source/libcaf_core/caf/detail/"
cd "$folder/source/libcaf_core"
find src -name '*.cpp' | xargs -P "$(nproc)" -I '{}' sh -c \
  'g++ -std=c++17 -O1 -g1 -fPIC -fsanitize=thread -w -I. -c "{}" \
     -o "$0/$(echo "{}" | tr / _).o"' "$folder/objects"
g++ -shared -fsanitize=thread "-Wl,-soname,${library##*/}" -o "$library" "$folder"/objects/*.o
rm -rf "$folder/objects" "$folder/source"
