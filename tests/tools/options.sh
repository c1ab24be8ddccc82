#!/bin/bash
# SPDX-License-Identifier: MIT
# options.sh - the options of `ioe bench`: job files, command lines, what is refused and how that is
# said, --showcmd beside fio's, help, the man page, where results go. Hardly any IO.
# Usage: tests/tools/options.sh [IOE], the built command; default $IOE_RELEASE_DIR/ioe.
set -u
# shellcheck source=tests/lib/tool_test.sh
. "$(dirname "$0")/../lib/tool_test.sh"

examples=/usr/share/doc/fio/examples

# job [FILE]: standard input becomes a job file, job.fio if it is not named
job()
{
	cat >"${1:-job.fio}"
}

# refuses_option NAME REGEX OPTION...: of a job that is right without it
refuses_option()
{
	local name=$1 regex=$2
	shift 2
	refuses "$name" "$regex" --filename=new --size=1m "$@"
}

# takes NAME ARGS...: --parse-only has nothing to say, and makes no file
takes()
{
	local name=$1 before
	shift
	before=$(ls)
	if run 0 --parse-only "$@" && [[ ! -s err && ! -s out && $(ls) == "$before" ]]; then
		ok
	else
		bad "$name"
	fi
}

takes_option()
{
	local name=$1
	shift
	takes "$name" --filename=new --size=1m "$@"
}

# shows NAME LINE ARGS...: --showcmd prints "ioe bench LINE"
shows()
{
	local name=$1 line=$2
	shift 2
	if run 0 --showcmd "$@" && [[ $(cat out) == "ioe bench $line" ]]; then
		ok
	else
		bad "$name: $(cat out)"
	fi
}

touch out err job.fio inner.fio other.fio sections.fio want

# ---- Values ---------------------------------------------------------------------------------------

takes_option sizes_with_every_suffix --bs=4k --offset=1MiB --io_size=0x100000 --filesize=1gb
takes_option times_with_every_suffix --runtime=1m --ramp_time=500ms --thinktime=10us --startdelay=2sec
takes_option counts_with_a_suffix --rate_iops=10k --number_ios=1m
takes_option percentages --size=50% --offset=10% --io_size=200k --rwmixread=70 --rwmixwrite=30%
takes_option booleans_bare_and_not --direct --time_based=1 --runtime=1 --norandommap=0
takes_option value_as_an_argument_of_its_own --bs 8k --rw randread
takes_option one_dash_for_two -bs=8k -rw randread -direct -iodepth 4
takes_option sizes_of_reads_and_writes --rw=rw --bs=4k,8k
takes_option sizes_of_writes_alone --rw=rw --bs=,8k
takes_option sizes_of_trims_are_dropped --bs=4k,8k,16k
takes_option ranges --rw=rw --bsrange=1k-4k,8k:32k
takes_option splits --bssplit=4k/10:64k/50:32k/40
takes_option splits_that_leave_the_rest_open --bssplit=4k/50:8k/:16k/
takes_option splits_of_reads_and_writes --rw=rw --bssplit=4k/50:8k/50,16k/100
takes_option sequential_steps --rw=read:-8k
takes_option random_runs --rw=randread:8 --rw_sequencer=identical
takes_option distributions --rw=randread --random_distribution=zipf:1.2
takes_option zones --rw=randread --random_distribution=zoned:50/5:30/15:20/
takes_option zones_of_reads_and_writes --rw=randrw \
	--random_distribution=zoned:50/5:50/95,100/100
takes_option rates_of_reads_and_writes --rw=rw --rate=1m,500k --rate_min=,100k
takes_option start_between_two_times --startdelay=1-5
takes_option cpus --cpus_allowed=0,2-5
takes_option patterns --verify=pattern --verify_pattern='0xdeadbeef"abc"%o-12'
takes_option percentile_lists --percentile_list=50:99.9:99
takes_option engine_of_fio_by_default --ioengine=psync
takes_option engine_sync_is_psync --ioengine=sync

