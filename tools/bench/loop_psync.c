/* SPDX-License-Identifier: MIT
 * loop_psync.c - reference loop: pread(2) or pwrite(2), one IO at a time on each thread; and the
 *                null loop, which makes no call at all: each IO is done at once.
 * Invariants: one system call for each IO, nothing else between two of them but the counting.
 * Threads:    submit_threads of them, which share only the number of the next IO.
 * Ownership:  none of its own.
 */
#include <stdlib.h>
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

/* The thread's one IO. */
static int psync_thread_open(struct job_thread *thread)
{
	struct job_io *io = aligned_alloc(64, 64);

	if (!io) {
		job_fail(thread->job, -ENOMEM, "no memory");
		return -ENOMEM;
	}
	job_io_init(thread, io, 0);
	thread->state = io;
	job_ios_are(thread, io, sizeof(*io));
	return 0;
}

static void psync_thread_close(struct job_thread *thread)
{
	job_ios_are(thread, NULL, 0);
	free(thread->state);
}

static int64_t call(const struct job *job, const struct job_io *io)
{
	const int fd = target_fd(&job->target, io->file, 0);
	int64_t result;

	if (io->direction == DIRECTION_SYNC)
		result = io->is_datasync ? fdatasync(fd) : fsync(fd);
	else if (io->direction == DIRECTION_WRITE)
		result = pwrite(fd, io->buffer, io->bytes, (off_t)io->offset);
	else
		result = pread(fd, io->buffer, io->bytes, (off_t)io->offset);
	return result < 0 ? sys_result(result) : result;
}

/* An IO begins when the one before has ended, unless it is not due. */
static void run_alone(struct job_thread *thread, bool is_null)
{
	struct job *job = thread->job;
	struct job_io *io = thread->state;
	uint64_t start_ns = job_now_ns(job), now;

	while (job_next(thread, io)) {
		int64_t result;

		if (job->is_paced && !job_wait_until_due(thread, io))
			break;
		io->start_ns = job_start_ns(job, start_ns);
		result = is_null ? io->bytes : call(job, io);
		thread->system_calls += !is_null;
		now = job_now_ns(job);
		job_done(job, thread->shard, io, result, now);
		start_ns = now;
	}
}

static void psync_thread_run(struct job_thread *thread)
{
	run_alone(thread, false);
}

static void null_thread_run(struct job_thread *thread)
{
	run_alone(thread, true);
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

const struct loop_ops loop_null = {
	.name = "null",
	.n_threads = psync_n_threads,
	.n_foreign_shards = psync_n_foreign_shards,
	.depth = psync_depth,
	.thread_open = psync_thread_open,
	.thread_run = null_thread_run,
	.thread_close = psync_thread_close,
};
