#!/bin/bash
# SPDX-License-Identifier: MIT
# jobs.sh - several jobs in one run, from outside: clones, walls, delays, ramp time, what a failing or a
# stopped job leaves; patterns as the kernel sees them; files, their layout, and what is refused.
# Usage: tests/tools/jobs.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
set -u
# shellcheck source=tests/lib/tool_test.sh
. "$(dirname "$0")/../lib/tool_test.sh"

loop=
mounted=
undo()
{
	[[ -n $mounted ]] && { fsfreeze -u "$mounted" 2>/dev/null; umount "$mounted"; }
	[[ -n $loop ]] && losetup -d "$loop"
}

# json FILTER: is it true of the JSON in out?
json()
{
	jq -e "$1" out
}

if ! command -v jq >/dev/null; then
	skip 'no jq'
	report
	exit
fi

# ---- Clones, walls, delays ----------------------------------------------------------------------

cat >walls.fio <<'E1'
[global]
size=256k
bs=4k
ioengine=psync
[first]
rw=write
numjobs=3
[second]
stonewall
rw=read
filename=first.0.0:first.1.0:first.2.0
size=768k
E1
run 0 walls.fio --output-format=json
check a_wall_begins_when_the_one_before_has_ended test $? -eq 0
check clones_are_jobs_of_their_own json '[.jobs[].jobname] == ["first", "first", "first", "second"]'
check every_clone_does_its_own json 'all(.jobs[:3][]; .write.total_ios == 64)'
check files_of_clones_are_named_as_fios test "$(ls first.*)" = $'first.0.0\nfirst.1.0\nfirst.2.0'
check a_job_of_several_files_reads_all json '.jobs[3].read.total_ios == 192 and .jobs[3].error == 0'
rm -f first.*

mkdir folder
run 0 --directory=folder --name=job --nrfiles=3 --size=96k --rw=write --ioengine=psync
check nrfiles_share_the_size test "$(stat -c '%n %s' folder/*)" = "$(
	printf 'folder/job.0.%d 32768\n' 0 1 2)"
rm -r folder

run 0 --filename=data --size=1m --name=a --rw=read --ioengine=psync --numjobs=2 \
	--runtime=300ms --time_based --startdelay=200ms --output-format=json
check startdelay_is_no_part_of_the_runtime json 'all(.jobs[]; .read.runtime >= 290 and
	.read.runtime < 490)'
before=$(date +%s%N)
run 0 --filename=data --name=a --rw=read --ioengine=psync --ramp_time=400ms --runtime=200ms \
	--time_based --output-format=json
check ramp_time_comes_before_the_runtime test $((($(date +%s%N) - before) / 1000000)) -ge 600
check ramp_time_does_not_count json '.jobs[0].read.runtime < 390 and
	.jobs[0].read.runtime >= 190 and .jobs[0].read.clat_ns.N == .jobs[0].read.total_ios'

cat >company.fio <<'E1'
[global]
filename=data
size=1m
runtime=500ms
time_based
[idle]
rw=read
rate_iops=10
ioengine=psync
[busy]
rw=randread
ioengine=psync
[mine]
rw=randread
ioengine=io_uring
iodepth=4
E1
if run 0 company.fio --output-format=json; then
	check cpu_is_counted_for_each_job json '.jobs[0] | .usr_cpu + .sys_cpu < 30'
	check cpu_of_engines_is_their_jobs json '.jobs[2] | .usr_cpu + .sys_cpu > 1'
elif grep -qE 'not implemented|not permitted' err; then
	skip 'jobs beside each other: no io_uring here'
else
	check jobs_beside_each_other false
fi

cat >exitall.fio <<'E1'
[global]
filename=data
size=1m
ioengine=psync
rw=randread
time_based
[short]
runtime=200ms
exitall
[long]
runtime=50
E1
check exitall_ends_the_others run 0 exitall.fio

