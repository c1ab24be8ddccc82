/* SPDX-License-Identifier: MIT
 * versus.h - two engines in turn, A B A B ..., and what their rounds say together.
 * Invariants: a ratio is of one A and the B that ran right after it, so that what drifts on the
 *             machine drifts for both.
 * Threads:    the main thread.
 * Ownership:  the results are the caller's to free with versus_deinit().
 */
#ifndef IOE_TOOLS_VERSUS_H
#define IOE_TOOLS_VERSUS_H

#include "job.h"

struct spread {
	double min;
	double median;
	double max;
};

enum versus_measure { VERSUS_IOPS, VERSUS_CPU_US, VERSUS_LATENCY_US, VERSUS_MEASURES };

struct versus {
	struct bench_options options[2];
	struct job_result *results; /* [2 * n_rounds]: A B A B ... */
	uint32_t n_results;
	uint32_t n_rounds; /* complete ones */
	struct spread value[2][VERSUS_MEASURES];
	struct spread ratio[VERSUS_MEASURES]; /* A / B */
	int error;
	bool interrupted;
};

/* Run both, rounds times each; target is open for either. Stops at the first bad result, which
 * is then the last of results, and at Ctrl-C. */
int versus_run(const struct bench_options *a, const struct bench_options *b,
	       const struct target *target, uint32_t rounds, const char *label,
	       struct versus *ret_versus);
void versus_deinit(struct versus *versus);

/* min, median and max of values[0..n), which are sorted. */
struct spread spread_of(double *values, uint32_t n);

#endif
