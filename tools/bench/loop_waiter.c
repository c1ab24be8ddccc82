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
#include <string.h>

#include "tools/bench/loop_alone.h"
#include "tools/bench/loop_ioe.h"

int waiter_open(struct job_thread *thread)
{
	return alone_open(thread);
}

void waiter_close(struct job_thread *thread)
{
	alone_close(thread);
}

static bool waiter_call(struct job_thread *thread, struct job_io *io, int64_t *ret_result)
{
	struct job *job = thread->job;
	struct ioe_loop *loop = job->state;
	struct ioe_event event;
	int rc;

	ioe_loop_prepare(job, &event, thread->index, io);
	rc = ioe_submit(loop->engine, &event);
	if (rc) {
		job_fail(job, rc, "ioe_submit: %s", strerror(-rc));
		return false;
	}
	*ret_result = ioe_wait(loop->engine, &event);
	return true;
}

void waiter_run(struct job_thread *thread)
{
	alone_run(thread, waiter_call);
}
