#!/bin/bash
# SPDX-License-Identifier: MIT
# fresh.sh [GOAL...] - prove that a Debian 12 with nothing installed needs two commands: for each GOAL
# (bench and check) a new minimal system is unpacked, given a clean copy of this tree, and does
# nothing but `apt-get install make` and `make GOAL`. Root only; called by `make fresh`.
#   IOE_FRESH_TREE=HEAD      what is copied: a commit, or "work" for the files as they lie here
#   IOE_FRESH_KEEP=1         do not remove the systems afterwards
# The mirror, its settings and keys are those of this machine's own apt. The minimal system is made
# once by debootstrap and kept as an archive in build/fresh; remove that to have a new one made.
# The systems lie in build/fresh too, so that they are on the disk this tree is on.
#
# Mounts are made in a mount namespace of their own and processes live in a process namespace of
# their own: both are gone with the shell that made them, however it ends.
set -eu
cd "$(dirname "$0")/../.."
suite=bookworm
tree=${IOE_FRESH_TREE:-HEAD}
dir=$PWD/build/fresh
base=$dir/$suite.tar
systems=()
child=

if [ "$(id -u)" != 0 ]; then
	echo "fresh: only root can make a system (debootstrap, chroot); run: sudo make fresh" >&2
	exit 1
fi

# shellcheck disable=SC2317 # called by the trap
clean_up() {
	# unshare holds SIGTERM off; its death ends everything in its namespaces.
	[ -z "$child" ] || kill -KILL "$child" 2>/dev/null || true
	wait
	[ -z "${IOE_FRESH_KEEP:-}" ] || return 0
	for system in "${systems[@]}"; do
		rm -rf --one-file-system "$system"
	done
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

# ---- The machine's own apt ----

# Entries of this machine's sources that are of our suite, in both formats apt knows.
write_sources() { # DIRECTORY, as /etc/apt
	local file to
	mkdir -p "$1/sources.list.d"
	: >"$1/sources.list"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -f "$file" ] || continue
		grep -E "^deb .* $suite(-[a-z-]+)? " "$file" >>"$1/sources.list" || true
	done
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -f "$file" ] || continue
		to=$1/sources.list.d/${file##*/}
		awk -v RS= -v ORS='\n\n' -v suite="$suite" \
			'$0 ~ "(^|\n)Suites:[^\n]* " suite "([- \n]|$)"' "$file" >"$to"
		[ -s "$to" ] || rm "$to"
	done
}

# URL of the main archive: of the first entry for the suite itself, not for its updates.
find_mirror() { # DIRECTORY, as /etc/apt
	{
		sed -nE "s/^deb +(\[[^]]*\] +)?([^ ]+) +$suite .*/\2/p" "$1/sources.list"
		cat "$1"/sources.list.d/*.sources 2>/dev/null |
			awk -v RS= -v suite="$suite" '$0 ~ "(^|\n)Suites:[^\n]* " suite "([ \n]|$)"' |
			sed -nE 's/^URIs: *([^ ]*).*/\1/p'
	} | head -n 1
}

# Settings of apt (proxies, dates) and keys go along; hooks that want other programs do not.
write_settings() { # DIRECTORY, as /etc/apt
	local key
	mkdir -p "$1/apt.conf.d"
	cat /etc/apt/apt.conf /etc/apt/apt.conf.d/* 2>/dev/null |
		grep -E '^Acquire::[A-Za-z:-]+ +"[^"]*";' >"$1/apt.conf.d/90machine" || true
	cat "$1/sources.list" "$1"/sources.list.d/* 2>/dev/null |
		sed -nE 's/.*[Ss]igned-[Bb]y[:=] *(\/[^] ]*).*/\1/p' | sort -u |
		while read -r key; do
			install -D -m 644 "$key" "${1%/etc/apt}$key"
		done
}

make_base() {
	local system=$dir/base etc=$dir/base.etc mirror extra=
	systems+=("$system" "$etc")
	rm -rf --one-file-system "$system" "$etc"
	write_sources "$etc"
	mirror=$(find_mirror "$etc")
	[ -n "$mirror" ] || { echo "fresh: no entry for $suite in this machine's apt sources" >&2; exit 1; }
	case $mirror in https:*) extra=--include=ca-certificates ;; esac
	echo "fresh: making the minimal system"
	# shellcheck disable=SC2086 # extra is nothing or one word
	debootstrap --variant=minbase $extra "$suite" "$system" "$mirror" >"$dir/debootstrap.log" 2>&1 || {
		tail -n 20 "$dir/debootstrap.log" >&2
		exit 1
	}
	write_sources "$system/etc/apt"
	write_settings "$system/etc/apt"
	rm -rf "$system"/var/cache/apt/archives/*.deb "$system"/var/lib/apt/lists/*
	tar -C "$system" --numeric-owner --one-file-system -cf "$base.new" .
	mv "$base.new" "$base"
	rm -rf --one-file-system "$system" "$etc"
}

# ---- One system, one goal ----

# Runs in namespaces of its own; $1 is the system, $2 the goal.
# shellcheck disable=SC2016 # expanded by the shell inside
inside='
	set -eu
	mount --make-rprivate /
	mount --bind "$1" "$1"
	mount -t proc proc "$1/proc"
	mount --rbind /sys "$1/sys"
	mount --rbind /dev "$1/dev"
	exec chroot "$1" /usr/bin/env -i HOME=/root TERM=dumb LANG=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -ec "
		cd /root/ioe
		apt-get -qq update
		DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends make \
			>/var/log/make-install.log 2>&1
		echo \"fresh: \$(dpkg-query -f x -W | wc -c) packages installed; now: make $2\"
		make $2"
'

run_goal() { # GOAL
	local goal=$1 system=$dir/system-$1 status=0 started=$SECONDS
	systems+=("$system")
	rm -rf --one-file-system "$system"
	mkdir -p "$system"
	tar -C "$system" --numeric-owner -xf "$base"
	mkdir -p "$system/root/ioe"
	if [ "$tree" = work ]; then
		git ls-files -z -co --exclude-standard | tar --null -T - --ignore-failed-read -cf -
	else
		git archive "$tree"
	fi | tar -C "$system/root/ioe" --no-same-owner -xf -
	cp -L /etc/resolv.conf /etc/hosts "$system/etc/" 2>/dev/null || true
	echo "fresh: ---- make $goal on a new system ----"
	unshare --mount --pid --fork --kill-child sh -c "$inside" sh "$system" "$goal" \
		>"$dir/$goal.log" 2>&1 </dev/null &
	child=$!
	tail -s 0.2 -n +1 -f --pid=$child "$dir/$goal.log" &
	shown=$!
	wait $child || status=$?
	child=
	wait $shown || true
	results+=("$(printf 'make %-6s %s in %d s' "$goal" \
		"$([ $status = 0 ] && echo passed || echo "FAILED (status $status)")" $((SECONDS - started)))")
	[ $status = 0 ] || failed=1
	[ -n "${IOE_FRESH_KEEP:-}" ] || rm -rf --one-file-system "$system"
}

mkdir -p "$dir"
failed=0
results=()
[ -f "$base" ] || make_base
[ $# -gt 0 ] || set -- bench check
for goal in "$@"; do
	run_goal "$goal"
done
printf 'fresh: %s\n' "${results[@]}"
exit $failed