sed -e 's/exitall/&\nexit_what=all/' -e 's/\[long\]/&\nstonewall/' exitall.fio >all.fio
check exitall_of_all_ends_walls_to_come run 0 all.fio
cat >after.fio <<'E1'
[global]
filename=data
size=1m
ioengine=psync
rw=randread
time_based
[one]
runtime=300ms
[two]
runtime=200ms
wait_for=one
E1
before=$(date +%s%N)
run 0 after.fio --output-format=json
check wait_for_waits test $((($(date +%s%N) - before) / 1000000)) -ge 500
check what_has_waited_runs json 'all(.jobs[]; .read.runtime >= 190 and .read.runtime < 490)'
printf '[global]\nrw=nop\nnumber_ios=1\n[a]\n[a]\nnumjobs=2\nwait_for=a\n' >same.fio
run 0 same.fio --output-format=json
check clones_of_the_name_that_they_wait_for_do_not_hang json '.jobs | length == 3'

cat >failing.fio <<'E1'
[global]
size=1m
ioengine=psync
rw=randread
runtime=400ms
time_based
[good]
filename=data
[late]
filename=data
max_latency=1ns
[after]
stonewall
filename=data
E1
run 1 failing.fio --output-format=json
check a_failing_job_is_a_failing_run test $? -eq 0
check a_failing_job_does_not_lose_the_others json '.jobs | length == 3 and .[0].error == 0 and
	.[0].read.runtime >= 390 and .[1].error != 0 and .[2].error == 0 and .[2].read.total_ios > 0'
check a_failing_job_says_which_it_was grep -q '^ioe bench: late: .*max_latency' err

# ---- What the kernel sees -----------------------------------------------------------------------

if strace -f -o trace true 2>/dev/null; then
	# offsets ARGS...: what psync is told, one call a line: r 4096 0
	offsets()
	{
		timeout 60 strace -f -P seen -e trace=pread64,pwrite64,fsync,fdatasync -o trace "$ioe" bench \
			--ioengine=psync --filename=seen --name=x "$@" >out 2>err
		# The layout writes 1 MiB at a time, or what there is, before the first read.
		sed -nE 's/^[0-9]+ +p(read|write)64\([0-9]+, .*, ([0-9]+), ([0-9]+)\) += .*/\1 \2 \3/p;
			s/^[0-9]+ +(fsync|fdatasync)\(.*/\1/p' trace
	}
	truncate -s 64k seen
	check sequential_reads_are_in_order test "$(offsets --size=16k --rw=read)" = "$(
		printf 'read 4096 %d\n' 0 4096 8192 12288)"
	check offset_moves_the_area test "$(offsets --size=8k --offset=32k --rw=read)" = "$(
		printf 'read 4096 %d\n' 32768 36864)"
	check syncs_come_every_so_many_writes test "$(
		offsets --size=16k --rw=write --fsync=2 --end_fsync=1)" = "$(
		printf '%s\n' 'write 4096 0' 'write 4096 4096' fsync 'write 4096 8192' \
			'write 4096 12288' fsync)"
	check fdatasync_is_one test "$(offsets --size=12k --rw=write --fdatasync=2)" = "$(
		printf '%s\n' 'write 4096 0' 'write 4096 4096' fdatasync 'write 4096 8192')"
	check random_reads_read_each_block_once test "$(
		offsets --size=64k --rw=randread | sort -u | wc -l)" -eq 16
	check reads_and_writes_have_sizes_of_their_own test "$(
		offsets --size=64k --rw=randrw --bs=4k,8k --norandommap | cut -d' ' -f1,2 | sort -u)" = \
		$'read 4096\nwrite 8192'
	rm -f seen
else
	skip 'patterns: strace does not run here'
fi

# The same IO on every engine: what was written tells where.
for engine in psync raw-io_uring raw-libaio io_uring libaio threads; do
	rm -f written
	truncate -s 1m written
	if run 0 --filename=written --size=1m --rw=randwrite --number_ios=100 --buffer_pattern=0x61 \
		--iodepth=4 --bssplit=4k/50:8k/50 --norandommap --ioengine=$engine; then
		sum=$(md5sum <written)
		[[ $engine != psync ]] || first=$sum
		check "$engine writes what psync does" test "$sum" = "$first"
	else
		skip "$engine: $(head -1 err)"
	fi
