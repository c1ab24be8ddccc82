#!/bin/bash
# SPDX-License-Identifier: MIT
# header.sh - each public header compiles alone, and its functions can be called, as C11, C17 and
# C++17, without a warning, with every compiler that is here.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# $(make ... print-public-headers) keeps the list in one place.
headers=$(env -u MAKEFLAGS -u MFLAGS "${MAKE:-make}" -s -C "$root" print-public-headers)
[ -n "$headers" ] || { echo "no public headers"; exit 1; }

try() { # COMPILER LANGUAGE STANDARD HEADER
	command -v "$1" >/dev/null 2>&1 || return 0
	if ! "$1" -x "$2" -std="$3" -Wall -Wextra -Wpedantic -Werror -fsyntax-only "$work/use" -I"$root"; then
		printf '%s does not compile alone: %s as %s\n' "$4" "$1" "$3"
		bad=1
	fi
}

for header in $headers; do
	# Twice: the guard works. Then something, since ISO C wants a declaration in each file.
	printf '#include "%s"\n#include "%s"\nint main(void) { return 0; }\n' "$header" "$header" >"$work/use"
	for compiler in gcc clang; do
		for standard in c11 c17; do try "$compiler" c "$standard" "$header"; done
	done
	for compiler in g++ clang++; do try "$compiler" c++ c++17 "$header"; done
done
exit "$bad"
