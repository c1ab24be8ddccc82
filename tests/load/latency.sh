#!/bin/bash
# SPDX-License-Identifier: MIT
# latency.sh - a latency that is known: what `ioe bench` says of a file that answers after 1 ms, 10 ms,
# 100 ms, or after one of two times; and what fio says of it.
# Usage: tests/load/latency.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
set -u
# shellcheck source=tests/lib/tool_test.sh
. "$(dirname "$0")/../lib/tool_test.sh"

needs jq 'to read JSON with'

job=(--name=known --filename=mount/file --size=4m --rw=randread --bs=4k --direct=1 --norandommap
	--output-format=json)

# holds FILE FILTER: of the completion latency of the reads, in us
holds()
{
	jq -e ".jobs[0].read.clat_ns | (.percentile | map_values(. / 1000)) as \$p | .mean /= 1000 | $2" \
		"$1" >why 2>&1
}

# Half a bucket below it may be told, but no more; what the machine adds is noise, 1 ms of the median.
floor='(1 - 1 / 128)'
near() # PERCENTILE US
{
	echo "(\$p[\"$1\"] >= $2 * $floor and \$p[\"$1\"] <= $2 * (1 + 1 / 64) + 1000)"
}

with_fio=
command -v fio >/dev/null && with_fio=1
[[ -n $with_fio ]] || skip 'known latencies by fio: no fio'

# cannot: this engine is not to be had here, says err
cannot()
{
	grep -qE 'not implemented|not permitted|Permission' err
}

# by_ioe FILTER ARGS...: what the job in ioe.json says holds, or it cannot be run
by_ioe()
{
	local filter=$1
	shift
	timeout 60 "$ioe" bench "${job[@]}" "$@" >ioe.json 2>err </dev/null
	cannot || holds ioe.json "$filter"
}

# by_fio FILTER ARGS...: of the job in fio.json
by_fio()
{
	local filter=$1
	shift
	timeout 60 fio "${job[@]}" "$@" >fio.json 2>err </dev/null
	holds fio.json "$filter"
}

# measure NAME IOS DEPTH FILTER: by every engine, and by fio
measure()
{
	local engine options filter
	for engine in psync raw-io_uring raw-libaio io_uring libaio threads; do
		options=(--iodepth="$3" --ioengine="$engine" --number_ios="$2")
		[[ $engine = psync ]] && options[0]=--submit_threads="$3"
		filter="$4 and .N == $2 and \$p[\"1.000000\"] >= .min / 1000 * $floor"
		if ! thrice by_ioe "$filter" "${options[@]}"; then
			bad "$1 on $engine: $(jq -c '.jobs[0].read.clat_ns' ioe.json)"
		elif cannot; then
			skip "known latency on $engine: $(head -n 1 err)"
		else
			ok
		fi
		[[ $engine = raw-io_uring ]] && cp ioe.json raw.json
	done
	[[ -n $with_fio ]] || return
	if thrice by_fio "$4" --iodepth="$3" --ioengine=io_uring --number_ios="$2"; then
		ok
	else
		bad "$1 by fio: $(jq -c '.jobs[0].read.clat_ns' fio.json)"
	fi
	# The same, within a bucket and the noise.
	if jq -es 'map(.jobs[0].read.clat_ns.percentile["50.000000"]) |
		(.[0] - .[1] | fabs) <= .[1] / 64 + 1000000' raw.json fio.json >why 2>&1; then
		ok
	else
		bad "$1: raw-io_uring and fio agree: $(cat why)"
	fi
}

# answers LATENCY...: the file does after that
answers()
{
	slow_file_begin 4194304 "$@" && return
	bad "a file that answers after $*"
	return 1
}

if ! slow_file_begin 4194304 1000; then
	echo "no FUSE here: $(head -n 1 err)"
	exit 77
fi
measure '1 ms' 400 4 "$(near 50.000000 1000)"
answers 10000 && measure '10 ms' 200 8 "$(near 50.000000 10000)"
answers 100000 && measure '100 ms' 32 8 "$(near 50.000000 100000)"
# One in ten takes 50 ms: where the shares meet, the percentiles change.
answers 2000 50000 10 && measure '2 ms or 50 ms' 400 8 \
	"$(near 50.000000 2000) and \$p[\"80.000000\"] < 10000 and $(near 95.000000 50000) and
		.mean >= 6800 * $floor and .mean < 6800 * 1.1 + 1000"

report
