#!/bin/bash
# SPDX-License-Identifier: MIT
# bench_cli.sh - the `ioe` command from outside: options, errors and exit statuses, tiny runs of
# every engine, JSON, --versus, suite --quick; and that what is refused or fails leaves files alone.
# Usage: tests/tools/bench_cli.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
set -u
# shellcheck source=tests/lib/tool_test.sh
. "$(dirname "$0")/../lib/tool_test.sh"

loop=
mounted=
undo()
{
	[[ -n $mounted ]] && umount "$mounted"
	[[ -n $loop ]] && losetup -d "$loop"
}

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
refuses waiting_with_more_depth_than_threads 'no sense together' --filename=new --size=1m --waiting \
	--submit_threads=2 --iodepth=4
refuses waiting_without_driver_with_many_threads 'one thread can' --filename=new --size=1m --waiting \
	--submit_threads=2 --threading=none
refuses waiting_with_batches 'no batches' --filename=new --size=1m --waiting --iodepth=2 \
	--iodepth_batch_complete_min=2
refuses waiting_on_psync 'means nothing' "${file[@]}" --waiting
refuses fio_alone 'with --versus' --filename=new --size=1m --ioengine=fio
refuses fio_with_nops 'no such operation' --rw=nop --versus=fio
refuses fio_with_jobs_that_share_a_sequence 'each do all' --filename=new --size=1m --iodepth=2 \
	--submit_threads=2 --versus=fio
refuses fio_with_jobs_of_different_depth 'does not divide' --filename=new --size=1m --iodepth=4 \
	--submit_threads=3 --rw=randread --versus=fio
refuses none_with_two_drivers 'one driver' --filename=new --size=1m --threading=none --n_drivers=2
refuses interleave_without_threads 'submit_threads' --filename=new --size=1m --interleave=1
refuses interleave_of_random_blocks 'rw=read' --filename=new --size=1m --iodepth=2 \
	--submit_threads=2 --interleave=1 --rw=randread
refuses more_fds_than_depth 'more than --iodepth' --filename=new --size=1m --iodepth=2 --n_fds=3
refuses nop_with_fds 'no file' --rw=nop --n_fds=1
refuses nomerge_with_limits 'no sense' --filename=new --size=1m --nomerge --merge_max_bytes=64k
refuses direct_misaligned_on_a_new_file 'multiples of' "${file[@]}" --direct --bs=1000
refuses directory_as_file 'neither' --filename="$dir" --size=1m

run_ioe 2 bnch && grep -q 'did you mean bench' err
check unknown_command_is_told_its_nearest test $? -eq 0
run 0 --cmdhelp && grep -q -- '--iodepth_batch_submit' out
check cmdhelp_lists_options test $? -eq 0
run 0 --cmdhelp=bs && grep -q 'blocksize' out
check cmdhelp_tells_of_one_option test $? -eq 0
run_ioe 2 floor-memory && run_ioe 0 --help && ! grep -q floor-memory out
check what_the_suite_starts_is_not_for_users test $? -eq 0
run_ioe 0 --version && grep -q '^ioe-' out
check version test $? -eq 0

# Values as fio writes them, told by what the job did.
run 0 --filename=units --size=0x10000 --bs=4KiB --ioengine=psync --rw=read &&
	grep -q 'issued rwts: total=16,0,0,0' out
check sizes_in_hex_and_kib test $? -eq 0
run 0 --filename units --size 64K --blocksize=8kb --readwrite=write --ioengine=psync &&
	grep -q 'issued rwts: total=0,8,0,0' out
check values_apart_and_fios_aliases test $? -eq 0
rm -f units

# ---- Files ------------------------------------------------------------------------------------

run 0 --filename=data --size=1m --rw=read --ioengine=psync
check lays_out_a_missing_file test "$(stat -c %s data)" = 1048576
check laid_out_file_has_no_holes test $(($(stat -c %b data) * 512)) -ge 1048576
check laid_out_file_does_not_repeat test "$(head -c 4096 data | md5sum)" != \
	"$(tail -c 4096 data | md5sum)"

