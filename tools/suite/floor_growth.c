/* SPDX-License-Identifier: MIT
 * floor_growth.c - T11: what an event costs as the work grows, one parameter at a time.
 *
 * All of it is CPU for each event, which is seen best where the kernel does little:
 *  - producers, depth, channel: nops. They go the whole way of an event, and as nothing is done for
 *    them, what the parameter adds is a large part of the little that there is.
 *  - depth, drivers, files: random reads of 512 bytes that the page cache has: only what has an fd
 *    is planned, watched for overlaps, and kept in the list of its fd, and belongs to the driver of
 *    its fd, where nops go round. Blocks are so small that copying does not hide the rest; they are
 *    spread so that few are neighbours, or more files would be less merging.
 *  - merge_max_events: sequential reads of 256 bytes out of the page cache, of which 1024 in a
 *    request are as long as a request may be.
 * Invariants: the points of a series run in turn, so that what drifts drifts for all of them; a
 *             step is the ratio of neighbours in one round.
 * Threads:    the main thread.
 * Ownership:  the file is opened here, without O_DIRECT, and closed again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tools/bench/report.h"
#include "tools/suite/floor_parts.h"

#define STEP_MAX   1.15
#define VALUES_MAX 16

#define POINT_RUN_NS       (100 * NS_PER_MSEC)
#define POINT_RUN_QUICK_NS NS_PER_MSEC

/* Of the file: what is read of it stays in the caches of the CPUs. */
#define CACHED_BYTES ((uint64_t)16 << 20)

#define DEPTH_FROM    16 /* below, what a system call costs is the cost of the events */
#define PER_PRODUCER  16 /* times 64 is what the default channel holds */
#define PER_DRIVER    128
#define FILES_DEPTH   1024 /* an event for each file */
#define MERGE_BYTES   256
#define MERGE_DEPTH   2048
#define MERGE_BATCH   1024
#define CHANNEL_BATCH 64

struct growth {
	const char *parameter;
	const char *line;
	uint64_t rw;
	void (*set)(struct bench_options *options, uint64_t value);
	uint64_t values[VALUES_MAX]; /* up to a 0 */
	uint64_t from;               /* steps from a smaller value are not judged */
};

/* Each submits all it has at once, and again when all is back: so each sleeps once for as many
 * events, however many others there are. */
static void set_producers(struct bench_options *options, uint64_t value)
{
	options->submit_threads = value;
	options->iodepth = value * PER_PRODUCER;
	options->depth_max = FLOOR_NOP_DEPTH;
	options->batch_complete_min = PER_PRODUCER;
}

static void set_depth(struct bench_options *options, uint64_t value)
{
	options->iodepth = value;
}

/* As many events as the channel holds, from one thread, which submits as many at once with each. */
static void set_channel(struct bench_options *options, uint64_t value)
{
	options->channel_capacity = value;
	options->submit_threads = 1;
	options->iodepth = value;
	options->depth_max = FLOOR_NOP_DEPTH;
	options->batch_submit = CHANNEL_BATCH;
	options->batch_complete_min = CHANNEL_BATCH;
}

static void set_merge(struct bench_options *options, uint64_t value)
{
	options->merge_max_events = value;
	options->bs_bytes = MERGE_BYTES;
	options->submit_threads = 1;
	options->iodepth = MERGE_DEPTH;
	options->depth_max = FLOOR_NOP_DEPTH;
	options->batch_submit = MERGE_BATCH;
	options->batch_complete_min = MERGE_BATCH;
}

static void set_drivers(struct bench_options *options, uint64_t value)
{
	options->n_drivers = value;
	options->iodepth = value * PER_DRIVER;
	options->depth_max = PER_DRIVER;
}

static void set_files(struct bench_options *options, uint64_t value)
{
	options->n_fds = value;
	options->iodepth = FILES_DEPTH;
	options->depth_max = PER_DRIVER;
}

