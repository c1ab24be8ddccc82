/* SPDX-License-Identifier: MIT
 * floor_producers.c - T7: 64 threads that submit, beside one, beside 64 jobs of fio.
 *
 * Random reads of 4 KiB, direct, uring, 128 in flight in all. A producer has its slice of them, and
 * submits as one batch what has come back since. The 64 do as much as one would, none of them
 * much less than the others, and an IO takes no longer than with fio's 64 jobs of depth 2.
 *
 * Latency is ours from before ioe_submit_batch() to the callback; fio's is clat, from after the
 * submission: the comparison is to our disadvantage by the time of a system call.
 * Invariants: every side measures latencies.
 * Threads:    the main thread.
 * Ownership:  none that outlives floor_producers().
 */
#include <string.h>

#include "tools/suite/floor.h"

#define BLOCK_BYTES ((uint64_t)4096)
#define DEPTH       ((uint64_t)128)
#define PRODUCERS   ((uint64_t)64)

/* fio last, as it may not be there; and what is only said beside the rest behind it. */
enum side { POOL_64, POOL_1, INLINE_64, INLINE_1, FIO_64, FIO_1, SIDES };

static const char *const names[SIDES] = {
	"pool, 64 producers", "pool, 1 producer", "inline, 64 producers",
	"inline, 1 producer", "fio, 64 jobs",     "fio, 1 job",
};

static void make_sides(const struct floor *floor, struct bench_options sides[SIDES])
{
	struct bench_options base = floor->suite->job;

	base.rw = BENCH_RANDREAD;
	base.bs_bytes = BLOCK_BYTES;
	base.iodepth = DEPTH;
	for (int i = 0; i < SIDES; i++) {
		base.submit_threads = i % 2 ? 1 : PRODUCERS;
		base.fio_engine = BENCH_RAW_URING;
		sides[i] = bench_options_for(&base, i < FIO_64 ? BENCH_URING : BENCH_FIO);
		sides[i].threading = i < INLINE_64 ? IOE_THREADING_POOL : IOE_THREADING_INLINE;
	}
}

static void add_ratio(struct floor *floor, const struct versus *versus, enum side a, enum side b,
		      enum versus_measure measure, enum floor_bound bound, double limit)
{
	char what[112];

	snprintf(what, sizeof(what), "%s, %s / %s",
		 measure == VERSUS_IOPS   ? "IOPS" :
		 measure == VERSUS_CPU_US ? "CPU" :
					    "p99.9",
		 names[a], names[b]);
	floor_add_ratio(floor, what, versus, (uint32_t)a, (uint32_t)b, measure, bound, limit);
}

static void add_fairness(struct floor *floor, const struct versus *versus, enum side side,
			 enum floor_bound bound, double limit)
{
	char what[112];

	snprintf(what, sizeof(what), "%s: IOs of the slowest / mean", names[side]);
	floor_add(floor, what, "", versus_value(versus, (uint32_t)side, VERSUS_SLOWEST),
		  versus->n_rounds, bound, limit);
}

static void add_values(struct floor *floor, const struct versus *versus, enum side side)
{
	static const struct {
		enum versus_measure measure;
		const char *name;
		const char *unit;
	} values[] = {
		{ VERSUS_IOPS, "IOPS", "" },
		{ VERSUS_CPU_US, "CPU", "us/IO" },
		{ VERSUS_P999_US, "p99.9", "us" },
	};
	char what[112];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		/* fio counts whole milliseconds of each job: of 64 that is too little. */
		if (side == FIO_64 && values[i].measure == VERSUS_CPU_US)
			continue;
		snprintf(what, sizeof(what), "%s, %s", values[i].name, names[side]);
		floor_add(floor, what, values[i].unit,
			  versus_value(versus, (uint32_t)side, values[i].measure), versus->n_rounds,
			  FLOOR_REPORTED, 0);
	}
}

static void add_figures(struct floor *floor, const struct versus *versus, const char *no_fio)
{
	add_ratio(floor, versus, POOL_64, POOL_1, VERSUS_IOPS, FLOOR_AT_LEAST, 0.95);
	add_ratio(floor, versus, INLINE_64, INLINE_1, VERSUS_IOPS, FLOOR_AT_LEAST, 0.95);
	add_fairness(floor, versus, POOL_64, FLOOR_AT_LEAST, 0.5);
	add_fairness(floor, versus, INLINE_64, FLOOR_AT_LEAST, 0.5);
	if (versus->n_sides > FIO_64) {
		add_ratio(floor, versus, POOL_64, FIO_64, VERSUS_P999_US, FLOOR_AT_MOST, 1.2);
		add_ratio(floor, versus, INLINE_64, FIO_64, VERSUS_P999_US, FLOOR_AT_MOST, 1.2);
		add_ratio(floor, versus, POOL_64, FIO_64, VERSUS_IOPS, FLOOR_REPORTED, 0);
		add_ratio(floor, versus, INLINE_64, FIO_64, VERSUS_IOPS, FLOOR_REPORTED, 0);
	} else {
		floor_skip(floor, "p99.9, 64 producers / fio, 64 jobs", "%s", no_fio);
	}
	if (versus->n_sides > FIO_1)
		add_ratio(floor, versus, FIO_64, FIO_1, VERSUS_IOPS, FLOOR_REPORTED, 0);
	add_ratio(floor, versus, POOL_64, POOL_1, VERSUS_CPU_US, FLOOR_REPORTED, 0);
	add_ratio(floor, versus, INLINE_64, INLINE_1, VERSUS_CPU_US, FLOOR_REPORTED, 0);
	for (uint32_t i = 0; i < versus->n_sides; i++)
		add_values(floor, versus, (enum side)i);
}

int floor_producers(struct floor *floor)
{
	struct versus versus = { .n_results = 0 };
	struct bench_options sides[SIDES];
	char why[JOB_MESSAGE_MAX] = "", no_fio[JOB_MESSAGE_MAX] = "";
	/* To see that it works, one fio will do. */
	uint32_t n = floor->suite->quick ? FIO_1 : SIDES;
	int rc;

	make_sides(floor, sides);
	rc = floor_try(floor, &sides[POOL_64], why);
	if (rc == -ENOENT) {
		floor_skip(floor, "64 producers beside one", "%s", why);
		return 0;
	}
	if (rc)
		return rc;
	rc = floor_try(floor, &sides[FIO_64], no_fio);
	if (rc == -ECANCELED)
		return rc;
	/* Whatever ails fio, the others can be compared. */
	if (rc)
		n = FIO_64;
	rc = suite_run(floor->suite, sides, n, floor->target, "T7", &versus);
	if (!rc)
		add_figures(floor, &versus, no_fio);
	versus_deinit(&versus);
	return rc;
}
