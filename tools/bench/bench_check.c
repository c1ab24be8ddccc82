/* SPDX-License-Identifier: MIT
 * bench_check.c - what of a job makes no sense together; defaults that hang together.
 * Invariants: everything is checked before anything is done; one line is printed, for the first
 *             mistake.
 * Threads:    any.
 * Ownership:  none.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "engine/ioe.h"
#include "tools/bench/bench_options.h"
#include "tools/bench/job_verify.h"
#include "tools/sys.h"

/* A job as it is being checked. */
struct check {
	struct bench_options *options;
	const struct option_given *given;
};

struct option_source bench_source(const struct bench_options *options,
				  const struct option_given *given)
{
	struct option_source source = { .command = bench_table.command };

	if (*options->origin)
		source.where = options->origin;
	if (*options->origin || options_is_given(&bench_table, given, "name"))
		source.job = options->name;
	return source;
}

/* option: the one to blame, whose place in a job file is told; NULL: none. */
__attribute__((format(printf, 3, 4))) static int refuse(const struct check *check,
							const char *option, const char *format, ...)
{
	struct option_source source = bench_source(check->options, check->given);
	int i = option ? options_find(&bench_table, option) : -1;
	va_list args;

	if (i >= 0 && option_given_at(check->given, i) && check->given->where[i])
		source.where = check->given->where[i];
	option_source_print(stderr, &source);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	return -EINVAL;
}

static bool is_given(const struct check *check, const char *name)
{
	return options_is_given(&bench_table, check->given, name);
}

static const char *engine_name(uint64_t ioengine)
{
	return options_choice_name(bench_ioengines, ioengine);
}

static bool has_side(const struct bench_options *options, uint64_t ioengine)
{
	return options->ioengine == ioengine || options->versus == ioengine;
}

static uint64_t most_threads(const struct bench_options *options)
{
	return bench_options_for(options, BENCH_PSYNC).submit_threads;
}

static int check_pattern(const struct check *check)
{
	const struct bench_options *options = check->options;

	if (options->rw == BENCH_NOP) {
		for (int i = 0; i < 2; i++) {
			uint64_t engine = i ? options->versus : options->ioengine;

			if (engine == BENCH_RAW_AIO || engine == BENCH_PSYNC || engine == BENCH_FIO)
				return refuse(check, "rw", "--rw=nop: %s has no such operation",
					      engine_name(engine));
		}
		if (options->filename)
			return refuse(check, "rw",
				      "--rw=nop touches no file, so --filename makes no sense");
		if (options->directory)
			return refuse(check, "rw",
				      "--rw=nop touches no file, so --directory makes no sense");
		if (options->verify)
			return refuse(check, "rw", "--rw=nop has nothing to --verify");
		if (options->n_fds)
			return refuse(check, "rw",
				      "--rw=nop touches no file, so --n_fds makes no sense");
		if (options->interleave)
			return refuse(check, "rw", "--rw=nop has no blocks to --interleave");
		return 0;
	}
	if (!options->filename && !options->size_bytes && !options->filesize_bytes &&
	    !options->read_iolog)
		return refuse(check, "filename",
			      "--filename is needed, or the --size of a new one");
	if (options->size_bytes && options->size_bytes < options->bs_bytes)
		return refuse(check, "size", "--size=%llu is less than --bs=%llu",
			      (unsigned long long)options->size_bytes,
			      (unsigned long long)options->bs_bytes);
	if (options->time_based && !options->runtime_ns)
		return refuse(check, "time_based", "--time_based needs --runtime");
	if (options->interleave && bench_is_random(options))
		return refuse(check, "interleave",
			      "--interleave makes sense with --rw=read and --rw=write only");
	return 0;
}

/* Threads and depth are the same: each of them says the other, if that was not given. */
static int complete_waiting(const struct check *check)
{
	struct bench_options *options = check->options;

	if (!options->waiting)
		return 0;
	if (options->submit_threads && !is_given(check, "iodepth"))
		options->iodepth = options->submit_threads;
	if (!options->submit_threads)
		options->submit_threads = options->iodepth;
	if (options->submit_threads != options->iodepth)
		return refuse(check, "waiting",
			      "--waiting: a thread has one IO in flight, so --submit_threads=%llu "
			      "and --iodepth=%llu make no sense together",
			      (unsigned long long)options->submit_threads,
			      (unsigned long long)options->iodepth);
	if (options->submit_threads > SUBMIT_THREADS_MAX)
		return refuse(check, "waiting",
			      "--waiting needs a thread for each of --iodepth; %u is the limit",
			      SUBMIT_THREADS_MAX);
	if (options->threading == IOE_THREADING_NONE && options->submit_threads > 1)
		return refuse(check, "threading",
			      "--threading=none: only one thread can be the owner and wait");
	if (options->batch_submit || options->batch_complete_min > 1)
		return refuse(check, "waiting",
			      "--waiting: a thread has one IO in flight, and no batches");
	return 0;
}