cp data copy
run 0 --filename=data --size=2m --rw=read --ioengine=psync
check layout_keeps_what_was_there cmp -n 1048576 data copy
check layout_extends test "$(stat -c %s data)" = 2097152
cp copy data
run 0 --filename=data --rw=randread --ioengine=psync
check reading_changes_nothing cmp data copy

(ulimit -f 1500 && run 1 --filename=data --size=8m --rw=read --ioengine=psync)
check failed_layout_fails test $? -eq 0
check failed_layout_gives_the_old_file_back cmp data copy
(ulimit -f 1500 && run 1 --filename=new --size=8m --rw=read --ioengine=psync)
check failed_layout_fails_on_a_new_file test $? -eq 0
check failed_layout_leaves_no_new_file test ! -e new
run 1 --filename=new --size=900t --ioengine=psync && grep -q 'left' err
check too_little_space_is_said_before_writing test $? -eq 0
check too_little_space_leaves_no_file test ! -e new
run 1 --filename=missing/new --size=1m --ioengine=psync
check missing_directory_fails test $? -eq 0
run 2 --filename=data --rw=write --bs=4k --ioengine=psync --iodepth=-1
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
	if run 0 --filename=data --size=64k --rw=read --ioengine=$engine; then
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
		run 0 --filename=data --size=1m --rw=$rw --ioengine="$engine" \
			"${options[@]}" && grep -qE '^  (read|write): IOPS=' out &&
			grep -qE 'issued rwts: total=(256,0|0,256),0,0 short=0,0' out
		check "$engine does $rw, all of it" test $? -eq 0
	done
	run 0 --filename=data --rw=randread --ioengine="$engine" --bs=64k --direct \
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
		run 0 --filename=data --size=1m --rw=randread --iodepth=7 \
			--threading=$threading ${threads:+"$threads"} --channel_capacity=4 &&
			grep -q 'issued rwts: total=256,0' out
		check "ours reads all with $threading $threads" test $? -eq 0
	done
	run 0 --rw=nop --iodepth=16 --threading=$threading --number_ios=10000 &&
		grep -q '10000 events/' out && grep -qE '^     stages    : timed events=[1-9]' out
	check "ours does nops with $threading" test $? -eq 0
done
if [[ -n $have_json ]]; then
	run 0 --rw=nop --iodepth=16 --number_ios=10000 --output-format=json
	check json_has_the_stages test "$(json \
		'all(s["N"] == sum(s["bins"].values()) > 200 and s["mean"] <= s["max"]
			for s in job["ioe"]["stage_ns"].values()) and len(job["ioe"]["stage_ns"])' \
		'.jobs[0].ioe.stage_ns | if all(.N == (.bins | add) and .N > 200 and .mean <= .max)
			then length else false end')" = 5
fi
run 0 --filename=data --size=1m --rw=write --iodepth=16 --submit_threads=2 --n_drivers=2 \
	--threading=inline --iodepth_batch_submit=4 --iodepth_batch_complete_min=2
check several_drivers_and_batches test $? -eq 0
run 0 --filename=data --size=1m --rw=randread --ioengine=libaio --iodepth=8 --iodepth_batch=4 \
	--iodepth_batch_complete=4
check batches_without_a_word_of_threads test $? -eq 0
run 0 --filename=data --size=1m --rw=read --iodepth=16 --nomerge &&
	grep -q 'requests=256, merged events=0' out
check nomerge_makes_a_request_of_every_event test $? -eq 0
run 0 --filename=data --size=1m --rw=read --iodepth=16 --no_timing &&
	grep -q 'in flight : avg=0.00' out
check no_timing_leaves_no_average test $? -eq 0

for options in '' --threading=inline '--threading=none --submit_threads=1' --ioengine=threads; do
	# shellcheck disable=SC2086 # a list
	run 0 --filename=data --size=1m --rw=randread --waiting --submit_threads=5 $options &&
		grep -q 'issued rwts: total=256,0' out && grep -qE 'in flight .* max=[1-5],' out
	check "threads that wait read all with ${options:-the defaults}" test $? -eq 0
done
run 0 --rw=nop --waiting --iodepth=3 --number_ios=1000 && grep -q '(1000 events/' out
check threads_that_wait_do_nops test $? -eq 0

