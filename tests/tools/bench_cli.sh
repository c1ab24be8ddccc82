#!/bin/bash
# SPDX-License-Identifier: MIT
# bench_cli.sh - the `ioe` command from outside: options, errors and exit statuses, tiny runs of
# every engine, JSON, --versus, suite --quick; and that what is refused or fails leaves files alone.
# Usage: tests/tools/bench_cli.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
set -u

ioe=${1:-${IOE_RELEASE_DIR:-build/release}/ioe}
if [[ ! -x $ioe ]]; then
	echo "bench_cli: no command at $ioe"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
fi
ioe=$(realpath "$ioe")
passed=0 failed=0 skipped=0
dir=$(mktemp -d)
loop=
mounted=
cleanup()
{
	[[ -n $mounted ]] && umount "$mounted"
	[[ -n $loop ]] && losetup -d "$loop"
	rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

ok()
{
	passed=$((passed + 1))
}

bad()
{
	failed=$((failed + 1))
	echo "FAILED: $*"
	sed 's/^/    stderr: /' err | head -5
}

skip()
{
	skipped=$((skipped + 1))
	echo "[SKIP] tools: $*"
}

# check NAME CONDITION...: one test by a command's status
check()
{
	local name=$1
	shift
	if "$@" >/dev/null 2>&1; then
		ok
	else
		bad "$name"
	fi
}

# run STATUS ARGS...: run ioe, output in out and err; false if it did not exit with STATUS
run()
{
	local want=$1 got=0
	shift
	timeout 60 "$ioe" "$@" >out 2>err </dev/null || got=$?
	[[ $got -eq $want ]]
}

# refuses NAME REGEX ARGS...: status 2, one line on stderr like REGEX, nothing on stdout, no new file
refuses()
{
	local name=$1 regex=$2 before
	shift 2
	before=$(ls)
	if run 2 bench "$@" && [[ $(wc -l <err) -eq 1 ]] && grep -qE -- "$regex" err &&
		[[ ! -s out ]] && [[ $(ls) == "$before" ]]; then
		ok
	else
		bad "$name: $(head -1 err)"
	fi
}

touch out err

# ---- Options ----------------------------------------------------------------------------------

file=(--filename=new --size=1m --ioengine=psync)
refuses unknown_option_is_told_its_nearest 'did you mean --iodepth\?' "${file[@]}" --iodepht=4
refuses unknown_choice_is_told_its_nearest "did you mean 'randread'" "${file[@]}" --rw=randred
refuses unknown_option_far_from_all '--help' "${file[@]}" --qqqqqqqqqqqq
refuses size_with_bad_suffix 'not a size' "${file[@]}" --bs=4q
refuses size_negative 'not a size' "${file[@]}" --bs=-4k
refuses size_too_large 'too large' --filename=new --size=99999999999p
refuses size_zero 'out of range|at least' --filename=new --size=0
refuses time_with_bad_suffix 'not a time' "${file[@]}" --runtime=5x
refuses count_not_a_number 'not a number' "${file[@]}" --iodepth=many
refuses count_out_of_range 'out of range' "${file[@]}" --iodepth=0
refuses bool_not_a_bool '0 or 1' "${file[@]}" --direct=yes
refuses value_missing 'needs a value' --filename
refuses filename_empty 'is empty' --filename= --size=1m
refuses argument_that_is_no_option 'name=value' job.fio
refuses no_filename 'filename' --rw=read
refuses no_size 'size is needed' --filename=new
refuses block_larger_than_size 'less than --bs' "${file[@]}" --bs=2m
refuses time_based_without_runtime 'runtime' "${file[@]}" --time_based
refuses rounds_without_versus 'versus' "${file[@]}" --rounds=3
refuses versus_itself 'same as' "${file[@]}" --versus=psync
refuses option_of_another_engine 'means nothing' "${file[@]}" --threading=inline
refuses fixedbufs_on_ours 'means nothing' --filename=new --size=1m --ioengine=io_uring --fixedbufs
refuses nop_on_psync 'no such operation' --rw=nop --ioengine=psync
refuses nop_with_a_file 'no file' --rw=nop --filename=new
refuses more_threads_than_depth 'more than --iodepth' --filename=new --size=1m --submit_threads=4
refuses none_with_two_drivers 'one driver' --filename=new --size=1m --threading=none --n_drivers=2
refuses nomerge_with_limits 'no sense' --filename=new --size=1m --nomerge --merge_max_bytes=64k
refuses direct_misaligned_on_a_new_file 'multiples of' "${file[@]}" --direct --bs=1000
refuses directory_as_file 'neither' --filename="$dir" --size=1m

run 2 bnch && grep -q 'did you mean bench' err
check unknown_command_is_told_its_nearest test $? -eq 0
run 0 bench --help && grep -q -- '--iodepth_batch_submit' out
check help_lists_options test $? -eq 0
run 0 bench --cmdhelp=bs && grep -q 'blocksize' out
check cmdhelp_tells_of_one_option test $? -eq 0
run 0 --version && grep -q '^ioe-' out
check version test $? -eq 0

# Values as fio writes them, told by what the job did.
run 0 bench --filename=units --size=0x10000 --bs=4KiB --ioengine=psync --rw=read &&
	grep -q 'issued rwts: total=16,0,0,0' out
check sizes_in_hex_and_kib test $? -eq 0
run 0 bench --filename units --size 64K --blocksize=8kb --readwrite=write --ioengine=psync &&
	grep -q 'issued rwts: total=0,8,0,0' out
check values_apart_and_fios_aliases test $? -eq 0
rm -f units

# ---- Files ------------------------------------------------------------------------------------

run 0 bench --filename=data --size=1m --rw=read --ioengine=psync
check lays_out_a_missing_file test "$(stat -c %s data)" = 1048576
check laid_out_file_has_no_holes test $(($(stat -c %b data) * 512)) -ge 1048576
check laid_out_file_does_not_repeat test "$(head -c 4096 data | md5sum)" != \
	"$(tail -c 4096 data | md5sum)"

cp data copy
run 0 bench --filename=data --size=2m --rw=read --ioengine=psync
check layout_keeps_what_was_there cmp -n 1048576 data copy
check layout_extends test "$(stat -c %s data)" = 2097152
cp copy data
run 0 bench --filename=data --rw=randread --ioengine=psync
check reading_changes_nothing cmp data copy

(ulimit -f 1500 && run 1 bench --filename=data --size=8m --rw=read --ioengine=psync)
check failed_layout_fails test $? -eq 0
check failed_layout_gives_the_old_file_back cmp data copy
(ulimit -f 1500 && run 1 bench --filename=new --size=8m --rw=read --ioengine=psync)
check failed_layout_fails_on_a_new_file test $? -eq 0
check failed_layout_leaves_no_new_file test ! -e new
run 1 bench --filename=new --size=900t --ioengine=psync && grep -q 'left' err
check too_little_space_is_said_before_writing test $? -eq 0
check too_little_space_leaves_no_file test ! -e new
run 1 bench --filename=missing/new --size=1m --ioengine=psync
check missing_directory_fails test $? -eq 0
run 2 bench --filename=data --rw=write --bs=4k --ioengine=psync --iodepth=-1
check bad_value_does_not_write cmp data copy

# ---- Every engine, tiny -------------------------------------------------------------------------

json()
{
	if command -v python3 >/dev/null; then
		python3 -c 'import json, sys
job = json.load(open("out"))["jobs"][0]
print(eval(sys.argv[1], {}, {"job": job}))' "$1"
	else
		jq -r "$2" out
	fi
}
have_json=
{ command -v python3 || command -v jq; } >/dev/null && have_json=1

backends=()
for engine in io_uring libaio threads raw-io_uring raw-libaio psync; do
	if run 0 bench --filename=data --size=64k --rw=read --ioengine=$engine; then
		backends+=("$engine")
	elif grep -qE 'not implemented|not permitted|Permission' err; then
		skip "$engine is not available here: $(head -1 err)"
	else
		bad "$engine reads a file"
	fi
done

jobs_of()
{
	case $1 in
	psync) echo "--submit_threads=2" ;;
	raw-io_uring) echo "--iodepth=8 --iodepth_batch_submit=4 --iodepth_batch_complete_max=8" \
		"--submit_and_wait --registerring --registerfiles --fixedbufs --defer_taskrun=0" ;;
	raw-libaio) echo "--iodepth=8 --iodepth_batch=4 --iodepth_batch_complete=2 --userspace_reap" ;;
	*) echo "--iodepth=8" ;;
	esac
}

