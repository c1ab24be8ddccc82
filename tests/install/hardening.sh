#!/bin/bash
# SPDX-License-Identifier: MIT
# hardening.sh BUILD_DIR - libioe.so and `ioe` are built as distributions want it: RELRO, all symbols
# bound at start, no executable stack, no text relocations, stack protector, FORTIFY, PIE, and on
# x86_64 what control-flow enforcement (CET) needs of us; CFLAGS of the user may turn optimisation
# off or fortify otherwise. A library built with none of that fails every check.
# IBT: the linker notes it if all objects have it, and those that the C library adds to each program
# (crti.o) have not, on Debian 12; so it is asked of our objects, and of the library where crti.o has it.
set -u
dir=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read -ra compiler <<<"${CC:-gcc}"
machine=$(uname -m)
bad=0
fail() {
	printf '%s\n' "$1"
	bad=1
}

missing() { # FILE: a word for each thing it lacks
	local headers dynamic undefined notes
	headers=$(readelf -lW "$1") dynamic=$(readelf -dW "$1") notes=$(readelf -nW "$1" 2>&1)
	undefined=$(nm -D --undefined-only "$1")
	grep -q 'GNU_RELRO' <<<"$headers" || echo relro
	grep -q 'FLAGS_1.*NOW' <<<"$dynamic" || echo now
	grep 'GNU_STACK' <<<"$headers" | grep -q ' RW ' || echo noexecstack
	! grep -q 'TEXTREL' <<<"$dynamic" || echo textrel
	grep -q '__stack_chk_fail' <<<"$undefined" || echo stack-protector
	grep -qE ' __[a-z]+_chk(@|$)' <<<"$undefined" || echo fortify
	if [ "$machine" = x86_64 ]; then
		grep -q 'x86 feature:.*SHSTK' <<<"$notes" || echo shstk
	fi
}

has_ibt() { # FILE: all objects in it
	[ "$(readelf -hW "$1" | grep -c 'Class:')" = "$(readelf -nW "$1" | grep -c 'x86 feature:.*IBT')" ]
}

for file in "$dir/libioe.so" $([ ! -e "$dir/ioe" ] || echo "$dir/ioe"); do
	lacks=$(missing "$file" | xargs)
	[ -z "$lacks" ] || fail "$file lacks: $lacks"
	readelf -hW "$file" | grep -q 'Type: *DYN' || fail "$file is not position independent"
done
if [ "$machine" = x86_64 ]; then
	has_ibt "$dir/libioe.a" || fail "libioe.a: an object without IBT"
	crti=$("${compiler[@]}" -print-file-name=crti.o)
	if has_ibt "$crti"; then
		has_ibt "$dir/libioe.so" || fail "libioe.so: no IBT, though the C library has it"
	fi
fi

# Each check can fail: of this library all of them do, but for text relocations on machines that can
# do without.
cat >"$work/soft.c" <<'END'
#include <stdio.h>
int soft(int (*call)(char *), const char *text);
int soft(int (*call)(char *), const char *text)
{
	char line[64];

	snprintf(line, sizeof(line), "%s", text);
	return call(line);
}
END
"${compiler[@]}" -O0 -fPIC -shared -fno-stack-protector -U_FORTIFY_SOURCE -Wl,-z,norelro -Wl,-z,lazy \
	-Wl,-z,execstack -o "$work/soft.so" "$work/soft.c" 2>/dev/null || fail "soft.so cannot be built"
expected="relro now noexecstack stack-protector fortify"
[ "$machine" != x86_64 ] || expected+=" shstk"
[ "$(missing "$work/soft.so" | xargs)" = "$expected" ] ||
	fail "a soft library lacks only: $(missing "$work/soft.so" | xargs)"

# What the user asks for is not in the way of our own flags, with warnings as errors.
mkdir -p "$work/tree/tools"
cp -r "$root/Makefile" "$root/engine" "$root/merge" "$root/workers" "$root/channel" "$work/tree/"
cp "$root/tools/setup.sh" "$work/tree/tools/"
# shellcheck disable=SC2016 # for make to expand
printf 'one: $(release)/engine/stats.o\n' >>"$work/tree/Makefile"
build() { # SETTING...
	env -u MAKEFLAGS -u MFLAGS "${MAKE:-make}" -s -C "$work/tree" SETUP=no WERROR=1 "CC=${compiler[*]}" \
		"$@" one >"$work/log" 2>&1 || fail "$* does not build:
$(cat "$work/log")"
}
build CFLAGS=-O0
build CPPFLAGS=-D_FORTIFY_SOURCE=3
build CFLAGS='-O1 -Wp,-D_FORTIFY_SOURCE=1'
exit "$bad"