if [[ -n $have_json ]]; then
	run 0 --filename=data --ioengine=psync --submit_threads=4 --interleave=1 \
		--number_ios=256 --output-format=json
	check threads_in_turn_do_equal_shares test "$(json 'job["ioe"]["slowest_thread_share"] == 1' \
		'.jobs[0].ioe.slowest_thread_share == 1' | tr T t)" = true
fi

# Who reads which block, by strace: three threads, two blocks each in turn, round a file of ten.
if strace -f -o trace true 2>/dev/null; then
	run_traced()
	{
		timeout 60 strace -f -e trace=pread64,preadv2 -o trace "$ioe" bench --size=40k \
			--filename=data "$@" >out 2>err
	}
	# the driver's, and one for each IO in flight
	timeout 60 strace -f -e trace=clone,clone3 -o trace "$ioe" bench --rw=nop --waiting \
		--iodepth=3 --threading=inline --number_ios=9 >out 2>err
	check waiting_takes_a_thread_for_each_io test "$(grep -c CLONE_THREAD trace)" -eq 4
	# lists of numbers of IOs, one line for each thread
	for thread in 0 1 2; do
		for ((n = 0; n < 25; n++)); do
			((n / 2 % 3 == thread)) && echo -n "$((n % 10)) "
		done
		echo
	done | sort >expected
	run_traced --ioengine=threads --nomerge --iodepth=8 --n_fds=5
	check "IOs go round all fds" test "$(sed -n 's/.* preadv2(\([0-9]*\),.*/\1/p' trace |
		sort -u | wc -l)" -eq 5
	run_traced --ioengine=psync --submit_threads=3 --interleave=2 --number_ios=25 \
		--runtime=60 --time_based
	sed -nE 's/^([0-9]+) .*, 4096, ([0-9]+)\) = 4096$/\1 \2/p' trace |
		awk '{ list[$1] = list[$1] $2 / 4096 " " } END { for (i in list) print list[i] }' |
		sort >got
	check interleaved_threads_take_turns_and_stop_at_the_limit cmp got expected
	for threading in pool inline none; do
		run_traced --ioengine=threads --nomerge --iodepth=7 --submit_threads=3 \
			--interleave=1 --threading=$threading
		sed -nE 's/^.*, ([0-9]+), 0\) = 4096$/\1/p' trace | sort -n >got
		check "interleaved producers read each block once with $threading" \
			cmp got <(seq 0 4096 36864)
	done
else
	skip 'interleaved threads: strace does not run here'
fi

# ---- Comparing ----------------------------------------------------------------------------------

run 0 --filename=data --rw=randread --iodepth=4 --ioengine=threads --versus=psync --rounds=2 \
	--runtime=50ms --time_based && grep -q '^versus: threads against psync, 2 rounds' out &&
	[[ $(grep -c '^  psync ' out) -eq 2 ]]
check versus_runs_both_in_turn test $? -eq 0
# with_path PATH ARGS...: ioe bench, and what it finds fio by
with_path()
{
	local path=$1
	shift
	timeout 60 env PATH="$path" "$ioe" bench "$@" >out 2>err </dev/null
}

fio_job=(--rw=randread --bs=4k --direct --iodepth=4 --submit_threads=2 --rounds=1
	--number_ios=200 --norandommap --output-format=json)
if [[ -z $(type -P fio) ]]; then
	skip '--versus=fio: fio is not installed'
elif run 0 --filename=data "${fio_job[@]}" --ioengine=threads --versus=fio; then
	check versus_fio_does_the_same_on_the_engine_of_the_same_kind grep -q \
		'"fio_ioengine": "psync"' out
	check versus_fio_does_as_many_ios test "$(grep -c '"total_ios": 200,' out)" -eq 2
else
	bad versus_fio_runs
fi
with_path "$dir" --filename=new --size=1m --rw=randread --versus=fio
[[ $? -eq 1 && $(wc -l <err) -eq 1 && ! -s out && ! -e new ]] && grep -q 'not installed' err
check versus_fio_without_fio_says_so_and_lays_nothing_out test $? -eq 0