refuses_option split_over_100 'add up to 110' --bssplit=4k/60:8k/50
refuses_option split_below_100 'add up to 90' --bssplit=4k/40:8k/50
refuses_option split_of_nonsense 'not a percentage' --bssplit=4k/x
refuses_option list_of_four 'more than three' --bs=1k,2k,3k,4k
refuses_option list_that_is_empty 'is empty' --bs=,
refuses_option range_that_is_none 'not a range' --bsrange=4k
refuses_option step_that_is_no_size 'not a size' --rw=read:x
refuses_option runs_of_none 'not a number of IOs' --rw=randread:0
refuses_option trim 'no trim' --rw=randtrim
refuses_option distribution_unknown 'random_distribution' --random_distribution=zipp:1
refuses_option zones_over_100 'add up' --random_distribution=zoned:60/10:60/90
refuses_option mix_over_100 'out of range' --rwmixread=101
refuses_option mix_of_writes_over_100 'out of range' --rwmixwrite=101
refuses_option size_of_over_100_percent 'percentage' --size=101%
refuses_option cpus_that_are_none 'list of CPUs' --cpus_allowed=2-0
refuses_option cpus_beyond_all 'list of CPUs' --cpus_allowed=4096
refuses_option pattern_unfinished 'pattern' --buffer_pattern='"abc'
refuses_option percentile_over_100 '0 to 100' --percentile_list=50:101
refuses_option percentiles_too_many 'more than 20' \
	--percentile_list=1:2:3:4:5:6:7:8:9:10:11:12:13:14:15:16:17:18:19:20:21
refuses_option buffered_maybe '0 or 1' --buffered=2
refuses_option time_of_a_delay 'not a time' --startdelay=soon
refuses_option bool_with_a_long_value '0 or 1' --direct="$(printf 'x%.0s' {1..2000})"
refuses_option name_of_great_length 'unknown option' --"$(printf 'x%.0s' {1..2000})"=1

# ---- Combinations ---------------------------------------------------------------------------------

refuses_option both_kinds_of_rate 'no sense together' --rate=1m --rate_iops=100
refuses_option rate_of_a_list 'does not go with' --read_iolog=list --rate_iops=100
refuses rate_of_nops 'has no rate' --rw=nop --rate_iops=100
refuses latency_of_nops 'wants times: not with --rw=nop' --rw=nop --max_latency=1ms
refuses_option latency_without_times 'wants times: not with --gtod_reduce' --gtod_reduce --max_latency=1ms
refuses_option rate_below_its_minimum 'more than --rate' --rate=1m --rate_min=2m
refuses_option spin_longer_than_pause 'more than --thinktime' --thinktime=5 --thinktime_spin=10
refuses_option verify_only_of_nothing 'needs --verify' --verify_only
refuses_option pattern_without_one 'needs --verify_pattern' --verify=pattern
refuses_option batch_of_no_backlog 'needs --verify_backlog' --verify_backlog_batch=4
refuses_option offload_of_a_loop_without_threads 'submits in the thread' --ioengine=psync \
	--io_submit_mode=offload
refuses_option polling_with_fsync 'no fsync' --ioengine=raw-io_uring --hipri --direct --rw=write --fsync=1
refuses_option interval_that_does_not_divide 'does not divide' --verify=crc32c --verify_interval=1000
refuses_option polling_without_direct 'needs --direct' --ioengine=raw-io_uring --hipri
refuses_option filling_by_reading 'only write' --rw=read --fill_device
refuses_option filling_by_reading_too 'only write' --rw=randrw --fill_device
takes_option filling --rw=write --fill_device
refuses_option names_twice 'nrfiles' --nrfiles=2
refuses_option page_cache_and_direct 'page cache' --direct --pre_read
refuses_option replay_and_record_in_one_file 'the same file' --read_iolog=a --write_iolog=a
refuses_option of_two_engines 'means nothing to --ioengine=psync' --ioengine=psync --n_drivers=2
refuses_option not_told_to_fio 'not told to fio' --versus=fio --rw=randread --rate=1m
refuses_option write_that_is_forbidden 'readonly' --rw=write --readonly
refuses_option versus_of_clones 'one job' --ioengine=psync --versus=raw-io_uring --numjobs=2
refuses versus_of_two_jobs 'one job' --filename=new --size=1m --versus=raw-io_uring --name=a --name=b
refuses waiting_for_nobody 'no job of that name' --filename=new --size=1m --name=a --wait_for=b --name=b
takes waiting_for_one_before --filename=new --size=1m --name=a --name=b --wait_for=a

# ---- Names ----------------------------------------------------------------------------------------

refuses_option option_of_fio_that_would_change_the_result 'is fio.s, and is not honoured' \
	--zonemode=zbd
refuses_option option_of_a_run_that_fio_has 'no terse' --minimal
refuses_option format_terse 'no terse' --output-format=terse
refuses_option formats_two 'one format' --output-format=json,normal
refuses_option format_unknown "did you mean 'json'" --output-format=jsn
refuses_option run_option_mistyped 'did you mean --status-interval' --status-intervall=1
refuses_option job_option_mistyped 'did you mean --thinktime' --thinktme=1
run 0 --parse-only --filename=new --size=1m --clocksource=cpu &&
	[[ $(cat err) == 'ioe bench: note: --clocksource is ignored: the clock is CLOCK_MONOTONIC' ]]
