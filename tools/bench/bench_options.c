/* SPDX-License-Identifier: MIT
 * bench_options.c - what of `ioe bench` makes no sense together, and defaults that hang together.
 * Invariants: see bench_options.h.
 * Threads:    any.
 * Ownership:  none.
 */
#include "tools/bench/bench_options.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/ioe.h"
#include "tools/sys.h"

__attribute__((format(printf, 1, 2))) static int refuse(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", bench_table.command);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	return -EINVAL;
}

uint32_t bench_scope(uint64_t ioengine)
{
	switch (ioengine) {
	case BENCH_RAW_URING:
		return SCOPE_RAW_URING;
	case BENCH_RAW_AIO:
		return SCOPE_RAW_AIO;
	case BENCH_PSYNC:
		return SCOPE_PSYNC;
	case BENCH_FIO:
		return SCOPE_FIO;
	case BENCH_NO_IOENGINE:
		return 0;
	default:
		return SCOPE_OURS;
	}
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

/* fio's engine of the same kind. */
static uint64_t fio_engine_like(uint64_t ioengine)
{
	switch (ioengine) {
	case BENCH_AIO:
	case BENCH_RAW_AIO:
		return BENCH_RAW_AIO;
	case BENCH_THREADS:
	case BENCH_PSYNC:
		return BENCH_PSYNC;
	default:
		return BENCH_RAW_URING;
	}
}

static int check_pattern(const struct bench_options *options)
{
	if (options->rw == BENCH_NOP) {
		for (int i = 0; i < 2; i++) {
			uint64_t engine = i ? options->versus : options->ioengine;

			if (engine == BENCH_RAW_AIO || engine == BENCH_PSYNC || engine == BENCH_FIO)
				return refuse("--rw=nop: %s has no such operation",
					      engine_name(engine));
		}
		if (options->filename)
			return refuse("--rw=nop touches no file, so --filename makes no sense");
		if (options->n_fds)
			return refuse("--rw=nop touches no file, so --n_fds makes no sense");
		if (options->interleave)
			return refuse("--rw=nop has no blocks to --interleave");
		return 0;
	}
	if (!options->filename)
		return refuse("--filename is needed");
	if (options->size_bytes && options->size_bytes < options->bs_bytes)
		return refuse("--size=%llu is less than --bs=%llu",
			      (unsigned long long)options->size_bytes,
			      (unsigned long long)options->bs_bytes);
	if (options->time_based && !options->runtime_ns)
		return refuse("--time_based needs --runtime");
	if (options->interleave && bench_is_random(options))
		return refuse("--interleave makes sense with --rw=read and --rw=write only");
	return 0;
}

/* Threads and depth are the same: each of them says the other, if that was not given. */
static int complete_waiting(struct bench_options *options, const struct option_given *given)
{
	if (!options->waiting)
		return 0;
	if (options->submit_threads && !options_is_given(&bench_table, given, "iodepth"))
		options->iodepth = options->submit_threads;
	if (!options->submit_threads)
		options->submit_threads = options->iodepth;
	if (options->submit_threads != options->iodepth)
		return refuse("--waiting: a thread has one IO in flight, so --submit_threads=%llu "
			      "and --iodepth=%llu make no sense together",
			      (unsigned long long)options->submit_threads,
			      (unsigned long long)options->iodepth);
	if (options->submit_threads > SUBMIT_THREADS_MAX)
		return refuse("--waiting needs a thread for each of --iodepth; %u is the limit",
			      SUBMIT_THREADS_MAX);
	if (options->threading == IOE_THREADING_NONE && options->submit_threads > 1)
		return refuse("--threading=none: only one thread can be the owner and wait");
	if (options->batch_submit || options->batch_complete_min > 1)
		return refuse("--waiting: a thread has one IO in flight, and no batches");
	return 0;
}

static int check_engine(const struct bench_options *options, const struct option_given *given)
{
	bool pool = options->threading == IOE_THREADING_POOL;

	if (!pool && options_is_given(&bench_table, given, "callback_threads"))
		return refuse("--callback_threads makes sense with --threading=pool only");
	if (options->threading == IOE_THREADING_NONE && options->n_drivers > 1)
		return refuse("--threading=none has one driver, the job's own thread");
	if (options->nomerge && (options->merge_max_bytes || options->merge_max_events))
		return refuse("--nomerge and limits of merging make no sense together");
	if (options->ioengine != BENCH_PSYNC && options->submit_threads > options->iodepth)
		return refuse("--submit_threads=%llu is more than --iodepth=%llu",
			      (unsigned long long)options->submit_threads,
			      (unsigned long long)options->iodepth);
	if (options->n_fds > options->iodepth)
		return refuse("--n_fds=%llu is more than --iodepth=%llu, and each IO has one",
			      (unsigned long long)options->n_fds,
			      (unsigned long long)options->iodepth);
	if (!options->submit_threads && options->interleave)
		return refuse("--interleave is about --submit_threads=N");
	if (options->batch_submit > options->iodepth)
		return refuse("--iodepth_batch_submit is more than --iodepth");
	if (options->batch_complete_min > options->iodepth)
		return refuse("--iodepth_batch_complete_min is more than --iodepth");
	if (options->batch_complete_max &&
	    options->batch_complete_max < options->batch_complete_min)
		return refuse("--iodepth_batch_complete_max is less than the min");
	if (bench_scope(options->ioengine) == SCOPE_OURS && !options->submit_threads &&
	    (options->batch_submit || options->batch_complete_min > 1))
		if (bench_scope(options->versus) == SCOPE_OURS ||
		    options->versus == BENCH_NO_IOENGINE)
			return refuse("batches are submitted by --submit_threads=N, not callbacks");
	return 0;
}

/* fio's jobs share no numbers of IOs: each has its own. */
static int check_fio(const struct bench_options *options)
{
	struct bench_options fio;

	if (!has_side(options, BENCH_FIO))
		return 0;
	if (options->versus == BENCH_NO_IOENGINE || options->versus == options->ioengine)
		return refuse("--ioengine=fio is for comparing with --versus; else run fio itself");
	fio = bench_options_for(options, BENCH_FIO);
	if (fio.submit_threads > SUBMIT_THREADS_MAX)
		return refuse("fio's psync would need a job for each of --iodepth; %u is the limit",
			      SUBMIT_THREADS_MAX);
	if (fio.iodepth % fio.submit_threads)
		return refuse("fio's jobs have the same depth each: --iodepth=%llu does not divide "
			      "by --submit_threads=%llu",
			      (unsigned long long)fio.iodepth,
			      (unsigned long long)fio.submit_threads);
	if (fio.submit_threads > 1 && !bench_is_random(options))
		return refuse("%llu jobs of fio would each do all of a sequential file",
			      (unsigned long long)fio.submit_threads);
	return 0;
}

static int check_comparison(const struct bench_options *options, const struct option_given *given)
{
	if (options->versus == BENCH_NO_IOENGINE && options_is_given(&bench_table, given, "rounds"))
		return refuse("--rounds makes sense with --versus only");
	if ((options->versus == BENCH_PSYNC || options->ioengine == BENCH_PSYNC) &&
	    most_threads(options) > SUBMIT_THREADS_MAX)
		return refuse("psync would need a thread for each of --iodepth; %u is the limit",
			      SUBMIT_THREADS_MAX);
	if (options->versus == options->ioengine && options->versus != BENCH_FIO)
		return refuse("--versus=%s is the same as --ioengine",
			      engine_name(options->versus));
	return 0;
}

void bench_options_init(struct bench_options *options)
{
	options_init(&bench_table, options);
	options->versus = BENCH_NO_IOENGINE;
	options->fio_engine = 0;
	options->spin_ns = SPIN_DEFAULT;
}

int bench_options_check(struct bench_options *options, const struct option_given *given)
{
	int rc;

	rc = options_check_scope(&bench_table, given,
				 bench_scope(options->ioengine) | bench_scope(options->versus),
				 "ioengine", engine_name(options->ioengine));
	if (!rc)
		rc = complete_waiting(options, given);
	if (!rc)
		rc = check_pattern(options);
	if (!rc)
		rc = check_engine(options, given);
	if (!rc)
		rc = check_fio(options);
	if (!rc)
		rc = check_comparison(options, given);
	if (rc)
		return rc;
	if (options->rw == BENCH_NOP && !options->runtime_ns && !options->number_ios)
		options->runtime_ns = 2 * NS_PER_SECOND;
	if (options->ioengine == BENCH_PSYNC && options->versus == BENCH_NO_IOENGINE &&
	    options->iodepth > 1)
		fprintf(stderr,
			"%s: note: psync has one IO in flight for each of --submit_threads; "
			"--iodepth is not used\n",
			bench_table.command);
	return 0;
}

struct bench_options bench_options_for(const struct bench_options *options, uint64_t ioengine)
{
	struct bench_options other = *options;
	uint32_t scope = bench_scope(ioengine);

	other.ioengine = ioengine;
	if (scope == SCOPE_FIO) {
		if (!other.fio_engine)
			other.fio_engine =
				fio_engine_like(options->ioengine == BENCH_FIO ? options->versus :
										 options->ioengine);
		if (other.fio_engine == BENCH_PSYNC)
			other.submit_threads = other.iodepth;
		else if (!other.submit_threads)
			other.submit_threads = 1;
	}
	if (scope == SCOPE_PSYNC) {
		if (options->versus != BENCH_NO_IOENGINE)
			other.submit_threads = options->iodepth;
		if (!other.submit_threads)
			other.submit_threads = 1;
		other.iodepth = other.submit_threads;
	}
	if (scope & SCOPE_RAW_BOTH) {
		if (!other.submit_threads)
			other.submit_threads = 1;
		if (!other.batch_submit)
			other.batch_submit = 1;
		if (!other.batch_complete_max)
			other.batch_complete_max = other.batch_complete_min;
	}
	return other;
}
