/* SPDX-License-Identifier: MIT
 * floor_waits.c - T4, T5: threads that submit an IO and wait for it, beside as many of psync.
 *
 * Random reads of 4 KiB, direct, uring; ioe_submit() and ioe_wait() of an event on the stack,
 * beside pread(2). The demand is on the library as it comes: a pool, 128 requests at the most. With
 * INLINE the driver does the same, as there are no callbacks. NONE, where the thread that waits
 * is the driver, takes one thread only.
 * Invariants: every side reads the clock once for each IO.
 * Threads:    the main thread.
 * Ownership:  none that outlives floor_waits().
 */
#include <assert.h>
#include <string.h>

#include "tools/suite/floor.h"

#define BLOCK_BYTES   ((uint64_t)4096)
#define DEFAULT_DEPTH ((uint64_t)128) /* of a default engine, whatever the number of threads */

struct side {
	const char *name;
	uint64_t threading;
	uint64_t spin_ns;
	/* What is demanded of the ratio to psync; 0: reported. */
	double iops_min;
	double cpu_max;
};

#define SIDES 5

static const struct demand {
	const char *target;
	uint64_t n_threads;
	struct side sides[SIDES]; /* up to one without name; psync comes after them */
} demands[] = {
	{ "T4",
	  1,
	  {
		  { "pool", IOE_THREADING_POOL, SPIN_DEFAULT, 0.90, 0 },
		  { "pool, no spin", IOE_THREADING_POOL, 0, 0.85, 1.6 },
		  { "inline", IOE_THREADING_INLINE, SPIN_DEFAULT, 0, 0 },
		  { "inline, no spin", IOE_THREADING_INLINE, 0, 0, 0 },
		  { "none", IOE_THREADING_NONE, SPIN_DEFAULT, 0, 0 },
	  } },
	{ "T5",
	  4,
	  {
		  { "pool", IOE_THREADING_POOL, SPIN_DEFAULT, 0.90, 0 },
		  { "pool, no spin", IOE_THREADING_POOL, 0, 0, 0 },
		  { "inline", IOE_THREADING_INLINE, SPIN_DEFAULT, 0, 0 },
	  } },
	{ "T5",
	  32,
	  {
		  { "pool", IOE_THREADING_POOL, SPIN_DEFAULT, 0.75, 0 },
		  { "pool, no spin", IOE_THREADING_POOL, 0, 0, 0 },
		  { "inline", IOE_THREADING_INLINE, SPIN_DEFAULT, 0, 0 },
	  } },
};

#define DEMANDS (sizeof(demands) / sizeof(demands[0]))

static_assert(SIDES + 1 <= VERSUS_SIDES_MAX, "versus_run() takes no more");

static void add_figures(struct floor *floor, const struct demand *demand, uint32_t n,
			const struct versus *versus)
{
	const char *plural = demand->n_threads > 1 ? "s" : "";
	unsigned threads = (unsigned)demand->n_threads;
	char what[112];

	for (uint32_t i = 0; i < n; i++) {
		const struct side *side = &demand->sides[i];

		snprintf(what, sizeof(what), "%u thread%s: IOPS, %s / psync", threads, plural,
			 side->name);
		floor_add_ratio(floor, what, versus, i, n, VERSUS_IOPS,
				side->iops_min > 0 ? FLOOR_AT_LEAST : FLOOR_REPORTED,
				side->iops_min);
		snprintf(what, sizeof(what), "%u thread%s: CPU, %s / psync", threads, plural,
			 side->name);
		floor_add_ratio(floor, what, versus, i, n, VERSUS_CPU_US,
				side->cpu_max > 0 ? FLOOR_AT_MOST : FLOOR_REPORTED, side->cpu_max);
	}
	for (uint32_t i = 0; i <= n; i++) {
		const char *name = i < n ? demand->sides[i].name : "psync";
		struct spread iops = versus_value(versus, i, VERSUS_IOPS);

		snprintf(what, sizeof(what), "%u thread%s: IOPS, %s", threads, plural, name);
		floor_add(floor, what, "", iops, versus->n_rounds, FLOOR_REPORTED, 0);
		snprintf(what, sizeof(what), "%u thread%s: CPU, %s", threads, plural, name);
		floor_add(floor, what, "us/IO", versus_value(versus, i, VERSUS_CPU_US),
			  versus->n_rounds, FLOOR_REPORTED, 0);
		floor_add_point(floor, "waiting threads", name, (double)demand->n_threads, iops);
	}
}

static int measure(struct floor *floor, const struct demand *demand)
{
	struct bench_options sides[SIDES + 1], base = floor->suite->job;
	struct versus versus = { .n_results = 0 };
	char why[JOB_MESSAGE_MAX] = "", what[64];
	uint32_t n = 0;
	int rc;

	base.rw = BENCH_RANDREAD;
	base.bs_bytes = BLOCK_BYTES;
	base.iodepth = demand->n_threads;
	base.submit_threads = demand->n_threads;
	for (; n < SIDES && demand->sides[n].name; n++) {
		sides[n] = bench_options_for(&base, BENCH_URING);
		sides[n].waiting = 1;
		sides[n].threading = demand->sides[n].threading;
		sides[n].spin_ns = demand->sides[n].spin_ns;
		sides[n].depth_max = DEFAULT_DEPTH;
	}
	sides[n] = bench_options_for(&base, BENCH_PSYNC);
	rc = floor_try(floor, &sides[0], why);
	if (rc == -ENOENT) {
		snprintf(what, sizeof(what), "%u threads that wait", (unsigned)demand->n_threads);
		floor_skip(floor, what, "%s", why);
		return 0;
	}
	if (!rc)
		rc = suite_run(floor->suite, sides, n + 1, floor->target, demand->target, &versus);
	if (!rc)
		add_figures(floor, demand, n, &versus);
	versus_deinit(&versus);
	return rc;
}

int floor_waits(struct floor *floor)
{
	int rc = 0;

	for (size_t i = 0; i < DEMANDS && !rc; i++) {
		if (!floor_is_wanted(floor, demands[i].target))
			continue;
		floor->running = demands[i].target;
		rc = measure(floor, &demands[i]);
	}
	return rc;
}
