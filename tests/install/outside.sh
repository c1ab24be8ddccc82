#!/bin/bash
# SPDX-License-Identifier: MIT
# outside.sh - the README's example, as a program outside the tree, built through pkg-config
# against an install into a fresh prefix, shared and static, reads a file; and `make uninstall` leaves no file behind.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read -ra compiler <<<"${CC:-gcc}"

# Settings on the command line of the outer make (CC=clang) reach this one through MAKEFLAGS; its
# job server does not.
MAKEFLAGS=$(sed -E 's/(^| )-j[0-9]*//; s/--jobserver-[a-z]*=[^ ]*//' <<<"${MAKEFLAGS:-}")
export MAKEFLAGS
in_tree() {
	"${MAKE:-make}" --no-print-directory -s -C "$root" "$@"
}
files_in() {
	(cd "$1" && find . ! -type d | sort)
}

# The example of the README, as it stands there.
# shellcheck disable=SC2016 # backticks, not commands
sed -n '/^```c$/,/^```$/{/^```/!p}' "$root/README.md" >"$work/reader.c"
head -c 50000 /dev/urandom >"$work/data"

in_tree install "PREFIX=$work/prefix"
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig"
cd "$work"
read -ra shared < <(pkg-config --cflags --libs ioe)
read -ra static < <(pkg-config --static --cflags --libs ioe)
"${compiler[@]}" -Wall -Wextra -Werror reader.c -o reader "${shared[@]}"
"${compiler[@]}" -Wall -Wextra -Werror -static reader.c -o reader_static "${static[@]}"
# All static but the C library, with the shared library out of the way.
mv "$work/prefix/lib/libioe.so" "$work/kept"
"${compiler[@]}" reader.c -o reader_archive "${static[@]}"
mv "$work/kept" "$work/prefix/lib/libioe.so"

# What one version of gcc leaves for link-time optimisation another refuses.
if readelf -SW "$work/prefix/lib/libioe.a" | grep -q 'gnu\.lto'; then
	echo "libioe.a has sections for link-time optimisation"
	exit 1
fi

LD_LIBRARY_PATH="$work/prefix/lib" ./reader data | cmp - data
readelf -d reader | grep -q 'NEEDED.*\[libioe\.so\.[0-9]*\]'
./reader_static data | cmp - data
./reader_archive data | cmp - data
if readelf -d reader_archive | grep -q 'NEEDED.*libioe'; then
	echo "reader_archive still needs the shared library"
	exit 1
fi
[ "$(pkg-config --modversion ioe)" = "$(in_tree print-version)" ]
if [ -x "$work/prefix/bin/ioe" ]; then
	"$work/prefix/bin/ioe" --help >/dev/null
fi

# DESTDIR is put before everything, and appears in no file.
in_tree install "PREFIX=/opt/ioe" "DESTDIR=$work/stage"
(cd stage/opt/ioe && find . ! -type d | sort) | diff - <(files_in prefix)
if grep -rqIF "$work" stage; then
	echo "an installed file names DESTDIR"
	exit 1
fi

in_tree uninstall "PREFIX=$work/prefix"
in_tree uninstall "PREFIX=/opt/ioe" "DESTDIR=$work/stage"
left=$(files_in prefix; files_in stage)
if [ -n "$left" ]; then
	printf 'left behind by make uninstall:\n%s\n' "$left"
	exit 1
fi
