/* SPDX-License-Identifier: MIT
 * floor_reads.c - T1, T2, T3: random reads of 4 KiB, direct, beside the raw loops and fio.
 *
 * In each round run: ours with callbacks inline, with a pool, and with a thread of its own that
 * submits; the raw loop with the best setting that the search has found, with that and registered
 * buffers, and as fio does it; and fio. Where the raw loop as fio does it is slower than fio it is
 * a straw man, so that ratio has a target too.
 * Invariants: every side measures latencies, as fio does unless it is told not to: ours reads the
 *             clock for each callback, the raw loops once for each batch.
 * Threads:    the main thread.
 * Ownership:  none that outlives floor_reads().
 */
#include <assert.h>
#include <string.h>

#include "tools/interrupt.h"
#include "tools/suite/floor.h"
#include "tools/suite/search.h"

#define BLOCK_BYTES ((uint64_t)4096)
#define DEPTHS      2

enum side { INLINE, POOL, THREAD, BEST, AS_FIO, FIXED, FIO, SIDES };
static_assert(SIDES <= VERSUS_SIDES_MAX, "versus_run() takes no more");

/* What is demanded, by target. 0: reported. */
static const struct demand {
	const char *target;
	uint64_t ours;
	uint64_t raw;
	const char *raw_name;
	const char *fio_name;
	uint64_t depths[DEPTHS]; /* 0: no more */
	double iops_best;
	double iops_fio;
	double cpu_fio;
	double cpu_best;
	double straw_man;
} demands[] = {
	{ .target = "T1",
	  .ours = BENCH_URING,
	  .raw = BENCH_RAW_URING,
	  .raw_name = "raw-io_uring",
	  .fio_name = "fio io_uring",
	  .depths = { 32, 128 },
	  .iops_best = 0.98,
	  .iops_fio = 1.0,
	  .cpu_fio = 0.80,
	  .cpu_best = 1.10,
	  .straw_man = 0.98 },
	{ .target = "T2",
	  .ours = BENCH_AIO,
	  .raw = BENCH_RAW_AIO,
	  .raw_name = "raw-libaio",
	  .fio_name = "fio libaio",
	  .depths = { 32, 128 },
	  .iops_best = 0.98,
	  .iops_fio = 1.0,
	  .cpu_fio = 0.80,
	  .straw_man = 0.98 },
	{ .target = "T3",
	  .ours = BENCH_URING,
	  .raw = BENCH_RAW_URING,
	  .raw_name = "raw-io_uring",
	  .fio_name = "fio io_uring",
	  .depths = { 1 },
	  .iops_fio = 0.98 },
};

#define DEMANDS (sizeof(demands) / sizeof(demands[0]))

/* Sides that cannot run here are left out: at[] is where a side is among those that run, or -1. */
struct lineup {
	const struct demand *demand;
	uint64_t depth;
	struct bench_options sides[SIDES];
	int at[SIDES];
	uint32_t n;
	char no_fio[JOB_MESSAGE_MAX]; /* why */
	char no_fixed[JOB_MESSAGE_MAX];
};

static const char *name_of(const struct demand *demand, enum side side, char text[64])
{
	const char *backend = demand->ours == BENCH_URING ? "uring" : "aio";

	switch (side) {
	case INLINE:
	case POOL:
	case THREAD:
		snprintf(text, 64, "%s %s", backend,
			 side == INLINE ? "inline" :
			 side == POOL   ? "pool" :
					  "own thread");
		break;
	case BEST:
		snprintf(text, 64, "%s's best", demand->raw_name);
		break;
	case AS_FIO:
		snprintf(text, 64, "%s as fio", demand->raw_name);
		break;
	case FIXED:
		snprintf(text, 64, "%s's best, fixedbufs", demand->raw_name);
		break;
	default:
		snprintf(text, 64, "%s", demand->fio_name);
	}
	return text;
}

