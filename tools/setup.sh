#!/bin/sh
# SPDX-License-Identifier: MIT
# setup.sh - see that the Debian packages named as arguments are installed; called by the Makefile.
# What is missing is installed with apt by root or through sudo; anybody else is told the command.
# Exit status: 0 all there (or not a Debian system: the compiler will tell), 1 not.
set -u

missing_of() {
	for package in "$@"; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)
		[ "$state" = installed ] || printf ' %s' "$package"
	done
}

if ! command -v dpkg-query >/dev/null 2>&1; then
	echo "setup: no dpkg here; not checked: $*" >&2
	exit 0
fi

missing=$(missing_of "$@")
[ -n "$missing" ] || exit 0

# `make -j` may ask for two lists at one time, and apt can serve only one of them.
mkdir -p build/setup || exit 1
exec 9>build/setup/lock
flock 9
missing=$(missing_of "$@")
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null 2>&1; then
		as_root=none
	elif sudo -n true 2>/dev/null; then
		as_root="sudo -n"
	elif [ -t 0 ] && [ -t 2 ]; then
		as_root=sudo
	else
		as_root=none
	fi
fi
if [ "$as_root" = none ]; then
	echo "setup: packages are missing, and this is neither root nor can it use sudo. Run as root:" >&2
	echo "    apt-get update && apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi

log=build/setup/apt.log
echo "setup: installing$missing" >&2
# A machine that has just booted may still hold apt's lock: wait for it.
# shellcheck disable=SC2086 # as_root and missing are lists of words
if ! { $as_root apt-get -q -o DPkg::Lock::Timeout=120 update &&
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 \
		-o DPkg::Lock::Timeout=120 install --no-install-recommends $missing; } \
	>"$log" 2>&1 9>&-; then
	tail -n 30 "$log" >&2
	echo "setup: apt-get failed (the whole log: $log). What was tried:" >&2
	echo "    apt-get update && apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi
still=$(missing_of "$@")
if [ -n "$still" ]; then
	echo "setup: apt-get was content, but these are not installed:$still" >&2
	exit 1
fi
