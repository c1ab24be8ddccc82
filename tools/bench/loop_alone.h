/* SPDX-License-Identifier: MIT
 * loop_alone.h - what the loops have in common whose threads have one IO at a time and wait for it.
 * Invariants: an IO begins when the one before has ended, unless it is not due; nothing else
 *             between two of them but the counting.
 * Threads:    each thread its own IO.
 * Ownership:  the IO is thread->state, allocated by alone_open(), freed by alone_close().
 */
#ifndef IOE_TOOLS_LOOP_ALONE_H
#define IOE_TOOLS_LOOP_ALONE_H

#include <stdlib.h>

#include "tools/bench/job.h"

static inline int alone_open(struct job_thread *thread)
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

static inline void alone_close(struct job_thread *thread)
{
	job_ios_are(thread, NULL, 0);
	free(thread->state);
}

/* Do an IO. False: it was not submitted, and the job has failed. */
typedef bool (*alone_call)(struct job_thread *thread, struct job_io *io, int64_t *ret_result);

/* Always inline, so that each loop calls its own function directly: a call through a pointer would
 * be measured. */
__attribute__((always_inline)) static inline void alone_run(struct job_thread *thread,
							    alone_call call)
{
	struct job *job = thread->job;
	struct job_io *io = thread->state;
	uint64_t start_ns = job_now_ns(job), now;

	while (job_next(thread, io)) {
		int64_t result;

		if (job->is_paced && !job_wait_until_due(thread, io))
			break;
		io->start_ns = job_start_ns(job, start_ns);
		if (!call(thread, io, &result)) {
			job_drop(job, io);
			break;
		}
		now = job_now_ns(job);
		job_done(job, thread->shard, io, result, now, false);
		start_ns = now;
	}
}

#endif
