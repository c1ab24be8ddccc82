#!/bin/bash
# SPDX-License-Identifier: MIT
# fio_examples.sh - the example job files of Debian's fio, unchanged, through fio and through `ioe bench`.
# Usage: tests/load/fio_examples.sh [IOE [NAME...]], the built command; examples by name, default all.
#
# They name devices, folders and sizes of other machines. So each runs in a root directory of its own,
# on an ext4 of its own (a loop device): there /dev/nvme0n1 and the others are loop devices, the
# folders are there, files of many GiB are there too and are holes, which neither tool lays out again.
# A run that has not ended by itself after IOE_EXAMPLES_S seconds gets a SIGINT, and has to end then.
# Compared: both end, with the same verdict; the same jobs are reported, in the same order; and a job
# that did IO in both read in both, wrote in both, or did both. Of a run that ended by itself in both
# every job did, and as much: bytes within 1 %, since the last block of a job may be of any size.
set -u

ioe=${1:-${IOE_RELEASE_DIR:-build/release}/ioe}
examples=/usr/share/doc/fio/examples
run_s=${IOE_EXAMPLES_S:-2}
end_s=20 # after the SIGINT
passed=0 failed=0 skipped=0

if [[ ! -x $ioe ]]; then
	echo "fio_examples: no command at $ioe"
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
fi
missing() {
	echo "fio_examples: $*"
	exit 77
}
command -v fio >/dev/null || missing 'no fio'
command -v jq >/dev/null || missing 'no jq'
[[ -d $examples ]] || missing "no examples in $examples"
[[ $(id -u) = 0 ]] || missing 'only root may mount'
# In a mount namespace of its own nothing has to be unmounted.
if [[ ${IOE_EXAMPLES_INSIDE:-} != yes ]]; then
	unshare -m true 2>/dev/null || missing 'no mount namespace may be made'
	IOE_EXAMPLES_INSIDE=yes exec unshare -m --propagation private "$BASH" "$0" "$@"
fi
shift

# What runs.
run=(
	1mbs_clients aio-read backwards-read basic-verify cross-stripe-verify
	exitwhat fio-rand-RW fio-rand-read fio-rand-write
	fio-seq-RW fio-seq-read fio-seq-write fsx
	iometer-file-access-server jesd219 null
	rand-zones ssd-steadystate ssd-test
	tiobench-example waitfor zipf
)

# What runs through `ioe bench` only: fio 3.33 does not end when it submits by threads of its own
# (io_submit_mode=offload), neither when all is done nor on a signal.
alone=(fixed-rate-submission poisson-rate-submission)

# What does not, and why: an engine we do not have, or an option that `ioe bench` refuses.
declare -A left_out
leave_out() { # REASON NAME...
	local reason=$1 name
	shift
	for name in "$@"; do
		left_out[$name]=$reason
	done
}
leave_out 'flow: jobs that keep to a ratio of each other' butterfly flow
leave_out 'fio itself does not end (io_submit_mode=offload)' "${alone[@]}"
leave_out 'a file that a job makes for the next one, whose size nobody says' surface-scan
leave_out 'log_prio, cmdprio: priorities of IOs' cmdprio-bssplit cmdprio-percentage
leave_out 'dedupe_*: content of writes' dedupe-global
leave_out 'zonemode=strided' disk-zone-profile
leave_out 'zonemode=zbd' libzbc-rand-write libzbc-seq-read xnvme-zoned zbd-rand-write zbd-seq-read
leave_out 'trims, ignore_error' enospc-pressure
leave_out 'latency_target: a search for the depth' latency-profile
leave_out 'numa_cpu_nodes, numa_mem_policy' numa
leave_out 'steadystate: a run that ends when it is steady' steadystate
leave_out 'the engine is named by the environment, to compare xnvme' xnvme-compare
leave_out 'no such engine: cpp_null, from a file beside it' cpp_null
leave_out 'no such engine: cpuio' cpuio
leave_out 'no such engine: dev-dax' dev-dax
leave_out 'no such engine: dfs' dfs
leave_out 'no such engine: e4defrag' e4defrag e4defrag2
leave_out 'no such engine: exec' exec
leave_out 'no such engine: falloc' falloc
leave_out 'no such engine: filecreate, filedelete, filestat' filecreate-ioengine filedelete-ioengine \
	filestat-ioengine
