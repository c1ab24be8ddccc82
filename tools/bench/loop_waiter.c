/* SPDX-License-Identifier: MIT
 * loop_waiter.c - threads that submit one IO to our engine and wait for it, as psync's do.
 *
 * What a program does that has blocking code and threads: an event on the stack, prepared anew for
 * each IO, ioe_submit(), ioe_wait(); no callback.
 * Invariants: one IO in flight for each thread; nothing else between two of them but the counting.
 * Threads:    submit_threads of them, which share only the number of the next IO. With
 *             threading=none there is one, which drives the engine while it waits.
 * Ownership:  the event is on the stack of its thread, which has waited when it leaves.
 */
#include <stdlib.h>
#include <string.h>

#include "tools/bench/loop_ioe.h"

int waiter_open(struct job_thread *thread)
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

void waiter_run(struct job_thread *thread)
{
	struct job *job = thread->job;
	struct ioe_loop *loop = job->state;
	struct job_io *io = thread->state;
	uint64_t start_ns = job_now_ns(job);

	while (job_next(thread, io)) {
		struct ioe_event event;
		int64_t result;
		uint64_t now;
		int rc;

		if (job->is_paced && !job_wait_until_due(thread, io))
			break;
		io->start_ns = job_start_ns(job, start_ns);
		ioe_loop_prepare(job, &event, thread->index, io);
		rc = ioe_submit(loop->engine, &event);
		if (rc) {
			job_drop(job, io);
			job_fail(job, rc, "ioe_submit: %s", strerror(-rc));
			break;
		}
		result = ioe_wait(loop->engine, &event);
		now = job_now_ns(job);
		job_done(job, thread->shard, io, result, now);
		start_ns = now;
	}
}