for engine in "${backends[@]}"; do
	read -ra options <<<"$(jobs_of "$engine")"
	for rw in read randread write randwrite; do
		run 0 bench --filename=data --size=1m --rw=$rw --ioengine="$engine" \
			"${options[@]}" && grep -qE '^  (read|write): IOPS=' out &&
			grep -qE 'issued rwts: total=(256,0|0,256),0,0 short=0,0' out
		check "$engine does $rw, all of it" test $? -eq 0
	done
	run 0 bench --filename=data --rw=randread --ioengine="$engine" --bs=64k --direct \
		--runtime=100ms --time_based --output-format=json "${options[@]}"
	check "$engine runs for a time" test $? -eq 0
	if [[ -n $have_json ]]; then
		check "$engine json has what it did" test "$(json \
			'job["read"]["total_ios"] * 65536 == job["read"]["io_bytes"] > 0' \
			'.jobs[0].read | .total_ios * 65536 == .io_bytes')" = "$(
			command -v python3 >/dev/null && echo True || echo true)"
		check "$engine json has percentiles" test "$(json \
			'job["read"]["clat_ns"]["percentile"]["99.000000"] > 0' \
			'.jobs[0].read.clat_ns.percentile["99.000000"] > 0' | tr T t)" = true
	else
		skip "$engine json: neither python3 nor jq"
	fi
