#!/usr/bin/env bash
# Makes src/search/background_terms.inc from the catalogue CORPUS/tools.jsonl:
#   bench/retrieval/make_background.sh CORPUS BUILD_FOLDER
# The table is made with the program's own analyzer, hence the build folder; a changed table changes
# how grams are weighed and not which words there are, so one run is enough.
set -euo pipefail
[[ $# -eq 2 ]] || { sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
table=$(mktemp)
trap 'rm -f "$table"' EXIT
cmake --build "$2" --target nexus_search_background
"$2/nexus_search_background" "$1/tools.jsonl" >"$table"
bytes=$(wc -c <"$table")
[[ $bytes -lt 200000 ]] || { echo "the table has $bytes bytes; 200,000 are the limit" >&2; exit 1; }
cp "$table" "$root/src/search/background_terms.inc"
echo "src/search/background_terms.inc: $bytes bytes"
