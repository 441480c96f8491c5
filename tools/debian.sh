#!/usr/bin/env bash
# Brings what the tests take from Debian: a C compiler for the race detector,
# and Prometheus, Alertmanager and the node exporter as Debian ships them. The
# latter are unpacked into .tools/debian, not installed: no service starts and no
# user is made.
#
# Where this is no Debian, or the packages cannot be had without root, it says
# so and succeeds; the tests are then told that these programs are absent.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
packages=(prometheus prometheus-alertmanager prometheus-node-exporter)
into=$PWD/.tools/debian

root() { [[ $(id -u) == 0 ]]; }

# update fetches the package lists once, if a package is not known yet.
update() {
	apt-cache show --no-all-versions "$1" >/dev/null 2>&1 && return
	root && apt-get update -qq
}

compiler() {
	command -v gcc >/dev/null && return
	if ! root || ! command -v apt-get >/dev/null; then
		echo "the race detector needs a C compiler: install gcc" >&2
		exit 1
	fi
	update gcc
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev
}

unpack() {
	local debs
	debs=$(mktemp -d)
	trap 'rm -rf "$debs"' RETURN
	update "${packages[0]}" || return
	(cd "$debs" && apt-get download -qq -o APT::Sandbox::User=root "${packages[@]}") || return
	rm -rf "$into" "$into.new"
	for deb in "$debs"/*.deb; do
		dpkg-deb --extract "$deb" "$into.new" || return
	done
	mv "$into.new" "$into" # whole or not at all
}

# Debian's Alertmanager reads its own templates from an absolute path.
templates() {
	local path=/usr/share/prometheus/alertmanager
	if root && [[ ! -e $path/email.tmpl ]]; then
		install -D -m 644 -t "$path" "$into$path"/*.tmpl
	fi
}

compiler
if [[ -x $into/usr/bin/promtool ]]; then
	templates
	exit 0
fi
if ! command -v dpkg-deb >/dev/null; then
	echo "this is not Debian: its prometheus, alertmanager and node exporter are not brought"
	exit 0
fi
mkdir -p .tools
if unpack; then
	templates
	exit 0
fi
if root; then
	echo "bring ${packages[*]}: apt-get could not download them, see above" >&2
	exit 1
fi
echo "not root, and apt-get cannot download ${packages[*]}: they are not brought"
