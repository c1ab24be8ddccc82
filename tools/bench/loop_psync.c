/* SPDX-License-Identifier: MIT
 * loop_psync.c - reference loop: pread(2) or pwrite(2), one IO at a time on each thread; and the
 *                null loop, which makes no call at all: each IO is done at once.
 * Invariants: one system call for each IO, nothing else between two of them but the counting.
 * Threads:    submit_threads of them, which share only the number of the next IO.
 * Ownership:  none of its own.
 */
#include <unistd.h>

#include "tools/bench/loop_alone.h"

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

static bool psync_call(struct job_thread *thread, struct job_io *io, int64_t *ret_result)
{
	const int fd = target_fd(&thread->job->target, io->file, 0);
	int64_t result;

	if (io->direction == DIRECTION_SYNC)
		result = io->is_datasync ? fdatasync(fd) : fsync(fd);
	else if (io->direction == DIRECTION_WRITE)
		result = pwrite(fd, io->buffer, io->bytes, (off_t)io->offset);
	else
		result = pread(fd, io->buffer, io->bytes, (off_t)io->offset);
	*ret_result = result < 0 ? sys_result(result) : result;
	thread->system_calls++;
	return true;
}

static bool null_call(struct job_thread *thread, struct job_io *io, int64_t *ret_result)
{
	(void)thread;
	*ret_result = io->bytes;
	return true;
}

static void psync_thread_run(struct job_thread *thread)
{
	alone_run(thread, psync_call);
}

static void null_thread_run(struct job_thread *thread)
{
	alone_run(thread, null_call);
}

const struct loop_ops loop_psync = {
	.name = "psync",
	.n_threads = psync_n_threads,
	.n_foreign_shards = psync_n_foreign_shards,
	.depth = psync_depth,
	.thread_open = alone_open,
	.thread_run = psync_thread_run,
	.thread_close = alone_close,
};

const struct loop_ops loop_null = {
	.name = "null",
	.n_threads = psync_n_threads,
	.n_foreign_shards = psync_n_foreign_shards,
	.depth = psync_depth,
	.thread_open = alone_open,
	.thread_run = null_thread_run,
	.thread_close = alone_close,
};
