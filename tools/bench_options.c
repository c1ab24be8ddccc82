/* SPDX-License-Identifier: MIT
 * bench_options.c - what of `ioe bench` makes no sense together, and defaults that hang together.
 * Invariants: see bench_options.h.
 * Threads:    any.
 * Ownership:  none.
 */
#include "bench_options.h"

#include <stdarg.h>
#include <stdio.h>

#include "engine/ioe.h"
#include "sys.h"

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

static uint64_t most_threads(const struct bench_options *options)
{
	return bench_options_for(options, BENCH_PSYNC).submit_threads;
}

/* An option that is nothing to the engines that will run is refused rather than ignored. */
static int check_scopes(const struct bench_options *options, const struct option_given *given)
{
	uint32_t scope = bench_scope(options->ioengine) | bench_scope(options->versus);

	for (int i = 0; bench_table.defs[i].name; i++) {
		const struct option_def *def = &bench_table.defs[i];

		if ((given->bits >> i & 1) && !(def->scope & scope))
			return refuse("--%s means nothing to --ioengine=%s", def->name,
				      engine_name(options->ioengine));
	}
	return 0;
}

static int check_pattern(const struct bench_options *options)
{
	if (options->rw == BENCH_NOP) {
		for (int i = 0; i < 2; i++) {
			uint64_t engine = i ? options->versus : options->ioengine;

			if (engine == BENCH_RAW_AIO || engine == BENCH_PSYNC)
				return refuse("--rw=nop: %s has no such operation",
					      engine_name(engine));
		}
		if (options->filename)
			return refuse("--rw=nop touches no file, so --filename makes no sense");
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

static int check_comparison(const struct bench_options *options, const struct option_given *given)
{
	if (options->versus == BENCH_NO_IOENGINE && options_is_given(&bench_table, given, "rounds"))
		return refuse("--rounds makes sense with --versus only");
	if ((options->versus == BENCH_PSYNC || options->ioengine == BENCH_PSYNC) &&
	    most_threads(options) > SUBMIT_THREADS_MAX)
		return refuse("psync would need a thread for each of --iodepth; %u is the limit",
			      SUBMIT_THREADS_MAX);
	if (options->versus == options->ioengine)
		return refuse("--versus=%s is the same as --ioengine",
			      engine_name(options->versus));
	return 0;
}

int bench_options_check(struct bench_options *options, const struct option_given *given)
{
	int rc;

	if (!options_is_given(&bench_table, given, "versus"))
		options->versus = BENCH_NO_IOENGINE;
	if (!options_is_given(&bench_table, given, "spin"))
		options->spin_ns = SPIN_DEFAULT;
	rc = check_scopes(options, given);
	if (!rc)
		rc = check_pattern(options);
	if (!rc)
		rc = check_engine(options, given);
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