static const struct growth all_series[] = {
	{
		.parameter = "producers",
		.line = "nops, 16 each",
		.rw = BENCH_NOP,
		.set = set_producers,
		.values = { 1, 2, 4, 8, 16, 32, 64 },
	},
	{
		.parameter = "depth",
		.line = "nops",
		.rw = BENCH_NOP,
		.set = set_depth,
		.from = DEPTH_FROM,
		.values = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096 },
	},
	{
		.parameter = "depth",
		.line = "cached reads",
		.rw = BENCH_RANDREAD,
		.set = set_depth,
		.from = DEPTH_FROM,
		.values = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096 },
	},
	{
		.parameter = "channel",
		.line = "nops, as many as fit",
		.rw = BENCH_NOP,
		.set = set_channel,
		.values = { 64, 256, 1024, 4096, 16384, 65536 },
	},
	{
		.parameter = "merge_max_events",
		.line = "sequential cached reads",
		.rw = BENCH_READ,
		.set = set_merge,
		.values = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024 },
	},
	{
		.parameter = "drivers",
		.line = "cached reads, 128 each",
		.rw = BENCH_RANDREAD,
		.set = set_drivers,
		.values = { 1, 2, 3, 4 },
	},
	{
		.parameter = "files",
		.line = "cached reads, 1024 in flight",
		.rw = BENCH_RANDREAD,
		.set = set_files,
		.values = { 1, 4, 16, 64, 256, 1000 },
	},
};

#define SERIES (sizeof(all_series) / sizeof(all_series[0]))

static struct bench_options point_job(const struct floor *floor, const struct growth *series,
				      uint64_t value)
{
	struct bench_options options = floor_nop_job(floor);

	options.rw = series->rw;
	options.bs_bytes = 512;
	options.direct = 0;
	options.invalidate = 0;
	options.gtod_reduce = 1;
	options.runtime_ns = floor->suite->quick ? POINT_RUN_QUICK_NS : POINT_RUN_NS;
	series->set(&options, value);
	return options;
}

/* CPU for each event in ns, of each value once. */
static int run_round(const struct floor *floor, const struct growth *series,
		     const struct target *target, double cpu_ns[VALUES_MAX])
{
	for (uint32_t i = 0; i < VALUES_MAX && series->values[i]; i++) {
		struct bench_options options = point_job(floor, series, series->values[i]);
		struct job_result result;
		int rc = job_run(&options, target, &result);

		if (!rc && job_result_is_bad(&result))
			rc = -EIO;
		if (rc)
			fprintf(stderr, "ioe suite: growth, %s %llu: %s\n", series->parameter,
				(unsigned long long)series->values[i], result.message);
		else if (result.interrupted)
			rc = -ECANCELED;
		cpu_ns[i] = report_cpu_us_per_io(&result) * 1e3;
		job_result_deinit(&result);
		if (rc)
			return rc;
	}
	return 0;
}

/* The largest step, in the median of the rounds. */
static void add_figure(struct floor *floor, const struct growth *series, uint32_t rounds,
		       double cpu_ns[][VALUES_MAX])
{
	char what[sizeof(floor->figures->what)];
	struct spread largest = { 0, 0, 0 };
	uint32_t at = 0;

	for (uint32_t i = 1; i < VALUES_MAX && series->values[i]; i++) {
		double ratios[VERSUS_ROUNDS_MAX];
		struct spread spread;

		if (series->values[i - 1] < series->from)
			continue;
		for (uint32_t round = 0; round < rounds; round++)
			ratios[round] = cpu_ns[round][i - 1] > 0 ?
						cpu_ns[round][i] / cpu_ns[round][i - 1] :
						0;
		spread = spread_of(ratios, rounds);
		if (at && spread.median <= largest.median)
			continue;
		largest = spread;
		at = i;
	}
	snprintf(what, sizeof(what), "%s, %s: CPU/event, largest step (%llu after %llu)",
		 series->parameter, series->line, (unsigned long long)series->values[at],
		 (unsigned long long)series->values[at - 1]);
	floor_add(floor, what, "", largest, rounds, FLOOR_AT_MOST, STEP_MAX);
}