check option_that_cannot_change_the_result_is_noted test $? -eq 0
run 0 --parse-only --filename=new --size=1m --zonemode=none && grep -q 'note: --zonemode' err
check harmless_value_is_noted test $? -eq 0

# Every option of fio 3.33 is one of ours, or one that we say something of.
if command -v fio >/dev/null; then
	unknown=
	for option in $(fio --cmdhelp=all | sed -n 's/^ *\([a-z0-9_-]*\) *:.*/\1/p'); do
		run 2 --parse-only "--$option=~" --filename=new --size=1m
		grep -q 'unknown option' err && unknown+=" $option"
	done
	if [[ -z $unknown ]]; then ok; else bad "every_option_of_fio_is_known:$unknown"; fi
else
	skip 'every_option_of_fio_is_known: fio is not installed'
fi

# ---- Job files ------------------------------------------------------------------------------------

job <<-'EOF'
	; a comment
	# another one

	[global]
	size = 1m      ; behind an option
	filename=data  # too
	[first]
	rw=randread
	direct
	[second of two]
	stonewall
	bs=8k
EOF
takes job_file job.fio
shows job_file_as_a_command_line \
	"--size=1m --filename=data --name=first --rw=randread --direct --name='second of two' --stonewall --bs=8k" \
	job.fio
shows options_before_are_of_all_jobs \
	"--iodepth=4 --size=1m --filename=data --name=first --rw=randread --direct" \
	--iodepth=4 --section=first job.fio
refuses section_that_is_not_there 'no job of that name' --section=third job.fio
shows jobs_of_the_command_line_come_first \
	"--name=zero --filename=x --size=1m --name=global --size=1m --filename=data --name=first --rw=randread --direct" \
	--section=zero --section=first job.fio --name=zero --filename=x --size=1m
job <<-'EOF'
	[global]
	size=1m
	bs=8k
	[one]
	filename=a
	[global]
	bs=16k
	[two]
	filename=b
	name=other
EOF
shows later_globals_are_of_later_jobs \
	'--size=1m --bs=8k --name=one --filename=a --name=global --bs=16k --name=other --filename=b' \
	job.fio
cp out want
# shellcheck disable=SC2046 # words of a command line
shows command_line_is_shown_as_itself "$(sed 's/ioe bench //' want)" $(sed 's/ioe bench //' want)
job other.fio <<-'EOF'
	[three]
	filename=c
	size=1m
EOF
shows second_file_begins_behind_a_stonewall \
	'--size=1m --bs=8k --name=one --filename=a --name=global --bs=16k --name=other --filename=b --name=three --stonewall --filename=c --size=1m' \
	job.fio other.fio
cp other.fio job.fio
if "$ioe" bench --showcmd - <job.fio 2>err | grep -q -- '--name=three'; then
	ok
else
	bad job_file_from_standard_input
fi
job <<-'EOF'
	[a]
	size=${SOME_SIZE}
	filename=f.${SOME_SIZE}.$ncpus
EOF
SOME_SIZE=3m shows environment_is_filled_in "--name=a --size=3m --filename=f.3m.$(nproc --all)" job.fio
unset SOME_SIZE
refuses environment_that_is_not_set 'job.fio:2: .*SOME_SIZE is not set' job.fio
job inner.fio <<-'EOF'
	bs=16k
	iodepth=4
EOF
job <<-'EOF'
	[a]
	filename=f
	size=1m
	include inner.fio
	rw=randread
EOF
shows included_files_go_on_with_the_section \
	'--name=a --filename=f --size=1m --bs=16k --iodepth=4 --rw=randread' job.fio
echo 'bs=4q' >inner.fio
refuses mistake_in_an_included_file 'inner.fio:1: \[a\] bs=4q: .*not a size' job.fio
echo '[b]' >inner.fio
refuses section_in_an_included_file 'inner.fio:1: .*no sections' job.fio
echo 'include inner.fio' >inner.fio
refuses included_by_itself 'deep' job.fio
rm inner.fio
refuses included_file_missing 'job.fio:4: include inner.fio: No such file' job.fio
touch inner.fio