leave_out 'no such engine: ftruncate' ftruncate
leave_out 'no such engine: gfapi' gfapi
leave_out 'no such engine: http' http-s3 http-s3-crypto http-s3-storage-class http-swift http-webdav
leave_out 'no such engine: ime' ime
leave_out 'no such engine: io_uring_cmd' uring-cmd-ng uring-cmd-zoned
leave_out 'no such engine: libcufile' libcufile-cufile libcufile-posix
leave_out 'no such engine: libhdfs' libhdfs
leave_out 'no such engine: libiscsi, nbd, nfs, rados, rbd' libiscsi nbd nfs rados rbd
leave_out 'no such engine: libpmem, pmemblk' libpmem pmemblk
leave_out 'no such engine: librpma' librpma_apm-client librpma_apm-server librpma_gpspm-client \
	librpma_gpspm-server
leave_out 'no such engine: mtd' mtd
leave_out 'no such engine: net' netio netio_multicast
leave_out 'no such engine: rdma' gpudirect-rdmaio-client gpudirect-rdmaio-server rdmaio-client \
	rdmaio-server
leave_out 'no such engine: sg' sg_verify sg_verify-fail sg_write_same_ndob

# Left out, but not refused: surface-scan is once it looks for the file.
taken=(surface-scan "${alone[@]}")

