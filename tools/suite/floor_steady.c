/* SPDX-License-Identifier: MIT
 * floor_steady.c - T8: what a steady load asks of the driver: wakes, system calls, depth kept.
 *
 * Random reads of 4 KiB, O_DIRECT, on uring. The counters are the engine's own, over the whole of
 * a run: what fills the depth at the start and empties it at the end is in them. Depth kept is the
 * integral of requests in flight by measured time and depth; it falls short of 1 by the time that
 * a finished IO waits for its callback, and that callback's next event for a system call.
 * Invariants: the counts hang on how submitters and driver meet, not on how fast the machine is.
 * Threads:    the main thread.
 * Ownership:  none that outlives floor_steady().
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tools/suite/floor_parts.h"

#define WAKES_MAX 0.01

static const struct row {
	uint64_t depth;
	double system_calls_max;
	double depth_kept_min;
} rows[] = {
	{ 32, 0.35, 0.90 },
	{ 128, 0.15, 0.95 },
};

static const struct submitter {
	uint64_t threading;
	uint64_t submit_threads;
	const char *name;
} submitters[] = {
	{ IOE_THREADING_INLINE, 0, "INLINE, callbacks submit again" },
	{ IOE_THREADING_POOL, 0, "POOL, callbacks submit again" },
	{ IOE_THREADING_INLINE, 1, "INLINE, a thread submits" },
	{ IOE_THREADING_POOL, 1, "POOL, a thread submits" },
};

#define SUBMITTERS (sizeof(submitters) / sizeof(submitters[0]))

static_assert(SUBMITTERS <= VERSUS_SIDES_MAX, "versus_run() takes no more");

static void add_side(struct floor *floor, const struct row *row, const struct versus *versus,
		     uint32_t side)
{
	const struct {
		enum versus_measure measure;
		const char *name;
		enum floor_bound bound;
		double limit;
	} figures[] = {
		{ VERSUS_WAKES, "wakes/event", FLOOR_AT_MOST, WAKES_MAX },
		{ VERSUS_SYSTEM_CALLS, "system calls/event", FLOOR_AT_MOST, row->system_calls_max },
		{ VERSUS_DEPTH_KEPT, "in flight / depth", FLOOR_AT_LEAST, row->depth_kept_min },
		{ VERSUS_IOPS, "IOPS", FLOOR_REPORTED, 0 },
	};

	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		char what[sizeof(floor->figures->what)];

		snprintf(what, sizeof(what), "depth %llu, %s: %s", (unsigned long long)row->depth,
			 submitters[side].name, figures[i].name);
		floor_add(floor, what, "", versus_value(versus, side, figures[i].measure),
			  versus->n_rounds, figures[i].bound, figures[i].limit);
	}
}

static int run_row(struct floor *floor, const struct row *row)
{
	struct bench_options base = floor->suite->job, sides[SUBMITTERS];
	struct versus versus = { 0 };
	int rc;

	base.rw = BENCH_RANDREAD;
	base.bs_bytes = 4096;
	base.iodepth = row->depth;
	if (floor->suite->quick)
		base.runtime_ns = 5 * NS_PER_MSEC;
	for (size_t i = 0; i < SUBMITTERS; i++) {
		sides[i] = bench_options_for(&base, BENCH_URING);
		sides[i].threading = submitters[i].threading;
		sides[i].submit_threads = submitters[i].submit_threads;
	}
	rc = suite_run(floor->suite, sides, SUBMITTERS, floor->target, "steady", &versus);
	for (uint32_t i = 0; !rc && i < SUBMITTERS; i++)
		add_side(floor, row, &versus, i);
	versus_deinit(&versus);
	return rc;
}

int floor_steady(struct floor *floor)
{
	int rc = floor_backend_status(IOE_BACKEND_URING);

	if (rc) {
		floor_skip(floor, "steady load", "no io_uring here: %s", strerror(-rc));
		return 0;
	}
	for (size_t i = 0; !rc && i < sizeof(rows) / sizeof(rows[0]); i++)
		rc = run_row(floor, &rows[i]);
	return rc;
}
