# Sourced before `go test`: tells the tests where what they drive is. A test
# whose variable is not set fails and names `make test`. Paths are absolute,
# because go test runs each package in its own directory.
#
#   . tools/env.sh && go test ./pkg/srcprom -run TestServer

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

export SRCPROM_TEST_BINARY=$root/bin/srcprom
export SRCPROM_TEST_LEAN_BINARY=$root/bin/srcprom-lean
export SRCPROM_TEST_PROMTOOL=$root/.tools/bin/promtool
export SRCPROM_TEST_AMTOOL=$root/.tools/bin/amtool

debian=$root/.tools/debian/usr/bin
if [[ -x $debian/promtool ]]; then
	export SRCPROM_TEST_DEBIAN=present
	export SRCPROM_TEST_DEBIAN_PROMTOOL=$debian/promtool
	export SRCPROM_TEST_DEBIAN_AMTOOL=$debian/amtool
	export SRCPROM_TEST_DEBIAN_PROMETHEUS=$debian/prometheus
	export SRCPROM_TEST_DEBIAN_ALERTMANAGER=$debian/prometheus-alertmanager
	export SRCPROM_TEST_NODE_EXPORTER=$debian/prometheus-node-exporter
else
	export SRCPROM_TEST_DEBIAN=absent
fi
