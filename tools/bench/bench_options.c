/* SPDX-License-Identifier: MIT
 * bench_options.c - what of `ioe bench` makes no sense together, and defaults that hang together.
 * Invariants: see bench_options.h.
 * Threads:    any.
 * Ownership:  none.
 */
#include "tools/bench/bench_options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/ioe.h"
#include "tools/sys.h"

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
	case BENCH_NULL:
		return SCOPE_NULL;
	case BENCH_NO_IOENGINE:
		return 0;
	default:
		return SCOPE_OURS;
	}
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

void bench_options_init(struct bench_options *options)
{
	memset(options, 0, sizeof(*options));
	options_init(&bench_table, options);
	options->versus = BENCH_NO_IOENGINE;
	options->fio_engine = 0;
	options->spin_ns = SPIN_DEFAULT;
	options->origin = "";
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
	if (ioengine == BENCH_NULL && !other.submit_threads)
		other.submit_threads = 1;
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