# What stands in for fio shows what fio is told, and what is made of what fio says.
stand_in()
{
	mkdir -p stand && printf '#!/bin/bash\n%s\n' "$1" >stand/fio && chmod +x stand/fio
}
stand_in "printf '%s\n' \"\$@\" >'$dir/told'; cat '$dir/says'"
cat >says <<-'EOF'
	note: this line is fio's, and no JSON
	{ "fio version": "fio-9.9", "jobs": [ { "error": 0, "job_runtime": 1403, "usr_cpu": 2.0,
	"sys_cpu": 18.0, "ctx": 7, "read": { "io_bytes": 16384, "runtime": 704, "total_ios": 4,
	"short_ios": 0, "slat_ns": { "min": 100, "max": 300, "mean": 200.0, "stddev": 0, "N": 4 },
	"clat_ns": { "min": 1000, "max": 9000, "mean": 3000.0, "stddev": 4000.0, "N": 4,
	"bins": { "1004": 3, "9024": 1 } },
	"lat_ns": { "min": 1200, "max": 9200, "mean": 3200.0, "stddev": 4000.0, "N": 4 } } } ] }
EOF
cat >want <<-'EOF'
	--name=bench
	--filename=./da\:ta
	--rw=randread
	--bs=4096
	--direct=1
	--randseed=7
	--norandommap=1
	--invalidate=0
	--allow_file_create=0
	--ioengine=io_uring
	--numjobs=2
	--iodepth=2
	--iodepth_batch_complete_min=1
	--group_reporting=1
	--eta=never
	--disk_util=0
	--output-format=json+
	--size=1048576
	--io_size=409600
	--runtime=20000000us
EOF
cp data da:ta
with_path "$dir/stand:$PATH" --filename='da\:ta' "${fio_job[@]}" --randseed=7 --runtime=20s \
	--ioengine=fio --versus=io_uring
check fio_is_told_what_the_job_is cmp told want
if [[ -n $have_json ]]; then
	# 1403 ms x 20 % = 280.6 ms for 4 IOs; 4 IOs in 704 ms.
	check fio_cpu_is_of_all_its_jobs test "$(json 'round(job["ioe"]["cpu_us_per_io"])' \
		'.jobs[0].ioe.cpu_us_per_io | round')" = 70150
	check fio_iops test "$(json 'round(job["read"]["iops"] * 1000)' \
		'.jobs[0].read.iops * 1000 | round')" = 5682
	check fio_percentiles test "$(json 'job["read"]["clat_ns"]["percentile"]["70.000000"]' \
		'.jobs[0].read.clat_ns.percentile["70.000000"]')" = 1004
	check fio_mean_latency test "$(json 'round(job["read"]["lat_ns"]["mean"])' \
		'.jobs[0].read.lat_ns.mean | round')" = 3200
else
	skip 'what fio says: neither python3 nor jq'
fi
rm -f da:ta
with_path "$dir/stand:$PATH" --filename=data --rw=randread --rounds=1 --number_ios=9 --iodepth=2 \
	--submit_threads=2 --ioengine=fio --versus=io_uring
[[ $? -eq 1 ]] && grep -q '9 do not divide by 2' err
check fio_with_ios_that_cannot_be_shared_fails test $? -eq 0
stand_in 'echo "fio: engine x not loadable" >&2; exit 1'
with_path "$dir/stand:$PATH" --filename=data --rw=randread --versus=fio
[[ $? -eq 1 ]] && grep -q '^ioe bench: fio: engine x not loadable$' err
check fio_that_fails_is_quoted test $? -eq 0
stand_in 'echo "no JSON at all"'
with_path "$dir/stand:$PATH" --filename=data --rw=randread --versus=fio
check fio_that_says_nothing_fails test $? -eq 1
# with_sleeping_fio SIGNAL: ends ioe by it; then whether fio was told and has ended, and status
stand_in "trap 'touch told; kill \$!; exit' INT TERM; sleep 60 & echo \$\$ >pid; mv pid runs; wait"
with_sleeping_fio()
{
	local pid sleeper i
	rm -f runs told
	PATH="$dir/stand:$PATH" "$ioe" bench --filename=data --rw=randread --ioengine=fio \
		--versus=psync >out 2>err &
	pid=$!
	for ((i = 0; i < 500; i++)); do
		[[ -e runs ]] && break
		sleep 0.02
	done
	sleeper=$(cat runs)
	kill "-$1" $pid
	wait $pid 2>/dev/null
	status=$?
	[[ -n $sleeper ]] || return 1
	# Whoever inherits it may be slow to collect it.
	for ((i = 0; i < 500; i++)); do
		grep -qs '^State:.[^Z]' "/proc/$sleeper/status" || break
		sleep 0.02
	done
	[[ $i -lt 500 && -e told ]]
}
with_sleeping_fio INT && [[ $status -eq 0 ]]
check ctrl_c_ends_fio test $? -eq 0
with_sleeping_fio KILL && [[ $status -eq 137 ]]
check fio_does_not_outlive_ioe test $? -eq 0
rm -rf stand runs told want says

