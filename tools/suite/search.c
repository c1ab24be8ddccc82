/* SPDX-License-Identifier: MIT
 * search.c - the best setting of a reference loop on this machine.
 *
 * First the batches are tried, with everything registered; then, from the best of them on, each
 * of the switches turned round. Best is the highest rate; among those within MARGIN of it, where
 * the device sets the rate, the one with the least CPU for each IO.
 * Invariants: see search.h.
 * Threads:    the main thread.
 * Ownership:  none.
 */
#include "tools/suite/search.h"

#include <stdio.h>

#include "tools/bench/monitor.h"
#include "tools/bench/report.h"

#define MARGIN         0.015
#define CANDIDATES_MAX 16
#define ROUNDS_MAX     16

struct batching {
	uint32_t submit; /* 0: the whole depth */
	uint32_t complete_min;
	uint32_t complete_max; /* 0: all that the loop takes, or the depth */
	bool submit_and_wait;
};

static const struct batching uring_batchings[] = {
	{ 1, 1, 1, false }, /* fio's */
	{ 4, 1, 4, false }, { 4, 1, 4, true },  { 8, 1, 8, true },  { 0, 1, 0, false },
	{ 0, 1, 0, true },  { 0, 2, 0, true },  { 0, 4, 0, true },  { 0, 8, 0, true },
	{ 0, 16, 0, true }, { 0, 32, 0, true }, { 0, 64, 0, true },
};

static const struct batching aio_batchings[] = {
	{ 1, 1, 1, false }, /* fio's */
	{ 4, 1, 4, false }, { 8, 1, 8, false }, { 0, 1, 0, false },
	{ 0, 2, 0, false }, { 0, 4, 0, false }, { 0, 8, 0, false },
};

struct candidate {
	struct bench_options options;
	double iops[ROUNDS_MAX];
	double cpu_us[ROUNDS_MAX];
};

static struct bench_options with_batching(const struct bench_options *base,
					  const struct batching *batching)
{
	struct bench_options options = *base;
	uint64_t depth = base->iodepth;
	uint64_t submit = batching->submit ? batching->submit : depth;
	uint64_t max = batching->complete_max ? batching->complete_max : RAW_REAP_MAX;

	options.batch_submit = submit < depth ? submit : depth;
	options.batch_complete_max = max < depth ? max : depth;
	options.batch_complete_min = batching->complete_min < options.batch_complete_max ?
					     batching->complete_min :
					     options.batch_complete_max;
	options.submit_and_wait = batching->submit_and_wait;
	return options;
}

static int run_round(struct candidate candidates[], uint32_t n, const struct target *target,
		     uint32_t round)
{
	for (uint32_t i = 0; i < n; i++) {
		struct candidate *candidate = &candidates[i];
		struct job_result result;
		int rc = job_run(&candidate->options, target, &result);

		candidate->iops[round] = report_iops(&result);
		candidate->cpu_us[round] = report_cpu_us_per_io(&result);
		if (rc)
			fprintf(stderr, "ioe suite: %s\n", result.message);
		else if (result.interrupted)
			rc = -ECANCELED;
		job_result_deinit(&result);
		if (rc)
			return rc;
	}
	return 0;
}

/* Run every candidate, rounds times in turn, and find the best by their medians. */
static int try_all(struct candidate candidates[], uint32_t n, const struct target *target,
		   uint32_t rounds, uint32_t *ret_best)
{
	double iops[CANDIDATES_MAX], cpu_us[CANDIDATES_MAX];
	double iops_max = 0;
	uint32_t best = 0;
	bool found = false;

	for (uint32_t round = 0; round < rounds; round++) {
		int rc = run_round(candidates, n, target, round);

		if (rc)
			return rc;
	}
	for (uint32_t i = 0; i < n; i++) {
		iops[i] = spread_of(candidates[i].iops, rounds).median;
		cpu_us[i] = spread_of(candidates[i].cpu_us, rounds).median;
		iops_max = iops[i] > iops_max ? iops[i] : iops_max;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (iops[i] < iops_max * (1 - MARGIN))
			continue;
		if (!found || cpu_us[i] < cpu_us[best])
			best = i;
		found = true;
	}
	*ret_best = best;
	return 0;
}

