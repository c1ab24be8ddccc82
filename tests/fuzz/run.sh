#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh - run fuzz targets, one after the other, for so many seconds in all; called by `make fuzz`.
#   run.sh DIR SECONDS TARGET...
# A run begins with what stands in tests/fuzz/corpus/NAME and with what earlier runs have found worth
# keeping, in DIR/corpus/NAME; what a target fails with is DIR/NAME-crash-..., and a command that replays it is printed. IOE_SEED= seeds it.
set -u
dir=$1
all=$2
shift 2
seconds=$(((all + $# - 1) / $#))
failed=0

for target in "$@"; do
	name=$(basename "$target")
	log=$dir/$name.log
	mkdir -p "$dir/corpus/$name"
	corpora=("$dir/corpus/$name")
	[ ! -d "tests/fuzz/corpus/$name" ] || corpora+=("tests/fuzz/corpus/$name")
	options=("-max_total_time=$seconds" -timeout=60 -rss_limit_mb=2048 -max_len=512 -len_control=10
		"-artifact_prefix=$dir/$name-" -print_final_stats=1)
	# libFuzzer has seeds of 32 bits, of which 0 is none.
	[ -z "${IOE_SEED:-}" ] || options+=("-seed=$((IOE_SEED & 0x7fffffff | 1))")
	printf '== %s, %s s\n' "$target" "$seconds"
	if "$target" "${options[@]}" "${corpora[@]}" >"$log" 2>&1 </dev/null; then
		grep -E '^(INFO: Seed|stat::number_of_executed|stat::average_exec)' "$log"
		grep -o 'cov: .*' "$log" | tail -n 1
		continue
	fi
	failed=1
	tail -n 400 "$log"
	printf 'FAILED: %s (log %s)\n' "$target" "$log"
	sed -n "s,.*Test unit written to \(.*\),replay: $target \1,p" "$log"
done
exit $failed