run_ioe 0 suite --what=floor --help && grep -q 'what to measure' out
check help_of_the_suite_behind_an_option test $? -eq 0
run_ioe 0 suite --quick --directory="$dir" && grep -qE '^threads +psync +[0-9]+ +[0-9]+ ' out
check suite_quick_prints_its_table test $? -eq 0
check suite_removes_its_file test -z "$(find "$dir" -name 'ioe-suite*')"
run_ioe 0 suite --quick --directory="$dir" --commit= && grep -q 'commit unknown' out
check suite_knows_no_commit_outside_git test $? -eq 0
run_ioe 2 suite --directory=/nonexistent
check suite_without_a_directory test $? -eq 0
run_ioe 2 suite --what=merge --bs=8k && grep -q 'bs means nothing to --what=merge' err
check suite_refuses_options_of_the_other_benchmark test $? -eq 0
# On a file of ours, to see what it does to it.
if [[ " ${backends[*]} " == *" io_uring "* && " ${backends[*]} " == *" raw-io_uring "* ]]; then
	run 0 --filename=merged --size=4m --ioengine=psync
	cp merged before
	filefrag -v merged >places 2>/dev/null
	placed=$?
	spread='[0-9.]+ \([0-9.]+-[0-9.]+\)'
	run_ioe 0 suite --what=merge --quick --filename=merged --size=4m &&
		grep -q 'submit again 32 blocks at a time' out &&
		[[ $(grep -cE "^(read|write) +(128|1024) +(1|8|8, turns) .* $spread +>=0.[89].* $spread" out) \
			-eq 12 && $(grep -cE "^rand(read|write) +(32|128) .* $spread +$spread" out) \
			-eq 8 ]]
	check suite_merge_prints_its_tables test $? -eq 0
	# 2 or more events in a request, with one producer
	check suite_merge_merges test \
		"$(grep -cE '^(read|write) +[0-9]+ +1 +[0-9]+ +[0-9]+ +([2-9]|[0-9]{2,})\.' out)" -eq 4
	check suite_merge_writes bash -c '! cmp -s merged before'
	if [[ $placed -eq 0 ]]; then
		filefrag -v merged >places_after
		check suite_merge_writes_in_place cmp places places_after
		check laid_out_file_is_written bash -c '! grep -q unwritten places'
	else
		skip 'writes in place: no filefrag for this file system'
	fi
	rm -f merged
else
	skip 'suite --what=merge: no io_uring here'
fi

# ---- The floor ----------------------------------------------------------------------------------

run_ioe 2 suite --what=floor --only=T1,T99 && grep -q "no target 'T99'" err && [[ $(wc -l <err) -eq 1 ]]
check floor_refuses_an_unknown_target test $? -eq 0
run_ioe 2 suite --what=floor --only=, && grep -q 'names no target' err
check floor_refuses_a_list_of_nothing test $? -eq 0
run_ioe 2 suite --only=T1 && grep -q 'only means nothing to --what=main' err
check floor_options_are_the_floors test $? -eq 0
run_ioe 2 suite --what=floor --output=missing/floor && grep -q 'missing/floor' err && [[ ! -s out ]]
check floor_that_cannot_write_is_not_begun test $? -eq 0