static void add_side(struct lineup *lineup, enum side side, const struct bench_options *options)
{
	lineup->at[side] = (int)lineup->n;
	lineup->sides[lineup->n++] = *options;
}

static struct bench_options base_of(const struct floor *floor, uint64_t depth)
{
	struct bench_options base = floor->suite->job;

	base.rw = BENCH_RANDREAD;
	base.bs_bytes = BLOCK_BYTES;
	base.iodepth = depth;
	return base;
}

/* Find out who can run, and with which setting. -ENOENT: what the target is about cannot; why. */
static int line_up(struct floor *floor, struct lineup *lineup, char why[JOB_MESSAGE_MAX])
{
	const struct demand *demand = lineup->demand;
	const struct bench_options base = base_of(floor, lineup->depth);
	struct bench_options ours = bench_options_for(&base, demand->ours);
	struct bench_options raw = bench_options_for(&base, demand->raw), best;
	struct bench_options fio = bench_options_for(&base, BENCH_FIO);
	char setting[160];
	int rc;

	for (int i = 0; i < SIDES; i++)
		lineup->at[i] = -1;
	rc = floor_try(floor, &ours, why);
	if (!rc)
		rc = floor_try(floor, &raw, why);
	if (rc)
		return rc;
	rc = floor_best(floor, &raw, &best);
	if (rc)
		return rc;
	search_describe(&best, setting, sizeof(setting));
	floor_note(floor, "depth %llu, %s's best: %s", (unsigned long long)lineup->depth,
		   demand->raw_name, setting);
	ours.threading = IOE_THREADING_INLINE;
	add_side(lineup, INLINE, &ours);
	ours.threading = IOE_THREADING_POOL;
	add_side(lineup, POOL, &ours);
	ours.threading = IOE_THREADING_INLINE;
	ours.submit_threads = 1;
	add_side(lineup, THREAD, &ours);
	add_side(lineup, BEST, &best);
	add_side(lineup, AS_FIO, &raw);
	if (demand->raw == BENCH_RAW_URING) {
		best.fixedbufs = 1;
		rc = floor_try(floor, &best, lineup->no_fixed);
		if (!rc)
			add_side(lineup, FIXED, &best);
		else if (rc != -ENOENT)
			return rc;
	}
	fio.fio_engine = demand->raw;
	/* Whatever ails it, the others can be compared. */
	rc = floor_try(floor, &fio, lineup->no_fio);
	if (!rc)
		add_side(lineup, FIO, &fio);
	return rc == -ECANCELED ? rc : 0;
}

/* The ratio of two sides, if both have run. limit 0: none. */
static void add_ratio(struct floor *floor, const struct lineup *lineup, const struct versus *versus,
		      enum side a, enum side b, enum versus_measure measure, double limit)
{
	enum floor_bound bound = measure == VERSUS_IOPS ? FLOOR_AT_LEAST : FLOOR_AT_MOST;
	char what[200], of_a[64], of_b[64];

	snprintf(what, sizeof(what), "depth %llu: %s, %s / %s", (unsigned long long)lineup->depth,
		 measure == VERSUS_IOPS ? "IOPS" : "CPU", name_of(lineup->demand, a, of_a),
		 name_of(lineup->demand, b, of_b));
	if (lineup->at[a] < 0 || lineup->at[b] < 0)
		floor_skip(floor, what, "%s",
			   a == FIO || b == FIO ? lineup->no_fio : lineup->no_fixed);
	else
		floor_add_ratio(floor, what, versus, (uint32_t)lineup->at[a],
				(uint32_t)lineup->at[b], measure,
				limit > 0 ? bound : FLOOR_REPORTED, limit);
}

