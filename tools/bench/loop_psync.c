/* SPDX-License-Identifier: MIT
 * loop_psync.c - reference loop: pread(2) or pwrite(2), one IO at a time on each thread.
 * Invariants: one system call for each IO, nothing else between two of them but the counting.
 * Threads:    submit_threads of them, which share only the number of the next IO.
 * Ownership:  none of its own.
 */
#include <unistd.h>

#include "tools/bench/job.h"

static uint32_t psync_n_threads(const struct bench_options *options)
{
	return (uint32_t)options->submit_threads;
}

static uint32_t psync_n_foreign_shards(const struct bench_options *options)
{
	(void)options;
	return 0;
}

static uint32_t psync_depth(const struct bench_options *options, uint32_t index)
{
	(void)options;
	(void)index;
	return 1;
}

static int psync_thread_open(struct job_thread *thread)
{
	(void)thread;
	return 0;
}

static void psync_thread_close(struct job_thread *thread)
{
	(void)thread;
}

static void psync_thread_run(struct job_thread *thread)
{
	struct job *job = thread->job;
	struct io_stats *stats = &thread->shard->direction[job->direction];
	const int fd = job->target.fds[0];
	uint64_t start_ns = job_now_ns(job), offset;

	while (job_thread_take(thread, &offset)) {
		uint64_t now;
		int64_t result;

		if (job->is_write)
			result = pwrite(fd, thread->buffers, job->block_bytes, (off_t)offset);
		else
			result = pread(fd, thread->buffers, job->block_bytes, (off_t)offset);
		if (result < 0)
			result = sys_result(result);
		now = job_now_ns(job);
		thread->system_calls++;
		if (job->is_timed)
			histogram_add(&stats->lat, now - start_ns);
		job_count_io(job, stats, result, offset);
		start_ns = now;
	}
}

const struct loop_ops loop_psync = {
	.name = "psync",
	.n_threads = psync_n_threads,
	.n_foreign_shards = psync_n_foreign_shards,
	.depth = psync_depth,
	.thread_open = psync_thread_open,
	.thread_run = psync_thread_run,
	.thread_close = psync_thread_close,
};
