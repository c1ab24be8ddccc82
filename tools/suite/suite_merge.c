/* SPDX-License-Identifier: MIT
 * suite_merge.c - what merging gains on sequential IO, and what it costs on random IO.
 *
 * Sequential: ours, with 4 KiB events that one or eight producers submit in batches from threads of
 * their own, beside a raw loop that has the same bytes in flight in large requests, and beside the
 * best setting of that loop for 4 KiB. Random: ours resubmitting from callbacks, with merging, and
 * twice without, so that the ratio of the latter two shows what is noise.
 * Invariants: every side measures no latencies; all sides of a row run in turn in one round. Writes
 *             only overwrite: the file was laid out before.
 * Threads:    the main thread.
 * Ownership:  none that outlives suite_merge().
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/suite/search.h"
#include "tools/suite/suite.h"

#define BLOCK_BYTES ((uint64_t)4096)
#define LARGE_BYTES ((uint64_t)128 << 10)

/* The sides of a sequential row. One producer beside a driver, or being the driver itself
 * (threading=none). Eight share one sequence: who is ready takes the next block; or they take
 * turns, each has every eighth block. */
enum { RAW_LARGE, OURS_ONE, OURS_OWNER, OURS_EIGHT, RAW_BEST, OURS_TURNS, SEQUENTIAL_SIDES };
enum { MERGE_ON, MERGE_OFF, MERGE_OFF_AGAIN, RANDOM_SIDES };
static_assert(SEQUENTIAL_SIDES <= VERSUS_SIDES_MAX, "versus_run() takes no more");
static_assert(RANDOM_SIDES <= VERSUS_SIDES_MAX, "versus_run() takes no more");

/* What is demanded: of ours by the raw loop's: bandwidth, by depth; CPU for each block; and how
 * far merging may be from no merging, where noise is less than that. */
#define CPU_RATIO_MAX     0.35
#define RANDOM_CHANGE_MAX 0.03

static const struct sequential {
	uint64_t rw;
	uint64_t depth;
	double bandwidth_ratio_min;
} sequentials[] = {
	{ BENCH_READ, 128, 0.90 },
	{ BENCH_READ, 1024, 0.85 },
	{ BENCH_WRITE, 128, 0.90 },
	{ BENCH_WRITE, 1024, 0.85 },
};

static const struct random {
	uint64_t rw;
	uint64_t depth;
} randoms[] = {
	{ BENCH_RANDREAD, 32 },
	{ BENCH_RANDREAD, 128 },
	{ BENCH_RANDWRITE, 32 },
	{ BENCH_RANDWRITE, 128 },
};

#define SEQUENTIALS (sizeof(sequentials) / sizeof(sequentials[0]))
#define RANDOMS     (sizeof(randoms) / sizeof(randoms[0]))

static const char *met(bool is_met)
{
	return is_met ? "met" : "missed";
}

static struct bench_options block_job(const struct suite_options *suite, uint64_t rw,
				      uint64_t depth)
{
	struct bench_options options = suite->job;

	options.rw = rw;
	options.iodepth = depth;
	options.bs_bytes = BLOCK_BYTES;
	options.gtod_reduce = 1;
	return options;
}

/* Requests that have as many bytes as the depth has blocks. */
static uint64_t large_depth(const struct bench_options *base)
{
	return base->iodepth * BLOCK_BYTES / LARGE_BYTES;
}

static struct bench_options with_producers(const struct suite_options *suite,
					   const struct bench_options *base, uint64_t producers,
					   bool takes_turns)
{
	struct bench_options options = bench_options_for(base, BENCH_URING);
	const uint64_t slice = base->iodepth / producers;

	options.submit_threads = producers;
	options.interleave = takes_turns;
	/* Never in step, so that neighbours meet only while they wait for a slot: as many as the
	 * raw loop has requests. */
	if (takes_turns)
		options.depth_max = large_depth(base);
	options.batch_complete_min = suite->batch < slice ? suite->batch : slice;
	return options;
}

/* The same bytes in flight in fewer, larger requests. */
static struct bench_options with_large_requests(const struct bench_options *base)
{
	struct bench_options options = bench_options_for(base, BENCH_RAW_URING);