done
rm -f written

# ---- Files --------------------------------------------------------------------------------------

run 0 --filename='one\:two:three' --size=64k --rw=read --ioengine=psync
check a_colon_parts_names_unless_escaped test -s 'one:two' -a -s three
rm -f 'one:two' three
mkdir one 'two:three'
run 0 --name=x --directory='one:two\:three' --numjobs=3 --size=4k --rw=write --ioengine=psync
check clones_take_directories_in_turn test -s one/x.0.0 -a -s 'two:three/x.1.0' -a -s one/x.2.0
rm -rf one 'two:three'
run 0 --filename=new --size=1m --rw=write --ioengine=psync --number_ios=1 --fallocate=none
check files_to_be_written_are_not_laid_out test "$(stat -c %s new)" -eq 4096
run 0 --filename=new --size=50% --rw=read --bs=512 --ioengine=psync
check size_in_per_cent_of_the_file grep -q 'issued rwts: total=4,0' out
run 0 --filename=new --size=64 --bs=64 --io_size=1% --rw=read --ioengine=psync
check a_per_cent_of_few_bytes_is_not_endless test $? -eq 0
run 0 --filename=new --size=150 --bs=1 --io_size=50% --rw=read --ioengine=psync
check io_size_in_per_cent_of_the_size grep -q 'issued rwts: total=75,0' out
run 0 --filename=new --size=64k --offset=64k --rw=read --ioengine=psync
check an_area_behind_the_end_is_laid_out test "$(stat -c %s new)" -eq 131072
rm -f new
run 2 --filename=new --size=64k --rw=randrw --readonly --ioengine=psync && [[ ! -e new ]]
check readonly_refuses_writes test $? -eq 0
truncate -s 4k short
run 2 --filename=short --size=64k --rw=read --readonly --ioengine=psync &&
	grep -q 'forbids to lay it out' err && [[ $(stat -c %s short) -eq 4096 ]]
check readonly_extends_no_file test $? -eq 0
run 2 --filename=new --size=64k --rw=read --readonly --ioengine=psync && [[ ! -e new ]]
check readonly_makes_no_file test $? -eq 0
run 0 --filename=short --rw=read --readonly --ioengine=psync
check readonly_reads_what_is_there grep -q 'issued rwts: total=1,0' out
rm -f short
printf '[global]\nsize=1m\nioengine=psync\n[a]\nfilename=new\nrw=read\n[b]\nfilename=big\nsize=900t\nrw=read\n' \
	>space.fio
run 1 space.fio && grep -q 'has .* left' err && [[ ! -e new && ! -e big ]]
check space_is_counted_for_all_jobs_before_any_file_is_made test $? -eq 0
free=$(($(stat -f -c '%a * %S' .)))
run 0 --filename=new --size=$((free / 20 / 4096 * 4096)) --rw=write --bs=4k --number_ios=1 --numjobs=8 \
	--offset_increment=$((free / 20 / 4096 * 4096)) --fallocate=none --ioengine=psync
check areas_of_one_file_are_not_added_up test $? -eq 0
rm -f new
run 2 --filename=new --size=64k --bs=4k --bssplit=4k/50:5000/50 --direct --ioengine=psync &&
	grep -q 'multiples of' err && [[ ! -e new ]]
check misaligned_splits_are_refused test $? -eq 0
truncate -s 1000000 odd
run 2 --filename=odd --size=64k --rw=write --file_append --direct --ioengine=psync &&
	grep -q 'multiples of' err && [[ $(stat -c %s odd) -eq 1000000 ]]
check appending_where_direct_cannot_is_refused test $? -eq 0
rm -f odd
run 0 --filename=new --size=64k --rw=write --ioengine=psync --unlink=1
check unlink_takes_the_file_away test ! -e new
echo precious >old
truncate -s 64k old
run 0 --filename=old --rw=read --ioengine=psync --unlink=1
check unlink_leaves_a_file_that_was_there_before grep -q precious old
rm -f old
run 0 --filename=new --size=64k --rw=read --create_only=1 --ioengine=psync &&
	[[ $(stat -c %s new) -eq 65536 ]]