/* What a side did, as figures and as points over the depth. */
static void add_values(struct floor *floor, const struct lineup *lineup,
		       const struct versus *versus, enum side side)
{
	const char *backend = lineup->demand->ours == BENCH_URING ? "uring" : "aio";

	for (enum versus_measure m = VERSUS_IOPS; m <= VERSUS_CPU_US; m++) {
		struct spread value = versus_value(versus, (uint32_t)lineup->at[side], m);
		const char *measure = m == VERSUS_IOPS ? "IOPS" : "CPU us per IO";
		char what[200], name[64], plot[32];

		(void)name_of(lineup->demand, side, name);
		snprintf(what, sizeof(what), "depth %llu: %s, %s",
			 (unsigned long long)lineup->depth, m == VERSUS_IOPS ? "IOPS" : "CPU",
			 name);
		floor_add(floor, what, m == VERSUS_IOPS ? "" : "us/IO", value, versus->n_rounds,
			  FLOOR_REPORTED, 0);
		snprintf(plot, sizeof(plot), "depth, %s: %s", backend, measure);
		floor_add_point(floor, plot, name, (double)lineup->depth, value);
	}
}

static void add_figures(struct floor *floor, const struct lineup *lineup,
			const struct versus *versus)
{
	const struct demand *demand = lineup->demand;

	add_ratio(floor, lineup, versus, INLINE, BEST, VERSUS_IOPS, demand->iops_best);
	add_ratio(floor, lineup, versus, INLINE, FIO, VERSUS_IOPS, demand->iops_fio);
	add_ratio(floor, lineup, versus, INLINE, FIO, VERSUS_CPU_US, demand->cpu_fio);
	add_ratio(floor, lineup, versus, INLINE, BEST, VERSUS_CPU_US, demand->cpu_best);
	add_ratio(floor, lineup, versus, AS_FIO, FIO, VERSUS_IOPS, demand->straw_man);
	add_ratio(floor, lineup, versus, BEST, AS_FIO, VERSUS_IOPS, 0);
	add_ratio(floor, lineup, versus, BEST, AS_FIO, VERSUS_CPU_US, 0);
	add_ratio(floor, lineup, versus, POOL, BEST, VERSUS_IOPS, 0);
	add_ratio(floor, lineup, versus, POOL, BEST, VERSUS_CPU_US, 0);
	add_ratio(floor, lineup, versus, THREAD, BEST, VERSUS_IOPS, 0);
	add_ratio(floor, lineup, versus, THREAD, BEST, VERSUS_CPU_US, 0);
	if (demand->raw == BENCH_RAW_URING) {
		add_ratio(floor, lineup, versus, FIXED, BEST, VERSUS_IOPS, 0);
		add_ratio(floor, lineup, versus, FIXED, BEST, VERSUS_CPU_US, 0);
	}
	for (int side = 0; side < SIDES; side++)
		if (lineup->at[side] >= 0)
			add_values(floor, lineup, versus, (enum side)side);
}

static int measure_depth(struct floor *floor, const struct demand *demand, uint64_t depth)
{
	struct lineup lineup = { .demand = demand, .depth = depth };
	struct versus versus = { .n_results = 0 };
	char why[JOB_MESSAGE_MAX] = "", what[64];
	int rc = line_up(floor, &lineup, why);

	if (rc == -ENOENT) {
		snprintf(what, sizeof(what), "depth %llu", (unsigned long long)depth);
		floor_skip(floor, what, "%s", why);
		return 0;
	}
	if (rc)
		return rc;
	rc = suite_run(floor->suite, lineup.sides, lineup.n, floor->target, demand->target,
		       &versus);
	if (!rc)
		add_figures(floor, &lineup, &versus);
	versus_deinit(&versus);
	return rc;
}

int floor_reads(struct floor *floor)
{
	/* To see that it works, one will do. */
	const int n_depths = floor->suite->quick ? 1 : DEPTHS;
	int rc = 0;

	for (size_t i = 0; i < DEMANDS; i++) {
		if (!floor_is_wanted(floor, demands[i].target))
			continue;
		floor->running = demands[i].target;
		for (int d = 0; d < n_depths && demands[i].depths[d] && !rc; d++)
			rc = measure_depth(floor, &demands[i], demands[i].depths[d]);
		if (rc)
			break;
	}
	return rc;
}