	options.iodepth = large_depth(base);
	options.bs_bytes = LARGE_BYTES;
	return options;
}

static int run_sequential(const struct suite_options *suite, const struct sequential *row,
			  const struct target *target, struct versus *versus)
{
	struct bench_options base = block_job(suite, row->rw, row->depth);
	struct bench_options sides[SEQUENTIAL_SIDES] = {
		[RAW_LARGE] = with_large_requests(&base),
		[OURS_ONE] = with_producers(suite, &base, 1, false),
		[OURS_EIGHT] = with_producers(suite, &base, 8, false),
		[OURS_TURNS] = with_producers(suite, &base, 8, true),
	};
	struct bench_options raw = bench_options_for(&base, BENCH_RAW_URING);
	int rc;

	sides[OURS_OWNER] = sides[OURS_ONE];
	sides[OURS_OWNER].threading = IOE_THREADING_NONE;
	rc = search_best(&raw, target, suite->search_ns, suite->quick ? 1 : 3, &sides[RAW_BEST]);
	if (rc)
		return rc;
	return suite_run(suite, sides, SEQUENTIAL_SIDES, target,
			 options_choice_name(bench_rws, row->rw), versus);
}

static void print_sequential_line(const struct sequential *row, const struct versus *v,
				  uint32_t ours)
{
	static const char *const names[] = {
		[OURS_ONE] = "1",
		[OURS_OWNER] = "1, owner",
		[OURS_EIGHT] = "8",
		[OURS_TURNS] = "8, turns",
	};
	struct spread bandwidth = versus_ratio(v, ours, RAW_LARGE, VERSUS_BANDWIDTH);
	struct spread cpu = versus_ratio(v, ours, RAW_BEST, VERSUS_CPU_US);
	const double mib = 1 << 20;
	char text[2][SUITE_SPREAD_MAX];

	printf("%-5s %5llu %-9s %7.0f %7.0f %7.1f   %-21s >=%.2f %-6s %6.2f %6.2f   "
	       "%-21s <=%.2f %s\n",
	       options_choice_name(bench_rws, row->rw), (unsigned long long)row->depth, names[ours],
	       versus_value(v, ours, VERSUS_BANDWIDTH).median / mib,
	       versus_value(v, RAW_LARGE, VERSUS_BANDWIDTH).median / mib,
	       versus_value(v, ours, VERSUS_MERGED).median, suite_format_spread(bandwidth, text[0]),
	       row->bandwidth_ratio_min, met(bandwidth.median >= row->bandwidth_ratio_min),
	       versus_value(v, ours, VERSUS_CPU_US).median,
	       versus_value(v, RAW_BEST, VERSUS_CPU_US).median, suite_format_spread(cpu, text[1]),
	       CPU_RATIO_MAX, met(cpu.median <= CPU_RATIO_MAX));
}

static void print_sequential(const struct versus versus[])
{
	char setting[160];

	printf("\nsequential 4 KiB, ours; raw-io_uring: 128 KiB with the same bytes in flight, "
	       "and its best at 4 KiB\n");
	printf("%-5s %5s %-9s %7s %7s %7s   %-34s %6s %6s   %s\n", "", "", "", "ours", "128 KiB",
	       "events/", "bandwidth ours/128 KiB", "ours", "4 KiB", "CPU ours/4 KiB");
	printf("%-5s %5s %-9s %7s %7s %7s   %-21s %-12s %6s %6s   %-21s %s\n", "", "depth",
	       "producers", "MiB/s", "MiB/s", "request", "median (min-max)", "demand", "us", "us",
	       "median (min-max)", "demand");
	for (size_t i = 0; i < SEQUENTIALS; i++) {
		print_sequential_line(&sequentials[i], &versus[i], OURS_ONE);
		print_sequential_line(&sequentials[i], &versus[i], OURS_OWNER);
		print_sequential_line(&sequentials[i], &versus[i], OURS_EIGHT);
		print_sequential_line(&sequentials[i], &versus[i], OURS_TURNS);
	}
	printf("\nbest settings found of raw-io_uring at 4 KiB, without registered buffers:\n");
	for (size_t i = 0; i < SEQUENTIALS; i++) {
		search_describe(&versus[i].options[RAW_BEST], setting, sizeof(setting));
		printf("  %-5s %5llu   %s\n", options_choice_name(bench_rws, sequentials[i].rw),
		       (unsigned long long)sequentials[i].depth, setting);
	}
	fflush(stdout);
}

