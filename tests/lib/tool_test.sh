#!/bin/bash
# SPDX-License-Identifier: MIT
# tool_test.sh - what the scripts begin with that test `ioe` from outside; they source it. Then $ioe is
# the command under test ($1 of the script; default in $IOE_RELEASE_DIR), $root the top of the tree, and
# the script is in a fresh directory, which is removed at its end. A script may define undo(), which is
# called before that.

script=$(basename "$0" .sh)
# shellcheck disable=SC2034 # for those who source it
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
ioe=${1:-${IOE_RELEASE_DIR:-build/release}/ioe}
slow_file=${IOE_TEST_DIR:-build/test}/tools/slow_file
passed=0 failed=0 skipped=0
slow_file_pid=

# is_built PROGRAM: or the script fails
is_built()
{
	[[ -x $1 ]] && return
	echo "$script: no program at $1"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
}

# needs PROGRAM WHAT_FOR: or the script is skipped
needs()
{
	command -v "$1" >/dev/null && return
	echo "$script: no $1, $2"
	exit 77
}

undo()
{
	:
}

leave()
{
	undo
	slow_file_end
	rm -rf --one-file-system "$dir" # should undo() not have unmounted something
}

ok()
{
	passed=$((passed + 1))
}

bad()
{
	failed=$((failed + 1))
	echo "FAILED: $*"
	sed 's/^/    stderr: /' err | head -5
}

skip()
{
	skipped=$((skipped + 1))
	echo "[SKIP] $script: $*"
}

# check NAME CONDITION...: one test by a command's status
check()
{
	local name=$1
	shift
	if "$@" >/dev/null 2>&1; then ok; else bad "$name"; fi
}

# run_ioe STATUS ARGS...: run ioe, output in out and err; false if it did not exit with STATUS
run_ioe()
{
	local want=$1 got=0
	shift
	timeout 60 "$ioe" "$@" >out 2>err </dev/null || got=$?
	[[ $got -eq $want ]]
}

# run STATUS ARGS...: the same of `ioe bench`
run()
{
	local want=$1
	shift
	run_ioe "$want" bench "$@"
}

# is_refused REGEX ARGS...: status 2, one line on stderr like REGEX, nothing on stdout, no new file
is_refused()
{
	local regex=$1 before
	shift
	before=$(ls)
	run 2 "$@" && [[ $(wc -l <err) -eq 1 ]] && grep -qE -- "$regex" err && [[ ! -s out ]] &&
		[[ $(ls) == "$before" ]]
}

# refuses NAME REGEX ARGS...
refuses()
{
	local name=$1
	shift
	if is_refused "$@"; then ok; else bad "$name: $(head -1 err)"; fi
}

# thrice COMMAND...: whether it is true once of three times. For what is timed: a machine that is busy
# with something else may delay that; what is wrong is so each time.
thrice()
{
	local i
	for ((i = 0; i < 3; i++)); do
		"$@" && return
	done
	return 1
}

# slow_file_begin BYTES ARGS...: mount/file is of so many bytes, and as slow as slow_file.c says of the
# ARGS; instead of the one there was. False: no FUSE here, says err.
slow_file_begin()
{
	local i
	is_built "$slow_file"
	slow_file_end
	mkdir -p mount
	"$slow_file" mount "$@" 2>err &
	slow_file_pid=$!
	for ((i = 0; i < 100; i++)); do
		[[ -e mount/file ]] && return 0
		kill -0 "$slow_file_pid" 2>/dev/null || break
		sleep 0.05
	done
	slow_file_end
	return 1
}

slow_file_end()
{
	[[ -n $slow_file_pid ]] && kill "$slow_file_pid" 2>/dev/null && wait "$slow_file_pid"
	slow_file_pid=
}

# The line that tests/run.sh reads; the status of the script.
report()
{
	echo "$passed passed, $failed failed, $skipped skipped"
	[[ $failed -eq 0 ]]
}

is_built "$ioe"
ioe=$(realpath "$ioe") slow_file=$(realpath -m "$slow_file")
dir=$(mktemp -d)
trap leave EXIT
cd "$dir" || exit 1
touch out err
