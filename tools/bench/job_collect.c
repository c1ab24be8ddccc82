/* SPDX-License-Identifier: MIT
 * job_collect.c - what a job has done, so far and in the end; and what has not come back.
 * Invariants: a snapshot does not stop or slow the job: counters are read while they are written.
 * Threads:    the main thread.
 * Ownership:  results are the caller's; of a job that was given up nothing is freed, as its threads
 *             still use it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/job.h"
#include "tools/bench/job_verify.h"

static double timeval_ns(struct timeval end, struct timeval start)
{
	return (double)(end.tv_sec - start.tv_sec) * 1e9 +
	       (double)(end.tv_usec - start.tv_usec) * 1e3;
}

static double slowest_share(const struct job *job)
{
	uint64_t least = UINT64_MAX, total = 0;

	for (uint32_t i = 0; i < job->n_threads; i++) {
		uint64_t ios = 0;

		for (int d = 0; d < DIRECTIONS; d++)
			ios += stats_read(&job->shards[i].direction[d].ios);
		total += ios;
		least = ios < least ? ios : least;
	}
	return total ? (double)least * job->n_threads / (double)total : 0;
}

/* A loop whose threads always have their depth in flight, and submit and complete one by one, does
 * not count: it follows. Of several threads each has the same depth. */
static void fill_depths(const struct job *job, struct job_result *result)
{
	uint64_t ios = 0;

	for (int d = 0; d < DIRECTIONS; d++)
		ios += stats_read(&result->direction[d].ios);
	for (int i = 0; i < IO_DEPTHS; i++) {
		if (stats_read(&result->depths.level[i]))
			return;
	}
	if (job->threads[0].depth)
		io_depths_fill(&result->depths, ios, job->threads[0].depth);
}

static void add_shards(const struct job *job, struct job_result *result)
{
	for (uint32_t i = 0; i < job->n_shards; i++) {
		io_depths_merge(&result->depths, &job->shards[i].depths);
		for (int d = 0; d < DIRECTIONS; d++) {
			const struct io_stats *stats = &job->shards[i].direction[d];

			if (stats->intended && io_stats_want_intended(&result->direction[d]))
				abort(); /* of some KiB */
			io_stats_merge(&result->direction[d], stats);
		}
	}
	fill_depths(job, result);
	result->slowest_share = slowest_share(job);
}

static void add_usage(const struct rusage *a, const struct rusage *b, struct job_result *result)
{
	result->usr_ns = timeval_ns(b->ru_utime, a->ru_utime);
	result->sys_ns = timeval_ns(b->ru_stime, a->ru_stime);
	result->context_switches =
		(uint64_t)(b->ru_nvcsw - a->ru_nvcsw + b->ru_nivcsw - a->ru_nivcsw);
	result->major_faults = (uint64_t)(b->ru_majflt - a->ru_majflt);
	result->minor_faults = (uint64_t)(b->ru_minflt - a->ru_minflt);
}

static void set_times(const struct job *job, uint64_t end_ns, struct job_result *result)
{
	result->runtime_ns = end_ns - job->start_ns;
	result->runtime_sum_ns = result->runtime_ns;
	result->elapsed_ns = result->runtime_ns;
}

/* What was read back, after end_ns. */
static void add_read_back(const struct job *job, uint64_t ns, struct job_result *result)
{
	uint64_t ios = stats_read(&result->direction[DIRECTION_READ].ios);

	result->read_back_ns = ns;
	result->read_back_ios = ios - job->ios_before[DIRECTION_READ];
}

/* Errors, which threads may still write. */
static void copy_errors(struct job *job, struct job_result *result)
{
	pthread_mutex_lock(&job->lock);
	result->error = job->error;
	result->first_error = job->first_error;
	memcpy(result->message, job->message, sizeof(result->message));
	pthread_mutex_unlock(&job->lock);
}

/* All threads have ended, and so has its time. */
static void add_end(const struct job *job, struct job_result *result)
{
	set_times(job, job->end_ns, result);
	add_usage(&job->usage_start, &job->usage_end, result);
	if (job->read_back_ns)
		add_read_back(job, job->read_back_ns, result);
}

void job_collect(struct job *job, struct job_result *result)
{
	/* One that could not be set up has done nothing; it may have ended in ramp_time. */
	if (job->shards && job->threads) {
		add_shards(job, result);
		for (uint32_t i = 0; i < job->n_threads; i++)
			result->system_calls += job->threads[i].system_calls;
	}
	if (job->end_ns)
		add_end(job, result);
	result->engine = job->engine;
	copy_errors(job, result);
}

void job_snapshot(struct job *job, struct job_result *result)
{
	struct rusage now;

	if (!job->shards || !job->threads || !atomic_load(&job->is_started))
		return;
	add_shards(job, result);
	if (job_has_ended(job)) {
		/* It waits for others of its wall. */
		if (job->end_ns)
			add_end(job, result);
	} else if (atomic_load(&job->is_reading_back) && !job_verify_is_dry(job)) {
		set_times(job, job->work_end_ns, result);
		add_usage(&job->usage_start, &job->usage_end, result);
		add_read_back(job, clock_now_ns() - job->work_end_ns, result);
	} else if (!atomic_load(&job->is_ramping)) {
		job_read_usage(job, &now);
		set_times(job, clock_now_ns(), result);
		add_usage(&job->usage_start, &now, result);
	}
	copy_errors(job, result);
}

void job_give_up(struct job *job, struct job_result *result)
{
	const uint32_t n_missing = job_missing(job, NULL, 0);

	job_fail(job, -ETIMEDOUT, "%u IOs have not come back", n_missing);
	job_snapshot(job, result);
	result->n_missing = n_missing;
}

/* Into ios[0..n), which is sorted by age and has room for max. */
static uint32_t insert(struct job_io *ios, uint32_t n, uint32_t max, const struct job_io *io)
{
	uint32_t at = n;

	while (at && ios[at - 1].start_ns > io->start_ns)
		at--;
	if (at >= max)
		return n;
	n = n < max ? n + 1 : max;
	memmove(&ios[at + 1], &ios[at], (n - at - 1) * sizeof(*ios));
	/* By bytes: is_out may be cleared meanwhile, which does not matter. */
	memcpy(&ios[at], io, sizeof(*io));
	return n;
}

uint32_t job_missing(struct job *job, struct job_io *ios, uint32_t max)
{
	uint32_t n_all = 0, n = 0;

	pthread_mutex_lock(&job->lock);
	for (uint32_t i = 0; job->threads && i < job->n_threads; i++) {
		const struct job_thread *thread = &job->threads[i];

		for (uint32_t k = 0; thread->ios && k < thread->depth; k++) {
			const struct job_io *io =
				(const struct job_io *)(const void *)((const char *)thread->ios +
								      thread->ios_stride * k);

			if (!atomic_load_explicit(&io->is_out, memory_order_relaxed))
				continue;
			n_all++;
			n = insert(ios, n, max, io);
		}
	}
	pthread_mutex_unlock(&job->lock);
	return n_all;
}
