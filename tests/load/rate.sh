#!/bin/bash
# SPDX-License-Identifier: MIT
# rate.sh - rates, time to think, and the open loop: on a file that stalls, latency from the intended
# start is what arithmetic says, and that of the closed loop is not.
# Usage: tests/load/rate.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
# shellcheck disable=SC2016 # jq's programs
set -u
# shellcheck source=tests/lib/tool_test.sh
. "$(dirname "$0")/../lib/tool_test.sh"

# Rates are kept on a file in memory: what else the disk has to do may take longer than they allow.
memory=$(mktemp -d -p /dev/shm 2>/dev/null) || memory=$dir
undo()
{
	[[ $memory == "$dir" ]] || rm -rf "$memory"
}

# result ARGS...: of a job, in out as JSON
result()
{
	timeout 60 "$ioe" bench --eta=never --output-format=json "$@" >out 2>err </dev/null
}

# holds CONDITION: of the first job
holds()
{
	jq -e ".jobs[0] | $1" out >/dev/null 2>&1
}

# gives CONDITION ARGS...: a job whose result is like that
gives()
{
	local condition=$1
	shift
	result "$@"
	holds "$condition"
}

# timed NAME CONDITION ARGS...: the same, tried three times
timed()
{
	local name=$1
	shift
	if thrice gives "$@"; then
		ok
	else
		bad "$name: $(jq -c '.jobs[0] | [.job_runtime, .read.iops, .write.iops, .read.total_ios, .write.total_ios, .ioe.intended_lat_ns.read.percentile, .read.clat_ns.percentile]' out)"
	fi
}

engines=(io_uring libaio threads raw-io_uring raw-libaio psync)

# ---- Rates --------------------------------------------------------------------------------------

job=(--filename="$memory/f" --size=4m --bs=4k --time_based --runtime=1)
for engine in "${engines[@]}"; do
	timed "$engine: 300 a second, without burning CPU" \
		'.read.iops > 295 and .read.iops < 304 and .usr_cpu + .sys_cpu < 30' \
		"${job[@]}" --ioengine="$engine" --rw=randread --rate_iops=300
	timed "$engine: 1 MiB a second" '.write.iops > 250 and .write.iops < 260' \
		"${job[@]}" --ioengine="$engine" --rw=write --rate=1m
	timed "$engine: reads and writes have their own" \
		'.read.iops > 294 and .read.iops < 304 and .write.iops > 97 and .write.iops < 103' \
		"${job[@]}" --ioengine="$engine" --rw=randrw --rate_iops=300,100
	# 400 +- 3 * sqrt(400)
	timed "$engine: poisson" '.read.total_ios >= 340 and .read.total_ios <= 460' \
		"${job[@]}" --ioengine="$engine" --rw=randread --rate_iops=400 --rate_process=poisson
done
timed 'several threads share a rate' '.read.iops > 295 and .read.iops < 304' \
	"${job[@]}" --ioengine=io_uring --iodepth=8 --submit_threads=4 --rw=randread --rate_iops=300
timed 'a rate of writes does not hold reads' '.read.total_ios > 1000' \
	"${job[@]}" --ioengine=psync --rw=read --rate=,1m

# ---- At least -----------------------------------------------------------------------------------

job=(--filename="$memory/f" --size=4m --bs=4k --time_based --ioengine=psync --rw=randrw --rate_iops=200
	--rate_cycle=300)
timed 'enough' '.error == 0 and .job_runtime > 2900' \
	"${job[@]}" --runtime=3 --rate_iops_min=150 --rate_min=600k
# From two seconds on.
if ! result "${job[@]}" --runtime=8 --rate_iops_min=,190 --thinktime=20ms &&
	grep -qE 'rate_iops_min=190 of writes not met, only [0-9.]+$' err; then
	ok
else
	bad 'too few IOs'
fi
if holds '.error == 5 and .job_runtime > 2000 and .job_runtime < 5000'; then ok; else bad 'ends at once'; fi
if ! result "${job[@]}" --runtime=8 --rate_min=780k --thinktime=20ms &&
	grep -qE 'rate_min=798720 of (reads|writes) not met, only [0-9.]+KiB/s$' err; then
	ok
