#!/bin/bash
# SPDX-License-Identifier: MIT
# bench_output.sh - what `ioe bench` prints beside what fio prints for the same job: the same lines of
# text in the same order, read by a script that reads fio's; the same keys of JSON with the same types.
# Usage: tests/load/bench_output.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
set -u
# shellcheck source=tests/lib/tool_test.sh
. "$(dirname "$0")/../lib/tool_test.sh"
needs fio 'to compare with'
needs jq 'to read JSON with'

# both FORMAT ARGS...: the same job through both, into fio.FORMAT and ioe.FORMAT
both()
{
	local format=$1
	shift
	timeout 60 fio --output-format="$format" --output=fio."$format" "$@" >err 2>&1 </dev/null &&
		timeout 60 "$ioe" bench --output-format="$format" "$@" >ioe."$format" 2>err </dev/null
}

# ---- Text ---------------------------------------------------------------------------------------

# slat is of engines that submit and complete in two steps; of ours the moment between is not seen.
lines_of() # FILE OURS
{
	awk -v ours="$2" -f "$root/tests/load/fio_text.awk" "$1" | grep -v '^slat '
}

text()
{
	local name="text: $1"
	shift
	if both normal "$@" && lines_of fio.normal 0 >fio.lines 2>err && [[ -s fio.lines ]] &&
		lines_of ioe.normal 1 >ioe.lines 2>err && diff fio.lines ioe.lines >err; then
		ok
	else
		bad "$name"
	fi
}

# ---- JSON ---------------------------------------------------------------------------------------

# Paths and types; which buckets and how many disks there are is not of the format. fio's options of a
# job with their values, too.
# shellcheck disable=SC2016 # what looks like variables is jq's
paths='
	[paths as $p | getpath($p) as $v |
		($p | map(if type == "number" then "[\(.)]" else . end)) as $names |
		if $names | index("bins") then ($names[:($names | index("bins")) + 1] | join("/")) + " bins"
		elif $names[0] == "disk_util" then ($names[2:] | "disk_util/" + join("/")) + " \($v | type)"
		elif $names[2:3] == ["job options"] or $names[0] == "global options"
		then ($names | join("/")) + " " + if $v | type == "string" then $v else "" end
		else ($names | join("/")) + " \($v | type)" end] | unique | .[]'
