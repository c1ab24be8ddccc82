#!/bin/bash
# SPDX-License-Identifier: MIT
# verify.sh - `ioe bench --verify` from outside: what was written is found right by every engine, and
# what was spoilt between writing and reading is found, and called by its name.
# Usage: tests/tools/verify.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
set -u
# shellcheck source=tests/lib/tool_test.sh
. "$(dirname "$0")/../lib/tool_test.sh"

# right NAME ARGS...: ends well
right()
{
	local name=$1
	shift
	if run 0 "$@"; then ok; else bad "$name"; fi
}

# wrong NAME REGEX ARGS...: exit status 1, a line like REGEX on stderr, and the results all the same
wrong()
{
	local name=$1 regex=$2
	shift 2
	if run 1 "$@" && grep -qE -- "$regex" err && grep -q 'err=84' out; then
		ok
	else
		bad "$name: not '$regex'"
	fi
}

# block FROM TO FILE: put block (of 4096) number FROM of old into FILE at TO
block()
{
	dd if=old of="$3" bs=4096 skip="$1" seek="$2" count=1 conv=notrunc status=none
}

# flip FILE OFFSET: one bit
flip()
{
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %02x $((byte ^ 16)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# ---- Every engine: right, and each way of being wrong -------------------------------------------

for engine in io_uring libaio threads raw-io_uring raw-libaio psync; do
	job=(--filename=f --size=1m --bs=4k --ioengine="$engine")
	[[ $engine = psync ]] || job+=(--iodepth=8)
	rm -f f
	for method in crc32c xxhash; do
		right "$engine: random writes, $method" "${job[@]}" --rw=randwrite --verify=$method
		if ! grep -q 'read: IOPS' out || ! grep -q 'issued rwts: total=256,256,0,0' out; then
			bad "$engine: all of it is read back once: $(grep issued out)"
		fi
		right "$engine: by a later run, $method" "${job[@]}" --rw=read --verify=$method
	done
	right "$engine: once more, verify_only" "${job[@]}" --rw=randwrite --verify=xxhash --verify_only
	right "$engine: reads and writes" "${job[@]}" --rw=randrw --verify=crc32c
	right "$engine: blocks again and again" "${job[@]}" --rw=randwrite --norandommap \
		--number_ios=2000 --io_size=8m --verify=crc32c
	right "$engine: three times over" "${job[@]}" --rw=write --loops=3 --verify=crc32c
	right "$engine: several sizes" "${job[@]}" --rw=randwrite --bsrange=4k-16k --verify=crc32c
	right "$engine: ended by time" "${job[@]}" --rw=randwrite --norandommap --time_based \
		--runtime=300ms --verify=xxhash
	right "$engine: a pattern" "${job[@]}" --rw=write --verify=pattern --verify_pattern='0xff%o"ab"'

	right "$engine: old" "${job[@]}" --rw=write --verify=crc32c --do_verify=0 --verify_generation=1
	cp f old
	right "$engine: new" "${job[@]}" --rw=randwrite --verify=crc32c --do_verify=0 \
		--verify_generation=2
	cp f new
	for how in --rw=read --rw=randread '--rw=write --verify_only'; do
		# shellcheck disable=SC2206 # two words
		check=("${job[@]}" --verify=crc32c --verify_generation=2 $how)
		right "$engine: nothing spoilt, $how" "${check[@]}"
		flip f 70001
		wrong "$engine: one flipped bit, $how" \
			'offset 69632, 4096 bytes: 1 bit flipped; at offset 70001 expected ([0-9a-f]{2}).*, found ([0-9a-f]{2})' \
			"${check[@]}"
		cp new f
		block 9 9 f
		wrong "$engine: a stale block, $how" \
			'offset 36864, 4096 bytes: stale block, of generation 1 where 2 .*was expected' "${check[@]}"
		cp new f
		dd if=new of=f bs=4096 skip=3 seek=200 count=1 conv=notrunc status=none
		wrong "$engine: a block of another offset, $how" \
			'offset 819200, 4096 bytes: block of another offset, 12288;' "${check[@]}"
		cp new f
		dd if=old of=f bs=512 skip=83 seek=83 count=3 conv=notrunc status=none
		wrong "$engine: a torn block, $how" \
			'offset 40960, 4096 bytes: torn block, 3 of its 8 sectors are not of it: of generation 1; at offset 42[0-9]{3} expected 02' \
			"${check[@]}"
		cp new f
		dd if=/dev/zero of=f bs=4096 seek=17 count=1 conv=notrunc status=none
		wrong "$engine: zeros, $how" 'offset 69632, 4096 bytes: never written, zeros' "${check[@]}"
		cp new f
	done
done

# ---- The same run -------------------------------------------------------------------------------

# Spoilt while the rest is still being written: 64 blocks in 0.64 s, the first one after 0.3 s.
job=(--filename=f --size=256k --bs=4k --rw=write --rate_iops=100 --verify=crc32c --ioengine=io_uring)
rm -f f
timeout 60 "$ioe" bench --eta=never "${job[@]}" --verify_generation=1 >out 2>err </dev/null
cp f old
timeout 60 "$ioe" bench --eta=never "${job[@]}" --verify_generation=7 >out 2>err </dev/null &
bench=$!
until [[ $(od -An -tu8 -j $((4096 * 3 + 32)) -N 8 f | tr -d ' ') = 7 ]]; do
	sleep 0.01
done
block 2 2 f
if wait "$bench"; then
	bad "spoilt between writing and reading back: exit status 0"
elif grep -q 'offset 8192, 4096 bytes: stale block, of generation 1 where 7 was expected' err; then
	ok
else
	bad "spoilt between writing and reading back"
fi

# ---- What comes of a bad block ------------------------------------------------------------------

job=(--filename=f --size=1m --bs=4k --ioengine=psync --verify=crc32c)
rm -f f
run 0 "${job[@]}" --rw=write --do_verify=0
cp f old
flip f 5000
flip f 500000
flip f 800000
wrong the_number_of_bad_blocks '^ioe bench: verify: offset 4096, .*; 3 bad blocks$' "${job[@]}" --rw=read
if grep -q 'issued rwts: total=256,' out; then ok; else bad "not all was looked at"; fi
wrong verify_fatal_ends_it 'offset 4096,' "${job[@]}" --rw=read --verify_fatal=1
if grep -q 'issued rwts: total=2,' out; then ok; else bad "verify_fatal went on"; fi
if run 1 "${job[@]}" --rw=read --continue_on_error=verify && grep -q 'offset 4096, .*3 bad blocks' err; then
	ok
else
	bad continue_on_error_says_it_all_the_same
fi
if run 1 "${job[@]}" --rw=read --output-format=json && jq -e '.jobs[0].error == 84' out >/dev/null; then
	ok
else
	bad "json: $(jq -c '.jobs[0].error' out)"
fi
cp old f

flip f 5000
wrong dumped 'offset 4096,' "${job[@]}" --rw=read --verify_dump=1
if cmp -s f.4096.expected <(dd if=old bs=4096 skip=1 count=1 status=none) &&
	cmp -s f.4096.received <(dd if=f bs=4096 skip=1 count=1 status=none) && [[ $(echo f.*) = 'f.4096.expected f.4096.received' ]]; then
	ok
else
	bad "verify_dump: $(echo f.*)"
fi
cp old f

# Another seed, another method, another size.
wrong another_seed 'block of another seed, 1 where 5 was expected' "${job[@]}" --rw=read --randseed=5
wrong another_method 'block of another method' "${job[@]}" --rw=read --verify=xxhash
wrong another_size 'written with 4096 bytes' "${job[@]}" --rw=read --bs=8k
right a_header_every_4k "${job[@]}" --rw=read --bs=16k --verify_interval=4k
right small_headers "${job[@]}" --rw=randwrite --verify_interval=512
right small_headers_later "${job[@]}" --rw=randread --bs=512

# Read back now and then, and not twice.
for engine in io_uring raw-io_uring psync; do
	run 0 --filename=f --size=1m --bs=4k --ioengine=$engine --rw=randwrite --verify=crc32c --verify_backlog=16
	if grep -q 'issued rwts: total=256,256,0,0' out; then ok; else bad "$engine: verify_backlog"; fi
	right "$engine: backlog of blocks that are written again" --filename=f --size=64k --bs=4k \
		--ioengine=$engine --rw=randwrite --norandommap --io_size=8m --verify=crc32c --verify_backlog=10 \
		--verify_backlog_batch=5
	# More often in flight than not, when the backlog comes to them; and of several blocks each.
	depth=(--iodepth=16)
	[[ $engine = psync ]] && depth=(--submit_threads=8)
	right "$engine: backlog of blocks that are being written" --filename=f --size=64k --bs=4k \
		--ioengine=$engine "${depth[@]}" --rw=randrw --norandommap --io_size=16m --verify=crc32c \
		--verify_backlog=8 --verify_backlog_batch=3
	right "$engine: backlog of several blocks each" --filename=f --size=256k --bssplit=4k/50:16k/50 \
		--ioengine=$engine "${depth[@]}" --rw=randwrite --io_size=16m --verify=crc32c --verify_backlog=32
done
# 100 writes in half a second, the first of which is spoilt before the backlog comes to it.
rm -f f
timeout 60 "$ioe" bench --eta=never --filename=f --size=400k --bs=4k --rw=write --rate_iops=200 --ioengine=psync \
	--verify=crc32c --verify_backlog=50 --verify_fatal=1 >out 2>err </dev/null &
bench=$!
until [[ $(od -An -tu8 -j $((4096 * 5 + 16)) -N 8 f 2>/dev/null | tr -d ' ') = 20480 ]]; do
	sleep 0.01
done
flip f 100
if ! wait "$bench" && grep -q 'offset 0, 4096 bytes: 1 bit flipped' err && grep -qE 'issued rwts: total=[12],5[0-9],' out; then
	ok
else
	bad "the backlog finds it while it writes: $(grep issued out)"
fi

# Several files, several jobs, several threads.
right two_files --filename=a:b --size=1m --bs=4k --rw=randwrite --ioengine=io_uring --iodepth=4 \
	--verify=xxhash
right clones --name=c --size=1m --bs=4k --rw=randwrite --numjobs=3 --ioengine=psync --verify=crc32c
right producers --filename=f --size=4m --bs=4k --rw=randwrite --ioengine=io_uring --iodepth=16 \
	--submit_threads=4 --verify=crc32c --norandommap
right without_driver --filename=f --size=4m --bs=4k --rw=randwrite --ioengine=io_uring --iodepth=16 \
	--threading=none --verify=crc32c
right producers_without_driver --filename=f --size=4m --bs=4k --rw=randwrite --ioengine=io_uring \
	--iodepth=16 --submit_threads=2 --threading=none --verify=crc32c
right waiters --filename=f --size=1m --bs=4k --rw=randwrite --ioengine=io_uring --iodepth=4 \
	--submit_threads=4 --waiting --verify=crc32c

# The figures of writing are not those of reading back.
if run 0 --filename=f --size=400k --bs=4k --rw=write --rate_iops=50 --ioengine=psync --verify=crc32c \
	--output-format=json && jq -e '.jobs[0] | (.write.iops < 52) and (.read.iops > 100) and
		.write.total_ios == 100 and .read.total_ios == 100' out >/dev/null; then
	ok
else
	bad "rates: $(jq -c '.jobs[0] | [.write.iops, .read.iops]' out)"
fi

# Writes and what is read back in one: so many IOs have taken both times.
if run 0 --filename=new --size=4m --rw=write --verify=crc32c --ioengine=psync --unified_rw_reporting=1 \
	--output-format=json && jq -e '.jobs[0] | .mixed.total_ios == 2048 and
		.mixed.runtime > .job_runtime' out >/dev/null; then
	ok
else
	bad "unified: $(jq -c '.jobs[0] | [.mixed.runtime, .mixed.total_ios, .job_runtime]' out)"
fi

# ---- Refused ------------------------------------------------------------------------------------

# refuses_option NAME REGEX OPTION...: of a job that is right without it
refuses_option()
{
	local name=$1 regex=$2
	shift 2
	refuses "$name" "$regex" --filename=fresh --size=1m "$@"
}
refuses_option unknown_method 'crc32c' --rw=write --verify=crc32d
refuses_option pattern_without_pattern 'verify_pattern' --rw=write --verify=pattern
refuses_option verify_only_alone 'needs --verify' --rw=write --verify_only
refuses_option with_nops 'nop' --rw=nop --verify=crc32c
refuses_option with_versus 'versus' --rw=write --verify=crc32c --versus=psync --ioengine=io_uring
refuses_option with_null 'keeps nothing' --rw=write --verify=crc32c --ioengine=null
refuses_option block_smaller_than_a_header 'header' --rw=write --bs=32 --verify=crc32c --ioengine=psync
refuses_option sizes_that_are_no_multiples 'verify_interval' --rw=randwrite --bssplit=4k/50:6k/50 \
	--verify=crc32c --ioengine=psync
refuses_option endless_verify_only 'time_based' --rw=write --verify=crc32c --verify_only --time_based --runtime=1

# ---- Of slow files: ramp_time that ends while it reads back; Ctrl-C then -----------------------

if slow_file_begin 4194304 5000; then
	# 40 writes in 200 ms, and then 40 reads: ramp_time is over while it reads.
	slow=(--filename=mount/file --size=160k --bs=4k --direct --rw=write --ioengine=psync
		--verify=crc32c --allow_file_create=0)
	if run 0 "${slow[@]}" --ramp_time=300ms --output-format=json &&
		jq -e '.jobs[0] | .write.total_ios == 0 and .read.total_ios == 40 and
			.job_runtime < 10000 and .usr_cpu >= 0 and .ctx >= 0' out >/dev/null; then
		ok
	else
		bad "ramp_time: $(jq -c '.jobs[0] | [.job_runtime, .read.total_ios, .ctx]' out)"
	fi
	if run 0 "${slow[@]}" --ramp_time=300ms && grep -q 'issued rwts: total=40,' out; then
		ok
	else
		bad "ramp_time, text: $(grep issued out)"
	fi
	# 200 writes in a second, and then 200 reads.
	"$ioe" bench --eta=never --filename=mount/file --size=800k --bs=4k --direct --rw=write \
		--ioengine=psync --verify=crc32c --allow_file_create=0 >out 2>err </dev/null &
	bench=$!
	sleep 1.5
	kill -INT "$bench"
	if wait "$bench" && grep -q 'write: IOPS' out && grep -q 'read: IOPS' out &&
		grep -qE 'issued rwts: total=(1?[0-9]{1,2}),200,' out; then
		ok
	else
		bad "interrupted: $(grep issued out)"
	fi
else
	skip 'Ctrl-C while reading back: no FUSE here'
fi

report