# Whatever the numbers are, the verdicts must be theirs.
# shellcheck disable=SC2016 # what looks like variables is jq's
floor_holds='
	(.figures | length) > 0 and all(.figures[]; .target == $target and
		if .verdict == "not measured" then (.reason | length) > 0 and (has("median") | not)
		else .runs > 0 and .min <= .median and .median <= .max and .verdict == (
			if .bound == "at least" and .median >= .limit then "pass"
			elif .bound == "at most" and .median <= .limit then "pass"
			elif .bound then "short" else "reported" end)
		end)
	and all(.points[]; .min <= .median and .median <= .max)'
floor_of()
{
	rm -rf floor
	run_ioe 0 suite --what=floor --quick --size=1m --directory="$dir" --output=floor --only="$1"
}
# How many of its figures have a bound: of threads that wait, and of producers.
declare -A bounds=()
if [[ " ${backends[*]} " == *" io_uring "* ]]; then
	bounds=([T4]=3 [T5]=2 [T7]=4)
	command -v fio >/dev/null && bounds[T7]=6
fi
for target in T{1..12}; do
	floor_of "$target" && grep -qE '^[0-9]+ pass, [0-9]+ short, [0-9]+ reported, ' out
	check "floor $target" test $? -eq 0
	# each figure once as it comes, once in the table; and in the file
	check "floor $target: the table has every figure" cmp \
		<(grep -E "^$target " out | tr -s ' ' | sort -u) \
		<(grep -E "^$target " floor/floor.txt | tr -s ' ' | sort -u)
	if [[ -n ${bounds[$target]:-} ]]; then
		check "floor $target: its bounds" test "$(
			grep -cE "^$target .* [<>]=[0-9.]+ " floor/floor.txt)" -eq "${bounds[$target]}"
	fi
	if command -v jq >/dev/null; then
		check "floor $target: the JSON agrees with itself" \
			jq -e --arg target "$target" "$floor_holds" floor/floor.json
	else
		skip "floor $target: its JSON: no jq"
	fi
	if command -v gnuplot >/dev/null; then
		check "floor $target: every plot is drawn" cmp \
			<(find floor -name '*.dat' | sort) \
			<(find floor -name '*.svg' -size +0 | sed 's/svg$/dat/' | sort)
	fi
done
# What is no matter of time, and so holds on a busy machine too.
floor_of T12
check floor_memory_is_within_its_bounds test "$(grep -cE '^T12 .* pass$' floor/floor.txt)" -eq 3
command -v gnuplot >/dev/null || skip 'floor: plots: no gnuplot'
if [[ " ${backends[*]} " == *" io_uring "* && " ${backends[*]} " == *" raw-io_uring "* ]]; then
	rm -rf floor
	env PATH="$dir" "$ioe" suite --what=floor --quick --size=1m --directory="$dir" \
		--output=floor --only=T3 >out 2>err
	check floor_without_fio_and_gnuplot_is_no_failure test $? -eq 0
	grep -qE '^T3 .* / fio io_uring +not measured: ' out &&
		grep -qE '^T3 .* uring inline / .*best .* [0-9]+ +reported$' out
	check floor_measures_the_rest_without_fio test $? -eq 0
	grep -q 'gnuplot is not installed; data and scripts of 2' out &&
		[[ -s floor/depth-uring-iops.dat && -s floor/depth-uring-iops.gp ]] &&
		[[ -z $(find floor -name '*.svg') ]]
	check floor_keeps_the_data_of_plots_it_cannot_draw test $? -eq 0
else
	skip 'floor without fio and gnuplot: no io_uring here'
fi
rm -rf floor
run_ioe 0 probe --filename=data && grep -q 'O_DIRECT' out
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
	# Its two lines of head are printed when the job begins; then it reads.
	while [[ $(wc -l <out) -lt 2 || $(sed -n 's/^syscr: //p' "/proc/$pid/io") -lt 500 ]] &&
		[[ $waited -lt 500 ]]; do
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
	run 0 --filename="$loop" --rw=read --ioengine=psync --size=1m
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
		run 0 --filename="$loop" --rw=randwrite --ioengine=psync --size=1m
		check write_to_a_free_device test $? -eq 0
	else
		skip 'mounted device: no mkfs.ext4 or mount here'
	fi
else
	loop=
	skip 'block devices: no loop device here'
fi

report