# Which numbers are whole: jq does not tell 0 from 0.0. A key has the same kind wherever it stands, but
# for those that are numbers: they are counts in percentile and bins, shares elsewhere.
kinds_of() # FILE
{
	awk '/"[^"]+" ?: [{[]/ { object = $1; gsub(/[":]/, "", object) }
		/"[^"]+" ?: -?[0-9]/ {
			key = $0; sub(/^[^"]*"/, "", key); sub(/".*/, "", key)
			value = $0; sub(/^[^"]*"[^"]*" ?: /, "", value); sub(/,.*/, "", value)
			if (key ~ /^[0-9.>=]+$/) key = object
			print key, value ~ /[.e]/ ? "real" : "whole"
		}' "$1" | sort -u
}

missing() # COMMAND...: lines of what it says of fio.FORMAT that it does not say of ioe.FORMAT
{
	comm -23 <("$@" fio."$format" | sort) <("$@" ioe."$format" | sort)
}

json()
{
	local name="$1: $2" format=$1
	shift 2
	if both "$format" "$@" && [[ $(jq -r "$paths" fio."$format" | wc -l) -gt 100 ]] &&
		[[ $(kinds_of fio."$format" | wc -l) -gt 30 ]] && missing jq -r "$paths" >err && [[ ! -s err ]] &&
		missing kinds_of >err && [[ ! -s err ]]; then
		ok
	else
		bad "$name"
	fi
}

# ---- Jobs ---------------------------------------------------------------------------------------

cat >groups.fio <<'END'
; three groups, the first with clones in one row
[global]
filename=data
size=1m
bs=4k
ioengine=psync
runtime=800ms
time_based
[clones]
rw=randread
numjobs=2
group_reporting
[mixed]
stonewall
rw=randrw
ioengine=io_uring
iodepth=4
direct=1
description=reads and writes
[syncs]
stonewall
rw=write
bs=8k
fsync=4
END

head -c 1m /dev/zero >data
job=(--name=job --filename=data --size=1m)
time=(--runtime=800ms --time_based) # rates are sampled each 500 ms
both_forms()
{
	text "$@"
	json json "$@"
}

both_forms 'psync reads' "${job[@]}" "${time[@]}" --rw=read --bs=4k --ioengine=psync
both_forms 'io_uring writes at a depth' "${job[@]}" "${time[@]}" --rw=randwrite --bs=4k --direct=1 \
	--ioengine=io_uring --iodepth=8
both_forms 'libaio reads at a depth' "${job[@]}" "${time[@]}" --rw=randread --bs=16k --direct=1 \
	--ioengine=libaio --iodepth=64
both_forms 'reads and writes' "${job[@]}" "${time[@]}" --rw=randrw --rwmixread=70 --bs=4k --ioengine=psync
both_forms 'sizes of reads and of writes' "${job[@]}" --rw=rw --bs=4k,8k --ioengine=psync
both_forms 'syncs between writes' "${job[@]}" --rw=write --bs=4k --fsync=8 --ioengine=psync
both_forms 'clones' "${job[@]}" "${time[@]}" --rw=randread --bs=4k --ioengine=psync --numjobs=3
both_forms 'clones in one row' "${job[@]}" "${time[@]}" --rw=randread --bs=4k --ioengine=psync \
	--numjobs=3 --group_reporting
both_forms 'percentiles of all three latencies, of a list' "${job[@]}" --rw=read --bs=4k --ioengine=psync \
	--percentile_list=50:99.9 --lat_percentiles=1 --clat_percentiles=1
both_forms 'no percentiles' "${job[@]}" --rw=read --bs=4k --ioengine=psync --clat_percentiles=0
both_forms 'going on after errors' "${job[@]}" --rw=read --bs=4k --ioengine=psync --continue_on_error=all
both_forms 'reads and writes in one figure' "${job[@]}" "${time[@]}" --rw=randrw --bs=4k --ioengine=psync \
	--unified_rw_reporting=1
both_forms 'a rate' "${job[@]}" "${time[@]}" --rw=randread --bs=4k --ioengine=psync --rate_iops=500
both_forms 'groups of a job file' groups.fio
json json+ 'bins' "${job[@]}" --rw=randrw --bs=4k --fsync=4 --ioengine=psync

# ---- What our JSON says of itself ---------------------------------------------------------------

# ours ARGS...: run ours alone, its JSON in ours.json
ours()
{
	timeout 60 "$ioe" bench --output-format=json+ "$@" >ours.json 2>err </dev/null
}

# holds NAME FILTER: true of the whole document
holds()
{
	if jq -e "$2" ours.json >err 2>&1; then
		ok
	else
		bad "$1"
		jq -c 'del(.jobs[].ioe.stage_ns)' ours.json | cut -c -2000
	fi
}

ours groups.fio
holds 'three rows of two, one and one job' '[.jobs[] | [.jobname, .groupid, .ioe.n_jobs]] ==
	[["clones", 0, 2], ["mixed", 1, 1], ["syncs", 2, 1]]'
holds 'each IO has its bytes' '[.jobs[] | .read, .write | select(.total_ios > 0)] | length == 4 and
	all(.io_bytes % .total_ios == 0 and .io_bytes / .total_ios >= 4096)'
holds 'each IO has a latency, and is in a bin' '[.jobs[] | .read, .write | select(.total_ios > 0)] |
	all(.clat_ns.N == .total_ios and .lat_ns.N == .total_ios and .total_ios == (.clat_ns.bins | add))'
holds 'each sync has a latency, and there is one for four writes' '.jobs[2] |
	.sync.lat_ns.N == .sync.total_ios and (.sync.total_ios * 4 - .write.total_ios | fabs) <= 8 and
	.sync.total_ios > 0'
holds 'percentiles go up, and end below the longest' '[.jobs[] | .read, .write | select(.total_ios > 0) | .clat_ns] |
	all(([.percentile[]] == ([.percentile[]] | sort)) and .percentile["99.990000"] <= .max and
		.min <= .mean and .mean <= .max)'
# shellcheck disable=SC2016 # what looks like variables is jq's
holds 'a percentile is in the bin that its share ends in' '[.jobs[] | .read, .write | select(.total_ios > 0) | .clat_ns] |
	all(. as $clat | ([.bins | to_entries[] | [(.key | tonumber), .value]] | sort) as $bins |
		(reduce $bins[] as $bin ({below: 0, value: null};
			.below += $bin[1] | if .value == null and .below >= 0.99 * $clat.N
				then .value = $bin[0] else . end) | .value) as $value |
		$clat.percentile["99.000000"] as $told | ($told - $value | fabs) <= $value / 64)'
holds 'shares add up to all' '[.jobs[] | (.iodepth_level, .iodepth_submit, .iodepth_complete,
	.latency_ns, .latency_us, .latency_ms)] | length == 18 and
	([.[] | add] | all(. >= 0 and . <= 101.5)) and
	([.[range(0; 18; 6)] | add] | all(. >= 99.9))'