done

for threading in pool inline none; do
	for threads in "" --submit_threads=1 --submit_threads=3; do
		run 0 bench --filename=data --size=1m --rw=randread --iodepth=7 \
			--threading=$threading ${threads:+"$threads"} --channel_capacity=4 &&
			grep -q 'issued rwts: total=256,0' out
		check "ours reads all with $threading $threads" test $? -eq 0
	done
	run 0 bench --rw=nop --iodepth=16 --threading=$threading --number_ios=10000 &&
		grep -q '10000 events/' out
	check "ours does nops with $threading" test $? -eq 0
done
run 0 bench --filename=data --size=1m --rw=write --iodepth=16 --submit_threads=2 --n_drivers=2 \
	--threading=inline --iodepth_batch_submit=4 --iodepth_batch_complete_min=2
check several_drivers_and_batches test $? -eq 0
run 0 bench --filename=data --size=1m --rw=read --iodepth=16 --nomerge &&
	grep -q 'requests=256, merged events=0' out
check nomerge_makes_a_request_of_every_event test $? -eq 0

# ---- Comparing ----------------------------------------------------------------------------------

run 0 bench --filename=data --rw=randread --iodepth=4 --ioengine=threads --versus=psync --rounds=2 \
	--runtime=50ms --time_based && grep -q '^versus: threads against psync, 2 rounds' out &&
	[[ $(grep -c '^  psync ' out) -eq 2 ]]