refuses job_file_missing 'nope.fio: No such file' nope.fio
refuses job_file_that_is_a_directory 'Is a directory$' /
printf 'bs=4k\n[a]\n' >job.fio
refuses option_outside_of_sections 'job.fio:1: bs=4k stands outside' job.fio
printf '[a\nbs=4k\n' >job.fio
refuses section_unfinished 'job.fio:1: .*\[name\]' job.fio
printf '[a]\nsize=1m\n\nrw read\n' >job.fio
refuses option_without_equals 'job.fio:4: \[a\] unknown option rw read' job.fio
printf '[a]\nblorg=3\n' >job.fio
refuses option_unknown_in_a_file 'job.fio:2: \[a\] unknown option blorg' job.fio
printf '[a]\nsize=1m\niodepht=3\n' >job.fio
refuses option_mistyped_in_a_file 'job.fio:3: \[a\] unknown option iodepht; did you mean iodepth' job.fio
printf '[a]\nsize=1m\nbs\n' >job.fio
refuses value_missing_in_a_file 'job.fio:3: \[a\] bs needs a value' job.fio
printf '[a]\nsize=1m\noutput=x\n' >job.fio
refuses run_option_in_a_file 'job.fio:3: \[a\] output=x: is an option of the command line' job.fio
printf '[a]\nsize=1m\n[b]\nsize=1m\ntime_based\n' >job.fio
refuses combination_in_a_file 'job.fio:5: \[b\] --time_based needs --runtime' job.fio
printf '[a]\nrw=read\n[b]\nsize=4k\nbs=8k\n' >job.fio
refuses first_of_two_mistakes 'job.fio:1: \[a\] --filename is needed' job.fio
printf '[a]\nsize=1m\nzonemode=zbd\n' >job.fio
refuses option_of_fio_in_a_file 'job.fio:3: \[a\] zonemode=zbd is fio' job.fio
printf '[global]\nsize=1m\nfilename=new\n' >job.fio
refuses file_without_jobs 'no \[section\]' job.fio
: >job.fio
refuses file_that_is_empty 'no \[section\]' job.fio
head -c 9000 /dev/zero | tr '\0' a >job.fio
refuses line_too_long 'job.fio:1: the line is longer' job.fio
head -c 100000 /dev/urandom >job.fio
run 2 job.fio && [[ ! -s out ]]
check file_of_random_bytes test $? -eq 0
printf '[global]\nsize=1m\nhipri\ndirect=1\n[a]\nioengine=psync\n[b]\nioengine=raw-io_uring\n' >job.fio
run 0 --parse-only job.fio && [[ $(wc -l <err) -eq 1 ]] &&
	grep -q 'job.fio:3: \[a\] note: --hipri means nothing' err
check global_option_of_another_engine_is_noted test $? -eq 0
refuses mistake_on_the_command_line_names_the_job '\[x\] --bs=4q' --name=x --bs=4q

# ---- fio's examples -------------------------------------------------------------------------------

# options_of FILE: what --showcmd says, an option in a line, in a fixed order
options_of()
{
	sed 's/^fio/ /; s/^ioe bench/ /; s/--threads=/--thread=/; s/ --/\n--/g' "$1" | tr -d "'\"" | sed 's/ *$//' | sort
}

