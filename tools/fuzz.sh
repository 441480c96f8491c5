#!/usr/bin/env bash
# Runs every fuzz target of the module, one after another, for a time each.
# The targets are found by name, since `go test -list` would link each package.
set -euo pipefail

fuzztime=${1:-5s}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' pkg cmd | sort | while IFS=: read -r file func; do
	target=${func#func }
	echo "fuzz $target in $(dirname "$file")"
	"${GO:-go}" test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "./$(dirname "$file")" </dev/null
done
