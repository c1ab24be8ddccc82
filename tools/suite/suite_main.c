/* SPDX-License-Identifier: MIT
 * suite_main.c - the main job: random reads, each of our backends beside its raw loop.
 *
 * For each backend: the best setting of its reference loop is searched (psync has none: it gets as
 * many threads as ours has helpers), then ours, with INLINE threading and events resubmitted from
 * their callbacks, runs in turn with that best.
 * Invariants: a backend that is not available leaves a line with its reason, and the others run.
 * Threads:    the main thread.
 * Ownership:  none that outlives suite_main().
 */
#include <stdio.h>
#include <string.h>

#include "tools/commands.h"
#include "tools/interrupt.h"
#include "tools/suite/search.h"
#include "tools/suite/suite.h"
#include "tools/units.h"

struct pair {
	uint64_t ours;
	uint64_t raw;
	const char *backend;
};

static const struct pair pairs[] = {
	{ BENCH_URING, BENCH_RAW_URING, "uring" },
	{ BENCH_AIO, BENCH_RAW_AIO, "aio" },
	{ BENCH_THREADS, BENCH_PSYNC, "threads" },
};

#define PAIRS (sizeof(pairs) / sizeof(pairs[0]))

struct row {
	struct versus versus;
	char setting[160];
};

static int run_pair(const struct suite_options *suite, const struct pair *pair,
		    const struct target *target, struct row *row)
{
	struct bench_options base = suite->job, sides[2];
	struct bench_options *ours = &sides[0], *raw = &sides[1];
	uint32_t search_rounds = suite->quick ? 1 : 5;
	int rc;

	base.rw = BENCH_RANDREAD;
	base.versus = pair->raw; /* so that psync is given a thread for each IO of the depth */
	*ours = bench_options_for(&base, pair->ours);
	*raw = bench_options_for(&base, pair->raw);
	if (pair->raw == BENCH_PSYNC) {
		snprintf(row->setting, sizeof(row->setting), "%llu threads",
			 (unsigned long long)raw->submit_threads);
	} else {
		rc = search_best(raw, target, suite->search_ns, search_rounds, raw);
		if (rc)
			return rc;
		search_describe(raw, row->setting, sizeof(row->setting));
	}
	return suite_run(suite, sides, 2, target, NULL, &row->versus);
}

static void print_head(const struct suite_options *suite)
{
	char what[160], bs[UNITS_TEXT_MAX];

	snprintf(what, sizeof(what),
		 "random reads of %s, O_DIRECT, depth %llu; INLINE, resubmitted from callbacks",
		 units_format_bytes((double)suite->job.bs_bytes, UNITS_1024, bs),
		 (unsigned long long)suite->job.iodepth);
	suite_print_head(stdout, suite, what);
}

static void print_table(const struct row rows[], const int status[])
{
	printf("\n%-8s %-12s %9s %9s %8s %8s   %-21s %s\n", "", "", "ours", "raw", "ours", "raw",
	       "IOPS ours/raw", "CPU ours/raw");
	printf("%-8s %-12s %9s %9s %8s %8s   %-21s %s\n", "backend", "raw loop", "IOPS", "IOPS",
	       "us/IO", "us/IO", "median (min-max)", "median (min-max)");
	for (size_t i = 0; i < PAIRS; i++) {
		const struct versus *v = &rows[i].versus;
		char iops[SUITE_SPREAD_MAX], cpu[SUITE_SPREAD_MAX];
		const char *raw = options_choice_name(bench_ioengines, pairs[i].raw);

		if (status[i]) {
			printf("%-8s %-12s %s\n", pairs[i].backend, raw, strerror(-status[i]));
			continue;
		}
		printf("%-8s %-12s %9.0f %9.0f %8.2f %8.2f   %s   %s\n", pairs[i].backend, raw,
		       versus_value(v, 0, VERSUS_IOPS).median,
		       versus_value(v, 1, VERSUS_IOPS).median,
		       versus_value(v, 0, VERSUS_CPU_US).median,
		       versus_value(v, 1, VERSUS_CPU_US).median,
		       suite_format_spread(versus_ratio(v, 0, 1, VERSUS_IOPS), iops),
		       suite_format_spread(versus_ratio(v, 0, 1, VERSUS_CPU_US), cpu));
	}
	printf("\nbest settings found of the raw loops, without registered buffers:\n");
	for (size_t i = 0; i < PAIRS; i++) {
		if (!status[i])
			printf("  %-12s %s\n", options_choice_name(bench_ioengines, pairs[i].raw),
			       rows[i].setting);
	}
}

int suite_main(const struct suite_options *suite, const struct target *target)
{
	struct row rows[PAIRS] = { 0 };
	int status[PAIRS] = { 0 };
	int failed = 0;

	print_head(suite);
	for (size_t i = 0; i < PAIRS && !interrupt_seen(); i++) {
		status[i] = run_pair(suite, &pairs[i], target, &rows[i]);
		failed |= status[i] != 0;
	}
	if (!interrupt_seen())
		print_table(rows, status);
	for (size_t i = 0; i < PAIRS; i++)
		versus_deinit(&rows[i].versus);
	return failed || interrupt_seen() ? EXIT_FAILED : EXIT_OK;
}