# Those whose engines we do not have, or that need what we do not have, are refused; the reason:
left_out=(
	butterfly flow                       # flow
	cmdprio-bssplit cmdprio-percentage   # priorities of IOs
	dedupe-global                        # deduplication
	disk-zone-profile libzbc-rand-write libzbc-seq-read xnvme-zoned zbd-rand-write
	zbd-seq-read uring-cmd-zoned         # zones
	enospc-pressure falloc               # trims
	latency-profile                      # latency_target
	ime                                  # filename_format
	numa                                 # NUMA
	steadystate                          # ss
	xnvme-compare                        # an environment variable, and an engine
	cpp_null cpuio dev-dax dfs e4defrag e4defrag2 exec filecreate-ioengine filedelete-ioengine
	filestat-ioengine ftruncate gfapi gpudirect-rdmaio-client gpudirect-rdmaio-server
	http-s3 http-s3-crypto http-s3-storage-class http-swift http-webdav libcufile-cufile
	libcufile-posix libhdfs libiscsi libpmem librpma_apm-client librpma_apm-server
	librpma_gpspm-client librpma_gpspm-server mtd nbd netio netio_multicast nfs pmemblk rados
	rbd rdmaio-client rdmaio-server sg_verify sg_verify-fail sg_write_same_ndob
	uring-cmd-ng                         # their engines
)
if command -v fio >/dev/null && [[ -d $examples ]]; then
	n_taken=0
	for file in "$examples"/*.fio; do
		name=$(basename "$file" .fio)
		if [[ " ${left_out[*]} " == *" $name "* ]]; then
			run 2 --parse-only "$file"
			check "example_is_refused: $name" test $? -eq 0
			continue
		fi
		n_taken=$((n_taken + 1))
		# fio begins a job that nobody asked for with the name in [global].
		global=$(sed -n '/^\[global\]/,/^\[/s/^name=//p' "$file")
		fio --showcmd "$file" 2>/dev/null | sed "s/--name=${global:-nothing} //" >want
		run 0 --showcmd "$file"
		if [[ $(options_of want) == "$(options_of out)" ]]; then
			ok
		else
			bad "example_is_shown_as_fio_shows_it: $name"
			diff <(options_of want) <(options_of out) | head -5
		fi
		# What was shown is a command line of the same jobs.
		cp out want
		if eval "$(sed "s,^ioe,$ioe," want) --showcmd" >out 2>err && cmp -s out want; then
			ok
		else
			bad "example_survives_a_round_trip: $name"
		fi
	done
	if [[ $n_taken -ge 20 ]]; then ok; else bad "examples_taken: $n_taken"; fi
else
	skip 'fio.s examples: fio is not installed'
fi

# ---- Where results go -----------------------------------------------------------------------------

tiny=(--ioengine=null --size=64k --name=tiny)
echo 'from before' >results
run 0 --output=results "${tiny[@]}" && [[ ! -s out ]] && grep -q '^tiny: ' results &&
	! grep -q 'from before' results
check results_go_to_a_file test $? -eq 0
echo 'from before' >results
run 2 --output=results --filename=/ --size=1m && [[ $(cat results) == 'from before' ]]
check a_run_that_is_refused_leaves_the_file_of_results test $? -eq 0
rm results
run 2 --output=results --filename=/ --size=1m && [[ ! -e results ]]
check a_run_that_is_refused_makes_no_file_of_results test $? -eq 0
refuses results_that_have_no_place 'output=none/results: No such file' --output=none/results "${tiny[@]}"
echo precious >results
run 2 --output=results --filename=results --rw=read --bs=1 && [[ $(cat results) == 'precious' ]]
check results_do_not_go_into_a_file_of_the_job test $? -eq 0
run 2 --write_iolog=results --filename=./results --rw=read --bs=1 && [[ $(cat results) == 'precious' ]]
check a_list_does_not_go_into_a_file_of_the_job test $? -eq 0
rm results
run 1 --output=/dev/full "${tiny[@]}" && grep -q 'output=/dev/full: ' err
check results_that_do_not_fit_are_a_failure test $? -eq 0
run 0 --randrepeat=0 --rw=randread "${tiny[@]}" && grep -q 'the seed is [0-9]' err
check a_new_seed_is_told test $? -eq 0

# ---- Help and man page ----------------------------------------------------------------------------

run 0 --help && [[ $(wc -l <out) -le 24 ]] && ! grep -qE '.{81}' out && grep -q -- --cmdhelp out
check help_fits_a_screen test $? -eq 0
run 0 --cmdhelp && cp out want && ! grep -E '^  --[^ ]+ *$' out
check every_option_has_a_help test $? -eq 0
options=$(sed -n 's/^  --\([a-z0-9_-]*\).*/\1/p' want)
check every_option_is_there_once test -z "$(sort <<<"$options" | uniq -d)"
unknown=
for option in $options; do
	run 0 "--cmdhelp=$option" && grep -q "^ *$option: " out || unknown+=" $option"
done
if [[ -n $options && -z $unknown ]]; then ok; else bad "cmdhelp_tells_of_each_option:$unknown"; fi
refuses cmdhelp_of_no_option 'did you mean --iodepth' --cmdhelp=iodepht
refuses cmdhelp_of_an_option_of_fio 'there are no zones' --cmdhelp=zonemode
run 0 --cmdhelp=timeout && grep -q 'runtime: ' out
check cmdhelp_by_another_name test $? -eq 0

run 0 --man && cp out want
if cmp -s want "$root/docs/ioe-bench.1"; then
	ok
else
	bad "man_page_is_current: it is made by ioe bench --man"
fi
unknown=
for option in $options; do
	grep -qE "^\.It Fl -$option( |$)" want || unknown+=" $option"
done
if [[ -z $unknown ]]; then ok; else bad "man_page_has_each_option:$unknown"; fi
if command -v mandoc >/dev/null; then
	# On stderr it says whether the machine has an index of its man pages.
	if [[ -z $(mandoc -T lint want 2>/dev/null) ]]; then
		ok
	else
		bad "man_page_is_clean: $(mandoc -T lint want 2>/dev/null | head -1)"
	fi
else
	skip 'man_page_is_clean: mandoc is not installed'
fi

report
