#!/bin/bash
# SPDX-License-Identifier: MIT
# valgrind.sh DIR - a short run under memcheck: unit tests and a part of conformance, each test a
# child under the same valgrind, with its leaks looked for when it ends. Fails if a test fails or
# memcheck finds anything that ioe.supp does not know. Called by `make valgrind`.
# What its kernel interface knows (3.19): all calls of `threads`; of `aio` all but IOCB_CMD_POLL, which
# it passes on with a warning (filtered here); of `uring` the calls, but it takes io_uring_enter() for
# one that does not block, and stops all threads meanwhile: so uring is driven by its owner (NONE) only.
set -u
dir=$1
failed=0 passed=0 skipped=0
mkdir -p "$dir/log"

# $1 is a pattern of ksh (fnmatch with FNM_EXTMATCH), matched against SUITE/NAME.
run() { # SUITE_PROGRAM PATTERN
	local log good bad left
	log=$dir/log/$1.log
	valgrind --quiet --error-exitcode=99 --leak-check=full --fair-sched=yes --track-fds=no \
		--suppressions=tests/valgrind/ioe.supp "$dir/$1" --filter="$2" --verbose >"$log" 2>&1 </dev/null
	grep -vE 'unhandled io_(submit|getevents) opcode: 5|^\[(RUN |PASS)\]' "$log"
	read -r good bad left <<<"$(tail -n 1 "$log" | tr -dc '0-9 ')"
	[ $((${good:-0} + ${bad:-1})) -gt 0 ] || bad=1 # a pattern that matches nothing any more
	passed=$((passed + ${good:-0})) failed=$((failed + ${bad:-1})) skipped=$((skipped + ${left:-0}))
}

# Left out: tests that hand the kernel bad addresses, which is what memcheck is there to report; the one
# that looks at signals, of which valgrind keeps one for itself; what sleeps in io_uring_enter() until
# another thread acts; what must break before a read has ended; and large counts.
bad_addresses='*errors_are_those_of_the_system_calls*|*buffer_that_is_not_memory*|trust/array_emptied*'
signals='workers/threads_have_names*'
uring_sleeps='backends/wake_@(before|reaches)*__uring|backends/mixed_load*__uring|none/submit_of_another*__uring_none'
quick='backend_aio/broken_io_getevents*'
large='merge/any_batch*|merge/no_batch*|merge/events_and_buffers*|overlap/looks*|overlap/what_waits*|ops/nop_ends*'
left_out="$bad_addresses|$signals|$uring_sleeps|$quick|$large"

run unit "!($left_out)"
# Those of the pattern, but for what is left out.
run conformance "!(!(@(ops|trust|wait|drain|none)/*__@(threads_pool|aio_inline|uring_none)*)|$left_out)"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped" | tee "$dir/log/total"
[ "$failed" = 0 ]
