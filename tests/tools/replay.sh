#!/bin/bash
# SPDX-License-Identifier: MIT
# replay.sh - read_iolog and write_iolog, with fio on the other side; and the logs over time beside
# those that fio writes.
# Usage: tests/tools/replay.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
# shellcheck disable=SC2016 # awk's programs
set -u
# shellcheck source=tests/lib/tool_test.sh
. "$(dirname "$0")/../lib/tool_test.sh"

# operations LOG: what is done, without times; where a sync stands, but not the offset that fio notes
operations()
{
	awk 'NR > 1 && NF == 5 { print $2, $3, $3 ~ /sync/ ? "" : $4 " " $5 }' "$1"
}

# same NAME LOG LOG
same()
{
	if diff <(operations "$2") <(operations "$3") >difference && [[ -s $2 ]]; then
		ok
	else
		bad "$1: $(head -3 difference)"
	fi
}

# traced FILE: the same of a run of fio with psync under strace, whose output is in trace
traced()
{
	awk -v file="$1" -F '[(,<>)]' '
		index($0, "/" file ">") == 0 { next }
		/ p(read|write)64\(/ {
			match($0, /, [0-9]+, [0-9]+\)/)
			split(substr($0, RSTART + 2, RLENGTH - 3), n, ", ")
			print file, /pread/ ? "read" : "write", n[2], n[1]
		}
		/ fsync\(/ { print file, "sync ", "" }
		/ fdatasync\(/ { print file, "datasync ", "" }' trace | sed 's/ *$//'
}

# ---- One list, on each engine, and by fio ---------------------------------------------------------

job=(--filename=f --size=4m --rw=randrw '--bs=4k,8k' --number_ios=200 --fsync=7)
for engine in io_uring libaio threads raw-io_uring raw-libaio psync; do
	depth=(--iodepth=4)
	[[ $engine = psync ]] && depth=()
	rm -f written replayed
	check "$engine: writes a list" run 0 "${job[@]}" --ioengine=$engine "${depth[@]}" --write_iolog=written
	check "$engine: of what was asked for" [ "$(operations written | grep -vc sync)" = 200 ]
	check "$engine: replays it" run 0 --ioengine=$engine "${depth[@]}" --read_iolog=written \
		--write_iolog=replayed
	same "$engine: the same operations" written replayed
	reads=$(operations written | grep -c read) writes=$(operations written | grep -c write)
	syncs=$(operations written | grep -c sync)
	check "$engine: and counts them" grep -q "issued rwts: total=$reads,$writes,0,$syncs " out
done

# fio does what the list says.
if strace -f -y -e trace=pread64,pwrite64,fsync,fdatasync -o trace fio --name=x --read_iolog=written \
	--ioengine=psync >out 2>err; then
	if diff <(operations written | sed 's/ *$//') <(traced f) >difference; then
		ok
	else
		bad "fio does the same operations: $(head -3 difference)"
	fi
else
	bad "fio replays our list"
fi
# And we do what a list of fio says.
for rw in read randwrite randrw; do
	rm -f fios replayed
	fio --name=x --filename=f --size=4m --rw=$rw --bsrange=4k-16k --number_ios=100 --ioengine=psync \
		--fdatasync=9 --write_iolog=fios >out 2>err || bad "fio writes a list"
	check "replays a list of fio, $rw" run 0 --ioengine=io_uring --iodepth=8 --read_iolog=fios \
		--write_iolog=replayed
	same "the same as fio's, $rw" fios replayed
done

# A list may have more operations than its file has blocks.
{
	echo 'fio version 3 iolog'
	printf "0 $dir/small %s\n" add open
	for ((i = 0; i < 20; i++)); do
		printf "$i $dir/small %s\n" 'write 4096 4096' 'sync 0 0' 'write 0 4096'
	done
	echo "20 $dir/small close"
} >longer
for engine in io_uring psync; do
	rm -f replayed
	check "$engine: replays all of a small file" run 0 --ioengine=$engine --read_iolog=longer \
		--write_iolog=replayed
	same "$engine: all of it" longer replayed
done
check number_ios_of_a_list run 0 --ioengine=psync --read_iolog=longer --number_ios=5
check number_ios_of_a_list_ends_it grep -q 'issued rwts: total=0,3,0,2 ' out

# ---- Files, times -------------------------------------------------------------------------------

cat >two <<END
fio version 3 iolog
0 $dir/a add
0 $dir/b add
1 $dir/a open
1 $dir/b open
100000 $dir/a write 0 4096
200000 $dir/b write 65536 8192
300000 $dir/a sync 0 0
400000 $dir/a read 4096 512
500000 $dir/a close
500000 $dir/b close
END
rm -f replayed
check two_files run 0 --ioengine=psync --read_iolog=two --write_iolog=replayed
same two_files_are_told_apart two replayed
check files_are_as_long_as_the_list_needs [ "$(stat -c %s a b | tr '\n' ' ')" = '4608 73728 ' ]

# lasts FROM TO ARGS...: the reads and writes, in ms
lasts()
{
	local from=$1 to=$2 ms
	shift 2
	run 0 --output-format=json "$@"
	ms=$(jq '.jobs[0].job_runtime' out)
	[[ $ms -ge $from && $ms -le $to ]]
}

# runtime NAME FROM TO ARGS...: the same, tried three times
runtime()
{
	local name=$1
	shift
	if thrice lasts "$@"; then ok; else bad "$name: $(jq '.jobs[0].job_runtime' out) ms"; fi
}
for engine in io_uring raw-io_uring psync; do
	runtime "$engine: times_of_the_list" 400 500 --ioengine=$engine --read_iolog=two
	runtime "$engine: twice_as_fast" 200 300 --ioengine=$engine --read_iolog=two --replay_time_scale=200
	runtime "$engine: as_fast_as_it_goes" 0 99 --ioengine=$engine --read_iolog=two --replay_no_stall=1
done
runtime three_times 1200 1400 --ioengine=psync --read_iolog=two --loops=3
check three_times_as_much jq -e '.jobs[0].read.total_ios == 3 and .jobs[0].write.total_ios == 6' out
check redirected run 0 --ioengine=psync --read_iolog=two --replay_redirect=other --replay_no_stall=1
check all_on_one_file [ "$(stat -c %s other)" = 73728 ]

# More than the file has: the list says how much there is to do.
{
	printf 'fio version 2 iolog\n%s add\n%s open\n' f f
	for ((i = 0; i < 300; i++)); do echo 'f read 4096 4096'; done
} >again
check the_same_block_again_and_again run 0 --ioengine=psync --output-format=json --read_iolog=again
check all_of_that_list_is_done jq -e '.jobs[0].read.total_ios == 300' out
check the_same_block_twice_as_often run 0 --ioengine=io_uring --iodepth=4 --output-format=json \
	--read_iolog=again --loops=2
check all_of_that_list_is_done_twice jq -e '.jobs[0].read.total_ios == 600' out

# Version 2: a wait is until so many ms after the start, with fio 3.33, too.
printf 'fio version 2 iolog\n%s add\n%s open\n%s read 0 4096\n%s wait 300 0\n%s read 4096 4096\n' \
	f f f f f >waits
runtime version_2_waits 300 400 --ioengine=psync --read_iolog=waits

# ---- Refused ------------------------------------------------------------------------------------

# refuses_list NAME REGEX ARGS...
refuses_list()
{
	local name=$1 regex=$2
	shift 2
	refuses "$name" "$regex" --ioengine=psync "$@"
}
printf 'fio version 3 iolog\n0 fresh add\n0 fresh open\n1 fresh write 0 4k\n' >broken
refuses_list a_bad_line "broken:4: the length '4k' is no number" --read_iolog=broken
printf 'fio version 3 iolog\n0 fresh add\n0 fresh open\n1 fresh trim 0 4096\n' >broken
refuses_list trim "broken:4: the action 'trim' is unknown" --read_iolog=broken
printf 'fio version 3 iolog\n0 fresh add\n0 fresh open\n1 fresh sync 0 0\n' >broken
refuses_list nothing_but_syncs 'neither reads nor writes' --read_iolog=broken
refuses_list no_list 'nowhere: No such file' --read_iolog=nowhere
refuses_list the_same_file 'same file' --read_iolog=two --write_iolog=two
refuses_list with_verify 'does not go with --read_iolog' --read_iolog=two --verify=crc32c
refuses_list writes_when_readonly 'readonly' --read_iolog=two --readonly
refuses_list list_of_several_jobs 'numjobs' --filename=fresh --size=1m --write_iolog=x --numjobs=2
refuses_list logs_without_times 'gtod_reduce' --filename=fresh --size=1m --write_lat_log=x --gtod_reduce
refuses_list list_of_nops 'IO on files' --ioengine=io_uring --rw=nop --write_iolog=x
check a_list_that_cannot_be_written run 1 --ioengine=psync --filename=f --size=1m --write_iolog=/dev/full
check says_so grep -q 'write_iolog: /dev/full: No space left on device' err

# ---- Logs over time, beside fio's ----------------------------------------------------------------

# columns LOG: how many numbers a line has, and nothing but numbers
columns()
{
	awk -F ', ' '{ for (i = 1; i <= NF; i++) if ($i !~ /^[0-9]+$/) print "no number:", $i }
		{ n[NF] = 1 } END { for (i in n) print i }' "$1"
}

# One set of options: false if the timing is not what it should be.
logs_agree()
{
	local fio_lines our_lines
	fio_lines=$(wc -l <fios/l_lat.1.log) our_lines=$(wc -l <ours/l_lat.1.log)
	((our_lines * 100 / (fio_lines + 1) >= 90 && our_lines * 100 / (fio_lines + 1) <= 110)) || return 1
	[[ $1 = *avg* ]] || return 0
	# 200 reads and 200 writes a second, 4 KiB each.
	awk -F ', ' '{ n++; sum += $2; bad = bad || $4 } END { exit bad || sum / n < 190 || sum / n > 210 }' \
		ours/l_iops.1.log &&
		awk -F ', ' '{ n++; sum += $2 } END { exit sum / n < 760 || sum / n > 840 }' ours/l_bw.1.log
}

for options in '' --log_avg_msec=100 '--log_avg_msec=100 --log_max_value=1' --log_offset=1; do
	read -ra more <<<"$options"
	logs=(--name=x --filename=../f --size=1m --bs=4k --rw=randrw --rate_iops=200 --runtime=1 --time_based
		--write_bw_log=l --write_lat_log=l --write_iops_log=l "${more[@]}")
	# A machine that is busy with something else may spoil it twice.
	for ((i = 0; i < 3; i++)); do
		rm -rf ours fios
		mkdir ours fios
		(cd fios && fio "${logs[@]}" --ioengine=io_uring >../out 2>../err)
		(cd ours && timeout 60 "$ioe" bench --eta=never "${logs[@]}" --ioengine=raw-io_uring >../out 2>../err)
		logs_agree "$options" && break
	done
	check "the names of fio's logs, $options" diff <(ls fios) <(ls ours)
	for log in bw slat clat lat iops; do
		check "_$log: columns as fio's, $options" \
			diff <(columns fios/l_$log.1.log) <(columns ours/l_$log.1.log)
	done
	check "rates and number of lines as fio's, $options" logs_agree "$options"
	if [[ $options = *avg* ]]; then
		check "ends of windows, $options" awk -F ', ' '$1 % 100 { exit 1 }' ours/l_bw.1.log
	else
		check "each IO, $options" awk -F ', ' '$2 != 1 || $4 != 4096 { exit 1 }' ours/l_iops.1.log
	fi
	check "lat is slat and clat, $options" awk -F ', ' '
		FILENAME ~ /_slat/ { s += $2 } FILENAME ~ /_clat/ { c += $2 } FILENAME ~ /_lat/ { l += $2 }
		END { exit !(l > 0 && ((s + c - l) < l / 20 && (l - s - c) < l / 20 || '"${#options}"' > 30)) }' \
		ours/l_slat.1.log ours/l_clat.1.log ours/l_lat.1.log
done
check offsets awk -F ', ' '$5 % 4096 || $5 >= 1048576 { exit 1 }' ours/l_lat.1.log

mkdir named
(cd named && timeout 60 "$ioe" bench --eta=never --name=job --filename=../f --size=1m --ioengine=io_uring \
	--number_ios=10 --numjobs=2 --write_iops_log --write_lat_log=z --per_job_logs=0 >../out 2>../err)
check one_file_for_all_jobs [ "$(wc -l <named/job_iops.log)" = 20 ]
check what_callbacks_do_not_see_is_empty [ ! -s named/z_slat.log -a "$(wc -l <named/z_lat.log)" = 20 ]
run 1 --filename=f --size=1m --ioengine=psync --write_bw_log=/nowhere/x
check a_log_that_cannot_be_written grep -q '/nowhere/x_bw.1.log: No such file or directory' err
check and_the_results_are_there grep -q 'read: IOPS' out

report