holds 'rates follow from bytes and time' '[.jobs[] | .read, .write | select(.total_ios > 0)] |
	all((.bw_bytes - .io_bytes * 1000 / .runtime | fabs) <= .bw_bytes / 100 and
		(.iops - .total_ios * 1000 / .runtime | fabs) <= .iops / 100 and .runtime >= 795)'
holds 'one sample in 800 ms, of each direction' '[.jobs[] | .ioe.series |
	[to_entries[] | [.key, (.value.iops | length >= 1), (.value.lat_p99_ns[0][1] > 0)]]] ==
	[[["read", true, true]], [["read", true, true], ["write", true, true]],
		[["write", true, true], ["sync", true, true]]]'
holds 'samples are pairs in the order of time, within the run' '[.jobs[].ioe.series[][]] |
	all(all(length == 2) and ([.[][0]] == ([.[][0]] | unique)) and all(.[0] > 0 and .[0] < 3000))'

ours "${job[@]}" --rw=read --bs=4k --ioengine=psync --numjobs=3
holds 'clones do all of it each' '[.jobs[].read.total_ios] == [256, 256, 256]'
ours "${job[@]}" --rw=read --bs=4k --ioengine=psync --numjobs=3 --group_reporting
holds 'a row of clones has the IOs of all' '.jobs | length == 1 and .[0].read.total_ios == 768 and
	.[0].read.clat_ns.N == 768 and .[0].ioe.n_jobs == 3'
ours "${job[@]}" "${time[@]}" --rw=randread --bs=4k --ioengine=io_uring --iodepth=4 --rate_iops=500
holds 'with a rate there is the latency from when it was due' '.jobs[0] |
	.ioe.intended_lat_ns.read.N == .read.total_ios and .read.total_ios > 300 and .read.total_ios < 450 and
	.ioe.intended_lat_ns.read.mean >= .read.lat_ns.mean * 0.9 and .read.iops_max < 600'
ours "${job[@]}" --rw=read --bs=4k --ioengine=io_uring --iodepth=16 --numjobs=2 --group_reporting
holds 'the engines of clones are added up' '.jobs[0].ioe | .events == 512 and .depth == 32 and
	.backend == "uring" and (.reason | length > 0) and (.stage_ns | length == 5)'

# ---- While it runs ------------------------------------------------------------------------------

totals_of() # FILE: IOs of each report in it
{
	sed -nE 's/^     issued rwts: total=([0-9]+),.*/\1/p' "$1"
}

timeout 60 "$ioe" bench "${job[@]}" --runtime=1100ms --time_based --rw=randread --bs=4k --ioengine=psync \
	--status-interval=400ms >status 2>err </dev/null
if [[ $? -eq 0 && $(totals_of status | wc -l) -ge 3 ]] && totals_of status | sort -nc 2>err &&
	[[ $(totals_of status | head -1) -gt 0 ]] && lines_of status 1 >lines 2>err &&
	[[ $(grep -c '^group 0' lines) -eq $(totals_of status | wc -l) ]]; then
	ok
else
	bad 'status-interval prints what there is so far'
fi

"$ioe" bench "${job[@]}" --runtime=20 --time_based --rw=randread --bs=4k --ioengine=psync \
	--output-format=json >ours.json 2>err </dev/null &
pid=$!
# Until it runs, the signal would end it: then it has no handler yet.
for ((i = 0; i < 100; i++)); do
	[[ $(cat "/proc/$pid/task/"*/comm 2>/dev/null | wc -l) -gt 1 ]] && break
	read -rt 0.05 <> <(:)
done
kill -USR1 "$pid"
for ((i = 0; i < 100; i++)); do
	jq -se 'length >= 1' ours.json >/dev/null 2>&1 && break
	read -rt 0.05 <> <(:)
done
kill -INT "$pid"
if wait "$pid" && jq -se 'length == 2 and (map(.jobs[0].read.total_ios) | .[0] <= .[1] and .[1] > 0) and
	.[1].jobs[0].ioe.interrupted' ours.json >err 2>&1; then
	ok
else
	bad 'SIGUSR1 prints what there is so far, Ctrl-C the end'
fi

report