/* At a small depth several of the table come to the same. */
static bool is_listed(const struct candidate *candidate, const struct candidate candidates[],
		      uint32_t n)
{
	const struct bench_options *a = &candidate->options;

	for (uint32_t i = 0; i < n; i++) {
		const struct bench_options *b = &candidates[i].options;

		if (a->batch_submit == b->batch_submit &&
		    a->batch_complete_min == b->batch_complete_min &&
		    a->batch_complete_max == b->batch_complete_max &&
		    a->submit_and_wait == b->submit_and_wait)
			return true;
	}
	return false;
}

static uint32_t list_batchings(const struct bench_options *base, struct candidate candidates[])
{
	bool uring = base->ioengine == BENCH_RAW_URING;
	const struct batching *batchings = uring ? uring_batchings : aio_batchings;
	uint32_t n_batchings = uring ? sizeof(uring_batchings) / sizeof(uring_batchings[0]) :
				       sizeof(aio_batchings) / sizeof(aio_batchings[0]);
	uint32_t n = 0;
	struct bench_options registered = *base;

	registered.registerring = registered.registerfiles = registered.userspace_reap = 1;
	for (uint32_t i = 0; i < n_batchings; i++) {
		uint32_t wait = batchings[i].complete_min;

		/* To wait for many is for large depths. */
		if (wait > 8 && wait > base->iodepth / 4)
			continue;
		candidates[n] =
			(struct candidate){ .options = with_batching(&registered, &batchings[i]) };
		if (!is_listed(&candidates[n], candidates, n))
			n++;
	}
	return n;
}

/* The best as it is, and with each switch turned round. */
static uint32_t list_switches(const struct bench_options *best, struct candidate candidates[])
{
	uint32_t n = 0;

	candidates[n++] = (struct candidate){ .options = *best };
	candidates[n] = (struct candidate){ .options = *best };
	if (best->ioengine == BENCH_RAW_AIO) {
		candidates[n++].options.userspace_reap = !best->userspace_reap;
		return n;
	}
	candidates[n++].options.registerring = !best->registerring;
	candidates[n] = (struct candidate){ .options = *best };
	candidates[n++].options.registerfiles = !best->registerfiles;
	candidates[n] = (struct candidate){ .options = *best };
	candidates[n++].options.defer_taskrun = !best->defer_taskrun;
	return n;
}

int search_best(const struct bench_options *base, const struct target *target, uint64_t runtime_ns,
		uint32_t rounds, struct bench_options *ret_best)
{
	struct candidate candidates[CANDIDATES_MAX];
	struct bench_options best = *base;
	uint32_t n, i;
	int rc;

	if (rounds > ROUNDS_MAX)
		rounds = ROUNDS_MAX;
	monitor_set_prefix("[search]");
	best.runtime_ns = runtime_ns;
	n = list_batchings(&best, candidates);
	rc = try_all(candidates, n, target, rounds, &i);
	if (!rc) {
		best = candidates[i].options;
		n = list_switches(&best, candidates);
		rc = try_all(candidates, n, target, rounds, &i);
	}
	monitor_set_prefix(NULL);
	if (rc)
		return rc;
	best = candidates[i].options;
	best.runtime_ns = base->runtime_ns;
	*ret_best = best;
	return 0;
}

void search_describe(const struct bench_options *options, char *text, size_t size)
{
	bool uring = options->ioengine == BENCH_RAW_URING;

	snprintf(text, size, "batch_submit=%llu batch_complete=%llu..%llu%s%s%s%s%s",
		 (unsigned long long)options->batch_submit,
		 (unsigned long long)options->batch_complete_min,
		 (unsigned long long)options->batch_complete_max,
		 uring && options->submit_and_wait ? " submit_and_wait" : "",
		 uring && options->registerring ? " registerring" : "",
		 uring && options->registerfiles ? " registerfiles" : "",
		 uring && options->defer_taskrun ? " defer_taskrun" : "",
		 !uring && options->userspace_reap ? " userspace_reap" : "");
}
