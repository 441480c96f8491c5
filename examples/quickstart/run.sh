#!/usr/bin/env bash
# Runs srcprom on this directory's configuration, with the demo program beside
# it. Ctrl-C stops both. `make run` builds both first.
set -euo pipefail

listen=127.0.0.1:9090 # as in prometheus.yml
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cat <<TEXT

  srcprom runs at http://$listen
    /                 what answers here
    /-/ready          whether it is ready
    /api/v1/targets   what it scrapes
    /metrics          its own metrics

  To see an alert arrive below within ten seconds, in another terminal:
    curl -d 35 http://127.0.0.1:9099/temperature
  and to see it resolved:
    curl -d 20 http://127.0.0.1:9099/temperature

  Its configuration is in examples/quickstart, its data in data/. Ctrl-C stops it.

TEXT

bin/demo &
demo=$!
bin/srcprom-lean \
	--config.file=examples/quickstart/prometheus.yml \
	--alertmanager.config.file=examples/quickstart/alertmanager.yml \
	--storage.tsdb.path=data \
	--web.listen-address="$listen" &
server=$!

# Whichever ends first ends the other. Ctrl-C reaches srcprom without us, and a
# second signal would cut its stop short; the demo program takes none.
interrupted=
trap 'interrupted=yes' INT
trap : TERM HUP
trap 'kill "$demo" 2>/dev/null || true' EXIT
wait -n "$demo" "$server" || true
[[ $interrupted ]] || kill "$server" 2>/dev/null || true
wait "$server"