static int run_random(const struct suite_options *suite, const struct random *row,
		      const struct target *target, struct versus *versus)
{
	struct bench_options base = block_job(suite, row->rw, row->depth);
	struct bench_options sides[RANDOM_SIDES];

	for (uint32_t i = 0; i < RANDOM_SIDES; i++) {
		sides[i] = bench_options_for(&base, BENCH_URING);
		sides[i].nomerge = i != MERGE_ON;
	}
	return suite_run(suite, sides, RANDOM_SIDES, target,
			 options_choice_name(bench_rws, row->rw), versus);
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static void print_random_line(const struct random *row, const struct versus *v,
			      enum versus_measure measure)
{
	struct spread change = versus_ratio(v, MERGE_ON, MERGE_OFF, measure);
	struct spread noise = versus_ratio(v, MERGE_OFF, MERGE_OFF_AGAIN, measure);
	double allowed = larger(1 - noise.min, noise.max - 1);
	double changed = larger(change.median - 1, 1 - change.median);
	int digits = measure == VERSUS_IOPS ? 0 : 2;
	char text[2][SUITE_SPREAD_MAX];

	if (allowed > RANDOM_CHANGE_MAX)
		allowed = RANDOM_CHANGE_MAX;
	printf("%-9s %5llu %-9s %9.*f %9.*f   %-21s %-21s %4.1f %% <= %.1f %% %s\n",
	       options_choice_name(bench_rws, row->rw), (unsigned long long)row->depth,
	       measure == VERSUS_IOPS ? "IOPS" : "CPU us/IO", digits,
	       versus_value(v, MERGE_ON, measure).median, digits,
	       versus_value(v, MERGE_OFF, measure).median, suite_format_spread(change, text[0]),
	       suite_format_spread(noise, text[1]), 100 * changed, 100 * allowed,
	       met(changed <= allowed));
}

static void print_random(const struct versus versus[])
{
	printf("\nrandom 4 KiB, ours, resubmitted by callbacks: merging on, off, and off again\n");
	printf("%-9s %5s %-9s %9s %9s   %-21s %-21s %s\n", "", "", "", "", "", "on/off",
	       "off/off again", "demand: change within");
	printf("%-9s %5s %-9s %9s %9s   %-21s %-21s %s\n", "", "depth", "", "on", "off",
	       "median (min-max)", "median (min-max)", "that of off/off, 3 % at most");
	for (size_t i = 0; i < RANDOMS; i++) {
		print_random_line(&randoms[i], &versus[i], VERSUS_IOPS);
		print_random_line(&randoms[i], &versus[i], VERSUS_CPU_US);
	}
}

static void print_head(const struct suite_options *suite)
{
	char what[256];

	snprintf(what, sizeof(what),
		 "merging on io_uring, O_DIRECT, INLINE (owner: NONE), no latencies taken; "
		 "producers submit again "
		 "%llu blocks at a time, or their slice of the depth",
		 (unsigned long long)suite->batch);
	suite_print_head(stdout, suite, what);
}

int suite_merge(const struct suite_options *suite, const struct target *target)
{
	struct versus sequential[SEQUENTIALS] = { 0 }, random[RANDOMS] = { 0 };
	int rc = 0;

	print_head(suite);
	for (size_t i = 0; i < SEQUENTIALS && !rc; i++)
		rc = run_sequential(suite, &sequentials[i], target, &sequential[i]);
	if (!rc)
		print_sequential(sequential);
	for (size_t i = 0; i < RANDOMS && !rc; i++)
		rc = run_random(suite, &randoms[i], target, &random[i]);
	if (!rc)
		print_random(random);
	for (size_t i = 0; i < SEQUENTIALS; i++)
		versus_deinit(&sequential[i]);
	for (size_t i = 0; i < RANDOMS; i++)
		versus_deinit(&random[i]);
	return rc ? EXIT_FAILED : EXIT_OK;
}