check create_only_only_creates test $? -eq 0
run 1 --filename=missing --size=64k --rw=read --allow_file_create=0 --ioengine=psync
check a_missing_file_may_be_wanted test ! -e missing

# ---- Errors -------------------------------------------------------------------------------------

# Behind a limit of the size of files writes fail.
limited()
{
	(ulimit -f 64 && trap '' XFSZ && run 1 --filename=limited --size=128k --rw=write --fallocate=none \
		--ioengine=psync --output-format=json "$@")
}
limited
check an_error_ends_the_job json '.jobs[0].write.total_ios <= 17 and .jobs[0].error == 27'
limited --continue_on_error=write
check continue_on_error_goes_on json '.jobs[0].write.total_ios == 32 and
	.jobs[0].total_err == 16 and .jobs[0].first_error == 27'
limited --continue_on_error=read
check continue_on_error_of_another_kind_does_not json '.jobs[0].write.total_ios <= 17'
rm -f limited

# ---- CPUs ---------------------------------------------------------------------------------------

for engine in psync io_uring; do
	"$ioe" bench --filename=data --size=1m --rw=randread --ioengine=$engine --runtime=20 \
		--time_based --cpus_allowed=0 >out 2>err &
	pid=$!
	for ((i = 0; i < 500; i++)); do
		n=$(find /proc/$pid/task -mindepth 1 -maxdepth 1 2>/dev/null | wc -l)
		[[ $n -ge 2 ]] && break
		sleep 0.02
	done
	sleep 0.3
	# All threads but the first, which watches.
	lists=$(for task in "/proc/$pid/task"/*; do
		[[ $task == */$pid ]] || sed -n 's/^Cpus_allowed_list:\s*//p' "$task/status"
	done | sort -u)
	kill -INT $pid
	if ! wait $pid; then
		skip "cpus_allowed with $engine: $(head -1 err)"
	else
		check "cpus_allowed holds for all threads of $engine" test "$lists" = 0
	fi
done

# ---- Stopping, and results so far ---------------------------------------------------------------

# started ARGS...: begin in the background, and wait until the head is printed
started()
{
	: >out
	"$ioe" bench --filename=data --size=1m --rw=randread --ioengine=psync --time_based "$@" \
		>out 2>err &
	pid=$!
	for ((i = 0; i < 500; i++)); do
		grep -q '^Starting' out && break
		sleep 0.02
	done
}
started --runtime=60 --ramp_time=60
kill -INT $pid
wait $pid
check ctrl_c_in_ramp_time_ends test $? -eq 0
started --runtime=60 --startdelay=60
kill -INT $pid
wait $pid
check ctrl_c_in_startdelay_ends test $? -eq 0
started --runtime=60 --name=b --stonewall
sleep 0.2
kill -INT $pid
wait $pid
check ctrl_c_ends_all_walls test $? -eq 0
check ctrl_c_keeps_what_was_done grep -q 'issued rwts: total=[1-9]' out

started --runtime=60
sleep 0.2
kill -USR1 $pid
for ((i = 0; i < 500; i++)); do
	grep -q 'issued rwts: total=[1-9]' out && break
	sleep 0.02
done
check sigusr1_prints_results_so_far grep -q 'issued rwts: total=[1-9]' out
kill -INT $pid
wait $pid
check sigusr1_does_not_stop test "$(grep -c 'issued rwts' out)" -eq 2
run 0 --filename=data --size=1m --rw=randread --ioengine=psync --time_based --runtime=1 \
	--status-interval=300ms
check status_interval_prints_again_and_again test "$(grep -c 'issued rwts' out)" -ge 3
run 0 --filename=data --size=1m --rw=randread --ioengine=psync --status-interval=400ms \
	--output-format=json --name=short --number_ios=100 --name=long --time_based --runtime=1
check what_has_ended_keeps_its_figures test "$(jq -s 'length >= 3 and
	([.[].jobs[0] | [.read.runtime, .read.iops, .ctx, .usr_cpu, .minf]] | unique | length == 1)' out)" = true
