#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh - run a suite in each surrounding, one after the other; called by the Makefile.
#   run.sh LOG_DIR SURROUND SUITE [TEXT]
# SURROUND is the program of surround.c, SUITE a Criterion binary or the same under the plain runner;
# TEXT chooses surroundings whose name holds it. What the suite prints is in LOG_DIR/SUITE-NAME.log,
# and LOG_DIR/SUITE.matrix says how often each combination of backend, mode and place has passed,
# failed and been skipped. The terminal shows failures and a line for each surrounding, then the
# matrix and the reasons of skips, summed up. A surrounding that cannot be had is skipped, as one.
set -u
log_dir=$1 surround=$2 suite=$3 text=${4:-}
mkdir -p "$log_dir"
limit_s=${IOE_TEST_LIMIT_S:-900} # of one surrounding: nothing may hang for ever
base=$log_dir/$(basename "$suite")
passed=0 failed=0 skipped=0 most=0 broken=() pid=

# timeout(1) leads a process group of its own: a Ctrl-C has to be handed on.
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; exit 130' INT TERM

# Both runners: what a test ended with, and its name.
ends_of() { # LOG
	sed -nE 's/^\[(PASS|FAIL|SKIP)\] [a-z0-9_]+::([a-z0-9_]+):.*/\1 \2/p' "$1"
}

# The reasons, without what differs from row to row.
reasons_of() { # LOG
	sed -nE 's/^\[SKIP\] [a-z0-9_]+::[a-z0-9_]+: (.*)/\1/p' "$1" |
		sed -E 's/^(uring|aio|threads)_?[a-z_]* is not/\1 is not/'
}

run_one() { # NAME WHAT
	local name=$1 what=$2 log=$base-$1.log status started=$SECONDS good bad left options=(--verbose)
	# The user's locked memory is for one ring at a time.
	[ "$name" != stranger ] || options+=(-j1)
	timeout --kill-after=10 "$limit_s" "$surround" "$name" "$suite" "${options[@]}" \
		>"$log" 2>&1 </dev/null &
	pid=$!
	wait "$pid"
	status=$?
	pid=
	if [ $status = 77 ] && ! grep -q '^\[====\] Synthesis' "$log"; then
		printf '%-14s skipped: %s\n' "$name" "$(sed -n 's/^SKIP: //p' "$log")"
		skipped=$((skipped + 1))
		return
	fi
	ends_of "$log" >"$log.ends"
	good=$(grep -c '^PASS' "$log.ends")
	bad=$(grep -c '^FAIL' "$log.ends")
	left=$(grep -c '^SKIP' "$log.ends")
	# A suite that failed in no test died between them.
	if [ $status != 0 ] && [ "$bad" = 0 ]; then
		bad=1
		printf '%s: exit status %d, log %s\n' "$name" $status "$log"
	fi
	[ $((good + bad + left)) -le "$most" ] || most=$((good + bad + left))
	totals+=("$name $((good + bad + left))")
	grep -B 4 '^\[FAIL\]' "$log"
	[ "$bad" = 0 ] || broken+=("$name (exit status $status, log $log)")
	printf '%-14s %5d passed %3d failed %5d skipped %4d s   %s\n' "$name" "$good" "$bad" "$left" \
		$((SECONDS - started)) "$what"
	passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
}

# Lines of surroundings, columns of combinations; passed/failed/skipped, short where nothing failed.
matrix() { # NAME...
	local name
	printf '%-14s %-8s' surrounding backend
	printf ' %11s' pool pool-direct inline inl.-direct none none-direct
	printf '\n'
	for name in "$@"; do
		[ -s "$base-$name.log.ends" ] || continue
		awk -v name="$name" '
			BEGIN { split("uring aio threads", backends); split("pool inline none", modes) }
			{
				place = $2; sub(/.*__/, "", place)
				split(place, word, "_"); mode = word[2]
				if (place == $2 || mode !~ /^(pool|inline|none)$/ || place ~ /_shm/)
					next
				count[word[1] " " mode (place ~ /_direct$/ ? "-direct" : ""), $1]++
			}
			function cell(key) {
				return sprintf("%d%s+%d", count[key, "PASS"], count[key, "FAIL"] ? "-" \
					count[key, "FAIL"] "!" : "", count[key, "SKIP"])
			}
			END {
				for (b = 1; b <= 3; b++) {
					printf "%-14s %-8s", name, backends[b]
					for (m = 1; m <= 3; m++) {
						key = backends[b] " " modes[m]
						printf " %11s %11s", cell(key), cell(key "-direct")
					}
					printf "\n"
				}
			}' "$base-$name.log.ends"
	done
}

names=() totals=()
while read -r name what; do
	[[ $name == *"$text"* ]] || continue
	names+=("$name")
	rm -f "$base-$name.log" "$base-$name.log.ends"
	run_one "$name" "$what"
done < <("$surround" --list)

# Each surrounding has the same tests: what ended neither way has been lost.
for total in "${totals[@]}"; do
	[ "${total##* }" = "$most" ] && continue
	printf '%s of %d tests have ended\n' "$total" "$most"
	failed=$((failed + 1))
	broken+=("$total of $most tests")
done
printf '\npassed+skipped of the rows of the disk (shm has rows of its own), -n! failed:\n'
matrix "${names[@]}" | tee "$base.matrix"
printf '\nskipped, by reason:\n'
for name in "${names[@]}"; do
	[ ! -s "$base-$name.log" ] || reasons_of "$base-$name.log" | sort | uniq -c | sort -rn |
		sed "s/^/$(printf '%-14s' "$name")/"
done
printf '\n'
for name in "${broken[@]}"; do
	printf 'FAILED: %s\n' "$name"
done
printf '%d passed, %d failed, %d skipped in %d surroundings\n' "$passed" "$failed" "$skipped" \
	${#names[@]} | tee "$log_dir/surroundings.total"
[ "$failed" = 0 ]
