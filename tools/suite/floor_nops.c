/* SPDX-License-Identifier: MIT
 * floor_nops.c - T6: what an event costs that does nothing, beside what the bare ring takes.
 *
 * The raw loop gives the kernel the same IORING_OP_NOPs from one thread, with the ring registered
 * and set up with SINGLE_ISSUER and DEFER_TASKRUN, a batch and the wait for it in one system call,
 * in the best of a few batches. loop_uring.c counts each IO as the sides of ours do, which is 5 to
 * 10 ns of its 80 here; no side reads a clock.
 * Invariants: a mode runs in turn with the bare ring, in the same rounds: the ratio is of
 *             neighbours, so that it holds on a machine that is busy.
 * Threads:    the main thread.
 * Ownership:  none that outlives floor_nops().
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tools/suite/floor_parts.h"

/* What a thread of the tool submits at once; how many it has on the way, so that it and the driver
 * need not take turns; and how many it sleeps for when it has no more. */
#define BATCH      32
#define ON_THE_WAY 1024
#define SLEEP_FOR  512

static const struct mode {
	uint64_t threading;
	const char *name;
	const char *from_thread; /* who submits where callbacks do not */
	double ratio_min;
} modes[] = {
	/* 8, 5 and 4 million events in a second where the bare ring does 12; elsewhere, and on a
	 * busy machine, what these are of that. */
	{ IOE_THREADING_NONE, "NONE", "its owner submits 32 of 1024 at a time", 0.667 },
	{ IOE_THREADING_INLINE, "INLINE", "another thread submits 32 of 1024 at a time", 0.417 },
	{ IOE_THREADING_POOL, "POOL, 1 worker", "another thread submits 32 of 1024 at a time",
	  0.333 },
};

/* Of the bare ring: in flight, and of those submitted and waited for at once. */
static const struct batching {
	uint64_t depth;
	uint64_t batch;
} batchings[] = {
	{ 32, 32 },
	{ 64, 64 },
	{ FLOOR_NOP_DEPTH, 32 },
	{ FLOOR_NOP_DEPTH, 64 },
};

#define BATCHINGS (sizeof(batchings) / sizeof(batchings[0]))

static_assert(BATCHINGS <= VERSUS_SIDES_MAX, "versus_run() takes no more");
static_assert(FLOOR_NOP_DEPTH / 2 <= RAW_REAP_MAX, "the loop takes a batch at once");

enum { BARE, FROM_THREAD, FROM_CALLBACKS, SIDES };

static struct bench_options bare_job(const struct floor *floor, const struct batching *batching)
{
	struct bench_options base = floor_nop_job(floor);
	struct bench_options options = bench_options_for(&base, BENCH_RAW_URING);

	options.iodepth = batching->depth;
	options.batch_submit = batching->batch;
	options.batch_complete_min = batching->batch;
	options.batch_complete_max = batching->batch;
	options.submit_and_wait = 1;
	options.registerring = 1;
	return options;
}

/* The batching with which the bare ring is fastest. */
static int search_bare(const struct floor *floor, struct bench_options *ret_best)
{
	struct bench_options sides[BATCHINGS];
	struct versus versus = { 0 };
	double best = 0;
	int rc;

	for (uint32_t i = 0; i < BATCHINGS; i++)
		sides[i] = bare_job(floor, &batchings[i]);
	rc = suite_run(floor->suite, sides, BATCHINGS, floor->target, "bare nop", &versus);
	for (uint32_t i = 0; !rc && i < BATCHINGS; i++) {
		double rate = versus_value(&versus, i, VERSUS_IOPS).median;

		if (i && rate <= best)
			continue;
		best = rate;
		*ret_best = sides[i];
	}
	versus_deinit(&versus);
	return rc;
}

/* Million events in a second, ns of time and of CPU for each. */
static void add_values(struct floor *floor, const char *what, const struct versus *versus,
		       uint32_t side)
{
	static const struct {
		enum versus_measure measure;
		const char *unit;
		double scale;
	} values[] = {
		{ VERSUS_IOPS, "M events/s", 1e-6 },
		{ VERSUS_NS, "ns/event", 1 },
		{ VERSUS_CPU_US, "ns of CPU/event", 1e3 },
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct spread spread = versus_value(versus, side, values[i].measure);

		spread.min *= values[i].scale;
		spread.median *= values[i].scale;
		spread.max *= values[i].scale;
		floor_add(floor, what, values[i].unit, spread, versus->n_rounds, FLOOR_REPORTED, 0);
	}
}

static void add_side(struct floor *floor, const struct mode *mode, const struct versus *versus,
		     uint32_t side)
{
	const char *how = side == FROM_THREAD ? mode->from_thread : "callbacks submit again";
	char what[sizeof(floor->figures->what)];

	snprintf(what, sizeof(what), "nops, %s, %s: events/s, ours / bare ring", mode->name, how);
	floor_add_ratio(floor, what, versus, side, BARE, VERSUS_IOPS, FLOOR_AT_LEAST,
			mode->ratio_min);
	snprintf(what, sizeof(what), "nops, %s, %s", mode->name, how);
	add_values(floor, what, versus, side);
}

static int run_mode(struct floor *floor, const struct mode *mode, const struct bench_options *bare)
{
	struct bench_options sides[SIDES];
	struct versus versus = { 0 };
	char what[sizeof(floor->figures->what)];
	int rc;

	sides[BARE] = *bare;
	sides[FROM_CALLBACKS] = floor_nop_job(floor);
	sides[FROM_CALLBACKS].threading = mode->threading;
	sides[FROM_CALLBACKS].callback_threads = 1;
	sides[FROM_THREAD] = sides[FROM_CALLBACKS];
	sides[FROM_THREAD].submit_threads = 1;
	sides[FROM_THREAD].iodepth = ON_THE_WAY;
	sides[FROM_THREAD].depth_max = FLOOR_NOP_DEPTH;
	sides[FROM_THREAD].batch_submit = BATCH;
	sides[FROM_THREAD].batch_complete_min = SLEEP_FOR;
	rc = suite_run(floor->suite, sides, SIDES, floor->target, mode->name, &versus);
	if (!rc) {
		snprintf(what, sizeof(what), "bare ring, depth %llu, %llu at a time, beside %s",
			 (unsigned long long)bare->iodepth, (unsigned long long)bare->batch_submit,
			 mode->name);
		add_values(floor, what, &versus, BARE);
		add_side(floor, mode, &versus, FROM_THREAD);
		add_side(floor, mode, &versus, FROM_CALLBACKS);
	}
	versus_deinit(&versus);
	return rc;
}

int floor_nops(struct floor *floor)
{
	struct bench_options bare;
	int rc = floor_backend_status(IOE_BACKEND_URING);

	if (rc) {
		floor_skip(floor, "nops beside the bare ring", "no io_uring here: %s",
			   strerror(-rc));
		return 0;
	}
	rc = search_bare(floor, &bare);
	for (size_t i = 0; !rc && i < sizeof(modes) / sizeof(modes[0]); i++)
		rc = run_mode(floor, &modes[i], &bare);
	return rc;
}