truncate -s 1t sparse
timeout -s KILL 20 "$ioe" bench --filename=sparse --rw=read --pre_read --number_ios=1 --ioengine=psync \
	>out 2>err &
pid=$!
sleep 0.3
kill -INT $pid
wait $pid
check ctrl_c_in_pre_read_ends test $? -eq 0
rm -f sparse
"$ioe" bench --filename=huge --size=20g --rw=read --ioengine=psync >out 2>err &
pid=$!
for ((i = 0; i < 500; i++)); do
	[[ -s huge ]] && break
	sleep 0.02
done
kill -INT $pid
wait $pid
check ctrl_c_in_layout_undoes_it test $? -eq 1 -a ! -e huge

run 0 --filename=data --size=1m --rw=randread --ioengine=psync --time_based --runtime=1 --eta=always
tr '\r' '\n' <err | grep -qE '^Jobs: 1 \(f=1\): \[r\(1\)\]\[[0-9.]+%\]\[r=[0-9.]+[KMG]iB/s\]\[r=[0-9.]+k? IOPS\]\[eta [0-9]'
check live_line_as_fios test $? -eq 0

# ---- What does not come back --------------------------------------------------------------------

truncate -s 32m disk
if loop=$(losetup -f --show disk 2>/dev/null) && mkfs.ext4 -q "$loop" 2>/dev/null && mkdir mnt &&
	mount "$loop" mnt 2>/dev/null; then
	mounted=$dir/mnt
	run 0 --filename=mnt/file --size=1m --rw=read --create_only=1 --ioengine=psync
	for engine in psync io_uring raw-libaio; do
		: >err
		fsfreeze -f mnt
		# Nothing that this shell writes to may be frozen.
		"$ioe" bench --filename=mnt/file --size=1m --rw=write --ioengine=$engine --runtime=1 \
			--time_based --fallocate=none >out 2>err &
		pid=$!
		for ((i = 0; i < 600; i++)); do
			grep -q 'have not come back' err && break
			kill -0 $pid 2>/dev/null || break
			sleep 0.02
		done
		fsfreeze -u mnt
		wait $pid
		check "$engine says which IO has not come back" grep -q \
			'write of 4096 bytes at offset 0 of mnt/file, for [0-9]* ms' err
	done
	umount mnt
	mounted=
	losetup -d "$loop"
	rm disk
	truncate -s 32m disk
	loop=$(losetup -f --show disk)
	run 0 --filename="$loop" --size=1m --rw=write --ioengine=psync
	check a_free_device_is_written_to test $? -eq 0
	run 0 --filename="$loop" --size=1m --rw=write --ioengine=psync --numjobs=2
	check a_device_is_written_to_by_clones test $? -eq 0
	run 0 --filename="$loop" --bs=1m --rw=write --fill_device --ioengine=psync
	check a_device_is_filled_once grep -q 'issued rwts: total=0,32,' out
	mkfs.ext4 -q "$loop"
	"$ioe" bench --ioengine=psync --name=a --filename=data --size=1m --rw=read --time_based --runtime=1 \
		--name=b --stonewall --filename="$loop" --size=1m --offset=8m --rw=write >out 2>err &
	pid=$!
	sleep 0.4
	mount "$loop" mnt && mounted=$dir/mnt
	wait $pid
	test $? -eq 1 && grep -q 'Device or resource busy' err
	check a_device_that_was_mounted_meanwhile_is_not test $? -eq 0
	umount mnt && mounted=
	mkfs.ext4 -q "$loop" && mount "$loop" mnt && mounted=$dir/mnt
	run 2 --filename="$loop" --size=1m --rw=write --ioengine=psync &&
		grep -q 'allow_mounted_write' err
	check a_mounted_device_is_not test $? -eq 0
	run 0 --filename="$loop" --size=1m --offset=8m --rw=write --ioengine=psync \
		--allow_mounted_write=1
	check a_mounted_device_is_written_to_if_it_must_be test $? -eq 0
else
	skip 'what does not come back: no loop device, ext4 or mount here'
fi

report
