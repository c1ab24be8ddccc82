/* SPDX-License-Identifier: MIT
 * fio_options.c - options of fio 3.33 that `ioe bench` does not have, and what becomes of them.
 *
 * One that cannot change a result is ignored, with a note. Any other is refused, unless it has a
 * value by which fio does what is done here anyway.
 * Invariants: no name is in the tables of `ioe bench`, too.
 * Threads:    any; all is const.
 * Ownership:  none.
 */
#include <stdio.h>
#include <string.h>

#include "tools/bench/plan.h"
#include "tools/sys.h"

#define ANY "*"

static const struct fio_option {
	const char *name;
	const char *harmless; /* values with | between; ANY; NULL: none */
	const char *why;      /* it is ignored, or refused */
} fio_options[] = {
	/* the run */
	{ "alloc-size", ANY, "memory is not limited" },
	{ "append-terse", NULL, "there is no terse format" },
	{ "aux-path", ANY, "no state is kept in files" },
	{ "bandwidth-log", NULL, "there is no log of all jobs together" },
	{ "client", NULL, "there is no server" },
	{ "cpuclock-test", NULL, "the clock is the kernel's" },
	{ "crctest", NULL, "checksums are not measured" },
	{ "daemonize", NULL, "there is no server" },
	{ "debug", NULL, "there is no debugging output" },
	{ "enghelp", NULL, "--cmdhelp=ioengine lists the engines" },
	{ "eta-interval", ANY, "the live line changes twice a second" },
	{ "idle-prof", NULL, "idle CPUs are not measured" },
	{ "inflate-log", NULL, "logs are not compressed" },
	{ "max-jobs", ANY, "the number of jobs is not limited" },
	{ "merge-blktrace-only", NULL, "there is no blktrace" },
	{ "minimal", NULL, "there is no terse format" },
	{ "remote-config", NULL, "there is no server" },
	{ "server", NULL, "there is no server" },
	{ "terse-version", NULL, "there is no terse format" },
	{ "trigger", NULL, "there are no triggers" },
	{ "trigger-file", NULL, "there are no triggers" },
	{ "trigger-remote", NULL, "there are no triggers" },
	{ "trigger-timeout", NULL, "there are no triggers" },
	{ "warnings-fatal", ANY, "what fio warns of is an error here" },
	/* files */
	{ "fadvise_hint", "0", "the kernel is told nothing of the order" },
	{ "file_service_type", "roundrobin", "files are served in turn" },
	{ "filename_format", "$jobname.$jobnum.$filenum", "names are jobname.clone.file" },
	{ "ioscheduler", NULL, "schedulers are left as they are" },
	{ "lockfile", "none", "files are not locked" },
	{ "opendir", NULL, "files are named by filename" },
	{ "openfiles", NULL, "all files of a job are open" },
	{ "create_on_open", "0", "files are laid out before the job" },
	{ "create_serialize", ANY, "files are laid out one after the other" },
	{ "unique_filename", ANY, "there is no server" },
	{ "unlink_each_loop", "0", "files stay until the job has ended" },
	{ "write_hint", "none", "there are no hints" },
	/* pattern */
	{ "random_generator", "tausworthe|tausworthe64|lfsr", "the generator is ioe's own" },
	{ "write_barrier", "0", "there are no barriers" },
	{ "sync_file_range", NULL, "there is fsync and fdatasync" },
	{ "atomic", "0", "there are no atomic writes" },
	{ "trim_percentage", "0", "there are no trims" },
	{ "trim_verify_zero", ANY, "there are no trims" },
	{ "trim_backlog", "0", "there are no trims" },
	{ "trim_backlog_batch", "0", "there are no trims" },
	{ "scramble_buffers", "0", "what is written is made once" },
	{ "buffer_compress_percentage", "0", "what is written does not compress" },
	{ "buffer_compress_chunk", ANY, "what is written does not compress" },
	{ "dedupe_percentage", "0", "what is written is not deduplicated" },
	{ "dedupe_mode", NULL, "what is written is not deduplicated" },
	{ "dedupe_working_set_percentage", NULL, "what is written is not deduplicated" },
	{ "dedupe_global", "0", "what is written is not deduplicated" },
	{ "zonemode", "none", "there are no zones" },
	{ "zonesize", "0", "there are no zones" },
	{ "zonecapacity", "0", "there are no zones" },
	{ "zonerange", "0", "there are no zones" },
	{ "zoneskip", "0", "there are no zones" },
	{ "read_beyond_wp", ANY, "there are no zones" },
	{ "max_open_zones", ANY, "there are no zones" },
	{ "job_max_open_zones", ANY, "there are no zones" },
	{ "ignore_zone_limits", ANY, "there are no zones" },
	{ "zone_reset_threshold", ANY, "there are no zones" },
	{ "zone_reset_frequency", ANY, "there are no zones" },
	/* length and rate */
	{ "latency_target", "0", "the depth is set before" },
	{ "latency_window", ANY, "the depth is set before" },
	{ "latency_percentile", ANY, "the depth is set before" },
	{ "latency_run", "0", "the depth is set before" },
	{ "thinktime_iotime", "0", "pauses are counted in IOs" },
	{ "steadystate", NULL, "the length of a job is set before" },
	{ "ss", NULL, "the length of a job is set before" },
	{ "steadystate_duration", "0", "the length of a job is set before" },
	{ "ss_dur", "0", "the length of a job is set before" },
	{ "steadystate_ramp_time", "0", "the length of a job is set before" },
	{ "ss_ramp", "0", "the length of a job is set before" },
	{ "flow", "0", "jobs do not wait for each other" },
	{ "flow_id", ANY, "jobs do not wait for each other" },
	{ "flow_sleep", ANY, "jobs do not wait for each other" },
	{ "exitall_on_error", "0", "a job that fails does not end others" },
	/* engines */
	{ "clocksource", ANY, "the clock is CLOCK_MONOTONIC" },
	{ "iodepth_low", NULL, "the depth is filled as soon as there is room" },
	{ "serialize_overlap", "0", "IOs do not wait for each other" },
	{ "mem", "malloc|mmap", "buffers are from malloc" },
	{ "iomem", "malloc|mmap", "buffers are from malloc" },
	{ "iomem_align", NULL, "buffers are aligned as the file asks" },
	{ "mem_align", NULL, "buffers are aligned as the file asks" },
	{ "hugepage-size", ANY, "there are no huge pages" },
	{ "lockmem", "0", "no memory is locked" },
	{ "nice", "0", "priorities are left as they are" },
	{ "prio", NULL, "priorities are left as they are" },
	{ "prioclass", NULL, "priorities are left as they are" },
	{ "numa_cpu_nodes", NULL, "there is cpus_allowed" },
	{ "numa_mem_policy", NULL, "memory is where the kernel puts it" },
	{ "cmdprio_percentage", "0", "IOs have no priorities" },
	{ "cmdprio_class", NULL, "IOs have no priorities" },
	{ "cmdprio", NULL, "IOs have no priorities" },
	{ "cmdprio_bssplit", NULL, "IOs have no priorities" },
	{ "nonvectored", ANY, "IOs of one buffer are never vectored" },
	{ "sqthread_poll", "0", "there is no thread of the kernel's that polls" },
	{ "sqthread_poll_cpu", NULL, "there is no thread of the kernel's that polls" },
	{ "force_async", "0", "the kernel decides" },
	{ "uncached", "0", "there is direct" },
	{ "nowait", "0", "the kernel may wait" },
	{ "cgroup", NULL, "control groups are left as they are" },
	{ "cgroup_weight", NULL, "control groups are left as they are" },
	{ "cgroup_nodelete", ANY, "control groups are left as they are" },
	{ "uid", NULL, "jobs run as who started them" },
	{ "gid", NULL, "jobs run as who started them" },
	{ "exec_prerun", NULL, "no programs are run" },
	{ "exec_postrun", NULL, "no programs are run" },
	{ "profile", NULL, "there are no profiles" },
	/* verify, errors, replay */
	{ "verify_offset", "0", "the header is the first of a block" },
	{ "verifysort", ANY, "blocks are read back in the order of their offsets" },
	{ "verifysort_nr", ANY, "blocks are read back in the order of their offsets" },
	{ "experimental_verify", "0", "there is one way of verifying" },
	{ "verify_state_load", "0", "there is no state in files" },
	{ "verify_state_save", ANY, "there is no state in files" },
	{ "ignore_error", NULL, "there is continue_on_error" },
	{ "error_dump", ANY, "errors are always printed" },
	{ "read_iolog_chunked", ANY, "it is read as a whole" },
	{ "replay_scale", "1", "offsets are replayed as they are" },
	{ "replay_align", "0|1", "offsets are replayed as they are" },
	{ "replay_skip", NULL, "all of a log is replayed" },
	{ "merge_blktrace_file", NULL, "there is no blktrace" },
	{ "merge_blktrace_scalars", NULL, "there is no blktrace" },
	{ "merge_blktrace_iters", NULL, "there is no blktrace" },
	/* what is measured and printed */
	{ "bwavgtime", "500", "rates are those of 500 ms" },
	{ "iopsavgtime", "500", "rates are those of 500 ms" },
	{ "disable_lat", "0", "there is gtod_reduce" },
	{ "disable_clat", "0", "there is gtod_reduce" },
	{ "disable_slat", "0", "there is gtod_reduce" },
	{ "disable_bw", "0", "there is gtod_reduce" },
	{ "disable_bw_measurement", "0", "there is gtod_reduce" },
	{ "log_entries", ANY, "memory is not limited" },
	{ "log_hist_msec", "0", "there are no logs of histograms" },
	{ "log_hist_coarseness", ANY, "there are no logs of histograms" },
	{ "write_hist_log", NULL, "there are no logs of histograms" },
	{ "log_prio", "0", "IOs have no priorities" },
	{ "log_compression", "0", "logs are not compressed" },
	{ "log_compression_cpus", ANY, "logs are not compressed" },
	{ "log_store_compressed", "0", "logs are not compressed" },
	{ "log_alternate_epoch", "0", "there is log_unix_epoch" },
	{ "log_alternate_epoch_clock_id", ANY, "there is log_unix_epoch" },
	{ "block_error_percentiles", "0", "there are no trims" },
	{ "stats", "1", "all jobs are reported" },
	{ "significant_figures", "4", "figures have four digits" },
	{ "gtod_cpu", NULL, "every thread reads the clock" },
	{ "kb_base", "1024", "sizes are based on 1024" },
	{ "unit_base", "0|8", "sizes are in bytes" },
};

static bool is_harmless(const struct fio_option *option, const char *text)
{
	const char *at = option->harmless;
	size_t length = strlen(text);

	if (!at || !strcmp(at, ANY))
		return at;
	for (; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
		if (strcspn(at, "|") == length && !strncmp(at, text, length))
			return true;
	}
	return false;
}

int fio_option_check(const struct option_source *source, const char *name, const char *text)
{
	const struct fio_option *option = NULL;

	for (size_t i = 0; i < sizeof(fio_options) / sizeof(fio_options[0]); i++) {
		if (!strcmp(fio_options[i].name, name))
			option = &fio_options[i];
	}
	if (!option)
		return 1;
	/* fio's switches, given bare, are 1 */
	if (is_harmless(option, text ? text : "1")) {
		option_source_print(stderr, source);
		fprintf(stderr, "note: %s%s is ignored: %s\n", source->where ? "" : "--", name,
			option->why);
		return 0;
	}
	option_source_print(stderr, source);
	fprintf(stderr, "%s%s%s%s is fio's, and is not honoured here: %s\n",
		source->where ? "" : "--", name, text ? "=" : "", text ? text : "", option->why);
	return -EINVAL;
}
