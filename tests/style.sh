#!/bin/bash
# SPDX-License-Identifier: MIT
# style.sh - the rules of the house that need no compiler; called by `make style` with the C files.
# clang-tidy, which limits the length of functions, is run by the Makefile.
set -u
files=("$@")
bad=0

fail() {
	printf 'style: %s\n' "$1"
	bad=1
}

clang-format --dry-run -Werror "${files[@]}" || fail "clang-format (clang-format -i mends it)"

while read -r lines name; do
	[ "$name" = total ] || [ "$lines" -le 600 ] || fail "$name: $lines lines, the limit is 600"
done < <(wc -l "${files[@]}")
while read -r width name; do
	[ "$name" = total ] || [ "$width" -le 100 ] || fail "$name: a line of $width columns, the limit is 100"
done < <(LC_ALL=C.UTF-8 wc -L "${files[@]}")
for file in "${files[@]}"; do
	head -n 1 "$file" | grep -q '^/\* SPDX-License-Identifier: MIT' || fail "$file: no SPDX line first"
done

# Suppressed: mmap() of anonymous memory has fd -1; the start and the end of a linker section are
# two objects to C; readdir() is safe on a DIR of one's own.
cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr -I. \
	-DIOE_PLAIN_RUNNER -DIOE_TEST_SEAM -DIOE_VERIFY --library=posix \
	--suppress=missingIncludeSystem --suppress='*:/usr/include/*' \
	--suppress=invalidFunctionArg:tests/* --suppress=comparePointers:tests/lib/plain_runner.c \
	--suppress=readdirCalled \
	--error-exitcode=1 -D__GNUC__=12 -D__linux__ -D__x86_64__ -j "$(nproc)" \
	"${files[@]}" || fail cppcheck

# The whole tree from here on: what git would carry, or, without git, what lies here.
mapfile -t tree < <({ git ls-files -co --exclude-standard 2>/dev/null ||
	find . -name .git -prune -o -path ./build -prune -o -type f -print; } | sort |
	while read -r file; do [ ! -f "$file" ] || echo "$file"; done)
scripts=()
for file in "${tree[@]}"; do
	head -c 64 "$file" | head -n 1 | grep -q '^#!.*sh$' && scripts+=("$file")
done
shellcheck -x "${scripts[@]}" || fail shellcheck
# A folder that the Makefile does not know of would go unseen.
for file in "${tree[@]}"; do
	case $file in *.[ch]) printf '%s\n' "${file#./}" ;; esac
done | grep -vxFf <(printf '%s\n' "${files[@]}") && fail "C files that are in no folder of C_FILES (Makefile)"
# `make mutants` takes long, and CI runs a few of them.
for patch in tests/mutants/*.patch; do
	git apply --check "$patch" || fail "$patch does not apply any more: make it anew"
done
# A test that is named by a row of the pitfalls stands in that row.
while read -r suite row; do
	grep "^| P$((10#$row)) |" tests/README.md | grep -qF "\`$suite/p$row" ||
		fail "tests/README.md: row P$((10#$row)) does not name $suite/p${row}_*"
done < <(sed -nE 's/^[A-Z_]*T(est|EST)\(([a-z_]+), p([0-9]+)_.*/\2 \3/p' tests/*/test_*.c | sort -u)
# (the brackets keep this line from finding itself)
grep -nIwE 'TO[D]O|FI[X]ME|XX[X]' -- "${tree[@]}" && fail "left behind: do it, or write the limit as a fact"
while read -r host; do
	grep -nIF -- "$host" "${tree[@]}" && fail "the name of a package registry ($host) is in the tree"
done < <(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
	2>/dev/null | sed -n 's,.*[a-z]://\([^/: ]*\).*,\1,p' |
	grep -v -e '^localhost$' -e '^127\.' | sort -u)

[ "$bad" = 0 ] && echo "style: ${#files[@]} C files, ${#scripts[@]} scripts: clean"
exit "$bad"