static int run_series(struct floor *floor, const struct growth *series, const struct target *target)
{
	const uint32_t rounds = floor->suite->quick ? 1 : (uint32_t)floor->suite->job.rounds;
	double(*cpu_ns)[VALUES_MAX] = calloc(rounds, sizeof(*cpu_ns));
	char plot[sizeof(floor->points->plot)];
	int rc = cpu_ns ? 0 : -ENOMEM;

	for (uint32_t round = 0; round < rounds && !rc; round++)
		rc = run_round(floor, series, target, cpu_ns[round]);
	snprintf(plot, sizeof(plot), "%s, CPU ns/event", series->parameter);
	for (uint32_t i = 0; i < VALUES_MAX && series->values[i] && !rc; i++) {
		double values[VERSUS_ROUNDS_MAX];

		for (uint32_t round = 0; round < rounds; round++)
			values[round] = cpu_ns[round][i];
		floor_add_point(floor, plot, series->line, (double)series->values[i],
				spread_of(values, rounds));
	}
	if (!rc)
		add_figure(floor, series, rounds, cpu_ns);
	free(cpu_ns);
	return rc;
}

/* The most fds that a point opens. */
static uint32_t fds_wanted(const struct growth *series)
{
	uint32_t most = 1;

	for (uint32_t i = 0; i < VALUES_MAX && series->values[i]; i++) {
		struct bench_options options = { .ioengine = BENCH_URING };

		series->set(&options, series->values[i]);
		if (job_n_fds(&options) > most)
			most = job_n_fds(&options);
	}
	return most;
}

/* Room for them beside what is open, as far as this process may have it: open(2) says if not. */
static void raise_fd_limit(uint32_t n_fds)
{
	struct rlimit limit;
	const rlim_t want = (rlim_t)n_fds + 256;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = limit.rlim_max < want ? limit.rlim_max : want;
	(void)!setrlimit(RLIMIT_NOFILE, &limit);
}

/* Its first bytes, all in the page cache. */
static int open_cached(const struct floor *floor, uint32_t n_fds, struct target *ret_target)
{
	struct bench_options options = floor->suite->job;
	char block[65536];
	int rc;

	raise_fd_limit(n_fds);
	options.rw = BENCH_READ;
	options.direct = 0;
	rc = target_open(&options, n_fds, ret_target);
	if (rc)
		return rc;
	if (ret_target->size_bytes > CACHED_BYTES) {
		ret_target->size_bytes = CACHED_BYTES;
		ret_target->areas[0].length_bytes = CACHED_BYTES;
	}
	for (uint64_t at = 0; at < ret_target->size_bytes && !rc; at += sizeof(block)) {
		ssize_t n = pread(ret_target->fds[0], block, sizeof(block), (off_t)at);

		rc = n < 0 ? (int)sys_result(n) : 0;
	}
	if (rc)
		target_close(ret_target);
	return rc;
}

int floor_growth(struct floor *floor)
{
	struct target target;
	int rc = floor_backend_status(IOE_BACKEND_URING);

	if (rc) {
		floor_skip(floor, "cost as work grows", "no io_uring here: %s", strerror(-rc));
		return 0;
	}
	for (size_t i = 0; i < SERIES && !rc; i++) {
		const struct growth *series = &all_series[i];
		const uint32_t n_fds = fds_wanted(series);

		rc = open_cached(floor, n_fds, &target);
		if (rc == -EMFILE) {
			floor_skip(floor, series->parameter, "%u open files are not allowed here",
				   n_fds);
			rc = 0;
			continue;
		}
		if (rc)
			break;
		rc = run_series(floor, series, &target);
		target_close(&target);
	}
	return rc;
}
