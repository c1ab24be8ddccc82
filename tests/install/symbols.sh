#!/bin/bash
# SPDX-License-Identifier: MIT
# symbols.sh BUILD_DIR - libioe.so exports exactly the functions that the public headers declare,
# under its soname; libioe.a defines no global name outside ioe_*.
set -u
dir=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
fail() {
	printf '%s\n' "$1"
	bad=1
}

# gcc itself lists what a header declares: lines of "/* FILE:LINE:NC */ extern int name (...);".
for header in $(env -u MAKEFLAGS -u MFLAGS "${MAKE:-make}" -s -C "$root" print-public-headers); do
	(cd "$root" && gcc -fsyntax-only -x c -aux-info "$work/info" "$header") || exit 1
	sed -n "s,^/\* $header:[0-9]*:[A-Z]* \*/ extern .*[ *]\(ioe_[a-z0-9_]*\) (.*,\1,p" "$work/info"
done | sort -u >"$work/declared"
[ -s "$work/declared" ] || fail "no function found in the public headers"

nm -D --defined-only "$dir/libioe.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u \
	>"$work/exported"
diff "$work/declared" "$work/exported" >"$work/diff" ||
	fail "declared (<) and exported (>) differ:
$(cat "$work/diff")"

# The version node of the map carries the soname's number.
soname=$(readelf -d "$dir/libioe.so" | sed -n 's/.*Library soname: \[\(.*\)\].*/\1/p')
[ "$(readlink "$dir/libioe.so")" = "$soname" ] || fail "libioe.so is no link to its soname $soname"
nm -D --defined-only "$dir/libioe.so" | grep -q " A IOE_${soname##*.}\$" ||
	fail "soname is $soname, but there is no symbol version IOE_${soname##*.}"

nm -g --defined-only "$dir/libioe.a" | awk 'NF == 3 { print $3 }' | grep -v '^ioe_' >"$work/foreign" &&
	fail "libioe.a defines names of others: $(tr '\n' ' ' <"$work/foreign")"
exit "$bad"