static int check_engine(const struct check *check)
{
	const struct bench_options *options = check->options;
	bool pool = options->threading == IOE_THREADING_POOL;

	if (!pool && is_given(check, "callback_threads"))
		return refuse(check, "callback_threads",
			      "--callback_threads makes sense with --threading=pool only");
	if (options->threading == IOE_THREADING_NONE && options->n_drivers > 1)
		return refuse(check, "threading",
			      "--threading=none has one driver, the job's own thread");
	if (options->io_submit_mode == BENCH_SUBMIT_OFFLOAD &&
	    (bench_scope(options->ioengine) | bench_scope(options->versus)) != SCOPE_OURS)
		return refuse(check, "io_submit_mode",
			      "--io_submit_mode=offload: %s submits in the thread that completes",
			      engine_name(options->ioengine));
	if (options->io_submit_mode == BENCH_SUBMIT_OFFLOAD &&
	    options->threading == IOE_THREADING_NONE)
		return refuse(
			check, "io_submit_mode",
			"--io_submit_mode=offload: with --threading=none there is one thread");
	if (options->nomerge && (options->merge_max_bytes || options->merge_max_events))
		return refuse(check, "nomerge",
			      "--nomerge and limits of merging make no sense together");
	if (options->ioengine != BENCH_PSYNC && options->submit_threads > options->iodepth)
		return refuse(check, "submit_threads",
			      "--submit_threads=%llu is more than --iodepth=%llu",
			      (unsigned long long)options->submit_threads,
			      (unsigned long long)options->iodepth);
	if (options->n_fds > options->iodepth)
		return refuse(check, "n_fds",
			      "--n_fds=%llu is more than --iodepth=%llu, and each IO has one",
			      (unsigned long long)options->n_fds,
			      (unsigned long long)options->iodepth);
	if (!options->submit_threads && options->interleave)
		return refuse(check, "interleave", "--interleave is about --submit_threads=N");
	if (options->batch_submit > options->iodepth)
		return refuse(check, "iodepth_batch_submit",
			      "--iodepth_batch_submit is more than --iodepth");
	if (options->batch_complete_min > options->iodepth)
		return refuse(check, "iodepth_batch_complete_min",
			      "--iodepth_batch_complete_min is more than --iodepth");
	if (options->batch_complete_max &&
	    options->batch_complete_max < options->batch_complete_min)
		return refuse(check, "iodepth_batch_complete_max",
			      "--iodepth_batch_complete_max is less than the min");
	return 0;
}

/* fio's jobs share no numbers of IOs: each has its own. */
static int check_fio(const struct check *check)
{
	const struct bench_options *options = check->options;
	struct bench_options fio;

	if (!has_side(options, BENCH_FIO))
		return 0;
	if (options->versus == BENCH_NO_IOENGINE || options->versus == options->ioengine)
		return refuse(check, "ioengine",
			      "--ioengine=fio is for comparing with --versus; else run fio itself");
	fio = bench_options_for(options, BENCH_FIO);
	if (fio.submit_threads > SUBMIT_THREADS_MAX)
		return refuse(check, "iodepth",
			      "fio's psync would need a job for each of --iodepth; %u is the limit",
			      SUBMIT_THREADS_MAX);
	if (fio.iodepth % fio.submit_threads)
		return refuse(check, "iodepth",
			      "fio's jobs have the same depth each: --iodepth=%llu does not divide "
			      "by --submit_threads=%llu",
			      (unsigned long long)fio.iodepth,
			      (unsigned long long)fio.submit_threads);
	if (fio.submit_threads > 1 && !bench_is_random(options))
		return refuse(check, NULL,
			      "%llu jobs of fio would each do all of a sequential file",
			      (unsigned long long)fio.submit_threads);
	return 0;
}

static int check_comparison(const struct check *check)
{
	const struct bench_options *options = check->options;

	if (options->versus == BENCH_NO_IOENGINE && is_given(check, "rounds"))
		return refuse(check, "rounds", "--rounds makes sense with --versus only");
	if ((options->versus == BENCH_PSYNC || options->ioengine == BENCH_PSYNC) &&
	    most_threads(options) > SUBMIT_THREADS_MAX)
		return refuse(check, "iodepth",
			      "psync would need a thread for each of --iodepth; %u is the limit",
			      SUBMIT_THREADS_MAX);
	if (options->versus == options->ioengine && options->versus != BENCH_FIO)
		return refuse(check, "versus", "--versus=%s is the same as --ioengine",
			      engine_name(options->versus));
	return 0;
}

