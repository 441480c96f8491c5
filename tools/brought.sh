#!/usr/bin/env bash
# Says what the tests will run with: one line per program, with its version.
# Wants the variables of env.sh.
set -euo pipefail

line() { # NAME FROM VERSION
	printf '  %-26s %-28s %s\n' "$1" "$2" "$3"
}

# program prints a line for the program at a path ($3), which knows its version.
program() { # NAME FROM PATH
	line "$1" "$2" "$("$3" --version 2>&1 | sed -nE '1s/.*version:? ([^ ]+).*/\1/p')"
}

echo '== brought'
line go "$(command -v go)" "$(go env GOVERSION)"
line gcc "$(command -v gcc)" "$(gcc -dumpversion)"
line srcprom 'this checkout' "$(stat -c '%s bytes' "$SRCPROM_TEST_BINARY")"
line srcprom-lean 'this checkout' "$(stat -c '%s bytes' "$SRCPROM_TEST_LEAN_BINARY")"
program promtool "the engine's module" "$SRCPROM_TEST_PROMTOOL"
program amtool "the engine's module" "$SRCPROM_TEST_AMTOOL"
if [[ $SRCPROM_TEST_DEBIAN == present ]]; then
	program promtool Debian "$SRCPROM_TEST_DEBIAN_PROMTOOL"
	program amtool Debian "$SRCPROM_TEST_DEBIAN_AMTOOL"
	program prometheus Debian "$SRCPROM_TEST_DEBIAN_PROMETHEUS"
	program prometheus-alertmanager Debian "$SRCPROM_TEST_DEBIAN_ALERTMANAGER"
	program prometheus-node-exporter Debian "$SRCPROM_TEST_NODE_EXPORTER"
else
	line "Debian's programs" absent 'their tests are skipped'
fi
