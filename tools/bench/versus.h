/* SPDX-License-Identifier: MIT
 * versus.h - several jobs in turn, in rounds, and what the rounds say together.
 * Invariants: a ratio is of two runs of one round, so that what drifts on the machine drifts for
 *             both.
 * Threads:    the main thread.
 * Ownership:  the results are the caller's to free with versus_deinit().
 */
#ifndef IOE_TOOLS_VERSUS_H
#define IOE_TOOLS_VERSUS_H

#include "tools/bench/job.h"

#define VERSUS_SIDES_MAX 8

struct spread {
	double min;
	double median;
	double max;
};

enum versus_measure {
	VERSUS_IOPS,
	VERSUS_CPU_US, /* for each IO */
	VERSUS_LATENCY_US,
	VERSUS_BANDWIDTH, /* bytes in a second */
	VERSUS_MERGED,    /* events in a request of ours; 0 of others */
	VERSUS_NS,        /* of time, for each IO */
	/* Of ours, 0 of others: */
	VERSUS_WAKES,        /* of sleeping drivers, for each event */
	VERSUS_SYSTEM_CALLS, /* of drivers, for each event */
	VERSUS_DEPTH_KEPT,   /* requests in flight, time average, by iodepth */
	VERSUS_P999_US,      /* 99.9th percentile of the completion latency */
	VERSUS_SLOWEST,      /* IOs of the slowest submitting thread by their mean */
};

/* What `ioe bench --versus` reports: the first ones. */
#define VERSUS_REPORTED (VERSUS_LATENCY_US + 1)

struct versus {
	struct bench_options options[VERSUS_SIDES_MAX];
	uint32_t n_sides;
	struct job_result *results; /* [n_sides * rounds], as run: rounds differ in order */
	uint32_t n_results;
	uint32_t n_rounds; /* complete ones */
	bool interrupted;
};

/* Run sides[0..n_sides) in turn, rounds times; target is open for all of them. Stops at the first
 * bad result, which is then the last of results, and at Ctrl-C. label: for the live line, or NULL.
 * Returns 0 or the error of the bad result. */
int versus_run(const struct bench_options sides[], uint32_t n_sides, const struct target *target,
	       uint32_t rounds, const char *label, struct versus *ret_versus);
void versus_deinit(struct versus *versus);

/* Over the complete rounds: of one side, of side a's by side b's, and of side a's less side b's. */
struct spread versus_value(const struct versus *versus, uint32_t side, enum versus_measure measure);
struct spread versus_ratio(const struct versus *versus, uint32_t a, uint32_t b,
			   enum versus_measure measure);
struct spread versus_difference(const struct versus *versus, uint32_t a, uint32_t b,
				enum versus_measure measure);

/* min, median and max of values[0..n), which are sorted. */
struct spread spread_of(double *values, uint32_t n);

#endif