/* What is said of sizes: of the area, of IOs, of headers in them. */
static int check_sizes(const struct check *check)
{
	const struct bench_options *options = check->options;
	uint64_t least = options->bs_bytes;

	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		if (options->sizes[d].max_bytes && options->sizes[d].min_bytes < least)
			least = options->sizes[d].min_bytes;
	}
	if (options->bs_unaligned && options->direct)
		return refuse(check, "bs_unaligned",
			      "--bs_unaligned and --direct make no sense "
			      "together");
	if (options->fill_device && bench_is_read(options))
		return refuse(check, "fill_device",
			      "--fill_device is for jobs that only write: --rw=write or randwrite");
	if (options->filesize_bytes && options->size_percent)
		return refuse(check, "filesize",
			      "--filesize and a --size in %% make no sense "
			      "together");
	if (options->verify_interval_bytes && least % options->verify_interval_bytes)
		return refuse(check, "verify_interval",
			      "--verify_interval=%llu does not divide IOs of %llu bytes",
			      (unsigned long long)options->verify_interval_bytes,
			      (unsigned long long)least);
	if (options->direct && options->pre_read)
		return refuse(check, "pre_read",
			      "--pre_read is for the page cache, which --direct "
			      "goes round");
	if (options->nrfiles > 1 && options->filename)
		return refuse(check, "nrfiles", "--nrfiles makes names, and --filename says them");
	return 0;
}

static int check_verify(const struct check *check)
{
	const struct bench_options *options = check->options;
	char why[128];

	if (options->verify == BENCH_VERIFY_PATTERN && !options->verify_pattern.n_bytes)
		return refuse(check, "verify", "--verify=pattern needs --verify_pattern");
	if (options->verify && options->ioengine == BENCH_NULL)
		return refuse(check, "verify", "--ioengine=null keeps nothing to --verify");
	if (options->verify && job_verify_check(options, why, sizeof(why)))
		return refuse(check, NULL, "%s", why);
	if (options->verify_backlog && !options->verify)
		return refuse(check, "verify_backlog", "--verify_backlog needs --verify");
	if (options->verify_backlog_batch && !options->verify_backlog)
		return refuse(check, "verify_backlog_batch",
			      "--verify_backlog_batch needs --verify_backlog");
	if (options->verify_only && options->time_based)
		return refuse(check, "verify_only",
			      "--verify_only does not go with --time_based: what was written?");
	if (options->verify_only && !options->verify)
		return refuse(check, "verify_only", "--verify_only needs --verify");
	return 0;
}

static bool has_rate(const struct bench_options *options)
{
	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		if (options->rate_bytes[d] || options->rate_iops[d] || options->rate_min_bytes[d] ||
		    options->rate_iops_min[d])
			return true;
	}
	return false;
}

static int check_rate(const struct check *check)
{
	const struct bench_options *options = check->options;

	for (int d = 0; d < BENCH_DIRECTIONS; d++) {
		if (options->rate_bytes[d] && options->rate_iops[d])
			return refuse(check, "rate_iops",
				      "--rate and --rate_iops make no sense together");
		if (options->rate_bytes[d] && options->rate_min_bytes[d] > options->rate_bytes[d])
			return refuse(check, "rate_min", "--rate_min is more than --rate");
		if (options->rate_iops[d] && options->rate_iops_min[d] > options->rate_iops[d])
			return refuse(check, "rate_iops_min",
				      "--rate_iops_min is more than --rate_iops");
	}
	if (has_rate(options) && options->rw == BENCH_NOP)
		return refuse(check, "rw", "--rw=nop has no rate: it is about reads and writes");
	if (has_rate(options) && options->read_iolog)
		return refuse(check, "read_iolog",
			      "--read_iolog has the times of its list; a rate does not go with it");
	if (options->max_latency_ns && !bench_is_timed(options))
		return refuse(check, "max_latency", "--max_latency wants times: not with %s",
			      options->rw == BENCH_NOP ? "--rw=nop" : "--gtod_reduce");
	if (options->thinktime_spin_ns > options->thinktime_ns)
		return refuse(check, "thinktime_spin", "--thinktime_spin is more than --thinktime");
	return 0;
}

/* fio is told what its row of the table says, and nothing else; an option that it would not know
 * of would make the comparison one of different jobs. */
static int check_told_to_fio(const struct check *check)
{
	const struct option_def *def;

	if (!has_side(check->options, BENCH_FIO))
		return 0;
	for (int i = 0; (def = option_at(&bench_table, i)); i++) {
		if (option_given_at(check->given, i) && (def->scope | SCOPE_FIO) == SCOPE_ALL &&
		    !(def->scope & SCOPE_FIO))
			return refuse(check, def->name,
				      "--%s is not told to fio, so that the "
				      "sides would differ",
				      def->name);
	}
	return 0;
}