check versus_runs_both_in_turn test $? -eq 0
run 0 suite --quick --directory="$dir" && grep -qE '^threads +psync +[0-9]+ +[0-9]+ ' out
check suite_quick_prints_its_table test $? -eq 0
check suite_removes_its_file test -z "$(find "$dir" -name 'ioe-suite*')"
run 0 suite --quick --directory="$dir" --commit= && grep -q 'commit unknown' out
check suite_knows_no_commit_outside_git test $? -eq 0
run 2 suite --directory=/nonexistent
check suite_without_a_directory test $? -eq 0
run 0 probe --filename=data && grep -q 'O_DIRECT' out
check probe_tells_backends_and_alignment test $? -eq 0

# ---- Failing and stopping -----------------------------------------------------------------------

"$ioe" bench --filename=data --size=64k --ioengine=psync >/dev/full 2>err
check full_standard_output_fails test $? -eq 1

# stopped ENGINE SIGNAL: a long job is stopped, prints what it has, and ends well
stopped()
{
	local pid status=0 waited=0
	# What is in out from before must not be taken for the job's.
	: >out
	"$ioe" bench --filename=data --rw=randread --ioengine="$1" --runtime=60 --time_based \
		--output-format=normal >out 2>err &
	pid=$!
	# Its two lines of head are printed when the job begins.
	while [[ $(wc -l <out) -lt 2 && $waited -lt 500 ]]; do
		sleep 0.02
		waited=$((waited + 1))
	done
	kill "-$2" "$pid"
	wait "$pid" || status=$?
	[[ $status -eq 0 ]] && grep -q 'issued rwts' out
}
stopped threads INT
check ctrl_c_stops_and_still_prints test $? -eq 0
stopped psync TERM
check sigterm_stops_and_still_prints test $? -eq 0

# A file that shrinks under the job: reads behind its end are short.
cp copy shrinks
: >out
"$ioe" bench --filename=shrinks --rw=randread --ioengine=psync --runtime=60 --number_ios=200000 \
	--time_based --invalidate=0 >out 2>err &
pid=$!
while [[ $(wc -l <out) -lt 2 ]] && kill -0 $pid 2>/dev/null; do
	sleep 0.01
done
truncate -s 4k shrinks
wait $pid
status=$?
[[ $status -eq 1 ]] && grep -qE 'short=[1-9]' out
check short_reads_are_counted_and_fail test $? -eq 0

# ---- Block devices ------------------------------------------------------------------------------

truncate -s 16m disk
if loop=$(losetup -f --show disk 2>/dev/null); then
	# An MBR with one Linux partition.
	printf '\000\000\000\000\203\000\000\000\010\000\000\000\000\100\000\000' |
		dd of=disk bs=1 seek=446 conv=notrunc status=none
	printf '\125\252' | dd of=disk bs=1 seek=510 conv=notrunc status=none
	losetup -d "$loop"
	loop=$(losetup -f --show disk)
	md5sum <disk >before
	refuses write_to_a_partitioned_device 'partition' --filename="$loop" --rw=write \
		--ioengine=psync --size=1m
	run 0 bench --filename="$loop" --rw=read --ioengine=psync --size=1m
	check read_from_a_partitioned_device test $? -eq 0
	check partitioned_device_is_untouched test "$(md5sum <disk)" = "$(cat before)"
	refuses larger_than_the_device 'less than --size' --filename="$loop" --rw=read \
		--ioengine=psync --size=1g
	losetup -d "$loop"
	truncate -s 0 disk && truncate -s 16m disk
	loop=$(losetup -f --show disk)
	if mkfs.ext4 -q "$loop" 2>/dev/null && mkdir mnt && mount "$loop" mnt 2>/dev/null; then
		mounted=$dir/mnt
		refuses write_to_a_mounted_device 'mounted' --filename="$loop" --rw=randwrite \
			--ioengine=psync --size=1m
		umount mnt
		mounted=
		run 0 bench --filename="$loop" --rw=randwrite --ioengine=psync --size=1m
		check write_to_a_free_device test $? -eq 0
	else
		skip 'mounted device: no mkfs.ext4 or mount here'
	fi
else
	loop=
	skip 'block devices: no loop device here'
fi

echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
