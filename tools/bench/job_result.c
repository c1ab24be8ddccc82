/* SPDX-License-Identifier: MIT
 * job_result.c - what a job has done: beginning, adding up, ending.
 * Invariants: see job_result.h.
 * Threads:    see job_result.h.
 * Ownership:  see job_result.h.
 */
#include "tools/bench/job_result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int job_result_init(struct job_result *result, const struct bench_options *options)
{
	*result = (struct job_result){ .options = *options, .n_jobs = 1 };
	result->direction = calloc(DIRECTIONS, sizeof(*result->direction));
	if (!result->direction)
		return -ENOMEM;
	for (int d = 0; d < DIRECTIONS; d++)
		io_stats_init(&result->direction[d]);
	return 0;
}

void job_result_deinit(struct job_result *result)
{
	for (int d = 0; d < DIRECTIONS; d++) {
		series_deinit(&result->series[d]);
		if (result->direction)
			io_stats_deinit(&result->direction[d]);
	}
	free(result->direction);
	result->direction = NULL;
}

static void merge_stage(struct ioe_latency *into, const struct ioe_latency *from)
{
	into->n += from->n;
	into->sum_ns += from->sum_ns;
	if (from->max_ns > into->max_ns)
		into->max_ns = from->max_ns;
	for (uint32_t i = 0; i < IOE_LATENCY_BUCKETS; i++)
		into->histogram[i] += from->histogram[i];
}

/* Each job has an engine of its own: depths and averages in flight add up as well. */
static void merge_engine(struct job_engine *into, const struct job_engine *from)
{
	struct ioe_stats *a = &into->stats;
	const struct ioe_stats *b = &from->stats;

	if (!from->is_set)
		return;
	if (!into->is_set) {
		*into = *from;
		return;
	}
	a->depth += b->depth;
	a->n_drivers += b->n_drivers;
	a->events_finished += b->events_finished;
	a->errors += b->errors;
	a->requests += b->requests;
	a->merged_requests += b->merged_requests;
	a->merged_events += b->merged_events;
	a->resumed += b->resumed;
	a->retried += b->retried;
	a->split += b->split;
	a->stale_completions += b->stale_completions;
	a->helped += b->helped;
	a->system_calls += b->system_calls;
	a->wakes += b->wakes;
	a->parks += b->parks;
	a->channel_full_waits += b->channel_full_waits;
	a->in_flight_max += b->in_flight_max;
	a->in_flight_average += b->in_flight_average;
	for (uint32_t i = 0; i < IOE_LATENCY_END; i++)
		merge_stage(&a->latency[i], &b->latency[i]);
}

static void merge_counts(struct job_result *into, const struct job_result *from)
{
	into->interrupted = into->interrupted || from->interrupted;
	io_depths_merge(&into->depths, &from->depths);
	if (from->runtime_ns > into->runtime_ns)
		into->runtime_ns = from->runtime_ns;
	if (from->read_back_ns > into->read_back_ns)
		into->read_back_ns = from->read_back_ns;
	into->read_back_ios += from->read_back_ios;
	if (from->elapsed_ns > into->elapsed_ns)
		into->elapsed_ns = from->elapsed_ns;
	into->runtime_sum_ns += from->runtime_sum_ns;
	into->usr_ns += from->usr_ns;
	into->sys_ns += from->sys_ns;
	into->context_switches += from->context_switches;
	into->major_faults += from->major_faults;
	into->minor_faults += from->minor_faults;
	into->system_calls += from->system_calls;
	into->n_missing += from->n_missing;
	if (!into->n_jobs || from->slowest_share < into->slowest_share)
		into->slowest_share = from->slowest_share;
	into->n_jobs += from->n_jobs;
	if (!into->first_error)
		into->first_error = from->first_error;
	if (!into->error && from->error) {
		into->error = from->error;
		memcpy(into->message, from->message, sizeof(into->message));
	}
	merge_engine(&into->engine, &from->engine);
}

int job_result_merge(struct job_result *into, const struct job_result *from)
{
	for (int d = 0; d < DIRECTIONS; d++) {
		int rc = 0;

		if (from->direction[d].intended)
			rc = io_stats_want_intended(&into->direction[d]);
		if (!rc)
			rc = series_merge(&into->series[d], &from->series[d]);
		if (rc)
			return rc;
		io_stats_merge(&into->direction[d], &from->direction[d]);
		rate_samples_merge(&into->iops[d], &from->iops[d]);
		rate_samples_merge(&into->bytes_per_second[d], &from->bytes_per_second[d]);
	}
	merge_counts(into, from);
	return 0;
}

uint64_t job_result_runtime_ns(const struct job_result *result, int direction)
{
	if (direction != DIRECTION_READ || !result->read_back_ns)
		return result->runtime_ns;
	/* Else it has also what was done before that. */
	if (!bench_is_mixed(&result->options) && !result->options.verify_backlog &&
	    !result->options.unified_rw_reporting)
		return result->read_back_ns;
	return result->runtime_ns + result->read_back_ns;
}

uint64_t job_result_ios(const struct job_result *result)
{
	uint64_t ios = 0;

	for (int d = 0; d < DIRECTIONS; d++)
		ios += d == DIRECTION_SYNC ? 0 : stats_read(&result->direction[d].ios);
	return ios > result->read_back_ios ? ios - result->read_back_ios : 0;
}

bool job_result_is_bad(const struct job_result *result)
{
	if (result->error || result->n_missing)
		return true;
	for (int d = 0; d < DIRECTIONS; d++) {
		if (result->direction[d].errors || result->direction[d].short_ios)
			return true;
	}
	return false;
}