else
	bad 'too few bytes'
fi

# ---- Time to think ------------------------------------------------------------------------------

job=(--filename="$memory/f" --size=4m --bs=4k --rw=randread --iodepth=4)
for engine in "${engines[@]}"; do
	[[ $engine = psync ]] && job=("${job[@]:0:4}")
	timed "$engine: 10 ms after each, without burning CPU" \
		'(.usr_cpu + .sys_cpu) * .job_runtime < 50 * 100 and .read.total_ios == 20 and
			.job_runtime >= 190 and .job_runtime < 320' \
		"${job[@]}" --ioengine="$engine" --number_ios=20 --thinktime=10ms
	timed "$engine: 50 ms after every 25" '.read.total_ios == 100 and .job_runtime >= 150 and .job_runtime < 250' \
		"${job[@]}" --ioengine="$engine" --number_ios=100 --thinktime=50ms --thinktime_blocks=25
done
job=(--filename="$memory/f" --size=4m --bs=4k --rw=randread --ioengine=psync --number_ios=20 --thinktime=10ms)
timed 'counted when issued' '.job_runtime >= 190 and .job_runtime < 320' \
	"${job[@]}" --thinktime_blocks_type=issue
timed 'eight of ten ms use the CPU' '(.usr_cpu + .sys_cpu) * .job_runtime > 60 * 100' \
	"${job[@]}" --thinktime_spin=8ms
# 20 at 1000 a second, and five pauses of 30 ms.
job=(--filename="$memory/f" --size=4m --bs=4k --rw=randread --ioengine=psync --number_ios=120 --thinktime=30ms
	--thinktime_blocks=20 --rate_iops=1000)
timed 'a pause is caught up' '.job_runtime >= 148 and .job_runtime < 255' \
	"${job[@]}"
timed 'or moves all that follows' '.job_runtime >= 265 and .job_runtime < 380' \
	"${job[@]}" --rate_ignore_thinktime=1

# ---- A file that does not answer for 200 ms in every second -------------------------------------

if slow_file_begin 16777216 100 stall 200 1000; then
	# Of 200 IOs in a second 40 come while it stalls, evenly, and wait for the rest of the 200 ms:
	# a share of 0.2 * (1 - t / 200 ms) waits for longer than t. So p99 is at 190 ms, p95 at 150 and
	# p90 at 100, and somewhat above, since those that have waited are then done one by one. The
	# closed loop has one in flight: of 200 one has waited, 0.5 %, and p99 knows nothing of it.
	for engine in "${engines[@]}"; do
		timed "$engine: 200 ms of stall in every second" \
			'.ioe.intended_lat_ns.read.percentile as $intended | .read.clat_ns as $closed |
			.job_runtime > 3980 and .job_runtime < 4250 and
			$intended."99.000000" > 185e6 and $intended."99.000000" < 215e6 and
			$intended."95.000000" > 145e6 and $intended."95.000000" < 175e6 and
			$intended."90.000000" > 95e6 and $intended."90.000000" < 130e6 and
			$closed.percentile."99.000000" < 40e6 and $closed.max > 150e6' \
			--filename=mount/file --size=16m --bs=4k --direct --rw=randread --allow_file_create=0 \
			--rate_iops=200 --number_ios=800 --ioengine="$engine" --percentile_list=90:95:99:99.9
	done
	# Beside it in the text, too.
	timeout 60 "$ioe" bench --eta=never --filename=mount/file --size=16m --bs=4k --direct --rw=randread \
		--allow_file_create=0 --rate_iops=200 --number_ios=200 --ioengine=psync >out 2>err
	if grep -qE 'intended +: read, from when it was due, .*99.00th=\[(1[89]|2[0-2])[0-9]{4}\]' out; then
		ok
	else
		bad "text: $(grep intended out)"
	fi
else
	skip 'a file that stalls: no FUSE here'
fi

report