dir=$(mktemp -d)
root=$dir/root
loops=()
cleanup() {
	umount -R -l "$root" 2>/dev/null
	local loop
	for loop in "${loops[@]}"; do
		losetup -d "$loop" 2>/dev/null # gone with its mount
	done
	rm -rf --one-file-system "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# disk NAME SIZE: a loop device over a file of holes, in $disk
disk() {
	truncate -s "$2" "$dir/$1" && disk=$(losetup -f --show "$dir/$1") && loops+=("$disk")
}

# device NAME: another name of $disk, in there
device() {
	mknod "$root/dev/$1" b "$((0x$(stat -c %t "$disk")))" "$((0x$(stat -c %T "$disk")))"
}

make_root() {
	disk fs 16g && mkfs.ext4 -q "$disk" && mkdir "$root" && mount -o discard "$disk" "$root" || return 1
	mkdir "$root"/{usr,etc,proc,sys,dev,tmp,work,data1,mount-point-of-ssd} || return 1
	local folder
	for folder in bin lib lib64; do
		[[ ! -e /$folder ]] || ln -s "usr/$folder" "$root/$folder"
	done
	for folder in usr etc proc sys; do
		mount --rbind "/$folder" "$root/$folder" || return 1
	done
	mknod "$root/dev/null" c 1 3 && mknod "$root/dev/zero" c 1 5 && mknod "$root/dev/random" c 1 8 &&
		mknod "$root/dev/urandom" c 1 9 && chmod 666 "$root"/dev/* && mkdir -m 1777 "$root/dev/shm" ||
		return 1
	disk device 64m && device fioa && device X"XX" || return 1 # (make style looks for that word)
	# 30 jobs of cross-stripe-verify begin 124 GiB from each other
	disk nvme 4t && device nvme0n1 || return 1
	cp "$ioe" "$root/ioe"
}

# All files as they were at first.
make_files() {
	local n
	find "$root"/{tmp,work,data1,mount-point-of-ssd} -mindepth 1 -delete
	for n in "${loops[@]:1}"; do
		blkdiscard "$n"
	done
	mkdir "$root/work/tmp"
	truncate -s 10g "$root"/work/fio-{rand,seq}-{RW,read,reads,write} \
		"$root/mount-point-of-ssd/ssd.test.file"
	truncate -s 4g "$root/work/iometer.0.0"
	truncate -s 2g "$root/work/zones.0.0"
	truncate -s 1g "$root/tmp/test"
	truncate -s 128m "$root"/work/{128m,fixed-rate-submit.0.0,poisson-rate-submit.0.0} "$root/tmp/data"
	for n in {1..4}; do
		truncate -s 512m "$root/data1/file$n.0.0" "$root"/work/f"$n".{0..3}.0
	done
	for n in {1..32}; do
		truncate -s 32m "$root/work/tmp/file$n.0.0"
	done
}

# run_tool NAME COMMAND...: status in $status, whether it ended by itself in $by_itself, JSON in
# $dir/NAME.json
run_tool() {
	local name=$1 pid i
	shift
	# the SIGINT must not be ignored, as it is of a job in the background
	(
		trap - INT
		exec setsid chroot "$root" env -C /work "$@" --output-format=json --output=/work/out.json \
			 >"$dir/$name.out" 2>"$dir/$name.err" </dev/null
	) &
	pid=$!
	by_itself=no
	for ((i = 0; i < 10 * run_s; i++)); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	if kill -INT "$pid" 2>/dev/null; then
		for ((i = 0; i < 10 * end_s; i++)); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		# fio's jobs are processes of its session, and outlive it
		kill -9 -- "-$pid" 2>/dev/null && echo "$name: not ended $end_s s after a SIGINT"
	else
		by_itself=yes
	fi
	wait "$pid"
	status=$?
	# fio's, of a run that was interrupted but well
	[[ $by_itself = yes || $status != 128 ]] || status=0
	mv "$root/work/out.json" "$dir/$name.json" 2>/dev/null
}

# did NAME: a line for each job: its name, what it did, how many bytes
did() {
	sed -n '/^{/,$p' "$dir/$1.json" | jq -r '.jobs[] | [.jobname,
		(if .read.total_ios > 0 then "reads " else "" end) +
		(if .write.total_ios > 0 then "writes" else "" end),
		.read.io_bytes + .write.io_bytes] | @tsv'
}

# compare STRICT: what differs, a line for each job; STRICT=yesyes: both ended by themselves
compare() {
	paste <(did fio) <(did ioe) | awk -F'\t' -v "strict=$1" '
		$1 != $4 { print "fio: job " $1 ", ioe: job " $4; next }
		$2 != $5 && (strict == "yesyes" || ($2 && $5)) {
			print $1 ": fio " $2 ", ioe " $5; next }
		strict == "yesyes" && ($6 < 0.99 * $3 || $6 > 1.01 * $3) {
			print $1 ": fio " $3 " bytes, ioe " $6 }
		$2 && $5 { n++ }
		END { if (!n) print "no job did IO in both" }'
}

bad() { # NAME WHY
	failed=$((failed + 1))
	echo "FAILED: $1: $2"
	sed 's/^/    fio: /' "$dir/fio.err" | head -n 3
	sed 's/^/    ioe: /' "$dir/ioe.err" | head -n 3
}

# example NAME
example() {
	local name=$1 file=$examples/$1.fio fio_status fio_by_itself how
	make_files
	run_tool fio fio "$file"
	fio_status=$status fio_by_itself=$by_itself
	make_files
	run_tool ioe /ioe bench "$file"
	how="fio: exit status $fio_status, ended by itself: $fio_by_itself; ioe: $status, $by_itself"
	if [[ ! -s $dir/fio.json || ! -s $dir/ioe.json ]]; then
		bad "$name" "no report ($how)"
	elif ((!fio_status != !status)); then
		bad "$name" "another verdict ($how)"
	elif compare "$fio_by_itself$by_itself" >"$dir/diff" && [[ -s $dir/diff ]]; then
		bad "$name" "other jobs did other things ($how)"
		sed 's/^/    /' "$dir/diff" | head -n 8
	else
		passed=$((passed + 1))
		echo "$name: $how"
	fi
	rm -f "$dir"/{fio,ioe}.json
}

# example_alone NAME
example_alone() {
	make_files
	: >"$dir/fio.err"
	run_tool ioe /ioe bench "$examples/$1.fio"
	if [[ $status != 0 || ! -s $dir/ioe.json || $(did ioe) != *$'\treads '* ]]; then
		bad "$1" "exit status $status, alone"
	else
		passed=$((passed + 1))
		echo "$1: alone: ioe: $status, $by_itself"
	fi
	rm -f "$dir/ioe.json"
}

make_root || missing 'no root directory of its own can be made (loop devices, mkfs.ext4)'
for name in "${run[@]}"; do
	[[ $# = 0 || " $* " = *" $name "* ]] || continue
	example "$name"
done
for name in "${alone[@]}"; do
	[[ $# = 0 || " $* " = *" $name "* ]] || continue
	example_alone "$name"
done
if [[ $# = 0 ]]; then
	for file in "$examples"/*.fio; do
		name=$(basename "$file" .fio)
		[[ " ${run[*]} " != *" $name "* ]] || continue
		if [[ -n ${left_out[$name]:-} ]]; then
			echo "left out: $name: ${left_out[$name]}"
			# and refused, not run in another way
			if [[ " ${taken[*]} " != *" $name "* ]] &&
				"$ioe" bench --parse-only "$file" >/dev/null 2>&1; then
				failed=$((failed + 1))
				echo "FAILED: $name: is left out, but ioe bench takes it"
			else
				passed=$((passed + 1))
			fi
		else
			failed=$((failed + 1))
			echo "FAILED: $name: neither run nor left out for a reason"
		fi
	done
fi
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed = 0 ]]