static int check_replay(const struct check *check)
{
	const struct bench_options *options = check->options;

	if (options->read_iolog && options->write_iolog &&
	    !strcmp(options->read_iolog, options->write_iolog))
		return refuse(check, "write_iolog",
			      "--read_iolog and --write_iolog are the same file");
	if (options->write_iolog && (options->rw == BENCH_NOP || options->ioengine == BENCH_NULL))
		return refuse(check, "write_iolog", "--write_iolog is a list of IO on files");
	if ((options->write_bw_log || options->write_lat_log || options->write_iops_log) &&
	    !bench_is_timed(options))
		return refuse(check, NULL, "logs over time want times: not with %s",
			      options->rw == BENCH_NOP ? "--rw=nop" : "--gtod_reduce");
	if (options->write_iolog && options->numjobs > 1)
		return refuse(check, "write_iolog",
			      "--write_iolog is of one job: not with --numjobs");
	if (options->read_iolog && options->time_based)
		return refuse(check, "time_based",
			      "--time_based does not go with --read_iolog: a list is done once");
	if (options->read_iolog && options->verify)
		return refuse(check, "verify", "--verify does not go with --read_iolog");
	if (options->read_iolog && options->rw == BENCH_NOP)
		return refuse(check, "rw", "--rw=nop does not go with --read_iolog");
	if (options->read_iolog && options->interleave)
		return refuse(check, "interleave", "--interleave does not go with --read_iolog");
	if (options->read_iolog && options->versus != BENCH_NO_IOENGINE)
		return refuse(check, "versus", "--versus does not go with --read_iolog");
	if (options->verify && options->versus != BENCH_NO_IOENGINE)
		return refuse(check, "versus", "--versus does not go with --verify");
	if (options->hipri && !options->direct)
		return refuse(check, "hipri", "--hipri needs --direct: only devices are polled");
	if (options->hipri && (options->fsync || options->fdatasync || options->end_fsync))
		return refuse(check, "hipri", "--hipri: a polled ring has no fsync");
	return 0;
}

/* A seed that nobody knows before is printed, so that the run can be repeated. */
static void choose_seed(struct bench_options *options, const struct option_source *source)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed = clock_now_ns();
	options->randseed = seed >> 1; /* what --randseed takes */
	option_source_print(stderr, source);
	fprintf(stderr, "note: randrepeat=0: the seed is %llu\n",
		(unsigned long long)options->randseed);
}

/* Callbacks make no batches; beside a reference loop they are that one's. */
static bool has_batches_of_ours(const struct bench_options *options)
{
	return bench_scope(options->ioengine) == SCOPE_OURS &&
	       (bench_scope(options->versus) == SCOPE_OURS ||
		options->versus == BENCH_NO_IOENGINE) &&
	       (options->batch_submit || options->batch_complete_min > 1);
}

/* Defaults that hang on other options. */
static void complete(struct bench_options *options, const struct option_source *source)
{
	if (options->rw == BENCH_NOP && !options->runtime_ns && !options->number_ios)
		options->runtime_ns = 2 * NS_PER_SECOND;
	if (!options->randrepeat && options->rw != BENCH_NOP)
		choose_seed(options, source);
	/* A thread of its own submits: callbacks do not. */
	if ((options->io_submit_mode == BENCH_SUBMIT_OFFLOAD || has_batches_of_ours(options)) &&
	    !options->submit_threads)
		options->submit_threads = 1;
	if (options->verify_async) {
		option_source_print(stderr, source);
		fprintf(stderr, "note: --verify_async: blocks are checked by the threads that see "
				"them come back\n");
	}
	if (options->ioengine == BENCH_PSYNC && options->versus == BENCH_NO_IOENGINE &&
	    options->iodepth > 1) {
		option_source_print(stderr, source);
		fprintf(stderr, "note: psync has one IO in flight for each of --submit_threads; "
				"--iodepth is not used\n");
	}
}

int bench_options_check(struct bench_options *options, const struct option_given *given)
{
	static int (*const checks[])(const struct check *) = {
		complete_waiting, check_pattern, check_engine, check_fio,  check_told_to_fio,
		check_comparison, check_sizes,   check_verify, check_rate, check_replay,
	};
	const struct check check = { .options = options, .given = given };
	const struct option_source source = bench_source(options, given);
	int rc = options_check_scope(&bench_table, given,
				     bench_scope(options->ioengine) | bench_scope(options->versus),
				     "ioengine", engine_name(options->ioengine), &source);

	for (size_t i = 0; !rc && i < sizeof(checks) / sizeof(checks[0]); i++)
		rc = checks[i](&check);
	if (!rc)
		complete(options, &source);
	return rc;
}
