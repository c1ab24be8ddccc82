#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh - run tests one after the other and count what they say; called by the Makefile.
#   run.sh LOG_DIR TEST...
# TEST is a suite (a Criterion binary or the same under the plain runner), a program of stress/, fuzz/,
# cost/ or crash/, or a shell script: those of tests/tools and tests/load get the path of `ioe`, those of
# tests/install the folder of the release build as their argument. Everything a test prints is in
# LOG_DIR; the terminal shows it without the lines of tests that began and passed. A script may close
# with `N passed, N failed, N skipped`. A test that prints no counts counts as one test: exit status 0
# passed, 77 skipped, anything else failed.
set -u
log_dir=$1
shift
mkdir -p "$log_dir"
limit_s=${IOE_TEST_LIMIT_S:-900} # of one TEST: nothing may hang for ever
passed=0 failed=0 skipped=0 broken=() pid=

# timeout(1) leads a process group of its own: a Ctrl-C has to be handed on.
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; exit 130' INT TERM

count_of() { # NAME FILE: the sum of the numbers behind "NAME: " in Criterion's synthesis lines
	sed -n "s/^\[====\] Synthesis: .*$1: \([0-9]*\).*/\1/p" "$2" | awk '{ n += $1 } END { print n + 0 }'
}

run_one() { # TEST
	local test=$1 log status shown counts started=$SECONDS bad=0 good=0 left=0 command=("$1")
	log=$log_dir/$(basename "$test").log
	case $test in
	tests/tools/*.sh | tests/load/*.sh) command=(bash "$test" "$IOE_RELEASE_DIR/ioe") ;;
	*.sh) command=(bash "$test" "$IOE_RELEASE_DIR") ;;
	*/stress/* | */fuzz/* | */cost/* | */crash/*) ;;
	*) command+=(--verbose) ;;
	esac
	printf '== %s\n' "$test"
	: >"$log" # before tail looks for it
	timeout --kill-after=10 "$limit_s" "${command[@]}" >"$log" 2>&1 </dev/null &
	pid=$!
	tail -s 0.1 -n +1 -f --pid="$pid" "$log" | grep --line-buffered -vE '^(\[(RUN |PASS)\]|SKIP [a-z0-9_]+/)' &
	shown=$!
	wait "$pid"
	status=$?
	pid=
	wait "$shown"
	if grep -q '^\[====\] Synthesis:' "$log"; then
		good=$(count_of Passing "$log")
		bad=$(count_of Failing "$log")
		left=$(grep -c '^\[SKIP\]' "$log")
		# A suite that failed in no test died between them.
		[ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
	elif counts=$(tail -n 1 "$log" | grep -xE '[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped'); then
		read -r good bad left <<<"$(tr -dc '0-9 ' <<<"$counts")"
		[ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
	elif [ "$status" = 0 ]; then
		good=1
	elif [ "$status" = 77 ]; then
		left=1
		printf '[SKIP] %s: %s\n' "$test" "$(tail -n 1 "$log")" | tee -a "$log"
	else
		bad=1
	fi
	[ "$status" != 124 ] || printf '%s: not finished after %s s\n' "$test" "$limit_s"
	[ "$bad" = 0 ] || broken+=("$test (exit status $status, log $log)")
	printf -- '-- %s: %d passed, %d failed, %d skipped, %d s\n' "$test" "$good" "$bad" "$left" \
		$((SECONDS - started))
	passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
}

for test in "$@"; do
	run_one "$test"
done
for test in "${broken[@]}"; do
	printf 'FAILED: %s\n' "$test"
done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped" | tee "$log_dir/total"
[ "$failed" = 0 ]
