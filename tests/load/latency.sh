#!/bin/bash
# SPDX-License-Identifier: MIT
# latency.sh - a latency that is known: what `ioe bench` says of a file that answers after 1 ms, 10 ms,
# 100 ms, or after one of two times; and what fio says of it.
# Usage: tests/load/latency.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
set -u

ioe=${1:-${IOE_RELEASE_DIR:-build/release}/ioe}
slow_file=${IOE_TEST_DIR:-build/test}/tools/slow_file
for program in "$ioe" "$slow_file"; do
	if [[ ! -x $program ]]; then
		echo "latency: no program at $program"
		echo "0 passed, 1 failed, 0 skipped"
		exit 1
	fi
done
if ! command -v jq >/dev/null; then
	echo "no jq to read JSON with"
	exit 77
fi
ioe=$(realpath "$ioe") slow_file=$(realpath "$slow_file")
passed=0 failed=0 skipped=0 server=
dir=$(mktemp -d)
unmount()
{
	[[ -n $server ]] && kill "$server" && wait "$server"
	server=
}
trap 'unmount; rm -rf "$dir"' EXIT
cd "$dir" || exit 1
mkdir mount

# mounted ARGS...: a file of 4 MiB that answers so
mounted()
{
	unmount
	"$slow_file" mount 4194304 "$@" 2>err &
	server=$!
	for ((i = 0; i < 100; i++)); do
		[[ -e mount/file ]] && return 0
		kill -0 "$server" 2>/dev/null || break
		sleep 0.05
	done
	return 1
}

job=(--name=known --filename=mount/file --size=4m --rw=randread --bs=4k --direct=1 --norandommap
	--output-format=json)

# holds FILE FILTER: of the completion latency of the reads, in us
holds()
{
	jq -e ".jobs[0].read.clat_ns | (.percentile | map_values(. / 1000)) as \$p | .mean /= 1000 | $2" \
		"$1" >why 2>&1
}

# told NAME FILE FILTER
told()
{
	if holds "$2" "$3"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $1"
		jq -c '.jobs[0].read.clat_ns' "$2"
		head -n 5 err
	fi
}

# Half a bucket below it may be told, but no more; what the machine adds is noise, 1 ms of the median.
floor='(1 - 1 / 128)'
near() # PERCENTILE US
{
	echo "(\$p[\"$1\"] >= $2 * $floor and \$p[\"$1\"] <= $2 * (1 + 1 / 64) + 1000)"
}

with_fio=
command -v fio >/dev/null && with_fio=1
[[ -n $with_fio ]] || { skipped=$((skipped + 1)); echo "[SKIP] tools: known latencies by fio: no fio"; }

# measure NAME IOS DEPTH FILTER: by every engine, and by fio. A machine that is busy with something else
# adds more than that, so each may try three times: what is wrong is so each time.
measure()
{
	local engine options filter i
	for engine in psync raw-io_uring raw-libaio io_uring libaio threads; do
		options=(--iodepth="$3")
		[[ $engine = psync ]] && options=(--submit_threads="$3")
		filter="$4 and .N == $2 and \$p[\"1.000000\"] >= .min / 1000 * $floor"
		for ((i = 0; i < 3; i++)); do
			timeout 60 "$ioe" bench "${job[@]}" "${options[@]}" --ioengine=$engine --number_ios="$2" \
				>ioe.json 2>err </dev/null
			if grep -qE 'not implemented|not permitted|Permission' err; then
				skipped=$((skipped + 1))
				echo "[SKIP] tools: known latency on $engine: $(head -n 1 err)"
				continue 2
			fi
			holds ioe.json "$filter" && break
		done
		told "$1 on $engine" ioe.json "$filter"
		[[ $engine = raw-io_uring ]] && cp ioe.json raw.json
	done
	[[ -n $with_fio ]] || return
	for ((i = 0; i < 3; i++)); do
		timeout 60 fio "${job[@]}" --iodepth="$3" --ioengine=io_uring --number_ios="$2" >fio.json 2>err \
			</dev/null
		holds fio.json "$4" && break
	done
	told "$1 by fio" fio.json "$4"
	# The same, within a bucket and the noise.
	if jq -es 'map(.jobs[0].read.clat_ns.percentile["50.000000"]) |
		(.[0] - .[1] | fabs) <= .[1] / 64 + 1000000' raw.json fio.json >why 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $1: raw-io_uring and fio agree: $(cat why)"
	fi
}

again()
{
	mounted "$@" && return
	failed=$((failed + 1))
	echo "FAILED: a file that answers after $*: $(head -n 1 err)"
	return 1
}

if ! mounted 1000; then
	echo "no FUSE here: $(head -n 1 err)"
	exit 77
fi
measure '1 ms' 400 4 "$(near 50.000000 1000)"
again 10000 && measure '10 ms' 200 8 "$(near 50.000000 10000)"
again 100000 && measure '100 ms' 32 8 "$(near 50.000000 100000)"
# One in ten takes 50 ms: where the shares meet, the percentiles change.
again 2000 50000 10 && measure '2 ms or 50 ms' 400 8 \
	"$(near 50.000000 2000) and \$p[\"80.000000\"] < 10000 and $(near 95.000000 50000) and
		.mean >= 6800 * $floor and .mean < 6800 * 1.1 + 1000"

echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
